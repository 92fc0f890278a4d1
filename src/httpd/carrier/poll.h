/*
 * Polls: the answers to streams that are refused for a temporary reason.
 *
 * The client of such a stream comes back after some seconds, perhaps many times. So that it learns
 * what happens meanwhile, the answer also has the updates that it has missed, and its position:
 *
 *     retry: 9000                    when to come back
 *
 *     id: urn:uuid:…                 the updates since the client's cursor, at most
 *     data: …                        MercureSubscriberBacklog bytes
 *
 *     id: #…                         the position up to which this answer covers
 *
 * All functions are for the thread that handles the request.
 */
#ifndef MRC_HTTPD_CARRIER_POLL_H
#define MRC_HTTPD_CARRIER_POLL_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_hub;
struct mrc_subscriber;

/*
 * Answers R with a poll of SUBSCRIBER, which has not been given any event, and closes the
 * subscriber. A client that does not accept an event stream gets 503 with DETAIL. Returns the value
 * for the handler to return.
 */
int mrc_poll_answer(request_rec *r, struct mrc_subscriber *subscriber, const char *detail);

/*
 * After mrc_answer_later(): if the answer is a stream, adds the newest position of HUB, for a
 * client without a cursor whose subscription is not known. AS_EVENT: in the form of
 * mrc_sse_add_id_event() (core/protocol/sse.h).
 */
void mrc_poll_add_newest(request_rec *r, struct mrc_hub *hub, bool as_event);

#endif
