/*
 * Chooses the carrier of a stream, and keeps within the number of streams that this server may
 * hold.
 *
 *     detached     the connection leaves httpd: plain HTTP/1.1
 *     suspended    the event MPM gives the connection away: HTTP/1.1, TLS too
 *     threaded     the thread that handles the request holds the stream: everything else
 *
 * The order: choose, hold a place, then start, or release the place. All in the thread that handles
 * the request, in a child that serves hubs.
 */
#ifndef MRC_HTTPD_CARRIER_CHOOSE_H
#define MRC_HTTPD_CARRIER_CHOOSE_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_subscriber;

enum mrc_choice { MRC_CHOICE_DETACHED, MRC_CHOICE_SUSPENDED, MRC_CHOICE_THREADED };

/*
 * The carrier for a stream that answers R; before anything is sent. Takes filters that would hold
 * the stream back out of R. MAY_DETACH is MercureDetach.
 */
enum mrc_choice mrc_choose_carrier(request_rec *r, bool may_detach);

/* Takes a place for one more stream. NULL: it is taken. Else the reason why there is none now, for
 * the client. */
const char *mrc_choose_hold(request_rec *r, enum mrc_choice choice);

/* Gives a place back whose stream does not start. */
void mrc_choose_release(request_rec *r, enum mrc_choice choice);

/*
 * Sends R's headers and starts the stream of SUBSCRIBER, which is taken over, and so is the place.
 * The value for the handler to return.
 */
int mrc_choose_start(request_rec *r, enum mrc_choice choice, struct mrc_subscriber *subscriber);

#endif
