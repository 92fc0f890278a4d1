/*
 * The table of directives: one row says everything about one directive.
 *
 * From it come the commands that httpd knows (directives.c), create and merge (settings.c), and the
 * page docs/directives.md. This header and the table know nothing of httpd, so that the page can be
 * made by a program of its own.
 */
#ifndef MRC_HTTPD_CONFIG_DIRECTIVE_TABLE_H
#define MRC_HTTPD_CONFIG_DIRECTIVE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* The fields of struct mrc_settings: each is set, and merged, by itself. */
enum mrc_field {
    MRC_FIELD_NONE,
    MRC_FIELD_HUB,
    MRC_FIELD_PUBLISHER_KEYS,
    MRC_FIELD_SUBSCRIBER_KEYS,
    MRC_FIELD_LEGACY,
    MRC_FIELD_LEGACY_PUBLISHER_KEYS,
    MRC_FIELD_LEGACY_SUBSCRIBER_KEYS,
    MRC_FIELD_ANONYMOUS,
    MRC_FIELD_DEBUGGER,
    MRC_FIELD_PLAYGROUND,
    MRC_FIELD_RESOURCE_IDENTIFIERS,
    MRC_FIELD_AUTHORIZATION_SERVERS,
    MRC_FIELD_PUBLIC_ORIGINS,
    MRC_FIELD_COOKIE_NAME,
    MRC_FIELD_CORS_ORIGINS,
    MRC_FIELD_PUBLISH_ORIGINS,
    MRC_FIELD_HISTORY_OFF,
    MRC_FIELD_HISTORY_COUNT,
    MRC_FIELD_HISTORY_BYTES,
    MRC_FIELD_HISTORY_AGE,
    MRC_FIELD_STORE_PATH,
    MRC_FIELD_STORE_SYNC,
    MRC_FIELD_LIMIT_MATCHERS,
    MRC_FIELD_LIMIT_PATTERN,
    MRC_FIELD_LIMIT_TOPICS,
    MRC_FIELD_LIMIT_BODY,
    MRC_FIELD_LIMIT_FIELD,
    MRC_FIELD_LIMIT_DETAILS,
    MRC_FIELD_LIMIT_PATTERNS,
    MRC_FIELD_LIMIT_COMPILED,
    MRC_FIELD_HEARTBEAT,
    MRC_FIELD_LIFETIME,
    MRC_FIELD_DISPATCH_TIMEOUT,
    MRC_FIELD_BACKLOG,
    MRC_FIELD_MAX_SUBSCRIBERS,
    MRC_FIELD_MAX_PER_ADDRESS,
    MRC_FIELD_MAX_PER_TOKEN,
    MRC_FIELD_SUBSCRIPTIONS,
    MRC_FIELD_DETACH,
    MRC_FIELD_MEMORY,
    MRC_FIELD_DISPATCHERS,
    MRC_FIELD_JWKS_CA,
    MRC_FIELD_COUNT
};

/* How a directive's arguments are read. */
enum mrc_directive_type {
    MRC_TYPE_HUB,        /* On [name=NAME] | Off */
    MRC_TYPE_KEY,        /* ISSUER ALGS SOURCE; adds to the lists `field` and `field2` */
    MRC_TYPE_LEGACY_KEY, /* ALGS SOURCE; the same, and turns MercureLegacy on */
    MRC_TYPE_FLAG,       /* On | Off */
    MRC_TYPE_AUTO,       /* auto | Off: a flag too */
    MRC_TYPE_NUMBER,     /* a number in `unit` */
    MRC_TYPE_URLS,       /* URL … */
    MRC_TYPE_ORIGINS,    /* ORIGIN …, or * */
    MRC_TYPE_COOKIE,     /* the name of a cookie */
    MRC_TYPE_OPTIONS,    /* NAME=VALUE …, from `options` */
    MRC_TYPE_BOUND,      /* a number in `unit`, then perhaps NAME=VALUE … */
    MRC_TYPE_PLAYGROUND, /* On | Off */
    MRC_TYPE_STORE,      /* memory, or lmdb PATH and how it is synced */
    MRC_TYPE_TRANSPORT,  /* local, which is all there is */
    MRC_TYPE_HISTORY,    /* Off, or NAME=VALUE … */
    MRC_TYPE_CA_FILE     /* a file of certificates */
};

/* Who a setting belongs to, which says where it may stand. */
enum mrc_scope {
    MRC_SCOPE_LOCATION, /* a Location: server, virtual host, Location, If */
    MRC_SCOPE_HUB,      /* a hub: server, virtual host, literal Location; Locations must agree */
    MRC_SCOPE_SECTION,  /* the very section: literal Location only */
    MRC_SCOPE_SERVER    /* the whole server: outside of every section */
};

enum mrc_unit { MRC_UNIT_COUNT, MRC_UNIT_BYTES, MRC_UNIT_SECONDS };

/* NAME=VALUE of a directive that takes several. */
struct mrc_directive_option {
    const char *name;
    enum mrc_field field;
    enum mrc_unit unit;
    const char *default_text;
    int64_t min, max;
    const char *zero_word; /* a word that may stand for 0, or NULL */
    const char *text;      /* what it bounds, for the reference */
};

struct mrc_directive {
    const char *name;
    const char *summary; /* one line: httpd -L, and the head of the reference */
    enum mrc_directive_type type;
    enum mrc_scope scope;
    enum mrc_field field, field2;
    const char *syntax;       /* arguments, as httpd's documentation writes them */
    const char *default_text; /* parsed for FLAG, NUMBER, BOUND; words for the others; NULL: none */
    enum mrc_unit unit;       /* of NUMBER, as the bounds */
    int64_t min, max;
    const struct mrc_directive_option *options;
    size_t options_count;
    const char *text; /* paragraphs of Markdown, for the reference */
};

extern const struct mrc_directive mrc_directives[];
extern const size_t mrc_directives_count;

/* A whole number, which K, M or G may follow if UNIT is bytes; -1 if TEXT is none or too large. */
int64_t mrc_directive_parse_number(const char *text, enum mrc_unit unit);

#endif
