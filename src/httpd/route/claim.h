/* clang-format off */
/*
 * Claims the URLs of the hubs and of the pages (page.h), so that no other module takes or changes
 * them.
 *
 * A request for a hub or a page passes these hooks, in this order:
 *
 *     post_read_request     takes a token out of the URL, before mod_log_forensic logs it
 *     pre_translate_name    finds the hub, its metadata or the page, keeps the undecoded path of a
 *                           hub (%2F stays), and ends the phase
 *     translate_name        runs before mod_rewrite, mod_proxy, mod_alias and the document root
 *     map_to_storage        runs before the walk over directories and .htaccess files
 *     (<Location> sections and access control run as for any other URL)
 *     type_checker          runs before mod_mime guesses a type, language or encoding
 *     fixups                runs before mod_alias and mod_rewrite, whose directives in a <Location>
 *                           or <If> act in this phase
 *     handler               runs first; uses the claim and ignores r->handler
 */
/* clang-format on */
#ifndef MRC_HTTPD_ROUTE_CLAIM_H
#define MRC_HTTPD_ROUTE_CLAIM_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"
#include "httpd/route/url_token.h"

struct mrc_hub_settings;
struct mrc_location;
struct mrc_location_settings;

enum mrc_claimed {
    MRC_CLAIMED_HUB,       /* the hub's path, or below it */
    MRC_CLAIMED_METADATA,  /* the document that describes the hub, at a path of its own */
    MRC_CLAIMED_PLAYGROUND /* a resource of the playground, below MRC_PATHS_PLAYGROUND */
};

/*
 * The record of a request that belongs to a hub or a page. In the request's pool. The last fields,
 * from claimed on, are about hubs.
 */
struct mrc_claim {
    const struct mrc_location *location;          /* NULL: R belongs to no hub */
    const char *page;                             /* the handler of the page (page.h), or NULL */
    const struct mrc_location_settings *settings; /* NULL: those of the configuration */
    enum mrc_claimed claimed;
    struct mrc_url_token url_token;
    struct mrc_bytes token; /* the verified access token's text; { NULL, 0 }: none so far */
    const char *rest;       /* the undecoded path after the path of the hub (or playground); empty:
                             * the hub itself. Adjacent slashes stay where they enclose an empty
                             * variable */
    const char *site_root;  /* the document root of the site of VirtualDocumentRoot; NULL: none */
    bool is_malformed;      /* the rest cannot be decoded: there is no such resource */
};

/* The hooks of these names. */
int mrc_claim_post_read_request(request_rec *r);
int mrc_claim_pre_translate_name(request_rec *r);
int mrc_claim_translate_name(request_rec *r);
int mrc_claim_map_to_storage(request_rec *r);
int mrc_claim_type_checker(request_rec *r);
int mrc_claim_fixups(request_rec *r);
int mrc_claim_log_transaction(request_rec *r);

/* Keeps the text of the access token that was verified for R. The claim does not copy it. */
void mrc_claim_set_token(request_rec *r, struct mrc_bytes token);

/* Replaces the settings of the claim on R by SETTINGS, which live as long as R. */
void mrc_claim_set_settings(request_rec *r, const struct mrc_location_settings *settings);

/*
 * Gives the claim on R the LOCATION of the site whose document root is ROOT. Both live as long as
 * R.
 */
void mrc_claim_set_site(request_rec *r, const struct mrc_location *location, const char *root);

/* The claim on R, if R belongs to a hub; otherwise NULL. */
const struct mrc_claim *mrc_claim_get(const request_rec *r);

/*
 * Whether R is for the page with HANDLER. Where no plain `<Location>` makes a path a page, the
 * SetHandler of other sections counts, but not that of an .htaccess file, nor a handler that
 * modules have set.
 */
bool mrc_claim_is_for_page(request_rec *r, const char *handler);

/*
 * The settings of the Location that CLAIM names. For the hub and the paths below it these are the
 * settings that httpd has merged for R. The metadata and the playground have paths outside the
 * hub's Location; for them these are the settings of the hub's path. The .htaccess file of a site
 * may have changed them.
 */
const struct mrc_location_settings *mrc_claim_settings(const request_rec *r,
                                                       const struct mrc_claim *claim);

/* The settings of the hub of CLAIM, which are the same in all its Locations. */
const struct mrc_hub_settings *mrc_claim_hub_settings(const struct mrc_claim *claim);

#endif
