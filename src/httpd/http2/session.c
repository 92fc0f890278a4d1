#include "httpd/http2/session.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "httpd/http2/child.h"
#include "httpd/http2/stream.h"
#include "store/base/clock.h"

/* The window of the connection; each stream has that of the protocol, 65,535 bytes. */
#define WINDOW_BYTES (1024 * 1024)

/* nghttp2's buffer has room for a frame, and for some bytes before it. */
#define FRAME_BYTES  16384
#define SHARED_BYTES 20480

static void begin_job(struct mrc_exchange_origin *origin)
{
    struct mrc_http2_session *session =
        (struct mrc_http2_session *)((char *)origin - offsetof(struct mrc_http2_session, origin));

    atomic_fetch_add(&session->jobs_count, 1);
}

static void end_job(struct mrc_exchange_origin *origin)
{
    struct mrc_http2_session *session =
        (struct mrc_http2_session *)((char *)origin - offsetof(struct mrc_http2_session, origin));

    mrc_exchange_workers_done(session->child->workers, &session->jobs);
    atomic_fetch_sub(&session->jobs_count, 1);
}

static bool threads_are_short(struct mrc_exchange_origin *origin)
{
    struct mrc_http2_session *session =
        (struct mrc_http2_session *)((char *)origin - offsetof(struct mrc_http2_session, origin));

    return mrc_exchange_workers_are_short(session->child->workers);
}

size_t mrc_http2_session_fields_max(const conn_rec *c)
{
    return MRC_HTTP2_FIELDS_BYTES_MAX + (size_t)c->base_server->limit_req_fieldsize;
}

/* ---- memory -----------------------------------------------------------------------------------*/

/*
 * A session of nghttp2 keeps one buffer for the frame that it sends, which is two thirds of its
 * memory. The frame is taken before another session works (output.c), so one buffer is enough for
 * all sessions of a loop. Any other block is a block of malloc().
 *
 * After an allocation that fails, nghttp2 may have pointers to freed memory. So it is not even
 * asked to free its session; the blocks are known.
 */
struct mrc_http2_block {
    struct mrc_http2_block *prev, *next;
    max_align_t bytes[];
};

static struct mrc_http2_block *block_of(void *bytes)
{
    return (struct mrc_http2_block *)((char *)bytes - offsetof(struct mrc_http2_block, bytes));
}

/* Adds BLOCK, which may be NULL, to those of SESSION. Returns its bytes. */
static void *add_block(struct mrc_http2_session *session, struct mrc_http2_block *block)
{
    if (!block) {
        session->is_broken = true;
        if (session->session.sessions)
            mrc_session_note_work(&session->session); /* which ends it */
        return NULL;
    }
    block->prev = NULL;
    block->next = session->blocks;
    if (session->blocks)
        session->blocks->prev = block;
    session->blocks = block;
    return block->bytes;
}

static void remove_block(struct mrc_http2_session *session, struct mrc_http2_block *block)
{
    if (block->prev)
        block->prev->next = block->next;
    else
        session->blocks = block->next;
    if (block->next)
        block->next->prev = block->prev;
}

static void *allocate(size_t size, void *data)
{
    return add_block(data, malloc(sizeof(struct mrc_http2_block) + size));
}

static void *allocate_zeroed(size_t count, size_t size, void *data)
{
    void *bytes = allocate(count * size, data);

    return bytes ? memset(bytes, 0, count * size) : NULL;
}

static void *grow(struct mrc_http2_session *session, void *bytes, size_t size)
{
    struct mrc_http2_block *old = block_of(bytes), *block;

    remove_block(session, old);
    block = realloc(old, sizeof(*old) + size);
    if (block)
        return add_block(session, block);
    add_block(session, old);
    return add_block(session, NULL);
}

static void *resize(void *block, size_t size, void *data)
{
    struct mrc_http2_session *session = data;
    void *copy;

    if (!block && size > FRAME_BYTES && size <= SHARED_BYTES && !session->ng &&
        !session->shares_frames) {
        session->shares_frames = true;
        return session->frames;
    }
    if (!block)
        return allocate(size, data);
    if (block != session->frames)
        return grow(session, block, size);
    copy = allocate(size > SHARED_BYTES ? size : SHARED_BYTES, data);
    return copy ? memcpy(copy, block, SHARED_BYTES) : NULL;
}

static void release(void *block, void *data)
{
    struct mrc_http2_session *session = data;

    if (!block || block == session->frames)
        return;
    remove_block(session, block_of(block));
    free(block_of(block));
}

static void free_nghttp2(struct mrc_http2_session *session)
{
    struct mrc_http2_block *block;

    if (!session->is_broken)
        nghttp2_session_del(session->ng);
    while ((block = session->blocks)) {
        session->blocks = block->next;
        free(block);
    }
}

/* ---- a session --------------------------------------------------------------------------------*/

static bool submit_first(struct mrc_http2_session *session)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MRC_HTTP2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)mrc_http2_session_fields_max(session->c)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };

    return nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings,
                                   sizeof(settings) / sizeof(*settings)) == 0 &&
           nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES) ==
               0;
}

bool mrc_http2_session_open(struct mrc_http2_session *session)
{
    const struct mrc_http2_child *child = session->child;
    nghttp2_mem memory = {session, allocate, release, allocate_zeroed, resize};

    session->frames = mrc_sessions_share(session->origin.sessions, SHARED_BYTES);
    if (session->frames &&
        nghttp2_session_server_new3(&session->ng, child->callbacks, session, child->options,
                                    &memory) == 0 &&
        submit_first(session))
        return true;
    session->is_broken = true;
    return false;
}

struct mrc_http2_session *mrc_http2_session_create(struct mrc_http2_child *child, conn_rec *c,
                                                   const char *protocol)
{
    struct mrc_http2_session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    session->child = child;
    atomic_fetch_add(&child->sessions, 1);
    session->c = c;
    session->origin.c = c;
    session->origin.protocol = protocol;
    session->origin.number = atomic_fetch_add(&child->sessions_made, 1);
    session->origin.socket = child->socket;
    session->origin.files = &child->files;
    session->origin.held.all = &child->held;
    session->origin.job_begins = begin_job;
    session->origin.job_ended = end_job;
    session->origin.threads_are_short = threads_are_short;
    session->counter.skip = NGHTTP2_CLIENT_MAGIC_LEN;
    return session;
}

bool mrc_http2_session_add_first(struct mrc_http2_session *session, const char *bytes, size_t len)
{
    char *first = realloc(session->first, session->first_len + len);

    if (!first)
        return false;
    memcpy(first + session->first_len, bytes, len);
    session->first = first;
    session->first_len += len;
    return true;
}

void mrc_http2_session_free(struct mrc_http2_session *session)
{
    free_nghttp2(session);
    free(session->first);
    atomic_fetch_sub(&session->child->sessions, 1);
    mrc_http2_transport_free(&session->transport);
    free(session);
}

void mrc_http2_session_add(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    stream->next = session->streams;
    if (session->streams)
        session->streams->prev = stream;
    session->streams = stream;
    session->streams_count++;
}

void mrc_http2_session_remove(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    mrc_http2_session_unsettle(session, stream);
    if (stream->prev)
        stream->prev->next = stream->next;
    else
        session->streams = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    session->streams_count--;
}

void mrc_http2_session_settle(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    if (stream->is_settling)
        return;
    stream->is_settling = true;
    stream->settling = session->settling;
    session->settling = stream;
}

void mrc_http2_session_unsettle(struct mrc_http2_session *session, struct mrc_http2_stream *stream)
{
    struct mrc_http2_stream **at = &session->settling;

    if (!stream->is_settling)
        return;
    while (*at != stream)
        at = &(*at)->settling;
    *at = stream->settling;
    stream->is_settling = false;
}

struct mrc_http2_session *mrc_http2_session_of(const struct mrc_exchange *exchange)
{
    return (struct mrc_http2_session *)((char *)exchange->origin -
                                        offsetof(struct mrc_http2_session, origin));
}

void mrc_http2_session_refuse(struct mrc_http2_session *session)
{
    if (session->is_draining || session->is_broken)
        return;
    session->is_draining = true;
    nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->ng), NGHTTP2_NO_ERROR,
                          NULL, 0);
    mrc_session_note_work(&session->session);
}

void mrc_http2_session_give_notice(struct mrc_http2_session *session)
{
    if (session->is_draining || session->has_notice || session->is_broken)
        return;
    session->has_notice = true;
    nghttp2_submit_shutdown_notice(session->ng);
    nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL);
    session->notice_us = mrc_clock_us() + MRC_HTTP2_NOTICE_US;
    mrc_session_bring_forward(&session->session, session->notice_us);
    mrc_session_note_work(&session->session);
}

void mrc_http2_session_end_notice(struct mrc_http2_session *session)
{
    if (session->has_notice)
        mrc_http2_session_refuse(session);
}

void mrc_http2_session_terminate(struct mrc_http2_session *session, uint32_t error)
{
    session->is_draining = true;
    if (!session->is_broken)
        nghttp2_session_terminate_session(session->ng, error);
    mrc_session_note_work(&session->session);
}
