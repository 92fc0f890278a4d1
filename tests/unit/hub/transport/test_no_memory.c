/*
 * A machine follows the log of the engine with each allocation failing in turn: entries that it
 * could not take come again, so that its ring has every update once, and its list every
 * subscription. Threads that ask the engine get an answer, or learn that there is none.
 */
#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "failing_calls.h"
#include "hub/control/order.h"
#include "hub/hub/hub.h"
#include "hub/transport/listed.h"
#include "hub/transport/machines.h"
#include "hub/transport/member.h"
#include "hub/transport/query.h"
#include "hub/transport/respond.h"
#include "hub/transport/transport.h"
#include "hub_unit.h"
#include "late_threads.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/engine/lookup.h"
#include "store/engine/redis_unit.h"
#include "store/engine/registry.h"
#include "store/regions/roster.h"

#define WRITER UINT64_C(0xabc) /* of another machine */

static const char *dir;
static apr_pool_t *pool;
static struct mrc_notify *notify;
static struct mrc_hub_segment *segment;
static struct mrc_hub *hub;
static struct mrc_member member;
static struct mrc_redis *redis;
static struct mrc_engine_error error;
static uint64_t published; /* by the other machine */
static unsigned skipped;

static struct mrc_transport_spec transport = {
    .group = "g",
    .prefix = "mercure",
    .name = "hub",
    .identity = "/hub",
    .machine = "m1",
    .lease_us = 10000000,
};
static const char *const paths[] = {"/h"};
static struct mrc_hub_spec spec = {
    .shape = {.key = "hub",
              .ring_bytes = 1 << 20,
              .body_max_bytes = 1 << 16,
              .roster_subscribers = 100,
              .is_controlled = true,
              .has_link = true},
    .paths = paths,
    .paths_count = 1,
    .is_controlled = true,
    .transport = &transport,
};

static void note_report(void *ctx, const struct mrc_link_report *report)
{
    skipped += report->event == MRC_LINK_EVENT_SKIPPED;
}

static void open_redis(void)
{
    mrc_redis_close(redis);
    redis = mrc_redis_open(NULL, &redis_spec, "{mercure:hub}:log", &error);
    ck_assert_msg(redis != NULL, "%s", error.text.text);
}

static void set_up(void)
{
    struct mrc_error why = {""};

    redis_start();
    dir = store_dir();
    pool = store_pool();
    transport.engine = redis_spec;
    spec.shape.staging_bytes =
        (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    ck_assert_int_eq(mrc_notify_create(pool, HUB_SLOTS, &why, &notify), APR_SUCCESS);
    ck_assert_msg(mrc_hub_segment_create(pool, dir, "hub", &spec.shape, HUB_SLOTS, store_budget(),
                                         &why, &segment) == APR_SUCCESS,
                  "%s", why.text);
    hub = mrc_hub_open(pool, segment, notify, HUB_SLOT, 0, &spec, MRC_HISTORY_OPEN_WAIT_US, &why);
    ck_assert_msg(hub != NULL, "%s", why.text);
    mrc_member_init(pool, &member, hub, note_report, NULL);
}

static void tear_down(void)
{
    mrc_redis_close(redis);
    redis = NULL;
    mrc_hub_close(hub);
    mrc_hub_segment_close(segment);
    mrc_notify_close(notify);
    mrc_segment_remove(dir, "hub");
    redis_stop();
}

/* ---- the log ----------------------------------------------------------------------------------*/

static void add_entry(struct mrc_bytes payload, unsigned flags, struct mrc_bytes operation)
{
    char id[24];
    struct mrc_buf blob;

    snprintf(id, sizeof(id), "id-%u", (unsigned)published + 1);
    mrc_buf_init(&blob, SIZE_MAX);
    mrc_entry_add_blob(&blob, flags, mrc_bytes_of(flags & MRC_ENTRY_CONTROL ? "" : id), payload);
    mrc_redis_entry_add(redis, 10, mrc_buf_bytes(&blob), operation);
    mrc_buf_free(&blob);
}

/* Another machine publishes an update of two topics, and an order that revokes a token. */
static void publish(void)
{
    static const char *const names[] = {"https://example.com/a", "https://example.com/b"};
    struct mrc_bytes topics[] = {mrc_bytes_of(names[0]), mrc_bytes_of(names[1])};
    const struct mrc_update update = {
        .topics = topics, .topics_count = 2, .data = mrc_bytes_of("data")};
    const struct mrc_redis_publish batch = {.generation = member.position.generation,
                                            .writer = WRITER,
                                            .counter = 2 * published + 1,
                                            .entries = 2};
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    struct mrc_buf record, bytes, operation;
    char id[MRC_UPDATE_ID_BYTES];
    uint64_t newest, last;
    const unsigned char random[16] = {1}; /* always the same token, so that the list stays short */

    mrc_update_id_make(random, id);
    order.jti = mrc_bytes_of("jti");
    order.id = mrc_bytes_of(id);
    order.until_us = INT64_C(9000000000000000);
    mrc_buf_init(&record, SIZE_MAX);
    mrc_buf_init(&bytes, SIZE_MAX);
    mrc_buf_init(&operation, SIZE_MAX);
    mrc_update_encode(&update, &record);
    mrc_order_encode(&order, &bytes);
    mrc_buf_add_str(&operation, "r9000000000000000 ");
    mrc_buf_add_bytes(&operation, mrc_buf_bytes(&bytes));
    mrc_redis_publish_add(redis, &member.keys, &batch);
    add_entry(mrc_buf_bytes(&record), 0, mrc_bytes_of(""));
    add_entry(mrc_buf_bytes(&bytes), MRC_ENTRY_CONTROL, mrc_buf_bytes(&operation));
    ck_assert_msg(mrc_redis_publish_end(redis, &newest, &last, &error), "%s", error.text.text);
    mrc_buf_free(&record);
    mrc_buf_free(&bytes);
    mrc_buf_free(&operation);
    published++;
}

static bool take(void *ctx, struct mrc_bytes log, const struct mrc_entry *entry,
                 struct mrc_engine_error *ret_error)
{
    return mrc_member_take(&member, entry, 1, ret_error);
}

/* Reads all entries after the place of the member. */
static bool follow(void)
{
    struct redisReply *reply = NULL;
    bool is_good;

    mrc_redis_read_add(redis, 50, 1000, 1);
    mrc_redis_read_key_add(redis, member.keys.log);
    mrc_redis_read_after_add(redis, member.position.number);
    is_good = mrc_redis_flush(redis, MRC_REDIS_R, &error);
    for (int i = 0; i < 5000 && is_good && !reply; i++) {
        is_good = mrc_redis_receive(redis, MRC_REDIS_R, &error) &&
                  mrc_redis_take(redis, MRC_REDIS_R, &reply, &error);
        if (is_good && !reply)
            usleep(1000);
    }
    is_good = is_good && reply && mrc_redis_read_reply(reply, take, NULL, NULL, &error);
    mrc_redis_free_reply(reply);
    return is_good;
}

/* Fails unless the ring has each of the published updates once, in their order, and each order
 * once.
 */
static void check_ring(void)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_tail(mrc_hub_ring(hub)), found = 0, orders = 0;

    while (mrc_ring_read(mrc_hub_ring(hub), &pos, &record) == APR_SUCCESS) {
        char id[24];

        if (record.view.is_control) {
            orders += record.view.id.len >
                      0; /* the other orders are those of revocations in the engine */
            continue;
        }
        snprintf(id, sizeof(id), "id-%u", (unsigned)++found);
        ck_assert_bytes_eq(record.view.id, id);
    }
    mrc_ring_record_free(&record);
    ck_assert_uint_eq(found, published);
    ck_assert_uint_eq(orders, published);
    ck_assert_uint_eq(skipped, 0);
}

static void check_revoked(void)
{
    struct mrc_revocation entry;
    unsigned found = 0;
    struct mrc_buf copy;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    mrc_revocations_copy(mrc_hub_revocations(hub), &copy);
    while (mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry))
        found++;
    mrc_buf_free(&copy);
    ck_assert_uint_eq(found, 1);
}

/* Leads, joins, and takes what another machine has published meanwhile. */
static bool mirror(void)
{
    long left = fail_later();
    bool is_done;

    open_redis();
    fail_again(left);
    is_done = mrc_member_lead(&member) && mrc_member_join(&member, redis, 1, &error);
    if (is_done) {
        left = fail_later();
        publish();
        fail_again(left);
        is_done = follow();
        mrc_member_announce(&member, 1);
    }
    left = fail_later();
    if (is_done) {
        check_ring();
        check_revoked();
    }
    mrc_member_resign(&member);
    mrc_redis_close(redis);
    redis = NULL;
    fail_again(left);
    return is_done;
}

START_TEST(a_log)
{
    fail_in_turn("mirror", mirror, 10);
}
END_TEST

/* ---- questions --------------------------------------------------------------------------------*/

static struct mrc_query *query;

/* Begins with a new connection, so that connecting also fails. */
static void open_query(apr_pool_t **ret_pool)
{
    struct mrc_query_line *line;

    ck_assert_int_eq(apr_pool_create(ret_pool, pool), APR_SUCCESS);
    line = mrc_query_line_create(*ret_pool);
    ck_assert_ptr_nonnull(line);
    mrc_query_create(*ret_pool, line, hub);
    query = mrc_hub_get_query(hub);
}

/* Calls RUN and then, whatever has failed, RUN once more. */
static bool run_with_query(bool (*run)(void))
{
    long left = fail_later();
    apr_pool_t *own;
    bool is_done;

    open_query(&own);
    fail_again(left);
    is_done = run();
    left = fail_later();
    ck_assert(is_done || run());
    mrc_hub_set_query(hub, NULL);
    apr_pool_destroy(own);
    fail_again(left);
    return is_done;
}

static bool is_good(apr_status_t status)
{
    ck_assert(!status || status == MRC_STATUS_UNREACHABLE || status == APR_ENOMEM);
    return status == APR_SUCCESS;
}

static bool run_ask(void)
{
    const char *name = mrc_query_own_name(query);
    struct mrc_buf answer;
    bool is_done;

    mrc_buf_init(&answer, SIZE_MAX);
    is_done = is_good(mrc_query_ask(query, "*", "ab", mrc_bytes_of("question"))) &&
              is_good(mrc_query_answer(query, "ab", mrc_bytes_of("a long answer of a machine"))) &&
              is_good(mrc_query_get_answer(query, name, "ab", &answer)) && !mrc_buf_error(&answer);
    if (is_done)
        ck_assert_bytes_eq(mrc_buf_bytes(&answer), "a long answer of a machine");
    mrc_buf_free(&answer);
    return is_done;
}

static bool ask(void)
{
    return run_with_query(run_ask);
}

static bool count_member(void *ctx, struct mrc_bytes text)
{
    ck_assert_bytes_eq(text, "member");
    (*(unsigned *)ctx)++;
    return true;
}

/* The machines and the subscriptions of one of them. */
static bool run_list(void)
{
    long left = fail_later();
    const struct mrc_bytes none = {"", 0};
    apr_array_header_t *names = apr_array_make(pool, 2, sizeof(const char *));
    unsigned members = 0;
    apr_status_t status;
    size_t count = 7;

    fail_again(left);
    if (!is_good(mrc_query_machines(query, pool, names)))
        return false;
    ck_assert_int_eq(names->nelts, 0); /* no machine has reported itself */
    status = mrc_query_subscriptions(query, "m2.1", none, none, count_member, &members, &count);
    ck_assert_uint_eq(count, status ? 7 : 0);
    ck_assert_uint_eq(members, 0);
    return is_good(status);
}

static bool list(void)
{
    return run_with_query(run_list);
}

/* Removes the subscriptions of a machine that another one has already removed: none is left. */
static bool run_reap(void)
{
    const struct mrc_query_dead dead = {"m2.1", "1"};
    const struct mrc_bytes members[] = {mrc_bytes_of("a"), mrc_bytes_of("b")};
    const struct mrc_record ends[] = {{.payload = mrc_bytes_of("an end"), .id = mrc_bytes_of("e")},
                                      {.payload = {"", 0}}};
    uint64_t left = 7;
    apr_status_t status = mrc_query_reap(query, &dead, members, ends, 2, &left);

    ck_assert_uint_eq(left, status ? 7 : 0);
    return is_good(status);
}

static bool reap(void)
{
    return run_with_query(run_reap);
}

START_TEST(questions)
{
    open_redis();
    ck_assert(mrc_member_lead(&member) && mrc_member_join(&member, redis, 1, &error));
    ck_assert(mrc_hub_transport_is_up(hub));
    fail_in_turn("ask", ask, 2);
    fail_in_turn("list", list, 2);
    fail_in_turn("reap", reap, 2);
    mrc_member_resign(&member);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------*/

static bool respond(void *ctx, struct mrc_hub *of, struct mrc_bytes question,
                    struct mrc_buf *ret_answer)
{
    return false;
}

static bool start_links(void)
{
    static const struct mrc_responder responder = {respond, NULL};
    long left = fail_later(), before = alloc_bytes;
    struct mrc_hub *const hubs[] = {hub, NULL};
    struct mrc_transport *started = NULL;
    apr_status_t status;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    fail_again(left);
    status = mrc_transport_start(own, hubs, 1, notify, note_report, NULL, &responder, &started);
    left = fail_later();
    ck_assert_int_eq(started == NULL, status != APR_SUCCESS);
    ck_assert(mrc_transport_stop(started));
    if (started)
        alloc_bytes = before; /* the threads have freed memory */
    mrc_hub_set_query(hub, NULL);
    apr_pool_destroy(own);
    fail_again(left);
    return status == APR_SUCCESS;
}

START_TEST(threads)
{
    fail_in_turn_strictly("start", start_links, 2, 0);
    few_descriptors_in_turn("descriptors", start_links, 2);
}
END_TEST

/* Otherwise their memory would be freed under them. */
START_TEST(late_threads_are_reported)
{
    static const struct mrc_responder responder = {respond, NULL};
    struct mrc_hub *const hubs[] = {hub, NULL};
    struct mrc_transport *started = NULL;
    apr_status_t status = APR_EGENERAL;
    unsigned incomplete = 0;

    for (long i = 0; status != APR_SUCCESS; i++) {
        late_threads = 0;
        threads_are_late = true;
        alloc_left = i;
        status =
            mrc_transport_start(pool, hubs, 1, notify, note_report, NULL, &responder, &started);
        alloc_left = -1;
        threads_are_late = false;
        ck_assert_int_eq(status == APR_INCOMPLETE, late_threads > 0);
        incomplete += status == APR_INCOMPLETE;
    }
    ck_assert_uint_gt(incomplete, 0);
    ck_assert(mrc_transport_stop(started));
    mrc_hub_set_query(hub, NULL);
}
END_TEST

/* ---- parts ------------------------------------------------------------------------------------*/

static bool parse(void)
{
    static const struct mrc_bytes text = {
        "exact/a/urn:uuid:00000000-0000-4000-8000-000000000000\0p{}", 57};
    struct mrc_roster_entry entry = {.type = 0};
    enum mrc_err err = mrc_listed_parse(text, &entry);

    ck_assert(!err || err == MRC_ENOMEM);
    mrc_roster_entry_free(&entry);
    return err == MRC_OK;
}

/* A machine for which there is no memory counts as live. */
static bool see(void)
{
    struct mrc_machines machines = {.own = "m1.1"};
    bool is_done;

    mrc_machines_begin(&machines);
    mrc_machines_see(&machines, mrc_bytes_of("m1.1"), mrc_bytes_of("1"), 0);
    mrc_machines_see(&machines, mrc_bytes_of("m2.1"), mrc_bytes_of("1"), 0);
    ck_assert_uint_eq(mrc_machines_end(&machines, 10, 1), 2);
    is_done = machines.count == 2;
    mrc_machines_free(&machines);
    return is_done;
}

START_TEST(parts)
{
    fail_in_turn("parse", parse, 1);
    fail_in_turn("see", see, 1);
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
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_log);
    tcase_add_test(tcase, questions);
    tcase_add_test(tcase, threads);
    tcase_add_test(tcase, late_threads_are_reported);
    tcase_add_test(tcase, parts);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
