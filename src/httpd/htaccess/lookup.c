#include "httpd/htaccess/lookup.h"

#include <stdbool.h>

#include "apr_fnmatch.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/htaccess/cache.h"
#include "httpd/htaccess/parse.h"
#include "httpd/route/claim.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

/* ---- what AllowOverride allows ----------------------------------------------------------------*/

/* The part of PATH, which ends with a slash, with COUNT slashes; NULL: it has fewer. */
static const char *first_segments(apr_pool_t *pool, const char *path, unsigned count)
{
    const char *at = path;

    for (unsigned i = 0; i < count; i++) {
        at = strchr(at, '/');
        if (!at)
            return NULL;
        at++;
    }
    return apr_pstrmemdup(pool, path, (apr_size_t)(at - path));
}

/* Whether SECTION, a `<Directory>`, is about PATH or a directory above it, as httpd decides it. */
static int covers(apr_pool_t *pool, const core_dir_config *section, const char *path)
{
    const char *part;

    if (section->r)
        return 0; /* httpd looks at these after the .htaccess files */
    if (section->d_components == 0)
        return 1;
    part = first_segments(pool, path, section->d_components);
    if (!part)
        return 0;
    return section->d_is_fnmatch ? apr_fnmatch(section->d, part, APR_FNM_PATHNAME) == APR_SUCCESS
                                 : !strcmp(section->d, part);
}

static void take_override(const core_dir_config *section, struct mrc_htaccess_place *place)
{
    if (!(section->override & OR_UNSET)) {
        place->override = section->override;
        place->override_opts = section->override_opts;
    }
    if (section->override_list)
        place->override_list = section->override_list;
}

/* Whether the site with the document root ROOT of SERVER may have an .htaccess file; then RET_PLACE
 * says where. ROOT may be NULL. */
static int find_place(request_rec *r, server_rec *server, const char *root,
                      struct mrc_htaccess_place *ret_place)
{
    const core_server_config *core = ap_get_core_module_config(server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_dir->elts;
    apr_size_t len = root ? strlen(root) : 0;
    const char *path;

    while (len > 0 && root[len - 1] == '/')
        len--;
    *ret_place = (struct mrc_htaccess_place){
        .server = server,
        .dir = apr_pstrmemdup(r->pool, root ? root : "", len),
        .names = core->access_name,
    };
    if (len == 0 || root[0] != '/' || !core->access_name)
        return 0;
    path = apr_pstrcat(r->pool, ret_place->dir, "/", NULL);
    take_override(ap_get_core_module_config(server->lookup_defaults), ret_place);
    for (int i = 0; i < core->sec_dir->nelts; i++) {
        const core_dir_config *section = ap_get_core_module_config(sections[i]);

        if (section && covers(r->pool, section, path))
            take_override(section, ret_place);
    }
    return ret_place->override != OR_NONE || !apr_is_empty_table(ret_place->override_list);
}

/* ---- the reading ------------------------------------------------------------------------------*/

struct looking {
    request_rec *r;
    const struct mrc_hub_conf *hub;
    struct mrc_htaccess_place place;
    struct mrc_htaccess_cache *cache;
    bool is_patient; /* reads a file even while another thread reads it for the first time */
};

static struct mrc_htaccess_reading *parse(const struct looking *looking, struct mrc_error *error)
{
    return mrc_htaccess_parse(
        &looking->place, mrc_htaccess_cache_number(looking->cache, MRC_HTACCESS_PARSE_KEYS_MAX),
        error);
}

static void *read_site(void *ctx, void *old)
{
    const struct looking *looking = ctx;
    const struct mrc_htaccess_reading *before = old;
    struct mrc_htaccess_reading *reading;
    struct mrc_error error = {""};

    if (before && mrc_htaccess_is_valid(before))
        return old;
    reading = parse(looking, &error);
    if (!reading && mrc_htaccess_cache_should_report(looking->cache, mrc_clock_us()))
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, looking->r,
                      "MRC0503: the hub %s answers 503, because this child cannot read a file of "
                      "its site now: %s",
                      looking->hub->label, error.text);
    if (reading && reading->error &&
        !(before && before->error && !strcmp(before->error, reading->error)))
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, looking->r,
                      "MRC0501: the hub %s answers 500 because of a mistake: %s",
                      looking->hub->label, reading->error);
    return reading;
}

static apr_status_t give_back(void *hold)
{
    mrc_htaccess_cache_give_back(hold);
    return APR_SUCCESS;
}

struct mrc_htaccess_cache *mrc_htaccess_lookup_create(void)
{
    return mrc_htaccess_cache_create(MRC_HTACCESS_CACHE_MAX, mrc_htaccess_free);
}

/* The settings that apply to R, whose .htaccess file is not read yet. */
static const struct mrc_settings *outer_settings(request_rec *r, const struct mrc_claim *claim)
{
    return claim->claimed == MRC_CLAIMED_HUB
               ? ap_get_module_config(r->per_dir_config, &mercure_module)
               : claim->location->settings;
}

/* Takes the reading for as long as the request lasts. NULL: it is not there yet. */
static const struct mrc_htaccess_reading *take(struct looking *looking)
{
    request_rec *r = looking->r;
    struct mrc_htaccess_hold *hold = mrc_htaccess_cache_take(
        looking->cache, apr_psprintf(r->pool, "%pp %s", looking->place.server, looking->place.dir),
        read_site, looking, mrc_clock_us());

    if (!hold)
        return NULL;
    apr_pool_cleanup_register(r->pool, hold, give_back, apr_pool_cleanup_null);
    return mrc_htaccess_hold_reading(hold);
}

static apr_status_t free_reading(void *reading)
{
    mrc_htaccess_free(reading);
    return APR_SUCCESS;
}

/* A reading of its own, for as long as the request lasts. NULL: the file cannot be read now. */
static const struct mrc_htaccess_reading *read_anew(const struct looking *looking)
{
    struct mrc_error unused;
    struct mrc_htaccess_reading *reading = parse(looking, &unused);

    if (reading)
        apr_pool_cleanup_register(looking->r->pool, reading, free_reading, apr_pool_cleanup_null);
    return reading;
}

/*
 * The reading for the site with the document root ROOT of SERVER. RET_READING is NULL if the site
 * may have no .htaccess file. DECLINED; or the HTTP status and RET_DETAIL.
 */
static int find_reading(struct looking *looking, server_rec *server, const char *root,
                        const struct mrc_htaccess_reading **ret_reading, const char **ret_detail)
{
    const struct mrc_htaccess_reading *reading = NULL;

    *ret_reading = NULL;
    if (!find_place(looking->r, server, root, &looking->place))
        return DECLINED;
    if (looking->cache)
        reading = take(looking);
    if (looking->cache && !reading && looking->is_patient)
        reading = read_anew(looking);
    if (!reading) {
        *ret_detail = "this server process does not serve the site's hub now: try again";
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (reading->error) {
        *ret_detail = "the site's .htaccess file has a mistake that concerns the hub: the server's "
                      "error log says which";
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    *ret_reading = reading;
    return DECLINED;
}

/* SETTINGS with those of READING, which may be NULL. */
static const struct mrc_settings *add(apr_pool_t *pool, const struct mrc_settings *settings,
                                      const struct mrc_htaccess_reading *reading)
{
    return reading && reading->settings ? mrc_settings_merge(pool, settings, reading->settings)
                                        : settings;
}

static int require_key(const struct mrc_location_settings *settings, const char **ret_detail)
{
    if (settings->publisher_keys || settings->subscriber_keys || settings->playground ||
        (settings->legacy && (settings->legacy_publisher_keys || settings->legacy_subscriber_keys)))
        return DECLINED;
    *ret_detail = "this site has no key for a hub: add a directive such as MercureKey to the "
                  ".htaccess file in its document root. The server must allow AuthConfig there "
                  "(AllowOverride)";
    return HTTP_NOT_FOUND;
}

int mrc_htaccess_lookup(request_rec *r, const struct mrc_claim *claim,
                        struct mrc_htaccess_cache *cache, const char **ret_detail)
{
    const struct mrc_location *location = claim->location;
    struct looking looking = {.r = r, .hub = location->hub, .cache = cache};
    const struct mrc_settings *settings = outer_settings(r, claim);
    const char *root = claim->site_root ? claim->site_root : location->document_root;
    const struct mrc_htaccess_reading *reading;
    int status;

    if (!settings->location.htaccess || mrc_hubs_shared(location))
        return DECLINED;
    status = find_reading(&looking, location->root_server, root, &reading, ret_detail);
    if (status != DECLINED)
        return status;
    settings = add(r->pool, settings, reading);
    mrc_claim_set_settings(r, &settings->location);
    return require_key(&settings->location, ret_detail);
}

int mrc_htaccess_look(request_rec *r, const struct mrc_location *location, const char *root,
                      struct mrc_htaccess_cache *cache, bool is_patient, const char **ret_detail)
{
    struct looking looking = {
        .r = r, .hub = location->hub, .cache = cache, .is_patient = is_patient};
    const struct mrc_htaccess_reading *reading;
    int status;

    if (!location->settings->location.htaccess || mrc_hubs_shared(location))
        return DECLINED;
    status = find_reading(&looking, location->root_server, root, &reading, ret_detail);
    if (status != DECLINED)
        return status;
    return require_key(&add(r->pool, location->settings, reading)->location, ret_detail);
}
