/*
 * An event as it goes to clients: its bytes, made once and shared by all that receive it. Those of
 * a plain client lie in their chunk already.
 */
#ifndef MRC_HUB_BASE_EVENT_H
#define MRC_HUB_BASE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"

struct mrc_update;

/* Immutable; shared by a reference count that any thread may change. */
struct mrc_event;

/* A copy of BYTES, with one reference, the caller's. NULL: out of memory. */
struct mrc_event *mrc_event_create(struct mrc_bytes bytes);

/* The same with the bytes of an update, of a comment, and of a reconnection time
 * (core/protocol/sse.h). */
struct mrc_event *mrc_event_create_of(const struct mrc_update *update);
struct mrc_event *mrc_event_create_comment(void);
struct mrc_event *mrc_event_create_retry(unsigned retry_ms);

/*
 * When the hub accepted the update, of hub/base/clock.h; 0: it is none, or nobody has told. Set by
 * who made the event, before it is shared.
 */
void mrc_event_set_accepted(struct mrc_event *event, int64_t accepted_us);
int64_t mrc_event_accepted_us(const struct mrc_event *event);

/* One more reference; returns EVENT. */
struct mrc_event *mrc_event_ref(struct mrc_event *event);

/* One reference less; the last one frees. Accepts NULL. */
void mrc_event_unref(struct mrc_event *event);

struct mrc_bytes mrc_event_bytes(const struct mrc_event *event);

/* The same as one chunk of an HTTP/1.1 message (RFC 9112, 7.1); empty for an event without bytes,
 * since an empty chunk would be the last one. */
struct mrc_bytes mrc_event_chunk(const struct mrc_event *event);

/* A part of an event: what is left to write, or what fits into one write. */
struct mrc_piece {
    struct mrc_event *event;
    size_t offset;
    size_t len;
};

#endif
