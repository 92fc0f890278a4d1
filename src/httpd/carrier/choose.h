/*
 * Chooses the carrier of a stream, and limits the number of streams of this server.
 *
 *     http2        the stream is a part of a session of HTTP/2 (httpd/http2)
 *     detached     the connection leaves httpd: HTTP/1.1, plain or over the TLS of mod_ssl
 *     suspended    the event MPM gives the connection away: HTTP/1.1 with other filters
 *     threaded     the thread that handles the request holds the stream: everything else
 *
 * The caller first chooses, then takes a place for the stream, and then starts it or releases the
 * place. All in the thread that handles the request, in a child that serves hubs.
 */
#ifndef MRC_HTTPD_CARRIER_CHOOSE_H
#define MRC_HTTPD_CARRIER_CHOOSE_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_subscriber;

enum mrc_choice {
    MRC_CHOICE_HTTP2,
    MRC_CHOICE_DETACHED,
    MRC_CHOICE_SUSPENDED,
    MRC_CHOICE_THREADED
};

/*
 * The carrier for a stream that answers R. Removes filters from R that would delay the stream, so
 * call it before anything is sent. MAY_DETACH is MercureDetach. RET_REMOVED gets the names of these
 * filters, as a text in the pool of R; NULL: there were none.
 */
enum mrc_choice mrc_choose_carrier(request_rec *r, bool may_detach, const char **ret_removed);

/* Why there is no place for a stream. */
struct mrc_no_place {
    const char *detail; /* for the client */
    const char *limit;  /* for the error log: the limit that is reached, and the setting to raise */
};

/* Takes a place for one more stream. False: there is none. */
bool mrc_choose_hold(request_rec *r, enum mrc_choice choice, struct mrc_no_place *ret_why);

/* Releases a place whose stream does not start. */
void mrc_choose_release(request_rec *r, enum mrc_choice choice);

/*
 * Sends R's head and starts the stream of SUBSCRIBER. Takes over SUBSCRIBER and the place. Returns
 * the value for the handler to return.
 */
int mrc_choose_start(request_rec *r, enum mrc_choice choice, struct mrc_subscriber *subscriber);

#endif
