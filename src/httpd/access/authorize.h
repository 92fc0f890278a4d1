/*
 * The access token of a request: found, verified, or answered for (draft, "Authorization").
 */
#ifndef MRC_HTTPD_ACCESS_AUTHORIZE_H
#define MRC_HTTPD_ACCESS_AUTHORIZE_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_claim;
struct mrc_settings;
struct mrc_token;

enum mrc_role { MRC_ROLE_PUBLISHER, MRC_ROLE_SUBSCRIBER };

/*
 * Finds the token that R presents and verifies it with the keys of ROLE. DECLINED: R may go on; the
 * caller owns a reference to RET_TOKEN, which is NULL if R presents no token. Anything else: the
 * request has been answered, and the handler returns this value.
 */
int mrc_authorize(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                  struct mrc_token **ret_token);

/* Whether R carries a token in a cookie, even if it is not the one that counts. */
bool mrc_authorize_has_cookie(const request_rec *r, const struct mrc_settings *settings);

/*
 * Answers R, which presents no token and needs one for WHAT ("publishing"): how to send it. The
 * value for the handler to return.
 */
int mrc_authorize_missing(request_rec *r, const char *what);

#endif
