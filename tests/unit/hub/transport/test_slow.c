/*
 * A machine reads what is long for its network. Between link and server is a proxy, which
 * passes the server's answers slowly, or stops in the middle of them.
 */
#include <stdatomic.h>

#include "hub/control/order.h"
#include "hub/transport/link.h"
#include "hub/transport/proxy.h"
#include "hub_unit.h"
#include "store/base/clock.h"
#include "store/engine/redis.h"
#include "store/engine/redis_unit.h"
#include "store/engine/registry.h"
#include "store/regions/link.h"
#include "store/regions/revocations.h"

#define GENERATION  7
#define ENTRY_BYTES (64 * 1024)
#define SECOND_US   ((int64_t)1000 * 1000)
#define UNTIL_US    INT64_C(9000000000000000)

static const char *const path = "/hub";
static struct mrc_transport_spec transport = {
    .engine = {.hosts = &proxy_host, .hosts_count = 1, .timeout_us = 2 * SECOND_US},
    .prefix = "mercure",
    .name = "hub",
    .identity = "/hub",
    .machine = "machine",
    .lease_us = 15 * SECOND_US,
};
static const struct mrc_hub_spec spec = {
    .shape = {.is_controlled = true},
    .is_controlled = true,
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};

static struct hub_place place;
static struct mrc_link_thread *link_thread;
static atomic_uint downs; /* how often the link was reported down */

/* ---- the log ----------------------------------------------------------------------------------*/

/* The log has COUNT entries. They are no updates, so the machine passes over them. */
static void make_log(unsigned count)
{
    static char blob[ENTRY_BYTES];
    const struct mrc_redis_join_args args = {
        .fresh_generation = GENERATION,
        .writer = 1,
        .identity = "/hub",
        .bounds = "count=0 bytes=0 age=0",
        .fresh_key = "00ff",
    };
    const struct mrc_redis_publish batch = {
        .generation = GENERATION, .writer = 1, .counter = 1, .entries = count};
    struct mrc_engine_error error;
    struct mrc_redis_keys keys;
    struct mrc_redis_join unused;
    struct mrc_redis *redis;
    uint64_t newest, last;

    memset(blob, 'x', sizeof(blob));
    mrc_redis_keys_make(place.pool, transport.prefix, transport.name, "machine.1", &keys);
    redis = mrc_redis_open(NULL, &redis_spec, keys.log, &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
    ck_assert_msg(mrc_redis_join(redis, &keys, &args, &unused, &error), "%s", error.text.text);
    mrc_redis_publish_add(redis, &keys, &batch);
    for (unsigned i = 0; i < count; i++)
        mrc_redis_entry_add(redis, 1, (struct mrc_bytes){blob, sizeof(blob)}, mrc_bytes_of(""));
    ck_assert_msg(mrc_redis_publish_end(redis, &newest, &last, &error), "%s", error.text.text);
    ck_assert_uint_eq(newest, count);
    mrc_redis_close(redis);
}

static void enter_revocation(struct mrc_redis *redis, const struct mrc_redis_keys *keys, unsigned i)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    struct mrc_revocation entry = {.until_us = UNTIL_US};
    unsigned char random[16] = {0};
    char id[MRC_UPDATE_ID_BYTES], jti[900];
    struct mrc_engine_error error;
    struct mrc_buf bytes;
    bool is_lifted;

    memcpy(random, &i, sizeof(i));
    mrc_update_id_make(random, id);
    memset(jti, 'j', sizeof(jti));
    order.jti = (struct mrc_bytes){jti, sizeof(jti)};
    order.id = mrc_bytes_of(id);
    order.until_us = UNTIL_US;
    mrc_buf_init(&bytes, SIZE_MAX);
    mrc_order_encode(&order, &bytes);
    entry.data = mrc_buf_bytes(&bytes);
    ck_assert(mrc_update_id_parse(order.id, entry.id));
    ck_assert_msg(mrc_registry_enter(redis, keys, GENERATION, &entry, 1, &is_lifted, &error), "%s",
                  error.text.text);
    mrc_buf_free(&bytes);
}

/* The engine has COUNT revocations, each of about 1 KB. */
static void make_revocations(unsigned count)
{
    const struct mrc_redis_join_args args = {
        .fresh_generation = GENERATION,
        .writer = 1,
        .identity = "/hub",
        .bounds = "count=0 bytes=0 age=0",
        .fresh_key = "00ff",
    };
    struct mrc_engine_error error;
    struct mrc_redis_keys keys;
    struct mrc_redis_join unused;
    struct mrc_redis *redis;

    mrc_redis_keys_make(place.pool, transport.prefix, transport.name, "machine.1", &keys);
    redis = mrc_redis_open(NULL, &redis_spec, keys.log, &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
    ck_assert_msg(mrc_redis_join(redis, &keys, &args, &unused, &error), "%s", error.text.text);
    for (unsigned i = 0; i < count; i++)
        enter_revocation(redis, &keys, i);
    mrc_redis_close(redis);
}

/* ---- the link ---------------------------------------------------------------------------------*/

static void note_report(void *ctx, const struct mrc_link_report *report)
{
    if (report->event == MRC_LINK_EVENT_DOWN)
        atomic_fetch_add(&downs, 1);
}

static void start_link(void)
{
    struct mrc_hub *const hubs[] = {place.hub};

    ck_assert_int_eq(mrc_link_thread_start(place.pool, hubs, 1, place.notify, note_report, NULL,
                                           NULL, &link_thread),
                     APR_SUCCESS);
}

/* Waits until the machine has read entry NUMBER. */
static void wait_for(uint64_t number)
{
    int64_t until_us = mrc_clock_us() + 40 * SECOND_US;
    struct mrc_link_position position;

    do {
        usleep(10000);
        mrc_link_get_position(mrc_hub_link(place.hub), &position);
        ck_assert_msg(mrc_clock_us() < until_us, "it has read %u entries",
                      (unsigned)position.number);
    } while (position.number < number);
    ck_assert_uint_eq(position.number, number);
}

static void setup(void)
{
    redis_start();
    start_proxy();
    place = hub_place_open(1024 * 1024, &spec);
}

static void tear_down(void)
{
    mrc_link_thread_post_stop(link_thread);
    ck_assert(mrc_link_thread_join(link_thread, mrc_clock_us() + 10 * SECOND_US));
    mrc_hub_set_query(place.hub, NULL);
    hub_place_close(&place);
    redis_stop();
}

/* Five seconds for one answer, with a timeout of two. */
START_TEST(an_answer_that_takes_long_is_not_given_up_while_it_arrives)
{
    pause_us = 26 * 1000; /* 600 KB/s */
    connection_bytes = SIZE_MAX;
    make_log(48);
    start_link();
    wait_for(48);
    ck_assert_uint_eq(atomic_load(&downs), 0);
}
END_TEST

/* No connection is good for the whole log. */
START_TEST(after_an_answer_that_did_not_arrive_the_machine_asks_for_less)
{
    pause_us = 0;
    connection_bytes = 1024 * 1024;
    make_log(20);
    start_link();
    wait_for(20);
    ck_assert_uint_gt(atomic_load(&downs), 0);
}
END_TEST

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + 40 * SECOND_US;                                       \
        while (!(condition)) {                                                                     \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            usleep(10000);                                                                         \
        }                                                                                          \
    } while (0)

static bool is_up(void)
{
    struct mrc_link_status status;

    mrc_link_get_status(mrc_hub_link(place.hub), &status);
    return status.state == MRC_LINK_UP;
}

/* Four seconds for the answer, with a timeout of two. */
static unsigned count_known(void)
{
    struct mrc_revocation entry;
    struct mrc_buf copy;
    unsigned count = 0;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    mrc_revocations_copy(mrc_hub_revocations(place.hub), &copy);
    while (mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry))
        count++;
    mrc_buf_free(&copy);
    return count;
}

START_TEST(the_list_of_revocations_is_not_given_up_while_it_arrives)
{
    pause_us = 90 * 1000;
    connection_bytes = SIZE_MAX;
    make_revocations(750);
    start_link();
    wait_until(is_up());
    ck_assert_uint_eq(count_known(), 750);
    ck_assert_uint_eq(atomic_load(&downs), 0);
}
END_TEST

/* The other connection, which reads the log, is not blamed for that. */
START_TEST(nor_is_it_if_the_machine_has_joined_before)
{
    pause_us = 90 * 1000;
    connection_bytes = SIZE_MAX;
    make_revocations(1);
    start_link();
    wait_until(is_up());
    ck_assert_uint_eq(count_known(), 1);
    make_revocations(750);
    wait_until(count_known() == 750);
    hub_publish(place.hub, "id", "https://example.com/topic", "data"); /* the link goes on */
    ck_assert_uint_eq(atomic_load(&downs), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slow");
    TCase *tcase = tcase_create("slow");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, an_answer_that_takes_long_is_not_given_up_while_it_arrives);
    tcase_add_test(tcase, after_an_answer_that_did_not_arrive_the_machine_asks_for_less);
    tcase_add_test(tcase, the_list_of_revocations_is_not_given_up_while_it_arrives);
    tcase_add_test(tcase, nor_is_it_if_the_machine_has_joined_before);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
