/*
 * MercurePlayground: for development. The hub trusts an issuer of its own, whose tokens grant
 * everything and are handed to whoever opens the debugger; and below /playground/ any path is a
 * resource that names the hub (draft, "Discovery").
 */
#ifndef MRC_HTTPD_RESOURCE_PLAYGROUND_H
#define MRC_HTTPD_RESOURCE_PLAYGROUND_H

#include "httpd.h"

struct mrc_claim;

/* Answers R with a fresh token that grants everything. */
int mrc_playground_serve_token(request_rec *r, const struct mrc_claim *claim);

/*
 * Answers R, a GET or HEAD below MRC_PATHS_PLAYGROUND: the parameter `body`, or a document that
 * names the resource; with links to the hub and to itself.
 */
int mrc_playground_serve_echo(request_rec *r, const struct mrc_claim *claim);

#endif
