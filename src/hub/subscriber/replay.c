#include "hub/subscriber/replay.h"

#include <stdlib.h>
#include <string.h>

#include "core/protocol/update.h"
#include "hub/base/event.h"
#include "hub/hub/activity.h"
#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/subscriber/filter.h"
#include "hub/subscriber/pages.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/history/history.h"

/* One take reads at most this many records, whether the subscriber gets them or not, and matches at
 * most this long; then the other streams have their turn. */
#define RECORDS_PER_TAKE MRC_PAGES_CHOICE_MAX
#define TAKE_US          ((int64_t)2000)

struct mrc_replay {
    struct mrc_hub *hub;
    struct mrc_pages *pages;    /* shared with other streams; NULL: it reads with its own */
    struct mrc_pages *own;      /* NULL: not needed yet */
    struct mrc_page *awaited;   /* the page that is being read for it; NULL: none */
    uint64_t matching;          /* the number of the record that was matched last */
    size_t tried;               /* where mrc_filter_match() continues with that record */
    uint64_t gap;               /* the value of mrc_hub_get_gap() when it was created */
    mrc_replay_check_fn *check; /* NULL: none */
    void *check_ctx;
    uint64_t live_from;     /* position: later records were published since it was opened */
    uint64_t taken;         /* live updates that the last take gave */
    int64_t taken_since_us; /* when the oldest of these was accepted */
    char *last_event_id;    /* NULL: no cursor was given */
};

struct mrc_replay *mrc_replay_create(struct mrc_hub *hub, struct mrc_pages *pages,
                                     uint64_t live_from)
{
    struct mrc_replay *replay = calloc(1, sizeof(*replay));

    if (!replay)
        return NULL;
    replay->hub = hub;
    replay->pages = pages;
    replay->live_from = live_from;
    replay->gap = mrc_hub_get_gap(hub);
    return replay;
}

void mrc_replay_set_check(struct mrc_replay *replay, mrc_replay_check_fn *check, void *ctx)
{
    replay->check = check;
    replay->check_ctx = ctx;
}

static struct mrc_pages *pages_of(const struct mrc_replay *replay)
{
    return replay->pages ? replay->pages : replay->own;
}

void mrc_replay_free(struct mrc_replay *replay)
{
    if (!replay)
        return;
    mrc_replay_give_back(replay);
    mrc_pages_free(replay->own);
    free(replay->last_event_id);
    free(replay);
}

void mrc_replay_read_with(struct mrc_replay *replay, struct mrc_pages *pages)
{
    replay->pages = pages;
}

uint64_t mrc_replay_get_live_from(const struct mrc_replay *replay)
{
    return replay->live_from;
}

void mrc_replay_set_last_event_id(struct mrc_replay *replay, char *id)
{
    replay->last_event_id = id;
}

struct mrc_bytes mrc_replay_get_last_event_id(const struct mrc_replay *replay)
{
    return replay->last_event_id ? mrc_bytes_of(replay->last_event_id)
                                 : (struct mrc_bytes){NULL, 0};
}

bool mrc_replay_is_reading(const struct mrc_replay *replay)
{
    return replay->awaited && !mrc_page_is_there(replay->awaited);
}

void mrc_replay_give_back(struct mrc_replay *replay)
{
    if (!replay->awaited)
        return;
    mrc_pages_give_up(pages_of(replay), replay->awaited);
    replay->awaited = NULL;
}

void mrc_replay_count_written(struct mrc_replay *replay, int64_t now_us)
{
    if (!replay->taken)
        return;
    mrc_numbers_count_time(mrc_hub_numbers(replay->hub), now_us - replay->taken_since_us,
                           replay->taken);
    replay->taken = 0;
}

/* ---- taking -----------------------------------------------------------------------------------*/

/* One call of mrc_replay_take(). */
struct take {
    struct mrc_replay *replay;
    const struct mrc_filter *filter;
    struct mrc_place *place;
    size_t max_bytes;
    int64_t until_us;
    const char *base; /* of the matchers; NULL: they need none */
    size_t records;   /* read so far */
    size_t matches;   /* at most this many were made since the last look at the clock */
    size_t bytes;     /* of the events for the subscriber */
    uint64_t given;   /* the number of these events */
    mrc_replay_give_fn *give;
    void *ctx;
};

static apr_status_t choose(struct take *take, struct mrc_pages_record *record, size_t at,
                           struct mrc_pages_choice *choice)
{
    struct mrc_event *event = mrc_pages_event(record);
    struct mrc_replay *replay = take->replay;

    if (!event)
        return APR_ENOMEM;
    mrc_pages_choose(choice, at);
    take->bytes += mrc_event_bytes(event).len;
    take->given++;
    if (record->pos >= replay->live_from && replay->taken++ == 0)
        replay->taken_since_us = record->time_us;
    return APR_SUCCESS;
}

/* Whether the subscriber gets RECORD. APR_INCOMPLETE: that is not known yet. */
static apr_status_t is_due(struct take *take, const struct mrc_pages_record *record,
                           struct mrc_topics *topics, bool *ret_is_due)
{
    struct mrc_replay *replay = take->replay;
    bool matches = false;
    apr_status_t status;

    take->matches += topics->count * take->filter->count;
    if (replay->matching != record->number)
        replay->tried = 0; /* another record was tried before */
    replay->matching = record->number;
    status = mrc_filter_match(take->filter, topics, take->until_us, &replay->tried, &matches);
    if (status == APR_SUCCESS && matches)
        status = mrc_filter_may_read(take->filter->token, &record->update, topics, ret_is_due);
    return status;
}

/* Chooses record AT of PAGE if the subscriber gets it. APR_INCOMPLETE: that is not known yet. */
static apr_status_t look_at_record(struct take *take, struct mrc_page *page, size_t at,
                                   struct mrc_pages_choice *choice)
{
    struct mrc_pages_record *record = mrc_page_get(page, at);
    struct mrc_topics own = {.count = 0}, *topics;
    apr_status_t status = APR_ENOMEM;
    bool due = false;

    if (!record->is_readable) {
        mrc_hub_report_unreadable(take->replay->hub, record->number);
        return APR_SUCCESS;
    }
    topics = mrc_page_topics(page, at, take->base, &own);
    if (topics)
        status = is_due(take, record, topics, &due);
    if (due)
        status = choose(take, record, at, choice);
    mrc_topics_clear(&own);
    return status;
}

/* APR_INCOMPLETE: the other streams have their turn before this one continues. */
static apr_status_t look_at_limits(struct take *take)
{
    if (++take->records == RECORDS_PER_TAKE || take->bytes >= take->max_bytes)
        return APR_INCOMPLETE;
    if (take->matches < MRC_FILTER_MATCHES_PER_LOOK)
        return APR_SUCCESS;
    take->matches = 0;
    return mrc_clock_us() < take->until_us ? APR_SUCCESS : APR_INCOMPLETE;
}

/* Chooses among the records of PAGE from the first of CHOICE on, and moves the place past them. */
static apr_status_t look_at_page(struct take *take, struct mrc_page *page,
                                 struct mrc_pages_choice *choice)
{
    apr_status_t status = APR_SUCCESS;

    for (size_t at = choice->first; at < mrc_page_count(page) && status == APR_SUCCESS; at++) {
        const struct mrc_pages_record *record = mrc_page_get(page, at);

        status = look_at_record(take, page, at, choice);
        if (status != APR_SUCCESS)
            break;
        take->place->next = record->number + 1;
        if (record->end)
            take->place->pos = record->end;
        status = look_at_limits(take);
    }
    return status;
}

/*
 * Gives the records of PAGE that the subscriber gets, from FIRST on. APR_INCOMPLETE: there are
 * more.
 */
static apr_status_t give_page(struct take *take, struct mrc_page *page, size_t first)
{
    struct mrc_pages_choice choice = {.first = first};
    apr_status_t status = look_at_page(take, page, &choice);
    struct mrc_event *event;
    apr_status_t given;

    if (!choice.count || (status != APR_SUCCESS && !APR_STATUS_IS_INCOMPLETE(status)))
        return status;
    event = mrc_page_event(pages_of(take->replay), page, &choice);
    if (!event)
        return APR_ENOMEM;
    given = take->give(take->ctx, event);
    mrc_event_unref(event);
    return given == APR_SUCCESS ? status : given;
}

/* A page that was just read may have records from after a gap or a loss. */
static bool may_go_on(const struct mrc_replay *replay)
{
    return mrc_hub_get_gap(replay->hub) == replay->gap &&
           (!replay->check || replay->check(replay->check_ctx));
}

/* Finds the page with the next record of PLACE, of which the caller gets a reference. */
static apr_status_t find_page(struct mrc_replay *replay, struct mrc_place *place,
                              struct mrc_page **ret_page, size_t *ret_at)
{
    struct mrc_page *page = replay->awaited;
    struct mrc_pages *pages;
    apr_status_t status;

    if (!replay->pages && !replay->own)
        replay->own = mrc_pages_create(replay->hub, NULL, NULL, NULL);
    pages = pages_of(replay);
    if (!pages)
        return APR_ENOMEM;
    if (page && !mrc_page_is_there(page))
        return APR_EAGAIN;
    replay->awaited = NULL;
    status = page ? mrc_pages_await(pages, page, place, ret_at)
                  : mrc_pages_find(pages, place, &page, ret_at);
    if (status == APR_SUCCESS && !may_go_on(replay)) {
        mrc_page_unref(page);
        return MRC_STATUS_OVERRUN;
    }
    if (status == APR_SUCCESS)
        *ret_page = page;
    else if (status == APR_EAGAIN)
        replay->awaited = page;
    else
        mrc_page_unref(page);
    return status;
}

apr_status_t mrc_replay_take(struct mrc_replay *replay, const struct mrc_filter *filter,
                             struct mrc_place *place, size_t max_bytes, mrc_replay_give_fn *give,
                             void *ctx)
{
    struct take take = {
        .replay = replay,
        .filter = filter,
        .place = place,
        .max_bytes = max_bytes,
        .until_us = mrc_clock_us() + TAKE_US,
        .base = mrc_filter_get_base(filter),
        .give = give,
        .ctx = ctx,
    };
    apr_status_t status = APR_SUCCESS;

    replay->taken = 0;
    while (status == APR_SUCCESS) {
        struct mrc_page *page;
        size_t at;

        status = find_page(replay, place, &page, &at);
        if (status == APR_SUCCESS) {
            status = give_page(&take, page, at);
            mrc_page_unref(page);
        }
    }
    if (replay->own)
        mrc_pages_forget(replay->own);
    if (take.given) {
        mrc_activity_sample(mrc_hub_activity(replay->hub));
        mrc_numbers_count(mrc_hub_numbers(replay->hub), MRC_COUNTER_DELIVERIES, take.given);
    }
    return APR_STATUS_IS_INCOMPLETE(status) ? APR_SUCCESS : status;
}
