#include "httpd/route/claim.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_main.h"

#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/route/paths.h"
#include "httpd/route/route.h"

/* What this module keeps of R: NULL, or a claim, which has no location while it is none yet. */
static struct mrc_claim *kept(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &mercure_module);
}

const struct mrc_claim *mrc_claim_get(const request_rec *r)
{
    const struct mrc_claim *claim = kept(r);

    return claim && claim->location ? claim : NULL;
}

const struct mrc_settings *mrc_claim_settings(const request_rec *r, const struct mrc_claim *claim)
{
    if (claim->claimed != MRC_CLAIMED_HUB)
        return claim->location->settings;
    return ap_get_module_config(r->per_dir_config, &mercure_module);
}

const struct mrc_settings *mrc_claim_hub_settings(const struct mrc_claim *claim)
{
    return claim->location->hub->settings;
}

void mrc_claim_set_token(request_rec *r, struct mrc_bytes token)
{
    kept(r)->token = token;
}

/* Finds what the undecoded PATH is for, if it is R's. The metadata of one hub may lie below
 * another.
 */
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

/* What comes before the rest of CLAIM. */
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

/* The path of R as httpd will have it in pre_translate_name, a copy; NULL: it is none. */
static const char *coming_path(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    unsigned flags = AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED;
    char *path = r->parsed_uri.path ? apr_pstrdup(r->pool, r->parsed_uri.path) : NULL;

    if (core->merge_slashes != AP_CORE_CONFIG_OFF)
        flags |= AP_NORMALIZE_MERGE_SLASHES;
    return path && ap_normalize_path(path, flags) ? path : NULL;
}

/* Takes the token out of a URL of the hub's as soon as httpd has read the request. */
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
 * What httpd itself has refused while it read it, has not come by here; nor is it always known for
 * which virtual host it was.
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

/* ---- the hub's URLs ---------------------------------------------------------------------------*/

/* The path of R as it came, a copy; of an absolute URL what is behind the host. */
static char *raw_path(request_rec *r)
{
    const char *uri = r->unparsed_uri;
    const char *host = *uri == '/' ? NULL : strstr(uri, "://");

    if (host)
        uri = host + 3 + strcspn(host + 3, "/?#");
    return apr_pstrmemdup(r->pool, uri, strcspn(uri, "?#"));
}

/*
 * The rest of CLAIM as the client wrote it. The URL of a subscription with an empty matcher has two
 * slashes in a row, and httpd has made them one (MergeSlashes). Nothing else may be different: what
 * the client asks for is what the access control of httpd has seen.
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
 * Runs before httpd decodes the path, and ends the phase with DONE so that it never does: the claim
 * keeps the path as it came. What `<Location>` sections are compared with is decoded nevertheless,
 * as they expect it, all but the slash: or `%20` would get past the access control of a section
 * that is written with a space.
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
        return DECLINED;
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
    return mrc_claim_get(r) ? OK : DECLINED;
}

/*
 * There is no file, and no module shall look for one: a file name that is none, and a type of file
 * that is neither missing (mod_negotiation and FallbackResource would search for another) nor a
 * directory (mod_dir would redirect).
 */
int mrc_claim_map_to_storage(request_rec *r)
{
    if (!mrc_claim_get(r))
        return DECLINED;
    r->filename = apr_pstrcat(r->pool, "mercure:", r->uri, NULL);
    r->finfo.filetype = APR_UNKFILE;
    r->path_info = NULL;
    return OK;
}

/* Without a file there is nothing that its name or content could tell (mod_mime, mod_mime_magic).
 */
int mrc_claim_type_checker(request_rec *r)
{
    return mrc_claim_get(r) ? OK : DECLINED;
}
