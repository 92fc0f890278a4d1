/*
 * The sites of VirtualDocumentRoot. Each document root that exists is a site, known by its path, so
 * several names that lead to one document root have one hub. The first request for a site's hub, or
 * publication from inside httpd, claims one of the hubs that the configuration has for them
 * (MercureSites), for all children.
 *
 * The functions are for the thread that handles the request.
 */
#ifndef MRC_HTTPD_SITES_SITES_H
#define MRC_HTTPD_SITES_SITES_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_claim;
struct mrc_location;

/*
 * For a request R that is not for a hub: whether its site has keys for a hub at LOCATION, and so
 * has one or may get one. Takes no hub. Also for a site without VirtualDocumentRoot, whose hub may
 * have its keys from the .htaccess file. DECLINED; or an HTTP status, with the reason in
 * RET_DETAIL: 404 if there is no site, or it has no key; another status does not say that.
 */
int mrc_sites_look(request_rec *r, const struct mrc_location *location, const char **ret_detail);

/*
 * For such a request: the Location that serves the host of R in place of LOCATION, which is
 * LOCATION itself without VirtualDocumentRoot. Takes a hub for a site that has keys. NULL: the
 * site has none: RET_STATUS is the HTTP status, and RET_DETAIL the reason.
 */
const struct mrc_location *mrc_sites_choose(request_rec *r, const struct mrc_location *location,
                                            int *ret_status, const char **ret_detail);

/*
 * The document root of the site of R, whose .htaccess files count for the hub at LOCATION. NULL:
 * there is none.
 */
const char *mrc_sites_document_root(request_rec *r, const struct mrc_location *location);

/*
 * Makes CLAIM, of R, one of the site of R, in two steps: the .htaccess file of a site that has been
 * found says whether it has a hub, and only a site that has one enters, which takes one of the
 * hubs. DECLINED; or an HTTP status, with the reason in RET_DETAIL. RET_IS_FULL: the reason is that
 * other sites have all hubs, which does not pass by itself.
 */
int mrc_sites_find(request_rec *r, const struct mrc_claim *claim, const char **ret_detail);
int mrc_sites_enter(request_rec *r, const struct mrc_claim *claim, bool *ret_is_full,
                    const char **ret_detail);

#endif
