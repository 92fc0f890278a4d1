#include "httpd/route/claim.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_main.h"

#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/route/page.h"
#include "httpd/route/paths.h"
#include "httpd/route/route.h"

/* The module's record of R: NULL, or a claim. A claim with neither a location nor a page only keeps
 * a token from the URL. */
static struct mrc_claim *kept(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &mercure_module);
}

const struct mrc_claim *mrc_claim_get(const request_rec *r)
{
    const struct mrc_claim *claim = kept(r);

    return claim && claim->location ? claim : NULL;
}

bool mrc_claim_is_for_page(request_rec *r, const char *handler)
{
    const struct mrc_claim *claim = kept(r);

    if (claim && claim->page)
        return !strcmp(claim->page, handler);
    return r->handler && !ap_cstr_casecmp(r->handler, handler) && mrc_page_is_of_server(r, handler);
}

/* Whether R belongs to a hub or a page. */
static bool is_claimed(const request_rec *r)
{
    const struct mrc_claim *claim = kept(r);

    return claim && (claim->location || claim->page);
}

const struct mrc_location_settings *mrc_claim_settings(const request_rec *r,
                                                       const struct mrc_claim *claim)
{
    const struct mrc_settings *settings = claim->location->settings;

    if (claim->settings)
        return claim->settings;
    if (claim->claimed == MRC_CLAIMED_HUB)
        settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    return &settings->location;
}

const struct mrc_hub_settings *mrc_claim_hub_settings(const struct mrc_claim *claim)
{
    return claim->location->hub->settings;
}

void mrc_claim_set_settings(request_rec *r, const struct mrc_location_settings *settings)
{
    kept(r)->settings = settings;
}

void mrc_claim_set_site(request_rec *r, const struct mrc_location *location, const char *root)
{
    kept(r)->location = location;
    kept(r)->site_root = root;
}

void mrc_claim_set_token(request_rec *r, struct mrc_bytes token)
{
    kept(r)->token = token;
}

/* Makes a claim if the undecoded PATH of R belongs to a hub; else NULL. The metadata of one hub may
 * be below the path of another hub. */
static struct mrc_claim *find(request_rec *r, const char *path)
{
    struct mrc_claim claim = {.claimed = MRC_CLAIMED_HUB, .rest = ""};
    const struct mrc_location *described;

    claim.location = mrc_route_find(r->server, path, &claim.rest);
    if (!claim.location || *claim.rest) {
        described = mrc_route_find_metadata(r->server, path);
        if (described)
            claim = (struct mrc_claim){
                .location = described, .claimed = MRC_CLAIMED_METADATA, .rest = ""};
    }
    if (!claim.location) {
        claim.location = mrc_route_find_playground(r->server, path, &claim.rest);
        claim.claimed = MRC_CLAIMED_PLAYGROUND;
    }
    return claim.location ? apr_pmemdup(r->pool, &claim, sizeof(claim)) : NULL;
}

/* The path before the rest of CLAIM. */
static const char *base_of(request_rec *r, const struct mrc_claim *claim)
{
    switch (claim->claimed) {
    case MRC_CLAIMED_METADATA:
        return apr_pstrcat(r->pool, MRC_PATHS_METADATA, claim->location->path, NULL);
    case MRC_CLAIMED_PLAYGROUND:
        return MRC_PATHS_PLAYGROUND;
    default:
        return claim->location->path;
    }
}

/* ---- the token in the URL, before anything is logged ------------------------------------------*/

/* A copy of the path of R as httpd will normalize it before pre_translate_name; NULL: R has no
 * valid path. */
static const char *coming_path(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    unsigned flags = AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED;
    char *path = r->parsed_uri.path ? apr_pstrdup(r->pool, r->parsed_uri.path) : NULL;

    if (core->merge_slashes != AP_CORE_CONFIG_OFF)
        flags |= AP_NORMALIZE_MERGE_SLASHES;
    return path && ap_normalize_path(path, flags) ? path : NULL;
}

int mrc_claim_post_read_request(request_rec *r)
{
    struct mrc_claim *claim;
    const char *path;

    if (!mrc_url_token_is_in(r))
        return DECLINED;
    path = coming_path(r);
    if (!path || !find(r, path))
        return DECLINED;
    claim = apr_pcalloc(r->pool, sizeof(*claim));
    claim->url_token = mrc_url_token_take(r);
    ap_set_module_config(r->request_config, &mercure_module, claim);
    return DECLINED;
}

/*
 * A request that httpd refuses while it reads it does not reach post_read_request. Its virtual host
 * may be unknown too, so this hook searches the hubs of all of them.
 */
int mrc_claim_log_transaction(request_rec *r)
{
    const char *path, *rest;

    if (kept(r) || !mrc_url_token_is_in(r) || !(path = coming_path(r)))
        return DECLINED;
    for (server_rec *server = ap_server_conf; server; server = server->next) {
        if (mrc_route_find(server, path, &rest)) {
            mrc_url_token_take(r);
            break;
        }
    }
    return DECLINED;
}

/* ---- the URLs of pages ------------------------------------------------------------------------*/

/* Claims R if its path belongs to a page. Decodes the path, except for slashes. */
static int claim_page(request_rec *r)
{
    char *path = apr_pstrdup(r->pool, r->uri);
    struct mrc_claim *claim;
    const char *page;

    if (ap_unescape_url_keep2f(path, 0) != OK)
        return DECLINED;
    page = mrc_page_find(r, path);
    if (!page)
        return DECLINED;
    claim = apr_pcalloc(r->pool, sizeof(*claim));
    claim->page = page;
    ap_set_module_config(r->request_config, &mercure_module, claim);
    r->uri = path;
    r->parsed_uri.path = path;
    return DONE;
}

/* ---- the hub's URLs ---------------------------------------------------------------------------*/

/* A copy of the path of R as the client sent it; of an absolute URL, the part after the host. */
static char *raw_path(request_rec *r)
{
    const char *uri = r->unparsed_uri;
    const char *host = *uri == '/' ? NULL : strstr(uri, "://");

    if (host)
        uri = host + 3 + strcspn(host + 3, "/?#");
    return apr_pstrmemdup(r->pool, uri, strcspn(uri, "?#"));
}

/*
 * The rest of CLAIM before httpd merged its slashes (MergeSlashes). The URL of a subscription with
 * an empty matcher has two adjacent slashes. The result may differ from the merged rest in nothing
 * else, because httpd's access control has seen the merged path.
 */
static const char *unmerged_rest(request_rec *r, const struct mrc_claim *claim)
{
    const char *rest = claim->rest;
    char *path = raw_path(r);

    if (claim->claimed != MRC_CLAIMED_HUB || !strstr(path, "//") ||
        !ap_normalize_path(path, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED) ||
        mrc_route_find(r->server, path, &rest) != claim->location || !mrc_paths_has_variables(rest))
        return claim->rest;
    path = apr_pstrdup(r->pool, rest);
    ap_no2slash(path);
    return strcmp(path, claim->rest) ? claim->rest : rest;
}

/*
 * Runs before httpd decodes the path. DONE ends the phase, so that httpd does not decode it, and
 * the claim keeps the path as the client sent it. r->uri, which httpd compares with `<Location>`
 * sections, is decoded here, except for the slash: otherwise `%20` would evade the access control
 * of a section whose path has a space.
 */
int mrc_claim_pre_translate_name(request_rec *r)
{
    const struct mrc_claim *early = kept(r);
    struct mrc_claim *claim;
    char *decoded;

    if (!r->uri || r->uri[0] != '/')
        return DECLINED;
    claim = find(r, r->uri);
    if (!claim)
        return claim_page(r);
    claim->url_token = early ? early->url_token : mrc_url_token_take(r);
    decoded = apr_pstrdup(r->pool, claim->rest);
    if (*decoded && ap_unescape_url_keep2f(decoded, 0) != OK) {
        claim->is_malformed = true;
        decoded = apr_pstrdup(r->pool, claim->rest);
    }
    ap_set_module_config(r->request_config, &mercure_module, claim);
    r->uri = apr_pstrcat(r->pool, base_of(r, claim), decoded, NULL);
    r->parsed_uri.path = r->uri;
    claim->rest = unmerged_rest(r, claim);
    return DONE;
}

int mrc_claim_translate_name(request_rec *r)
{
    return is_claimed(r) ? OK : DECLINED;
}

/*
 * No module may look for a file. So the file name is not a path, and the type of the file is
 * neither "missing" (mod_negotiation and FallbackResource would search for another file) nor
 * "directory" (mod_dir would redirect).
 */
int mrc_claim_map_to_storage(request_rec *r)
{
    if (!is_claimed(r))
        return DECLINED;
    r->filename = apr_pstrcat(r->pool, "mercure:", r->uri, NULL);
    r->finfo.filetype = APR_UNKFILE;
    r->path_info = NULL;
    return OK;
}

/* There is no file whose type mod_mime or mod_mime_magic could derive from its name or content. */
int mrc_claim_type_checker(request_rec *r)
{
    return is_claimed(r) ? OK : DECLINED;
}

/*
 * Every fixups hook of httpd runs, so a claim cannot end the phase. Instead it takes the directives
 * away from the modules that would redirect or rewrite: they get their configuration outside all
 * sections, which has no directive that acts in this phase.
 */
int mrc_claim_fixups(request_rec *r)
{
    static const char *const takers[] = {"mod_alias.c", "mod_rewrite.c"};
    ap_conf_vector_t *config = NULL;

    if (!is_claimed(r))
        return DECLINED;
    for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++) {
        const module *taker = ap_find_linked_module(takers[i]);
        void *outside = taker ? ap_get_module_config(r->server->lookup_defaults, taker) : NULL;

        if (!outside || ap_get_module_config(r->per_dir_config, taker) == outside)
            continue;
        if (!config)
            config = ap_merge_per_dir_configs(r->pool, r->per_dir_config,
                                              ap_create_per_dir_config(r->pool));
        ap_set_module_config(config, taker, outside);
    }
    if (config)
        r->per_dir_config = config;
    return DECLINED;
}
