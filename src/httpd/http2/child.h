/*
 * What the HTTP/2 sessions of a child have in common. It is made when the child starts, and does
 * not change afterwards, except for the number of sessions.
 */
#ifndef MRC_HTTPD_HTTP2_CHILD_H
#define MRC_HTTPD_HTTP2_CHILD_H

#include <stdatomic.h>

struct mrc_dispatcher;
struct mrc_exchange_workers;
struct nghttp2_option;
struct nghttp2_session_callbacks;

struct mrc_http2_child {
    struct nghttp2_session_callbacks *callbacks;
    struct nghttp2_option *options;
    struct mrc_exchange_workers *workers;
    struct mrc_dispatcher *dispatcher;
    atomic_ulong sessions; /* so far; any thread */
    void *socket;          /* an apr_socket_t without a client, for secondary connections */
};

#endif
