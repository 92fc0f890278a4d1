#include "hub/hub/hub.h"

#include <sched.h>
#include <stdatomic.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/base/entropy.h"
#include "hub/base/thread.h"
#include "hub/hub/interests.h"
#include "hub/hub/patterns.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/regions/census.h"
#include "store/regions/hub_segment.h"
#include "store/regions/interests.h"
#include "store/ring/ring.h"

/* A full roster is no news again for so long. */
#define FULL_NEWS_US ((int64_t)60 * 1000 * 1000)

struct mrc_hub {
    struct mrc_hub_segment *segment;
    struct mrc_history *history;
    unsigned slot;
    size_t index;
    struct mrc_hub_policy policy;
    struct mrc_announcer *announcer;
    struct mrc_entropy *entropy;
    _Atomic int64_t full_told_us; /* when the roster was last said to be full; 0: never */
    struct mrc_patterns *patterns;
    struct mrc_hub_interests *listening;
    _Atomic uint64_t taken[MRC_HUB_LOOPS_MAX]; /* of each dispatcher loop, see hub.h */
    void (*on_unreadable)(void *ctx, uint64_t seq);
    void *on_unreadable_ctx;
    atomic_bool has_told;
};

struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_policy *policy, struct mrc_error *error)
{
    struct mrc_hub *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = segment;
    /* A hub that found no room for its new store in a reload goes on in memory. */
    if (!policy->history_dir || !mrc_hub_segment_staging(segment))
        hub->history = mrc_history_open_memory(pool, segment, notify);
    else if (mrc_history_open_lmdb(pool, segment, notify, slot, policy->history_dir,
                                   policy->history_sync, error, &hub->history) != APR_SUCCESS)
        return NULL;
    hub->slot = slot;
    hub->index = index;
    hub->policy = *policy;
    hub->entropy = mrc_entropy_create(pool);
    hub->patterns = mrc_patterns_create(pool, hub);
    hub->listening = mrc_hub_interests_create(pool, segment, notify, slot);
    if (hub->patterns && hub->listening) {
        mrc_history_set_describe(hub->history, mrc_hub_interests_describe, hub->listening);
        return hub;
    }
    mrc_status_set(error, APR_ENOMEM, "out of memory");
    mrc_hub_close(hub);
    return NULL;
}

void mrc_hub_close(struct mrc_hub *hub)
{
    if (hub)
        mrc_history_close(hub->history);
}

const struct mrc_hub_policy *mrc_hub_get_policy(const struct mrc_hub *hub)
{
    return &hub->policy;
}

size_t mrc_hub_get_index(const struct mrc_hub *hub)
{
    return hub->index;
}

unsigned mrc_hub_get_slot(const struct mrc_hub *hub)
{
    return hub->slot;
}

struct mrc_roster *mrc_hub_roster(const struct mrc_hub *hub)
{
    return mrc_hub_segment_roster(hub->segment);
}

void mrc_hub_set_announcer(struct mrc_hub *hub, struct mrc_announcer *announcer)
{
    hub->announcer = announcer;
}

struct mrc_announcer *mrc_hub_get_announcer(const struct mrc_hub *hub)
{
    return hub->announcer;
}

bool mrc_hub_full_is_news(struct mrc_hub *hub, int64_t now_us)
{
    int64_t told_us = atomic_load(&hub->full_told_us);

    return (told_us == 0 || now_us - told_us >= FULL_NEWS_US) &&
           atomic_compare_exchange_strong(&hub->full_told_us, &told_us, now_us);
}

static apr_status_t append(struct mrc_hub *hub, const struct mrc_update *update,
                           const struct mrc_buf *record, int64_t now_us)
{
    apr_status_t status;
    sigset_t mask;

    if (mrc_buf_error(record))
        return mrc_buf_error(record) == MRC_ENOMEM ? APR_ENOMEM : MRC_STATUS_TOO_LARGE;
    mrc_thread_hold_signals(&mask); /* the announcer may wait for the same locks */
    status = mrc_history_append(hub->history, update->id, mrc_buf_bytes(record),
                                mrc_update_stored_bytes(update), now_us);
    mrc_thread_let_signals(&mask);
    return status;
}

apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *update, int64_t now_us)
{
    struct mrc_buf record;
    apr_status_t status;

    mrc_buf_init(&record, mrc_ring_largest(mrc_hub_segment_ring(hub->segment)));
    mrc_update_encode(update, &record);
    status = append(hub, update, &record, now_us);
    mrc_buf_free(&record);
    if (status == APR_SUCCESS)
        mrc_hub_count(hub, MRC_COUNTER_UPDATES, 1);
    return status;
}

apr_status_t mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                   size_t count, int64_t now_us, size_t *ret_done)
{
    apr_status_t status;
    sigset_t mask;

    mrc_thread_hold_signals(&mask);
    status = mrc_history_append_group(hub->history, items, count, now_us, ret_done);
    mrc_thread_let_signals(&mask);
    mrc_hub_count(hub, MRC_COUNTER_UPDATES, *ret_done);
    return status;
}

apr_status_t mrc_hub_make_id(struct mrc_hub *hub, char *ret_id)
{
    unsigned char random[16];
    apr_status_t status = mrc_hub_random(hub, random, sizeof(random));

    if (status == APR_SUCCESS)
        mrc_update_id_make(random, ret_id);
    return status;
}

apr_status_t mrc_hub_random(struct mrc_hub *hub, void *out, size_t len)
{
    return mrc_entropy_get(hub->entropy, out, len);
}

void mrc_hub_on_unreadable(struct mrc_hub *hub, void (*tell)(void *ctx, uint64_t seq), void *ctx)
{
    hub->on_unreadable = tell;
    hub->on_unreadable_ctx = ctx;
}

void mrc_hub_tell_unreadable(struct mrc_hub *hub, uint64_t seq)
{
    if (hub->on_unreadable && !atomic_exchange(&hub->has_told, true))
        hub->on_unreadable(hub->on_unreadable_ctx, seq);
}

struct mrc_history *mrc_hub_history(const struct mrc_hub *hub)
{
    return hub->history;
}

struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub)
{
    return mrc_hub_segment_ring(hub->segment);
}

struct mrc_patterns *mrc_hub_patterns(const struct mrc_hub *hub)
{
    return hub->patterns;
}

bool mrc_hub_transport_is_up(const struct mrc_hub *hub)
{
    return true; /* the ring is all there is between publishers and subscribers */
}

/* What keys of the census are made of, beside the name. */
#define KIND_ADDRESS 'a'
#define KIND_TOKEN   't'

/*
 * Takes a place for NAME among MAX; RET_KEY gets its key, or 0 if it is not counted. Who saw too
 * many steps back and looks again, as in mrc_hub_segment_gauge_take().
 */
static bool count_client(struct mrc_hub *hub, char kind, struct mrc_bytes name, uint64_t max,
                         uint64_t *ret_key)
{
    struct mrc_census *census = mrc_hub_segment_census(hub->segment);
    uint64_t key;

    *ret_key = 0;
    if (!max || !name.ptr || !census)
        return true;
    key = mrc_census_key(census, kind, name);
    for (;;) {
        uint64_t sum = mrc_census_add(census, hub->slot, key);

        if (sum == 0)
            return false;
        if (sum <= max) {
            *ret_key = key;
            return true;
        }
        mrc_census_sub(census, hub->slot, key);
        if (mrc_census_sum(census, key) >= max)
            return false;
        sched_yield();
    }
}

static void uncount_client(struct mrc_hub *hub, const struct mrc_hub_seat *seat)
{
    struct mrc_census *census = mrc_hub_segment_census(hub->segment);

    if (seat->address)
        mrc_census_sub(census, hub->slot, seat->address);
    if (seat->token)
        mrc_census_sub(census, hub->slot, seat->token);
}

/* The places of all come last, so that who has too many of its own takes none from others, not even
 * for a moment. */
apr_status_t mrc_hub_join(struct mrc_hub *hub, const struct mrc_hub_client *client,
                          struct mrc_hub_seat *ret_seat)
{
    const struct mrc_hub_policy *policy = &hub->policy;
    struct mrc_hub_seat seat = {0};
    apr_status_t status = APR_SUCCESS;

    if (!count_client(hub, KIND_ADDRESS, client->address, policy->per_address_max, &seat.address))
        status = MRC_STATUS_ADDRESS_FULL;
    else if (!count_client(hub, KIND_TOKEN, client->token, policy->per_token_max, &seat.token))
        status = MRC_STATUS_TOKEN_FULL;
    else if (!policy->subscribers_max)
        mrc_hub_gauge_add(hub, MRC_GAUGE_SUBSCRIBERS, 1);
    else if (!mrc_hub_gauge_take(hub, MRC_GAUGE_SUBSCRIBERS, policy->subscribers_max))
        status = MRC_STATUS_FULL;
    if (status != APR_SUCCESS) {
        uncount_client(hub, &seat);
        return status;
    }
    *ret_seat = seat;
    return APR_SUCCESS;
}

void mrc_hub_listen(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count)
{
    mrc_hub_interests_begin(hub->listening, matchers, count);
}

void mrc_hub_unlisten(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count)
{
    mrc_hub_interests_end(hub->listening, matchers, count);
}

void mrc_hub_begin(struct mrc_hub *hub)
{
    mrc_hub_count(hub, MRC_COUNTER_SUBSCRIBERS, 1);
}

void mrc_hub_leave(struct mrc_hub *hub, const struct mrc_hub_seat *seat, enum mrc_end end)
{
    uncount_client(hub, seat);
    mrc_hub_gauge_add(hub, MRC_GAUGE_SUBSCRIBERS, -1);
    mrc_hub_count(hub, (enum mrc_counter)(MRC_COUNTER_ENDED + (int)end), 1);
}

void mrc_hub_gauge_add(struct mrc_hub *hub, enum mrc_gauge gauge, int64_t n)
{
    mrc_hub_segment_gauge_add(hub->segment, hub->slot, gauge, n);
}

bool mrc_hub_gauge_take(struct mrc_hub *hub, enum mrc_gauge gauge, uint64_t max)
{
    return mrc_hub_segment_gauge_take(hub->segment, hub->slot, gauge, max);
}

uint64_t mrc_hub_gauge(const struct mrc_hub *hub, enum mrc_gauge gauge)
{
    return mrc_hub_segment_gauge(hub->segment, gauge);
}

void mrc_hub_count(struct mrc_hub *hub, enum mrc_counter counter, uint64_t n)
{
    mrc_hub_segment_count(hub->segment, hub->slot, counter, n);
}

uint64_t mrc_hub_counter(const struct mrc_hub *hub, enum mrc_counter counter)
{
    return mrc_hub_segment_counter(hub->segment, counter);
}

void mrc_hub_observe_dispatches(struct mrc_hub *hub, struct mrc_numbers_times *times)
{
    if (times->count == 0)
        return;
    mrc_hub_count(hub, (enum mrc_counter)(MRC_COUNTER_DISPATCH + times->bucket), times->count);
    mrc_hub_count(hub, MRC_COUNTER_DISPATCH_US, times->sum_us);
    *times = (struct mrc_numbers_times){.count = 0};
}

void mrc_hub_observe_dispatch(struct mrc_hub *hub, int64_t us, uint64_t n)
{
    struct mrc_numbers_times times = {
        .bucket = mrc_numbers_bucket(us),
        .count = n,
        .sum_us = us > 0 ? (uint64_t)us * n : 0, /* else the clock was set back meanwhile */
    };

    mrc_hub_observe_dispatches(hub, &times);
}

void mrc_hub_set_taken(struct mrc_hub *hub, unsigned loop, uint64_t next)
{
    uint64_t least = 0;

    atomic_store(&hub->taken[loop], next);
    for (unsigned i = 0; i < MRC_HUB_LOOPS_MAX; i++) {
        uint64_t one = atomic_load_explicit(&hub->taken[i], memory_order_relaxed);

        if (one && (!least || one < least))
            least = one;
    }
    mrc_hub_segment_gauge_set(hub->segment, hub->slot, MRC_GAUGE_TAKEN, least);
}

uint64_t mrc_hub_lag(const struct mrc_hub *hub, unsigned slot)
{
    uint64_t next = mrc_hub_segment_gauge_of(hub->segment, slot, MRC_GAUGE_TAKEN);
    struct mrc_ring_stats stats;

    if (mrc_interests_woken(mrc_hub_segment_interests(hub->segment), slot) < next)
        return 0;
    mrc_ring_stats(mrc_hub_ring(hub), &stats);
    return next && stats.last_seq >= next ? stats.last_seq - next + 1 : 0;
}
