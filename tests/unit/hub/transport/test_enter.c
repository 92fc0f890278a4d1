/* After a loss, a machine enters its subscriptions again; those that others have ended meanwhile
 * are announced as new ones. */
#include "core/base/buf.h"
#include "hub/transport/beat.h"
#include "hub/transport/listed.h"
#include "hub/transport/member.h"
#include "hub_unit.h"
#include "store/engine/redis_internal.h"
#include "store/engine/redis_unit.h"
#include "store/engine/registry.h"
#include "store/engine/wire.h"
#include "store/regions/link.h"
#include "store/regions/roster.h"

static const char *const path = "/hub";
static const struct mrc_transport_spec transport = {
    .engine = {.timeout_us = 1000 * 1000},
    .prefix = "mercure",
    .name = "hub",
    .identity = "/hub",
    .machine = "machine",
    .lease_us = 15 * 1000 * 1000,
};
static const struct mrc_hub_spec spec = {
    .shape = {.roster_subscribers = 4},
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};

static struct hub_place place;
static struct mrc_link *the_link;
static struct mrc_roster *roster;
static struct mrc_member member;
static struct mrc_redis *redis;
static struct mrc_engine_error error;
static uint32_t ids[3]; /* the subscriptions a and b, and c, which has ended */

static void ignore(void *ctx, const struct mrc_link_report *report)
{
}

static struct mrc_roster_entry subscription(unsigned i)
{
    static const char *const topics[] = {"a", "b", "c"};

    return (struct mrc_roster_entry){.type = MRC_MATCHER_EXACT, .match = mrc_bytes_of(topics[i])};
}

static void add_subscriptions(void)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct mrc_roster_entry entry = subscription(i);

        ck_assert_int_eq(mrc_roster_add(roster, HUB_SLOT, &entry, true, &ids[i]), APR_SUCCESS);
        mrc_roster_activate(roster, ids[i]);
        mrc_roster_set_told(roster, ids[i]);
    }
    mrc_roster_end(roster, ids[2]);
}

/* Joins; the machine owes its subscriptions, as after a loss. */
static void join(void)
{
    mrc_member_lose(&member);
    mrc_link_set_debts(the_link, MRC_LINK_OWES_ENTRIES);
    ck_assert_msg(mrc_member_join(&member, redis, 1, &error), "%s", error.text.text);
    mrc_beat_begin(&member, 1);
}

static void beat(void)
{
    struct redisReply *reply = NULL;

    ck_assert(mrc_beat_send(&member, redis, member.beat_at_us));
    ck_assert(mrc_redis_flush(redis, MRC_REDIS_W, &error));
    for (int i = 0; i < 5000 && !reply; i++) {
        ck_assert_msg(mrc_redis_receive(redis, MRC_REDIS_W, &error), "%s", error.text.text);
        ck_assert(mrc_redis_take(redis, MRC_REDIS_W, &reply, &error));
        if (!reply)
            usleep(1000);
    }
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(mrc_beat_take(&member, reply, 1, &error), "%s", error.text.text);
    mrc_redis_free_reply(reply);
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

static void configure(const char *option, const char *value)
{
    const char *const words[] = {"CONFIG", "SET", option, value};

    command(words, 4);
}

static void setup(void)
{
    redis_start();
    place = hub_place_open(1024 * 1024, &spec);
    the_link = mrc_hub_link(place.hub);
    roster = mrc_hub_roster(place.hub);
    mrc_member_init(place.pool, &member, place.hub, ignore, NULL);
    redis = mrc_redis_open(NULL, &redis_spec, member.keys.log, &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
    ck_assert(mrc_member_lead(&member));
    add_subscriptions();
    join();
    beat();
    ck_assert(mrc_link_has_beaten(the_link));
}

static void tear_down(void)
{
    mrc_member_resign(&member);
    mrc_redis_close(redis);
    hub_place_close(&place);
    redis_stop();
}

/* ---- the engine -------------------------------------------------------------------------------*/

static bool note_member(void *ctx, struct mrc_bytes text)
{
    struct mrc_roster_entry entry = {.type = 0};

    ck_assert_int_eq(mrc_listed_parse(text, &entry), MRC_OK);
    mrc_buf_add_bytes(ctx, entry.match);
    mrc_roster_entry_free(&entry);
    return true;
}

/* Fails unless the engine lists the subscriptions TOPICS. */
static void check_listed(const char *topics)
{
    const struct mrc_bytes none = {"", 0};
    struct mrc_buf found;
    size_t count;

    mrc_buf_init(&found, SIZE_MAX);
    ck_assert(mrc_registry_subscriptions(redis, &member.keys, member.machine, none, none,
                                         note_member, &found, &count, &error));
    ck_assert_bytes_eq(mrc_buf_bytes(&found), topics);
    mrc_buf_free(&found);
}

static void copy_value(void *ctx, struct mrc_bytes machine, struct mrc_bytes value)
{
    ck_assert_bytes_eq(machine, member.machine);
    mrc_buf_add_bytes(ctx, value);
}

/* Others remove the first COUNT subscriptions. */
static void remove_some(size_t count)
{
    struct mrc_registry_end ends[3];
    struct mrc_buf value, members[3];
    struct mrc_registry_reap reap = {
        .generation = member.position.generation,
        .machine = member.machine,
        .writer = 9,
        .counter = 1,
        .ends = ends,
        .count = count,
    };
    int64_t left;
    char *text;

    mrc_buf_init(&value, SIZE_MAX);
    ck_assert(mrc_registry_machines(redis, &member.keys, copy_value, &value, &error));
    text = mrc_buf_take(&value, NULL);
    reap.value = text;
    for (unsigned i = 0; i < count; i++) {
        const struct mrc_roster_entry entry = subscription(i);

        mrc_buf_init(&members[i], SIZE_MAX);
        mrc_listed_add(&members[i], &entry);
        ends[i] = (struct mrc_registry_end){mrc_buf_bytes(&members[i]), 10, mrc_bytes_of("end")};
    }
    ck_assert_msg(mrc_registry_reap(redis, &member.keys, &reap, &left, &error), "%s",
                  error.text.text);
    ck_assert_int_eq(left, 3 - (int64_t)count);
    for (unsigned i = 0; i < count; i++)
        mrc_buf_free(&members[i]);
    free(text);
}

/* ---- the tests --------------------------------------------------------------------------------*/

START_TEST(what_the_engine_has_lost_is_entered_again)
{
    check_listed("abc");
    mrc_registry_begin(redis, &member.keys, MRC_REGISTRY_FORGET, 0);
    ck_assert(mrc_registry_end(redis, &error));
    join();
    check_listed("abc");
    beat();
    ck_assert(mrc_link_has_beaten(the_link));
}
END_TEST

/* Others have removed _i of the three subscriptions of this machine. */
START_TEST(what_others_have_ended_is_announced_again)
{
    struct mrc_roster_entry entry = {.type = 0};

    remove_some((size_t)_i);
    join();
    check_listed("c");
    beat();
    ck_assert(!mrc_link_has_beaten(the_link));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_roster_read_untold(roster, HUB_SLOT, ids[i], &entry), APR_SUCCESS);
    mrc_roster_entry_free(&entry);
    beat();
    ck_assert(mrc_link_has_beaten(the_link));
    check_listed("c");
}
END_TEST

/* It is not in the list, and knows that. */
START_TEST(a_machine_that_is_not_listed_yet_enters_its_subscriptions)
{
    remove_some(3);
    mrc_link_set_beaten(the_link, false);
    join();
    check_listed("abc");
}
END_TEST

static const char *const refusing[][3] = {
    {"min-replicas-to-write", "1", "0"}, /* every command that writes */
    {"maxmemory", "1", "0"},             /* those that need memory */
};

/* The engine accepts no writes. The machine can read all the same, so it joins. */
START_TEST(an_engine_that_refuses_writes_gets_them_later)
{
    const char *option = refusing[_i][0];

    mrc_registry_begin(redis, &member.keys, MRC_REGISTRY_FORGET, 0);
    ck_assert(mrc_registry_end(redis, &error));
    configure(option, refusing[_i][1]);
    join();
    ck_assert(mrc_member_owes_list(&member));
    ck_assert(!mrc_member_must_list(&member));
    for (int i = 0; i < 2; i++) {
        beat();
        ck_assert(mrc_member_must_list(&member));
        ck_assert_msg(mrc_member_list(&member, redis, &error), "%s", error.text.text);
        ck_assert(mrc_member_owes_list(&member));
        ck_assert(!mrc_member_must_list(&member));
    }
    configure(option, refusing[_i][2]);
    beat();
    ck_assert(mrc_member_must_list(&member));
    ck_assert_msg(mrc_member_list(&member, redis, &error), "%s", error.text.text);
    ck_assert(!mrc_member_owes_list(&member));
    check_listed("abc");
    beat();
    ck_assert(!mrc_member_must_list(&member));
}
END_TEST

/* The engine cannot note what the machine's history keeps. */
START_TEST(a_machine_with_another_history_joins_an_engine_that_refuses_writes)
{
    const char *const words[] = {"HSET", member.keys.head, "b", "other"};

    command(words, 4);
    configure("min-replicas-to-write", "1");
    join();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("enter");
    TCase *tcase = tcase_create("enter");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, what_the_engine_has_lost_is_entered_again);
    tcase_add_loop_test(tcase, what_others_have_ended_is_announced_again, 1, 4);
    tcase_add_test(tcase, a_machine_that_is_not_listed_yet_enters_its_subscriptions);
    tcase_add_loop_test(tcase, an_engine_that_refuses_writes_gets_them_later, 0, 2);
    tcase_add_test(tcase, a_machine_with_another_history_joins_an_engine_that_refuses_writes);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
