#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "apr_time.h"

#include "hub/hub/hub.h"
#include "hub/transport/link_internal.h"
#include "hub/transport/member.h"
#include "store/base/clock.h"

#define MS ((int64_t)1000)

/* The pauses between two attempts to connect. */
#define RETRY_MIN_US  (50 * MS)
#define RETRY_MAX_US  (1000 * MS) /* with its spread, a machine is back soon after the engine */
#define RETRY_AUTH_US (5000 * MS)
#define RETRY_BUSY_US (200 * MS)

/* The Sentinel is asked for the primary this often. */
#define SENTINEL_US (1000 * MS)

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

void mrc_link_thread_disconnect(struct mrc_link_thread *link)
{
    mrc_redis_close(link->redis); /* epoll forgets closed descriptors */
    link->redis = NULL;
    link->first = link->expected_count = 0;
    link->is_reading = false;
    for (size_t i = 0; i < link->count; i++)
        mrc_member_lose(&link->members[i]);
}

void mrc_link_thread_fail(struct mrc_link_thread *link, const struct mrc_engine_error *error)
{
    bool was_connected = link->redis != NULL;

    for (size_t i = 0; i < link->count; i++)
        mrc_link_set_refusal(link->members[i].link, error->reason == MRC_ENGINE_READONLY
                                                        ? MRC_LINK_REFUSED_READONLY
                                                        : MRC_LINK_REFUSED_DOWN);
    mrc_link_thread_disconnect(link);
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

bool mrc_link_thread_watch(struct mrc_link_thread *link, int fd, uint32_t events, uint32_t which)
{
    struct epoll_event event = {.events = events, .data.u32 = which};

    return epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Whether the server may remove keys that have no expiry. */
static bool is_evicting(const struct mrc_redis_about *about)
{
    return about->has_maxmemory && !strncmp(about->policy, "allkeys-", 8);
}

void mrc_link_thread_report_up(struct mrc_link_thread *link)
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

void mrc_link_thread_connect(struct mrc_link_thread *link)
{
    struct mrc_engine_error error = {.reason = MRC_ENGINE_REFUSED};

    link->redis = mrc_redis_open(link->lookups, link->spec, link->members[0].keys.log, &error);
    if (!link->redis) {
        mrc_link_thread_fail(link, &error);
        return;
    }
    link->sentinel_at_us = mrc_clock_us() + SENTINEL_US;
    link->is_asking_sentinel = false;
    for (int side = 0; side < MRC_REDIS_SIDES; side++) {
        int fd = mrc_redis_fd(link->redis, (enum mrc_redis_side)side);

        link->events[side] = EPOLLIN;
        if (fd >= 0 && !mrc_link_thread_watch(link, fd, EPOLLIN, (uint32_t)side)) {
            error.reason = MRC_ENGINE_PROTOCOL;
            mrc_error_set(&error.text, MRC_EINVAL, "epoll: %s", strerror(errno));
            mrc_link_thread_fail(link, &error);
            return;
        }
    }
}

/* ---- the Sentinel -----------------------------------------------------------------------------*/

bool mrc_link_thread_has_sentinel(const struct mrc_link_thread *link)
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

void mrc_link_thread_ask_sentinel(struct mrc_link_thread *link, int64_t now_us)
{
    struct mrc_engine_error unused;

    if (!mrc_link_thread_has_sentinel(link) || now_us < link->sentinel_at_us)
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

bool mrc_link_thread_receive_s(struct mrc_link_thread *link, struct mrc_engine_error *error)
{
    struct redisReply *reply = NULL;
    bool is_good = true;

    if (!mrc_link_thread_has_sentinel(link))
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
