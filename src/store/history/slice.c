#include "store/history/slice.h"

#include <string.h>

/* The head of a record in a slice; its id and payload follow. */
struct head {
    uint64_t seq;
    int64_t time_us;
    uint64_t stored_bytes;
    uint64_t id_bytes;
    uint64_t payload_bytes;
    struct mrc_record_subject subject;
};

void mrc_history_slice_add(struct mrc_history_slice *slice, const struct mrc_record *record)
{
    const struct head head = {
        .seq = record->seq,
        .time_us = record->time_us,
        .stored_bytes = record->stored_bytes,
        .id_bytes = record->id.len,
        .payload_bytes = record->payload.len,
        .subject = record->subject,
    };

    mrc_buf_add(&slice->buf, &head, sizeof(head));
    mrc_buf_add_bytes(&slice->buf, record->id);
    mrc_buf_add_bytes(&slice->buf, record->payload);
}

bool mrc_history_slice_next(struct mrc_history_slice *slice, struct mrc_record *ret_record)
{
    struct mrc_bytes bytes = mrc_buf_bytes(&slice->buf);
    struct head head;
    const char *at;

    if (slice->at >= bytes.len)
        return false;
    at = bytes.ptr + slice->at;
    memcpy(&head, at, sizeof(head));
    at += sizeof(head);
    *ret_record = (struct mrc_record){
        .seq = head.seq,
        .time_us = head.time_us,
        .stored_bytes = head.stored_bytes,
        .id = {at, head.id_bytes},
        .payload = {at + head.id_bytes, head.payload_bytes},
        .subject = head.subject,
    };
    slice->at += sizeof(head) + head.id_bytes + head.payload_bytes;
    return true;
}

void mrc_history_slice_free(struct mrc_history_slice *slice)
{
    mrc_buf_free(&slice->buf);
    slice->at = 0;
}
