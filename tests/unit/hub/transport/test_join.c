/* A machine joins a log that is not the one that it knew: the log has lost updates, or has begun
 * anew. */
#include <limits.h>

#include <hiredis/hiredis.h>

#include "core/base/buf.h"
#include "hub/transport/dying.h"
#include "hub/transport/member.h"
#include "hub_unit.h"
#include "store/engine/entry.h"
#include "store/engine/redis_unit.h"
#include "store/history/history.h"
#include "store/regions/link.h"

#define GENERATION 7
#define EARLIER    UINT64_C(0xee) /* the writer of what the ring has */
#define LATER      UINT64_C(0xff) /* the writer of what the log has */

/* Keys for positions. */
#define OWN_KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define LOG_KEY "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

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
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};

static struct hub_place place;
static struct mrc_link *the_link;
static struct mrc_redis_keys keys;
static struct mrc_redis *redis;

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
    ck_assert_ptr_nonnull(the_link);
    mrc_redis_keys_make(place.pool, transport.prefix, transport.name, "machine.1", &keys);
    redis = connect_redis();
}

static void tear_down(void)
{
    mrc_redis_close(redis);
    hub_place_close(&place);
    redis_stop();
}

/* ---- the log ----------------------------------------------------------------------------------*/

/* The log has COUNT updates, or the newest of them if COUNT_KEPT is not 0. */
static void make_log(unsigned count, uint64_t count_kept)
{
    const struct mrc_redis_join_args args = {
        .fresh_generation = GENERATION,
        .writer = LATER,
        .identity = "/hub",
        .bounds = "count=0 bytes=0 age=0",
        .fresh_key = LOG_KEY,
    };
    const struct mrc_redis_publish batch = {
        .generation = GENERATION,
        .writer = LATER,
        .counter = 1,
        .bound_count = count_kept,
        .entries = count,
    };
    struct mrc_engine_error error;
    struct mrc_redis_join unused;
    uint64_t newest, last;

    ck_assert_msg(mrc_redis_join(redis, &keys, &args, &unused, &error), "%s", error.text.text);
    mrc_redis_publish_add(redis, &keys, &batch);
    for (unsigned i = 0; i < count; i++)
        mrc_redis_entry_add(redis, 10, mrc_bytes_of("blob"), mrc_bytes_of(""));
    ck_assert_msg(mrc_redis_publish_end(redis, &newest, &last, &error), "%s", error.text.text);
    ck_assert_uint_eq(newest, count);
}

/* Removes its entries. */
static void empty_log(void)
{
    redisContext *connection = redisConnect("127.0.0.1", redis_port);
    redisReply *reply;

    ck_assert(connection && !connection->err);
    reply = redisCommand(connection, "XTRIM %s MAXLEN 0", keys.log);
    ck_assert(reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0);
    freeReplyObject(reply);
    redisFree(connection);
}

/* ---- the machine ------------------------------------------------------------------------------*/

/* Appends the record of entry NUMBER with TOKEN to the ring. */
static void append_with(uint64_t number, struct mrc_entry_token token)
{
    struct mrc_bytes topic = mrc_bytes_of("https://example.com/topic");
    const struct mrc_update update = {.topics = &topic, .topics_count = 1};
    const struct mrc_update_origin origin = {number, token.writer, token.counter};
    struct mrc_record record = {
        .id = mrc_bytes_of("urn:id"), .stored_bytes = 1, .time_us = token.time_us};
    struct mrc_buf plain, buf;
    struct mrc_tags tags;

    mrc_buf_init(&plain, SIZE_MAX);
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_update_encode(&update, &plain);
    ck_assert(mrc_update_add_origin(mrc_buf_bytes(&plain), &origin, &buf));
    record.payload = mrc_buf_bytes(&buf);
    mrc_tags_clear(&tags);
    ck_assert_int_eq(mrc_history_mirror(mrc_hub_history(place.hub), &record, apr_time_now(), &tags),
                     APR_SUCCESS);
    mrc_buf_free(&plain);
    mrc_buf_free(&buf);
}

static void append(uint64_t number)
{
    append_with(number, (struct mrc_entry_token){EARLIER, number, (int64_t)(1000 + number)});
}

/* The ring has the entry NUMBER of the log. */
static void append_shared(uint64_t number)
{
    struct mrc_entry_token token;
    struct mrc_engine_error error;

    ck_assert(mrc_redis_token_at(redis, &keys, number, &token, &error));
    ck_assert_uint_eq(token.writer, LATER);
    append_with(number, token);
}

/* The ring has the entries FIRST to LAST of a log of GENERATION. */
static void have_read(uint32_t generation, uint64_t first, uint64_t last)
{
    const struct mrc_link_position position = {
        .generation = generation,
        .number = last,
        .token_writer = EARLIER,
        .token_counter = last,
        .token_time_us = (int64_t)(1000 + last),
    };

    for (uint64_t number = first; number <= last; number++)
        append(number);
    mrc_link_set_position(the_link, &position);
}

static void ignore(void *ctx, const struct mrc_link_report *report)
{
}

/* A leader. */
static struct mrc_member lead(void)
{
    struct mrc_member member;

    mrc_member_init(place.pool, &member, place.hub, ignore, NULL);
    ck_assert(mrc_member_lead(&member));
    return member;
}

/* The next leader joins the log. Returns the number of the entry after which it reads on. */
static uint64_t join(void)
{
    struct mrc_member member = lead();
    struct mrc_link_position position;
    struct mrc_engine_error error;

    ck_assert_msg(mrc_member_join(&member, redis, 1, &error), "%s", error.text.text);
    mrc_member_resign(&member);
    mrc_link_get_position(the_link, &position);
    ck_assert_uint_eq(position.generation, GENERATION);
    return position.number;
}

/* ---- losses -----------------------------------------------------------------------------------*/

/* The log has lost entry 193, and perhaps earlier ones, instead of which others have come: it has
 * removed what was before 193 since. */
static void miss_one(void)
{
    make_log(200, 1); /* 193 to 200 are left */
    have_read(GENERATION, 190, 196);
}

START_TEST(what_is_removed_after_a_loss_is_missed)
{
    uint64_t gap = mrc_link_get_gap(the_link);

    miss_one();
    ck_assert_uint_eq(join(), 192);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + 1);
    ck_assert(mrc_history_is_empty(mrc_hub_history(place.hub), apr_time_now()));
    ck_assert_uint_eq(join(), 192);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + 1); /* that is told once */
}
END_TEST

static void join_and_end(void)
{
    struct mrc_redis *own = connect_redis();
    struct mrc_member member = lead();
    struct mrc_engine_error error;

    raise(SIGSTOP);
    if (!mrc_member_join(&member, own, 1, &error))
        _exit(1);
}

static uint64_t last_seq;

static bool has_buried(void)
{
    return mrc_link_is_dead(the_link, last_seq);
}

START_TEST(it_is_missed_although_the_leader_dies)
{
    uint64_t gap = mrc_link_get_gap(the_link), unused;

    miss_one();
    mrc_ring_end(mrc_hub_ring(place.hub), &unused, &last_seq);
    switch (die_at(join_and_end, UINT_MAX, has_buried)) {
    case -1:
        fprintf(stderr, "# ptrace is forbidden here: not tested\n");
        return;
    case 0:
        ck_abort_msg("the leader was never there");
    }
    ck_assert(has_buried());
    ck_assert_uint_eq(join(), 192);
    ck_assert_uint_gt(mrc_link_get_gap(the_link), gap);
}
END_TEST

/*
 * The log had lost the entries from FIRST on. A leader that knew that has died before it had moved
 * there. Since then, the log has got others instead of them, and has removed those before 193.
 */
START_TEST(what_is_removed_after_the_leader_has_died_is_missed)
{
    uint64_t gap = mrc_link_get_gap(the_link), first = 193U - (uint64_t)_i;

    make_log(200, 1);
    have_read(GENERATION, 190, 196);
    mrc_link_note_fork(the_link, first - 190, first - 1);
    mrc_link_unsettle(the_link, first - 189, MRC_LINK_OPEN, 1);
    mrc_link_bury(the_link, first - 189, 7);
    ck_assert_uint_eq(join(), 192);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + (_i > 0));
}
END_TEST

/* The log has removed what was before 193, but the machine has some of the rest, and so everything
 * before the loss. */
START_TEST(what_is_removed_before_a_loss_is_not_missed)
{
    uint64_t gap = mrc_link_get_gap(the_link);

    make_log(200, 1);
    have_read(GENERATION, 190, 192);
    for (uint64_t number = 193; number <= 195; number++)
        append_shared(number);
    have_read(GENERATION, 196, 196);
    ck_assert_uint_eq(join(), 195);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap);
    ck_assert(!mrc_history_is_empty(mrc_hub_history(place.hub), apr_time_now()));
}
END_TEST

/* The log has removed the entries up to 64, and no more. */
static void grow_log(void)
{
    make_log(130, 64);
}

/* The log had lost what the machine has, and has got others instead, which it has removed since. */
START_TEST(what_is_removed_up_to_the_last_entry_may_be_missed)
{
    uint64_t gap = mrc_link_get_gap(the_link);

    have_read(GENERATION, 60, 64);
    grow_log();
    ck_assert_uint_eq(join(), 64);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + 1);
    ck_assert(mrc_history_is_empty(mrc_hub_history(place.hub), apr_time_now()));
    ck_assert_uint_eq(join(), 64); /* now it knows of no entry */
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + 1);
}
END_TEST

/* A log that an earlier version of the module has made does not say what it has removed last. */
static void forget_removed(void)
{
    redisContext *connection = redisConnect("127.0.0.1", redis_port);
    redisReply *reply;

    ck_assert(connection && !connection->err);
    reply = redisCommand(connection, "HDEL %s t", keys.head);
    ck_assert(reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1);
    freeReplyObject(reply);
    redisFree(connection);
}

START_TEST(what_is_removed_up_to_the_last_entry_is_not_missed_if_that_is_known)
{
    uint64_t gap = mrc_link_get_gap(the_link), missed = _i == 1;
    struct mrc_link_position position = {.generation = GENERATION, .number = 64};
    struct mrc_entry_token token;
    struct mrc_engine_error error;

    make_log(64, 0);
    for (uint64_t number = 60; number <= 64; number++)
        append_shared(number);
    ck_assert(mrc_redis_token_at(redis, &keys, 64, &token, &error));
    position.token_writer = token.writer;
    position.token_counter = token.counter;
    position.token_time_us = token.time_us;
    mrc_link_set_position(the_link, &position);
    grow_log();
    if (missed)
        forget_removed();
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(join(), 64);
        ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + missed);
        ck_assert_int_eq(mrc_history_is_empty(mrc_hub_history(place.hub), apr_time_now()), missed);
    }
}
END_TEST

/* The log has no entry instead of those that it has lost. */
START_TEST(a_log_without_entries_hides_nothing)
{
    uint64_t gap = mrc_link_get_gap(the_link);

    make_log(5, 0);
    empty_log();
    have_read(GENERATION, 1, 7);
    ck_assert_uint_eq(join(), 5);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap);
}
END_TEST

/* The ring does not reach back to where the logs part: what the log has before the first record of
 * the ring may be new. */
START_TEST(a_machine_that_has_nothing_of_the_log_may_have_missed_something)
{
    uint64_t gap = mrc_link_get_gap(the_link), first = _i ? 40U : 20U;

    make_log(30, 0);
    have_read(GENERATION, first, first + 5);
    ck_assert_uint_eq(join(), 0);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap + 1);
    ck_assert(mrc_history_is_empty(mrc_hub_history(place.hub), apr_time_now()));
}
END_TEST

START_TEST(a_machine_that_has_all_of_a_log_that_is_gone_has_missed_nothing)
{
    uint64_t gap = mrc_link_get_gap(the_link);

    make_log(30, 0);
    have_read(GENERATION, 1, 5);
    ck_assert_uint_eq(join(), 0);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap);
    ck_assert(!mrc_history_is_empty(mrc_hub_history(place.hub), apr_time_now()));
}
END_TEST

/* All that came before an earlier loss is known, although the log has it in another order. */
START_TEST(so_has_one_that_has_all_of_a_log_with_an_earlier_loss)
{
    uint64_t gap = mrc_link_get_gap(the_link);

    have_read(GENERATION, 1, 5);
    mrc_link_unsettle(the_link, 1, MRC_LINK_OPEN, 1);
    mrc_link_bury(the_link, 1, 5);
    have_read(GENERATION, 6, 6);
    make_log(5, 0);
    ck_assert_uint_eq(join(), 0);
    ck_assert_uint_eq(mrc_link_get_gap(the_link), gap);
}
END_TEST

/* ---- a new log --------------------------------------------------------------------------------*/

static void check_key(const char *want)
{
    char key[MRC_LINK_KEY_BYTES];
    size_t len = mrc_link_get_key(the_link, key);

    ck_assert_bytes_eq(((struct mrc_bytes){key, len}), want);
}

/* The first machine that joined the new log was new as well, so it had no key. */
START_TEST(a_machine_takes_the_key_of_a_new_log)
{
    mrc_link_set_key(the_link, OWN_KEY);
    have_read(GENERATION - 1, 1, 5);
    make_log(3, 0);
    ck_assert_uint_eq(join(), 0);
    check_key(LOG_KEY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("join");
    TCase *tcase = tcase_create("join");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, what_is_removed_after_a_loss_is_missed);
    tcase_add_test(tcase, it_is_missed_although_the_leader_dies);
    tcase_add_loop_test(tcase, what_is_removed_after_the_leader_has_died_is_missed, 0, 4);
    tcase_add_test(tcase, what_is_removed_before_a_loss_is_not_missed);
    tcase_add_test(tcase, what_is_removed_up_to_the_last_entry_may_be_missed);
    tcase_add_loop_test(tcase, what_is_removed_up_to_the_last_entry_is_not_missed_if_that_is_known,
                        0, 2);
    tcase_add_test(tcase, a_log_without_entries_hides_nothing);
    tcase_add_loop_test(tcase, a_machine_that_has_nothing_of_the_log_may_have_missed_something, 0,
                        2);
    tcase_add_test(tcase, a_machine_that_has_all_of_a_log_that_is_gone_has_missed_nothing);
    tcase_add_test(tcase, so_has_one_that_has_all_of_a_log_with_an_earlier_loss);
    tcase_add_test(tcase, a_machine_takes_the_key_of_a_new_log);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
