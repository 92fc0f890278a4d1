/*
 * Credentials: finds the access token of a request. The first of these places that has one counts.
 *
 *     Authorization field    the scheme Bearer
 *     URL                    the parameter authorization, for tokens of protocol 0.x
 *     Cookie field           MercureCookieName, and the cookie of protocol 0.x
 */
#ifndef MRC_HTTPD_ACCESS_CREDENTIALS_H
#define MRC_HTTPD_ACCESS_CREDENTIALS_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"

struct mrc_claim;
struct mrc_location_settings;

/* What a token authorizes its client to do. */
enum mrc_role {
    MRC_ROLE_PUBLISHER,
    MRC_ROLE_SUBSCRIBER, /* also reads the active subscriptions */
    MRC_ROLE_OPERATOR    /* uses the paths below control/ */
};

/* The token of a request, not verified yet. */
struct mrc_credentials {
    struct mrc_bytes token; /* a view into the request; { NULL, 0 }: none */
    bool is_from_url;       /* so only a token of protocol 0.x counts */
};

/*
 * Finds the token with which R acts in ROLE. DECLINED: R may continue. Anything else: the request
 * has been answered, and the handler returns this value. A publication with a cookie must come from
 * the hub's own origin or from one of MercurePublishOrigins. A token of an operator counts in the
 * Authorization field only, because a browser would send a cookie for any site.
 */
int mrc_credentials_find(request_rec *r, const struct mrc_claim *claim,
                         const struct mrc_location_settings *settings, enum mrc_role role,
                         struct mrc_credentials *ret_credentials);

/* The cookie of protocol 0.x. */
#define MRC_CREDENTIALS_LEGACY_COOKIE "mercureAuthorization"

/*
 * The place of protocol 0.x in which R has a token, in words, if SETTINGS do not speak that
 * protocol and so ignore it. NULL: there is none.
 */
const char *mrc_credentials_ignored_place(const request_rec *r, const struct mrc_claim *claim,
                                          const struct mrc_location_settings *settings);

/* Whether R has a token in a cookie, even if another token counts. */
bool mrc_credentials_has_cookie(const request_rec *r, const struct mrc_location_settings *settings);

#endif
