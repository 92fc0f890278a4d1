/*
 * The keys of a child: opens them, and logs what the keeper reports about them.
 */
#ifndef MRC_HTTPD_CHILD_KEYS_H
#define MRC_HTTPD_CHILD_KEYS_H

#include "httpd.h"

struct mrc_memory;
struct mrc_this_child;

/*
 * Opens the keys of the configuration for this child, and starts the keeper if some of them may
 * change: sets `keyring` and `keeper` of STATE, which live in PCHILD.
 */
apr_status_t mrc_keys_open(apr_pool_t *pchild, server_rec *main_server, struct mrc_memory *memory,
                           struct mrc_this_child *state);

#endif
