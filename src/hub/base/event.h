/*
 * An event as it is written to clients. Its bytes are encoded once, and shared by all streams that
 * get it. In memory they are already framed as the HTTP/1.1 chunk that a client without TLS and
 * without HTTP/2 gets.
 */
#ifndef MRC_HUB_BASE_EVENT_H
#define MRC_HUB_BASE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

struct mrc_update;

/* Immutable, and shared by a reference count that any thread may change. */
struct mrc_event;

/* A copy of BYTES; the caller has the only reference. NULL: out of memory. */
struct mrc_event *mrc_event_create(struct mrc_bytes bytes);

/* The same for an update, for a comment, and for a reconnection time (core/protocol/sse.h). */
struct mrc_event *mrc_event_create_of(const struct mrc_update *update);
struct mrc_event *mrc_event_create_comment(void);
struct mrc_event *mrc_event_create_retry(unsigned retry_ms);

/*
 * When the hub accepted the update, of store/base/clock.h; 0: the event is not an update, or the
 * time is unknown. Only the creator sets it, before it shares the event.
 */
void mrc_event_set_accepted(struct mrc_event *event, int64_t accepted_us);
int64_t mrc_event_accepted_us(const struct mrc_event *event);

/* Adds a reference, and returns EVENT. */
struct mrc_event *mrc_event_ref(struct mrc_event *event);

/* Removes a reference; the last one frees the event. Accepts NULL. */
void mrc_event_unref(struct mrc_event *event);

/* The bytes, as a view of EVENT. */
struct mrc_bytes mrc_event_bytes(const struct mrc_event *event);

/* The same as one chunk of an HTTP/1.1 message (RFC 9112, 7.1). Empty for an event without bytes,
 * because an empty chunk would end the message. */
struct mrc_bytes mrc_event_chunk(const struct mrc_event *event);

/* A part of an event: the bytes that fit into one write, or the rest after it. */
struct mrc_piece {
    struct mrc_event *event;
    size_t offset;
    size_t len;
};

#endif
