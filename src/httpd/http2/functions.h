/*
 * Functions that mod_http2 offers to other modules, for which requests of HTTP/2 are the same
 * whichever module speaks it: ap_expr asks whether a connection speaks HTTP/2 (`%{HTTP2}`), and
 * mod_proxy how many threads handle requests, which may all need a connection to one server.
 */
#ifndef MRC_HTTPD_HTTP2_FUNCTIONS_H
#define MRC_HTTPD_HTTP2_FUNCTIONS_H

#include "httpd.h"

/* post_config, after mod_http2 has registered its functions and before other modules look for them:
 * replaces them by those of this module, which call those of mod_http2 for its connections. */
int mrc_http2_functions_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                                    server_rec *main_server);

/* The most threads of a child that handle requests of this module's HTTP/2: as many as the event
 * MPM and mod_http2 would have together, which is two and a half times the threads of the MPM. */
unsigned mrc_http2_functions_workers_max(void);

#endif
