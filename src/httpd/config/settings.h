/*
 * The settings of the configuration: one struct for each level (server, virtual host, Location),
 * with a part for each scope. Code that handles requests reads a part, through mrc_claim_settings()
 * and mrc_claim_hub_settings().
 *
 * A struct mrc_settings has a value for every field; without a directive, that is the default.
 * `set` says which fields the directives of this level have set. Merging copies only those over the
 * outer level. Settings are made while httpd reads the configuration, in its pool. Afterwards any
 * thread may read them.
 */
#ifndef MRC_HTTPD_CONFIG_SETTINGS_H
#define MRC_HTTPD_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"
#include "apr_tables.h"

#include "httpd/config/directive_table.h"
#include "hub/hub/spec.h"
#include "store/ring/ring.h"

/* The longest name= of a hub. */
#define MRC_HUB_NAME_MAX 64

struct mrc_origins;
struct mrc_playground_key;
struct mrc_transport_settings;
struct server_rec;

/* The section that contains `MercureHub On`: the definition of a hub. */
struct mrc_hub_section {
    struct server_rec *server; /* the server or virtual host that contains the section */
    const char *path;          /* the path of the Location and of the hub's URL */
    const char *name;          /* name=, or NULL */
    const char *where;         /* file and line, for messages */
};

/* Settings of a Location. Requests to the same hub may have different ones. */
struct mrc_location_settings {
    apr_array_header_t *publisher_keys;          /* of const struct mrc_key_row *; NULL: none */
    apr_array_header_t *subscriber_keys;         /* the same */
    apr_array_header_t *control_keys;            /* the same; NULL: there is no H/control */
    bool legacy;                                 /* speaks protocol 0.x too */
    apr_array_header_t *legacy_publisher_keys;   /* of const struct mrc_key_row *; NULL: none */
    apr_array_header_t *legacy_subscriber_keys;  /* the same */
    bool anonymous;                              /* subscribers need no token */
    bool debugger;                               /* serves the debugger */
    const struct mrc_playground_key *playground; /* NULL: none */
    apr_array_header_t *resource_identifiers;  /* of const char *; NULL: from the server's names */
    apr_array_header_t *authorization_servers; /* of const char *; NULL: none */
    struct mrc_origins *public_origins;        /* NULL: every one that the virtual host serves */
    const char *cookie_name;
    struct mrc_origins *cors_origins;    /* NULL: none */
    struct mrc_origins *publish_origins; /* in addition to the hub's own; NULL: none */
    bool htaccess;                       /* the site's .htaccess file counts */
    bool detach;                         /* plain streams may leave httpd's connections */
    enum mrc_cursor_setting cursor;      /* which clients get positions */
};

/* Settings of a hub, the same in all of its Locations. */
struct mrc_hub_settings {
    struct mrc_hub_limits limits;
    struct mrc_ring_bounds history;
    const char *store_path; /* directory of durable histories; NULL: in memory */
    enum mrc_history_sync store_sync;
    const struct mrc_transport_settings *transport; /* NULL: local */
    bool subscriptions;                             /* events and API of active subscriptions */
    int64_t limit_matchers;                         /* of one subscription */
    int64_t limit_pattern_bytes;                    /* of one matcher */
    int64_t limit_topics;                           /* of one publication, and of one token */
    int64_t limit_body_bytes;                       /* of the body of one publication */
    int64_t limit_field_bytes; /* of one field of a publication; 0: the same as the body */
    int64_t limit_details;     /* Mercure authorization details of one token */
};

/* MercurePublishHeader, as one directive sets it. */
struct mrc_publish_header {
    bool is_on;
    bool is_below_on;  /* Off, but an outer section is on: the fields are removed */
    bool is_htaccess;  /* from an .htaccess file: counts if the hub has MercureHtaccess On */
    const char *path;  /* of the hub; NULL: the site's only hub */
    const char *where; /* FILE:LINE */
    const struct mrc_publish_header *outer; /* what is in force if this one does not count */
};

/* The target of MercureDiscovery that is the site's only hub. */
#define MRC_DISCOVERY_ONLY_HUB ""

/* MercureDiscovery: all such directives of a section. */
struct mrc_discovery {
    bool is_on;
    apr_array_header_t *targets; /* of const char *: paths, URLs, or MRC_DISCOVERY_ONLY_HUB; those
                                  * of a section share it */
    const char *where;           /* of the last directive */
};

/* Settings of the responses of a part of a site. */
struct mrc_response_settings {
    const struct mrc_publish_header *publish_header; /* NULL: not given */
    const struct mrc_discovery *discovery;           /* the same */
};

/* Settings of the whole server, or of a virtual host. */
struct mrc_server_settings {
    int64_t dispatchers;      /* threads in each child */
    int64_t sites;            /* hubs for sites of VirtualDocumentRoot */
    int64_t memory_bytes;     /* limit for all shared memory; 0: none */
    const char *jwks_ca_file; /* NULL: the authorities that the system trusts */
    bool http2;               /* of a virtual host: HTTP/2 is spoken by this module */
};

struct mrc_settings {
    uint64_t set;                          /* bit N: a directive of this level has set field N */
    const struct mrc_hub_section *section; /* NULL: this level is not the section of a hub */
    struct mrc_location_settings location;
    struct mrc_hub_settings hub;
    struct mrc_server_settings server;
    struct mrc_response_settings response;
};

/* Settings in which every field has its default, and no field is set. */
struct mrc_settings *mrc_settings_create(apr_pool_t *pool);

/* A copy of OUTER, overwritten by the fields that are set in INNER. */
struct mrc_settings *mrc_settings_merge(apr_pool_t *pool, const struct mrc_settings *outer,
                                        const struct mrc_settings *inner);

/* Whether no directive has set anything: merging SETTINGS over others, or others over them, changes
 * nothing. */
bool mrc_settings_are_default(const struct mrc_settings *settings);

/* The address of FIELD. Its type is that of the member. */
void *mrc_settings_field(struct mrc_settings *settings, enum mrc_field field);

/* Whether a directive has set FIELD, at this level or at one that was merged into it. */
bool mrc_settings_is_set(const struct mrc_settings *settings, enum mrc_field field);

/* Records that a directive has set FIELD; the others also write its value. A number of seconds is
 * stored in microseconds. */
void mrc_settings_mark(struct mrc_settings *settings, enum mrc_field field);
void mrc_settings_set_number(struct mrc_settings *settings, enum mrc_field field,
                             enum mrc_unit unit, int64_t value);
void mrc_settings_set_flag(struct mrc_settings *settings, enum mrc_field field, bool value);

/* The name of a directive of scope hub whose values in A and B differ; NULL: there is none. */
const char *mrc_settings_disagreement(const struct mrc_settings *a, const struct mrc_settings *b);

#endif
