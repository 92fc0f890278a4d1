/*
 * Sites: which virtual hosts have a hub together, and what identifies a hub.
 *
 * Virtual hosts (including the main server) with the same written ServerName, without scheme and
 * port and in any case, are one site. A server without a written ServerName is a site of its own,
 * although httpd gives it the name of the main server. A hub belongs to a site and a path, or has a
 * name=.
 */
#ifndef MRC_HTTPD_CONFIG_SITE_H
#define MRC_HTTPD_CONFIG_SITE_H

#include <stdbool.h>

#include "httpd.h"

#include "httpd/config/settings.h"

/* What identifies the hub of one Location. */
struct mrc_site_hub {
    const char *key;   /* 1 to MRC_HUB_KEY_MAX bytes, the same in every start and reload */
    const char *label; /* for people and metrics; two hubs may have the same */
    bool is_alone;     /* no other Location belongs to it, even if one has the same key */
};

/* The name of the site of SERVER, in lower case; NULL if its ServerName is not WRITTEN. */
const char *mrc_site_name(apr_pool_t *pool, const server_rec *server, bool written);

/* SERVER for messages: the name of its SITE, or its address. */
const char *mrc_site_describe(apr_pool_t *pool, const server_rec *server, const char *site);

/* The hub of SECTION as SERVER of SITE serves it, which may have inherited the section. */
struct mrc_site_hub mrc_site_identify(apr_pool_t *pool, const server_rec *server, const char *site,
                                      const struct mrc_hub_section *section);

/* The key that earlier versions gave to the hub of SECTION, which was one hub for all virtual hosts
 * that inherit the section. */
const char *mrc_site_former_key(apr_pool_t *pool, const struct mrc_hub_section *section);

#endif
