#include "httpd/exchange/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/base/clock.h"

/*
 * A worker waits when this many bytes of its response are not sent, until MRC_EXCHANGE_OUT_LOW are
 * left.
 */
#define OUT_BYTES_HIGH ((size_t)256 * 1024)

/* The same while the session or the child is crowded. */
#define OUT_BYTES_CROWDED ((size_t)16 * 1024)

/* From this many bytes on, the session sends them while the worker writes more. */
#define OUT_NOTE_BYTES ((size_t)32 * 1024)

/* From this many bytes on, the session sends them although the worker may write more soon: httpd's
 * filter for HTTP/1.1 does the same. */
#define OUT_OFFER_BYTES ((size_t)4096)

/* A shorter file is read at once, and needs no descriptor then; in a crowd, only one that is
 * shorter still. */
#define FILE_BYTES_MIN         ((size_t)64 * 1024)
#define FILE_BYTES_MIN_CROWDED ((size_t)4 * 1024)

/* Files are read, and bytes are copied, in pieces of this size. */
#define PIECE_BYTES ((size_t)64 * 1024)

/* The client's window gets bytes back when the worker has read this many. */
#define READ_NOTE_BYTES ((size_t)16 * 1024)

/* While threads are short, a worker waits for its client for this long in total, and a second more
 * for each PATIENCE_BYTES: the defaults of mod_reqtimeout. */
#define PATIENCE_US      ((int64_t)20 * 1000 * 1000)
#define PATIENCE_BYTES   500
#define US_PER_BYTE      (1000 * 1000 / PATIENCE_BYTES)
#define PATIENCE_LOOK_US ((int64_t)1000 * 1000)

static void init_lock(struct mrc_exchange *exchange)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&exchange->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&exchange->changed, &attr);
    pthread_condattr_destroy(&attr);
}

struct mrc_exchange *mrc_exchange_create(struct mrc_exchange_origin *origin, int32_t id)
{
    struct mrc_exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange)
        return NULL;
    exchange->origin = origin;
    exchange->id = id;
    exchange->note.run = origin->take_note;
    exchange->in.held = exchange->out.held = &origin->held;
    atomic_init(&exchange->refs, 1);
    init_lock(exchange);
    return exchange;
}

struct mrc_exchange *mrc_exchange_ref(struct mrc_exchange *exchange)
{
    atomic_fetch_add(&exchange->refs, 1);
    return exchange;
}

void mrc_exchange_head_destroy(struct mrc_exchange_head *head)
{
    if (!head)
        return;
    mrc_exchange_fields_free(&head->fields);
    free(head);
}

void mrc_exchange_unref(struct mrc_exchange *exchange)
{
    struct mrc_list_link *link;

    if (atomic_fetch_sub(&exchange->refs, 1) > 1)
        return;
    while ((link = mrc_list_take(&exchange->heads)))
        mrc_exchange_head_destroy((struct mrc_exchange_head *)link);
    mrc_exchange_fields_free(&exchange->request);
    mrc_exchange_fields_free(&exchange->trailers);
    mrc_exchange_fields_free(&exchange->out_trailers);
    mrc_exchange_queue_clear(&exchange->in);
    mrc_exchange_queue_clear(&exchange->out);
    pthread_cond_destroy(&exchange->changed);
    pthread_mutex_destroy(&exchange->lock);
    free(exchange);
}

/* Posts the note, unless it is posted. Under the lock. */
static void note(struct mrc_exchange *exchange)
{
    if (exchange->is_noted)
        return;
    exchange->is_noted = true;
    mrc_exchange_ref(exchange);
    /* If the loop has ended, the process ends. */
    mrc_sessions_post_call(exchange->origin->sessions, &exchange->note);
}

/* ---- for the loop's thread --------------------------------------------------------------------*/

/*
 * httpd decodes a body without Content-Length as chunks of HTTP/1.1; so do its limit for bodies,
 * and handlers that look for the field.
 */
static bool is_chunked(const struct mrc_exchange *exchange)
{
    return exchange->has_body && !exchange->has_length;
}

static bool add_chunk(struct mrc_exchange_queue *queue, const char *bytes, size_t len)
{
    char size[24];

    return mrc_exchange_queue_add(queue, size,
                                  (size_t)snprintf(size, sizeof(size), "%zx\r\n", len)) &&
           mrc_exchange_queue_add(queue, bytes, len) && mrc_exchange_queue_add(queue, "\r\n", 2);
}

bool mrc_exchange_add_body(struct mrc_exchange *exchange, const char *bytes, size_t len)
{
    bool ok;

    pthread_mutex_lock(&exchange->lock);
    ok = !exchange->in_is_broken &&
         (is_chunked(exchange) ? add_chunk(&exchange->in, bytes, len)
                               : mrc_exchange_queue_add(&exchange->in, bytes, len));
    exchange->in_is_broken = !ok;
    exchange->in_unread += len;
    exchange->in_total += len;
    pthread_mutex_unlock(&exchange->lock);
    return ok;
}

void mrc_exchange_wake(struct mrc_exchange *exchange)
{
    pthread_cond_signal(&exchange->changed);
}

/* The last chunk, with the trailers. False: out of memory. */
static bool add_last_chunk(struct mrc_exchange_queue *queue,
                           const struct mrc_exchange_fields *trailers)
{
    const char *name, *value;
    bool ok = mrc_exchange_queue_add(queue, "0\r\n", 3);
    size_t at = 0;

    while (ok && mrc_exchange_fields_next(trailers, &at, &name, &value))
        ok = mrc_exchange_queue_add(queue, name, strlen(name)) &&
             mrc_exchange_queue_add(queue, ": ", 2) &&
             mrc_exchange_queue_add(queue, value, strlen(value)) &&
             mrc_exchange_queue_add(queue, "\r\n", 2);
    return ok && mrc_exchange_queue_add(queue, "\r\n", 2);
}

void mrc_exchange_end_body(struct mrc_exchange *exchange,
                           const struct mrc_exchange_fields *trailers)
{
    pthread_mutex_lock(&exchange->lock);
    if (!exchange->in_ended && is_chunked(exchange) && !exchange->in_is_broken)
        exchange->in_is_broken = !add_last_chunk(&exchange->in, trailers);
    exchange->in_ended = true;
    pthread_cond_signal(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
}

void mrc_exchange_close(struct mrc_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->is_closed = true;
    if (exchange->is_posted && !exchange->has_begun) {
        mrc_exchange_held_sub(&exchange->origin->held, exchange->request.cap);
        mrc_exchange_fields_free(&exchange->request);
    }
    exchange->is_whole = exchange->out_ended && !exchange->out_is_broken && !exchange->out.bytes &&
                         !exchange->out.is_broken;
    mrc_exchange_queue_clear(&exchange->in);
    if (!exchange->is_loading)
        mrc_exchange_queue_clear(&exchange->out);
    pthread_cond_signal(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
}

/* ---- for the worker ---------------------------------------------------------------------------*/

bool mrc_exchange_begin(struct mrc_exchange *exchange)
{
    bool has_begun;

    pthread_mutex_lock(&exchange->lock);
    has_begun = exchange->has_begun = !exchange->is_closed;
    pthread_mutex_unlock(&exchange->lock);
    return has_begun;
}

bool mrc_exchange_is_closed(struct mrc_exchange *exchange)
{
    bool is_closed;

    pthread_mutex_lock(&exchange->lock);
    is_closed = exchange->is_closed;
    pthread_mutex_unlock(&exchange->lock);
    return is_closed;
}

bool mrc_exchange_has_file(struct mrc_exchange *exchange)
{
    bool has_file;

    pthread_mutex_lock(&exchange->lock);
    has_file = !exchange->is_closed && exchange->out.file_bytes > 0;
    pthread_mutex_unlock(&exchange->lock);
    return has_file;
}

void mrc_exchange_free_request(struct mrc_exchange *exchange)
{
    mrc_exchange_held_sub(&exchange->origin->held, mrc_exchange_request_held(exchange));
    mrc_exchange_fields_free(&exchange->request);
}

static struct timespec timespec_of(int64_t time_us)
{
    return (struct timespec){.tv_sec = (time_t)(time_us / 1000000),
                             .tv_nsec = (long)(time_us % 1000000 * 1000)};
}

/*
 * Whether the worker has waited for its client for too long in total, while others wait for a
 * thread. Without this, a client that occasionally sends or takes a byte could hold as many threads
 * as it likes. Under the lock.
 */
static bool is_too_slow(const struct mrc_exchange *exchange, int64_t timeout_us)
{
    uint64_t moved = exchange->in_total + exchange->out_total - exchange->out.bytes;
    int64_t patience = timeout_us < PATIENCE_US ? timeout_us : PATIENCE_US;

    return exchange->waited_us - patience > (int64_t)(moved * US_PER_BYTE) &&
           exchange->origin->threads_are_short(exchange->origin);
}

/* Waits for a change, up to UNTIL_US. False: the worker need not wait any longer; TIMEOUT_US is the
 * longest wait. Under the lock. */
static bool wait_for_change(struct mrc_exchange *exchange, int64_t until_us, int64_t timeout_us)
{
    int64_t began_us = mrc_clock_us(), look_us = began_us + PATIENCE_LOOK_US;
    struct timespec end = timespec_of(look_us < until_us ? look_us : until_us);
    int64_t now_us;

    pthread_cond_timedwait(&exchange->changed, &exchange->lock, &end);
    now_us = mrc_clock_us();
    exchange->waited_us += now_us - began_us;
    exchange->gave_up = exchange->gave_up || is_too_slow(exchange, timeout_us);
    return now_us < until_us && !exchange->gave_up;
}

/* Waits until there is something to read. Under the lock. */
static apr_status_t wait_for_body(struct mrc_exchange *exchange,
                                  const struct mrc_exchange_read *read)
{
    int64_t until_us = mrc_clock_us() + read->timeout_us;
    bool goes_on = true;

    while (!exchange->in.bytes && !exchange->in_ended && !exchange->is_closed &&
           !exchange->in_is_broken && goes_on) {
        if (!read->may_wait)
            return APR_EAGAIN;
        if (exchange->out.bytes > 0) /* the client may wait for it before it sends more */
            note(exchange);
        goes_on = wait_for_change(exchange, until_us, read->timeout_us);
    }
    if (exchange->is_closed || exchange->in_is_broken)
        return APR_ECONNABORTED;
    if (exchange->gave_up)
        return APR_TIMEUP;
    if (exchange->in.bytes)
        return APR_SUCCESS;
    return exchange->in_ended ? APR_EOF : APR_TIMEUP;
}

/* Counts what the client's window may get back. Chunk framing is not part of it. Under the lock. */
static void count_read(struct mrc_exchange *exchange, size_t len)
{
    size_t back = exchange->in.bytes > 0 && len < exchange->in_unread ? len : exchange->in_unread;

    exchange->in_unread -= back;
    exchange->in_read += back;
    if (!exchange->in_ended && exchange->in_read >= READ_NOTE_BYTES)
        note(exchange);
}

apr_status_t mrc_exchange_read(struct mrc_exchange *exchange, const struct mrc_exchange_read *read,
                               char *ret_bytes, size_t *ret_len)
{
    size_t max = read->max;
    apr_status_t status;

    pthread_mutex_lock(&exchange->lock);
    status = wait_for_body(exchange, read);
    if (status == APR_SUCCESS && read->is_line) {
        size_t line = mrc_exchange_queue_line_bytes(&exchange->in);

        max = line < max ? line : max;
    }
    if (status == APR_SUCCESS && read->is_peek) {
        *ret_len = mrc_exchange_queue_peek(&exchange->in, ret_bytes, max);
    } else if (status == APR_SUCCESS) {
        *ret_len = mrc_exchange_queue_read(&exchange->in, ret_bytes, max);
        count_read(exchange, *ret_len);
    }
    pthread_mutex_unlock(&exchange->lock);
    return status;
}

void mrc_exchange_put_head(struct mrc_exchange *exchange, struct mrc_exchange_head *head)
{
    pthread_mutex_lock(&exchange->lock);
    mrc_list_append(&exchange->heads, &head->link);
    if (head->kind == MRC_EXCHANGE_HEAD_INTERIM)
        note(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

bool mrc_exchange_is_crowded(const struct mrc_exchange_origin *origin)
{
    return atomic_load_explicit(&origin->held.bytes, memory_order_relaxed) >
               MRC_EXCHANGE_HELD_SESSION ||
           atomic_load_explicit(&origin->held.all->bytes, memory_order_relaxed) >
               MRC_EXCHANGE_HELD_CHILD;
}

/* Whether OUT has more bytes than MAX, or than it may have in a crowd. Under the lock. */
static bool has_more(const struct mrc_exchange *exchange, size_t max)
{
    size_t held = mrc_exchange_out_held(exchange);

    return held > max || (held > OUT_BYTES_CROWDED && mrc_exchange_is_crowded(exchange->origin));
}

/*
 * The parts of files that are read from a disk, all under the lock:
 *
 *     session    finds that OUT is blocked: is_loading, and LOAD is posted unless the worker waits
 *                for room, which is woken then, or LOAD is posted already
 *     reader     the worker or LOAD, whichever comes first: load_runs, reads without the lock,
 *                replaces the part, and clears both
 *
 * - While is_loading, OUT is blocked, so the session takes nothing of it, and nobody but the reader
 *   clears it: its first chunk, with the descriptor that is read, stays.
 * - There is one reader, because load_runs is set under the lock.
 * - There is a reader: if is_loading is set and load_runs is not, LOAD is posted, or the worker is
 *   in wait_for_change(). It looks for a part to read after each of these waits, even after the
 *   last one, and does not give up the lock between that and the end of out_waits.
 */

/* Reads the part of a file for which OUT is blocked, unless the stream is closed. False: there is
 * none, or it is being read. Under the lock, but not while it reads. */
static bool load(struct mrc_exchange *exchange)
{
    struct mrc_exchange_chunk *chunk;
    off_t offset;
    size_t len;
    int fd;

    if (!exchange->is_loading || exchange->load_runs)
        return false;
    if (!exchange->is_closed) {
        exchange->load_runs = true;
        len = mrc_exchange_queue_peek_file(&exchange->out, PIECE_BYTES, &fd, &offset);
        pthread_mutex_unlock(&exchange->lock);
        chunk = mrc_exchange_chunk_create_read(fd, offset, len);
        pthread_mutex_lock(&exchange->lock);
        mrc_exchange_queue_unblock(&exchange->out, chunk);
    }
    exchange->is_loading = exchange->load_runs = false;
    if (exchange->is_closed)
        mrc_exchange_queue_clear(&exchange->out);
    else
        note(exchange);
    return true;
}

bool mrc_exchange_begin_load(struct mrc_exchange *exchange)
{
    if (!exchange->out.is_blocked || exchange->is_loading)
        return false;
    exchange->is_loading = true;
    if (exchange->out_waits)
        pthread_cond_signal(&exchange->changed);
    if (exchange->out_waits || exchange->load_is_posted)
        return false;
    exchange->load_is_posted = true;
    return true;
}

void mrc_exchange_load(struct mrc_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->load_is_posted = false;
    load(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

void mrc_exchange_give_up_load(struct mrc_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->load_is_posted = false;
    exchange->is_loading = exchange->load_runs; /* the worker may read it already */
    pthread_mutex_unlock(&exchange->lock);
}

/* Reads what the session waits for. The client is not blamed for the time that this takes. */
static void load_oneself(struct mrc_exchange *exchange, int64_t *until_us)
{
    int64_t began_us = mrc_clock_us();

    if (load(exchange))
        *until_us += mrc_clock_us() - began_us;
}

/* Waits for room in OUT, which the session sends meanwhile. Under the lock. The worker also reads
 * the file that the session needs then: all threads may wait like it. */
static apr_status_t wait_for_room(struct mrc_exchange *exchange, int64_t timeout_us)
{
    int64_t until_us = mrc_clock_us() + timeout_us;
    size_t left = exchange->out.bytes;
    bool goes_on = true;

    note(exchange);
    exchange->out_waits = true;
    load_oneself(exchange, &until_us); /* LOAD may have been posted before */
    while (has_more(exchange, MRC_EXCHANGE_OUT_LOW) && !exchange->is_closed && goes_on) {
        goes_on = wait_for_change(exchange, until_us, timeout_us);
        if (exchange->out.bytes < left) { /* the client takes something */
            left = exchange->out.bytes;
            until_us = mrc_clock_us() + timeout_us;
            goes_on = !exchange->gave_up;
        }
        load_oneself(exchange, &until_us);
    }
    exchange->out_waits = false;
    return goes_on ? APR_SUCCESS : APR_TIMEUP;
}

/* Appends CHUNK to OUT, and waits if OUT then has too many bytes. */
static apr_status_t append(struct mrc_exchange *exchange, struct mrc_exchange_chunk *chunk,
                           int64_t timeout_us)
{
    apr_status_t status = APR_SUCCESS;

    pthread_mutex_lock(&exchange->lock);
    exchange->out_total -= exchange->out.bytes;
    mrc_exchange_queue_append(&exchange->out, chunk);
    exchange->out_total += exchange->out.bytes;
    if (exchange->out.bytes >= OUT_NOTE_BYTES)
        note(exchange);
    if (has_more(exchange, OUT_BYTES_HIGH) && !exchange->is_closed)
        status = wait_for_room(exchange, timeout_us);
    if (exchange->is_closed) {
        if (!exchange->is_loading)
            mrc_exchange_queue_clear(&exchange->out);
        status = APR_ECONNABORTED;
    }
    pthread_mutex_unlock(&exchange->lock);
    return status;
}

apr_status_t mrc_exchange_write(struct mrc_exchange *exchange, const char *bytes, size_t len,
                                int64_t timeout_us)
{
    struct mrc_exchange_chunk *chunk;
    apr_status_t status = APR_SUCCESS;

    for (size_t at = 0, part; at < len && status == APR_SUCCESS; at += part) {
        part = len - at < PIECE_BYTES ? len - at : PIECE_BYTES;
        chunk = mrc_exchange_chunk_create(bytes + at, part);
        status = chunk ? append(exchange, chunk, timeout_us) : APR_ENOMEM;
    }
    return status;
}

apr_status_t mrc_exchange_write_file(struct mrc_exchange *exchange, int fd, off_t offset,
                                     size_t len, int64_t timeout_us)
{
    struct mrc_exchange_chunk *chunk = NULL;
    apr_status_t status = APR_SUCCESS;

    if (len >= FILE_BYTES_MIN ||
        (len >= FILE_BYTES_MIN_CROWDED && mrc_exchange_is_crowded(exchange->origin)))
        chunk = mrc_exchange_chunk_create_file(exchange->origin->files, fd, offset, len);
    if (chunk)
        return append(exchange, chunk, timeout_us);
    for (size_t at = 0, part; at < len && status == APR_SUCCESS; at += part) {
        part = len - at < PIECE_BYTES ? len - at : PIECE_BYTES;
        chunk = mrc_exchange_chunk_create_read(fd, offset + (off_t)at, part);
        status = chunk ? append(exchange, chunk, timeout_us) : APR_EGENERAL;
    }
    return status;
}

void mrc_exchange_flush(struct mrc_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    note(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

void mrc_exchange_offer(struct mrc_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->out.bytes >= OUT_OFFER_BYTES)
        note(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

void mrc_exchange_end(struct mrc_exchange *exchange, bool is_whole)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->out_ended = true;
    exchange->out_is_broken = !is_whole;
    note(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

bool mrc_exchange_has_ended(const struct mrc_exchange *exchange)
{
    return exchange->out_ended && !exchange->out.bytes && !exchange->heads.first;
}

void mrc_exchange_reset(struct mrc_exchange *exchange, uint32_t error)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->reset = error;
    note(exchange);
    pthread_mutex_unlock(&exchange->lock);
}

void mrc_exchange_set_lasting(struct mrc_exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->lasts = true;
    pthread_mutex_unlock(&exchange->lock);
}

void mrc_exchange_attach(struct mrc_exchange *exchange, struct mrc_http2_attached *attached)
{
    pthread_mutex_lock(&exchange->lock);
    exchange->attaching = attached;
    note(exchange);
    pthread_mutex_unlock(&exchange->lock);
}
