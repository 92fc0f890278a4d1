/*
 * The filters at the end of a request's filter chains, in place of httpd's socket filters: they
 * read the body from the exchange, and write the response into it.
 */
#ifndef MRC_HTTPD_EXCHANGE_NETWORK_H
#define MRC_HTTPD_EXCHANGE_NETWORK_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_exchange;

/* What the filters know about the response. Of the worker. */
struct mrc_network {
    struct mrc_exchange *exchange;
    bool has_head;                 /* the final head was put */
    bool has_ended;                /* EOS was written */
    bool is_sent;                  /* the whole response was given to the session */
    bool is_broken;                /* the response cannot be completed */
    bool has_left;                 /* a subscription: the exchange goes on without the request */
    apr_off_t in_bytes, out_bytes; /* for mod_logio, not yet counted there */
};

void mrc_network_register(void);

/* Adds the filters to C, a secondary connection. */
void mrc_network_add(conn_rec *c, struct mrc_network *network);

#endif
