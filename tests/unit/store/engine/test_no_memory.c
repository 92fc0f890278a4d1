/*
 * Everything that a machine asks of the engine, with each allocation failing in turn, and with too
 * few descriptors: the call reports the failure, and the engine then holds what it held before, or
 * the complete change.
 */
#include <netdb.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>

#include "core/base/buf.h"
#include "failing_calls.h"
#include "redis_unit.h"
#include "store/engine/asks.h"
#include "store/engine/lookup.h"
#include "store/engine/redis.h"
#include "store/engine/registry.h"
#include "store/engine/tls.h"

#define MACHINE "m1"

static struct mrc_lookups *lookups;
static struct mrc_redis *redis;
static struct mrc_redis_keys keys;
static struct mrc_engine_error error;

/* ---- libraries --------------------------------------------------------------------------------*/

#pragma GCC visibility push(default)
redisReader *__real_redisReaderCreate(void);
redisReader *__wrap_redisReaderCreate(void);
int __real_redisReaderFeed(redisReader *reader, const char *data, size_t len);
int __wrap_redisReaderFeed(redisReader *reader, const char *data, size_t len);
int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses);
SSL_CTX *__real_SSL_CTX_new(const SSL_METHOD *method);
SSL_CTX *__wrap_SSL_CTX_new(const SSL_METHOD *method);
SSL *__real_SSL_new(SSL_CTX *ctx);
SSL *__wrap_SSL_new(SSL_CTX *ctx);
#pragma GCC visibility pop

redisReader *__wrap_redisReaderCreate(void)
{
    return alloc_fails() ? NULL : __real_redisReaderCreate();
}

int __wrap_redisReaderFeed(redisReader *reader, const char *data, size_t len)
{
    return alloc_fails() ? REDIS_ERR : __real_redisReaderFeed(reader, data, len);
}

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses)
{
    return alloc_fails() ? EAI_MEMORY : __real_getaddrinfo(name, service, hints, addresses);
}

SSL_CTX *__wrap_SSL_CTX_new(const SSL_METHOD *method)
{
    return alloc_fails() ? NULL : __real_SSL_CTX_new(method);
}

SSL *__wrap_SSL_new(SSL_CTX *ctx)
{
    return alloc_fails() ? NULL : __real_SSL_new(ctx);
}

/* ---- the engine -------------------------------------------------------------------------------*/

static void open_again(void)
{
    mrc_redis_close(redis);
    redis = mrc_redis_open(lookups, &redis_spec, keys.log, &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
}

static void join(void)
{
    const struct mrc_redis_join_args args = {
        .fresh_generation = 77,
        .writer = 1,
        .identity = "/hub",
        .bounds = "count=0",
        .fresh_key = "00ff",
    };
    struct mrc_redis_join joined;

    ck_assert_msg(mrc_redis_join(redis, &keys, &args, &joined, &error), "%s", error.text.text);
}

static void set_up(void)
{
    redis_start();
    mrc_redis_keys_make(store_pool(), "mercure", "example.com/hub", MACHINE, &keys);
    lookups = mrc_lookups_create();
    ck_assert_ptr_nonnull(lookups);
    open_again();
    join();
}

static void tear_down(void)
{
    mrc_redis_close(redis);
    mrc_lookups_free(lookups);
    redis_stop();
}

/* Runs PREPARE, USE and CHECK, each on a connection of its own; only USE may fail. */
static bool on_connection(void (*prepare)(void), bool (*use)(void), void (*check)(bool is_done))
{
    long left = fail_later();
    bool is_done;

    open_again();
    if (prepare)
        prepare();
    error.text.text[0] = '\0';
    fail_again(left);
    is_done = use();
    left = fail_later();
    ck_assert(is_done || error.text.text[0]);
    open_again();
    if (check)
        check(is_done);
    mrc_redis_close(redis);
    redis = NULL;
    fail_again(left);
    return is_done;
}

/* The next reply on SIDE; NULL if there is none. */
static struct redisReply *next(enum mrc_redis_side side)
{
    struct redisReply *reply = NULL;

    if (!mrc_redis_flush(redis, side, &error))
        return NULL;
    for (int i = 0; i < 5000 && !reply; i++) {
        if (!mrc_redis_receive(redis, side, &error) || !mrc_redis_take(redis, side, &reply, &error))
            return NULL;
        if (!reply)
            usleep(1000);
    }
    return reply;
}

/* ---- connecting -------------------------------------------------------------------------------*/

static bool connect_once(void)
{
    struct mrc_redis *opened;

    error.text.text[0] = '\0';
    opened = mrc_redis_open(lookups, &redis_spec, keys.log, &error);
    mrc_redis_close(opened);
    ck_assert(opened || error.text.text[0]);
    return opened != NULL;
}

START_TEST(connecting)
{
    fail_in_turn("by address", connect_once, 10);
    few_descriptors_in_turn("descriptors", connect_once, 1);
    redis_host.name = "localhost";
    fail_in_turn("by name", connect_once, 10);
}
END_TEST

static bool start_tls(void)
{
    struct mrc_tls *tls = mrc_tls_create(&redis_spec, &error);
    struct mrc_tls_stream *stream = NULL;
    int fds[2];

    if (tls) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        stream = mrc_tls_open(tls, fds[0], "localhost");
        close(fds[0]);
        close(fds[1]);
    }
    mrc_tls_close(stream);
    mrc_tls_free(tls);
    return stream != NULL;
}

static bool start_lookups(void)
{
    struct mrc_lookups *own = mrc_lookups_create();

    mrc_lookups_free(own);
    return own != NULL;
}

START_TEST(parts_of_a_connection)
{
    fail_in_turn("tls", start_tls, 4);
    fail_in_turn("lookups", start_lookups, 1);
}
END_TEST

/* ---- publishing and reading -------------------------------------------------------------------*/

static uint64_t newest, writer = 1;
static char blob[100000];

/* Publishes two entries as a new writer. */
static bool use_publish(void)
{
    const struct mrc_redis_publish publish = {
        .generation = 77, .writer = ++writer, .counter = 1, .entries = 2};
    uint64_t last;

    mrc_redis_publish_add(redis, &keys, &publish);
    for (int i = 0; i < 2; i++)
        mrc_redis_entry_add(redis, 10, (struct mrc_bytes){blob, sizeof(blob)}, mrc_bytes_of(""));
    if (!mrc_redis_publish_end(redis, &newest, &last, &error))
        return false;
    ck_assert_uint_eq(last, 2);
    return true;
}

static void check_published(bool is_done)
{
    uint64_t counter;

    ck_assert(mrc_redis_counters(redis, &keys, &writer, 1, &counter, &error));
    ck_assert_msg(counter == 2 || (!is_done && counter == 0), "%u", (unsigned)counter);
}

static bool publish(void)
{
    return on_connection(NULL, use_publish, check_published);
}

static bool count_entry(void *ctx, struct mrc_bytes log, const struct mrc_entry *entry,
                        struct mrc_engine_error *unused)
{
    (*(size_t *)ctx)++;
    return true;
}

static bool use_read(void)
{
    struct redisReply *reply;
    size_t count = 0;
    bool is_done;

    mrc_redis_read_add(redis, 50, 1000, 1);
    mrc_redis_read_key_add(redis, keys.log);
    mrc_redis_read_after_add(redis, newest - 2);
    reply = next(MRC_REDIS_R);
    is_done = reply && mrc_redis_read_reply(reply, count_entry, NULL, &count, &error);
    mrc_redis_free_reply(reply);
    ck_assert(!is_done || count == 2);
    return is_done;
}

static bool read_entries(void)
{
    return on_connection(NULL, use_read, NULL);
}

static bool use_token(void)
{
    struct mrc_entry_token token;

    if (!mrc_redis_token_at(redis, &keys, newest, &token, &error))
        return false;
    ck_assert_uint_eq(token.writer, writer);
    return true;
}

static bool read_token(void)
{
    return on_connection(NULL, use_token, NULL);
}

static bool use_join(void)
{
    const struct mrc_redis_join_args args = {.fresh_generation = 78,
                                             .writer = 1,
                                             .identity = "/hub",
                                             .bounds = "count=0",
                                             .fresh_key = "11"};
    struct mrc_redis_join joined;

    if (!mrc_redis_join(redis, &keys, &args, &joined, &error))
        return false;
    ck_assert_uint_eq(joined.generation, 77);
    return true;
}

static bool join_again(void)
{
    return on_connection(NULL, use_join, NULL);
}

START_TEST(publishing_and_reading)
{
    fail_in_turn("publish", publish, 3);
    fail_in_turn("read", read_entries, 1);
    fail_in_turn("token", read_token, 1);
    fail_in_turn("join", join_again, 1);
}
END_TEST

/* ---- the registry -----------------------------------------------------------------------------*/

static bool use_beat(void)
{
    struct mrc_redis_beat beat;
    struct redisReply *reply;
    bool is_done;

    mrc_redis_beat_add(redis, &keys, 77, MACHINE, "5", 0, false);
    reply = next(MRC_REDIS_W);
    is_done = reply && mrc_redis_beat_reply(reply, &beat, NULL, NULL, &error);
    mrc_redis_free_reply(reply);
    ck_assert(!is_done || beat.machines == 1);
    return is_done;
}

static bool beat(void)
{
    return on_connection(NULL, use_beat, NULL);
}

static bool use_subscribe(void)
{
    mrc_registry_begin(redis, &keys, MRC_REGISTRY_SUBSCRIBE, 3);
    mrc_registry_add(redis, mrc_bytes_of("a/1"));
    mrc_registry_add(redis, mrc_bytes_of("a/2"));
    mrc_registry_add(redis, mrc_bytes_of("b/1"));
    return mrc_registry_end(redis, &error);
}

static bool is_first;
static size_t listed;

static bool note_member(void *ctx, struct mrc_bytes member)
{
    is_first = mrc_bytes_eq_str(member, "a/2");
    listed++;
    return true;
}

static bool list_after(const char *prefix, const char *after, size_t *ret_count)
{
    listed = 0;
    return mrc_registry_subscriptions(redis, &keys, MACHINE, mrc_bytes_of(prefix),
                                      mrc_bytes_of(after), note_member, NULL, ret_count, &error);
}

static void check_subscribed(bool is_done)
{
    size_t count;

    ck_assert(list_after("", "", &count));
    ck_assert(count == 3 || (!is_done && count == 0));
    mrc_registry_begin(redis, &keys, MRC_REGISTRY_FORGET, 0);
    ck_assert(mrc_registry_end(redis, &error));
}

static bool subscribe(void)
{
    return on_connection(NULL, use_subscribe, check_subscribed);
}

static void prepare_dead(void)
{
    ck_assert(use_beat());
    ck_assert(use_subscribe());
}

/* A list is complete, or the call fails. */
static bool use_list(void)
{
    size_t count;

    if (!list_after("a/", "a/1", &count))
        return false;
    ck_assert_uint_eq(count, 1);
    ck_assert(is_first);
    return true;
}

static bool list(void)
{
    return on_connection(prepare_dead, use_list, NULL);
}

static bool use_reap(void)
{
    const struct mrc_registry_end ends[] = {
        {mrc_bytes_of("a/1"), 10, mrc_bytes_of("end")},
        {mrc_bytes_of("a/2"), 10, mrc_bytes_of("end")},
        {mrc_bytes_of("b/1"), 10, mrc_bytes_of("end")},
    };
    const struct mrc_registry_reap reap = {
        .generation = 77,
        .machine = MACHINE,
        .value = "5",
        .writer = ++writer,
        .counter = 1,
        .ends = ends,
        .count = 3,
    };
    int64_t left;

    if (!mrc_registry_reap(redis, &keys, &reap, &left, &error))
        return false;
    ck_assert_int_eq(left, 0);
    return true;
}

static void count_machine(void *ctx, struct mrc_bytes machine, struct mrc_bytes value)
{
    (*(size_t *)ctx)++;
}

/* A dead machine is listed as long as it has subscriptions. */
static void check_reaped(bool is_done)
{
    size_t count, machines = 0;

    ck_assert(list_after("", "", &count));
    ck_assert(mrc_registry_machines(redis, &keys, count_machine, &machines, &error));
    ck_assert_msg(count == 0 || machines == 1, "%zu subscriptions of no machine", count);
    ck_assert(!is_done || (count == 0 && machines == 0));
}

static bool reap(void)
{
    return on_connection(prepare_dead, use_reap, check_reaped);
}

static bool use_machines(void)
{
    size_t machines = 0;

    if (!mrc_registry_machines(redis, &keys, count_machine, &machines, &error))
        return false;
    ck_assert_uint_eq(machines, 1);
    return true;
}

static bool list_machines(void)
{
    return on_connection(prepare_dead, use_machines, NULL);
}

static bool use_is_removed(void)
{
    bool is_removed = true;

    if (!mrc_registry_is_removed(redis, &keys, MACHINE, &is_removed, &error))
        return false;
    ck_assert(!is_removed);
    return true;
}

static bool ask_whether_removed(void)
{
    return on_connection(prepare_dead, use_is_removed, NULL);
}

static bool use_revocations(void)
{
    listed = 0;
    if (!mrc_registry_revocations(redis, &keys, 0, note_member, NULL, &error))
        return false;
    ck_assert_uint_eq(listed, 1);
    return true;
}

static bool use_enter(void)
{
    const struct mrc_revocation entry = {.until_us = 1000, .data = mrc_bytes_of("revoked")};
    bool is_lifted = true;

    if (!mrc_registry_enter(redis, &keys, 77, &entry, 1, &is_lifted, &error)) {
        ck_assert(is_lifted);
        return false;
    }
    ck_assert(!is_lifted);
    return true;
}

static void prepare_revoked(void)
{
    ck_assert(use_enter());
}

static bool list_revocations(void)
{
    return on_connection(prepare_revoked, use_revocations, NULL);
}

static bool enter(void)
{
    return on_connection(NULL, use_enter, NULL);
}

START_TEST(the_registry)
{
    fail_in_turn("beat", beat, 1);
    fail_in_turn("subscribe", subscribe, 1);
    fail_in_turn("list", list, 1);
    fail_in_turn("reap", reap, 1);
    fail_in_turn("machines", list_machines, 1);
    fail_in_turn("is removed", ask_whether_removed, 1);
    fail_in_turn("revocations", list_revocations, 1);
    fail_in_turn("enter", enter, 1);
}
END_TEST

/* ---- questions --------------------------------------------------------------------------------*/

static bool use_put(void)
{
    const struct mrc_ask ask = {mrc_bytes_of("nonce"), mrc_bytes_of("m2"), mrc_bytes_of(MACHINE),
                                mrc_bytes_of("question")};
    char id[MRC_ASKS_ID_BYTES];
    bool can_read;

    return mrc_asks_begin(redis, &keys, id, &can_read, &error) && can_read &&
           mrc_asks_put(redis, &keys, &ask, &error);
}

static bool ask(void)
{
    return on_connection(NULL, use_put, NULL);
}

static bool use_answer(void)
{
    return mrc_asks_answer(redis, &keys, MACHINE, "nonce", mrc_bytes_of("answer"), &error);
}

/* Whether there is an answer. Fails if it is not that of this test. */
static bool has_answer(void)
{
    struct mrc_buf answer;
    bool has;

    mrc_buf_init(&answer, SIZE_MAX);
    ck_assert(mrc_asks_get(redis, &keys, MACHINE, "nonce", &answer, &error));
    has = answer.len > 0;
    ck_assert(!has || mrc_bytes_eq_str(mrc_buf_bytes(&answer), "answer"));
    mrc_buf_free(&answer);
    return has;
}

static void check_answered(bool is_done)
{
    ck_assert(has_answer() || !is_done);
    ck_assert(mrc_asks_drop(redis, &keys, MACHINE, "nonce", &error));
}

static bool answer(void)
{
    return on_connection(NULL, use_answer, check_answered);
}

static void prepare_answer(void)
{
    ck_assert(use_answer());
}

static bool use_get(void)
{
    struct mrc_buf got;
    bool is_done;

    mrc_buf_init(&got, SIZE_MAX);
    is_done = mrc_asks_get(redis, &keys, MACHINE, "nonce", &got, &error);
    ck_assert(!is_done || mrc_buf_error(&got) || mrc_bytes_eq_str(mrc_buf_bytes(&got), "answer"));
    if (is_done && mrc_buf_error(&got)) {
        error.text.text[0] = '?';
        is_done = false;
    }
    mrc_buf_free(&got);
    return is_done;
}

static bool get_answer(void)
{
    return on_connection(prepare_answer, use_get, NULL);
}

static bool use_drop(void)
{
    return mrc_asks_drop(redis, &keys, MACHINE, "nonce", &error);
}

static void check_dropped(bool is_done)
{
    ck_assert(!has_answer() || !is_done);
}

static bool drop_answer(void)
{
    return on_connection(prepare_answer, use_drop, check_dropped);
}

START_TEST(questions)
{
    fail_in_turn("ask", ask, 2);
    fail_in_turn("answer", answer, 1);
    fail_in_turn("get", get_answer, 2);
    fail_in_turn("drop", drop_answer, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    if (access(REDIS_PROGRAM, X_OK) != 0) {
        printf("1..0 # SKIP there is no " REDIS_PROGRAM " (Debian's package redis-tools)\n");
        return 0;
    }
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, connecting);
    tcase_add_test(tcase, parts_of_a_connection);
    tcase_add_test(tcase, publishing_and_reading);
    tcase_add_test(tcase, the_registry);
    tcase_add_test(tcase, questions);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
