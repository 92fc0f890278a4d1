/*
 * A hub works with each allocation failing in turn: it opens completely or not at all, updates that
 * are published together are all published or none is, and a token is revoked everywhere or
 * nowhere.
 */
#include "apr_general.h"

#include "core/base/json.h"
#include "failing_calls.h"
#include "hub/control/order.h"
#include "hub/hub/activity.h"
#include "hub/hub/figures.h"
#include "hub/hub/last_id.h"
#include "hub/hub/revocation.h"
#include "hub_unit.h"
#include "store/base/clock.h"
#include "store/base/status.h"
#include "store/regions/link.h"
#include "store/regions/revocations.h"

#define TOPIC "https://example.com/a"

static struct hub_place place;
static struct mrc_hub_spec spec = {.shape = {.is_controlled = true}};
static const struct mrc_transport_spec transport = {.engine = {.timeout_us = 1000}};

#pragma GCC visibility push(default) /* as in failing_calls.h */
apr_status_t __real_apr_generate_random_bytes(unsigned char *bytes, apr_size_t len);
apr_status_t __wrap_apr_generate_random_bytes(unsigned char *bytes, apr_size_t len);

apr_status_t __wrap_apr_generate_random_bytes(unsigned char *bytes, apr_size_t len)
{
    return alloc_fails() ? APR_EGENERAL : __real_apr_generate_random_bytes(bytes, len);
}
#pragma GCC visibility pop

/* ---- the engine -------------------------------------------------------------------------------*/

apr_status_t __real_mrc_history_append_control(struct mrc_history *history,
                                               struct mrc_bytes payload, struct mrc_bytes operation,
                                               int64_t now_us);
apr_status_t __wrap_mrc_history_append_control(struct mrc_history *history,
                                               struct mrc_bytes payload, struct mrc_bytes operation,
                                               int64_t now_us);

static bool is_of_jti(struct mrc_bytes bytes)
{
    struct mrc_order order;

    return mrc_order_decode(bytes, &order) == MRC_OK && order.jti.ptr &&
           mrc_bytes_eq_str(order.jti, "1");
}

/* The engine of a hub with a transport does not answer. Whatever it is asked is complete. */
apr_status_t __wrap_mrc_history_append_control(struct mrc_history *history,
                                               struct mrc_bytes payload, struct mrc_bytes operation,
                                               int64_t now_us)
{
    struct mrc_order order;
    const char *data;

    if (!mrc_hub_link(place.hub))
        return __real_mrc_history_append_control(history, payload, operation, now_us);
    ck_assert_uint_gt(operation.len, 0);
    data = memchr(operation.ptr, ' ', operation.len); /* after the time */
    ck_assert_ptr_nonnull(data);
    data++;
    ck_assert(is_of_jti((struct mrc_bytes){data, operation.len - (size_t)(data - operation.ptr)}));
    ck_assert_int_eq(mrc_order_decode(payload, &order), MRC_OK);
    ck_assert(operation.ptr[0] == 'l' ? order.kind == MRC_ORDER_LIFT && order.id.ptr
                                      : is_of_jti(payload));
    return MRC_STATUS_UNREACHABLE;
}

/* ---- opening ----------------------------------------------------------------------------------*/

/* Fails unless HUB works completely. */
static void use(struct mrc_hub *hub)
{
    struct mrc_matcher *matchers[] = {hub_matcher(MRC_MATCHER_EXACT, TOPIC, NULL),
                                      hub_matcher(MRC_MATCHER_EXACT, "*", NULL)};
    char id[MRC_UPDATE_ID_BYTES];

    for (int i = 0; i < 2; i++) {
        mrc_hub_listen(hub, &matchers[i], 1);
        mrc_hub_unlisten(hub, &matchers[i], 1);
        mrc_matcher_free(matchers[i]);
    }
    mrc_patterns_put(mrc_hub_patterns(hub),
                     hub_own_matcher(hub, hub_matcher(MRC_MATCHER_URLPATTERN, "/:x", TOPIC)));
    ck_assert_ptr_nonnull(mrc_hub_revoked(hub));
    ck_assert_int_eq(mrc_hub_make_id(hub, id), APR_SUCCESS);
    hub_publish(hub, id, TOPIC, "data");
}

static bool open_once(void)
{
    struct mrc_error error = {""};
    long left = fail_later();
    struct mrc_hub *hub;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, place.pool), APR_SUCCESS);
    fail_again(left);
    hub = mrc_hub_open(own, place.segment, place.notify, HUB_SLOT, 0, &spec,
                       MRC_HISTORY_OPEN_WAIT_US, &error);
    left = fail_later();
    ck_assert(hub || error.text[0]);
    if (hub)
        use(hub);
    mrc_hub_close(hub);
    apr_pool_destroy(own);
    fail_again(left);
    return hub != NULL;
}

/* ---- publishing -------------------------------------------------------------------------------*/

/* How many updates about the topic the hub has counted. */
static uint64_t busiest(void)
{
    struct mrc_busiest_topic topic = {.count = 0};

    mrc_activity_busiest(mrc_hub_activity(place.hub), MRC_BUSIEST_UPDATES, &topic, 1);
    return topic.count;
}

/* What a publication changes. */
struct state {
    struct mrc_ring_stats ring;
    uint64_t head, counted, busiest;
};

static struct state look(void)
{
    struct state state = {
        .head = mrc_ring_head(mrc_hub_ring(place.hub)),
        .counted = hub_counter(&place, MRC_COUNTER_UPDATES),
        .busiest = busiest(),
    };

    mrc_ring_stats(mrc_hub_ring(place.hub), &state.ring);
    return state;
}

/* Fails unless the ring has COUNT whole updates from POS on. */
static void check_updates(uint64_t pos, size_t count)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_update update;
    size_t found = 0;

    for (; mrc_ring_read(mrc_hub_ring(place.hub), &pos, &record) == APR_SUCCESS; found++) {
        ck_assert_int_eq(mrc_update_decode(record.view.id, record.view.payload, &update), MRC_OK);
        ck_assert_uint_eq(update.topics_count, 1);
        ck_assert_bytes_eq(update.topics[0], TOPIC);
        ck_assert_bytes_eq(update.data, "data");
        mrc_update_clear(&update);
    }
    mrc_ring_record_free(&record);
    ck_assert_uint_eq(found, count);
}

/* Fails unless COUNT updates were published since BEFORE. */
static void check_published(const struct state *before, size_t count)
{
    long left = fail_later();
    struct state after = look();

    ck_assert_uint_eq(after.ring.last_seq - before->ring.last_seq, count);
    ck_assert_uint_eq(after.counted - before->counted, count);
    if (count == 0) {
        ck_assert_uint_eq(after.head, before->head);
        ck_assert_uint_le(after.busiest, before->busiest); /* it drops when a minute ends */
    }
    check_updates(before->head, count);
    fail_again(left);
}

static bool publish_some(size_t count)
{
    long left = fail_later();
    struct mrc_bytes topic = mrc_bytes_of(TOPIC);
    const struct mrc_update update = {.topics = &topic,
                                      .topics_count = 1,
                                      .data = mrc_bytes_of("data"),
                                      .id = mrc_bytes_of("id")};
    const struct mrc_update updates[] = {update, update, update};
    struct state before = look();
    apr_status_t status;

    fail_again(left);
    status = mrc_hub_publish(place.hub, updates, count, apr_time_now());
    ck_assert(!status || status == APR_ENOMEM);
    check_published(&before, status ? 0 : count);
    return status == APR_SUCCESS;
}

static bool publish_one(void)
{
    return publish_some(1);
}

static bool publish_three(void)
{
    return publish_some(3);
}

static bool publish_group(void)
{
    long left = fail_later();
    struct mrc_bytes topic = mrc_bytes_of(TOPIC);
    const struct mrc_update update = {
        .topics = &topic, .topics_count = 1, .data = mrc_bytes_of("data")};
    struct state before = look();
    struct mrc_record items[2];
    apr_status_t status;
    struct mrc_buf text;
    size_t done = 7;

    mrc_buf_init(&text, SIZE_MAX);
    mrc_update_encode(&update, &text);
    for (int i = 0; i < 2; i++)
        items[i] = (struct mrc_record){
            .id = mrc_bytes_of(i ? "b" : "a"), .payload = mrc_buf_bytes(&text), .stored_bytes = 1};
    fail_again(left);
    status = mrc_hub_publish_group(place.hub, items, 2, apr_time_now(), &done);
    ck_assert(!status || status == APR_ENOMEM);
    ck_assert_uint_eq(done, status ? 0 : 2);
    check_published(&before, done);
    left = fail_later();
    mrc_buf_free(&text);
    fail_again(left);
    return status == APR_SUCCESS;
}

static uint64_t second; /* the number of the second record in the history */

static bool last_id(void)
{
    struct mrc_buf id;
    apr_status_t status;
    bool is_done;

    mrc_buf_init(&id, SIZE_MAX);
    status = mrc_hub_last_id(place.hub, second, apr_time_now(), &id);
    is_done = status == APR_SUCCESS && !mrc_buf_error(&id);
    ck_assert(is_done || status == APR_NOTFOUND || mrc_buf_error(&id) == MRC_ENOMEM);
    if (is_done)
        ck_assert_bytes_eq(mrc_buf_bytes(&id), "first");
    mrc_buf_free(&id);
    return is_done;
}

static bool exchange_figures(void)
{
    static const struct mrc_figures figures = {.subscribers = 7};
    struct mrc_figures other = {.subscribers = 0};
    struct mrc_buf text;
    enum mrc_err err;

    mrc_buf_init(&text, SIZE_MAX);
    mrc_figures_encode(&figures, &text);
    err = mrc_buf_error(&text) ? mrc_buf_error(&text)
                               : mrc_figures_decode(mrc_buf_bytes(&text), &other);
    mrc_buf_free(&text);
    ck_assert_uint_eq(other.subscribers, err ? 0 : 7);
    return err == MRC_OK;
}

/* ---- revoking ---------------------------------------------------------------------------------*/

static const unsigned char id_of_one[MRC_REVOCATION_ID_BYTES] = {7};

static apr_status_t count_one(void *ctx, const struct mrc_revocation *entry)
{
    ck_assert(is_of_jti(entry->data));
    (*(unsigned *)ctx)++;
    return APR_SUCCESS;
}

/* Fails unless the list and the file have COUNT revocations. */
static void check_revoked(unsigned count)
{
    long left = fail_later();
    unsigned listed = 0, kept = 0;
    struct mrc_revocation entry;
    struct mrc_buf copy;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    mrc_revocations_copy(mrc_hub_revocations(place.hub), &copy);
    for (; mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry); listed++)
        ck_assert(is_of_jti(entry.data));
    mrc_buf_free(&copy);
    ck_assert_uint_eq(listed, count);
    ck_assert_int_eq(mrc_history_revoked(mrc_hub_history(place.hub), count_one, &kept),
                     APR_SUCCESS);
    if (mrc_history_is_durable(mrc_hub_history(place.hub)))
        ck_assert_uint_eq(kept, count);
    fail_again(left);
}

static apr_status_t revoke_one(void)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);

    order.jti = mrc_bytes_of("1");
    order.until_us = INT64_C(9000000000000000);
    return mrc_revocation_add(place.hub, id_of_one, &order, apr_time_now());
}

static apr_status_t lift_one(void)
{
    return mrc_revocation_lift(place.hub, id_of_one, apr_time_now());
}

/* Revokes the first token, for which the list has no pages yet. */
static void revoke_first(void)
{
    apr_status_t status = APR_ENOMEM;

    for (long i = 0; status; i++) {
        alloc_left = i;
        status = revoke_one();
        alloc_left = -1;
        ck_assert(!status || status == APR_ENOMEM || status == MRC_STATUS_NO_ROOM);
        check_revoked(status ? 0 : 1);
        ck_assert_int_lt(i, 100);
    }
    ck_assert_int_eq(lift_one(), APR_SUCCESS);
}

static bool revoke_and_lift(void)
{
    uint64_t order = mrc_ring_control(mrc_hub_ring(place.hub));
    apr_status_t status = revoke_one();
    long left;

    ck_assert(!status || status == APR_ENOMEM);
    ck_assert_int_eq(mrc_ring_control(mrc_hub_ring(place.hub)) == order, status != APR_SUCCESS);
    check_revoked(status ? 0 : 1);
    if (status)
        return false;
    status = lift_one();
    ck_assert(!status || status == APR_ENOMEM);
    if (status) { /* half of the change may be made: the operator tries again */
        left = fail_later();
        ck_assert_int_eq(lift_one(), APR_SUCCESS);
        fail_again(left);
    }
    check_revoked(0);
    return status == APR_SUCCESS;
}

/*
 * A child opens the hub of a server that has just started: the file has a revocation, the list has
 * none.
 */
static void check_load(void)
{
    struct mrc_revocations *list = mrc_hub_revocations(place.hub);

    mrc_revocations_set_epoch(list, 0);
    mrc_revocations_remove(list, id_of_one, apr_time_now());
    alloc_left = 0; /* the call needs no memory */
    ck_assert_int_eq(mrc_revocation_load(place.hub, apr_time_now()), APR_SUCCESS);
    alloc_left = -1;
    ck_assert_uint_ne(mrc_revocations_epoch(list), 0);
    check_revoked(1);
}

/* The same after a reload that gave the hub this file: the list has a revocation, the file has
 * none. */
static void check_join(void)
{
    struct mrc_revocations *list = mrc_hub_revocations(place.hub);

    mrc_revocations_set_epoch(list, 1);
    ck_assert_int_eq(mrc_history_lift(mrc_hub_history(place.hub), id_of_one), APR_SUCCESS);
    alloc_left = 0;
    ck_assert_int_eq(mrc_revocation_load(place.hub, apr_time_now()), APR_ENOMEM);
    alloc_left = -1;
    ck_assert_uint_eq(mrc_revocations_epoch(list), 1);
    ck_assert_int_eq(mrc_revocation_load(place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_uint_ne(mrc_revocations_epoch(list), 1);
    check_revoked(1);
}

/* No engine answers. An order that is not confirmed is not in the list. */
static bool revoke_with_engine(void)
{
    apr_status_t status = revoke_one();

    ck_assert(status == MRC_STATUS_UNREACHABLE || status == APR_ENOMEM);
    check_revoked(0);
    return status == MRC_STATUS_UNREACHABLE;
}

static bool lift_with_engine(void)
{
    apr_status_t status = lift_one();

    ck_assert(status == MRC_STATUS_UNREACHABLE || status == APR_ENOMEM);
    check_revoked(1);
    return status == MRC_STATUS_UNREACHABLE;
}

/* ---- the hubs ---------------------------------------------------------------------------------*/

static void run_common(void)
{
    hub_publish(place.hub, "first", TOPIC, "data");
    second = mrc_history_number(mrc_hub_history(place.hub), look().ring.last_seq) + 1;
    hub_publish(place.hub, "second", TOPIC, "data");
    fail_in_turn("last id", last_id, 2);
    fail_in_turn("publish one", publish_one, 1);
    fail_in_turn("publish", publish_three, 4);
    fail_in_turn("group", publish_group, 1);
    revoke_first();
    fail_in_turn("revoke", revoke_and_lift, 1);
}

START_TEST(a_hub)
{
    place = hub_place_open(1 << 20, &spec);
    fail_in_turn("open", open_once, 3);
    run_common();
    json_set_alloc_funcs(malloc, free); /* the program's own functions */
    fail_in_turn("figures", exchange_figures, 1);
    hub_place_close(&place);
}
END_TEST

/* A process may open the file only once. */
START_TEST(a_durable_hub)
{
    struct mrc_error error = {""};
    int descriptor;

    if (!mrc_history_has_lmdb())
        return;
    spec.history_dir = store_dir();
    spec.history_sync = MRC_HISTORY_SYNC_NONE;
    place = hub_place_open(1 << 20, &spec);
    mrc_hub_close(place.hub);
    descriptor = lowest_free_descriptor();
    fail_in_turn("open", open_once, 6);
    ck_assert_int_eq(lowest_free_descriptor(), descriptor);
    few_descriptors_in_turn("descriptors", open_once, 2);
    place.hub = mrc_hub_open(place.pool, place.segment, place.notify, HUB_SLOT, 0, &spec,
                             MRC_HISTORY_OPEN_WAIT_US, &error);
    ck_assert_msg(place.hub != NULL, "%s", error.text);
    ck_assert_int_eq(mrc_revocation_load(place.hub, apr_time_now()), APR_SUCCESS);
    run_common();
    ck_assert_int_eq(revoke_one(), APR_SUCCESS);
    check_load();
    check_join();
    hub_place_close(&place);
}
END_TEST

START_TEST(a_hub_of_several_machines)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    struct mrc_revocation entry = {.id = {7}, .until_us = INT64_C(9000000000000000)};
    struct mrc_buf data;

    mrc_buf_init(&data, SIZE_MAX);
    order.jti = mrc_bytes_of("1");
    mrc_order_encode(&order, &data);
    entry.data = mrc_buf_bytes(&data);
    spec.transport = &transport;
    place = hub_place_open(1 << 20, &spec);
    fail_in_turn("revoke", revoke_with_engine, 2);
    ck_assert_int_eq(mrc_revocations_add(mrc_hub_revocations(place.hub), &entry, apr_time_now()),
                     APR_SUCCESS);
    fail_in_turn("lift", lift_with_engine, 2);
    mrc_buf_free(&data);
    hub_place_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_hub);
    tcase_add_test(tcase, a_durable_hub);
    tcase_add_test(tcase, a_hub_of_several_machines);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
