/*
 * Sends the head of a stream's response, which every carrier does in the same way.
 */
#ifndef MRC_HTTPD_CARRIER_STREAM_HEAD_H
#define MRC_HTTPD_CARRIER_STREAM_HEAD_H

#include <stdbool.h>

#include "httpd.h"

#include "hub/stream/carrier.h"

struct mrc_subscriber;

/*
 * Sends R's headers and the first bytes of the stream of SUBSCRIBER, which has not been given any
 * event: a comment line and, if the client wants positions, where the stream begins. Waits until
 * the client has taken them (a FLUSH bucket), in the thread that handles R. Afterwards the
 * connection ends with this response. False: the stream cannot begin, RET_END says why.
 */
bool mrc_stream_head_send(request_rec *r, const struct mrc_subscriber *subscriber,
                          enum mrc_end *ret_end);

#endif
