#include "hub/transport/link.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "apr_thread_proc.h"
#include "apr_time.h"

#include "hub/base/thread.h"
#include "hub/base/wake.h"
#include "hub/hub/hub.h"
#include "hub/transport/beat.h"
#include "hub/transport/member.h"
#include "hub/transport/query.h"
#include "hub/transport/respond.h"
#include "hub/transport/restore.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/engine/lookup.h"
#include "store/hub/segment.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"

#define MS ((int64_t)1000)

/*
 * A link that does not lead tries to lead this often, so a dead leader is replaced within this
 * time.
 */
#define LEAD_US       (200 * MS)
#define LEAD_DRAIN_US (1000 * MS) /* a child that ends gives the others a head start */
#define LEAD_TRIES    5           /* see may_lead() */

/* The pauses between two attempts to connect. */
#define RETRY_MIN_US   (50 * MS)
#define RETRY_MAX_US   (1000 * MS) /* with its spread, a machine is back soon after the engine */
#define RETRY_AUTH_US  (5000 * MS)
#define RETRY_BUSY_US  (200 * MS)
#define RETRY_FULL_US  (200 * MS)
#define RETRY_OTHER_US (10000 * MS) /* a hub whose name belongs to another one */
#define RETRY_STUCK_US (1000 * MS)  /* one for which there is no room */

#define BLOCK_MS          1000
#define READ_BYTES        (4 * 1024 * 1024)
#define READ_ENTRIES_MAX  1024
#define READ_ENTRIES_MIN  1
#define EXPECTED_MAX      256 /* replies on W */
#define ENTRY_BYTES_FIRST 1024

/* The Sentinel is asked for the primary this often. */
#define SENTINEL_US (1000 * MS)

/* What epoll watches besides the sides of the connection. */
enum { WATCHED_WAKE = MRC_REDIS_SIDES, WATCHED_BELL };

/* What the next reply on W answers. */
enum expected_kind { EXPECT_PUBLISH, EXPECT_WAIT, EXPECT_HEAD, EXPECT_BEAT, EXPECT_REAP };

struct expected {
    enum expected_kind kind;
    struct mrc_member *member;
    int64_t until_us;
};

struct mrc_link_thread {
    apr_thread_t *thread;
    const struct mrc_notify *notify;
    mrc_link_report_fn *report;
    void *report_ctx;
    struct mrc_member *members;
    size_t count;
    const struct mrc_engine_spec *spec;
    struct mrc_query_line *line;
    struct mrc_respond *respond; /* NULL: no operator controls any of the hubs */
    struct mrc_wake wake;
    int epoll_fd;
    atomic_bool draining, stopping;

    /* The thread's own. */
    struct mrc_lookups *lookups;
    struct mrc_redis *redis; /* NULL: not connected */
    bool has_reported_up, has_reported_policy;
    enum mrc_engine_reason reported; /* the last reason; MRC_ENGINE_REASONS: none */
    int64_t connect_at_us, pause_us, lead_at_us;
    unsigned lead_tries;
    int64_t reset_us;                       /* when the log last had another generation; 0: never */
    struct expected expected[EXPECTED_MAX]; /* a ring */
    unsigned first, expected_count;
    bool is_reading;
    int64_t read_until_us;            /* when more of its answer must have come */
    unsigned read_entries;            /* it gets at most so many entries of each log */
    size_t entry_bytes;               /* the mean size of an entry */
    uint32_t events[MRC_REDIS_SIDES]; /* for which they are registered */
    int64_t sentinel_at_us;           /* when it is asked next, or must have answered */
    bool is_asking_sentinel;
    unsigned random;
};

static void report(struct mrc_link_thread *link, enum mrc_link_event event,
                   enum mrc_engine_reason reason, const char *text)
{
    const struct mrc_link_report one = {
        .event = event,
        .hub = mrc_hub_get_index(link->members[0].hub),
        .hubs = link->count,
        .reason = reason,
        .text = text,
    };

    link->report(link->report_ctx, &one);
}

/* ---- disconnecting ----------------------------------------------------------------------------*/

/* US, and up to half of it more or less, so that machines do not come back together. */
static int64_t spread(struct mrc_link_thread *link, int64_t us)
{
    link->random = link->random * 1103515245 + 12345;
    return us / 2 + us * (int64_t)(link->random >> 16 & 0xff) / 255;
}

static int64_t pause_after(struct mrc_link_thread *link, enum mrc_engine_reason reason)
{
    int64_t now_us;
    bool is_again;

    switch (reason) {
    case MRC_ENGINE_AUTH:
    case MRC_ENGINE_TLS:
        return RETRY_AUTH_US;
    case MRC_ENGINE_LOADING:
        return RETRY_BUSY_US;
    case MRC_ENGINE_RESET:
        now_us = mrc_clock_us();
        is_again = link->reset_us && now_us - link->reset_us < RETRY_MAX_US;
        link->reset_us = now_us;
        if (!is_again)
            return 0;
        return RETRY_BUSY_US;
    default:
        link->pause_us = link->pause_us ? 2 * link->pause_us : RETRY_MIN_US;
        if (link->pause_us > RETRY_MAX_US)
            link->pause_us = RETRY_MAX_US;
        return spread(link, link->pause_us);
    }
}

static void close_connections(struct mrc_link_thread *link)
{
    mrc_redis_close(link->redis); /* epoll forgets closed descriptors */
    link->redis = NULL;
    link->first = link->expected_count = 0;
    link->is_reading = false;
    for (size_t i = 0; i < link->count; i++)
        mrc_member_lose(&link->members[i]);
}

/* The connection has failed, or could not be made. */
static void fail(struct mrc_link_thread *link, const struct mrc_engine_error *error)
{
    bool was_connected = link->redis != NULL;

    for (size_t i = 0; i < link->count; i++)
        mrc_link_set_refusal(link->members[i].link, error->reason == MRC_ENGINE_READONLY
                                                        ? MRC_LINK_REFUSED_READONLY
                                                        : MRC_LINK_REFUSED_DOWN);
    close_connections(link);
    link->connect_at_us = mrc_clock_us() + pause_after(link, error->reason);
    /* The log has another generation: the hubs join it again at once, and stay up meanwhile. */
    if (error->reason == MRC_ENGINE_RESET && was_connected) {
        link->has_reported_up = true;
        return;
    }
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state == MRC_MEMBER_OUT)
            continue;
        mrc_link_set_state(member->link, MRC_LINK_DOWN, apr_time_now());
        if (was_connected || link->reported == MRC_ENGINE_REASONS)
            mrc_link_count(member->link, (unsigned)MRC_LINK_RECONNECTS + error->reason, 1);
    }
    if (link->reported != error->reason)
        report(link, MRC_LINK_EVENT_DOWN, error->reason, error->text.text);
    link->reported = error->reason;
    link->has_reported_up = false;
}

/* ---- connecting -------------------------------------------------------------------------------*/

static bool watch(struct mrc_link_thread *link, int fd, uint32_t events, uint32_t which)
{
    struct epoll_event event = {.events = events, .data.u32 = which};

    return epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Whether the server may remove keys that have no expiry. */
static bool is_evicting(const struct mrc_redis_about *about)
{
    return about->has_maxmemory && !strncmp(about->policy, "allkeys-", 8);
}

static void report_up(struct mrc_link_thread *link)
{
    const struct mrc_redis_about *about = mrc_redis_get_about(link->redis);
    char text[320];

    snprintf(text, sizeof(text), "%s, version %s", about->address, about->version);
    if (!link->has_reported_up)
        report(link, MRC_LINK_EVENT_UP, MRC_ENGINE_REASONS, text);
    link->has_reported_up = true;
    link->reported = MRC_ENGINE_REASONS;
    if (is_evicting(about) && !link->has_reported_policy) {
        link->has_reported_policy = true;
        report(link, MRC_LINK_EVENT_POLICY, MRC_ENGINE_REASONS, about->policy);
    }
}

static void connect_now(struct mrc_link_thread *link)
{
    struct mrc_engine_error error = {.reason = MRC_ENGINE_REFUSED};

    link->redis = mrc_redis_open(link->lookups, link->spec, link->members[0].keys.log, &error);
    if (!link->redis) {
        fail(link, &error);
        return;
    }
    link->sentinel_at_us = mrc_clock_us() + SENTINEL_US;
    link->is_asking_sentinel = false;
    for (int side = 0; side < MRC_REDIS_SIDES; side++) {
        int fd = mrc_redis_fd(link->redis, (enum mrc_redis_side)side);

        link->events[side] = EPOLLIN;
        if (fd >= 0 && !watch(link, fd, EPOLLIN, (uint32_t)side)) {
            error.reason = MRC_ENGINE_PROTOCOL;
            mrc_error_set(&error.text, MRC_EINVAL, "epoll: %s", strerror(errno));
            fail(link, &error);
            return;
        }
    }
}

/* ---- leading ----------------------------------------------------------------------------------*/

static bool leads_any(const struct mrc_link_thread *link)
{
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].state != MRC_MEMBER_OUT)
            return true;
    }
    return false;
}

/* A child that ends leaves its hubs to others once no updates of them are on their way. If it leads
 * again after that, there is no other child. */
static bool must_resign(const struct mrc_link_thread *link, const struct mrc_member *member)
{
    return mrc_ring_is_superseded(member->ring) ||
           (atomic_load(&link->draining) && !member->has_left &&
            mrc_outbox_is_empty(member->outbox));
}

/* Forgets the replies for MEMBER; they still come. */
static void forget_expected(struct mrc_link_thread *link, const struct mrc_member *member)
{
    for (unsigned i = 0; i < link->expected_count; i++) {
        struct expected *expected = &link->expected[(link->first + i) % EXPECTED_MAX];

        if (expected->member == member)
            expected->member = NULL;
    }
}

static bool is_up(const struct mrc_member *member)
{
    struct mrc_link_status status;

    mrc_link_get_status(member->link, &status);
    return status.state == MRC_LINK_UP;
}

/*
 * Whether to try to lead member I. The link that leads the first member leads the others, too, so
 * that they share its connections. Only a child of another configuration may lead the first one and
 * not the others: they are tried after a second.
 */
static bool may_lead(const struct mrc_link_thread *link, size_t i)
{
    return i == 0 || leads_any(link) || link->lead_tries % LEAD_TRIES == 0;
}

static void settle_the_lead(struct mrc_link_thread *link, int64_t now_us)
{
    bool is_due = now_us >= link->lead_at_us;

    if (is_due)
        link->lead_tries++;
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state != MRC_MEMBER_OUT && must_resign(link, member)) {
            forget_expected(link, member);
            mrc_member_resign(member);
            member->has_left = true;
            link->lead_at_us = now_us + LEAD_DRAIN_US;
        } else if (member->state == MRC_MEMBER_OUT && is_due && may_lead(link, i) &&
                   mrc_member_lead(member)) {
            link->has_reported_up = is_up(member); /* the leader before this one has */
        }
    }
    if (is_due)
        mrc_query_line_rest(link->line);
    if (is_due)
        link->lead_at_us = now_us + (atomic_load(&link->draining) ? LEAD_DRAIN_US : LEAD_US);
    if (!leads_any(link) && link->redis)
        close_connections(link);
}

/* ---- one hub that cannot go on ---------------------------------------------------------------*/

/* More of an answer has come. Entries that are due are in it, or after it. */
static void put_off_deadlines(struct mrc_link_thread *link, int64_t now_us)
{
    int64_t until_us = now_us + link->spec->timeout_us;

    if (until_us > link->read_until_us)
        link->read_until_us = until_us;
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].due_us)
            link->members[i].due_us = until_us;
    }
}

/* The thread has not looked at the answers of the engine for WAITED_US. */
static void excuse_engine(struct mrc_link_thread *link, int64_t waited_us)
{
    link->read_until_us += waited_us;
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].due_us)
            link->members[i].due_us += waited_us;
    }
    for (unsigned i = 0; i < link->expected_count; i++)
        link->expected[(link->first + i) % EXPECTED_MAX].until_us += waited_us;
}

/*
 * This machine has no room for an entry or an order of MEMBER, or has waited in vain for a lock of
 * its hub: it joins again later, and the other hubs continue.
 */
static void set_aside(struct mrc_link_thread *link, struct mrc_member *member,
                      const struct mrc_engine_error *error)
{
    forget_expected(link, member);
    mrc_member_lose(member);
    member->join_at_us = mrc_clock_us() + RETRY_STUCK_US;
    mrc_link_set_refusal(member->link, MRC_LINK_REFUSED_DOWN);
    mrc_link_set_state(member->link, MRC_LINK_DOWN, apr_time_now());
    if (!member->has_reported_stuck && !mrc_ring_is_superseded(member->ring))
        mrc_member_report(member, MRC_LINK_EVENT_STUCK, error->text.text, 0, 0);
    member->has_reported_stuck = true;
}

/* ---- joining ----------------------------------------------------------------------------------*/

static bool wants_to_join(const struct mrc_member *member, int64_t now_us)
{
    return member->state == MRC_MEMBER_LED && now_us >= member->join_at_us;
}

/* Whether a hub waits to join, to read revocations, to enter its subscriptions, or to put back what
 * others did not: then nothing is sent on W until all replies have come. */
static bool has_to_join(const struct mrc_link_thread *link, int64_t now_us)
{
    for (size_t i = 0; i < link->count; i++) {
        if (wants_to_join(&link->members[i], now_us) || mrc_member_must_read(&link->members[i]) ||
            mrc_member_must_list(&link->members[i]) ||
            mrc_restore_is_due(&link->members[i], now_us))
            return true;
    }
    return false;
}

/* Another hub has the name of this one, or a newer version of the module wrote there. */
static void put_off(struct mrc_member *member, const struct mrc_engine_error *error, int64_t now_us)
{
    member->join_at_us = now_us + RETRY_OTHER_US;
    mrc_link_set_state(member->link, MRC_LINK_DOWN, apr_time_now());
    if (!member->has_reported_refusal)
        mrc_member_report(member, MRC_LINK_EVENT_REFUSED, error->text.text, 0, 0);
    member->has_reported_refusal = true;
}

/*
 * Begins to read what other machines ask. Nobody waits for answers to earlier questions any more.
 */
static bool begin_asks(const struct mrc_link_thread *link, struct mrc_member *member,
                       struct mrc_engine_error *error)
{
    member->reads_asks = false;
    return !link->respond || !mrc_hub_revocations(member->hub) ||
           mrc_asks_begin(link->redis, &member->keys, member->asks_after, &member->reads_asks,
                          error);
}

static void report_full(struct mrc_member *member, bool is_full, const char *text)
{
    if (member->is_full != is_full)
        mrc_member_report(member, is_full ? MRC_LINK_EVENT_FULL : MRC_LINK_EVENT_TAKES, text, 0, 0);
    member->is_full = is_full;
}

/* The engine may list too few or too many subscriptions of MEMBER, and accepts no writes now. */
static void refuse(struct mrc_member *member, int64_t now_us, const struct mrc_engine_error *error)
{
    mrc_outbox_refuse(member->outbox);
    member->send_at_us = now_us + RETRY_FULL_US;
    report_full(member, true, error->text.text);
}

/* The engine accepts no writes, and MEMBER cannot join without one: the other hubs continue. */
static void wait_for_room(struct mrc_member *member, int64_t now_us,
                          const struct mrc_engine_error *error)
{
    member->join_at_us = now_us + RETRY_STUCK_US;
    mrc_link_set_refusal(member->link, MRC_LINK_REFUSED_FULL);
    mrc_link_set_state(member->link, MRC_LINK_DOWN, apr_time_now());
    report_full(member, true, error->text.text);
}

/* Does what MEMBER needs the connection for alone. False: the connection has failed. */
static bool join_one(struct mrc_link_thread *link, struct mrc_member *member, int64_t now_us,
                     struct mrc_engine_error *error)
{
    if (mrc_member_must_read(member) && !mrc_member_read_revocations(member, link->redis, error)) {
        if (member->is_blocked)
            set_aside(link, member, error);
        return member->is_blocked;
    }
    if (mrc_member_must_list(member)) {
        if (!mrc_member_list(member, link->redis, error))
            return false;
        if (mrc_member_owes_list(member))
            refuse(member, now_us, error);
    }
    if (mrc_restore_is_due(member, now_us) && !mrc_restore(member, link->redis, now_us, error))
        return false;
    if (!wants_to_join(member, now_us))
        return true;
    if (!begin_asks(link, member, error))
        return false;
    if (mrc_member_join(member, link->redis, now_us, error)) {
        mrc_beat_begin(member, now_us);
        mrc_restore_begin(member, now_us);
        return true;
    }
    if (member->is_blocked)
        set_aside(link, member, error);
    else if (error->reason == MRC_ENGINE_IDENTITY)
        put_off(member, error, now_us);
    else if (error->reason == MRC_ENGINE_FULL)
        wait_for_room(member, now_us, error);
    else
        return false;
    return true;
}

/* False: the connection has failed. */
static bool join(struct mrc_link_thread *link, struct mrc_engine_error *error)
{
    for (size_t i = 0; i < link->count; i++) {
        if (!join_one(link, &link->members[i], mrc_clock_us(), error))
            return false;
    }
    report_up(link);
    link->pause_us = 0;
    return true;
}

/* ---- sending ----------------------------------------------------------------------------------*/

static void expect(struct mrc_link_thread *link, enum expected_kind kind, struct mrc_member *member,
                   int64_t until_us)
{
    link->expected[(link->first + link->expected_count++) % EXPECTED_MAX] =
        (struct expected){kind, member, until_us};
}

static void send_batch(struct mrc_link_thread *link, struct mrc_member *member, int64_t now_us)
{
    struct mrc_redis_publish publish = {.generation = member->position.generation};
    int64_t timeout_us = member->spec->engine.timeout_us;

    if (mrc_member_owes_list(member)) {
        member->must_list = member->must_list || mrc_outbox_has_work(member->outbox);
        return;
    }
    mrc_member_fill_bounds(member, &publish);
    if (!mrc_outbox_send(member->outbox, link->redis, &member->keys, &publish, now_us))
        return;
    expect(link, EXPECT_PUBLISH, member, now_us + timeout_us);
    if (member->spec->replicas == 0)
        return;
    mrc_redis_wait_add(link->redis, member->spec->replicas, (unsigned)(timeout_us / 2 / MS));
    expect(link, EXPECT_WAIT, member, now_us + 2 * timeout_us);
}

static void send_question(struct mrc_link_thread *link, struct mrc_member *member, int64_t now_us)
{
    uint32_t asked = mrc_link_asked(member->link);

    if (member->asked || asked == mrc_link_answered(member->link))
        return;
    member->asked = asked;
    member->is_asking = true;
    mrc_redis_head_add(link->redis, &member->keys);
    expect(link, EXPECT_HEAD, member, now_us + member->spec->engine.timeout_us);
}

static void send_all(struct mrc_link_thread *link, int64_t now_us)
{
    if (has_to_join(link, now_us))
        return;
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state != MRC_MEMBER_IN || link->expected_count + 5 > EXPECTED_MAX)
            continue;
        if (now_us >= member->send_at_us)
            send_batch(link, member, now_us);
        send_question(link, member, now_us);
        if (mrc_beat_send(member, link->redis, now_us))
            expect(link, EXPECT_BEAT, member, now_us + member->spec->engine.timeout_us);
        if (mrc_beat_send_reap(member, link->redis))
            expect(link, EXPECT_REAP, member, now_us + member->spec->engine.timeout_us);
    }
}

static void add_keys(struct mrc_redis *redis, const struct mrc_member *member)
{
    mrc_redis_read_key_add(redis, member->keys.log);
    if (member->reads_asks)
        mrc_redis_read_key_add(redis, member->keys.asks);
}

static void add_places(struct mrc_redis *redis, const struct mrc_member *member)
{
    mrc_redis_read_after_add(redis, member->position.number);
    if (member->reads_asks)
        mrc_redis_read_after_id_add(redis, member->asks_after);
}

static void send_read(struct mrc_link_thread *link, int64_t now_us)
{
    size_t in = 0, entries = READ_BYTES / link->entry_bytes;

    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].state == MRC_MEMBER_IN)
            in += link->members[i].reads_asks ? 2 : 1;
    }
    if (in == 0 || link->is_reading)
        return;
    if (entries > READ_ENTRIES_MAX)
        entries = READ_ENTRIES_MAX;
    if (entries < READ_ENTRIES_MIN)
        entries = READ_ENTRIES_MIN;
    link->read_entries = (unsigned)entries;
    mrc_redis_read_add(link->redis, BLOCK_MS, link->read_entries, in);
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].state == MRC_MEMBER_IN)
            add_keys(link->redis, &link->members[i]);
    }
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].state == MRC_MEMBER_IN)
            add_places(link->redis, &link->members[i]);
    }
    link->is_reading = true;
    link->read_until_us = now_us + BLOCK_MS * MS + link->spec->timeout_us;
}

/* ---- replies on W -----------------------------------------------------------------------------*/

static bool take_publish(struct mrc_member *member, const struct redisReply *reply, int64_t now_us,
                         struct mrc_engine_error *error)
{
    uint64_t newest, last;

    if (mrc_redis_publish_reply(reply, &newest, &last, error)) {
        mrc_link_set_newest(member->link, newest);
        mrc_outbox_stored(member->outbox, newest);
        mrc_outbox_reached(member->outbox, member->position.number, now_us);
        report_full(member, false, NULL);
        return true;
    }
    if (error->reason != MRC_ENGINE_FULL)
        return false;
    mrc_outbox_refused(member->outbox);
    member->send_at_us = now_us + RETRY_FULL_US;
    report_full(member, true, error->text.text);
    return true;
}

static bool take_head(struct mrc_member *member, const struct redisReply *reply, int64_t now_us,
                      struct mrc_engine_error *error)
{
    uint32_t generation;
    uint64_t newest;

    if (!mrc_redis_head_reply(reply, &generation, &newest, error))
        return false;
    if (generation != member->position.generation) {
        error->reason = MRC_ENGINE_RESET;
        mrc_error_set(&error->text, MRC_EINVAL, "the hub has another generation");
        return false;
    }
    mrc_link_set_newest(member->link, newest);
    member->is_asking = false;
    member->asked_number = newest;
    mrc_member_announce(member, now_us);
    return true;
}

static bool take_wait(struct mrc_member *member, const struct redisReply *reply, int64_t now_us,
                      struct mrc_engine_error *error)
{
    uint64_t replicas;

    if (!mrc_redis_wait_reply(reply, &replicas, error))
        return false;
    mrc_outbox_confirmed(member->outbox, replicas >= member->spec->replicas, now_us);
    return true;
}

static bool take_reply(const struct expected *expected, const struct redisReply *reply,
                       int64_t now_us, struct mrc_engine_error *error)
{
    struct mrc_member *member = expected->member;

    if (!member || member->state != MRC_MEMBER_IN)
        return true;
    switch (expected->kind) {
    case EXPECT_PUBLISH:
        return take_publish(member, reply, now_us, error);
    case EXPECT_WAIT:
        return take_wait(member, reply, now_us, error);
    case EXPECT_HEAD:
        return take_head(member, reply, now_us, error);
    case EXPECT_BEAT:
        return mrc_beat_take(member, reply, now_us, error);
    case EXPECT_REAP:
        return mrc_beat_take_reap(member, reply, error);
    }
    return true;
}

static bool receive_w(struct mrc_link_thread *link, int64_t now_us, struct mrc_engine_error *error)
{
    struct redisReply *reply;

    if (!mrc_redis_receive(link->redis, MRC_REDIS_W, error))
        return false;
    for (;;) {
        bool is_good;

        if (!mrc_redis_take(link->redis, MRC_REDIS_W, &reply, error))
            return false;
        if (!reply)
            return true;
        if (link->expected_count == 0) {
            mrc_redis_free_reply(reply);
            error->reason = MRC_ENGINE_PROTOCOL;
            mrc_error_set(&error->text, MRC_EINVAL, "the server sends an answer to no question");
            return false;
        }
        is_good = take_reply(&link->expected[link->first], reply, now_us, error);
        mrc_redis_free_reply(reply);
        link->first = (link->first + 1) % EXPECTED_MAX;
        link->expected_count--;
        if (!is_good)
            return false;
    }
}

/* ---- replies on R -----------------------------------------------------------------------------*/

struct reading {
    struct mrc_link_thread *link;
    int64_t now_us;
};

static bool take_entry(void *ctx, struct mrc_bytes log, const struct mrc_entry *entry,
                       struct mrc_engine_error *error)
{
    const struct reading *reading = ctx;
    struct mrc_link_thread *link = reading->link;

    link->entry_bytes = (15 * link->entry_bytes + entry->blob.len + 100) / 16;
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (!mrc_bytes_eq_str(log, member->keys.log))
            continue;
        if (member->state != MRC_MEMBER_IN ||
            mrc_member_take(member, entry, reading->now_us, error))
            return true;
        if (member->is_stuck) {
            mrc_member_announce(member, reading->now_us);
            set_aside(link, member, error);
        }
        return member->is_stuck;
    }
    return true;
}

static bool is_asked(const struct mrc_member *member, const struct mrc_ask *ask)
{
    return (mrc_bytes_eq_str(ask->to, "*") || mrc_bytes_eq_str(ask->to, member->machine)) &&
           !mrc_bytes_eq_str(ask->from, member->machine);
}

static void take_ask(void *ctx, struct mrc_bytes asks, struct mrc_bytes id,
                     const struct mrc_ask *ask)
{
    const struct reading *reading = ctx;
    struct mrc_link_thread *link = reading->link;

    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (!member->reads_asks || !mrc_bytes_eq_str(asks, member->keys.asks))
            continue;
        snprintf(member->asks_after, sizeof(member->asks_after), "%.*s", (int)id.len, id.ptr);
        if (ask && member->state == MRC_MEMBER_IN && is_asked(member, ask))
            mrc_respond_post(link->respond, member->hub, ask);
    }
}

static bool receive_r(struct mrc_link_thread *link, int64_t now_us, struct mrc_engine_error *error)
{
    struct reading reading = {link, now_us};
    struct redisReply *reply;
    bool is_good;

    if (!mrc_redis_receive(link->redis, MRC_REDIS_R, error) ||
        !mrc_redis_take(link->redis, MRC_REDIS_R, &reply, error))
        return false;
    if (!reply) {
        put_off_deadlines(link, now_us);
        return true;
    }
    link->is_reading = false;
    is_good = mrc_redis_read_reply(reply, take_entry, take_ask, &reading, error);
    mrc_redis_free_reply(reply);
    excuse_engine(link, mrc_clock_us() - now_us); /* a hub may have waited for a lock */
    for (size_t i = 0; i < link->count; i++) {
        if (link->members[i].state == MRC_MEMBER_IN)
            mrc_member_announce(&link->members[i], now_us);
    }
    return is_good;
}

/* ---- the Sentinel -----------------------------------------------------------------------------*/

static bool has_sentinel(const struct mrc_link_thread *link)
{
    return link->redis && mrc_redis_fd(link->redis, MRC_REDIS_S) >= 0;
}

/* A Sentinel that fails is no reason to leave the primary. After the next failure of the primary,
 * the other Sentinels are asked. */
static void drop_sentinel(struct mrc_link_thread *link)
{
    mrc_redis_drop_sentinel(link->redis);
    link->is_asking_sentinel = false;
}

static void ask_sentinel(struct mrc_link_thread *link, int64_t now_us)
{
    struct mrc_engine_error unused;

    if (!has_sentinel(link) || now_us < link->sentinel_at_us)
        return;
    if (link->is_asking_sentinel) { /* it has not answered */
        drop_sentinel(link);
        return;
    }
    mrc_redis_sentinel_add(link->redis);
    link->is_asking_sentinel = true;
    link->sentinel_at_us = now_us + SENTINEL_US;
    if (!mrc_redis_flush(link->redis, MRC_REDIS_S, &unused))
        drop_sentinel(link);
}

/* False: the primary is another server now. */
static bool receive_s(struct mrc_link_thread *link, struct mrc_engine_error *error)
{
    struct redisReply *reply = NULL;
    bool is_good = true;

    if (!has_sentinel(link))
        return true;
    if (!mrc_redis_receive(link->redis, MRC_REDIS_S, error) ||
        !mrc_redis_take(link->redis, MRC_REDIS_S, &reply, error)) {
        drop_sentinel(link);
        return true;
    }
    if (!reply)
        return true;
    link->is_asking_sentinel = false;
    if (!mrc_redis_sentinel_reply(link->redis, reply, error)) {
        is_good = error->reason != MRC_ENGINE_READONLY;
        if (is_good)
            drop_sentinel(link);
    }
    mrc_redis_free_reply(reply);
    return is_good;
}

/* ---- one turn ---------------------------------------------------------------------------------*/

static bool is_late(struct mrc_link_thread *link, int64_t now_us, struct mrc_engine_error *error)
{
    const char *text = NULL;

    if (link->expected_count > 0 && now_us > link->expected[link->first].until_us)
        text = "the server has not answered in time";
    else if (link->is_reading && now_us > link->read_until_us)
        text = "the server has not ended a read in time";
    for (size_t i = 0; i < link->count && !text; i++) {
        const struct mrc_member *member = &link->members[i];

        if (member->state == MRC_MEMBER_IN && member->due_us && now_us > member->due_us)
            text = "entries that are in the log do not arrive";
    }
    if (!text)
        return false;
    error->reason = MRC_ENGINE_TIMEOUT;
    mrc_error_set(&error->text, MRC_EINVAL, "%s", text);
    /* The network may be too slow for so many entries. */
    link->entry_bytes = (size_t)4 * READ_BYTES / link->read_entries;
    return true;
}

/* Flushes SIDE, and watches for what it waits for. */
static bool flush(struct mrc_link_thread *link, enum mrc_redis_side side,
                  struct mrc_engine_error *error)
{
    struct epoll_event event = {.data.u32 = side};

    if (!mrc_redis_flush(link->redis, side, error))
        return false;
    event.events = EPOLLIN | (mrc_redis_has_more(link->redis, side) ? (uint32_t)EPOLLOUT : 0);
    if (event.events != link->events[side])
        epoll_ctl(link->epoll_fd, EPOLL_CTL_MOD, mrc_redis_fd(link->redis, side), &event);
    link->events[side] = event.events;
    return true;
}

/* Does what can be done with the connection. False: it has failed. */
static bool work(struct mrc_link_thread *link, int64_t now_us, struct mrc_engine_error *error)
{
    if (link->expected_count == 0 && has_to_join(link, now_us)) {
        int64_t began_us = now_us;

        if (!join(link, error))
            return false;
        now_us = mrc_clock_us(); /* it may have waited long */
        excuse_engine(link, now_us - began_us);
    }
    send_all(link, now_us);
    send_read(link, now_us);
    ask_sentinel(link, now_us);
    return flush(link, MRC_REDIS_W, error) && flush(link, MRC_REDIS_R, error) &&
           !is_late(link, now_us, error);
}

/* While there is no connection, nothing that is staged may wait for one. */
static void refuse_staged(struct mrc_link_thread *link)
{
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];
        struct mrc_link_status status;

        if (member->state != MRC_MEMBER_LED)
            continue;
        mrc_link_get_status(member->link, &status);
        if (status.state == MRC_LINK_DOWN)
            mrc_outbox_refuse_staged(member->outbox);
    }
}

/* Notes whether the thread sleeps. False: there is something to do. */
static bool set_napping(struct mrc_link_thread *link, bool is_napping)
{
    bool may_sleep = true;

    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state == MRC_MEMBER_OUT)
            continue;
        mrc_link_set_napping(member->link, is_napping);
        if (is_napping && mrc_outbox_has_work(member->outbox) &&
            (member->state == MRC_MEMBER_LED || mrc_clock_us() >= member->send_at_us))
            may_sleep = false;
        if (is_napping && member->state == MRC_MEMBER_IN && !member->asked &&
            mrc_link_asked(member->link) != mrc_link_answered(member->link))
            may_sleep = false;
    }
    return may_sleep;
}

/* The next moment at which something is due. */
static int64_t next_us(const struct mrc_link_thread *link)
{
    int64_t next = link->lead_at_us;

    if (leads_any(link) && !link->redis && link->connect_at_us < next)
        next = link->connect_at_us;
    if (has_sentinel(link) && link->sentinel_at_us < next)
        next = link->sentinel_at_us;
    if (link->expected_count > 0 && link->expected[link->first].until_us < next)
        next = link->expected[link->first].until_us;
    for (size_t i = 0; i < link->count; i++) {
        const struct mrc_member *member = &link->members[i];

        if (member->state == MRC_MEMBER_IN && member->restore_at_us && member->restore_at_us < next)
            next = member->restore_at_us;
        if (member->state == MRC_MEMBER_IN && member->beat_at_us < next)
            next = member->beat_at_us;
        if (member->state == MRC_MEMBER_IN && member->is_full &&
            mrc_outbox_has_work(member->outbox) && member->send_at_us < next)
            next = member->send_at_us;
    }
    return next;
}

/* Waits for the engine, for publishers, or until something is due. */
static bool wait_for_events(struct mrc_link_thread *link, struct mrc_engine_error *error)
{
    struct epoll_event events[8];
    int64_t wait_us;
    int n;

    if (!set_napping(link, true)) {
        wait_us = 0;
    } else {
        wait_us = next_us(link) - mrc_clock_us();
    }
    n = epoll_wait(link->epoll_fd, events, 8, wait_us <= 0 ? 0 : (int)(wait_us / MS) + 1);
    set_napping(link, false);
    mrc_wake_drain(&link->wake);
    for (int i = 0; i < n; i++) {
        int64_t now_us = mrc_clock_us();

        if (!link->redis)
            break;
        if (events[i].data.u32 == MRC_REDIS_W && !receive_w(link, now_us, error))
            return false;
        if (events[i].data.u32 == MRC_REDIS_R && !receive_r(link, now_us, error))
            return false;
        if (events[i].data.u32 == MRC_REDIS_S && !receive_s(link, error))
            return false;
    }
    return true;
}

static void turn(struct mrc_link_thread *link)
{
    struct mrc_engine_error error = {.reason = MRC_ENGINE_PROTOCOL};
    int64_t now_us = mrc_clock_us();

    settle_the_lead(link, now_us);
    if (leads_any(link) && !link->redis && now_us >= link->connect_at_us)
        connect_now(link);
    refuse_staged(link);
    if (link->redis && !work(link, mrc_clock_us(), &error))
        fail(link, &error);
    else if (!wait_for_events(link, &error))
        fail(link, &error);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_link_thread *link = arg;

    while (!atomic_load(&link->stopping))
        turn(link);
    close_connections(link);
    for (size_t i = 0; i < link->count; i++)
        mrc_member_resign(&link->members[i]);
    mrc_lookups_free(link->lookups);
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------*/

static apr_status_t close_epoll(void *data)
{
    const struct mrc_link_thread *link = data;

    close(link->epoll_fd);
    return APR_SUCCESS;
}

static apr_status_t open_epoll(apr_pool_t *pool, struct mrc_link_thread *link)
{
    link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (link->epoll_fd < 0)
        return errno;
    apr_pool_cleanup_register(pool, link, close_epoll, apr_pool_cleanup_null);
    return watch(link, link->wake.fd, EPOLLIN, WATCHED_WAKE) &&
                   watch(link, mrc_notify_bell_fd(link->notify), EPOLLIN | EPOLLET, WATCHED_BELL)
               ? APR_SUCCESS
               : errno;
}

static bool has_operators(struct mrc_hub *const *hubs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mrc_hub_revocations(hubs[i]))
            return true;
    }
    return false;
}

apr_status_t mrc_link_thread_start(apr_pool_t *pool, struct mrc_hub *const *hubs, size_t count,
                                   const struct mrc_notify *notify, mrc_link_report_fn *report_fn,
                                   void *report_ctx, const struct mrc_responder *responder,
                                   struct mrc_link_thread **ret_link)
{
    struct mrc_link_thread *link = apr_pcalloc(pool, sizeof(*link));
    apr_status_t status = mrc_wake_open(&link->wake, pool);

    if (status != APR_SUCCESS)
        return status;
    link->notify = notify;
    link->report = report_fn;
    link->report_ctx = report_ctx;
    link->spec = &mrc_hub_get_spec(hubs[0])->transport->engine;
    link->count = count;
    link->members = apr_pcalloc(pool, count * sizeof(*link->members));
    link->reported = MRC_ENGINE_REASONS;
    link->entry_bytes = ENTRY_BYTES_FIRST;
    link->read_entries = READ_ENTRIES_MAX;
    link->random = (unsigned)getpid();
    link->line = mrc_query_line_create(pool);
    if (!link->line)
        return APR_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        mrc_member_init(pool, &link->members[i], hubs[i], report_fn, report_ctx);
        mrc_query_create(pool, link->line, hubs[i]);
    }
    link->lookups = mrc_lookups_create(); /* the thread frees it */
    if (!link->lookups)
        return APR_ENOMEM;
    status = open_epoll(pool, link);
    if (status == APR_SUCCESS && responder && has_operators(hubs, count))
        status = mrc_respond_start(pool, responder, &link->respond);
    if (status == APR_SUCCESS)
        status = mrc_thread_start(pool, run, link, &link->thread);
    if (status != APR_SUCCESS) {
        mrc_respond_post_stop(link->respond);
        if (!mrc_respond_join(link->respond, mrc_clock_us() + 1000 * MS))
            status = APR_INCOMPLETE;
        mrc_lookups_free(link->lookups);
    }
    if (status == APR_SUCCESS)
        *ret_link = link;
    return status;
}

void mrc_link_thread_post_drain(struct mrc_link_thread *link)
{
    atomic_store(&link->draining, true);
    mrc_wake_post(&link->wake);
}

void mrc_link_thread_post_stop(struct mrc_link_thread *link)
{
    atomic_store(&link->stopping, true);
    mrc_wake_post(&link->wake);
    mrc_respond_post_stop(link->respond);
}

bool mrc_link_thread_join(struct mrc_link_thread *link, int64_t until_us)
{
    return mrc_thread_join(link->thread, until_us) && mrc_respond_join(link->respond, until_us);
}
