/* The commands and scripts, on a real server. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

#include "core/base/buf.h"
#include "redis_unit.h"
#include "store/engine/redis.h"
#include "store/engine/redis_internal.h"
#include "store/engine/registry.h"
#include "store/engine/reply.h"
#include "store/engine/wire.h"

#define WRITER UINT64_C(0xabcdef)

static struct mrc_redis *redis;
static struct mrc_redis_keys keys;
static struct mrc_engine_error error;

static void setup(void)
{
    redis_start();
    mrc_redis_keys_make(store_pool(), "mercure", "example.com/hub", "m1", &keys);
    redis = mrc_redis_open(NULL, &redis_spec, keys.log, &error);
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
    mrc_redis_read_key_add(redis, keys.log);
    mrc_redis_read_after_add(redis, number);
    reply = next(MRC_REDIS_R);
    ck_assert_msg(mrc_redis_read_reply(reply, get, NULL, &got, &error), "%s", error.text.text);
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

START_TEST(an_entry_that_is_put_back_says_where_the_fork_was)
{
    static const struct mrc_redis_publish again = {
        .generation = 77,
        .writer = WRITER,
        .counter = 3,
        .entries = 1,
        .is_again = true,
        .fork = 1,
    };
    struct got got;

    join();
    publish(1, 2, 0);
    got = read_after(0);
    ck_assert(got.last.is_ours && !got.last.has_fork);
    mrc_redis_publish_add(redis, &keys, &again);
    add("blob", "");
    mrc_redis_free_reply(next(MRC_REDIS_W));
    got = read_after(2);
    ck_assert_uint_eq(got.count, 1);
    ck_assert(got.last.is_ours && got.last.has_fork);
    ck_assert_uint_eq(got.last.fork, 1);
    ck_assert_uint_eq(got.last.head.token.counter, 3);
    ck_assert_int_gt(got.last.head.token.time_us, 0);
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
    args.token.time_us--; /* the engine lost the entry, and it was put back at the same place */
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

/* Publishes 1000 entries of 1000 bytes within BOUNDS; returns how many the log has. */
static uint64_t count_kept(struct mrc_redis_publish bounds)
{
    join();
    bounds.generation = 77;
    bounds.writer = WRITER;
    bounds.entries = 10;
    for (bounds.counter = 1; bounds.counter < 1000; bounds.counter += bounds.entries) {
        mrc_redis_publish_add(redis, &keys, &bounds);
        for (size_t i = 0; i < bounds.entries; i++)
            mrc_redis_entry_add(redis, 1000, mrc_bytes_of("blob"), mrc_bytes_of(""));
        mrc_redis_free_reply(next(MRC_REDIS_W));
    }
    return read_after(0).count;
}

START_TEST(the_log_keeps_the_least_however_short_the_history_is)
{
    uint64_t kept = count_kept((struct mrc_redis_publish){.bound_count = 10,
                                                          .bound_bytes = 1,
                                                          .bound_age_us = 1,
                                                          .least_count = 500,
                                                          .least_bytes = 1 << 30});

    ck_assert_uint_ge(kept, 500);
    ck_assert_uint_le(kept, 500 + 128);
}
END_TEST

START_TEST(the_least_has_a_bound_of_bytes)
{
    uint64_t kept = count_kept((struct mrc_redis_publish){
        .bound_count = 10, .least_count = 1 << 20, .least_bytes = 300 * 1000});

    ck_assert_uint_ge(kept, 300);
    ck_assert_uint_le(kept, 300 + 66 + 128); /* 64 KB, and pieces of 64 entries */
}
END_TEST

START_TEST(a_history_that_is_longer_than_the_least_is_kept)
{
    ck_assert_uint_eq(count_kept((struct mrc_redis_publish){
                          .bound_count = 1000, .least_count = 10, .least_bytes = 1}),
                      1000);
}
END_TEST

START_TEST(an_operation_that_changes_nothing_makes_no_entry)
{
    struct redisReply *reply;
    uint64_t newest, last;

    join();
    begin(1, 4, 0);
    add("begins", "+member");
    add("begins again", "+member");
    add("ends", "-member");
    add("ends again", "-member");
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_redis_publish_reply(reply, &newest, &last, &error));
    mrc_redis_free_reply(reply);
    ck_assert_uint_eq(newest, 2);
    ck_assert_uint_eq(last, 4);
}
END_TEST

START_TEST(beats_tell_who_lives)
{
    struct mrc_redis_beat beat;
    struct redisReply *reply;

    join();
    publish(1, 5, 0);
    mrc_redis_beat_add(redis, &keys, 77, "m1", "1", 0, false);
    mrc_redis_beat_add(redis, &keys, 77, "m2", "1", 3, false);
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_redis_beat_reply(reply, &beat, NULL, NULL, &error));
    ck_assert_uint_eq(beat.machines, 1);
    ck_assert(!beat.is_removed);
    mrc_redis_free_reply(reply);
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_redis_beat_reply(reply, &beat, NULL, NULL, &error));
    mrc_redis_free_reply(reply);
    ck_assert_uint_eq(beat.machines, 2);
    ck_assert_uint_eq(beat.newest, 5);
    ck_assert_uint_eq(beat.old_number, 0);
    /* A machine that was removed learns so, until it enters again. */
    for (int i = 0; i < 2; i++) {
        mrc_redis_beat_add(redis, &keys, 77, "m3", "2", 0, true);
        reply = next(MRC_REDIS_W);
        ck_assert(mrc_redis_beat_reply(reply, &beat, NULL, NULL, &error));
        mrc_redis_free_reply(reply);
        ck_assert(beat.is_removed);
        ck_assert_uint_eq(beat.machines, 2);
    }
}
END_TEST

static void beat(const char *machine, const char *value)
{
    mrc_redis_beat_add(redis, &keys, 77, machine, value, 0, false);
    mrc_redis_free_reply(next(MRC_REDIS_W));
}

static int64_t reap(const char *machine, const char *value, const char *const *members,
                    size_t count)
{
    struct mrc_registry_end ends[4];
    const struct mrc_registry_reap reap = {
        .generation = 77,
        .machine = machine,
        .value = value,
        .writer = 9,
        .counter = 1,
        .ends = ends,
        .count = count,
    };
    int64_t left = -2;

    for (size_t i = 0; i < count; i++)
        ends[i] = (struct mrc_registry_end){mrc_bytes_of(members[i]), 10, mrc_bytes_of("end")};
    ck_assert_msg(mrc_registry_reap(redis, &keys, &reap, &left, &error), "%s", error.text.text);
    return left;
}

/* Lists MEMBERS as subscriptions of the machine that these tests use. */
static void subscribe(const char *const *members, size_t count)
{
    mrc_registry_begin(redis, &keys, MRC_REGISTRY_SUBSCRIBE, count);
    for (size_t i = 0; i < count; i++)
        mrc_registry_add(redis, mrc_bytes_of(members[i]));
    ck_assert_msg(mrc_registry_end(redis, &error), "%s", error.text.text);
}

START_TEST(a_dead_machine_is_removed_once)
{
    const char *const members[] = {"a", "b", "c"};
    struct got got;

    join();
    beat("m1", "5");
    subscribe(members, 3);
    ck_assert_int_eq(reap("m1", "4", members, 3), -1); /* the machine has sent a beat since */
    ck_assert_int_eq(reap("nobody", "5", members, 3), -1);
    ck_assert_int_eq(reap("m1", "5", members, 2), 1);
    ck_assert_int_eq(reap("m1", "5", members, 2), 1); /* another machine, too late */
    ck_assert_int_eq(reap("m1", "5", members + 2, 1), 0);
    ck_assert_int_eq(reap("m1", "5", members, 3), -1);
    got = read_after(0);
    ck_assert_uint_eq(got.count, 3);
    ck_assert_uint_eq(got.last.head.token.writer, 9);
    beat("m1", "6");
}
END_TEST

/*
 * Otherwise entries that were appended for a dead machine would be put back although they are
 * there.
 */
START_TEST(the_ends_of_a_dead_machine_are_counted)
{
    const char *const members[] = {"a", "b"};
    const uint64_t writer = 9;
    uint64_t counter;

    join();
    beat("m1", "5");
    subscribe(members, 2);
    ck_assert_int_eq(reap("m1", "5", members, 2), 0);
    ck_assert(mrc_redis_counters(redis, &keys, &writer, 1, &counter, &error));
    ck_assert_uint_eq(counter, 2);
}
END_TEST

/* The field FIELD of the head, after setting it to VALUE (NULL: as it is); -1 if there is none. */
static long long head_field(const char *field, const char *value)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct redisReply *reply;
    struct mrc_bytes text;
    long long found;

    if (value) {
        mrc_wire_begin(wire, 4);
        mrc_wire_add_text(wire, "HSET");
        mrc_wire_add_text(wire, keys.head);
        mrc_wire_add_text(wire, field);
        mrc_wire_add_text(wire, value);
        mrc_redis_free_reply(next(MRC_REDIS_W));
    }
    mrc_wire_begin(wire, 3);
    mrc_wire_add_text(wire, "HGET");
    mrc_wire_add_text(wire, keys.head);
    mrc_wire_add_text(wire, field);
    reply = next(MRC_REDIS_W);
    text = mrc_reply_text(reply);
    found = text.len ? strtoll(text.ptr, NULL, 10) : -1;
    mrc_redis_free_reply(reply);
    return found;
}

#define OF_WRITER "0000000000abcdef"

/* Makes the next call look for old writers, as if an hour had passed. */
static void sweep_again(void)
{
    head_field("s", "1");
}

START_TEST(the_counter_of_a_writer_goes_a_month_after_its_machine)
{
    join();
    publish(1, 3, 0);
    beat("m1." OF_WRITER, "1");
    beat("m2.0000000000000007", "1");
    ck_assert_int_eq(reap("m2.0000000000000007", "1", NULL, 0), 0);
    ck_assert_int_eq(head_field("d:" OF_WRITER, NULL), -1);
    sweep_again();
    ck_assert_int_eq(reap("m1." OF_WRITER, "1", NULL, 0), 0);
    ck_assert_int_gt(head_field("d:" OF_WRITER, NULL), 1000000000);
    ck_assert_int_eq(head_field("w:" OF_WRITER, NULL), 3);
    /* The machine was not dead, only away. */
    ck_assert_int_eq(head_field("d:" OF_WRITER, "1"), 1);
    beat("m1." OF_WRITER, "2");
    ck_assert_int_eq(head_field("d:" OF_WRITER, NULL), -1);
    sweep_again();
    ck_assert_int_eq(reap("m1." OF_WRITER, "2", NULL, 0), 0);
    ck_assert_int_gt(head_field("d:" OF_WRITER, NULL), 1000000000);
    ck_assert_int_eq(head_field("w:" OF_WRITER, NULL), 3);
    /* A month later another machine is removed. */
    ck_assert_int_eq(head_field("d:" OF_WRITER, "1"), 1);
    beat("m3.0000000000000008", "1");
    sweep_again();
    ck_assert_int_eq(reap("m3.0000000000000008", "1", NULL, 0), 0);
    ck_assert_int_eq(head_field("d:" OF_WRITER, NULL), -1);
    ck_assert_int_eq(head_field("w:" OF_WRITER, NULL), -1);
}
END_TEST

/* There may be thousands of writers, and machines may die by the dozen. */
START_TEST(old_writers_are_looked_for_once_in_an_hour)
{
    long long now;

    join();
    publish(1, 3, 0);
    beat("m1.0000000000000007", "1");
    ck_assert_int_eq(reap("m1.0000000000000007", "1", NULL, 0), 0);
    ck_assert_int_eq(head_field("d:" OF_WRITER, "1"), 1);
    now = head_field("s", NULL);
    ck_assert_int_gt(now, 1000000000);
    for (int minutes = -61; minutes <= 61; minutes += 2) { /* the clock may step back */
        bool is_due = minutes == -61 || minutes == 61;
        char text[24];

        snprintf(text, sizeof(text), "%lld", now - minutes * 60LL);
        head_field("s", text);
        head_field("d:" OF_WRITER, "1");
        head_field("w:" OF_WRITER, "3");
        beat("m2.0000000000000008", "1");
        ck_assert_int_eq(reap("m2.0000000000000008", "1", NULL, 0), 0);
        ck_assert_int_eq(head_field("w:" OF_WRITER, NULL), is_due ? -1 : 3);
    }
}
END_TEST

/* A beat of the machine m1. Returns whether others have removed it, or subscriptions of it. */
static bool is_removed(const char *value, bool is_known)
{
    struct redisReply *reply;
    struct mrc_redis_beat got;

    mrc_redis_beat_add(redis, &keys, 77, "m1", value, 0, is_known);
    reply = next(MRC_REDIS_W);
    ck_assert_msg(mrc_redis_beat_reply(reply, &got, NULL, NULL, &error), "%s", error.text.text);
    mrc_redis_free_reply(reply);
    return got.is_removed;
}

static const char *const three[] = {"a", "b", "c"};

/* Others have removed COUNT of the three subscriptions of m1. */
static void remove_some(size_t count)
{
    join();
    beat("m1", "5");
    subscribe(three, 3);
    ck_assert_int_eq(reap("m1", "5", three, count), 3 - (int)count);
}

/* Otherwise it would not announce again what has ended for all others. */
START_TEST(a_machine_learns_that_some_of_its_subscriptions_are_removed)
{
    remove_some(2);
    ck_assert(is_removed("6", true));
    ck_assert_int_eq(reap("m1", "5", three + 2, 1), -1);
    ck_assert_int_eq(reap("m1", "6", three + 2, 1), -1);
    ck_assert(is_removed("7", true)); /* its leader may have died before it took the reply */
    ck_assert(!is_removed("8", false));
    ck_assert(!is_removed("9", true));
    ck_assert_int_eq(head_field("x:m1", NULL), -1);
}
END_TEST

START_TEST(a_machine_of_which_nothing_is_removed_is_as_before)
{
    static const char *const others[] = {"d"};

    remove_some(0);
    ck_assert_int_eq(reap("m1", "5", others, 1), 3);
    ck_assert(!is_removed("6", true));
}
END_TEST

START_TEST(a_machine_that_dies_when_it_has_learned_that_is_removed_completely)
{
    remove_some(1);
    ck_assert(is_removed("6", true));
    ck_assert_int_eq(reap("m1", "-", three + 1, 1), 1);
    ck_assert_int_eq(head_field("x:m1", NULL), 1);
    ck_assert_int_eq(reap("m1", "-", three + 2, 1), 0);
    ck_assert_int_eq(head_field("x:m1", NULL), -1);
    ck_assert_int_eq(reap("m1", "-", NULL, 0), -1);
    ck_assert_uint_eq(read_after(0).count, 3);
}
END_TEST

START_TEST(a_machine_that_is_taken_for_dead_twice_learns_that_twice)
{
    remove_some(1);
    ck_assert(is_removed("6", true));
    ck_assert_int_eq(reap("m1", "-", three + 1, 1), 1);
    ck_assert(is_removed("7", false));
    ck_assert(!is_removed("8", false));
    ck_assert(!is_removed("9", true));
}
END_TEST

static bool take(void *ctx, struct mrc_bytes member)
{
    mrc_buf_add_bytes(ctx, member);
    return true;
}

/* The subscriptions with PREFIX after AFTER, in one text. */
static struct mrc_bytes list(const char *prefix, const char *after, struct mrc_buf *buf)
{
    size_t count;

    mrc_buf_reset(buf);
    ck_assert(mrc_registry_subscriptions(redis, &keys, "m1", mrc_bytes_of(prefix),
                                         mrc_bytes_of(after), take, buf, &count, &error));
    return mrc_buf_bytes(buf);
}

START_TEST(subscriptions_are_listed_by_prefix)
{
    const char *const members[] = {"a/1", "a/2", "a0", "b/1"};
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    join();
    subscribe(members, 4);
    ck_assert_bytes_eq(list("", "", &buf), "a/1a/2a0b/1");
    ck_assert_bytes_eq(list("a/", "", &buf), "a/1a/2");
    ck_assert_bytes_eq(list("a/", "a/1", &buf), "a/2");
    ck_assert_bytes_eq(list("", "a0", &buf), "b/1");
    ck_assert_bytes_eq(list("c", "", &buf), "");
    mrc_registry_begin(redis, &keys, MRC_REGISTRY_FORGET, 0);
    ck_assert(mrc_registry_end(redis, &error));
    ck_assert_bytes_eq(list("", "", &buf), "");
    mrc_buf_free(&buf);
}
END_TEST

/* Publishes one entry with OPERATION. */
static void operate(uint64_t counter, const char *operation)
{
    begin(counter, 1, 0);
    add("order", operation);
    mrc_redis_free_reply(next(MRC_REDIS_W));
}

/* The revocations that end after NOW_US and are not lifted, in one text. */
static struct mrc_bytes revoked(int64_t now_us, struct mrc_buf *buf)
{
    mrc_buf_reset(buf);
    ck_assert_msg(mrc_registry_revocations(redis, &keys, now_us, take, buf, &error), "%s",
                  error.text.text);
    return mrc_buf_bytes(buf);
}

START_TEST(revocations_stand_until_they_end)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    join();
    operate(1, "r1000 old");
    operate(2, "r9000000000000000 first one");
    operate(3, "r9000000000000001 second");
    ck_assert_bytes_eq(revoked(2000, &buf), "first onesecond");
    operate(4, "l9000000000000000 first one");
    ck_assert_bytes_eq(revoked(0, &buf), "second"); /* the old entry is gone */
    mrc_buf_free(&buf);
}
END_TEST

/* The number of entries in the key of the revocations. */
static long long count_kept_revocations(void)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct redisReply *reply;
    uint64_t count = 0;

    mrc_wire_begin(wire, 2);
    mrc_wire_add_text(wire, "ZCARD");
    mrc_wire_add_text(wire, keys.revocations);
    reply = next(MRC_REDIS_W);
    ck_assert(mrc_reply_number(reply, &count));
    mrc_redis_free_reply(reply);
    return (long long)count;
}

START_TEST(a_revocation_that_is_lifted_is_forgotten_when_it_would_end)
{
    join();
    operate(1, "r1000 a");
    operate(2, "l1000 a");
    operate(3, "l9000000000000000 b"); /* even if the engine has lost it */
    ck_assert_int_eq(count_kept_revocations(), 1);
    operate(4, "r9000000000000000 c");
    ck_assert_int_eq(count_kept_revocations(), 2);
}
END_TEST

/* Enters the COUNT revocations MEMBERS again. Returns the places of those that are lifted, as bits.
 */
static unsigned enter(const char *const *members, size_t count)
{
    struct mrc_revocation entries[4] = {{.until_us = 0}};
    bool are_lifted[4];
    unsigned lifted = 0;

    for (size_t i = 0; i < count; i++)
        entries[i] = (struct mrc_revocation){.until_us = INT64_C(9000000000000000),
                                             .data = mrc_bytes_of(members[i])};
    ck_assert_msg(mrc_registry_enter(redis, &keys, 77, entries, count, are_lifted, &error), "%s",
                  error.text.text);
    for (size_t i = 0; i < count; i++)
        lifted |= are_lifted[i] ? 1u << i : 0u;
    return lifted;
}

/* What a beat says about the revocations. */
static uint64_t beat_for_revocations(void)
{
    struct mrc_redis_beat found;
    struct redisReply *reply;

    mrc_redis_beat_add(redis, &keys, 77, "m1", "1", 0, false);
    reply = next(MRC_REDIS_W);
    ck_assert_msg(mrc_redis_beat_reply(reply, &found, NULL, NULL, &error), "%s", error.text.text);
    mrc_redis_free_reply(reply);
    return found.revocations;
}

START_TEST(machines_learn_that_revocations_were_entered_again)
{
    static const char *const members[] = {"a", "b", "c"};
    uint64_t before = join().revocations, after;
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert_uint_eq(beat_for_revocations(), before);
    operate(1, "r9000000000000000 a");
    ck_assert_uint_eq(beat_for_revocations(), before); /* its order is in the log */
    ck_assert_uint_eq(enter(members, 2), 0);
    after = beat_for_revocations();
    ck_assert_uint_ne(after, before);
    ck_assert_uint_eq(join().revocations, after);
    ck_assert_bytes_eq(revoked(0, &buf), "ab");
    /* Another machine enters them at the same time: then nothing changes. */
    ck_assert_uint_eq(enter(members, 2), 0);
    ck_assert_uint_eq(beat_for_revocations(), after);
    ck_assert_uint_eq(enter(members + 2, 1), 0);
    ck_assert_uint_ne(beat_for_revocations(), after);
    ck_assert_bytes_eq(revoked(0, &buf), "abc");
    mrc_buf_free(&buf);
}
END_TEST

/* The machine that enters it does not know yet that an operator has lifted it. */
START_TEST(a_revocation_that_is_lifted_is_not_entered_again)
{
    static const char *const members[] = {"a", "b", "c"};
    uint64_t before = join().revocations;
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    operate(1, "r9000000000000000 a");
    operate(2, "l9000000000000000 a");
    operate(3, "l9000000000000000 c");
    ck_assert_uint_eq(enter(members, 1), 1);
    ck_assert_uint_eq(beat_for_revocations(), before);
    ck_assert_uint_eq(enter(members, 3), 1 | 4);
    ck_assert_bytes_eq(revoked(0, &buf), "b");
    ck_assert_uint_ne(beat_for_revocations(), before);
    operate(4, "l9000000000000000 b");
    ck_assert_bytes_eq(revoked(0, &buf), "");
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(revocations_are_entered_only_in_the_log_that_the_machine_has_joined)
{
    const struct mrc_revocation entry = {.until_us = INT64_C(9000000000000000),
                                         .data = mrc_bytes_of("a")};
    bool is_lifted;

    ck_assert(!mrc_registry_enter(redis, &keys, 77, &entry, 1, &is_lifted, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_RESET);
    join();
    ck_assert(!mrc_registry_enter(redis, &keys, 78, &entry, 1, &is_lifted, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_RESET);
    ck_assert_int_eq(count_kept_revocations(), 0);
}
END_TEST

START_TEST(without_a_server_the_connection_is_refused)
{
    redis_host.port = redis_free_port();
    ck_assert_ptr_null(mrc_redis_open(NULL, &redis_spec, keys.log, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_REFUSED);
}
END_TEST

START_TEST(a_wrong_password_is_reported)
{
    redis_spec.user = "nobody";
    redis_spec.password.value = "wrong";
    ck_assert_ptr_null(mrc_redis_open(NULL, &redis_spec, keys.log, &error));
    ck_assert_int_eq(error.reason, MRC_ENGINE_AUTH);
}
END_TEST

/* A server that sends the beginning of a long answer, and then 100 bytes of it, one at a time. */
static void *trickle(void *arg)
{
    static const char head[] = "$100\r\n";
    int fd = accept((int)(intptr_t)arg, NULL, NULL);

    ck_assert_int_eq(write(fd, head, strlen(head)), (ssize_t)strlen(head));
    for (int i = 0; i < 102; i++) {
        usleep(10000);
        if (send(fd, i < 100 ? "x" : i == 100 ? "\r" : "\n", 1, MSG_NOSIGNAL) != 1)
            break;
    }
    close(fd);
    return NULL;
}

/* The answer takes a second: longer than its parts may take, or longer than all of it may. */
START_TEST(a_long_wait_ends)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    struct mrc_engine_host host = {"127.0.0.1", 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct redisReply *reply;
    struct mrc_wire *wire;
    pthread_t thread;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    host.port = ntohs(address.sin_port);
    wire = mrc_wire_connect(NULL, &host, NULL, 1000 * 1000, &error);
    ck_assert_msg(wire != NULL, "%s", error.text.text);
    ck_assert_int_eq(pthread_create(&thread, NULL, trickle, (void *)(intptr_t)fd), 0);
    if (_i == 0) {
        reply = mrc_wire_wait_long(wire, 900 * 1000, 60 * 1000 * 1000, &error);
        ck_assert_uint_eq(mrc_reply_text(reply).len, 100);
        mrc_wire_free_reply(reply);
    } else {
        ck_assert_ptr_null(mrc_wire_wait_long(wire, 60 * 1000 * 1000, 100 * 1000, &error));
        ck_assert_int_eq(error.reason, MRC_ENGINE_TIMEOUT);
    }
    mrc_wire_close(wire);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    close(fd);
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
    tcase_add_test(tcase, an_entry_that_is_put_back_says_where_the_fork_was);
    tcase_add_test(tcase, another_generation_is_refused);
    tcase_add_test(tcase, verdicts);
    tcase_add_test(tcase, the_log_is_trimmed_by_count);
    tcase_add_test(tcase, the_log_keeps_the_least_however_short_the_history_is);
    tcase_add_test(tcase, the_least_has_a_bound_of_bytes);
    tcase_add_test(tcase, a_history_that_is_longer_than_the_least_is_kept);
    tcase_add_test(tcase, an_operation_that_changes_nothing_makes_no_entry);
    tcase_add_test(tcase, beats_tell_who_lives);
    tcase_add_test(tcase, a_dead_machine_is_removed_once);
    tcase_add_test(tcase, the_ends_of_a_dead_machine_are_counted);
    tcase_add_test(tcase, the_counter_of_a_writer_goes_a_month_after_its_machine);
    tcase_add_test(tcase, old_writers_are_looked_for_once_in_an_hour);
    tcase_add_test(tcase, a_machine_learns_that_some_of_its_subscriptions_are_removed);
    tcase_add_test(tcase, a_machine_of_which_nothing_is_removed_is_as_before);
    tcase_add_test(tcase, a_machine_that_dies_when_it_has_learned_that_is_removed_completely);
    tcase_add_test(tcase, a_machine_that_is_taken_for_dead_twice_learns_that_twice);
    tcase_add_test(tcase, subscriptions_are_listed_by_prefix);
    tcase_add_test(tcase, revocations_stand_until_they_end);
    tcase_add_test(tcase, a_revocation_that_is_lifted_is_forgotten_when_it_would_end);
    tcase_add_test(tcase, machines_learn_that_revocations_were_entered_again);
    tcase_add_test(tcase, a_revocation_that_is_lifted_is_not_entered_again);
    tcase_add_test(tcase, revocations_are_entered_only_in_the_log_that_the_machine_has_joined);
    tcase_add_test(tcase, without_a_server_the_connection_is_refused);
    tcase_add_test(tcase, a_wrong_password_is_reported);
    tcase_add_loop_test(tcase, a_long_wait_ends, 0, 2);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
