/*
 * MercureDebugger: the page at HUB/debug/ and its parts.
 */
#ifndef MRC_HTTPD_RESOURCE_DEBUGGER_H
#define MRC_HTTPD_RESOURCE_DEBUGGER_H

#include "httpd.h"

struct mrc_claim;

/* Answers R, a GET or HEAD on a path of the debugger (mrc_paths_skip_debugger()). */
int mrc_debugger_serve(request_rec *r, const struct mrc_claim *claim);

#endif
