/*
 * Server-Sent Events: an update becomes the bytes of an event (HTML, "Server-sent events").
 */
#ifndef MRC_CORE_PROTOCOL_SSE_H
#define MRC_CORE_PROTOCOL_SSE_H

struct mrc_buf;
struct mrc_update;

/*
 * Appends UPDATE to BUF as one event. Each line of the data becomes a `data` field of its own (CR,
 * LF and CRLF end a line), so that no data can forge a field; the other fields hold no line end,
 * which mrc_update_parse() has made sure of. Errors are the buffer's.
 */
void mrc_sse_add_event(struct mrc_buf *buf, const struct mrc_update *update);

/* Appends a comment line without text: what keeps an idle stream alive. */
void mrc_sse_add_comment(struct mrc_buf *buf);

/* Appends an event of nothing but a reconnection time: when to come back. */
void mrc_sse_add_retry(struct mrc_buf *buf, unsigned retry_ms);

#endif
