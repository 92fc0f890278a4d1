/*
 * The kinds of carriers (hub/stream/carrier.h): how a stream reaches its client.
 */
#ifndef MRC_HUB_BASE_CARRIER_KIND_H
#define MRC_HUB_BASE_CARRIER_KIND_H

/* In shared memory there is a gauge for each, so a kind never gets another number. */
enum mrc_carrier_kind {
    MRC_CARRIER_DETACHED,  /* the connection has left httpd: HTTP/1.1 without TLS */
    MRC_CARRIER_TLS,       /* the same with TLS */
    MRC_CARRIER_HTTP2,     /* a stream of HTTP/2 that holds no thread */
    MRC_CARRIER_SUSPENDED, /* in httpd's filters, without a thread */
    MRC_CARRIER_THREADED,  /* holds a thread of httpd */
    MRC_CARRIER_KINDS
};

/* The word for KIND in metrics and documents, a constant. */
const char *mrc_carrier_kind_text(enum mrc_carrier_kind kind);

#endif
