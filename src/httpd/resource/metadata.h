/*
 * The metadata document of a hub: OAuth 2.0 Protected Resource Metadata (RFC 9728; draft,
 * "Protected Resource Metadata").
 */
#ifndef MRC_HTTPD_RESOURCE_METADATA_H
#define MRC_HTTPD_RESOURCE_METADATA_H

#include "httpd.h"

struct mrc_claim;

/* Answers R, a GET or HEAD for the document of CLAIM's Location. Returns the value for the handler
 * to return. */
int mrc_metadata_serve(request_rec *r, const struct mrc_claim *claim);

#endif
