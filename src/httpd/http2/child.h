/*
 * What the HTTP/2 sessions of a child have in common. It is made when the child starts; only its
 * counters change afterwards.
 */
#ifndef MRC_HTTPD_HTTP2_CHILD_H
#define MRC_HTTPD_HTTP2_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "httpd/exchange/exchange.h"
#include "hub/base/heap.h"

struct mrc_dispatcher;
struct mrc_exchange_workers;
struct nghttp2_option;
struct nghttp2_session_callbacks;

struct mrc_http2_child {
    struct nghttp2_session_callbacks *callbacks;
    struct nghttp2_option *options;
    struct mrc_exchange_workers *workers;
    struct mrc_dispatcher *dispatcher;
    void *socket; /* an apr_socket_t without a client, for secondary connections */
    struct bio_method_st *output_method; /* for the transports */
    struct mrc_exchange_files files;
    struct mrc_exchange_held held;
    atomic_ulong sessions_made;   /* so far */
    atomic_uint sessions;         /* whose connection is not freed */
    unsigned sessions_crowd;      /* with more of them, those without streams end */
    atomic_int_least64_t shed_us; /* when they last did */
    struct mrc_heap heap;         /* of the thread of the jobs */
    bool is_stopping;             /* of the main thread */
};

#endif
