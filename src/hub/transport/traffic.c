#include <stdio.h>
#include <sys/epoll.h>

#include "apr_time.h"

#include "hub/hub/hub.h"
#include "hub/transport/beat.h"
#include "hub/transport/link_internal.h"
#include "hub/transport/member.h"
#include "hub/transport/respond.h"
#include "hub/transport/restore.h"
#include "store/base/clock.h"
#include "store/ring/ring.h"

#define MS ((int64_t)1000)

/* The pauses between two attempts of one hub to join, or to send. */
#define RETRY_FULL_US  (200 * MS)
#define RETRY_OTHER_US (10000 * MS) /* a hub whose name belongs to another one */
#define RETRY_STUCK_US (1000 * MS)  /* one for which there is no room */

#define BLOCK_MS         1000
#define READ_BYTES       (4 * 1024 * 1024)
#define READ_ENTRIES_MIN 1

/* ---- one hub that cannot go on ---------------------------------------------------------------*/

void mrc_link_thread_forget_expected(struct mrc_link_thread *link, const struct mrc_member *member)
{
    for (unsigned i = 0; i < link->expected_count; i++) {
        struct mrc_link_expected *expected =
            &link->expected[(link->first + i) % MRC_LINK_EXPECTED_MAX];

        if (expected->member == member)
            expected->member = NULL;
    }
}

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
        link->expected[(link->first + i) % MRC_LINK_EXPECTED_MAX].until_us += waited_us;
}

/*
 * This machine has no room for an entry or an order of MEMBER, or has waited in vain for a lock of
 * its hub: it joins again later, and the other hubs continue.
 */
static void set_aside(struct mrc_link_thread *link, struct mrc_member *member,
                      const struct mrc_engine_error *error)
{
    mrc_link_thread_forget_expected(link, member);
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
    mrc_link_thread_report_up(link);
    link->pause_us = 0;
    return true;
}

/* ---- sending ----------------------------------------------------------------------------------*/

static void expect(struct mrc_link_thread *link, enum mrc_link_expected_kind kind,
                   struct mrc_member *member, int64_t until_us)
{
    link->expected[(link->first + link->expected_count++) % MRC_LINK_EXPECTED_MAX] =
        (struct mrc_link_expected){kind, member, until_us};
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
    expect(link, MRC_LINK_EXPECT_PUBLISH, member, now_us + timeout_us);
    if (member->spec->replicas == 0)
        return;
    mrc_redis_wait_add(link->redis, member->spec->replicas, (unsigned)(timeout_us / 2 / MS));
    expect(link, MRC_LINK_EXPECT_WAIT, member, now_us + 2 * timeout_us);
}

static void send_question(struct mrc_link_thread *link, struct mrc_member *member, int64_t now_us)
{
    uint32_t asked = mrc_link_asked(member->link);

    if (member->asked || asked == mrc_link_answered(member->link))
        return;
    member->asked = asked;
    member->is_asking = true;
    mrc_redis_head_add(link->redis, &member->keys);
    expect(link, MRC_LINK_EXPECT_HEAD, member, now_us + member->spec->engine.timeout_us);
}

static void send_all(struct mrc_link_thread *link, int64_t now_us)
{
    if (has_to_join(link, now_us))
        return;
    for (size_t i = 0; i < link->count; i++) {
        struct mrc_member *member = &link->members[i];

        if (member->state != MRC_MEMBER_IN || link->expected_count + 5 > MRC_LINK_EXPECTED_MAX)
            continue;
        if (now_us >= member->send_at_us)
            send_batch(link, member, now_us);
        send_question(link, member, now_us);
        if (mrc_beat_send(member, link->redis, now_us))
            expect(link, MRC_LINK_EXPECT_BEAT, member, now_us + member->spec->engine.timeout_us);
        if (mrc_beat_send_reap(member, link->redis))
            expect(link, MRC_LINK_EXPECT_REAP, member, now_us + member->spec->engine.timeout_us);
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
    if (entries > MRC_LINK_READ_ENTRIES_MAX)
        entries = MRC_LINK_READ_ENTRIES_MAX;
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

static bool take_reply(const struct mrc_link_expected *expected, const struct redisReply *reply,
                       int64_t now_us, struct mrc_engine_error *error)
{
    struct mrc_member *member = expected->member;

    if (!member || member->state != MRC_MEMBER_IN)
        return true;
    switch (expected->kind) {
    case MRC_LINK_EXPECT_PUBLISH:
        return take_publish(member, reply, now_us, error);
    case MRC_LINK_EXPECT_WAIT:
        return take_wait(member, reply, now_us, error);
    case MRC_LINK_EXPECT_HEAD:
        return take_head(member, reply, now_us, error);
    case MRC_LINK_EXPECT_BEAT:
        return mrc_beat_take(member, reply, now_us, error);
    case MRC_LINK_EXPECT_REAP:
        return mrc_beat_take_reap(member, reply, error);
    }
    return true;
}

bool mrc_link_thread_receive_w(struct mrc_link_thread *link, int64_t now_us,
                               struct mrc_engine_error *error)
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
        link->first = (link->first + 1) % MRC_LINK_EXPECTED_MAX;
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

bool mrc_link_thread_receive_r(struct mrc_link_thread *link, int64_t now_us,
                               struct mrc_engine_error *error)
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

bool mrc_link_thread_work(struct mrc_link_thread *link, int64_t now_us,
                          struct mrc_engine_error *error)
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
    mrc_link_thread_ask_sentinel(link, now_us);
    return flush(link, MRC_REDIS_W, error) && flush(link, MRC_REDIS_R, error) &&
           !is_late(link, now_us, error);
}
