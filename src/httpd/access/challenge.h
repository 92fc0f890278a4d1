/*
 * Challenges: answers to a missing or unacceptable access token, with a WWW-Authenticate field (RFC
 * 6750, 3) that names the hub's metadata (RFC 9728, 5.1). Each function returns the value for the
 * handler to return.
 */
#ifndef MRC_HTTPD_ACCESS_CHALLENGE_H
#define MRC_HTTPD_ACCESS_CHALLENGE_H

#include "httpd.h"

/* The errors of RFC 6750, 3.1, each with its status. */
enum mrc_challenge {
    MRC_CHALLENGE_MISSING, /* 401, without an error code: the request has no token */
    MRC_CHALLENGE_REQUEST, /* 400 invalid_request */
    MRC_CHALLENGE_TOKEN,   /* 401 invalid_token */
    MRC_CHALLENGE_SCOPE    /* 403 insufficient_scope */
};

/* Sends a problem document for ERROR with DETAIL (answer.h). R must belong to a hub. */
int mrc_challenge(request_rec *r, enum mrc_challenge error, const char *detail);

/*
 * Answers R, which needs a token for WHAT ("publishing") and has none. The answer says how to send
 * one.
 */
int mrc_challenge_missing(request_rec *r, const char *what);

#endif
