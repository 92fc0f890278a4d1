/*
 * Two hubs share a link. What one of them cannot do does not stop the other one.
 */
#include <stdatomic.h>
#include <sys/epoll.h>

#include <hiredis/hiredis.h>

#include "hub/control/order.h"
#include "hub/transport/link.h"
#include "hub/transport/proxy.h"
#include "hub_unit.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/engine/redis.h"
#include "store/engine/redis_unit.h"
#include "store/engine/registry.h"
#include "store/regions/link.h"

#define GENERATION 7
#define UNTIL_US   INT64_C(9000000000000000)
#define SECOND_US  ((int64_t)1000 * 1000)
#define DEADLINE_US                                                                                \
    (40 * SECOND_US) /* far more than is needed: only a broken build waits that long */

enum { BLOCKED, FREE, HUBS };

static const char *const path = "/hub";
static struct mrc_transport_spec transports[HUBS] = {
    {.name = "blocked", .identity = "/hub"},
    {.name = "free", .identity = "/hub"},
};
static struct hub_place places[HUBS];
static struct mrc_link_thread *link_thread;
static atomic_uint downs, stuck, full, takes;

/* ---- the ring that takes no order -------------------------------------------------------------*/

static atomic_bool is_blocked;
static atomic_uint attempts;
static _Atomic useconds_t lock_us = 2500 * 1000; /* longer than the engine may take for an answer */

apr_status_t __real_mrc_ring_append_control(struct mrc_ring *ring, struct mrc_bytes payload,
                                            int64_t now_us, int64_t wait_us, uint64_t *ret_seq);
apr_status_t __wrap_mrc_ring_append_control(struct mrc_ring *ring, struct mrc_bytes payload,
                                            int64_t now_us, int64_t wait_us, uint64_t *ret_seq);

/* Waits in vain. */
apr_status_t __wrap_mrc_ring_append_control(struct mrc_ring *ring, struct mrc_bytes payload,
                                            int64_t now_us, int64_t wait_us, uint64_t *ret_seq)
{
    if (ring != mrc_hub_ring(places[BLOCKED].hub) || !atomic_load(&is_blocked))
        return __real_mrc_ring_append_control(ring, payload, now_us, wait_us, ret_seq);
    usleep(lock_us);
    atomic_fetch_add(&attempts, 1);
    return APR_TIMEUP;
}

/* ---- how often the thread looks for something to do -------------------------------------------*/

static atomic_uint turns;

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    atomic_fetch_add(&turns, 1);
    return __real_epoll_wait(fd, events, max, timeout);
}

/* ---- the hubs ---------------------------------------------------------------------------------*/

static struct hub_place open_place(struct mrc_transport_spec *transport, bool is_controlled)
{
    const struct mrc_hub_spec spec = {
        .shape = {.is_controlled = is_controlled, .roster_subscribers = 4},
        .is_controlled = is_controlled,
        .paths = &path,
        .paths_count = 1,
        .transport = transport,
    };

    transport->engine =
        (struct mrc_engine_spec){.hosts = &proxy_host, .hosts_count = 1, .timeout_us = SECOND_US};
    transport->prefix = "mercure";
    transport->machine = "machine";
    transport->lease_us = 60 * SECOND_US;
    return hub_place_open(1024 * 1024, &spec);
}

/* Another machine has made hub I. */
static struct mrc_redis *make_hub(int i, struct mrc_redis_keys *ret_keys)
{
    const struct mrc_redis_join_args args = {
        .fresh_generation = GENERATION,
        .writer = 1,
        .identity = "/hub",
        .bounds = "count=0 bytes=0 age=0",
        .fresh_key = "00ff",
    };
    struct mrc_engine_error error;
    struct mrc_redis_join unused;
    struct mrc_redis *redis;

    mrc_redis_keys_make(places[i].pool, "mercure", transports[i].name, "machine.1", ret_keys);
    redis = mrc_redis_open(NULL, &redis_spec, ret_keys->log, &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
    ck_assert_msg(mrc_redis_join(redis, ret_keys, &args, &unused, &error), "%s", error.text.text);
    return redis;
}

/* It has entered a revocation for the blocked hub. */
static void enter_revocation(void)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    struct mrc_revocation entry = {.until_us = UNTIL_US};
    unsigned char random[16] = "revocation";
    struct mrc_engine_error error;
    char id[MRC_UPDATE_ID_BYTES];
    struct mrc_redis_keys keys;
    struct mrc_redis *redis = make_hub(BLOCKED, &keys);
    struct mrc_buf bytes;
    bool is_lifted;

    mrc_update_id_make(random, id);
    order.jti = mrc_bytes_of("jti");
    order.id = mrc_bytes_of(id);
    order.until_us = UNTIL_US;
    mrc_buf_init(&bytes, SIZE_MAX);
    mrc_order_encode(&order, &bytes);
    entry.data = mrc_buf_bytes(&bytes);
    ck_assert(mrc_update_id_parse(order.id, entry.id));
    ck_assert_msg(mrc_registry_enter(redis, &keys, GENERATION, &entry, 1, &is_lifted, &error), "%s",
                  error.text.text);
    mrc_buf_free(&bytes);
    mrc_redis_close(redis);
}

/* Sets an option of the server. */
static void configure(const char *option, const char *value)
{
    redisContext *connection = redisConnect("127.0.0.1", redis_port);
    redisReply *reply;

    ck_assert(connection && !connection->err);
    reply = redisCommand(connection, "CONFIG SET %s %s", option, value);
    ck_assert(reply && reply->type == REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    redisFree(connection);
}

static void note_report(void *ctx, const struct mrc_link_report *report)
{
    if (report->event == MRC_LINK_EVENT_DOWN)
        atomic_fetch_add(&downs, 1);
    if (report->event == MRC_LINK_EVENT_STUCK)
        atomic_fetch_add(&stuck, 1);
    if (report->event == MRC_LINK_EVENT_FULL)
        atomic_fetch_add(&full, 1);
    if (report->event == MRC_LINK_EVENT_TAKES)
        atomic_fetch_add(&takes, 1);
}

static void start_link(void)
{
    struct mrc_hub *const hubs[] = {places[BLOCKED].hub, places[FREE].hub};

    ck_assert_int_eq(mrc_link_thread_start(places[BLOCKED].pool, hubs, HUBS, places[BLOCKED].notify,
                                           note_report, NULL, NULL, &link_thread),
                     APR_SUCCESS);
}

static apr_status_t publish(int i)
{
    const char *topic = "topic";

    return hub_publish_to(places[i].hub, "id", &topic, 1, mrc_bytes_of("data"), false);
}

static bool is_up(int i)
{
    struct mrc_link_status status;

    mrc_link_get_status(mrc_hub_link(places[i].hub), &status);
    return status.state == MRC_LINK_UP;
}

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (!(condition)) {                                                                     \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            usleep(2000);                                                                          \
        }                                                                                          \
    } while (0)

static void setup(void)
{
    redis_start();
    connection_bytes = SIZE_MAX;
    start_proxy();
    for (int i = 0; i < HUBS; i++)
        places[i] = open_place(&transports[i], i == BLOCKED);
}

static void tear_down(void)
{
    mrc_link_thread_post_stop(link_thread);
    ck_assert(mrc_link_thread_join(link_thread, mrc_clock_us() + 10 * SECOND_US));
    for (int i = 0; i < HUBS; i++) {
        mrc_hub_set_query(places[i].hub, NULL);
        hub_place_close(&places[i]);
    }
    redis_stop();
}

START_TEST(a_hub_that_takes_no_order_leaves_the_others_alone)
{
    enter_revocation();
    atomic_store(&is_blocked, true);
    start_link();
    wait_until(is_up(FREE));
    /* Twice: the engine, which has a second, is not blamed for that. */
    wait_until(atomic_load(&attempts) >= 2);
    ck_assert(!is_up(BLOCKED));
    wait_until(publish(FREE) == APR_SUCCESS); /* between two of these waits */
    atomic_store(&is_blocked, false);
    wait_until(is_up(BLOCKED));
    ck_assert(is_up(FREE));
    ck_assert_uint_eq(atomic_load(&downs), 0);
    ck_assert_uint_eq(atomic_load(&stuck), 1);
    ck_assert_int_eq(publish(BLOCKED), APR_SUCCESS);
}
END_TEST

/* An attempt that does not wait is no reason to wait longer for the engine. */
START_TEST(a_connection_that_has_died_is_noticed_while_a_hub_is_blocked)
{
    enter_revocation();
    atomic_store(&is_blocked, true);
    lock_us = 0;
    start_link();
    wait_until(is_up(FREE));
    wait_until(atomic_load(&attempts) >= 2);
    atomic_store(&is_reader_silent, true);
    wait_until(atomic_load(&downs) > 0);
    ck_assert(!is_up(FREE));
    atomic_store(&is_reader_silent, false);
    wait_until(is_up(FREE));
    wait_until(publish(FREE) == APR_SUCCESS);
}
END_TEST

/* Each has subscriptions to enter, which the engine refuses. */
START_TEST(hubs_join_an_engine_that_accepts_no_writes)
{
    struct mrc_redis_keys unused;

    for (int i = 0; i < HUBS; i++)
        mrc_redis_close(make_hub(i, &unused));
    configure("min-replicas-to-write", "1");
    start_link();
    for (int i = 0; i < HUBS; i++)
        wait_until(is_up(i));
    wait_until(atomic_load(&full) == HUBS);
    for (int i = 0; i < HUBS; i++)
        ck_assert_int_eq(publish(i), MRC_STATUS_UNREACHABLE);
    atomic_store(&turns, 0);
    usleep(1000 * 1000);
    ck_assert_uint_lt(atomic_load(&turns), 200); /* it waits for publishers without turning */
    configure("min-replicas-to-write", "0");
    for (int i = 0; i < HUBS; i++)
        wait_until(publish(i) == APR_SUCCESS);
    ck_assert_uint_eq(atomic_load(&downs), 0);
    ck_assert_uint_eq(atomic_load(&full), HUBS);
    wait_until(atomic_load(&takes) == HUBS);
}
END_TEST

/* The engine does not have the blocked hub, and cannot make it. */
START_TEST(a_hub_that_the_engine_cannot_make_leaves_the_others_alone)
{
    struct mrc_redis_keys unused;

    mrc_redis_close(make_hub(FREE, &unused));
    configure("min-replicas-to-write", "1");
    start_link();
    wait_until(is_up(FREE));
    wait_until(atomic_load(&full) == HUBS);
    ck_assert(!is_up(BLOCKED));
    configure("min-replicas-to-write", "0");
    wait_until(is_up(BLOCKED));
    ck_assert_int_eq(publish(BLOCKED), APR_SUCCESS);
    ck_assert_uint_eq(atomic_load(&downs), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("apart");
    TCase *tcase = tcase_create("apart");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_set_timeout(tcase, 90);
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, a_hub_that_takes_no_order_leaves_the_others_alone);
    tcase_add_test(tcase, a_connection_that_has_died_is_noticed_while_a_hub_is_blocked);
    tcase_add_test(tcase, hubs_join_an_engine_that_accepts_no_writes);
    tcase_add_test(tcase, a_hub_that_the_engine_cannot_make_leaves_the_others_alone);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
