#include "httpd/sites/sites.h"

#include <stdbool.h>
#include <string.h>

#include "apr_sha1.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/htaccess/lookup.h"
#include "httpd/route/claim.h"
#include "httpd/sites/virtual_root.h"
#include "hub/child/child.h"
#include "store/base/clock.h"
#include "store/hub/site.h"

APLOG_USE_MODULE(mercure);

/* What a client learns that may try again. */
#define NOT_NOW "this server process does not serve the site's hub now: try again"

/* Whether HOST cannot lead out of the directory of the sites, whatever httpd lets through. */
static bool is_safe(const char *host)
{
    return *host && *host != '.' && !strchr(host, '/') && !strstr(host, "..");
}

/* Finds the document root of the site that R asks for. APR_NOTFOUND: there is none; APR_ENOMEM. */
static apr_status_t find_root(request_rec *r, const char *pattern, const char **ret_root)
{
    char *host = r->hostname ? apr_pstrdup(r->pool, r->hostname) : NULL;
    apr_status_t status;
    const char *root;
    apr_finfo_t info;

    if (!host || !is_safe(host))
        return APR_NOTFOUND;
    ap_str_tolower(host);
    status = mrc_virtual_root_expand(r->pool, pattern, host, ap_get_server_port(r), &root);
    if (status == APR_ENOMEM)
        return status;
    if (status != APR_SUCCESS || apr_stat(&info, root, APR_FINFO_TYPE, r->pool) != APR_SUCCESS ||
        info.filetype != APR_DIR)
        return APR_NOTFOUND;
    *ret_root = root;
    return APR_SUCCESS;
}

/* ROOT, or its hash if it is too long for the name of a site. */
static const char *name_of(apr_pool_t *pool, const char *root)
{
    char digest[APR_SHA1_DIGESTSIZE * 2];

    if (strlen(root) <= MRC_SITE_NAME_MAX)
        return root;
    apr_sha1_base64(root, (int)strlen(root), digest);
    return apr_pstrdup(pool, digest);
}

static void report_full(request_rec *r, struct mrc_child *child, const struct mrc_hub_conf *hub,
                        const char *root)
{
    if (mrc_child_should_report_full_sites(child, mrc_clock_us()))
        ap_log_rerror(
            APLOG_MARK, APLOG_ERR, 0, r,
            "MRC0502: hub %s: the site %s has no hub and gets 503, because %d other sites "
            "of VirtualDocumentRoot have one each: raise MercureSites",
            hub->label, root, hub->sites->nelts);
}

/* The index of the first hub that a site of HUB may have. The others follow. */
static size_t first_of(const struct mrc_hub_conf *hub)
{
    return (size_t)APR_ARRAY_IDX(hub->sites, 0, struct mrc_hub_conf *)->index;
}

/* The hub of the site with the document root ROOT. NULL: there is none, for the reason in
 * RET_DETAIL; RET_IS_FULL: because other sites have all. */
static struct mrc_hub_conf *find_hub(request_rec *r, const struct mrc_hub_conf *hub,
                                     const char *root, bool *ret_is_full, const char **ret_detail)
{
    struct mrc_child *child = mrc_this_child_get();
    apr_status_t status;
    size_t place;

    *ret_is_full = false;
    *ret_detail = NOT_NOW;
    if (!child)
        return NULL;
    status = mrc_child_obtain_site(child, first_of(hub), (size_t)hub->sites->nelts,
                                   name_of(r->pool, root), &place);
    if (status == APR_SUCCESS)
        return APR_ARRAY_IDX(hub->sites, (int)place, struct mrc_hub_conf *);
    *ret_is_full = status == APR_ENOSPC;
    if (*ret_is_full) {
        report_full(r, child, hub, root);
        *ret_detail = "the server has as many sites with a hub as it may have: its administrator "
                      "can raise the number";
    }
    return NULL;
}

/* LOCATION with the hub of the site ROOT. NULL: there is none for it. */
static const struct mrc_location *with_hub(request_rec *r, const struct mrc_location *location,
                                           const char *root, bool *ret_is_full,
                                           const char **ret_detail)
{
    struct mrc_hub_conf *hub = find_hub(r, location->hub, root, ret_is_full, ret_detail);
    struct mrc_location *chosen;

    if (!hub)
        return NULL;
    chosen = apr_pmemdup(r->pool, location, sizeof(*chosen));
    chosen->hub = hub;
    return chosen;
}

/* Finds the document root of the site of R. */
static int find(request_rec *r, const struct mrc_location *location, const char **ret_root,
                const char **ret_detail)
{
    apr_status_t status = find_root(r, location->virtual_root, ret_root);

    if (status == APR_SUCCESS)
        return DECLINED;
    *ret_detail =
        status == APR_ENOMEM ? NOT_NOW : "there is no site of this name here, so it has no hub";
    return status == APR_ENOMEM ? HTTP_SERVICE_UNAVAILABLE : HTTP_NOT_FOUND;
}

/* The same for a site that has a key, and so has a hub or may get one. */
static int look(request_rec *r, const struct mrc_location *location, bool is_patient,
                const char **ret_root, const char **ret_detail)
{
    int status = find(r, location, ret_root, ret_detail);

    if (status != DECLINED)
        return status;
    return mrc_htaccess_look(r, location, *ret_root, mrc_this_child_htaccess(), is_patient,
                             ret_detail);
}

int mrc_sites_look(request_rec *r, const struct mrc_location *location, const char **ret_detail)
{
    const char *unused;

    if (location->virtual_root)
        return look(r, location, false, &unused, ret_detail);
    return mrc_htaccess_look(r, location, location->document_root, mrc_this_child_htaccess(), false,
                             ret_detail);
}

const struct mrc_location *mrc_sites_choose(request_rec *r, const struct mrc_location *location,
                                            int *ret_status, const char **ret_detail)
{
    const char *root;
    bool unused;

    if (!location->virtual_root)
        return location;
    *ret_status = look(r, location, true, &root, ret_detail);
    if (*ret_status != DECLINED)
        return NULL;
    *ret_status = HTTP_SERVICE_UNAVAILABLE;
    return with_hub(r, location, root, &unused, ret_detail);
}

const char *mrc_sites_document_root(request_rec *r, const struct mrc_location *location)
{
    const char *root = NULL;

    if (!location->virtual_root)
        return location->document_root;
    return find_root(r, location->virtual_root, &root) == APR_SUCCESS ? root : NULL;
}

int mrc_sites_find(request_rec *r, const struct mrc_claim *claim, const char **ret_detail)
{
    const char *root;
    int status;

    if (!claim->location->virtual_root)
        return DECLINED;
    status = find(r, claim->location, &root, ret_detail);
    if (status == DECLINED)
        mrc_claim_set_site(r, claim->location, root);
    return status;
}

int mrc_sites_enter(request_rec *r, const struct mrc_claim *claim, bool *ret_is_full,
                    const char **ret_detail)
{
    const struct mrc_location *location;

    *ret_is_full = false;
    if (!claim->site_root)
        return DECLINED;
    location = with_hub(r, claim->location, claim->site_root, ret_is_full, ret_detail);
    if (!location)
        return HTTP_SERVICE_UNAVAILABLE;
    mrc_claim_set_site(r, location, claim->site_root);
    return DECLINED;
}
