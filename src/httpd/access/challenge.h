/*
 * Challenges: answers to a missing or unacceptable access token, with a WWW-Authenticate field (RFC
 * 6750, 3) that names the hub's metadata (RFC 9728, 5.1). Each function returns the value for the
 * handler to return.
 */
#ifndef MRC_HTTPD_ACCESS_CHALLENGE_H
#define MRC_HTTPD_ACCESS_CHALLENGE_H

#include "httpd.h"

/*
 * Sends a problem document with STATUS and DETAIL (answer.h). ERROR is the error code of RFC 6750;
 * NULL: R has no token. R must belong to a hub.
 */
int mrc_challenge(request_rec *r, int status, const char *error, const char *detail);

#endif
