/*
 * The revocations that the engine keeps: a machine that joins takes them and ends the streams of
 * those that are new here, even if its leader dies meanwhile. It enters those that the engine has
 * lost, and the machines that joined before learn them.
 */
#include <limits.h>
#include <stdatomic.h>

#include "core/base/buf.h"
#include "hub/control/order.h"
#include "hub/transport/beat.h"
#include "hub/transport/dying.h"
#include "hub/transport/member.h"
#include "hub/transport/relay.h"
#include "hub_unit.h"
#include "store/base/sparse.h"
#include "store/engine/redis_internal.h"
#include "store/engine/redis_unit.h"
#include "store/engine/registry.h"
#include "store/engine/wire.h"
#include "store/regions/link.h"
#include "store/regions/revocations.h"

#define UNTIL_US   INT64_C(9000000000000000)
#define UNTIL      "9000000000000000"
#define GENERATION 77

static const char *const path = "/hub";
static const struct mrc_transport_spec transport = {
    .prefix = "mercure",
    .name = "hub",
    .identity = "/hub",
    .machine = "machine",
    .lease_us = 15 * 1000 * 1000,
};
static const struct mrc_hub_spec spec = {
    .shape = {.is_controlled = true},
    .is_controlled = true,
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};
static const struct mrc_hub_spec without_operator = {
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};

static struct hub_place place;
static struct mrc_link *the_link;
static struct mrc_ring *the_ring;
static struct mrc_redis_keys keys;
static struct mrc_redis *redis;
static struct mrc_engine_error error;
static uint64_t generation_before, control_before;

static struct mrc_redis *connect_redis(void)
{
    struct mrc_redis *own = mrc_redis_open(NULL, &redis_spec, keys.log, &error);

    ck_assert_msg(own != NULL, "%s", error.text.text);
    return own;
}

/* Makes the hub in the engine. */
static void make_hub(void)
{
    static const struct mrc_redis_join_args args = {
        .fresh_generation = GENERATION,
        .writer = 1,
        .identity = "/hub",
        .bounds = "count=0",
        .fresh_key = "00ff",
    };
    static const struct mrc_link_position position = {.generation = GENERATION};
    struct mrc_redis_join unused;

    ck_assert_msg(mrc_redis_join(redis, &keys, &args, &unused, &error), "%s", error.text.text);
    mrc_link_set_position(the_link, &position);
}

static void setup(void)
{
    redis_start();
    place = hub_place_open(1024 * 1024, &spec);
    the_link = mrc_hub_link(place.hub);
    the_ring = mrc_hub_ring(place.hub);
    ck_assert_ptr_nonnull(mrc_hub_revocations(place.hub));
    mrc_redis_keys_make(place.pool, transport.prefix, transport.name, "machine.1", &keys);
    redis = connect_redis();
    make_hub();
}

static void tear_down(void)
{
    mrc_redis_close(redis);
    hub_place_close(&place);
    redis_stop();
}

/* ---- revocations ------------------------------------------------------------------------------*/

/* Makes the revocation of the token JTI; BYTES, which the caller frees, gets its order. */
static struct mrc_revocation revocation_of(const char *jti, struct mrc_buf *bytes)
{
    struct mrc_revocation entry = {.until_us = UNTIL_US};
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    unsigned char random[16] = {0};
    char id[MRC_UPDATE_ID_BYTES];

    memcpy(random, jti, strlen(jti));
    mrc_update_id_make(random, id);
    order.jti = mrc_bytes_of(jti);
    order.id = mrc_bytes_of(id);
    order.until_us = UNTIL_US;
    mrc_buf_init(bytes, SIZE_MAX);
    mrc_order_encode(&order, bytes);
    entry.data = mrc_buf_bytes(bytes);
    ck_assert(mrc_update_id_parse(order.id, entry.id));
    return entry;
}

/* Enters the revocation of the token JTI in the engine; its order is in no log. */
static void enter_revocation(const char *jti)
{
    struct mrc_buf bytes;
    struct mrc_revocation entry = revocation_of(jti, &bytes);
    bool is_lifted;

    ck_assert_msg(mrc_registry_enter(redis, &keys, GENERATION, &entry, 1, &is_lifted, &error), "%s",
                  error.text.text);
    ck_assert(!is_lifted);
    mrc_buf_free(&bytes);
}

/* An operator lifts the revocation of the token JTI at another machine. */
static void lift(const char *jti)
{
    const struct mrc_redis_publish publish = {
        .generation = GENERATION, .writer = 1, .counter = 1, .entries = 1};
    struct mrc_buf bytes, operation;
    struct mrc_revocation entry = revocation_of(jti, &bytes);
    uint64_t newest, last;

    mrc_buf_init(&operation, SIZE_MAX);
    mrc_buf_add_str(&operation, "l" UNTIL " ");
    mrc_buf_add_bytes(&operation, entry.data);
    mrc_redis_publish_add(redis, &keys, &publish);
    mrc_redis_entry_add(redis, 1, mrc_bytes_of("order"), mrc_buf_bytes(&operation));
    ck_assert_msg(mrc_redis_publish_end(redis, &newest, &last, &error), "%s", error.text.text);
    mrc_buf_free(&operation);
    mrc_buf_free(&bytes);
}

static bool count_one(void *ctx, struct mrc_bytes unused)
{
    ++*(unsigned *)ctx;
    return true;
}

/* The number of revocations in the engine. */
static unsigned count_entered(void)
{
    unsigned count = 0;

    ck_assert_msg(mrc_registry_revocations(redis, &keys, 0, count_one, &count, &error), "%s",
                  error.text.text);
    return count;
}

/* The number of orders in RING that revoke the token JTI; NULL: any token. */
static unsigned count_orders(const struct mrc_ring *ring, const char *jti)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(ring);
    unsigned count = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS) {
        struct mrc_order order;

        ck_assert(record.view.is_control);
        ck_assert_int_eq(mrc_order_decode(record.view.payload, &order), MRC_OK);
        count += !jti || mrc_bytes_eq_str(order.jti, jti);
    }
    mrc_ring_record_free(&record);
    return count;
}

/* ---- joining ----------------------------------------------------------------------------------*/

/* Joins as member.c does. Returns whether the children have received orders. */
static bool join(struct mrc_redis *own)
{
    struct mrc_relay_found found;

    ck_assert_msg(mrc_relay_join(place.hub, own, &keys, false, &found, &error), "%s",
                  error.text.text);
    mrc_link_set_debts(the_link, 0);
    ck_assert_uint_eq(found.lacks_bytes, 0);
    return found.has_orders;
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
    ck_assert_uint_eq(count_orders(the_ring, "a"), 1);
    ck_assert_uint_eq(count_orders(the_ring, "b"), 1);
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
           mrc_ring_control(the_ring) == control_before;
}

START_TEST(so_do_they_if_the_leader_dies_before_it_gives_the_order)
{
    enter_revocation("a");
    generation_before = mrc_revocations_generation(mrc_hub_revocations(place.hub));
    control_before = mrc_ring_control(the_ring);
    switch (die_at(join_and_end, UINT_MAX, lacks_order)) {
    case -1:
        fprintf(stderr, "# ptrace is forbidden here: not tested\n");
        return;
    case 0:
        ck_abort_msg("the leader was never there");
    }
    ck_assert(lacks_order());
    ck_assert_uint_eq(count_orders(the_ring, "a"), 0);
    ck_assert(join(redis));
    ck_assert_uint_eq(count_orders(the_ring, "a"), 1);
    ck_assert(!join(redis));
}
END_TEST

/* ---- entering again ---------------------------------------------------------------------------*/

/* A machine. All of them use one connection, one after the other. */
struct machine {
    struct hub_place place;
    struct mrc_member member;
};

static unsigned fulls; /* how often a list was reported full */

static void note_report(void *ctx, const struct mrc_link_report *report)
{
    fulls += report->event == MRC_LINK_EVENT_REVOCATIONS;
}

static void open_machine(struct machine *machine, const struct mrc_hub_spec *its_spec)
{
    machine->place = hub_place_open(1024 * 1024, its_spec);
    mrc_member_init(machine->place.pool, &machine->member, machine->place.hub, note_report, NULL);
    ck_assert(mrc_member_lead(&machine->member));
}

static void close_machine(struct machine *machine)
{
    mrc_member_resign(&machine->member);
    hub_place_close(&machine->place);
}

static void join_engine(struct machine *machine)
{
    mrc_member_lose(&machine->member);
    ck_assert_msg(mrc_member_join(&machine->member, redis, 1, &error), "%s", error.text.text);
    ck_assert_uint_eq(machine->member.position.generation, GENERATION);
    ck_assert(!mrc_member_must_read(&machine->member));
}

/* The machine knows the revocation of the token JTI from before. */
static void know(const struct machine *machine, const char *jti)
{
    struct mrc_buf bytes;
    struct mrc_revocation entry = revocation_of(jti, &bytes);

    ck_assert_int_eq(
        mrc_revocations_add(mrc_hub_revocations(machine->place.hub), &entry, apr_time_now()),
        APR_SUCCESS);
    mrc_buf_free(&bytes);
}

static unsigned count_known(const struct machine *machine)
{
    struct mrc_revocation entry;
    struct mrc_buf copy;
    unsigned count = 0;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    mrc_revocations_copy(mrc_hub_revocations(machine->place.hub), &copy);
    while (mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry))
        count++;
    mrc_buf_free(&copy);
    return count;
}

/* The machine sends a beat. Whether it must read the revocations then. */
static bool beat(struct machine *machine)
{
    struct redisReply *reply = NULL;

    machine->member.beat_at_us = 0;
    ck_assert(mrc_beat_send(&machine->member, redis, 1));
    ck_assert(mrc_redis_flush(redis, MRC_REDIS_W, &error));
    for (int i = 0; i < 5000 && !reply; i++) {
        ck_assert_msg(mrc_redis_receive(redis, MRC_REDIS_W, &error), "%s", error.text.text);
        ck_assert(mrc_redis_take(redis, MRC_REDIS_W, &reply, &error));
        if (!reply)
            usleep(1000);
    }
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(mrc_beat_take(&machine->member, reply, 1, &error), "%s", error.text.text);
    mrc_redis_free_reply(reply);
    return mrc_member_must_read(&machine->member);
}

static void read_again(struct machine *machine)
{
    ck_assert_msg(mrc_member_read_revocations(&machine->member, redis, &error), "%s",
                  error.text.text);
    ck_assert(!mrc_member_must_read(&machine->member));
}

static void command(const char *const *words, size_t count)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct redisReply *reply;

    mrc_wire_begin(wire, count);
    for (size_t i = 0; i < count; i++)
        mrc_wire_add_text(wire, words[i]);
    reply = mrc_redis_wait_on(redis, MRC_REDIS_W, &error);
    ck_assert_msg(reply != NULL, "%s", error.text.text);
    mrc_redis_free_reply(reply);
}

/* The engine lost the revocation, and a machine that does not know it was the first to join. */
START_TEST(a_machine_that_joined_before_learns_what_another_one_enters_again)
{
    struct machine first, second;

    open_machine(&first, &spec);
    open_machine(&second, &spec);
    know(&second, "a");
    join_engine(&first);
    ck_assert(!beat(&first));
    ck_assert_uint_eq(count_known(&first), 0);
    join_engine(&second);
    ck_assert(beat(&first));
    read_again(&first);
    ck_assert_uint_eq(count_known(&first), 1);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(first.place.hub), "a"), 1);
    ck_assert(!beat(&first));
    /* The machine that has entered it reads it, too, but ends no streams again. */
    ck_assert(beat(&second));
    read_again(&second);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(second.place.hub), NULL), 0);
    ck_assert(!beat(&second));
    close_machine(&first);
    close_machine(&second);
}
END_TEST

static const char *const fill[] = {"CONFIG", "SET", "maxmemory", "1"};
static const char *const unfill[] = {"CONFIG", "SET", "maxmemory", "0"};

/* Beats are refused, and do not say whether something has changed. */
START_TEST(it_learns_that_even_if_the_engine_refuses_writes_after_that)
{
    struct machine first, second;

    open_machine(&first, &spec);
    open_machine(&second, &spec);
    know(&second, "a");
    join_engine(&first);
    join_engine(&second);
    command(fill, 4);
    ck_assert(beat(&first));
    read_again(&first);
    ck_assert_uint_eq(count_known(&first), 1);
    close_machine(&first);
    close_machine(&second);
}
END_TEST

/* The machine can read all the same, so it joins. */
START_TEST(an_engine_that_refuses_writes_gets_them_later)
{
    struct machine machine;

    open_machine(&machine, &spec);
    join_engine(&machine);
    know(&machine, "a");
    command(fill, 4);
    join_engine(&machine);
    ck_assert_uint_eq(count_known(&machine), 1);
    ck_assert(beat(&machine));
    read_again(&machine);
    ck_assert_uint_eq(count_entered(), 0);
    command(unfill, 4);
    ck_assert(beat(&machine));
    read_again(&machine);
    ck_assert_uint_eq(count_entered(), 1);
    ck_assert(beat(&machine)); /* the engine has a new number */
    read_again(&machine);
    ck_assert(!beat(&machine));
    close_machine(&machine);
}
END_TEST

/* ---- a list without room ----------------------------------------------------------------------*/

/* The machine takes entry NUMBER of the log, which revokes the token JTI. */
static bool take_order(struct machine *machine, uint64_t number, const char *jti)
{
    struct mrc_entry entry = {
        .number = number,
        .generation = GENERATION,
        .is_ours = true,
        .head.token = {.writer = 1, .counter = number, .time_us = 1},
    };
    struct mrc_buf order, blob;
    bool is_good;

    revocation_of(jti, &order);
    mrc_buf_init(&blob, SIZE_MAX);
    mrc_entry_add_blob(&blob, MRC_ENTRY_CONTROL, mrc_bytes_of(""), mrc_buf_bytes(&order));
    entry.blob = mrc_buf_bytes(&blob);
    is_good = mrc_member_take(&machine->member, &entry, 1, &error);
    mrc_buf_free(&blob);
    mrc_buf_free(&order);
    return is_good;
}

/* Adds an entry with BYTES of data, which is no revocation, to the list. */
static struct mrc_revocation add_filler(const struct machine *machine, size_t bytes)
{
    struct mrc_revocation entry = {.id = {'f'}, .until_us = UNTIL_US, .data.len = bytes};
    char *data = calloc(1, bytes);

    ck_assert_ptr_nonnull(data);
    entry.data.ptr = data;
    ck_assert_int_eq(
        mrc_revocations_add(mrc_hub_revocations(machine->place.hub), &entry, apr_time_now()),
        APR_SUCCESS);
    free(data);
    entry.data = mrc_bytes_of("");
    return entry;
}

/* The list then has room for less than a revocation. */
static struct mrc_revocation fill_list(const struct machine *machine)
{
    return add_filler(machine,
                      (size_t)(mrc_revocations_bytes() - mrc_revocations_head_bytes()) / 2 - 64);
}

static void remove_filler(const struct machine *machine, const struct mrc_revocation *filler)
{
    ck_assert_int_eq(
        mrc_revocations_remove(mrc_hub_revocations(machine->place.hub), filler->id, apr_time_now()),
        APR_SUCCESS);
}

/* The order that the machine has read does not come again. */
START_TEST(a_list_that_was_full_gets_later_what_an_order_has_revoked)
{
    struct mrc_revocation filler;
    struct machine machine;

    open_machine(&machine, &spec);
    join_engine(&machine);
    filler = fill_list(&machine);
    ck_assert_msg(take_order(&machine, 1, "a"), "%s", error.text.text);
    enter_revocation("a");
    ck_assert(beat(&machine)); /* the engine has a new number */
    read_again(&machine);
    ck_assert_uint_eq(fulls, 1);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "a"), 1);
    ck_assert_uint_eq(count_known(&machine), 1);
    ck_assert(!beat(&machine)); /* it would find no room */
    remove_filler(&machine, &filler);
    ck_assert(beat(&machine));
    read_again(&machine);
    ck_assert_uint_eq(count_known(&machine), 1);
    /* Streams may have begun with the token meanwhile. */
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "a"), 2);
    ck_assert(!beat(&machine));
    ck_assert_uint_eq(fulls, 1);
    close_machine(&machine);
}
END_TEST

/* The streams of all of them end, once. */
START_TEST(a_list_that_was_full_gets_later_what_it_did_not_take_at_the_join)
{
    struct mrc_revocation filler;
    struct machine machine;

    open_machine(&machine, &spec);
    join_engine(&machine);
    filler = fill_list(&machine);
    enter_revocation("a");
    enter_revocation("b");
    ck_assert(beat(&machine));
    for (int i = 0; i < 2; i++) {
        read_again(&machine);
        ck_assert_uint_eq(count_known(&machine), 1);
        ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "a"), 1);
        ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "b"), 1);
        ck_assert_uint_eq(fulls, 1);
        ck_assert(!beat(&machine));
    }
    remove_filler(&machine, &filler);
    ck_assert(beat(&machine));
    read_again(&machine);
    ck_assert_uint_eq(count_known(&machine), 2);
    ck_assert(!beat(&machine));
    close_machine(&machine);
}
END_TEST

/* Sets what the segments of all hubs may take. 0: no limit. */
static void limit_memory(uint64_t bytes)
{
    atomic_store((_Atomic uint64_t *)(uintptr_t)store_budget()->limit, bytes);
}

/* The machine joins. The segments have taken all that they may then, and the ring has its pages. */
static void take_all_memory(struct machine *machine)
{
    enter_revocation("a");
    join_engine(machine);
    add_filler(machine, 16384); /* the other half of the list has no pages for it */
    limit_memory(atomic_load(store_budget()->taken));
}

static void check_none(struct machine *machine, const char *jti)
{
    ck_assert_uint_eq(count_known(machine), 2);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine->place.hub), jti), 0);
    ck_assert_uint_eq(fulls, 0); /* nothing that is lifted would help */
}

/* Then the order stays the next entry. */
START_TEST(without_memory_a_machine_does_not_pass_over_an_order)
{
    struct machine machine;

    if (!mrc_sparse_is_possible(store_shared(4096)))
        return;
    open_machine(&machine, &spec);
    take_all_memory(&machine);
    ck_assert(!take_order(&machine, 1, "b"));
    ck_assert(machine.member.is_stuck);
    check_none(&machine, "b");
    limit_memory(0);
    ck_assert_msg(take_order(&machine, 1, "b"), "%s", error.text.text);
    ck_assert_uint_eq(count_known(&machine), 3);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "b"), 1);
    close_machine(&machine);
}
END_TEST

START_TEST(without_memory_a_machine_does_not_join)
{
    struct machine machine;

    if (!mrc_sparse_is_possible(store_shared(4096)))
        return;
    open_machine(&machine, &spec);
    take_all_memory(&machine);
    enter_revocation("b");
    for (int i = 0; i < 2; i++) {
        mrc_member_lose(&machine.member);
        ck_assert(!mrc_member_join(&machine.member, redis, 1, &error));
        ck_assert(machine.member.is_blocked);
        check_none(&machine, "b");
    }
    limit_memory(0);
    join_engine(&machine);
    ck_assert_uint_eq(count_known(&machine), 3);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "b"), 1);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), "a"), 1);
    close_machine(&machine);
}
END_TEST

START_TEST(thousands_are_entered_and_read_again)
{
    struct machine first, second;
    char jti[16];

    open_machine(&first, &spec);
    open_machine(&second, &spec);
    join_engine(&first);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(jti, sizeof(jti), "t%u", i);
        know(&second, jti);
        if (i % 3 == 0)
            enter_revocation(jti); /* an earlier leader, which has died */
    }
    join_engine(&second);
    ck_assert_uint_eq(count_entered(), 1000);
    ck_assert(beat(&first));
    read_again(&first);
    ck_assert_uint_eq(count_known(&first), 1000);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(first.place.hub), NULL), 1000);
    ck_assert_uint_eq(count_known(&second), 1000);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(second.place.hub), NULL), 0);
    close_machine(&first);
    close_machine(&second);
}
END_TEST

/* The machine has not read the order to lift it, and the log may not have it any more. */
START_TEST(a_revocation_that_was_lifted_meanwhile_is_removed)
{
    struct machine first, second;

    open_machine(&first, &spec);
    open_machine(&second, &spec);
    join_engine(&first);
    know(&second, "a");
    know(&second, "b");
    lift("a");
    join_engine(&second);
    ck_assert_uint_eq(count_known(&second), 1);
    ck_assert_uint_eq(count_entered(), 1);
    ck_assert(beat(&first));
    read_again(&first);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(first.place.hub), "a"), 0);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(first.place.hub), "b"), 1);
    close_machine(&first);
    close_machine(&second);
}
END_TEST

/* After a failover, the log may be complete although the engine lacks what was entered last. */
START_TEST(what_the_engine_has_lost_is_entered_whatever_the_log_says)
{
    const char *const drop[] = {"DEL", keys.revocations};
    struct machine machine;

    open_machine(&machine, &spec);
    know(&machine, "a");
    join_engine(&machine);
    ck_assert_uint_eq(count_entered(), 1);
    command(drop, 2);
    join_engine(&machine);
    ck_assert_uint_eq(count_entered(), 1);
    close_machine(&machine);
}
END_TEST

START_TEST(a_machine_without_an_operator_has_no_revocations)
{
    struct machine machine;

    open_machine(&machine, &without_operator);
    ck_assert_ptr_null(mrc_hub_revocations(machine.place.hub));
    enter_revocation("a");
    join_engine(&machine);
    ck_assert(!beat(&machine));
    enter_revocation("b");
    ck_assert(beat(&machine));
    read_again(&machine);
    ck_assert_uint_eq(count_orders(mrc_hub_ring(machine.place.hub), NULL), 0);
    ck_assert_uint_eq(count_entered(), 2);
    close_machine(&machine);
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
    tcase_add_test(tcase, a_machine_that_joined_before_learns_what_another_one_enters_again);
    tcase_add_test(tcase, it_learns_that_even_if_the_engine_refuses_writes_after_that);
    tcase_add_test(tcase, an_engine_that_refuses_writes_gets_them_later);
    tcase_add_test(tcase, a_list_that_was_full_gets_later_what_an_order_has_revoked);
    tcase_add_test(tcase, a_list_that_was_full_gets_later_what_it_did_not_take_at_the_join);
    tcase_add_test(tcase, without_memory_a_machine_does_not_pass_over_an_order);
    tcase_add_test(tcase, without_memory_a_machine_does_not_join);
    tcase_add_test(tcase, thousands_are_entered_and_read_again);
    tcase_add_test(tcase, a_revocation_that_was_lifted_meanwhile_is_removed);
    tcase_add_test(tcase, what_the_engine_has_lost_is_entered_whatever_the_log_says);
    tcase_add_test(tcase, a_machine_without_an_operator_has_no_revocations);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
