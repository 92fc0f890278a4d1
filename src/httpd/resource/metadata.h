/*
 * The hub's own description: OAuth 2.0 Protected Resource Metadata (RFC 9728; draft, "Protected
 * Resource Metadata").
 */
#ifndef MRC_HTTPD_RESOURCE_METADATA_H
#define MRC_HTTPD_RESOURCE_METADATA_H

#include "httpd.h"

struct mrc_claim;

/* Answers R, a GET or HEAD of the document of the Location that CLAIM names; for the handler. */
int mrc_metadata_serve(request_rec *r, const struct mrc_claim *claim);

#endif
