/*
 * The modules that log requests: which they are, and what they keep of a request in structures of
 * their own. Those that httpd comes with are asked for it by their own functions.
 */
#ifndef MRC_HTTPD_LOG_HOOKS_H
#define MRC_HTTPD_LOG_HOOKS_H

#include <stdbool.h>

#include "httpd.h"

/* Has the module whose source is FILE log R; false: it is not loaded, or hooks no logs. */
bool mrc_log_hooks_call(request_rec *r, const char *file);

/*
 * Whether all modules that log are known to log a request that was made of a record: what another
 * one keeps of the request itself would be lost.
 */
bool mrc_log_hooks_are_known(void);

/*
 * Takes the counts of R out of mod_logio; 0 without it. It tells only the sum of both, and that
 * only after it has logged; so what came in is reckoned from the request itself.
 */
void mrc_log_hooks_take_counts(request_rec *r, apr_off_t *ret_in, apr_off_t *ret_out);

/* Gives the counts to mod_logio for the connection C, which knows of none. */
void mrc_log_hooks_give_counts(conn_rec *c, apr_off_t in, apr_off_t out);

/*
 * How long R's client waited for the first byte, in us, as mod_logio measures it (LogIOTrackTTFB);
 * 0: it does not.
 */
apr_time_t mrc_log_hooks_take_ttfb(const request_rec *r);

/* Gives that to mod_logio for R, which knows of none. */
void mrc_log_hooks_give_ttfb(request_rec *r, apr_time_t ttfb_us);

#endif
