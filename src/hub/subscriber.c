#include "hub/subscriber.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/matcher.h"
#include "core/sse.h"
#include "core/token.h"
#include "core/update.h"
#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/patterns.h"
#include "hub/presence.h"
#include "hub/reader.h"
#include "store/history.h"
#include "store/ring.h"
#include "store/status.h"

/* A stream ends so long before its token expires: never later, whatever a timer's tick is. */
#define EXPIRY_MARGIN_US ((int64_t)200 * 1000)

/* Bytes of the history that are read at a time. */
#define SLICE_BYTES ((size_t)32 * 1024)

/* Records that one take reads at most, whether they match or not: others have their turn. */
#define RECORDS_PER_TAKE 256

/* How long they may take to be matched, in all; then others have their turn, too. */
#define TAKE_US          ((int64_t)2000)
#define MATCHES_PER_LOOK 8 /* between two looks at the clock */

/* What only one needs that reads by itself. */
struct replay {
    struct mrc_ring_record record;  /* reused from read to read */
    struct mrc_history_slice slice; /* what was read of the history, and not given yet */
    struct mrc_reading *reading;    /* what was asked for beyond that; NULL: nothing */
    size_t matched;                 /* not 0: so far has the record been matched, and is not done */
    uint64_t live_from;             /* position: what was published since it was opened */
    uint64_t taken;                 /* live updates that the last take has given */
    int64_t taken_since_us;         /* when the oldest of them was accepted */
    char *last_event_id;            /* malloc()ed; NULL: no cursor was given */
    size_t last_event_id_len;
};

/* There are as many as streams: what is not needed for long is in its replay. */
struct mrc_subscriber {
    struct mrc_hub *hub;
    struct mrc_hub_seat seat;
    unsigned char random[16]; /* what its name is made of */
    struct mrc_token *token;
    struct mrc_place place;                     /* what it has not seen yet */
    struct replay *replay;                      /* NULL: it rests */
    const struct mrc_subscriber_helper *helper; /* reads for it; NULL: this thread does */
    struct mrc_presence *presence;              /* NULL: not announced */
    uint32_t matchers_count;
    struct mrc_matcher *matchers[];
};

static void put_matchers(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mrc_patterns_put(mrc_hub_patterns(hub), matchers[i]);
}

void mrc_subscription_clear(struct mrc_hub *hub, struct mrc_subscription *subscription)
{
    put_matchers(hub, subscription->matchers, subscription->matchers_count);
    free(subscription->matchers);
    mrc_token_unref(subscription->token);
    *subscription = (struct mrc_subscription){0};
}

/* ID as a text of its own; NULL: out of memory. */
static char *copy_id(struct mrc_bytes id)
{
    char *copy = malloc(id.len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, id.ptr, id.len);
    copy[id.len] = '\0';
    return copy;
}

/* An empty cursor asks for nothing that is past; what the answer tells then is the newest id. */
static apr_status_t find_newest(struct mrc_history *history, struct mrc_ring_record *record,
                                struct mrc_place *ret_place, struct mrc_bytes *ret_id)
{
    apr_status_t status = mrc_history_newest(history, record, ret_place);

    if (status != APR_SUCCESS && status != APR_NOTFOUND)
        return status;
    *ret_id = status == APR_SUCCESS ? record->id : mrc_bytes_of("earliest");
    return APR_SUCCESS;
}

/*
 * Where a stream with CURSOR begins, and the id before that: a view into CURSOR or RECORD, or a
 * constant. A cursor that the history does not know is answered with all that it holds, and with
 * `earliest`, so that the client can tell that something may be lost.
 */
static apr_status_t find_start(struct mrc_history *history, struct mrc_bytes cursor, int64_t now_us,
                               struct mrc_ring_record *record, struct mrc_place *ret_place,
                               struct mrc_bytes *ret_id)
{
    apr_status_t status = APR_NOTFOUND;

    if (cursor.len == 0)
        return find_newest(history, record, ret_place, ret_id);
    if (!mrc_bytes_eq_str(cursor, "earliest"))
        status = mrc_history_find(history, cursor, now_us, ret_place);
    if (status == APR_SUCCESS) {
        *ret_id = cursor;
        return APR_SUCCESS;
    }
    if (status == APR_NOTFOUND)
        status = mrc_history_oldest(history, now_us, ret_place);
    *ret_id = mrc_bytes_of("earliest");
    return status;
}

apr_status_t mrc_subscriber_peek(struct mrc_hub *hub, struct mrc_bytes cursor, int64_t now_us,
                                 char **ret_id)
{
    struct mrc_ring_record record = {0};
    struct mrc_place place;
    struct mrc_bytes id;
    apr_status_t status = find_start(mrc_hub_history(hub), cursor, now_us, &record, &place, &id);

    if (status == APR_SUCCESS) {
        char *copy = copy_id(id);

        if (copy)
            *ret_id = copy;
        else
            status = APR_ENOMEM;
    }
    mrc_ring_record_free(&record);
    return status;
}

/* What it reads with, made if it rests; NULL: out of memory. */
static struct replay *wake_up(struct mrc_subscriber *subscriber)
{
    if (!subscriber->replay) {
        subscriber->replay = calloc(1, sizeof(*subscriber->replay));
        if (subscriber->replay) /* it has seen all that came before */
            subscriber->replay->live_from = subscriber->place.pos;
    }
    return subscriber->replay;
}

static apr_status_t start(struct mrc_subscriber *subscriber, bool has_cursor,
                          struct mrc_bytes cursor, int64_t now_us)
{
    struct mrc_history *history = mrc_hub_history(subscriber->hub);
    struct replay *replay = wake_up(subscriber);
    struct mrc_bytes id;
    apr_status_t status;

    if (!replay)
        return APR_ENOMEM;
    replay->live_from = mrc_ring_head(mrc_hub_ring(subscriber->hub));
    status = mrc_hub_random(subscriber->hub, subscriber->random, sizeof(subscriber->random));
    if (status != APR_SUCCESS)
        return status;
    if (!has_cursor) {
        mrc_history_head(history, &subscriber->place);
        return APR_SUCCESS;
    }
    status = find_start(history, cursor, now_us, &replay->record, &subscriber->place, &id);
    if (status != APR_SUCCESS)
        return status;
    replay->last_event_id = copy_id(id);
    replay->last_event_id_len = id.len;
    return replay->last_event_id ? APR_SUCCESS : APR_ENOMEM;
}

void mrc_subscriber_rest(struct mrc_subscriber *subscriber)
{
    struct replay *replay = subscriber->replay;

    if (!replay)
        return;
    mrc_ring_record_free(&replay->record);
    mrc_history_slice_free(&replay->slice);
    mrc_reading_abandon(replay->reading);
    free(replay->last_event_id);
    free(replay);
    subscriber->replay = NULL;
}

static void free_subscriber(struct mrc_subscriber *subscriber)
{
    mrc_subscriber_rest(subscriber);
    put_matchers(subscriber->hub, subscriber->matchers, subscriber->matchers_count);
    mrc_token_unref(subscriber->token);
    free(subscriber);
}

/* A subscriber that has what SUBSCRIPTION has; NULL: out of memory, it has it still. */
static struct mrc_subscriber *create(struct mrc_hub *hub, struct mrc_subscription *subscription)
{
    size_t matchers_bytes = subscription->matchers_count * sizeof(*subscription->matchers);
    struct mrc_subscriber *subscriber = calloc(1, sizeof(*subscriber) + matchers_bytes);

    if (!subscriber)
        return NULL;
    subscriber->hub = hub;
    subscriber->token = subscription->token;
    subscriber->matchers_count = (uint32_t)subscription->matchers_count;
    memcpy(subscriber->matchers, subscription->matchers, matchers_bytes);
    free(subscription->matchers);
    subscription->matchers = NULL;
    return subscriber;
}

apr_status_t mrc_subscriber_open(struct mrc_hub *hub, struct mrc_subscription *subscription,
                                 int64_t now_us, struct mrc_subscriber **ret_subscriber)
{
    struct mrc_subscriber *subscriber = create(hub, subscription);
    apr_status_t status;

    if (!subscriber) {
        mrc_subscription_clear(hub, subscription);
        return APR_ENOMEM;
    }
    status =
        mrc_hub_join(hub, &subscription->client,
                     &subscriber->seat); /* before the position is taken: nothing falls between */
    if (status == APR_SUCCESS) {
        status = start(subscriber, subscription->has_cursor, subscription->cursor, now_us);
        if (status != APR_SUCCESS)
            mrc_hub_leave(hub, &subscriber->seat, MRC_END_REFUSED);
    }
    *subscription = (struct mrc_subscription){0};
    if (status != APR_SUCCESS) {
        free_subscriber(subscriber);
        return status;
    }
    *ret_subscriber = subscriber;
    return APR_SUCCESS;
}

apr_status_t mrc_subscriber_announce(struct mrc_subscriber *subscriber)
{
    return mrc_presence_begin(subscriber->hub, subscriber->random, subscriber->matchers,
                              subscriber->matchers_count, subscriber->token, &subscriber->presence);
}

void mrc_subscriber_close(struct mrc_subscriber *subscriber, enum mrc_end end)
{
    if (!subscriber)
        return;
    mrc_presence_end(subscriber->presence);
    mrc_hub_leave(subscriber->hub, &subscriber->seat, end);
    free_subscriber(subscriber);
}

void mrc_subscriber_get_id(const struct mrc_subscriber *subscriber, char *ret_id)
{
    mrc_update_id_make(subscriber->random, ret_id);
}

struct mrc_bytes mrc_subscriber_last_event_id(const struct mrc_subscriber *subscriber)
{
    const struct replay *replay = subscriber->replay;

    return replay ? (struct mrc_bytes){replay->last_event_id, replay->last_event_id_len}
                  : (struct mrc_bytes){NULL, 0};
}

/* Streams that were opened together end one by one: at 80 to 100 % of the lifetime. */
int64_t mrc_subscriber_draw_end(const struct mrc_subscriber *subscriber, int64_t now_us,
                                enum mrc_end *ret_end)
{
    int64_t lifetime_us = mrc_hub_get_policy(subscriber->hub)->lifetime_us;
    int64_t ends_us = INT64_MAX;

    *ret_end = MRC_END_LIFETIME;
    if (lifetime_us) {
        int64_t part_us = lifetime_us / 5;
        uint16_t random = 0;

        mrc_hub_random(subscriber->hub, &random, sizeof(random));
        /* In two steps: the product of a long life would not fit. */
        part_us = part_us / UINT16_MAX * random + part_us % UINT16_MAX * random / UINT16_MAX;
        ends_us = now_us + lifetime_us - part_us;
    }
    if (subscriber->token) {
        int64_t expires_us = mrc_token_get_exp_us(subscriber->token) - EXPIRY_MARGIN_US;

        if (expires_us <= ends_us) {
            ends_us = expires_us;
            *ret_end = MRC_END_EXPIRED;
        }
    }
    return ends_us;
}

struct mrc_hub *mrc_subscriber_get_hub(const struct mrc_subscriber *subscriber)
{
    return subscriber->hub;
}

struct mrc_matcher *const *mrc_subscriber_get_matchers(const struct mrc_subscriber *subscriber,
                                                       size_t *ret_count)
{
    *ret_count = subscriber->matchers_count;
    return subscriber->matchers;
}

uint64_t mrc_subscriber_get_position(const struct mrc_subscriber *subscriber)
{
    return subscriber->place.pos;
}

uint64_t mrc_subscriber_get_next(const struct mrc_subscriber *subscriber)
{
    return subscriber->place.next;
}

void mrc_subscriber_read_with(struct mrc_subscriber *subscriber,
                              const struct mrc_subscriber_helper *helper)
{
    subscriber->helper = helper;
}

bool mrc_subscriber_is_reading(const struct mrc_subscriber *subscriber)
{
    const struct replay *replay = subscriber->replay;

    return replay && replay->reading && !mrc_reading_is_done(replay->reading);
}

apr_status_t mrc_subscriber_fall_back(struct mrc_subscriber *subscriber, uint64_t next)
{
    if (next > subscriber->place.next)
        subscriber->place.next = next;
    return mrc_history_resume(mrc_hub_history(subscriber->hub), &subscriber->place);
}

/*
 * Whether one of the matchers matches one of TOPICS, or APR_INCOMPLETE: not now, since it takes
 * long and others wait. Then it goes on with the next match where it has stopped.
 */
static apr_status_t listens_to(struct mrc_subscriber *subscriber, struct mrc_topics *topics,
                               int64_t until_us, bool *ret_listens)
{
    struct replay *replay = subscriber->replay;
    size_t count = topics->count * subscriber->matchers_count;
    bool listens = false;

    for (size_t i = replay->matched; i < count && !listens; i++) {
        const struct mrc_matcher *matcher = subscriber->matchers[i % subscriber->matchers_count];

        if (i > replay->matched && i % MATCHES_PER_LOOK == 0 && mrc_clock_us() >= until_us) {
            replay->matched = i;
            return APR_INCOMPLETE;
        }
        if (mrc_matcher_match_topic(matcher, &topics->all[i / subscriber->matchers_count],
                                    &listens))
            return APR_ENOMEM;
    }
    replay->matched = 0;
    *ret_listens = listens;
    return APR_SUCCESS;
}

/* Routing never widens what may be read: a private update needs a grant (draft, "Subscribers"). */
enum mrc_err mrc_subscriber_may_read(const struct mrc_subscriber *subscriber,
                                     const struct mrc_update *update, struct mrc_topics *topics,
                                     bool *ret_may_read)
{
    if (update->is_private && subscriber->token)
        return mrc_token_grants_any(subscriber->token, MRC_ACTION_SUBSCRIBE, topics, ret_may_read);
    *ret_may_read = !update->is_private;
    return MRC_OK;
}

static void write_event(struct mrc_subscriber *subscriber, const struct mrc_update *update,
                        struct mrc_buf *out)
{
    struct replay *replay = subscriber->replay;

    mrc_sse_add_event(out, update);
    mrc_hub_count(subscriber->hub, MRC_COUNTER_DELIVERIES, 1);
    if (replay->record.pos >= replay->live_from && replay->taken++ == 0)
        replay->taken_since_us = replay->record.time_us;
}

/* APR_INCOMPLETE: the record is not done. */
static apr_status_t add_event(struct mrc_subscriber *subscriber, int64_t until_us,
                              struct mrc_buf *out)
{
    const struct mrc_ring_record *record = &subscriber->replay->record;
    bool listens = false, may_read = false;
    struct mrc_topics topics = {.count = 0};
    struct mrc_update update;
    apr_status_t status;

    switch (mrc_update_decode(record->id, record->payload, &update)) {
    case MRC_OK:
        break;
    case MRC_ENOMEM:
        return APR_ENOMEM;
    default:
        mrc_hub_tell_unreadable(subscriber->hub, record->seq);
        return APR_SUCCESS;
    }
    status =
        mrc_topics_init(&topics, update.topics, update.topics_count) ? APR_ENOMEM : APR_SUCCESS;
    if (status == APR_SUCCESS)
        status = listens_to(subscriber, &topics, until_us, &listens);
    if (listens && mrc_subscriber_may_read(subscriber, &update, &topics, &may_read))
        status = APR_ENOMEM;
    if (may_read)
        write_event(subscriber, &update, out);
    mrc_topics_clear(&topics);
    mrc_update_clear(&update);
    return mrc_buf_error(out) ? APR_ENOMEM : status;
}

/* Reads the next slice of the history, or has it read: APR_EAGAIN. */
static apr_status_t read_history(struct mrc_subscriber *subscriber)
{
    const struct mrc_history *history = mrc_hub_history(subscriber->hub);
    const struct mrc_subscriber_helper *helper = subscriber->helper;
    struct replay *replay = subscriber->replay;
    struct mrc_reading *reading = replay->reading;

    mrc_history_slice_free(&replay->slice);
    if (reading) {
        if (!mrc_reading_is_done(reading))
            return APR_EAGAIN;
        replay->reading = NULL;
        return mrc_reading_take(reading, &replay->slice);
    }
    if (!helper)
        return mrc_history_read(history, &subscriber->place, SLICE_BYTES, &replay->slice);
    replay->reading = mrc_reader_ask(helper->reader, history, &subscriber->place, SLICE_BYTES,
                                     helper->wake, helper->ctx);
    return replay->reading ? APR_EAGAIN : APR_ENOMEM;
}

/* The next record of the ring that it has not got from the history. */
static apr_status_t read_ring(struct mrc_subscriber *subscriber, uint64_t *ret_number)
{
    struct mrc_ring *ring = mrc_hub_ring(subscriber->hub);
    struct mrc_ring_record *record = &subscriber->replay->record;
    apr_status_t status;

    do {
        status = mrc_ring_read(ring, &subscriber->place.pos, record);
        if (status == APR_SUCCESS)
            *ret_number = mrc_history_number(mrc_hub_history(subscriber->hub), record->seq);
    } while (status == APR_SUCCESS && *ret_number < subscriber->place.next);
    return status;
}

/* Reads the next record into the replay's: from the history first, then from the ring. */
static apr_status_t next_record(struct mrc_subscriber *subscriber)
{
    struct mrc_place *place = &subscriber->place;
    struct replay *replay = subscriber->replay;
    apr_status_t status = APR_SUCCESS;
    uint64_t number;

    for (;;) {
        if (mrc_history_slice_next(&replay->slice, &replay->record)) {
            number = replay->record.seq;
            break;
        }
        if (place->next < place->until) {
            status = read_history(subscriber);
        } else {
            status = read_ring(subscriber, &number);
            if (status == APR_SUCCESS)
                break;
            if (status == MRC_STATUS_OVERRUN)
                status = mrc_history_resume(mrc_hub_history(subscriber->hub), place);
        }
        if (status != APR_SUCCESS)
            return status;
    }
    place->next = number + 1;
    return APR_SUCCESS;
}

apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 struct mrc_buf *out)
{
    int64_t until_us = mrc_clock_us() + TAKE_US;
    struct replay *replay = wake_up(subscriber);

    if (!replay)
        return APR_ENOMEM;
    replay->taken = 0;
    for (int i = 0; i < RECORDS_PER_TAKE && mrc_buf_bytes(out).len < max_bytes; i++) {
        apr_status_t status = APR_SUCCESS;

        if (!replay->matched)
            status = next_record(subscriber);
        if (status == APR_SUCCESS)
            status = add_event(subscriber, until_us, out);
        if (APR_STATUS_IS_INCOMPLETE(status) || (!status && mrc_clock_us() >= until_us))
            return APR_SUCCESS;
        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

void mrc_subscriber_count_written(struct mrc_subscriber *subscriber, int64_t now_us)
{
    struct replay *replay = subscriber->replay;

    if (replay && replay->taken) {
        mrc_hub_observe_dispatch(subscriber->hub, now_us - replay->taken_since_us, replay->taken);
        replay->taken = 0;
    }
}
