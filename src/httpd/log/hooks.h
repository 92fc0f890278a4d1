/*
 * The modules that log requests: finds out which ones are loaded, and gives access to the data of
 * httpd's own modules about a request, through the hooks and functions that they register.
 */
#ifndef MRC_HTTPD_LOG_HOOKS_H
#define MRC_HTTPD_LOG_HOOKS_H

#include <stdbool.h>

#include "httpd.h"

/*
 * Makes the module whose source file is FILE log R. False: it is not loaded, or has no such hook.
 */
bool mrc_log_hooks_call(request_rec *r, const char *file);

/*
 * Whether all modules that log are known to work with a request that was made from a record. An
 * unknown module would not find what it keeps in the request itself.
 */
bool mrc_log_hooks_are_known(void);

/*
 * Takes the bytes that mod_logio has counted for R, in and out; 0 without mod_logio. mod_logio
 * gives only their sum, and only after it has logged R. So this computes the incoming bytes from
 * the request, unless WIRE_IN, the bytes of TLS, is not -1; the rest of the sum are the outgoing
 * bytes.
 */
void mrc_log_hooks_take_counts(request_rec *r, apr_off_t wire_in, apr_off_t *ret_in,
                               apr_off_t *ret_out);

/* Sets these counts in mod_logio for the connection C, for which it has none yet. */
void mrc_log_hooks_give_counts(conn_rec *c, apr_off_t in, apr_off_t out);

/*
 * The time in microseconds until the client of R got the first byte, as mod_logio measures it. 0:
 * mod_logio does not measure it, because LogIOTrackTTFB is off.
 */
apr_time_t mrc_log_hooks_take_ttfb(const request_rec *r);

/* Sets that time in mod_logio for R, for which it has none yet. */
void mrc_log_hooks_give_ttfb(request_rec *r, apr_time_t ttfb_us);

#endif
