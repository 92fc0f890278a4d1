#include "hub/subscriber/subscriber.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "core/token/grants.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "hub/base/clock.h"
#include "hub/base/event.h"
#include "hub/hub/hub.h"
#include "hub/hub/patterns.h"
#include "hub/presence/presence.h"
#include "hub/subscriber/pages.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

/* A stream ends so long before its token expires: never later, whatever a timer's tick is. */
#define EXPIRY_MARGIN_US ((int64_t)200 * 1000)

/* Records that one take reads at most, whether they match or not: others have their turn. */
#define RECORDS_PER_TAKE MRC_PAGES_CHOICE_MAX

/* How long they may take to be matched, in all; then others have their turn, too. */
#define TAKE_US          ((int64_t)2000)
#define MATCHES_PER_LOOK 8 /* between two looks at the clock */

/* What only one needs that reads by itself. */
struct replay {
    struct mrc_pages *own;    /* for want of one that others read with, too; else NULL */
    struct mrc_page *awaited; /* is being read for it; NULL: none */
    uint64_t matching;        /* the number of the record that was matched last */
    size_t matched;           /* not 0: so far has that one been matched */
    uint64_t live_from;       /* position: what was published since it was opened */
    uint64_t taken;           /* live updates that the last take has given */
    int64_t taken_since_us;   /* when the oldest of them was accepted */
    char *last_event_id;      /* malloc()ed; NULL: no cursor was given */
    size_t last_event_id_len;
};

/* There are as many as streams: what is not needed for long is in its replay. */
struct mrc_subscriber {
    struct mrc_hub *hub;
    struct mrc_hub_seat seat;
    unsigned char random[16]; /* what its name is made of */
    struct mrc_token *token;
    struct mrc_place place;        /* what it has not seen yet */
    struct replay *replay;         /* NULL: it rests */
    struct mrc_pages *past;        /* what it reads with; NULL: with its own */
    struct mrc_presence *presence; /* NULL: not announced */
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
    *ret_id = status == APR_SUCCESS ? record->view.id : mrc_bytes_of("earliest");
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
    struct mrc_ring_record record = {0};
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
    status = find_start(history, cursor, now_us, &record, &subscriber->place, &id);
    if (status == APR_SUCCESS) {
        replay->last_event_id = copy_id(id);
        replay->last_event_id_len = id.len;
        if (!replay->last_event_id)
            status = APR_ENOMEM;
    }
    mrc_ring_record_free(&record);
    return status;
}

static struct mrc_pages *past_of(const struct mrc_subscriber *subscriber)
{
    return subscriber->past ? subscriber->past : subscriber->replay->own;
}

void mrc_subscriber_give_back(struct mrc_subscriber *subscriber)
{
    struct replay *replay = subscriber->replay;

    if (!replay || !replay->awaited)
        return;
    mrc_pages_give_up(past_of(subscriber), replay->awaited);
    replay->awaited = NULL;
}

void mrc_subscriber_rest(struct mrc_subscriber *subscriber)
{
    struct replay *replay = subscriber->replay;

    if (!replay)
        return;
    mrc_subscriber_give_back(subscriber);
    mrc_pages_free(replay->own);
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

/* It has joined and listened. */
static void leave(struct mrc_subscriber *subscriber, enum mrc_end end)
{
    mrc_hub_unlisten(subscriber->hub, subscriber->matchers, subscriber->matchers_count);
    mrc_hub_leave(subscriber->hub, &subscriber->seat, end);
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
    status = mrc_hub_join(hub, &subscription->client, &subscriber->seat);
    if (status == APR_SUCCESS) {
        /* Before the position is taken: nothing falls between. */
        mrc_hub_listen(hub, subscriber->matchers, subscriber->matchers_count);
        status = start(subscriber, subscription->has_cursor, subscription->cursor, now_us);
        if (status != APR_SUCCESS)
            leave(subscriber, MRC_END_REFUSED);
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
    leave(subscriber, end);
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

const struct mrc_token *mrc_subscriber_get_token(const struct mrc_subscriber *subscriber)
{
    return subscriber->token;
}

struct mrc_matcher *const *mrc_subscriber_get_matchers(const struct mrc_subscriber *subscriber,
                                                       size_t *ret_count)
{
    *ret_count = subscriber->matchers_count;
    return subscriber->matchers;
}

bool mrc_subscriber_is_costly(const struct mrc_subscriber *subscriber)
{
    for (size_t i = 0; i < subscriber->matchers_count; i++)
        if (mrc_matcher_is_costly(subscriber->matchers[i]))
            return true;
    return subscriber->token && mrc_grants_are_costly(mrc_token_get_grants(subscriber->token));
}

uint64_t mrc_subscriber_get_position(const struct mrc_subscriber *subscriber)
{
    return subscriber->place.pos;
}

uint64_t mrc_subscriber_get_next(const struct mrc_subscriber *subscriber)
{
    return subscriber->place.next;
}

void mrc_subscriber_read_with(struct mrc_subscriber *subscriber, struct mrc_pages *past)
{
    subscriber->past = past;
}

bool mrc_subscriber_is_reading(const struct mrc_subscriber *subscriber)
{
    const struct replay *replay = subscriber->replay;

    return replay && replay->awaited && !mrc_page_is_there(replay->awaited);
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

/* One call of mrc_subscriber_take(). */
struct take {
    size_t max_bytes;
    int64_t until_us;
    const char *base; /* of its matchers; NULL: they need none */
    size_t records;   /* read so far */
    size_t matches;   /* at most so many since the last look at the clock */
    size_t bytes;     /* of those of them that it gets */
    uint64_t given;   /* how many that are */
    mrc_subscriber_give_fn *give;
    void *ctx;
};

apr_status_t mrc_subscriber_give_bytes(void *ctx, struct mrc_event *event)
{
    struct mrc_buf *out = ctx;

    mrc_buf_add_bytes(out, mrc_event_bytes(event));
    return mrc_buf_error(out) ? APR_ENOMEM : APR_SUCCESS;
}

static apr_status_t choose(struct mrc_subscriber *subscriber, struct mrc_pages_record *record,
                           size_t at, struct take *take, struct mrc_pages_choice *choice)
{
    struct mrc_event *event = mrc_pages_event(record);
    struct replay *replay = subscriber->replay;

    if (!event)
        return APR_ENOMEM;
    mrc_pages_choose(choice, at);
    take->bytes += mrc_event_bytes(event).len;
    take->given++;
    if (record->pos >= replay->live_from && replay->taken++ == 0)
        replay->taken_since_us = record->time_us;
    return APR_SUCCESS;
}

/* Chooses record AT of PAGE if it is for the subscriber. APR_INCOMPLETE: that is not known yet. */
static apr_status_t look_at_record(struct mrc_subscriber *subscriber, struct mrc_page *page,
                                   size_t at, struct take *take, struct mrc_pages_choice *choice)
{
    struct mrc_pages_record *record = mrc_page_get(page, at);
    bool listens = false, may_read = false;
    struct mrc_topics own = {.count = 0}, *topics;
    apr_status_t status;

    if (!record->is_readable) {
        mrc_hub_tell_unreadable(subscriber->hub, record->number);
        return APR_SUCCESS;
    }
    topics = mrc_page_topics(page, at, take->base, &own);
    if (!topics)
        return APR_ENOMEM;
    take->matches += topics->count * subscriber->matchers_count;
    if (subscriber->replay->matching != record->number)
        subscriber->replay->matched = 0; /* the one before has gone meanwhile */
    subscriber->replay->matching = record->number;
    status = listens_to(subscriber, topics, take->until_us, &listens);
    if (listens && mrc_subscriber_may_read(subscriber, &record->update, topics, &may_read))
        status = APR_ENOMEM;
    if (may_read)
        status = choose(subscriber, record, at, take, choice);
    mrc_topics_clear(&own);
    return status;
}

/* APR_INCOMPLETE: the others have their turn before it goes on. */
static apr_status_t look_at_limits(struct take *take)
{
    if (++take->records == RECORDS_PER_TAKE || take->bytes >= take->max_bytes)
        return APR_INCOMPLETE;
    if (take->matches < MATCHES_PER_LOOK)
        return APR_SUCCESS;
    take->matches = 0;
    return mrc_clock_us() < take->until_us ? APR_SUCCESS : APR_INCOMPLETE;
}

/* Chooses among the records of PAGE from the first of CHOICE on, and moves the place behind them.
 */
static apr_status_t look_at_page(struct mrc_subscriber *subscriber, struct mrc_page *page,
                                 struct take *take, struct mrc_pages_choice *choice)
{
    struct mrc_place *place = &subscriber->place;
    apr_status_t status = APR_SUCCESS;

    for (size_t at = choice->first; at < mrc_page_count(page) && status == APR_SUCCESS; at++) {
        const struct mrc_pages_record *record = mrc_page_get(page, at);

        status = look_at_record(subscriber, page, at, take, choice);
        if (status != APR_SUCCESS)
            break;
        place->next = record->number + 1;
        if (record->end)
            place->pos = record->end;
        status = look_at_limits(take);
    }
    return status;
}

/* Gives what is due of PAGE, from record FIRST on. APR_INCOMPLETE: there is more. */
static apr_status_t give_page(struct mrc_subscriber *subscriber, struct mrc_page *page,
                              size_t first, struct take *take)
{
    struct mrc_pages_choice choice = {.first = first};
    apr_status_t status = look_at_page(subscriber, page, take, &choice);
    struct mrc_event *event;
    apr_status_t given;

    if (!choice.count || (status != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(status)))
        return status;
    event = mrc_page_event(past_of(subscriber), page, &choice);
    if (!event)
        return APR_ENOMEM;
    given = take->give(take->ctx, event);
    mrc_event_unref(event);
    return given == APR_SUCCESS ? status : given;
}

/* Finds the page with the next record, which the caller gets a reference to. */
static apr_status_t find_page(struct mrc_subscriber *subscriber, struct mrc_page **ret_page,
                              size_t *ret_at)
{
    struct replay *replay = subscriber->replay;
    struct mrc_page *page = replay->awaited;
    struct mrc_pages *past;
    apr_status_t status;

    if (!subscriber->past && !replay->own)
        replay->own = mrc_pages_create(subscriber->hub, NULL, NULL, NULL);
    past = past_of(subscriber);
    if (!past)
        return APR_ENOMEM;
    if (page && !mrc_page_is_there(page))
        return APR_EAGAIN;
    replay->awaited = NULL;
    status = page ? mrc_pages_await(past, page, &subscriber->place, ret_at)
                  : mrc_pages_find(past, &subscriber->place, &page, ret_at);
    if (status == APR_SUCCESS)
        *ret_page = page;
    else if (status == APR_EAGAIN)
        replay->awaited = page;
    else
        mrc_page_unref(page);
    return status;
}

static const char *find_base(const struct mrc_subscriber *subscriber)
{
    for (size_t i = 0; i < subscriber->matchers_count; i++) {
        const char *base = mrc_matcher_get_base(subscriber->matchers[i]);

        if (base)
            return base;
    }
    return NULL;
}

apr_status_t mrc_subscriber_take(struct mrc_subscriber *subscriber, size_t max_bytes,
                                 mrc_subscriber_give_fn *give, void *ctx)
{
    struct take take = {
        .max_bytes = max_bytes,
        .until_us = mrc_clock_us() + TAKE_US,
        .base = find_base(subscriber),
        .give = give,
        .ctx = ctx,
    };
    struct replay *replay = wake_up(subscriber);
    apr_status_t status = APR_SUCCESS;

    if (!replay)
        return APR_ENOMEM;
    replay->taken = 0;
    while (status == APR_SUCCESS) {
        struct mrc_page *page;
        size_t at;

        status = find_page(subscriber, &page, &at);
        if (status == APR_SUCCESS) {
            status = give_page(subscriber, page, at, &take);
            mrc_page_unref(page);
        }
    }
    if (replay->own)
        mrc_pages_forget(replay->own);
    if (take.given)
        mrc_hub_count(subscriber->hub, MRC_COUNTER_DELIVERIES, take.given);
    return APR_STATUS_IS_INCOMPLETE(status) ? APR_SUCCESS : status;
}

void mrc_subscriber_count_written(struct mrc_subscriber *subscriber, int64_t now_us)
{
    struct replay *replay = subscriber->replay;

    if (replay && replay->taken) {
        mrc_hub_observe_dispatch(subscriber->hub, now_us - replay->taken_since_us, replay->taken);
        replay->taken = 0;
    }
}
