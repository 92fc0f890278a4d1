#include "httpd/config/hubs.h"

#include <stdlib.h>
#include <string.h>

#include "apr_fnmatch.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_log.h"

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "httpd/base/module.h"
#include "httpd/base/vhost_alias.h"
#include "httpd/config/site.h"

APLOG_USE_MODULE(mercure);

#define STARTUP_ERROR APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0

static struct mrc_server_conf *server_conf(server_rec *server)
{
    return ap_get_module_config(server->module_config, &mercure_module);
}

void *mrc_hubs_create_server(apr_pool_t *pool, server_rec *server)
{
    struct mrc_server_conf *conf = apr_pcalloc(pool, sizeof(*conf));

    conf->settings = *mrc_settings_create(pool);
    conf->publish_headers = apr_array_make(pool, 1, sizeof(const void *));
    conf->discoveries = apr_array_make(pool, 1, sizeof(const void *));
    return conf;
}

void *mrc_hubs_merge_server(apr_pool_t *pool, void *outer, void *inner)
{
    struct mrc_server_conf *conf = apr_pcalloc(pool, sizeof(*conf));

    conf->settings = *mrc_settings_merge(pool, &((struct mrc_server_conf *)outer)->settings,
                                         &((struct mrc_server_conf *)inner)->settings);
    conf->has_name = ((struct mrc_server_conf *)inner)->has_name;
    conf->inherits_no_hub = ((struct mrc_server_conf *)inner)->inherits_no_hub;
    conf->publish_headers = ((struct mrc_server_conf *)inner)->publish_headers;
    conf->discoveries = ((struct mrc_server_conf *)inner)->discoveries;
    return conf;
}

/* ---- the settings of a path -------------------------------------------------------------------*/

/*
 * Whether SECTION (any form of `<Location>`) applies to PATH; decides like httpd's location walk.
 */
static int section_covers(const core_dir_config *section, const char *path)
{
    size_t len;

    if (section->r)
        return ap_regexec(section->r, path, 0, NULL, 0) == 0;
    if (section->d_is_fnmatch)
        return apr_fnmatch(section->d, path, APR_FNM_PATHNAME) == APR_SUCCESS;
    len = strlen(section->d);
    return !strncmp(section->d, path, len) &&
           (len == 0 || section->d[len - 1] == '/' || path[len] == '/' || path[len] == '\0');
}

/*
 * The settings of PATH in SERVER: those of the server, merged with each section that covers PATH.
 */
static const struct mrc_settings *merge_for_path(apr_pool_t *pool, server_rec *server,
                                                 const char *path)
{
    core_server_config *core = ap_get_core_module_config(server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_url->elts;
    void *merged = ap_get_module_config(server->lookup_defaults, &mercure_module);

    for (int i = 0; i < core->sec_url->nelts; i++) {
        void *settings = ap_get_module_config(sections[i], &mercure_module);

        if (settings && section_covers(ap_get_core_module_config(sections[i]), path))
            merged = mrc_settings_merge(pool, merged, settings);
    }
    return merged;
}

/* ---- the hubs ---------------------------------------------------------------------------------*/

static const char *site_of(apr_pool_t *pool, server_rec *server)
{
    return mrc_site_name(pool, server, server_conf(server)->has_name);
}

static const char *describe(apr_pool_t *pool, server_rec *server)
{
    return mrc_site_describe(pool, server, site_of(pool, server));
}

/* The DocumentRoot of SERVER without a slash at its end; empty: none. */
static const char *document_root(apr_pool_t *pool, server_rec *server)
{
    const core_server_config *core = ap_get_core_module_config(server->module_config);
    const char *root = core->ap_document_root ? core->ap_document_root : "";
    size_t len = strlen(root);

    while (len > 0 && root[len - 1] == '/')
        len--;
    return apr_pstrmemdup(pool, root, len);
}

/* The hubs that have been found so far. */
struct finder {
    apr_pool_t *pool, *temp;
    apr_array_header_t *hubs; /* of struct mrc_hub_conf * */
    apr_hash_t *by_key;
    apr_hash_t *labels; /* that are taken */
};

/*
 * TEXT, or TEXT with a number if TAKEN already has TEXT. Two servers without any name may have the
 * same addresses: httpd serves only the first, but each has its own hub. Metrics distinguish hubs
 * by their labels.
 */
static const char *make_unique(struct finder *finder, apr_hash_t *taken, const char *text)
{
    const char *unique = text;

    for (int n = 2; apr_hash_get(taken, unique, APR_HASH_KEY_STRING); n++)
        unique = apr_psprintf(finder->pool, "%.*s #%d", MRC_HUB_KEY_MAX - 12, text, n);
    return unique;
}

static struct mrc_hub_conf *add_hub(struct finder *finder, const struct mrc_location *location,
                                    const struct mrc_site_hub *identity)
{
    struct mrc_hub_conf *hub = apr_pcalloc(finder->pool, sizeof(*hub));

    hub->spec.shape.key = make_unique(finder, finder->by_key, identity->key);
    hub->label = make_unique(finder, finder->labels, identity->label);
    if (!location->section->name)
        hub->site = site_of(finder->pool, location->server);
    hub->index = finder->hubs->nelts;
    hub->settings = &location->settings->hub;
    hub->locations = apr_array_make(finder->pool, 2, sizeof(struct mrc_location *));
    hub->paths = apr_array_make(finder->pool, 2, sizeof(const char *));
    hub->url_paths = apr_array_make(finder->pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(finder->hubs, struct mrc_hub_conf *) = hub;
    apr_hash_set(finder->by_key, hub->spec.shape.key, APR_HASH_KEY_STRING, hub);
    apr_hash_set(finder->labels, hub->label, APR_HASH_KEY_STRING, hub);
    return hub;
}

static void add_path(apr_array_header_t *paths, const char *path)
{
    for (int i = 0; i < paths->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(paths, i, const char *), path))
            return;
    }
    APR_ARRAY_PUSH(paths, const char *) = path;
}

/* Checks that LOCATION has the same settings of scope hub as the first Location of HUB. */
static int check_agreement(apr_pool_t *temp, const struct mrc_hub_conf *hub,
                           const struct mrc_location *location)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const char *directive = mrc_settings_disagreement(first->settings, location->settings);

    if (!directive)
        return OK;
    ap_log_error(STARTUP_ERROR, location->server,
                 "MRC0108: %s belongs to the hub, but two Locations of the hub %s disagree on it: "
                 "%s in %s and %s in %s. Give both the same value, or make them different hubs",
                 directive, hub->label, first->section->where, describe(temp, first->server),
                 location->section->where, describe(temp, location->server));
    return !OK;
}

static int join_hub(struct finder *finder, struct mrc_location *location)
{
    struct mrc_site_hub identity = mrc_site_identify(
        finder->pool, location->server, site_of(finder->pool, location->server), location->section);
    struct mrc_hub_conf *hub =
        identity.is_alone ? NULL : apr_hash_get(finder->by_key, identity.key, APR_HASH_KEY_STRING);

    if (!hub)
        hub = add_hub(finder, location, &identity);
    else if (check_agreement(finder->temp, hub, location) != OK)
        return !OK;
    location->hub = hub;
    APR_ARRAY_PUSH(hub->locations, struct mrc_location *) = location;
    add_path(hub->paths, location->path);
    add_path(hub->url_paths, location->url_path);
    return OK;
}

/* ---- the Locations of one server --------------------------------------------------------------*/

/* Encodes the decoded PATH as the URL Standard does. The URL libraries of clients encode it in the
 * same way, and tokens name the result in their aud. */
static const char *escape_path(apr_pool_t *pool, const char *path)
{
    struct mrc_buf buf;
    const char *escaped;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_percent_encode(&buf, mrc_bytes_of(path), MRC_PERCENT_PATH);
    escaped = apr_pstrmemdup(pool, buf.ptr ? buf.ptr : "", mrc_buf_bytes(&buf).len);
    mrc_buf_free(&buf);
    return escaped;
}

static const char *make_url_path(apr_pool_t *pool, const char *escaped)
{
    size_t len = strlen(escaped);

    while (len > 0 && escaped[len - 1] == '/')
        len--;
    return apr_pstrmemdup(pool, escaped, len);
}

static int longer_path_first(const void *a, const void *b)
{
    size_t len_a = strlen((*(struct mrc_location *const *)a)->path);
    size_t len_b = strlen((*(struct mrc_location *const *)b)->path);

    return (len_a < len_b) - (len_a > len_b);
}

/* Puts SECTION into the map from path to section. Two sections of one server at the same path are
 * an error. */
static int take_section(apr_hash_t *by_path, server_rec *server, const char *path,
                        const struct mrc_hub_section *section)
{
    const struct mrc_hub_section *other = apr_hash_get(by_path, path, APR_HASH_KEY_STRING);

    if (section && other && other->server == section->server) {
        ap_log_error(
            STARTUP_ERROR, server,
            "MRC0109: MercureHub On is given twice for the path %s: at %s and at %s. Keep one",
            path, other->where, section->where);
        return !OK;
    }
    apr_hash_set(by_path, path, APR_HASH_KEY_STRING, section);
    return OK;
}

/* Whether SETTINGS, of a section that SERVER has or inherits, say whether there is a hub. */
static bool is_about_hub(server_rec *server, const struct mrc_settings *settings)
{
    if (!settings || !mrc_settings_is_set(settings, MRC_FIELD_HUB))
        return false;
    return !settings->section || settings->section->server == server ||
           !server_conf(server)->inherits_no_hub;
}

static int find_locations(struct finder *finder, server_rec *server)
{
    apr_pool_t *pool = finder->pool, *temp = finder->temp;
    core_server_config *core = ap_get_core_module_config(server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_url->elts;
    apr_array_header_t *locations = apr_array_make(pool, 1, sizeof(struct mrc_location *));
    apr_hash_t *by_path = apr_hash_make(temp);
    int status = OK;

    for (int i = 0; i < core->sec_url->nelts; i++) {
        const struct mrc_settings *settings = ap_get_module_config(sections[i], &mercure_module);
        const core_dir_config *section = ap_get_core_module_config(sections[i]);

        if (is_about_hub(server, settings) && !section->r &&
            take_section(by_path, server, section->d, settings->section) != OK)
            status = !OK;
    }
    for (apr_hash_index_t *hi = apr_hash_first(temp, by_path); hi; hi = apr_hash_next(hi)) {
        const void *path;
        void *section;
        struct mrc_location *location = apr_pcalloc(pool, sizeof(*location));

        apr_hash_this(hi, &path, NULL, &section);
        location->server = server;
        location->section = section;
        location->path = location->section->path;
        location->escaped_path = escape_path(pool, location->path);
        location->url_path = make_url_path(pool, location->escaped_path);
        location->settings = merge_for_path(pool, server, location->path);
        location->document_root = document_root(pool, server);
        location->root_server = server;
        APR_ARRAY_PUSH(locations, struct mrc_location *) = location;
    }
    qsort(locations->elts, locations->nelts, locations->elt_size, longer_path_first);
    for (int i = 0; i < locations->nelts; i++) {
        if (join_hub(finder, APR_ARRAY_IDX(locations, i, struct mrc_location *)) != OK)
            status = !OK;
    }
    server_conf(server)->locations = locations;
    return status;
}

/* Gives SERVER a configuration of its own. A virtual host without directives of the module has the
 * one of the main server. */
static void separate(apr_pool_t *pool, server_rec *server, server_rec *main_server)
{
    struct mrc_server_conf *own;

    if (server == main_server || server_conf(server) != server_conf(main_server))
        return;
    own = apr_pmemdup(pool, server_conf(main_server), sizeof(*own));
    own->has_name = false;
    own->hubs = NULL;
    own->publish_headers = apr_array_make(pool, 1, sizeof(const void *));
    own->discoveries = apr_array_make(pool, 1, sizeof(const void *));
    ap_set_module_config(server->module_config, &mercure_module, own);
}

/* ---- VirtualDocumentRoot ----------------------------------------------------------------------*/

/* Whether HUB can stand for many sites. The name of a site is in shared memory alone, so nothing of
 * its hub may outlive that memory. */
static bool can_have_sites(const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);

    return !first->section->name && !hub->settings->store_path && !hub->settings->transport;
}

/* The longest key of a hub that the keys of its sites contain completely. */
#define SITES_KEY_MAX 900

static void add_site(struct finder *finder, struct mrc_hub_conf *hub, int64_t number, int64_t count)
{
    struct mrc_hub_conf *site = apr_pmemdup(finder->pool, hub, sizeof(*site));
    const char *key = hub->spec.shape.key;
    const char *set = apr_psprintf(finder->pool, "sites=%.*s #", SITES_KEY_MAX, key);

    site->spec.shape.key =
        make_unique(finder, finder->by_key,
                    apr_psprintf(finder->pool, "%s%d of %d", set, (int)number, (int)count));
    site->spec.shape.set_bytes = strlen(key) <= SITES_KEY_MAX ? strlen(set) : 0;
    site->label = make_unique(finder, finder->labels,
                              apr_psprintf(finder->pool, "%s (site %d)", hub->label, (int)number));
    site->index = finder->hubs->nelts;
    site->sites = NULL;
    site->is_of_site = true;
    APR_ARRAY_PUSH(finder->hubs, struct mrc_hub_conf *) = site;
    APR_ARRAY_PUSH(hub->sites, struct mrc_hub_conf *) = site;
    apr_hash_set(finder->by_key, site->spec.shape.key, APR_HASH_KEY_STRING, site);
    apr_hash_set(finder->labels, site->label, APR_HASH_KEY_STRING, site);
}

static void add_sites(struct finder *finder, struct mrc_hub_conf *hub, int64_t count)
{
    hub->sites = apr_array_make(finder->pool, (int)count, sizeof(struct mrc_hub_conf *));
    for (int64_t i = 1; i <= count; i++)
        add_site(finder, hub, i, count);
}

/* Makes the hubs for the sites of VirtualDocumentRoot. */
static void find_sites(struct finder *finder, server_rec *main_server)
{
    int64_t count = server_conf(main_server)->settings.server.sites;

    for (server_rec *server = main_server; server; server = server->next) {
        const apr_array_header_t *locations = server_conf(server)->locations;
        struct mrc_vhost_alias alias = {false, NULL};

        if (locations->nelts)
            alias = mrc_vhost_alias_find(finder->pool, ap_conftree, server);
        for (int i = 0; alias.is_on && i < locations->nelts; i++) {
            struct mrc_location *location = APR_ARRAY_IDX(locations, i, struct mrc_location *);

            if (!alias.document_root || !can_have_sites(location->hub)) {
                location->hub->shared =
                    apr_psprintf(finder->pool,
                                 "mod_vhost_alias makes several sites of %s, which have no hubs of "
                                 "their own",
                                 describe(finder->temp, server));
                continue;
            }
            location->virtual_root = alias.document_root;
            if (!location->hub->sites)
                add_sites(finder, location->hub, count);
        }
    }
}

/* ---- whose .htaccess files count --------------------------------------------------------------*/

/* Whether all Locations of HUB are in servers with the same ServerName. */
static bool has_one_name(struct finder *finder, const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const char *name;

    if (!first->section->name)
        return true;
    name = site_of(finder->temp, first->server);
    for (int i = 1; i < hub->locations->nelts; i++) {
        const char *other =
            site_of(finder->temp, APR_ARRAY_IDX(hub->locations, i, struct mrc_location *)->server);

        if (!name || !other || strcmp(name, other))
            return false;
    }
    return true;
}

/*
 * Finds the document root whose .htaccess files count for HUB. With several, the owner of one could
 * take over the hub of the others, so none counts. MAIN_ROOT is that of the main server, which a
 * virtual host without a DocumentRoot inherits. If other virtual hosts of the same ServerName have
 * one, that host only redirects to them, as from http to https: its hub is theirs, so what their
 * site says about the hub counts there, too.
 */
static void find_document_root(struct finder *finder, struct mrc_hub_conf *hub,
                               const char *main_root)
{
    bool is_one_name = has_one_name(finder, hub);
    const struct mrc_location *first = NULL;

    for (int i = 0; !hub->shared && i < hub->locations->nelts; i++) {
        const struct mrc_location *location =
            APR_ARRAY_IDX(hub->locations, i, struct mrc_location *);

        if (location->virtual_root || (is_one_name && location->server->is_virtual &&
                                       !strcmp(location->document_root, main_root)))
            continue;
        if (!first)
            first = location;
        else if (strcmp(location->document_root, first->document_root) != 0)
            hub->shared =
                apr_psprintf(finder->pool, "the document root of %s is %s, and that of %s is %s",
                             describe(finder->temp, first->server), first->document_root,
                             describe(finder->temp, location->server), location->document_root);
    }
    for (int i = 0; first && i < hub->locations->nelts; i++) {
        struct mrc_location *location = APR_ARRAY_IDX(hub->locations, i, struct mrc_location *);

        if (hub->shared || location->virtual_root ||
            !strcmp(location->document_root, first->document_root))
            continue;
        location->document_root = first->document_root;
        location->root_server = first->root_server;
    }
}

static void find_document_roots(struct finder *finder, server_rec *main_server)
{
    const char *main_root = document_root(finder->temp, main_server);

    for (int i = 0; i < finder->hubs->nelts; i++) {
        struct mrc_hub_conf *hub = APR_ARRAY_IDX(finder->hubs, i, struct mrc_hub_conf *);

        if (!hub->is_of_site)
            find_document_root(finder, hub, main_root);
    }
}

int mrc_hubs_find_all(apr_pool_t *pool, apr_pool_t *temp, server_rec *main_server)
{
    struct finder finder = {
        .pool = pool,
        .temp = temp,
        .hubs = apr_array_make(pool, 1, sizeof(struct mrc_hub_conf *)),
        .by_key = apr_hash_make(temp),
        .labels = apr_hash_make(temp),
    };
    int status = OK;

    server_conf(main_server)->hubs = finder.hubs;
    for (server_rec *server = main_server; server; server = server->next) {
        separate(pool, server, main_server);
        if (find_locations(&finder, server) != OK)
            status = !OK;
    }
    if (status == OK && mrc_vhost_alias_is_used(ap_conftree))
        find_sites(&finder, main_server);
    find_document_roots(&finder, main_server);
    return status;
}

const apr_array_header_t *mrc_hubs_hubs(server_rec *main_server)
{
    return server_conf(main_server)->hubs;
}

const apr_array_header_t *mrc_hubs_locations(server_rec *server)
{
    return server_conf(server)->locations;
}

const struct mrc_location *mrc_hubs_choose(server_rec *server, const char *path,
                                           const char **ret_error)
{
    const apr_array_header_t *locations = mrc_hubs_locations(server);
    const struct mrc_location *found = NULL;

    for (int i = 0; locations && i < locations->nelts; i++) {
        const struct mrc_location *location = APR_ARRAY_IDX(locations, i, struct mrc_location *);

        if (path && strcmp(location->path, path))
            continue;
        if (found && found->hub != location->hub) {
            *ret_error = "has several hubs: name the path of one";
            return NULL;
        }
        found = location;
    }
    if (!found)
        *ret_error = path ? "has no hub at this path" : "has no hub";
    return found;
}

const char *mrc_hubs_shared(const struct mrc_location *location)
{
    return location->virtual_root ? NULL : location->hub->shared;
}

bool mrc_hubs_speaks_http2(const server_rec *server)
{
    return mrc_hubs_http2_speaker(server) == MRC_HTTP2_OURS;
}

enum mrc_http2_speaker mrc_hubs_http2_speaker(const server_rec *server)
{
    return server_conf((server_rec *)server)->http2;
}

void mrc_hubs_set_http2_speaker(server_rec *server, enum mrc_http2_speaker speaker)
{
    server_conf(server)->http2 = speaker;
}

int mrc_hubs_http2_directive(const server_rec *server)
{
    const struct mrc_settings *settings = &server_conf((server_rec *)server)->settings;

    return mrc_settings_is_set(settings, MRC_FIELD_HTTP2) ? settings->server.http2 : -1;
}

bool mrc_hubs_any_speaks_http2(const server_rec *main_server)
{
    const server_rec *server = main_server;

    while (server && !mrc_hubs_speaks_http2(server))
        server = server->next;
    return server != NULL;
}

void mrc_hubs_give_up(server_rec *main_server)
{
    server_conf(main_server)->has_given_up = true;
}

bool mrc_hubs_gave_up(server_rec *main_server)
{
    return server_conf(main_server)->has_given_up;
}

const struct mrc_server_settings *mrc_hubs_server_settings(server_rec *main_server)
{
    return &server_conf(main_server)->settings.server;
}
