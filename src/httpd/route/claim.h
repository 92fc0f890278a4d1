/*
 * Claiming the hub's URLs, so that none of httpd's other parts takes or changes them.
 *
 * A hub's URL passes through httpd like this; each step names the hook that keeps it ours:
 *
 *     post_read_request    takes a token out of the URL, before mod_log_forensic
 *     pre_translate_name   finds the hub or the metadata of one, keeps the path undecoded (%2F
 * stays), ends the phase translate_name       before mod_rewrite, mod_proxy, mod_alias and the
 * document root map_to_storage       before the walk over directories and .htaccess files
 *     <Location> sections, access control, fixups: as for any other URL
 *     type_checker         before mod_mime guesses a type, language or encoding from the path
 *     handler              first; finds the claim, not r->handler
 */
#ifndef MRC_HTTPD_ROUTE_CLAIM_H
#define MRC_HTTPD_ROUTE_CLAIM_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"
#include "httpd/route/url_token.h"

struct mrc_location;
struct mrc_settings;

enum mrc_claimed {
    MRC_CLAIMED_HUB,       /* the hub's path, or below it */
    MRC_CLAIMED_METADATA,  /* the document that describes it, which has a path of its own */
    MRC_CLAIMED_PLAYGROUND /* a resource that names it, below MRC_PATHS_PLAYGROUND */
};

/* What a request that belongs to a hub carries; lives in the request's pool. */
struct mrc_claim {
    const struct mrc_location *location;
    enum mrc_claimed claimed;
    struct mrc_url_token url_token;
    struct mrc_bytes token; /* the access token's text, once it is verified; { NULL, 0 }: none */
    const char *rest; /* the path after the hub's (the playground's), undecoded; empty: itself. With
                       * slashes in a row where they mean an empty variable */
    bool is_malformed; /* the rest cannot be decoded: there is no such resource */
};

/* The hooks of these names. */
int mrc_claim_post_read_request(request_rec *r);
int mrc_claim_pre_translate_name(request_rec *r);
int mrc_claim_translate_name(request_rec *r);
int mrc_claim_map_to_storage(request_rec *r);
int mrc_claim_type_checker(request_rec *r);
int mrc_claim_log_transaction(request_rec *r);

/* Keeps the text of the access token that was verified for R. */
void mrc_claim_set_token(request_rec *r, struct mrc_bytes token);

/* The claim on R, or NULL. */
const struct mrc_claim *mrc_claim_get(const request_rec *r);

/*
 * What the configuration says of the Location that R with this CLAIM is for: what httpd has merged
 * for R, or for what has a path of its own, which no section of the hub covers, what the hub's path
 * has.
 */
const struct mrc_settings *mrc_claim_settings(const request_rec *r, const struct mrc_claim *claim);

/* What the configuration says of the hub of CLAIM, the same in all of its Locations. */
const struct mrc_settings *mrc_claim_hub_settings(const struct mrc_claim *claim);

#endif
