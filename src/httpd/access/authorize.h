/*
 * Finds and verifies the access token of a request (draft, "Authorization").
 */
#ifndef MRC_HTTPD_ACCESS_AUTHORIZE_H
#define MRC_HTTPD_ACCESS_AUTHORIZE_H

#include "httpd.h"

#include "httpd/access/credentials.h"

struct mrc_claim;
struct mrc_token;

/*
 * Finds the token of R and verifies it with the keys of ROLE. DECLINED: R may continue; the caller
 * owns a reference to RET_TOKEN, which is NULL if R has no token. Anything else: the request has
 * been answered, and the handler returns this value.
 */
int mrc_authorize(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                  struct mrc_token **ret_token);

/*
 * Checks whether *TOKEN has expired or been revoked. DECLINED: it has not; otherwise it is dropped,
 * and R has been answered. mrc_authorize() calls this, and so does code that has waited for a
 * client since then. A publication takes effect at once, so it waits until the hub knows; a stream
 * is checked again when it begins.
 */
int mrc_authorize_again(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                        struct mrc_token **token);

/*
 * Answers R, which needs a token to act in ROLE and has no usable one. The answer says how to send
 * one. Returns the value for the handler to return.
 */
int mrc_authorize_missing(request_rec *r, const struct mrc_claim *claim, enum mrc_role role);

#endif
