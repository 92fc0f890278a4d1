#include "httpd/claim.h"

#include "apr_strings.h"
#include "http_config.h"

#include "httpd/module.h"
#include "httpd/registry.h"

const struct mrc_claim *mrc_claim_get(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &mercure_module);
}

/*
 * Runs before httpd decodes the path, and ends the phase with DONE so that it never does: the claim
 * keeps the path as it came. What `<Location>` sections are compared with is decoded nevertheless,
 * as they expect it, all but the slash: or `%20` would get past the access control of a section
 * that is written with a space.
 */
int mrc_claim_pre_translate_name(request_rec *r)
{
    const struct mrc_location *location;
    struct mrc_claim *claim;
    const char *rest;
    char *decoded;

    if (!r->uri || r->uri[0] != '/')
        return DECLINED;
    location = mrc_registry_find(r->server, r->uri, &rest);
    if (!location)
        return DECLINED;
    decoded = apr_pstrdup(r->pool, rest);
    if (*decoded && ap_unescape_url_keep2f(decoded, 0) != OK)
        return HTTP_BAD_REQUEST;
    claim = apr_pcalloc(r->pool, sizeof(*claim));
    claim->location = location;
    claim->rest = rest;
    ap_set_module_config(r->request_config, &mercure_module, claim);
    r->uri = apr_pstrcat(r->pool, location->path, decoded, NULL);
    r->parsed_uri.path = r->uri;
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
