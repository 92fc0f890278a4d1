/*
 * A dispatcher with each allocation and each thread failing in turn: it starts completely or not at
 * all, and a stream gets all updates in order, or ends before the first update that it cannot get.
 */
#include "failing_calls.h"

#include "dispatcher_unit.h"

#define UPDATES 20

/* ---- starting ---------------------------------------------------------------------------------*/

static bool start_and_stop(void)
{
    static _Atomic(struct mrc_hub *) hubs[1];
    struct mrc_dispatcher_args args = {
        .notify = place.notify,
        .slot = HUB_SLOT,
        .threads = 3,
        .look_ms = LOOK_MS,
        .hubs = hubs,
        .hubs_count = 1,
        .has_durable = true,
        .on_wake = count_wake,
        .ctx = &wakes,
    };
    long left = fail_later();
    struct mrc_dispatcher *started = NULL;
    apr_status_t status;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, place.pool), APR_SUCCESS);
    args.waiters = mrc_waiters_create(own);
    fail_again(left);
    status = mrc_dispatcher_start(own, &args, &started);
    left = fail_later();
    ck_assert(mrc_dispatcher_stop(started));
    apr_pool_destroy(own);
    fail_again(left);
    return status == APR_SUCCESS;
}

static bool wait_with_a_thread(void)
{
    struct mrc_waiter *waiter = NULL;
    apr_status_t status = mrc_waiter_open(waiters, NULL, &waiter);

    mrc_waiter_close(waiter);
    return status == APR_SUCCESS;
}

START_TEST(a_start)
{
    place = hub_place_open(1 << 20, &patient);
    waiters = mrc_waiters_create(place.pool);
    fail_in_turn("dispatcher", start_and_stop, 20);
    few_descriptors_in_turn("descriptors", start_and_stop, 6);
    fail_in_turn("waiter", wait_with_a_thread, 1);
    few_descriptors_in_turn("descriptors of a waiter", wait_with_a_thread, 1);
    hub_place_close(&place);
}
END_TEST

/* ---- delivering -------------------------------------------------------------------------------*/

static long budget; /* of the loop's thread */

static void begin_to_fail(struct client *client)
{
    client->on_write = NULL;
    alloc_left = budget;
}

START_TEST(a_stream_has_no_gap)
{
    budget = _i;
    start(1 << 20, 1, &patient);
    connect_all();
    connect_with(MRC_MATCHER_EXACT, "https://example.com/a", NULL, NULL);
    connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/*", NULL, NULL);
    publish(0, "https://example.com/a",
            4000); /* the carriers then have memory for the other updates */
    for (size_t i = 0; i < clients_count; i++)
        wait_until(received(&clients[i]) == 1);
    clients[0].on_write = begin_to_fail;
    for (unsigned i = 1; i <= UPDATES; i++)
        publish(i, "https://example.com/a", 10);
    for (size_t i = 0; i < clients_count; i++) {
        size_t from = 0;
        long id, last = -1;

        wait_until(received(&clients[i]) == UPDATES + 1 || clients[i].is_closed);
        while ((id = next_id(&clients[i], &from)) >= 0)
            ck_assert_int_eq(id, ++last);
    }
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, a_start);
    tcase_add_loop_test(tcase, a_stream_has_no_gap, 0, 25);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
