#include "hub/base/event.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/protocol/sse.h"

#define CHUNK_HEAD_BYTES 18 /* at most: 16 hexadecimal digits and a line end */

struct mrc_event {
    atomic_uint refs;
    unsigned head_len; /* of the chunk: its length in hexadecimal digits, and a line end */
    size_t len;
    int64_t accepted_us;
    char chunk[]; /* the head, LEN bytes, a line end */
};

struct mrc_event *mrc_event_create(struct mrc_bytes bytes)
{
    char head[CHUNK_HEAD_BYTES + 1];
    size_t head_len = (size_t)snprintf(head, sizeof(head), "%zx\r\n", bytes.len);
    struct mrc_event *event = malloc(sizeof(*event) + head_len + bytes.len + 2);

    if (!event)
        return NULL;
    atomic_init(&event->refs, 1);
    event->head_len = (unsigned)head_len;
    event->len = bytes.len;
    event->accepted_us = 0;
    memcpy(event->chunk, head, head_len);
    if (bytes.len)
        memcpy(event->chunk + head_len, bytes.ptr, bytes.len);
    memcpy(event->chunk + head_len + bytes.len, "\r\n", 2);
    return event;
}

void mrc_event_set_accepted(struct mrc_event *event, int64_t accepted_us)
{
    event->accepted_us = accepted_us;
}

int64_t mrc_event_accepted_us(const struct mrc_event *event)
{
    return event->accepted_us;
}

/* The event with the bytes of BUF, which it frees. */
static struct mrc_event *create_from(struct mrc_buf *buf)
{
    struct mrc_event *event = NULL;

    if (!mrc_buf_error(buf))
        event = mrc_event_create(mrc_buf_bytes(buf));
    mrc_buf_free(buf);
    return event;
}

struct mrc_event *mrc_event_create_of(const struct mrc_update *update)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_sse_add_event(&buf, update);
    return create_from(&buf);
}

struct mrc_event *mrc_event_create_comment(void)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, 64);
    mrc_sse_add_comment(&buf);
    return create_from(&buf);
}

struct mrc_event *mrc_event_create_retry(unsigned retry_ms)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, 64);
    mrc_sse_add_retry(&buf, retry_ms);
    return create_from(&buf);
}

struct mrc_event *mrc_event_ref(struct mrc_event *event)
{
    atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
    return event;
}

void mrc_event_unref(struct mrc_event *event)
{
    if (event && atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) == 1)
        free(event);
}

struct mrc_bytes mrc_event_bytes(const struct mrc_event *event)
{
    return (struct mrc_bytes){event->chunk + event->head_len, event->len};
}

struct mrc_bytes mrc_event_chunk(const struct mrc_event *event)
{
    return (struct mrc_bytes){event->chunk, event->len ? event->head_len + event->len + 2 : 0};
}
