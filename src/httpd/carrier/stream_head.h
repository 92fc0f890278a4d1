/*
 * Sends the head of a stream's response, which every carrier does in the same way.
 */
#ifndef MRC_HTTPD_CARRIER_STREAM_HEAD_H
#define MRC_HTTPD_CARRIER_STREAM_HEAD_H

#include <stdbool.h>

#include "httpd.h"

#include "hub/stream/carrier.h"

/*
 * Sends R's headers and a comment line, and waits until the client has taken them (a FLUSH bucket),
 * in the thread that handles R. Afterwards the connection ends with this response. False: the
 * stream cannot begin, RET_END says why.
 */
bool mrc_stream_head_send(request_rec *r, enum mrc_end *ret_end);

#endif
