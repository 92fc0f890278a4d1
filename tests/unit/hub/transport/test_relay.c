/* A machine that joins takes the revocations of the engine, and ends the streams of those that are
 * new here, even if its leader dies meanwhile. */
#include <limits.h>

#include "core/base/buf.h"
#include "hub/control/order.h"
#include "hub/transport/dying.h"
#include "hub/transport/relay.h"
#include "hub_unit.h"
#include "store/engine/redis_unit.h"
#include "store/engine/registry.h"
#include "store/regions/link.h"
#include "store/regions/revocations.h"

#define UNTIL_US INT64_C(9000000000000000)

static const char *const path = "/hub";
static const struct mrc_transport_spec transport = {
    .prefix = "mercure",
    .name = "hub",
    .identity = "/hub",
    .machine = "machine",
};
static const struct mrc_hub_spec spec = {
    .shape = {.is_controlled = true},
    .is_controlled = true,
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};

static struct hub_place place;
static struct mrc_link *the_link;
static struct mrc_ring *ring;
static struct mrc_redis_keys keys;
static struct mrc_redis *redis;
static uint64_t generation_before, control_before;

static struct mrc_redis *connect_redis(void)
{
    struct mrc_engine_error error;
    struct mrc_redis *own = mrc_redis_open(NULL, &redis_spec, keys.log, &error);

    ck_assert_msg(own != NULL, "%s", error.text.text);
    return own;
}

static void setup(void)
{
    redis_start();
    place = hub_place_open(1024 * 1024, &spec);
    the_link = mrc_hub_link(place.hub);
    ring = mrc_hub_ring(place.hub);
    ck_assert_ptr_nonnull(mrc_hub_revocations(place.hub));
    mrc_redis_keys_make(place.pool, transport.prefix, transport.name, "machine.1", &keys);
    redis = connect_redis();
}

static void tear_down(void)
{
    mrc_redis_close(redis);
    hub_place_close(&place);
    redis_stop();
}

/* Enters the revocation of the token JTI, whose order is in no log. */
static void enter_revocation(const char *jti)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    unsigned char random[16] = {0};
    char id[MRC_UPDATE_ID_BYTES];
    struct mrc_engine_error error;
    struct mrc_buf bytes;

    memcpy(random, jti, strlen(jti));
    mrc_update_id_make(random, id);
    order.jti = mrc_bytes_of(jti);
    order.id = mrc_bytes_of(id);
    order.until_us = UNTIL_US;
    mrc_buf_init(&bytes, SIZE_MAX);
    mrc_order_encode(&order, &bytes);
    mrc_registry_begin(redis, &keys, MRC_REGISTRY_REVOKE, 1);
    mrc_registry_add(redis, (uint64_t)UNTIL_US, mrc_buf_bytes(&bytes));
    ck_assert_msg(mrc_registry_end(redis, &error), "%s", error.text.text);
    mrc_buf_free(&bytes);
}

/* Joins as member.c does. Returns whether the children have received orders. */
static bool join(struct mrc_redis *own)
{
    struct mrc_relay_joined joined;
    struct mrc_engine_error error;

    ck_assert_msg(
        mrc_relay_join(place.hub, own, &keys, mrc_link_get_debts(the_link), &joined, &error), "%s",
        error.text.text);
    mrc_link_set_debts(the_link, 0);
    ck_assert(!joined.is_full);
    return joined.has_orders;
}

/* The number of orders in the ring that revoke the token JTI. */
static unsigned count_orders(const char *jti)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(ring);
    unsigned count = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS) {
        struct mrc_order order;

        ck_assert(record.view.is_control);
        ck_assert_int_eq(mrc_order_decode(record.view.payload, &order), MRC_OK);
        count += mrc_bytes_eq_str(order.jti, jti);
    }
    mrc_ring_record_free(&record);
    return count;
}

START_TEST(the_streams_of_a_revocation_that_is_new_here_end)
{
    ck_assert(!join(redis));
    enter_revocation("a");
    ck_assert(join(redis));
    ck_assert(!mrc_revocations_is_empty(mrc_hub_revocations(place.hub)));
    generation_before = mrc_revocations_generation(mrc_hub_revocations(place.hub));
    ck_assert(!join(redis));
    /* Otherwise each of thousands of revocations would be written, and read by all children. */
    ck_assert_uint_eq(mrc_revocations_generation(mrc_hub_revocations(place.hub)),
                      generation_before);
    enter_revocation("b");
    ck_assert(join(redis));
    ck_assert_uint_eq(count_orders("a"), 1);
    ck_assert_uint_eq(count_orders("b"), 1);
}
END_TEST

static void join_and_end(void)
{
    struct mrc_redis *own = connect_redis();

    raise(SIGSTOP);
    join(own);
}

/* The list has the revocation, and the children do not know of it. */
static bool lacks_order(void)
{
    return mrc_revocations_generation(mrc_hub_revocations(place.hub)) != generation_before &&
           mrc_ring_control(ring) == control_before;
}

START_TEST(so_do_they_if_the_leader_dies_before_it_gives_the_order)
{
    enter_revocation("a");
    generation_before = mrc_revocations_generation(mrc_hub_revocations(place.hub));
    control_before = mrc_ring_control(ring);
    switch (die_at(join_and_end, UINT_MAX, lacks_order)) {
    case -1:
        fprintf(stderr, "# ptrace is forbidden here: not tested\n");
        return;
    case 0:
        ck_abort_msg("the leader was never there");
    }
    ck_assert(lacks_order());
    ck_assert_uint_eq(count_orders("a"), 0);
    ck_assert(join(redis));
    ck_assert_uint_eq(count_orders("a"), 1);
    ck_assert(!join(redis));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay");
    TCase *tcase = tcase_create("relay");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, the_streams_of_a_revocation_that_is_new_here_end);
    tcase_add_test(tcase, so_do_they_if_the_leader_dies_before_it_gives_the_order);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
