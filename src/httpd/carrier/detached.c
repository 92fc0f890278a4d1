#include "httpd/carrier/detached.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "http_log.h"
#include "http_protocol.h"

#include "httpd/answer/failure.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/chunk.h"
#include "httpd/carrier/client_socket.h"
#include "httpd/carrier/filters.h"
#include "httpd/carrier/poll.h"
#include "httpd/carrier/stream_head.h"
#include "httpd/child/this_child.h"
#include "httpd/log/record.h"
#include "httpd/log/stream_end.h"
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

/* The part of a write that the kernel did not take. */
struct rest {
    size_t len, sent;
    char bytes[];
};

struct mrc_carrier_detached {
    struct mrc_carrier carrier; /* its descriptor is the duplicate, which the stream owns */
    struct mrc_log_record *log;
    struct rest *rest; /* NULL: nothing */
    apr_off_t body_bytes;
    uint64_t wire_bytes : 63;
    uint64_t is_chunked : 1;
};

/* There is one for each stream. */
_Static_assert(sizeof(struct mrc_carrier_detached) <= 56, "a detached carrier is small");

static struct mrc_carrier_detached *of(struct mrc_carrier *carrier)
{
    return (struct mrc_carrier_detached *)carrier;
}

/* ---- transport --------------------------------------------------------------------------------
 * Only these functions use the socket: write, end, free. None of them blocks. A plain connection
 * has nothing to read: the dispatcher watches the descriptor for a client that hangs up.
 */

/* Writes what the kernel takes of COUNT parts. False: the client is gone. */
static bool transport_write(struct mrc_carrier_detached *detached, struct iovec *parts,
                            size_t count, size_t *ret_sent)
{
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;

    do /* most writes have one part, and send() costs the kernel less */
        sent = count == 1 ? send(detached->carrier.fd, parts->iov_base, parts->iov_len, flags)
                          : sendmsg(detached->carrier.fd, &message, flags);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    *ret_sent = sent < 0 ? 0 : (size_t)sent;
    detached->wire_bytes += *ret_sent;
    return true;
}

/* Shows the client that no more bytes come. */
static void transport_end(struct mrc_carrier_detached *detached)
{
    shutdown(detached->carrier.fd, SHUT_WR);
    mrc_client_socket_drop_input(detached->carrier.fd);
}

static void transport_free(struct mrc_carrier_detached *detached)
{
    close(detached->carrier.fd);
}

/* ---- the carrier's operations, in the dispatcher's thread -------------------------------------*/

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

    if (!transport_write(detached, parts, count, &sent))
        return MRC_CARRIER_GONE;
    return sent == len ? MRC_CARRIER_READY : keep_rest(detached, parts, count, sent, len - sent);
}

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
    struct mrc_chunk_frame frame;
    size_t n = 0;

    if (mrc_chunk_is_whole_event(pieces, count))
        return write_event(detached, pieces->event);
    mrc_chunk_frame(pieces, count, detached->is_chunked, &frame);
    if (frame.head_len > 0)
        parts[n++] = (struct iovec){.iov_base = frame.head, .iov_len = frame.head_len};
    for (size_t i = 0; i < count; i++) {
        parts[n].iov_base = (char *)mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset;
        parts[n++].iov_len = pieces[i].len;
    }
    if (frame.tail_len > 0)
        parts[n++] = (struct iovec){.iov_base = (char *)frame.tail, .iov_len = frame.tail_len};
    detached->body_bytes += (apr_off_t)frame.body_len;
    return write_parts(detached, parts, n, frame.head_len + frame.body_len + frame.tail_len);
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
    if (!transport_write(detached, &part, 1, &sent))
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
    return mrc_client_socket_unsent_bytes(carrier->fd);
}

/* Ends the response cleanly, if the kernel has taken all bytes before. */
static void end_in_order(struct mrc_carrier_detached *detached)
{
    char last_chunk[] = MRC_CHUNK_LAST;
    struct iovec part = {.iov_base = last_chunk, .iov_len = sizeof(last_chunk) - 1};
    size_t unused;

    if (flush(&detached->carrier) != MRC_CARRIER_READY)
        return;
    if (detached->is_chunked)
        transport_write(detached, &part, 1, &unused);
    transport_end(detached);
}

/* The job that writes the access log line of a closed stream. The log may be a pipe that hangs. */
struct last_line {
    struct mrc_job job;
    struct mrc_log_record *log;
    apr_off_t body_bytes;
    apr_off_t wire_bytes;
    enum mrc_end end;
};

static void write_log(struct mrc_job *job, apr_thread_t *thread)
{
    struct last_line *line = (struct last_line *)job;

    mrc_log_record_log(line->log, line->body_bytes, line->wire_bytes, line->end);
    free(line);
}

static void post_log(const struct mrc_carrier_detached *detached, enum mrc_end end)
{
    apr_off_t wire_bytes = (apr_off_t)detached->wire_bytes;
    struct last_line *line = malloc(sizeof(*line));

    if (!line) { /* then this thread may have to wait for the log, but the line is not lost */
        mrc_log_record_log(detached->log, detached->body_bytes, wire_bytes, end);
        return;
    }
    *line = (struct last_line){
        .job = {.run = write_log},
        .log = detached->log,
        .body_bytes = detached->body_bytes,
        .wire_bytes = wire_bytes,
        .end = end,
    };
    mrc_jobs_post(mrc_this_child_jobs(), &line->job);
}

static void close_detached(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct mrc_carrier_detached *detached = of(carrier);

    if (end != MRC_END_CLIENT)
        end_in_order(detached);
    transport_free(detached);
    post_log(detached, end);
    free(detached->rest);
    free(detached);
}

static const struct mrc_carrier_ops ops = {write_pieces, flush, may_close, close_detached,
                                           unsent_bytes, NULL,  NULL};

/* ---- the hand-over, in the worker's thread ----------------------------------------------------*/

bool mrc_carrier_detached_is_possible(const request_rec *r)
{
    return !r->prev && !r->main && !r->connection->master && r->proto_num >= HTTP_VERSION(1, 0) &&
           strlen(r->the_request) <= MRC_LOG_RECORD_BYTES_MAX / 2 && mrc_filters_can_skip_all(r);
}

/* Makes a carrier with its own descriptor for the client of C. NULL: out of memory or descriptors.
 */
static struct mrc_carrier_detached *create(conn_rec *c)
{
    struct mrc_carrier_detached *detached = calloc(1, sizeof(*detached));
    apr_status_t status;

    if (!detached)
        return NULL;
    detached->carrier.ops = &ops;
    status = mrc_client_socket_dup(c, &detached->carrier.fd);
    if (status == APR_SUCCESS)
        return detached;
    ap_log_cerror(APLOG_MARK, APLOG_ERR, status, c,
                  "MRC0901: a stream was refused: this process has no descriptor left for its "
                  "connection; raise the limit of open files");
    free(detached);
    return NULL;
}

/* Undoes create(). */
static void discard(struct mrc_carrier_detached *detached)
{
    transport_free(detached);
    free(detached);
}

/* Gives up a stream that cannot begin. If the head has been sent, the client sees a broken
 * connection. */
static int give_up(request_rec *r, struct mrc_carrier_detached *detached, struct mrc_stream *stream,
                   enum mrc_end end)
{
    mrc_log_stream_end(r, end);
    mrc_stream_discard(stream, end);
    discard(detached);
    r->connection->aborted = 1;
    return OK;
}

/*
 * Prefork exits in the middle of its signal handler. If that happened between the head and the
 * hand-over, or while this thread has a lock that the dispatcher needs to end streams, the stream
 * would not end cleanly. So the signals are blocked until httpd frees the connection.
 */
static void hold_signals(conn_rec *c)
{
    int threaded = 0;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (!threaded)
        mrc_connection_hold_signals_to_the_end(c);
}

int mrc_carrier_detached_start(request_rec *r, struct mrc_subscriber *subscriber)
{
    int64_t timeout_us =
        mrc_hub_get_limits(mrc_subscriber_get_hub(subscriber))->dispatch_timeout_us;
    struct mrc_carrier_detached *detached = create(r->connection);
    struct mrc_stream *stream;
    enum mrc_end end;

    if (!detached)
        return mrc_poll_answer(r, subscriber,
                               "the server has no descriptor left for a stream: try again");
    stream = mrc_stream_create(subscriber, &detached->carrier, mrc_clock_us());
    if (!stream) {
        mrc_subscriber_close(subscriber, MRC_END_ERROR);
        discard(detached);
        return mrc_failure_answer_no_memory(r);
    }
    hold_signals(r->connection);
    if (!mrc_stream_head_send(r, subscriber, &end))
        return give_up(r, detached, stream, end);
    if (r->connection->data_in_output_filters)
        return give_up(r, detached, stream, MRC_END_CLIENT);
    detached->is_chunked = r->chunked != 0;
    detached->log = mrc_log_record_keep(r, mrc_this_child_log_fields(), mrc_this_child_log_texts());
    if (!detached->log)
        return give_up(r, detached, stream, MRC_END_ERROR);
    mrc_log_record_take_counts(detached->log, r);
    mrc_client_socket_set_options(detached->carrier.fd, timeout_us);
    /* httpd sends nothing on an aborted connection: it only closes its own descriptor. */
    r->connection->aborted = 1;
    mrc_connection_set_recorded(r->connection, true);
    mrc_dispatcher_post(mrc_child_dispatcher(mrc_this_child_get()), stream);
    return OK;
}
