/*
 * MercurePlayground: for development. The hub trusts an issuer of its own, whose tokens grant
 * everything and are handed to whoever opens the debugger; and below /playground/ any path is a
 * resource that names the hub (draft, "Discovery").
 */
#ifndef MRC_HTTPD_RESOURCE_PLAYGROUND_H
#define MRC_HTTPD_RESOURCE_PLAYGROUND_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"

#define MRC_PLAYGROUND_PREFIX "/playground/"

struct mrc_claim;
struct mrc_playground;

/* The playground's issuer with a key that is drawn for it; in the configuration's pool. NULL: there
 * is no randomness or memory. */
const struct mrc_playground *mrc_playground_create(apr_pool_t *pconf);

/*
 * The key of PLAYGROUND, as the key directives keep theirs (of const struct mrc_key_row *), if
 * TOKEN says that it is of its issuer; else NULL. PLAYGROUND may be NULL.
 */
const apr_array_header_t *mrc_playground_keys(const struct mrc_playground *playground,
                                              struct mrc_bytes token);

/* Answers R with a fresh token that grants everything. */
int mrc_playground_serve_token(request_rec *r, const struct mrc_claim *claim);

/*
 * Answers R, a GET or HEAD below MRC_PLAYGROUND_PREFIX: the parameter `body`, or a document that
 * names the resource; with links to the hub and to itself.
 */
int mrc_playground_serve_echo(request_rec *r, const struct mrc_claim *claim);

#endif
