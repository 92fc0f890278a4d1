/*
 * The settings that a request's site gives its hub in its .htaccess file (MercureHtaccess).
 */
#ifndef MRC_HTTPD_HTACCESS_LOOKUP_H
#define MRC_HTTPD_HTACCESS_LOOKUP_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_claim;
struct mrc_htaccess_cache;
struct mrc_location;

/* A cache of readings for one child, with room for MRC_HTACCESS_CACHE_MAX. NULL: out of memory. */
struct mrc_htaccess_cache *mrc_htaccess_lookup_create(void);

/*
 * Gives CLAIM on R the settings of the site, if its Location has MercureHtaccess On, and no other
 * site shares its hub. DECLINED: R may continue; another value is an HTTP status with which R must
 * be refused, and RET_DETAIL is the reason for its client. A mistake in the file is logged once.
 */
int mrc_htaccess_lookup(request_rec *r, const struct mrc_claim *claim,
                        struct mrc_htaccess_cache *cache, const char **ret_detail);

/*
 * For a request R that is not for a hub: whether the site with the document root ROOT, which may be
 * NULL, has a key for the hub of LOCATION. Same results. While another thread reads the file for
 * the first time, the result is 503; with IS_PATIENT, for a request that is not repeated, the file
 * is read here, too.
 */
int mrc_htaccess_look(request_rec *r, const struct mrc_location *location, const char *root,
                      struct mrc_htaccess_cache *cache, bool is_patient, const char **ret_detail);

#endif
