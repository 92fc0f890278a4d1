/*
 * Writes Server-Sent Events (HTML, "Server-sent events").
 */
#ifndef MRC_CORE_PROTOCOL_SSE_H
#define MRC_CORE_PROTOCOL_SSE_H

#include "core/base/bytes.h"

struct mrc_buf;
struct mrc_update;

/*
 * Appends UPDATE to BUF as one event. Each line of the data becomes a `data` field (CR, LF and CRLF
 * end a line), so that data cannot forge another field. The other fields hold no line ends:
 * mrc_update_parse() refuses them. A `retry` that is too large for some clients becomes 2147483647.
 * Errors are the buffer's.
 */
void mrc_sse_add_event(struct mrc_buf *buf, const struct mrc_update *update);

/* Appends a comment line without text, which keeps an idle stream alive. */
void mrc_sse_add_comment(struct mrc_buf *buf);

/*
 * Appends a block that only sets the last event id of the client to ID, which holds no line ends.
 * By the standard, browsers keep the id and dispatch no event; other clients may dispatch one.
 */
void mrc_sse_add_id(struct mrc_buf *buf, struct mrc_bytes id);

/*
 * The same for a browser that does not follow the standard in this, and keeps only ids of events
 * that it dispatches: an event without data, of a type that no page listens to.
 */
#define MRC_SSE_ID_TYPE "mercure-position"

void mrc_sse_add_id_event(struct mrc_buf *buf, struct mrc_bytes id);

/* Appends an event that only sets the time after which the client reconnects. */
void mrc_sse_add_retry(struct mrc_buf *buf, unsigned retry_ms);

#endif
