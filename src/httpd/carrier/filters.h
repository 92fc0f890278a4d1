/*
 * The output filters between a stream and its client: finds out whether they hold bytes back, and
 * whether the stream can skip them.
 *
 *     filters of the request     change or inspect the response: HTTP's own framing, compression
 *     filters of the connection  change bytes on their way: mod_ssl's
 *     the network filter         httpd's own, always the last: writes to the socket
 *
 * A filter is known by the name under which its module registers it. One with an unknown name may
 * do anything, even block.
 */
#ifndef MRC_HTTPD_CARRIER_FILTERS_H
#define MRC_HTTPD_CARRIER_FILTERS_H

#include <stdbool.h>

#include "httpd.h"

/*
 * Removes those filters of R that hold a stream back, slow it down on purpose, or change it
 * (compression, mod_buffer, mod_ratelimit, mod_proxy_html, mod_substitute, programs…), however they
 * were configured. Call it before anything is sent. Returns their names, separated by commas, in
 * the pool of R; NULL: there were none.
 */
const char *mrc_filters_remove_delaying(request_rec *r);

/*
 * Removes those filters of R that change the content of its answer or of its body: for answers that
 * are not streams, which may be compressed.
 */
void mrc_filters_remove_changing(request_rec *r);

/*
 * Whether all filters of R are known to pass bytes on as they come. Others may need a FLUSH bucket,
 * which blocks: their stream needs a thread that can wait.
 */
bool mrc_filters_never_delay(const request_rec *r);

/*
 * Whether the stream can skip all filters of R: none delays, and none needs to see what is sent.
 * The bytes of the stream, framed as R's head says, then go to the filters of the connection.
 */
bool mrc_filters_can_skip_request(const request_rec *r);

/* The same for all filters: the framed bytes can be written to the socket. */
bool mrc_filters_can_skip_all(const request_rec *r);

/*
 * Whether the stream can skip all filters of R, and only mod_ssl's change bytes between R's
 * connection and its socket, in both directions.
 */
bool mrc_filters_are_tls(const request_rec *r);

/* Whether C has no filter, such as mod_ssl's, that gathers bytes or changes them. */
bool mrc_filters_can_skip_connection(const conn_rec *c);

#endif
