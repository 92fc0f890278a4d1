#include "hub/hub/hub.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/base/entropy.h"
#include "hub/base/status.h"
#include "hub/base/thread.h"
#include "hub/base/users.h"
#include "hub/control/revoked.h"
#include "hub/hub/activity.h"
#include "hub/hub/interests.h"
#include "hub/hub/numbers.h"
#include "hub/hub/patterns.h"
#include "hub/hub/rate.h"
#include "hub/hub/seats.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/link.h"
#include "store/ring/ring.h"

/* A full roster, or full memory, is reported at most this often. */
#define REPORT_US ((int64_t)60 * 1000 * 1000)

struct mrc_hub {
    struct mrc_hub_segment *segment;
    struct mrc_history *history;
    unsigned slot;
    struct mrc_users users; /* subscribers, and publications in progress */
    size_t index;
    const struct mrc_hub_spec *spec;
    struct mrc_numbers *numbers;
    struct mrc_seats *seats;
    struct mrc_rate *rate;
    struct mrc_activity *activity;
    struct mrc_revoked *revoked; /* NULL: none */
    struct mrc_patterns *patterns;
    struct mrc_hub_interests *interests;
    struct mrc_entropy *entropy;
    struct mrc_presence_queue *presence_queue;
    _Atomic(struct mrc_query *) query;   /* set after the announcer has started */
    _Atomic int64_t full_reported_us;    /* when a full roster was last reported; 0: never */
    _Atomic int64_t no_room_reported_us; /* and an update without room */
    void (*on_unreadable)(void *ctx, uint64_t seq);
    void *on_unreadable_ctx;
    atomic_bool has_reported_unreadable;
};

/* False: the system has no random bytes. */
static bool open_revoked(apr_pool_t *pool, struct mrc_hub *hub)
{
    const struct mrc_revocations *list = mrc_hub_revocations(hub);

    if (list)
        hub->revoked = mrc_revoked_create(pool, list);
    return !list || hub->revoked;
}

static apr_status_t open_history(apr_pool_t *pool, struct mrc_hub *hub,
                                 const struct mrc_notify *notify, int64_t wait_us,
                                 struct mrc_error *error)
{
    const struct mrc_hub_spec *spec = hub->spec;

    if (spec->transport)
        return mrc_history_open_engine(pool, hub->segment, notify, hub->slot,
                                       spec->transport->engine.timeout_us, error, &hub->history);
    /* If a reload finds no room for the new store of a hub, the hub stays in memory. */
    if (spec->history_dir && mrc_hub_segment_staging(hub->segment))
        return mrc_history_open_lmdb(pool, hub->segment, notify, hub->slot, spec->history_dir,
                                     spec->history_sync, wait_us, error, &hub->history);
    hub->history = mrc_history_open_memory(pool, hub->segment, notify);
    return APR_SUCCESS;
}

struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_spec *spec, int64_t wait_us,
                             struct mrc_error *error)
{
    struct mrc_hub *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = segment;
    hub->slot = slot;
    hub->index = index;
    hub->spec = spec;
    mrc_counters_begin(mrc_hub_segment_counters(segment), slot);
    if (open_history(pool, hub, notify, wait_us, error) != APR_SUCCESS)
        return NULL;
    hub->entropy = mrc_entropy_create(pool);
    hub->numbers = mrc_numbers_create(pool, segment, slot);
    hub->seats = mrc_seats_create(pool, segment, slot, hub->numbers, &spec->limits);
    hub->rate = mrc_rate_create(pool, segment, &spec->limits);
    hub->activity = mrc_activity_create(pool, hub->numbers, mrc_hub_segment_busiest(segment),
                                        mrc_hub_segment_samples(segment));
    hub->patterns = mrc_patterns_create(pool, hub->numbers, &spec->limits);
    hub->interests = mrc_hub_interests_create(pool, segment, notify, slot);
    if (hub->patterns && hub->interests && open_revoked(pool, hub)) {
        mrc_history_set_describe(hub->history, mrc_hub_interests_describe, hub->interests);
        return hub;
    }
    mrc_status_set(error, APR_ENOMEM, "out of memory");
    mrc_hub_close(hub);
    return NULL;
}

struct mrc_hub *mrc_hub_view(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_spec *spec)
{
    struct mrc_hub *hub = apr_pcalloc(pool, sizeof(*hub));

    hub->segment = segment;
    hub->slot = slot;
    hub->index = index;
    hub->spec = spec;
    hub->history = mrc_history_open_memory(pool, segment, notify);
    hub->numbers = mrc_numbers_create(pool, segment, slot);
    return hub;
}

void mrc_hub_close(struct mrc_hub *hub)
{
    if (hub)
        mrc_history_close(hub->history);
}

bool mrc_hub_enter(struct mrc_hub *hub)
{
    return mrc_users_enter(&hub->users, UINT_MAX);
}

void mrc_hub_leave(struct mrc_hub *hub)
{
    mrc_users_leave(&hub->users);
}

bool mrc_hub_retire(struct mrc_hub *hub)
{
    return mrc_users_close(&hub->users);
}

const struct mrc_hub_spec *mrc_hub_get_spec(const struct mrc_hub *hub)
{
    return hub->spec;
}

const struct mrc_hub_limits *mrc_hub_get_limits(const struct mrc_hub *hub)
{
    return &hub->spec->limits;
}

size_t mrc_hub_get_index(const struct mrc_hub *hub)
{
    return hub->index;
}

unsigned mrc_hub_get_slot(const struct mrc_hub *hub)
{
    return hub->slot;
}

struct mrc_activity *mrc_hub_activity(const struct mrc_hub *hub)
{
    return hub->activity;
}

uint64_t mrc_hub_memory_bytes(const struct mrc_hub *hub)
{
    return mrc_hub_segment_taken(hub->segment);
}

struct mrc_revoked *mrc_hub_revoked(const struct mrc_hub *hub)
{
    return hub->revoked;
}

struct mrc_revocations *mrc_hub_revocations(const struct mrc_hub *hub)
{
    return mrc_hub_segment_revocations(hub->segment);
}

struct mrc_roster *mrc_hub_roster(const struct mrc_hub *hub)
{
    return mrc_hub_segment_roster(hub->segment);
}

void mrc_hub_set_presence_queue(struct mrc_hub *hub, struct mrc_presence_queue *queue)
{
    hub->presence_queue = queue;
}

struct mrc_presence_queue *mrc_hub_get_presence_queue(const struct mrc_hub *hub)
{
    return hub->presence_queue;
}

void mrc_hub_set_query(struct mrc_hub *hub, struct mrc_query *query)
{
    atomic_store(&hub->query, query);
}

struct mrc_query *mrc_hub_get_query(const struct mrc_hub *hub)
{
    return atomic_load(&hub->query);
}

/* Whether what was last reported at *WHEN_US is due again at NOW_US. */
static bool is_due(_Atomic int64_t *when_us, int64_t now_us)
{
    int64_t reported_us = atomic_load(when_us);

    return (reported_us == 0 || now_us - reported_us >= REPORT_US) &&
           atomic_compare_exchange_strong(when_us, &reported_us, now_us);
}

bool mrc_hub_should_report_full(struct mrc_hub *hub, int64_t now_us)
{
    return is_due(&hub->full_reported_us, now_us);
}

bool mrc_hub_should_report_no_room(struct mrc_hub *hub, int64_t now_us)
{
    return is_due(&hub->no_room_reported_us, now_us);
}

/* Makes RECORDS from UPDATES; TEXT gets their payloads. */
static apr_status_t encode(const struct mrc_update *updates, size_t count, struct mrc_buf *text,
                           struct mrc_record *records)
{
    const char *at;

    for (size_t i = 0; i < count; i++) {
        size_t before = text->len;

        mrc_update_encode(&updates[i], text);
        records[i] = (struct mrc_record){
            .stored_bytes = mrc_update_stored_bytes(&updates[i]),
            .id = updates[i].id,
            .payload = {NULL, text->len - before},
        };
    }
    if (mrc_buf_error(text))
        return mrc_status_of(mrc_buf_error(text));
    at = mrc_buf_bytes(text).ptr;
    for (size_t i = 0; i < count; i++) {
        records[i].payload.ptr = at;
        at += records[i].payload.len;
    }
    return APR_SUCCESS;
}

/* Stores records or an order through the history, while the child keeps its slot. */
struct storing {
    struct mrc_hub *hub;
    sigset_t mask;
};

/* The announcer may wait for the same locks (thread.h). False: the hub has retired. */
static bool begin_storing(struct mrc_hub *hub, struct storing *ret_storing)
{
    *ret_storing = (struct storing){.hub = hub};
    mrc_thread_hold_signals(&ret_storing->mask);
    if (mrc_hub_enter(hub))
        return true;
    mrc_thread_let_signals(&ret_storing->mask);
    return false;
}

static void end_storing(const struct storing *storing)
{
    mrc_hub_leave(storing->hub);
    mrc_thread_let_signals(&storing->mask);
}

/* Stores UPDATES; RECORDS has room for their records. */
static apr_status_t publish(struct mrc_hub *hub, const struct mrc_update *updates, size_t count,
                            struct mrc_record *records, int64_t now_us)
{
    struct storing storing;
    struct mrc_buf text;
    apr_status_t status;

    /* A single record has its limit in the ring, several also together (history.h). */
    mrc_buf_init(&text,
                 count == 1 ? mrc_ring_largest(mrc_hub_segment_ring(hub->segment)) : SIZE_MAX);
    status = encode(updates, count, &text, records);
    if (!status && !begin_storing(hub, &storing))
        status = MRC_STATUS_SUPERSEDED;
    if (!status) {
        status = mrc_history_append_batch(hub->history, records, count, now_us);
        end_storing(&storing);
    }
    mrc_buf_free(&text);
    if (status == APR_SUCCESS) {
        mrc_activity_sample(hub->activity);
        mrc_numbers_count(hub->numbers, MRC_COUNTER_UPDATES, count);
    }
    for (size_t i = 0; i < count && status == APR_SUCCESS; i++)
        mrc_activity_count_update(hub->activity, updates[i].topics, updates[i].topics_count);
    return status;
}

apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *updates, size_t count,
                             int64_t now_us)
{
    struct mrc_record one, *records = count == 1 ? &one : calloc(count, sizeof(*records));
    apr_status_t status = APR_ENOMEM;

    if (records)
        status = publish(hub, updates, count, records, now_us);
    if (records != &one)
        free(records);
    return status;
}

apr_status_t mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                   size_t count, int64_t now_us, size_t *ret_done)
{
    struct storing storing;
    apr_status_t status;

    *ret_done = 0;
    if (!begin_storing(hub, &storing))
        return MRC_STATUS_SUPERSEDED;
    status = mrc_history_append_group(hub->history, items, count, now_us, ret_done);
    end_storing(&storing);
    mrc_activity_sample(hub->activity);
    mrc_numbers_count(hub->numbers, MRC_COUNTER_UPDATES, *ret_done);
    return status;
}

apr_status_t mrc_hub_order(struct mrc_hub *hub, struct mrc_bytes payload, int64_t now_us)
{
    return mrc_hub_order_with(hub, payload, (struct mrc_bytes){"", 0}, now_us);
}

apr_status_t mrc_hub_order_with(struct mrc_hub *hub, struct mrc_bytes payload,
                                struct mrc_bytes operation, int64_t now_us)
{
    struct storing storing;
    apr_status_t status;

    if (!begin_storing(hub, &storing))
        return MRC_STATUS_SUPERSEDED;
    status = mrc_history_append_control(hub->history, payload, operation, now_us);
    end_storing(&storing);
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

void mrc_hub_on_unreadable(struct mrc_hub *hub, void (*report)(void *ctx, uint64_t seq), void *ctx)
{
    hub->on_unreadable = report;
    hub->on_unreadable_ctx = ctx;
}

void mrc_hub_report_unreadable(struct mrc_hub *hub, uint64_t seq)
{
    if (hub->on_unreadable && !atomic_exchange(&hub->has_reported_unreadable, true))
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

struct mrc_numbers *mrc_hub_numbers(const struct mrc_hub *hub)
{
    return hub->numbers;
}

struct mrc_patterns *mrc_hub_patterns(const struct mrc_hub *hub)
{
    return hub->patterns;
}

struct mrc_rate *mrc_hub_rate(const struct mrc_hub *hub)
{
    return hub->rate;
}

struct mrc_seats *mrc_hub_seats(const struct mrc_hub *hub)
{
    return hub->seats;
}

struct mrc_hub_segment *mrc_hub_segment(const struct mrc_hub *hub)
{
    return hub->segment;
}

struct mrc_link *mrc_hub_link(const struct mrc_hub *hub)
{
    return hub->spec->transport ? mrc_hub_segment_link(hub->segment) : NULL;
}

static struct mrc_link_status status_of(const struct mrc_link *link)
{
    struct mrc_link_status status;

    mrc_link_get_status(link, &status);
    return status;
}

bool mrc_hub_transport_is_up(const struct mrc_hub *hub)
{
    const struct mrc_link *link = mrc_hub_link(hub);

    return !link || status_of(link).state == MRC_LINK_UP;
}

bool mrc_hub_has_history(const struct mrc_hub *hub)
{
    const struct mrc_link *link = mrc_hub_link(hub);

    return !link || status_of(link).has_joined;
}

uint64_t mrc_hub_get_gap(const struct mrc_hub *hub)
{
    const struct mrc_link *link = mrc_hub_link(hub);

    return link ? mrc_link_get_gap(link) : 0;
}

uint64_t mrc_hub_get_losses(const struct mrc_hub *hub, uint64_t *ret_seq)
{
    const struct mrc_link *link = mrc_hub_link(hub);

    *ret_seq = 0;
    return link ? mrc_link_get_losses(link, ret_seq) : 0;
}

bool mrc_hub_is_ready(const struct mrc_hub *hub, int64_t now_us)
{
    const struct mrc_link *link = mrc_hub_link(hub);
    int64_t ready_us = link ? hub->spec->transport->ready_us : 0;
    struct mrc_link_status status;

    if (!link)
        return true;
    status = status_of(link);
    return status.has_joined &&
           (ready_us == 0 || status.state == MRC_LINK_UP || now_us - status.since_us < ready_us);
}

void mrc_hub_listen(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count)
{
    mrc_hub_interests_begin(hub->interests, matchers, count);
}

void mrc_hub_unlisten(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count)
{
    mrc_hub_interests_end(hub->interests, matchers, count);
}

void mrc_hub_begin(struct mrc_hub *hub)
{
    mrc_numbers_count(hub->numbers, MRC_COUNTER_SUBSCRIBERS, 1);
}
