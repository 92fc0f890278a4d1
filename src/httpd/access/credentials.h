/*
 * Credentials: where a request carries its access token, in the order in which the places count.
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
struct mrc_settings;

/* What a client uses its token for. */
enum mrc_role { MRC_ROLE_PUBLISHER, MRC_ROLE_SUBSCRIBER };

/* The token of a request, not verified. */
struct mrc_credentials {
    struct mrc_bytes token; /* a view into the request; { NULL, 0 }: it presents none */
    bool is_from_url;       /* only a token of protocol 0.x counts */
};

/*
 * Finds the token that R presents to act in ROLE. DECLINED: R may go on. Anything else: the request
 * has been answered, and the handler returns this value. A publication with a cookie must come from
 * the hub's own origin or one of MercurePublishOrigins.
 */
int mrc_credentials_find(request_rec *r, const struct mrc_claim *claim,
                         const struct mrc_settings *settings, enum mrc_role role,
                         struct mrc_credentials *ret_credentials);

/* Whether R carries a token in a cookie, even if another token counts. */
bool mrc_credentials_has_cookie(const request_rec *r, const struct mrc_settings *settings);

#endif
