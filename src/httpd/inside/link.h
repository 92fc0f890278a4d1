/*
 * The field Link with which a response names its hubs (MercureDiscovery; draft, "Discovery").
 */
#ifndef MRC_HTTPD_INSIDE_LINK_H
#define MRC_HTTPD_INSIDE_LINK_H

#include <stdbool.h>

#include "httpd.h"

/* Adds the links that MercureDiscovery asks for to the response to R, unless it has such a link. */
void mrc_link_add(request_rec *r);

/* Whether mrc_link_add() may add links. */
bool mrc_link_applies(const request_rec *r);

/* Whether FIELD, the value of a field Link, has a link with the relation `mercure`. */
bool mrc_link_has_hub(const char *field);

#endif
