#include "hub/control/listing.h"

#include <string.h>

#define VERSION 1

struct question_head {
    uint32_t version;
    uint32_t limit;
    uint32_t has_after;
    uint32_t after;
    uint32_t hub_bytes;
};

struct answer_head {
    uint32_t version;
    uint32_t parts;
    uint32_t has_more;
};

struct entry_head {
    uint64_t next;
    uint64_t waiting;
    uint32_t json_bytes;
    uint32_t since_s;
    uint32_t serial;
    uint32_t carrier;
};

/* Copies the first LEN bytes of *BYTES to OUT, and removes them from *BYTES. */
static bool take(struct mrc_bytes *bytes, void *out, size_t len)
{
    if (bytes->len < len)
        return false;
    memcpy(out, bytes->ptr, len);
    *bytes = (struct mrc_bytes){bytes->ptr + len, bytes->len - len};
    return true;
}

static bool take_view(struct mrc_bytes *bytes, size_t len, struct mrc_bytes *ret_view)
{
    if (bytes->len < len)
        return false;
    *ret_view = (struct mrc_bytes){bytes->ptr, len};
    *bytes = (struct mrc_bytes){bytes->ptr + len, bytes->len - len};
    return true;
}

void mrc_listing_add_question(struct mrc_buf *buf, const struct mrc_listing_question *question)
{
    const struct question_head head = {VERSION, question->limit, question->has_after,
                                       question->after, (uint32_t)question->hub.len};

    mrc_buf_add(buf, &head, sizeof(head));
    mrc_buf_add_bytes(buf, question->hub);
    mrc_order_encode(&question->order, buf);
}

enum mrc_err mrc_listing_read_question(struct mrc_bytes bytes,
                                       struct mrc_listing_question *ret_question)
{
    struct mrc_listing_question question = {.limit = 0};
    struct question_head head;

    if (!take(&bytes, &head, sizeof(head)) || head.version != VERSION ||
        !take_view(&bytes, head.hub_bytes, &question.hub) ||
        mrc_order_decode(bytes, &question.order) != MRC_OK)
        return MRC_EINVAL;
    question.limit = head.limit;
    question.has_after = head.has_after != 0;
    question.after = head.after;
    *ret_question = question;
    return MRC_OK;
}

void mrc_listing_add_entry(struct mrc_buf *buf, const struct mrc_listing_entry *entry)
{
    const struct entry_head head = {
        .next = entry->next,
        .waiting = entry->waiting,
        .json_bytes = (uint32_t)entry->json.len,
        .since_s = entry->since_s,
        .serial = entry->serial,
        .carrier = (uint32_t)entry->carrier,
    };

    mrc_buf_add(buf, &head, sizeof(head));
    mrc_buf_add_bytes(buf, entry->json);
}

void mrc_listing_add_answer(struct mrc_buf *buf, const struct mrc_listing_answer *answer)
{
    const struct answer_head head = {VERSION, answer->parts, answer->has_more};

    mrc_buf_add(buf, &head, sizeof(head));
    mrc_buf_add_bytes(buf, answer->entries);
}

enum mrc_err mrc_listing_read_answer(struct mrc_bytes bytes, struct mrc_listing_answer *ret_answer)
{
    struct answer_head head;

    if (!take(&bytes, &head, sizeof(head)) || head.version != VERSION)
        return MRC_EINVAL;
    *ret_answer = (struct mrc_listing_answer){head.parts, head.has_more != 0, bytes};
    return MRC_OK;
}

bool mrc_listing_next(struct mrc_bytes *entries, struct mrc_listing_entry *ret_entry)
{
    struct mrc_bytes json;
    struct entry_head head;

    if (!take(entries, &head, sizeof(head)) || head.carrier >= MRC_CARRIER_KINDS ||
        !take_view(entries, head.json_bytes, &json))
        return false;
    *ret_entry = (struct mrc_listing_entry){
        .since_s = head.since_s,
        .serial = head.serial,
        .next = head.next,
        .waiting = head.waiting,
        .carrier = (enum mrc_carrier_kind)head.carrier,
        .json = json,
    };
    return true;
}

size_t mrc_listing_answer_bytes(void)
{
    return sizeof(struct answer_head);
}

size_t mrc_listing_entry_bytes(void)
{
    return sizeof(struct entry_head);
}
