#include "httpd/http2/connect.h"

#include <string.h>

#include "apr_portable.h"
#include "apr_support.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_ssl.h"
#include "util_filter.h"

#include "httpd/base/connection.h"
#include "httpd/base/free_nodes.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/exchange/scoreboard.h"
#include "httpd/http2/child.h"
#include "httpd/http2/serve.h"
#include "httpd/http2/session.h"
#include "httpd/http2/transport.h"
#include "httpd/tls/socket_bio.h"
#include "httpd/tls/takeover.h"
#include "store/base/clock.h"

APLOG_USE_MODULE(mercure);

/* What a client may have sent before its connection is suspended: more than its first window. */
#define FIRST_BYTES_MAX ((size_t)256 * 1024)

/* A record of TLS is as long as a frame. */
#define RECORD_BYTES 16384

/* The client's first bytes (RFC 9113, 3.4). */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_BYTES (sizeof(preface) - 1)

/* A client that has sent a part of it gets this long for the rest. After that it counts as a client
 * of HTTP/1.1, to which other limits of time apply (mod_reqtimeout). */
#define PREFACE_TIME apr_time_from_sec(5)

/* What the hooks know about C; in its pool. */
struct mrc_http2_client {
    const char *protocol;
    struct mrc_http2_session *session; /* until it is handed over */
};

static struct mrc_http2_client *client_of(conn_rec *c)
{
    struct mrc_http2_client *client = mrc_connection_get_http2(c);

    if (!client) {
        client = apr_pcalloc(c->pool, sizeof(*client));
        mrc_connection_set_http2(c, client);
    }
    return client;
}

/* Whether this child speaks HTTP/2 for SERVER. */
static bool speaks(const server_rec *server)
{
    return mrc_hubs_speaks_http2(server) && mrc_this_child_get() && mrc_this_child_http2() &&
           mrc_this_child_is_serving();
}

/* Whether the TLS of C can be taken over. Modules other than mod_ssl do not show their SSL. */
static bool may_take_tls(conn_rec *c)
{
    return ap_ssl_conn_is_ssl(c) && mrc_this_child_socket_bio() && mrc_takeover_has_ssl(c);
}

/* Whether the TLS of C is new enough for HTTP/2 (RFC 9113, 9.2). */
static bool is_modern_tls(conn_rec *c)
{
    const char *protocol = ap_ssl_var_lookup(c->pool, c->base_server, c, NULL, "SSL_PROTOCOL");

    return protocol && (!strcmp(protocol, "TLSv1.2") || !strcmp(protocol, "TLSv1.3"));
}

/* ---- the choice of the protocol ---------------------------------------------------------------*/

int mrc_http2_connect_propose(conn_rec *c, request_rec *r, server_rec *server,
                              const apr_array_header_t *offers, apr_array_header_t *proposals)
{
    if (c->master || r || !speaks(server) || !may_take_tls(c) || !is_modern_tls(c) ||
        (offers && !ap_array_str_contains(offers, "h2")))
        return DECLINED;
    APR_ARRAY_PUSH(proposals, const char *) = "h2";
    return DECLINED; /* others may propose, too */
}

int mrc_http2_connect_switch(conn_rec *c, request_rec *r, server_rec *server, const char *protocol)
{
    if (c->master || r || strcmp(protocol, "h2") != 0 || !speaks(server))
        return DECLINED;
    client_of(c)->protocol = "h2";
    return OK;
}

const char *mrc_http2_connect_protocol(const conn_rec *c)
{
    const struct mrc_http2_client *client =
        mrc_connection_get_http2(c->master ? c->master : (conn_rec *)c);

    return client ? client->protocol : NULL;
}

/* Looks at the first bytes that have come from the client of C, at most those of the preface, which
 * stay where they are. BLOCK: waits for the first one, as httpd would. 0: the client is gone, or
 * sends nothing. */
static apr_size_t look(conn_rec *c, apr_read_type_e block, char ret_bytes[PREFACE_BYTES])
{
    apr_bucket_brigade *brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_size_t len = PREFACE_BYTES;

    if (ap_get_brigade(c->input_filters, brigade, AP_MODE_SPECULATIVE, block, PREFACE_BYTES) !=
            APR_SUCCESS ||
        apr_brigade_flatten(brigade, ret_bytes, &len) != APR_SUCCESS)
        len = 0;
    apr_brigade_destroy(brigade);
    return len;
}

/* Waits until more comes from the client of C, but not longer than UNTIL_US. */
static bool wait_for_more(conn_rec *c, int64_t until_us)
{
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_interval_time_t timeout, left = until_us - mrc_clock_us();
    apr_status_t status;

    if (left <= 0)
        return false;
    apr_socket_timeout_get(socket, &timeout);
    apr_socket_timeout_set(socket, timeout >= 0 && timeout < left ? timeout : left);
    status = apr_wait_for_io_or_timeout(NULL, socket, 1);
    apr_socket_timeout_set(socket, timeout);
    return status == APR_SUCCESS;
}

/* Whether the client of C sends the preface of HTTP/2. */
static bool sends_preface(conn_rec *c)
{
    char bytes[PREFACE_BYTES];
    apr_size_t before = 0, len = look(c, APR_BLOCK_READ, bytes);
    int64_t until_us = mrc_clock_us() + PREFACE_TIME;

    /*
     * A part of the preface has come: each time there must be more of it. look() does not wait for
     * that.
     */
    while (len > before && len < PREFACE_BYTES && !memcmp(bytes, preface, len)) {
        before = len;
        if (!wait_for_more(c, until_us))
            return false;
        len = look(c, APR_NONBLOCK_READ, bytes);
    }
    return len == PREFACE_BYTES && !memcmp(bytes, preface, len);
}

/* ---- the way out of httpd ---------------------------------------------------------------------*/

/* What takes the client's first bytes. */
struct first {
    struct mrc_http2_session *session;
    bool has_failed;
};

static void take_first(void *data, const char *bytes, size_t len)
{
    struct first *first = data;

    if (!first->has_failed)
        first->has_failed = !mrc_http2_session_add_first(first->session, bytes, len);
}

/* Sends what httpd's filters hold, such as the end of the handshake. */
static bool flush_output(conn_rec *c)
{
    apr_bucket_brigade *brigade;
    apr_status_t status;

    if (!c->data_in_output_filters)
        return true;
    brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(c->bucket_alloc));
    status = ap_pass_brigade(c->output_filters, brigade);
    apr_brigade_destroy(brigade);
    return status == APR_SUCCESS && !c->data_in_output_filters;
}

/* Makes the TLS of C use its socket FD. False: out of memory. */
static bool switch_tls(conn_rec *c, int fd)
{
    struct bio_st *bio = mrc_socket_bio_create(mrc_this_child_socket_bio(), fd);

    if (bio)
        mrc_takeover_switch(c, bio, RECORD_BYTES);
    return bio != NULL;
}

/* Takes C out of httpd's filters. False: the client is gone, or out of memory. */
static bool take_over(conn_rec *c, struct mrc_http2_session *session)
{
    bool is_tls = !strcmp(session->origin.protocol, "h2");
    struct first first = {.session = session};
    struct ssl_st *ssl = is_tls ? mrc_takeover_ssl(c) : NULL;
    apr_os_sock_t fd = -1;

    apr_os_sock_get(&fd, ap_get_conn_socket(c));
    if (fd < 0 || (is_tls && !ssl))
        return false;
    if (is_tls)
        mrc_takeover_keep_subject(c);
    if (!flush_output(c))
        return false;
    if (!mrc_takeover_drain(c, FIRST_BYTES_MAX, take_first, &first) || first.has_failed)
        return false;
    if (is_tls && !switch_tls(c, fd))
        return false;
    return mrc_http2_transport_init(&session->transport, fd, ssl, session->child->output_method);
}

/* All requests of a connection have its id in the error log. Where ErrorLogFormat has a line for
 * each connection, the first message about a request makes the id, with that line. */
static void make_log_id(conn_rec *c)
{
    const core_server_config *core = ap_get_core_module_config(c->base_server->module_config);

    if (!c->log_id && apr_is_empty_array(core->error_log_conn))
        ap_run_generate_log_id(c, NULL, &c->log_id);
}

static int suspend(conn_rec *c, struct mrc_http2_client *client)
{
    struct mrc_http2_session *session =
        mrc_http2_session_create(mrc_this_child_http2(), c, client->protocol);

    c->keepalive = AP_CONN_CLOSE;
    make_log_id(c);
    if (session)
        mrc_scoreboard_note_origin(&session->origin, c);
    if (session && take_over(c, session)) {
        mrc_free_nodes_give_back(c); /* of the handshake */
        client->session = session;
        c->cs->state = CONN_STATE_SUSPENDED;
        return OK;
    }
    if (session)
        mrc_http2_session_free(session);
    c->aborted = 1;
    return OK;
}

int mrc_http2_connect_process(conn_rec *c)
{
    struct mrc_http2_client *client;

    if (c->master || !c->cs)
        return DECLINED;
    client = mrc_connection_get_http2(c);
    /* The preface is what a client sends first. In place of a later request it could come through a
     * proxy that does not know it. */
    if (!client && c->keepalives == 0 && speaks(c->base_server) && !ap_ssl_conn_is_ssl(c) &&
        ap_is_allowed_protocol(c, NULL, c->base_server, "h2c") && sends_preface(c)) {
        client = client_of(c);
        client->protocol = "h2c";
    }
    return client && client->protocol ? suspend(c, client) : DECLINED;
}

void mrc_http2_connect_suspend(conn_rec *c, request_rec *r)
{
    struct mrc_http2_client *client = c->master ? NULL : mrc_connection_get_http2(c);
    struct mrc_http2_session *session = client ? client->session : NULL;

    (void)r;
    if (!session || c->cs->state != CONN_STATE_SUSPENDED)
        return;
    client->session = NULL;
    mrc_http2_serve(session);
}
