/*
 * The table of directives. One row describes one directive completely.
 *
 * The table produces the commands for httpd (directives.c), the functions that create and merge
 * settings (settings.c), and the page docs/directives.md. This header and the table do not depend
 * on httpd, so that a separate program can generate the page.
 */
#ifndef MRC_HTTPD_CONFIG_DIRECTIVE_TABLE_H
#define MRC_HTTPD_CONFIG_DIRECTIVE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields of struct mrc_settings. Each is set and merged separately. */
enum mrc_field {
    MRC_FIELD_NONE,
    MRC_FIELD_HUB,
    MRC_FIELD_PUBLISHER_KEYS,
    MRC_FIELD_SUBSCRIBER_KEYS,
    MRC_FIELD_CONTROL_KEYS,
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
    MRC_FIELD_TRANSPORT,
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
    MRC_FIELD_PUBLISH_RATE,
    MRC_FIELD_PUBLISH_BURST,
    MRC_FIELD_PUBLISH_PER_TOKEN,
    MRC_FIELD_SUBSCRIPTIONS,
    MRC_FIELD_HTACCESS,
    MRC_FIELD_DETACH,
    MRC_FIELD_CURSOR,
    MRC_FIELD_PUBLISH_HEADER,
    MRC_FIELD_DISCOVERY,
    MRC_FIELD_MEMORY,
    MRC_FIELD_DISPATCHERS,
    MRC_FIELD_SITES,
    MRC_FIELD_JWKS_CA,
    MRC_FIELD_HTTP2,
    MRC_FIELD_COUNT
};

/* The form of a directive's arguments. */
enum mrc_directive_type {
    MRC_TYPE_HUB,        /* On [name=NAME] | Off */
    MRC_TYPE_KEY,        /* ISSUER ALGS SOURCE: appends to the lists `field` and `field2` */
    MRC_TYPE_LEGACY_KEY, /* ALGS SOURCE: the same, and turns MercureLegacy on */
    MRC_TYPE_FLAG,       /* On | Off */
    MRC_TYPE_AUTO,       /* auto | Off: also a flag */
    MRC_TYPE_CURSOR,     /* auto | On | Off: an enum mrc_cursor_setting */
    MRC_TYPE_NUMBER,     /* a number in `unit` */
    MRC_TYPE_URLS,       /* URL … */
    MRC_TYPE_ORIGINS,    /* ORIGIN …, or * */
    MRC_TYPE_COOKIE,     /* the name of a cookie */
    MRC_TYPE_OPTIONS,    /* NAME=VALUE …, from `options` */
    MRC_TYPE_BOUND,      /* a number in `unit`, optionally followed by NAME=VALUE … */
    MRC_TYPE_RATE,       /* the same, optionally with /s after the number */
    MRC_TYPE_PLAYGROUND, /* On | Off */
    MRC_TYPE_STORE,      /* memory, or lmdb PATH [sync=MODE] */
    MRC_TYPE_TRANSPORT,  /* local, or a URL and options */
    MRC_TYPE_HISTORY,    /* Off, or NAME=VALUE … */
    MRC_TYPE_CA_FILE,    /* a file of certificates */
    MRC_TYPE_HEADER,     /* On [PATH] | Off */
    MRC_TYPE_DISCOVERY   /* On [PATH|URL …] | Off */
};

/* The values of MercureCursor. */
enum mrc_cursor_setting { MRC_CURSOR_AUTO, MRC_CURSOR_ON, MRC_CURSOR_OFF };

/* What a setting belongs to. The scope decides where the directive is allowed. */
enum mrc_scope {
    MRC_SCOPE_LOCATION, /* a Location: server, virtual host, Location, If */
    MRC_SCOPE_HUB,      /* a hub: server, virtual host, literal Location; Locations must agree */
    MRC_SCOPE_SECTION,  /* this section alone: literal Location only */
    MRC_SCOPE_SERVER,   /* the whole server: outside all sections */
    MRC_SCOPE_HOST,     /* a virtual host: outside all sections but that of a virtual host */
    MRC_SCOPE_RESPONSE  /* the responses of a part of a site: any section, and .htaccess */
};

enum mrc_unit { MRC_UNIT_COUNT, MRC_UNIT_BYTES, MRC_UNIT_SECONDS };

/* One NAME=VALUE option of a directive. */
struct mrc_directive_option {
    const char *name;
    enum mrc_field field;
    enum mrc_unit unit;
    const char *default_text;
    int64_t min, max;
    const char *zero_word; /* a word that may be written for 0, or NULL */
    const char *text;      /* what the value limits, for the reference */
};

struct mrc_directive {
    const char *name;
    const char *summary; /* one line, for httpd -L and the head of the reference */
    enum mrc_directive_type type;
    enum mrc_scope scope;
    bool in_htaccess; /* also in the .htaccess file of a site, with MercureHtaccess On */
    enum mrc_field field, field2;
    const char *syntax;       /* arguments, as httpd's documentation writes them */
    const char *default_text; /* parsed for FLAG, AUTO, NUMBER, BOUND, COOKIE; words for the others;
                               * NULL: none */
    enum mrc_unit unit;       /* of NUMBER and BOUND, also for the limits: */
    int64_t min, max;
    const struct mrc_directive_option *options;
    size_t options_count;
    const char *text; /* paragraphs of Markdown, for the reference */
};

extern const struct mrc_directive mrc_directives[];
extern const size_t mrc_directives_count;

/*
 * Parses a whole number, which K, M or G may follow if UNIT is bytes. -1: TEXT is not such a
 * number, or too large.
 */
int64_t mrc_directive_parse_number(const char *text, enum mrc_unit unit);

#endif
