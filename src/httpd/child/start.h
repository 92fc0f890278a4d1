/*
 * The start of a child: joins the server with its keys, threads and hubs.
 */
#ifndef MRC_HTTPD_CHILD_START_H
#define MRC_HTTPD_CHILD_START_H

#include "httpd.h"

struct mrc_memory;
struct mrc_this_child;

/*
 * Starts the child of MAIN_SERVER with the shared MEMORY, and makes STATE the state of this process
 * until PCHILD is destroyed. STATE lives in PCHILD; the caller has filled the members that belong
 * to other rooms (`http2`, `log_fields`, `may_log_anywhere`, `respond`), this function fills the
 * others. If the child cannot start, the reason is logged and the process serves no hub. In
 * child_init.
 */
void mrc_start_child(apr_pool_t *pchild, server_rec *main_server, struct mrc_memory *memory,
                     struct mrc_this_child *state);

/*
 * If this child serves no hub, because it could not start: tries once more, unless it has been
 * tried within the last second. It then serves all but HTTP/2, which it leaves to mod_http2. Any
 * thread of httpd, for a request that needs a hub.
 */
void mrc_start_again(void);

/* The MPM ends this child: if it has not started, it does not start any more, or is drained at
 * once. Does not wait. */
void mrc_start_no_more(void);

/* Ends a child one of whose threads has not ended, and so still uses what the following cleanups
 * would free. Does not return. */
void mrc_start_leave_at_once(void);

#endif
