/*
 * Reports the end of a stream. All carriers do this in one place, so that the access log, the
 * error log and the metrics give the same reasons.
 */
#ifndef MRC_HTTPD_LOG_STREAM_END_H
#define MRC_HTTPD_LOG_STREAM_END_H

#include "httpd.h"

#include "hub/stream/carrier.h"

/*
 * The stream that answers R has ended because of END: puts the reason into the note
 * `mercure-reason`, for the access log, and writes a line to the error log (level debug). In the
 * thread that owns R, before R is logged.
 */
void mrc_log_stream_end(request_rec *r, enum mrc_end end);

#endif
