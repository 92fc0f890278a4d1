#include "hub/child/inquire.h"

#include "core/base/buf.h"
#include "hub/child/child.h"
#include "hub/control/listing.h"
#include "hub/hub/numbers.h"
#include "store/base/clock.h"
#include "store/memory/memory.h"

/* The waits for another operator, and for one child. */
#define BEGIN_US ((int64_t)2000 * 1000)
#define CHILD_US ((int64_t)1000 * 1000)

struct inquiry {
    struct mrc_inquiry *mailbox;
    const struct mrc_memory *memory;
    const struct mrc_hub *hub;
    struct mrc_listing_question question;
    struct mrc_inquire_place place; /* of the next stream */
    mrc_inquire_fn *fn;
    void *ctx;
    int64_t until_us;
    unsigned silent;
    struct mrc_buf bytes; /* of a question or an answer */
    bool is_over;         /* the caller wants no more, or memory ran out */
    apr_status_t status;
};

static bool lives(void *ctx, unsigned slot, pid_t pid)
{
    const struct mrc_memory *memory = ctx;
    struct mrc_control_child child;

    return mrc_control_get(mrc_memory_control(memory), slot, &child) &&
           child.state == MRC_CONTROL_LIVE && child.pid == pid;
}

static void fail(struct inquiry *inquiry)
{
    inquiry->status = APR_ENOMEM;
    inquiry->is_over = true;
}

/* Asks the part of the child at the place, and waits for the answer. False: there is none. */
static bool ask(struct inquiry *inquiry, struct mrc_listing_answer *ret_answer)
{
    const struct mrc_inquire_place *place = &inquiry->place;
    int64_t left_us = inquiry->until_us - mrc_clock_us();
    bool is_asked;

    inquiry->question.has_after = place->has_serial;
    inquiry->question.after = place->serial;
    mrc_buf_reset(&inquiry->bytes);
    mrc_listing_add_question(&inquiry->bytes, &inquiry->question);
    if (mrc_buf_error(&inquiry->bytes)) {
        fail(inquiry);
        return false;
    }
    is_asked = left_us > 0 && mrc_inquiry_ask(inquiry->mailbox, place->slot, place->pid,
                                              place->part, mrc_buf_bytes(&inquiry->bytes));
    if (!is_asked)
        return false;
    mrc_notify_wake(mrc_memory_notify(inquiry->memory), place->slot);
    mrc_buf_reset(&inquiry->bytes);
    return mrc_inquiry_wait(inquiry->mailbox, left_us < CHILD_US ? left_us : CHILD_US,
                            &inquiry->bytes) &&
           mrc_listing_read_answer(mrc_buf_bytes(&inquiry->bytes), ret_answer) == MRC_OK;
}

/* Gives the streams of ANSWER to the caller. */
static void give(struct inquiry *inquiry, struct mrc_listing_answer *answer)
{
    struct mrc_listing_entry entry;

    while (!inquiry->is_over && mrc_listing_next(&answer->entries, &entry)) {
        inquiry->place.has_serial = true;
        inquiry->place.serial = entry.serial;
        inquiry->question.limit--;
        inquiry->is_over =
            !inquiry->fn(inquiry->ctx, &entry, &inquiry->place) || inquiry->question.limit == 0;
    }
}

/* Goes through the parts of the child at the place, from its part on. */
static void ask_child(struct inquiry *inquiry)
{
    struct mrc_listing_answer answer;

    do {
        bool had_serial = inquiry->place.has_serial;
        uint32_t serial = inquiry->place.serial;

        if (!ask(inquiry, &answer)) {
            inquiry->silent++;
            return;
        }
        give(inquiry, &answer);
        if (answer.has_more && inquiry->place.has_serial &&
            (!had_serial || inquiry->place.serial != serial))
            continue;
        inquiry->place.part++;
        inquiry->place.has_serial = false;
    } while (!inquiry->is_over && inquiry->place.part < answer.parts);
}

/* Continues with the first part of the next child. */
static void go_on(struct inquiry *inquiry)
{
    inquiry->place = (struct mrc_inquire_place){.slot = inquiry->place.slot + 1};
}

/* Whether a child that has streams of the hub lives in the slot of the place. Begins with its first
 * part if it is another child than before. */
static bool find_child(struct inquiry *inquiry)
{
    struct mrc_inquire_place *place = &inquiry->place;
    struct mrc_control_child child;

    if (!mrc_control_get(mrc_memory_control(inquiry->memory), place->slot, &child) ||
        child.state != MRC_CONTROL_LIVE ||
        mrc_numbers_gauge_of(mrc_hub_numbers(inquiry->hub), MRC_GAUGE_SUBSCRIBERS, place->slot) ==
            0)
        return false;
    if (child.pid != place->pid)
        *place = (struct mrc_inquire_place){.slot = place->slot, .pid = child.pid};
    return true;
}

apr_status_t mrc_child_inquire(struct mrc_child *child, const struct mrc_hub *hub,
                               const struct mrc_order *order, uint32_t limit,
                               struct mrc_inquire_place place, int64_t wait_us, mrc_inquire_fn *fn,
                               void *ctx, unsigned *ret_silent)
{
    struct mrc_memory *memory = mrc_child_memory(child);
    unsigned slots = mrc_child_slots(child);
    struct inquiry inquiry = {
        .mailbox = mrc_memory_inquiry(memory),
        .memory = memory,
        .hub = hub,
        .question = {.hub = mrc_bytes_of(mrc_hub_get_spec(hub)->shape.key),
                     .order = *order,
                     .limit = limit},
        .place = place,
        .fn = fn,
        .ctx = ctx,
        .until_us = mrc_clock_us() + wait_us,
        .is_over = limit == 0,
    };
    apr_status_t status =
        mrc_inquiry_begin(inquiry.mailbox, wait_us < BEGIN_US ? wait_us : BEGIN_US, lives, memory);

    if (status != APR_SUCCESS)
        return status;
    mrc_buf_init(&inquiry.bytes, MRC_INQUIRY_ANSWER_BYTES);
    for (; !inquiry.is_over && inquiry.place.slot < slots; go_on(&inquiry)) {
        if (find_child(&inquiry))
            ask_child(&inquiry);
    }
    mrc_inquiry_end(inquiry.mailbox);
    mrc_buf_free(&inquiry.bytes);
    *ret_silent = inquiry.silent;
    return inquiry.status;
}
