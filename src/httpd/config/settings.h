/*
 * What the configuration says: one struct for every level of it (server, virtual host, Location).
 *
 * A struct mrc_settings always holds a value for every field, the default where nothing was said;
 * `set` tells which fields this level names itself, and merging copies just those over the outer
 * level's. Made while the configuration is read, in its pool; read-only afterwards, by any thread.
 */
#ifndef MRC_HTTPD_CONFIG_SETTINGS_H
#define MRC_HTTPD_CONFIG_SETTINGS_H

#include <stdint.h>

#include "httpd.h"

#include "http_config.h"

#include "httpd/config/directive_table.h"

/* The longest name= of a hub. */
#define MRC_HUB_NAME_MAX 64

/* The section in which `MercureHub On` stands: the definition of a hub. */
struct mrc_hub_section {
    server_rec *server; /* the server or virtual host that holds the section */
    const char *path;   /* the Location's path: the path of the hub's URL */
    const char *name;   /* name=, or NULL */
    const char *where;  /* file and line, for messages */
};

struct mrc_origins;
struct mrc_playground_key;

struct mrc_settings {
    uint64_t set; /* bit N: field N is named here */

    const struct mrc_hub_section *hub;           /* NULL: not a hub */
    apr_array_header_t *publisher_keys;          /* of const struct mrc_key_row *; NULL: none */
    apr_array_header_t *subscriber_keys;         /* the same */
    int legacy;                                  /* boolean: protocol 0.x, too */
    apr_array_header_t *legacy_publisher_keys;   /* of const struct mrc_key_row *; NULL: none */
    apr_array_header_t *legacy_subscriber_keys;  /* the same */
    int anonymous;                               /* boolean */
    int debugger;                                /* boolean */
    const struct mrc_playground_key *playground; /* NULL: none */
    apr_array_header_t *resource_identifiers;    /* of const char *; NULL: derived */
    apr_array_header_t *authorization_servers;   /* of const char *; NULL: none */
    struct mrc_origins *public_origins;          /* NULL: whatever the virtual host serves */
    const char *cookie_name;
    struct mrc_origins *cors_origins;    /* NULL: none */
    struct mrc_origins *publish_origins; /* beside the hub's own; NULL: none */

    int history_off;       /* boolean */
    int64_t history_count; /* updates; 0: no bound */
    int64_t history_bytes; /* 0: no bound */
    int64_t history_age_s; /* seconds; 0: no bound */

    const char *store_path; /* where durable histories are; NULL: in memory */
    int store_sync;         /* enum mrc_history_sync */

    int64_t limit_matchers;       /* of one subscription */
    int64_t limit_pattern_bytes;  /* of one matcher */
    int64_t limit_topics;         /* of one publication; of one token */
    int64_t limit_body_bytes;     /* of one publication's body */
    int64_t limit_field_bytes;    /* of one field of a publication; 0: as long as the body */
    int64_t limit_details;        /* Mercure details of one token */
    int64_t limit_patterns;       /* of all subscriptions, counted in each child */
    int64_t limit_compiled_bytes; /* what these occupy */

    int64_t heartbeat_s;        /* 0: never */
    int64_t lifetime_s;         /* 0: never */
    int64_t dispatch_timeout_s; /* at least 1 */
    int64_t backlog_bytes;      /* what may wait for one client */
    int64_t max_subscribers;    /* 0: no limit */
    int64_t max_per_address;    /* of them, from one client's address; 0: no limit */
    int64_t max_per_token;      /* with one token; 0: no limit */
    int detach;                 /* boolean: plain streams may leave httpd's connections */
    int subscriptions;          /* boolean: events and the API of active subscriptions */

    int64_t dispatchers;  /* threads in each child */
    int64_t memory_bytes; /* bound of all shared memory; 0: what the hubs need */

    const char *jwks_ca_file; /* NULL: whom the system trusts */
};

/* Settings in which every field has its default and none is set. */
struct mrc_settings *mrc_settings_create(apr_pool_t *pool);

/* A copy of OUTER, with what INNER sets put over it. */
struct mrc_settings *mrc_settings_merge(apr_pool_t *pool, const struct mrc_settings *outer,
                                        const struct mrc_settings *inner);

/* Where FIELD lies; its type is the member's. */
void *mrc_settings_field(struct mrc_settings *settings, enum mrc_field field);

/* Whether FIELD was named in the configuration, at this level or one that was merged in. */
int mrc_settings_is_set(const struct mrc_settings *settings, enum mrc_field field);

/* That FIELD is named here. The others write its value, too. */
void mrc_settings_mark(struct mrc_settings *settings, enum mrc_field field);
void mrc_settings_set_number(struct mrc_settings *settings, enum mrc_field field, int64_t value);
void mrc_settings_set_flag(struct mrc_settings *settings, enum mrc_field field, int value);

/*
 * The name of a directive that belongs to the hub and has not the same value in both, or NULL when
 * they agree.
 */
const char *mrc_settings_disagreement(const struct mrc_settings *a, const struct mrc_settings *b);

#endif
