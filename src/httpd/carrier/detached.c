#include "httpd/carrier/detached.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"

#include "httpd/answer/answer.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/push.h"
#include "httpd/child/this_child.h"
#include "httpd/log/record.h"
#include "hub/base/clock.h"
#include "hub/base/event.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/stream/carrier.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/stream.h"
#include "hub/subscriber/subscriber.h"

APLOG_USE_MODULE(mercure);

#define CHUNK_HEAD_BYTES 20 /* a length in hexadecimal digits, and a line end */

/* What the kernel did not take of a write. */
struct rest {
    size_t len, sent;
    char bytes[];
};

struct mrc_carrier_detached {
    struct mrc_carrier carrier;
    struct mrc_log_record *log;
    struct rest *rest; /* NULL: nothing */
    apr_off_t body_bytes;
    uint64_t wire_bytes : 63;
    uint64_t is_chunked : 1;
};

/* There are as many as detached streams. */
_Static_assert(sizeof(struct mrc_carrier_detached) <= 56, "a detached carrier is small");

static struct mrc_carrier_detached *of(struct mrc_carrier *carrier)
{
    return (struct mrc_carrier_detached *)carrier;
}

/* ---- the carrier's operations, in the dispatcher's thread -------------------------------------*/

/* Sends; false: the client is gone. */
static bool send_parts(struct mrc_carrier_detached *detached, struct iovec *parts, size_t count,
                       size_t *ret_sent)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;

    do /* most writes are one part: the kernel has less to do for a send() */
        sent = count == 1 ? send(detached->carrier.fd, parts->iov_base, parts->iov_len, flags)
                          : sendmsg(detached->carrier.fd, &message, flags);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    *ret_sent = sent < 0 ? 0 : (size_t)sent;
    detached->wire_bytes += *ret_sent;
    return true;
}

/* Keeps the LEN bytes of PARTS that come after the first SENT. */
static enum mrc_carrier_state keep_rest(struct mrc_carrier_detached *detached,
                                        const struct iovec *parts, size_t count, size_t sent,
                                        size_t len)
{
    struct rest *rest = malloc(sizeof(*rest) + len);

    if (!rest)
        return MRC_CARRIER_GONE;
    *rest = (struct rest){.len = 0};
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        size_t kept = parts[i].iov_len - skip;

        memcpy(rest->bytes + rest->len, (const char *)parts[i].iov_base + skip, kept);
        rest->len += kept;
        sent -= skip;
    }
    detached->rest = rest;
    return MRC_CARRIER_PENDING;
}

static enum mrc_carrier_state write_parts(struct mrc_carrier_detached *detached,
                                          struct iovec *parts, size_t count, size_t len)
{
    size_t sent;

    if (!send_parts(detached, parts, count, &sent))
        return MRC_CARRIER_GONE;
    return sent == len ? MRC_CARRIER_READY : keep_rest(detached, parts, count, sent, len - sent);
}

/* A whole event, which has its chunk already. */
static enum mrc_carrier_state write_event(struct mrc_carrier_detached *detached,
                                          const struct mrc_event *event)
{
    struct mrc_bytes bytes = mrc_event_bytes(event);
    struct iovec part;

    detached->body_bytes += (apr_off_t)bytes.len;
    if (detached->is_chunked)
        bytes = mrc_event_chunk(event);
    part = (struct iovec){.iov_base = (char *)bytes.ptr, .iov_len = bytes.len};
    return write_parts(detached, &part, 1, bytes.len);
}

static enum mrc_carrier_state write_pieces(struct mrc_carrier *carrier,
                                           const struct mrc_piece *pieces, size_t count)
{
    struct mrc_carrier_detached *detached = of(carrier);
    struct iovec parts[MRC_CARRIER_WRITE_PIECES + 2];
    char head[CHUNK_HEAD_BYTES], tail[] = "\r\n";
    size_t body = 0, framing = 0, n = 0;

    if (count == 1 && pieces->len == mrc_event_bytes(pieces->event).len)
        return write_event(detached, pieces->event);
    if (detached->is_chunked)
        parts[n++].iov_base = head;
    for (size_t i = 0; i < count; i++) {
        parts[n].iov_base = (char *)mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset;
        parts[n++].iov_len = pieces[i].len;
        body += pieces[i].len;
    }
    if (detached->is_chunked) {
        parts[0].iov_len = (size_t)snprintf(head, sizeof(head), "%zx\r\n", body);
        parts[n++] = (struct iovec){.iov_base = tail, .iov_len = 2};
        framing = parts[0].iov_len + 2;
    }
    detached->body_bytes += (apr_off_t)body;
    return write_parts(detached, parts, n, body + framing);
}

static enum mrc_carrier_state flush(struct mrc_carrier *carrier)
{
    struct mrc_carrier_detached *detached = of(carrier);
    struct rest *rest = detached->rest;
    struct iovec part;
    size_t sent;

    if (!rest)
        return MRC_CARRIER_READY;
    part = (struct iovec){.iov_base = rest->bytes + rest->sent, .iov_len = rest->len - rest->sent};
    if (!send_parts(detached, &part, 1, &sent))
        return MRC_CARRIER_GONE;
    rest->sent += sent;
    if (rest->sent < rest->len)
        return MRC_CARRIER_PENDING;
    free(rest);
    detached->rest = NULL;
    return MRC_CARRIER_READY;
}

static bool may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    return !mrc_jobs_is_full(mrc_this_child_jobs());
}

static size_t unsent_bytes(const struct mrc_carrier *carrier)
{
    return mrc_push_unsent_bytes(carrier->fd);
}

/* The last chunk, where all before it is on its way. */
static void end_in_order(struct mrc_carrier_detached *detached)
{
    char last_chunk[] = "0\r\n\r\n";
    struct iovec part = {.iov_base = last_chunk, .iov_len = sizeof(last_chunk) - 1};
    size_t unused;

    if (flush(&detached->carrier) != MRC_CARRIER_READY)
        return;
    if (detached->is_chunked)
        send_parts(detached, &part, 1, &unused);
    shutdown(detached->carrier.fd, SHUT_WR);
    mrc_push_drop_surplus(detached->carrier.fd);
}

/* What is left of a stream: its line in the access log, which may be a pipe that hangs. */
struct last_line {
    struct mrc_job errand;
    struct mrc_log_record *log;
    apr_off_t body_bytes;
    apr_off_t wire_bytes;
    enum mrc_end end;
};

static void write_log(struct mrc_job *errand, apr_thread_t *thread)
{
    struct last_line *line = (struct last_line *)errand;

    mrc_log_record_log(line->log, line->body_bytes, line->wire_bytes, line->end);
    free(line);
}

static void post_log(const struct mrc_carrier_detached *detached, enum mrc_end end)
{
    apr_off_t wire_bytes = (apr_off_t)detached->wire_bytes;
    struct last_line *line = malloc(sizeof(*line));

    if (!line) { /* better late than never */
        mrc_log_record_log(detached->log, detached->body_bytes, wire_bytes, end);
        return;
    }
    *line = (struct last_line){
        .errand = {.run = write_log},
        .log = detached->log,
        .body_bytes = detached->body_bytes,
        .wire_bytes = wire_bytes,
        .end = end,
    };
    mrc_jobs_post(mrc_this_child_jobs(), &line->errand);
}

static void close_detached(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_carrier_detached *detached = of(carrier);

    if (end != MRC_END_CLIENT)
        end_in_order(detached);
    close(carrier->fd);
    post_log(detached, end);
    free(detached->rest);
    free(detached);
}

static const struct mrc_carrier_ops ops = {write_pieces,   flush,        may_close,
                                           close_detached, unsent_bytes, NULL};

/* ---- the worker's part ------------------------------------------------------------------------*/

bool mrc_carrier_detached_is_possible(const request_rec *r)
{
    return !r->prev && !r->main && !r->connection->master && r->proto_num >= HTTP_VERSION(1, 0) &&
           strlen(r->the_request) <= MRC_LOG_RECORD_BYTES_MAX / 2 && mrc_push_is_plain(r);
}

/* A descriptor of its own for the client's socket, whatever becomes of httpd's; -1: there is none.
 */
static int copy_socket(conn_rec *c)
{
    apr_os_sock_t fd;
    int copy;

    apr_os_sock_get(&fd, ap_get_conn_socket(c));
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        ap_log_cerror(APLOG_MARK, APLOG_ERR, APR_FROM_OS_ERROR(errno), c,
                      "MRC0901: no descriptor for a stream");
    return copy;
}

/* A carrier for the client of C; NULL: no memory, or no descriptor. */
static struct mrc_carrier_detached *create(conn_rec *c)
{
    struct mrc_carrier_detached *detached = calloc(1, sizeof(*detached));

    if (!detached)
        return NULL;
    detached->carrier.ops = &ops;
    detached->carrier.fd = copy_socket(c);
    if (detached->carrier.fd >= 0)
        return detached;
    free(detached);
    return NULL;
}

/* Sends the head, and a first line with it; false: the client is gone. */
static bool send_head(request_rec *r)
{
    ap_rputs(":\n", r);
    return ap_rflush(r) == 0 && !r->connection->aborted && !r->connection->data_in_output_filters;
}

/* Nothing comes of it: the head may be out, so the client sees the stream break off. */
static int give_up(request_rec *r, struct mrc_carrier_detached *detached, struct mrc_stream *stream,
                   enum mrc_end end)
{
    apr_table_setn(r->notes, "mercure-reason", mrc_end_text(end));
    mrc_stream_discard(stream, end);
    close(detached->carrier.fd);
    free(detached);
    r->connection->aborted = 1;
    return OK;
}

/*
 * Prefork ends its child within the handler of a signal, wherever it strikes: not between the head
 * and the dispatcher, nor where this thread has a lock that the dispatcher needs to end streams.
 */
static void hold_signals(conn_rec *c)
{
    int threaded = 0;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (!threaded)
        mrc_connection_hold_signals_to_the_end(c);
}

int mrc_carrier_detached_start(request_rec *r, struct mrc_child *process,
                               const struct mrc_log_fields *fields,
                               struct mrc_interned_table *shared, struct mrc_subscriber *subscriber)
{
    int64_t timeout_us =
        mrc_hub_get_policy(mrc_subscriber_get_hub(subscriber))->dispatch_timeout_us;
    struct mrc_carrier_detached *detached = create(r->connection);
    struct mrc_stream *stream;

    if (!detached) {
        mrc_subscriber_close(subscriber, MRC_END_REFUSED);
        return mrc_answer_later(r, "the server is short of descriptors: try again");
    }
    stream = mrc_stream_create(subscriber, &detached->carrier, mrc_clock_us());
    if (!stream) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        close(detached->carrier.fd);
        free(detached);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    hold_signals(r->connection);
    if (!send_head(r))
        return give_up(r, detached, stream, MRC_END_CLIENT);
    detached->is_chunked = r->chunked != 0;
    detached->log = mrc_log_record_keep(r, fields, shared);
    if (!detached->log)
        return give_up(r, detached, stream, MRC_END_ERROR);
    mrc_log_record_take_counts(detached->log, r);
    mrc_push_set_socket_options(detached->carrier.fd, timeout_us);
    /* httpd sends nothing more, does not end the connection but only closes its descriptor. */
    r->connection->aborted = 1;
    mrc_connection_set_recorded(r->connection, true);
    mrc_dispatcher_post(mrc_child_dispatcher(process), stream);
    return OK;
}
