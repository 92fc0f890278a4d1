/*
 * Publishing: POST to the hub's URL (draft, "Publication"), of a form, or of one or several updates
 * in JSON.
 */
#ifndef MRC_HTTPD_RESOURCE_PUBLISH_H
#define MRC_HTTPD_RESOURCE_PUBLISH_H

#include "httpd.h"

struct mrc_claim;

/* Answers R. Returns the value for the handler to return. */
int mrc_publish(request_rec *r, const struct mrc_claim *claim);

#endif
