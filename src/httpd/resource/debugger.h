/*
 * MercureDebugger: the page at HUB/debug/ and the files that it loads.
 */
#ifndef MRC_HTTPD_RESOURCE_DEBUGGER_H
#define MRC_HTTPD_RESOURCE_DEBUGGER_H

#include "httpd.h"

struct mrc_claim;

/* Answers R, a GET or HEAD for a path of the debugger (mrc_paths_skip_debugger()). Returns the
 * value for the handler to return. */
int mrc_debugger_serve(request_rec *r, const struct mrc_claim *claim);

#endif
