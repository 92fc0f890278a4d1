/*
 * The hubs that the configuration defines.
 *
 * They are made each time httpd reads the configuration, in the check_config hook, which also runs
 * in configtest. They live in the configuration's pool. Afterwards any thread may read them.
 * docs/architecture.md explains hubs and Locations, and which settings belong to which.
 */
#ifndef MRC_HTTPD_CONFIG_HUBS_H
#define MRC_HTTPD_CONFIG_HUBS_H

#include <stdbool.h>

#include "httpd.h"

#include "http_config.h"

#include "httpd/config/settings.h"
#include "hub/hub/spec.h"

/* One hub: a path of one site (site.h), or all sections with the same `name=`. */
struct mrc_hub_conf {
    const char *label;                       /* for people: the name, or site and path */
    const char *site;                        /* the written ServerName in lower case; NULL: none, or
                                              * the hub has a name= */
    int index;                               /* the place in the list of hubs */
    const struct mrc_hub_settings *settings; /* the same in all Locations */
    struct mrc_hub_spec spec;                /* for the layers below; see config/spec.h */
    bool is_down;                            /* the parent could not open it: no child serves it */
    apr_array_header_t *locations;           /* of struct mrc_location * */
    apr_array_header_t *paths;               /* of const char *: their paths, decoded */
    apr_array_header_t *url_paths;           /* of const char *: their url_path */
    apr_array_header_t *sites;               /* of struct mrc_hub_conf *: the hubs of the sites of
                                              * VirtualDocumentRoot, which serve in place of this
                                              * one; NULL: none */
    bool is_of_site;                         /* one of these; its name is in its segment */
    const char *shared;                      /* see mrc_hubs_shared() */
};

/* A hub as one server or virtual host serves it. */
struct mrc_location {
    server_rec *server;
    const struct mrc_hub_section *section;
    struct mrc_hub_conf *hub;
    const char *path;                    /* decoded, as in the configuration */
    const char *escaped_path;            /* as in URLs */
    const char *url_path;                /* the same, without a slash at the end */
    const struct mrc_settings *settings; /* merged for exactly this path */
    const char *virtual_root;            /* the pattern of VirtualDocumentRoot that makes the sites;
                                          * NULL: the hub is that of the virtual host */
    const char *document_root;           /* without a slash at its end; the .htaccess files in and
                                          * below it count for the hub, except with virtual_root,
                                          * where each site has its own. That of another server of
                                          * the site, if SERVER has none of its own */
    server_rec *root_server;             /* the server with this DocumentRoot or virtual_root, whose
                                          * AllowOverride counts */
};

/* Who speaks HTTP/2 for a virtual host. */
enum mrc_http2_speaker {
    MRC_HTTP2_OTHERS,   /* mod_http2, if at all */
    MRC_HTTP2_AS_GUEST, /* the same, but a client that has a connection of this module may use it */
    MRC_HTTP2_OURS      /* this module */
};

/* The module's configuration of a server or virtual host. */
struct mrc_server_conf {
    struct mrc_settings settings;        /* for the directives of scope server */
    apr_array_header_t *locations;       /* of struct mrc_location *, longest path first */
    bool has_name;                       /* ServerName is written, not inherited */
    bool inherits_no_hub;                /* `MercureHub Off` for a whole virtual host */
    apr_array_header_t *hubs;            /* of struct mrc_hub_conf *; only in the main server */
    bool has_given_up;                   /* the same: no child serves any hub */
    enum mrc_http2_speaker http2;        /* httpd/http2/choice.h sets it */
    apr_array_header_t *publish_headers; /* of const struct mrc_publish_header *, and of */
    apr_array_header_t *discoveries;     /* const struct mrc_discovery *: those of this server's
                                          * configuration that are On */
};

/* For the module record. */
void *mrc_hubs_create_server(apr_pool_t *pool, server_rec *server);
void *mrc_hubs_merge_server(apr_pool_t *pool, void *outer, void *inner);

/*
 * Finds all hubs of MAIN_SERVER and its virtual hosts, for the check_config hook. Creates nothing
 * outside POOL. OK, or not OK; then the errors and their fixes are logged.
 */
int mrc_hubs_find_all(apr_pool_t *pool, apr_pool_t *temp, server_rec *main_server);

/* All hubs, of struct mrc_hub_conf *. Not NULL after mrc_hubs_find_all(). */
const apr_array_header_t *mrc_hubs_hubs(server_rec *main_server);

/* The Locations of SERVER, of struct mrc_location *, longest path first; NULL: none. */
const apr_array_header_t *mrc_hubs_locations(server_rec *server);

/*
 * The Location of SERVER with the path PATH; NULL: of its only hub. Returns NULL if there is none,
 * or several hubs; RET_ERROR then completes a sentence: "the site …".
 */
const struct mrc_location *mrc_hubs_choose(server_rec *server, const char *path,
                                           const char **ret_error);

/*
 * Why several sites share the hub of LOCATION, so that no .htaccess file counts for it: whoever may
 * write one could take over the hub of the others. A clause. NULL: one site has it, or each site of
 * VirtualDocumentRoot has a hub of its own.
 */
const char *mrc_hubs_shared(const struct mrc_location *location);

/* The settings of the whole server. */
const struct mrc_server_settings *mrc_hubs_server_settings(server_rec *main_server);

/* Who speaks HTTP/2 for SERVER, a server or virtual host. */
enum mrc_http2_speaker mrc_hubs_http2_speaker(const server_rec *server);
void mrc_hubs_set_http2_speaker(server_rec *server, enum mrc_http2_speaker speaker);

/* Whether this module speaks HTTP/2 for SERVER. */
bool mrc_hubs_speaks_http2(const server_rec *server);

/* What MercureHttp2 says for SERVER: 1 On, 0 Off, -1 nothing. */
int mrc_hubs_http2_directive(const server_rec *server);

/* Whether this module speaks HTTP/2 for any server or virtual host. */
bool mrc_hubs_any_speaks_http2(const server_rec *main_server);

/* The parent could not open what all hubs need, so no child serves a hub of this configuration. */
void mrc_hubs_give_up(server_rec *main_server);
bool mrc_hubs_gave_up(server_rec *main_server);

#endif
