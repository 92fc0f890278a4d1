#include "hub/stream/answers.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "hub/control/listing.h"
#include "hub/hub/hub.h"
#include "hub/stream/carrier.h"
#include "hub/stream/handles.h"
#include "hub/stream/stream.h"
#include "hub/stream/waiters.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/shm/inquiry.h"

/* One turn looks at streams for about this long. */
#define SLICE_US    ((int64_t)1000)
#define SLICE_LOOKS 64 /* streams between two looks at the clock */

/*
 * No more matchers of a stream are added when its JSON has this many bytes; a longer claim is left
 * out.
 */
#define MATCHERS_JSON_MAX (MRC_LISTING_JSON_MAX / 2)
#define CLAIM_JSON_MAX    (MRC_LISTING_JSON_MAX / 4)

struct mrc_answers {
    struct mrc_answers_args args;
    bool is_open; /* a question was taken and not answered; the fields below belong to it */
    struct mrc_buf bytes;
    struct mrc_listing_question question; /* points into BYTES */
    const struct mrc_hub *hub;
    const struct mrc_stream *next; /* to look at; NULL: none */
    struct mrc_buf entries;
    uint32_t count;
    bool has_more;
    struct mrc_buf json; /* of one stream */
};

struct mrc_answers *mrc_answers_create(apr_pool_t *pool, const struct mrc_answers_args *args)
{
    struct mrc_answers *answers = apr_pcalloc(pool, sizeof(*answers));

    answers->args = *args;
    mrc_buf_init(&answers->bytes, MRC_INQUIRY_ASK_BYTES);
    mrc_buf_init(&answers->entries, MRC_INQUIRY_ANSWER_BYTES);
    mrc_buf_init(&answers->json, MRC_LISTING_JSON_MAX);
    return answers;
}

static void free_buffers(struct mrc_answers *answers)
{
    mrc_buf_free(&answers->bytes);
    mrc_buf_free(&answers->entries);
    mrc_buf_free(&answers->json);
}

void mrc_answers_close(struct mrc_answers *answers)
{
    if (answers)
        free_buffers(answers);
}

/* ---- one stream -------------------------------------------------------------------------------*/

static void add_claim(struct mrc_buf *json, const char *name, const char *text)
{
    mrc_buf_printf(json, ",\"%s\":", name);
    if (text && strlen(text) <= CLAIM_JSON_MAX / 6) /* a character becomes \u0000 at most */
        mrc_json_add_string(json, mrc_bytes_of(text));
    else
        mrc_buf_add_str(json, "null");
}

static void add_matchers(struct mrc_buf *json, const struct mrc_subscriber *subscriber)
{
    size_t count, i;
    struct mrc_matcher *const *matchers = mrc_subscriber_get_matchers(subscriber, &count);

    mrc_buf_add_str(json, ",\"matchers\":[");
    for (i = 0; i < count; i++) {
        struct mrc_bytes value = mrc_matcher_get_value(matchers[i]);

        if (json->len + value.len * 6 > MATCHERS_JSON_MAX)
            break;
        mrc_buf_add_str(json, i ? ",{\"match\":" : "{\"match\":");
        mrc_json_add_string(json, value);
        mrc_buf_printf(json, ",\"match_type\":\"%s\"}",
                       mrc_matcher_type_name(mrc_matcher_get_type(matchers[i])));
    }
    mrc_buf_add_char(json, ']');
    if (i < count)
        mrc_buf_printf(json, ",\"matchers_left_out\":%zu", count - i);
}

static void add_address(struct mrc_buf *json, const unsigned char *address)
{
    static const unsigned char ipv4[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN] = "";

    if (!address) {
        mrc_buf_add_str(json, ",\"address\":null");
        return;
    }
    if (memcmp(address, ipv4, sizeof(ipv4)) == 0)
        inet_ntop(AF_INET, address + sizeof(ipv4), text, sizeof(text));
    else
        inet_ntop(AF_INET6, address, text, sizeof(text));
    mrc_buf_printf(json, ",\"address\":\"%s\"", text);
}

static void add_subscriber(struct mrc_buf *json, const struct mrc_subscriber *subscriber)
{
    const struct mrc_token *token = mrc_subscriber_get_token(subscriber);
    char id[MRC_UPDATE_ID_BYTES];

    mrc_subscriber_get_id(subscriber, id);
    mrc_buf_printf(json, "\"subscriber\":\"%s\"", id);
    add_claim(json, "sub", token ? mrc_token_get_subject(token) : NULL);
    add_matchers(json, subscriber);
    add_address(json, mrc_subscriber_get_address(subscriber));
}

/* Adds the stream of SUBSCRIBER with the numbers in ENTRY. False: the answer is full. */
static bool add_entry(struct mrc_answers *answers, const struct mrc_subscriber *subscriber,
                      struct mrc_listing_entry *entry)
{
    size_t room = MRC_INQUIRY_ANSWER_BYTES - mrc_listing_answer_bytes() - answers->entries.len;

    mrc_buf_reset(&answers->json);
    add_subscriber(&answers->json, subscriber);
    entry->json = mrc_buf_bytes(&answers->json);
    if (answers->count == answers->question.limit || mrc_buf_error(&answers->json) ||
        room < mrc_listing_entry_bytes() + entry->json.len) {
        answers->has_more = true;
        return false;
    }
    mrc_listing_add_entry(&answers->entries, entry);
    answers->count++;
    return true;
}

/* ---- which streams ----------------------------------------------------------------------------*/

/* Whether the stream with SERIAL comes after those that were listed before. Serials may begin again
 * at 0. */
static bool is_after(const struct mrc_answers *answers, uint32_t serial)
{
    return !answers->question.has_after || (int32_t)(answers->question.after - serial) > 0;
}

static uint64_t waiting_of(const struct mrc_stream *stream)
{
    const struct mrc_carrier *carrier = stream->carrier;
    uint64_t waiting = stream->queued_bytes - stream->offset;

    return carrier->ops->unsent_bytes ? waiting + carrier->ops->unsent_bytes(carrier) : waiting;
}

/* Adds STREAM if the question is about it. False: the answer is full. */
static bool look_at(struct mrc_answers *answers, const struct mrc_stream *stream)
{
    struct mrc_listing_entry entry;

    if (!stream->handle || mrc_subscriber_get_hub(stream->subscriber) != answers->hub ||
        !is_after(answers, mrc_handle_get_serial(stream->handle)) ||
        !mrc_subscriber_obeys(stream->subscriber, &answers->question.order))
        return true;
    entry = (struct mrc_listing_entry){
        .since_s = mrc_handle_get_since_s(stream->handle),
        .serial = mrc_handle_get_serial(stream->handle),
        .next = answers->args.next_of(answers->args.ctx, stream),
        .waiting = waiting_of(stream),
        .carrier = stream->kind,
    };
    return add_entry(answers, stream->subscriber, &entry);
}

static bool look_at_waiter(void *ctx, const struct mrc_waiter_stream *stream)
{
    struct mrc_answers *answers = ctx;
    struct mrc_listing_entry entry = {
        .since_s = stream->since_s,
        .serial = stream->serial,
        .next = stream->next,
        .waiting = stream->waiting,
        .carrier = MRC_CARRIER_THREADED,
    };

    if (mrc_subscriber_get_hub(stream->subscriber) != answers->hub ||
        !is_after(answers, stream->serial) ||
        !mrc_subscriber_obeys(stream->subscriber, &answers->question.order))
        return true;
    return add_entry(answers, stream->subscriber, &entry);
}

/* ---- a question -------------------------------------------------------------------------------*/

static const struct mrc_hub *find_hub(const struct mrc_answers *answers, struct mrc_bytes key)
{
    for (size_t i = 0; i < answers->args.hubs_count; i++) {
        const struct mrc_hub *hub = atomic_load(&answers->args.hubs[i]);

        if (hub && mrc_bytes_eq_str(key, mrc_hub_get_spec(hub)->shape.key))
            return hub;
    }
    return NULL;
}

/* Takes a question to PART. False: there is none. */
static bool take(struct mrc_answers *answers, unsigned part)
{
    const struct mrc_answers_args *args = &answers->args;

    mrc_buf_reset(&answers->bytes);
    if (!mrc_inquiry_take(args->inquiry, args->slot, part, &answers->bytes))
        return false;
    answers->is_open = true;
    answers->hub = NULL;
    answers->next = NULL;
    answers->count = 0;
    answers->has_more = false;
    mrc_buf_reset(&answers->entries);
    if (!mrc_buf_error(&answers->bytes) &&
        mrc_listing_read_question(mrc_buf_bytes(&answers->bytes), &answers->question) == MRC_OK)
        answers->hub = find_hub(answers, answers->question.hub);
    return true;
}

static void answer(struct mrc_answers *answers)
{
    struct mrc_listing_answer head = {.parts = answers->args.loops + 1,
                                      .has_more = answers->has_more,
                                      .entries = mrc_buf_bytes(&answers->entries)};
    struct mrc_buf out;

    mrc_buf_init(&out, MRC_INQUIRY_ANSWER_BYTES);
    if (!mrc_buf_error(&answers->entries))
        mrc_listing_add_answer(&out, &head);
    /* An answer without a head is one that failed. */
    mrc_inquiry_answer(answers->args.inquiry,
                       mrc_buf_error(&out) ? mrc_bytes_of("") : mrc_buf_bytes(&out));
    mrc_buf_free(&out);
    answers->is_open = false;
    free_buffers(answers);
}

static void work_at_streams(struct mrc_answers *answers)
{
    int64_t until_us = mrc_clock_us() + SLICE_US;
    unsigned looks = 0;

    while (answers->next) {
        const struct mrc_stream *stream = answers->next;

        if (++looks % SLICE_LOOKS == 0 && mrc_clock_us() >= until_us)
            return;
        answers->next = look_at(answers, stream) ? stream->all_next : NULL;
    }
    answer(answers);
}

bool mrc_answers_work(struct mrc_answers *answers)
{
    const struct mrc_answers_args *args = &answers->args;

    if (!args->inquiry)
        return false;
    if (!answers->is_open && take(answers, args->part) && answers->hub)
        answers->next = *args->streams;
    if (answers->is_open) {
        work_at_streams(answers);
    } else if (args->waiters && take(answers, args->loops)) {
        if (answers->hub)
            mrc_waiters_list(args->waiters, look_at_waiter, answers);
        answer(answers);
    }
    return answers->is_open;
}

void mrc_answers_forget(struct mrc_answers *answers, const struct mrc_stream *stream)
{
    if (answers && answers->next == stream)
        answers->next = stream->all_next;
}

void mrc_answers_stop(struct mrc_answers *answers)
{
    if (!answers->is_open)
        return;
    answers->next = NULL;
    answer(answers);
}
