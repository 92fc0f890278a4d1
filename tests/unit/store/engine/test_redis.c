/* The commands and scripts, at a real server. */
#include "redis_unit.h"
#include "store/engine/redis.h"

#define WRITER UINT64_C(0xabcdef)

static struct mrc_redis *redis;
static struct mrc_redis_keys keys;
static struct mrc_engine_error error;

static void setup(void)
{
    redis_start();
    mrc_redis_keys_make(store_pool(), "mercure", "example.com/hub", "m1", &keys);
    redis = mrc_redis_open(&redis_spec, keys.log, &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
}

static void tear_down(void)
{
    mrc_redis_close(redis);
    redis_stop();
}

static struct mrc_redis_join_args join_args(void)
{
    return (struct mrc_redis_join_args){
        .fresh_generation = 77,
        .writer = WRITER,
        .identity = "/hub",
        .bounds = "count=0",
        .fresh_key = "00ff",
    };
}

static struct mrc_redis_join join_with(const struct mrc_redis_join_args *args)
{
    struct mrc_redis_join join;

    ck_assert_msg(mrc_redis_join(redis, &keys, args, &join, &error), "%s", error.text.text);
    return join;
}

static struct mrc_redis_join join(void)
{
    const struct mrc_redis_join_args args = join_args();

    return join_with(&args);
}

/* Waits for the next reply on SIDE. */
static struct redisReply *next(enum mrc_redis_side side)
{
    struct redisReply *reply = NULL;

    ck_assert(mrc_redis_flush(redis, side, &error));
    for (int i = 0; i < 5000 && !reply; i++) {
        ck_assert_msg(mrc_redis_receive(redis, side, &error), "%s", error.text.text);
        ck_assert(mrc_redis_take(redis, side, &reply, &error));
        if (!reply)
            usleep(1000);
    }
    ck_assert_ptr_nonnull(reply);
    return reply;
}

static void add(const char *text, const char *operation)
{
    mrc_redis_entry_add(redis, 10, mrc_bytes_of(text), mrc_bytes_of(operation));
}

static void begin(uint64_t counter, size_t entries, uint64_t bound_count)
{
    const struct mrc_redis_publish publish = {
        .generation = 77,
        .writer = WRITER,
        .counter = counter,
        .bound_count = bound_count,
        .entries = entries,
    };

    mrc_redis_publish_add(redis, &keys, &publish);
}

/* Publishes N entries from COUNTER on; returns the newest number. */
static uint64_t publish(uint64_t counter, size_t n, uint64_t bound_count)
{
    struct redisReply *reply;
    uint64_t newest, last;

    begin(counter, n, bound_count);
    for (size_t i = 0; i < n; i++)
        add("blob", "");
    reply = next(MRC_REDIS_W);
    ck_assert_msg(mrc_redis_publish_reply(reply, &newest, &last, &error), "%s", error.text.text);
    mrc_redis_free_reply(reply);
    return newest;
}

struct got {
    uint64_t count;
    struct mrc_entry last;
};

static bool get(void *ctx, struct mrc_bytes log, const struct mrc_entry *entry,
                struct mrc_engine_error *unused)
{
    struct got *got = ctx;

    ck_assert_bytes_eq(log, "{mercure:example.com/hub}:log");
    got->count++;
    got->last = *entry;
    return true;
}

static struct got read_after(uint64_t number)
{
    struct got got = {.count = 0};
    struct redisReply *reply;

    mrc_redis_read_add(redis, 50, 1000, 1);
    mrc_redis_read_log_add(redis, &keys);
    mrc_redis_read_after_add(redis, number);
    reply = next(MRC_REDIS_R);
    ck_assert_msg(mrc_redis_read_reply(reply, get, &got, &error), "%s", error.text.text);
    mrc_redis_free_reply(reply);
    return got;
}

START_TEST(a_hub_is_made_by_the_first_to_join)
{
    struct mrc_redis_join_args args = join_args();
    struct mrc_redis_join first = join();
    struct mrc_redis_join second;

    ck_assert_int_eq(first.verdict, MRC_REDIS_NEW);
    ck_assert_uint_eq(first.generation, 77);
    ck_assert_uint_eq(first.newest, 0);
    ck_assert_uint_eq(first.oldest, 1);
    ck_assert_str_eq(first.key, "00ff");
    ck_assert(!first.has_other_bounds);
    args.fresh_generation = 78;
    args.fresh_key = "11";
    args.bounds = "count=5";
    second = join_with(&args);
    ck_assert_uint_eq(second.generation, 77);
    ck_assert_str_eq(second.key, "00ff");
    ck_assert(second.has_other_bounds);
    args.identity = "/other";
    ck_assert(!mrc_redis_join(redis, &keys, &args, &second, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_IDENTITY);
}
END_TEST

START_TEST(a_batch_that_is_sent_again_is_stored_once)
{
    struct got got;

    join();
    ck_assert_uint_eq(publish(1, 3, 0), 3);
    ck_assert_uint_eq(publish(1, 3, 0), 3);
    ck_assert_uint_eq(publish(2, 3, 0), 4);
    got = read_after(0);
    ck_assert_uint_eq(got.count, 4);
    ck_assert_uint_eq(got.last.number, 4);
    ck_assert_uint_eq(got.last.generation, 77);
    ck_assert(got.last.is_ours);
    ck_assert_uint_eq(got.last.head.sum_bytes, 40);
    ck_assert_uint_eq(got.last.head.token.writer, WRITER);
    ck_assert_uint_eq(got.last.head.token.counter, 4);
    ck_assert_uint_eq(join().last, 4);
}
END_TEST

START_TEST(another_generation_is_refused)
{
    struct redisReply *reply;
    uint64_t newest, last;

    join();
    mrc_redis_publish_add(redis, &keys,
                          &(struct mrc_redis_publish){
                              .generation = 78, .writer = WRITER, .counter = 1, .entries = 1});
    add("blob", "");
    reply = next(MRC_REDIS_W);
    ck_assert(!mrc_redis_publish_reply(reply, &newest, &last, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_RESET);
    mrc_redis_free_reply(reply);
}
END_TEST

START_TEST(verdicts)
{
    struct mrc_redis_join_args args = join_args();
    struct mrc_entry_token token;

    join();
    publish(1, 300, 0);
    args.generation = 77;
    args.number = 300;
    ck_assert(mrc_redis_token_at(redis, &keys, 300, &token, &error));
    ck_assert_uint_eq(token.writer, WRITER);
    ck_assert_uint_eq(token.counter, 300);
    args.token = token;
    ck_assert_int_eq(join_with(&args).verdict, MRC_REDIS_SAME);
    args.token.counter = 299;
    ck_assert_int_eq(join_with(&args).verdict, MRC_REDIS_LOST);
    args.token = token;
    args.number = 301;
    ck_assert_int_eq(join_with(&args).verdict, MRC_REDIS_LOST);
    ck_assert(mrc_redis_token_at(redis, &keys, 301, &token, &error));
    ck_assert_uint_eq(token.writer, 0);
    publish(301, 200, 64);
    args.number = 1;
    ck_assert_int_eq(join_with(&args).verdict, MRC_REDIS_GAP);
    args.generation = 5;
    ck_assert_int_eq(join_with(&args).verdict, MRC_REDIS_RESET);
}
END_TEST

START_TEST(the_log_is_trimmed_by_count)
{
    struct got got;

    join();
    for (uint64_t counter = 1; counter < 1000; counter += 10)
        publish(counter, 10, 100);
    got = read_after(0);
    ck_assert_uint_eq(got.last.number, 1000);
    ck_assert_uint_ge(got.count, 100);
    ck_assert_uint_le(got.count, 100 + 128);
}
END_TEST

START_TEST(an_operation_that_changes_nothing_makes_no_entry)
{
    struct redisReply *reply;
    uint64_t newest, last;

    join();
    begin(1, 3, 0);
    add("begins", "+member");
    add("ends", "-member");
    add("ends again", "-member");
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_redis_publish_reply(reply, &newest, &last, &error));
    mrc_redis_free_reply(reply);
    ck_assert_uint_eq(newest, 2);
    ck_assert_uint_eq(last, 3);
}
END_TEST

START_TEST(beats_tell_who_lives)
{
    struct mrc_redis_beat beat;
    struct redisReply *reply;

    join();
    publish(1, 5, 0);
    mrc_redis_beat_add(redis, &keys, 77, "m1", "1", 0);
    mrc_redis_beat_add(redis, &keys, 77, "m2", "1", 3);
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_redis_beat_reply(reply, &beat, NULL, NULL, &error));
    ck_assert_uint_eq(beat.machines, 1);
    mrc_redis_free_reply(reply);
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_redis_beat_reply(reply, &beat, NULL, NULL, &error));
    mrc_redis_free_reply(reply);
    ck_assert_uint_eq(beat.machines, 2);
    ck_assert_uint_eq(beat.newest, 5);
    ck_assert_uint_eq(beat.old_number, 0);
}
END_TEST

START_TEST(a_server_that_is_none_is_refused)
{
    redis_host.port = redis_free_port();
    ck_assert_ptr_null(mrc_redis_open(&redis_spec, keys.log, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_REFUSED);
}
END_TEST

START_TEST(a_wrong_password_is_told)
{
    redis_spec.user = "nobody";
    redis_spec.password.value = "wrong";
    ck_assert_ptr_null(mrc_redis_open(&redis_spec, keys.log, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_AUTH);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redis");
    TCase *tcase = tcase_create("redis");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, a_hub_is_made_by_the_first_to_join);
    tcase_add_test(tcase, a_batch_that_is_sent_again_is_stored_once);
    tcase_add_test(tcase, another_generation_is_refused);
    tcase_add_test(tcase, verdicts);
    tcase_add_test(tcase, the_log_is_trimmed_by_count);
    tcase_add_test(tcase, an_operation_that_changes_nothing_makes_no_entry);
    tcase_add_test(tcase, beats_tell_who_lives);
    tcase_add_test(tcase, a_server_that_is_none_is_refused);
    tcase_add_test(tcase, a_wrong_password_is_told);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
