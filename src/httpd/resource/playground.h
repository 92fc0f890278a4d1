/*
 * MercurePlayground, for development. The hub trusts an additional issuer whose tokens grant
 * everything; everybody who opens the debugger gets such a token. Below /playground/ every path is
 * a resource that names the hub (draft, "Discovery").
 */
#ifndef MRC_HTTPD_RESOURCE_PLAYGROUND_H
#define MRC_HTTPD_RESOURCE_PLAYGROUND_H

#include "httpd.h"

struct mrc_claim;

/*
 * Answers R with a new token that grants everything. Returns the value for the handler to return.
 */
int mrc_playground_serve_token(request_rec *r, const struct mrc_claim *claim);

/*
 * Answers R, a GET or HEAD below MRC_PATHS_PLAYGROUND, with the parameter `body`, or with a
 * document that has the URL of the resource. The field Link names the hub and the resource. Returns
 * the value for the handler to return.
 */
int mrc_playground_serve_echo(request_rec *r, const struct mrc_claim *claim);

#endif
