/*
 * The filters at the end of a request's filter chains, in place of httpd's socket filters: they
 * read the body from the exchange, and write the response into it.
 */
#ifndef MRC_HTTPD_EXCHANGE_NETWORK_H
#define MRC_HTTPD_EXCHANGE_NETWORK_H

#include <stdbool.h>

#include "httpd.h"

#include "http_config.h"

#include "apr_buckets.h"

#include "httpd/exchange/head_text.h"

struct mrc_exchange;
struct mrc_exchange_head;

/* What the filters know about the response. Of the worker. */
struct mrc_network {
    struct mrc_exchange *exchange;
    struct mrc_exchange_head_text text; /* a head that has not ended yet */
    size_t interim_bytes;               /* of interim responses, with what each costs */
    bool is_bodiless;                   /* the head was text, and no body follows it */
    bool has_head;                      /* the final head was put */
    bool has_ended;                     /* EOS was written */
    bool is_sent;                       /* the whole response was given to the session */
    bool is_broken;                     /* the response cannot be completed */
    bool has_length;                    /* the head has a Content-Length, and a body follows */
    apr_off_t length;                   /* that Content-Length */
    apr_bucket *end;      /* of the request, which ends later (kept.h); NULL: it has ended */
    bool has_logged;      /* that the client is too slow */
    bool has_left;        /* a subscription: the exchange continues without the request */
    apr_off_t in_bytes;   /* of the body, which mod_logio has counted */
    apr_off_t out_bytes;  /* of the response, which mod_logio has not counted yet */
    apr_off_t body_bytes; /* of these, the bytes of the body */
};

/* Registers the filters. When the module is loaded. */
void mrc_network_register(void);

/* Whether a response may have the field NAME with VALUE. */
bool mrc_network_is_field(const char *name, const char *value);

/* Sends HEAD, which it takes over. NULL: there was no memory for it, so the response is broken. */
void mrc_network_put_head(struct mrc_network *network, struct mrc_exchange_head *head);

/* Ends the request of C, whose end NETWORK has. Its stream may be closed. */
void mrc_network_end_request(struct mrc_network *network, conn_rec *c);

/* Adds the filters to C, a secondary connection. */
void mrc_network_add(conn_rec *c, struct mrc_network *network);

#endif
