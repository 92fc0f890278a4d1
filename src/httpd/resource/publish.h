/*
 * Publishing: POST to the hub's URL (draft, "Publication").
 */
#ifndef MRC_HTTPD_RESOURCE_PUBLISH_H
#define MRC_HTTPD_RESOURCE_PUBLISH_H

#include "httpd.h"

struct mrc_claim;

/* Answers R. Returns the value for the handler to return. */
int mrc_publish(request_rec *r, const struct mrc_claim *claim);

#endif
