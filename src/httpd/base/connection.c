#include "httpd/base/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "apr_portable.h"
#include "http_config.h"
#include "http_core.h"
#include "util_filter.h"

#include "httpd/base/module.h"

/*
 * Atomic, because the MPM passes a connection from thread to thread in a way that TSan cannot see.
 */
struct connection {
    struct mrc_carrier_suspended *_Atomic suspended;
    atomic_int threads; /* HTTP/2: streams of this connection that hold a thread */
    atomic_bool holds_signals;
    bool holds_signals_to_the_end;
    bool is_recorded;
    struct mrc_takeover *takeover;
    apr_off_t logged_bytes;
    const apr_table_t *variables;
    struct mrc_http2_client *http2;
    struct mrc_network *network;
    struct mrc_stay *stay;
    struct mrc_token_memo *memo;
    bool is_hidden;
};

/* A pending signal ends the process here. */
static void release_signals(void)
{
    sigset_t signals;

    mrc_connection_signals(&signals);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

/* Cleanups run in the opposite order of their registration, so this one is the last. */
static apr_status_t end_connection(void *connection)
{
    if (((struct connection *)connection)->holds_signals_to_the_end)
        release_signals();
    return APR_SUCCESS;
}

int mrc_connection_pre_connection(conn_rec *c, void *socket)
{
    struct connection *connection;

    if (c->master)
        return OK;
    connection = apr_pcalloc(c->pool, sizeof(*connection));
    ap_set_module_config(c->conn_config, &mercure_module, connection);
    apr_pool_cleanup_register(c->pool, connection, end_connection, apr_pool_cleanup_null);
    return OK;
}

static struct connection *record_of(conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &mercure_module);
}

struct mrc_carrier_suspended *mrc_connection_get_suspended(conn_rec *c)
{
    struct connection *connection = c->master ? NULL : record_of(c);

    return connection ? connection->suspended : NULL;
}

void mrc_connection_set_suspended(conn_rec *c, struct mrc_carrier_suspended *carrier)
{
    record_of(c)->suspended = carrier;
}

void mrc_connection_set_recorded(conn_rec *c, bool is_recorded)
{
    record_of(c)->is_recorded = is_recorded;
}

struct mrc_takeover *mrc_connection_get_takeover(conn_rec *c)
{
    struct connection *connection = c->master ? NULL : record_of(c);

    return connection ? connection->takeover : NULL;
}

void mrc_connection_set_takeover(conn_rec *c, struct mrc_takeover *takeover)
{
    record_of(c)->takeover = takeover;
}

void mrc_connection_set_logged_bytes(conn_rec *c, apr_off_t bytes)
{
    record_of(c)->logged_bytes = bytes;
}

apr_off_t mrc_connection_get_logged_bytes(conn_rec *c)
{
    return record_of(c)->logged_bytes;
}

void mrc_connection_set_variables(conn_rec *c, const apr_table_t *variables)
{
    record_of(c)->variables = variables;
}

const apr_table_t *mrc_connection_get_variables(conn_rec *c)
{
    const struct connection *connection = c->master ? NULL : record_of(c);

    return connection ? connection->variables : NULL;
}

bool mrc_connection_is_recorded(conn_rec *c)
{
    const struct connection *connection = record_of(c);

    return connection && connection->is_recorded;
}

struct mrc_http2_client *mrc_connection_get_http2(conn_rec *c)
{
    const struct connection *connection = record_of(c);

    return connection ? connection->http2 : NULL;
}

void mrc_connection_set_http2(conn_rec *c, struct mrc_http2_client *client)
{
    record_of(c)->http2 = client;
}

struct mrc_stay *mrc_connection_get_stay(conn_rec *c)
{
    return record_of(c)->stay;
}

void mrc_connection_set_stay(conn_rec *c, struct mrc_stay *stay)
{
    record_of(c)->stay = stay;
}

struct mrc_token_memo *mrc_connection_get_memo(conn_rec *c)
{
    return c->master ? NULL : record_of(c)->memo;
}

void mrc_connection_set_memo(conn_rec *c, struct mrc_token_memo *memo)
{
    record_of(c)->memo = memo;
}

void mrc_connection_create_secondary(conn_rec *c, struct mrc_network *network)
{
    struct connection *connection = apr_pcalloc(c->pool, sizeof(*connection));

    connection->network = network;
    ap_set_module_config(c->conn_config, &mercure_module, connection);
}

struct mrc_network *mrc_connection_get_network(const conn_rec *c)
{
    const struct connection *connection = record_of((conn_rec *)c);

    return connection ? connection->network : NULL;
}

void mrc_connection_set_hidden(conn_rec *c)
{
    record_of(c)->is_hidden = true;
}

bool mrc_connection_is_hidden(conn_rec *c)
{
    const struct connection *connection = record_of(c);

    return connection && connection->is_hidden;
}

static apr_status_t close_socket(void *socket)
{
    return apr_socket_close(socket);
}

apr_status_t mrc_connection_copy_socket(conn_rec *c, apr_socket_t **ret_socket)
{
    apr_socket_t *socket = NULL, *theirs = ap_get_conn_socket(c);
    ap_filter_t *filter = c->output_filters;
    apr_interval_time_t timeout;
    apr_os_sock_t fd;

    apr_os_sock_get(&fd, theirs);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return APR_FROM_OS_ERROR(errno);
    apr_os_sock_put(&socket, &fd, c->pool);
    apr_pool_cleanup_register(c->pool, socket, close_socket, apr_pool_cleanup_null);
    apr_socket_timeout_get(theirs, &timeout);
    apr_socket_timeout_set(socket, timeout);
    while (filter->next)
        filter = filter->next;
    if (filter->frec == ap_core_output_filter_handle)
        ((core_net_rec *)filter->ctx)->client_socket = socket;
    *ret_socket = socket;
    return APR_SUCCESS;
}

bool mrc_connection_hold_thread(conn_rec *c)
{
    struct connection *connection;

    if (!c->master)
        return true;
    connection = record_of(c->master);
    if (atomic_fetch_add(&connection->threads, 1) < MRC_CONNECTION_THREADS_MAX)
        return true;
    atomic_fetch_sub(&connection->threads, 1);
    return false;
}

void mrc_connection_release_thread(conn_rec *c)
{
    if (c->master)
        atomic_fetch_sub(&record_of(c->master)->threads, 1);
}

void mrc_connection_signals(sigset_t *ret_signals)
{
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGHUP);
}

void mrc_connection_hold_signals(conn_rec *c)
{
    sigset_t signals;

    mrc_connection_signals(&signals);
    record_of(c)->holds_signals = true;
    sigprocmask(SIG_BLOCK, &signals, NULL);
}

void mrc_connection_hold_signals_to_the_end(conn_rec *c)
{
    sigset_t signals;

    mrc_connection_signals(&signals);
    record_of(c)->holds_signals_to_the_end = true;
    sigprocmask(SIG_BLOCK, &signals, NULL);
}

int mrc_connection_pre_close(conn_rec *c)
{
    struct connection *connection = c->master ? NULL : record_of(c);

    if (!connection || !connection->holds_signals)
        return OK;
    connection->holds_signals = false;
    release_signals();
    return OK;
}

/* ---- acknowledgements -------------------------------------------------------------------------*/

int64_t mrc_connection_silence_us(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    int unsent = 0;

    if (ioctl(fd, SIOCOUTQ, &unsent) < 0 || unsent == 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return 0;
    return (int64_t)info.tcpi_last_ack_recv * 1000 + 1; /* the kernel gives milliseconds */
}
