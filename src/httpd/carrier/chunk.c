#include "httpd/carrier/chunk.h"

#include <stdio.h>

#include "hub/base/event.h"

void mrc_chunk_frame(const struct mrc_piece *pieces, size_t count, bool is_chunked,
                     struct mrc_chunk_frame *ret_frame)
{
    struct mrc_chunk_frame *frame = ret_frame;

    frame->head_len = frame->tail_len = frame->body_len = 0;
    frame->tail = "\r\n";
    for (size_t i = 0; i < count; i++)
        frame->body_len += pieces[i].len;
    if (!is_chunked || frame->body_len == 0)
        return;
    frame->head_len =
        (size_t)snprintf(frame->head, sizeof(frame->head), "%zx\r\n", frame->body_len);
    frame->tail_len = 2;
}

bool mrc_chunk_is_whole_event(const struct mrc_piece *pieces, size_t count)
{
    return count == 1 && pieces->len == mrc_event_bytes(pieces->event).len;
}
