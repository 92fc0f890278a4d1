/*
 * A hub opens and publishes with each allocation failing in turn: it opens whole or not at all, and
 * updates that are published together are all published, or none.
 */
#include "failing_calls.h"
#include "hub_unit.h"

static struct hub_place place;
static const struct mrc_hub_spec spec;

static bool open_once(void)
{
    struct mrc_error error = {""};
    long left = fail_later();
    struct mrc_hub *hub;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, place.pool), APR_SUCCESS);
    fail_again(left);
    hub = mrc_hub_open(own, place.segment, place.notify, HUB_SLOT, 0, &spec, &error);
    left = fail_later();
    ck_assert(hub || error.text[0]);
    mrc_hub_close(hub);
    apr_pool_destroy(own);
    fail_again(left);
    return hub != NULL;
}

static bool publish(void)
{
    struct mrc_bytes topic = mrc_bytes_of("https://example.com/a");
    const struct mrc_update update = {.topics = &topic,
                                      .topics_count = 1,
                                      .data = mrc_bytes_of("data"),
                                      .id = mrc_bytes_of("id")};
    const struct mrc_update updates[] = {update, update, update};
    struct mrc_ring_stats before, after;
    apr_status_t status;

    mrc_ring_stats(mrc_hub_ring(place.hub), &before);
    status = mrc_hub_publish(place.hub, updates, 3, apr_time_now());
    mrc_ring_stats(mrc_hub_ring(place.hub), &after);
    ck_assert(!status || status == APR_ENOMEM);
    ck_assert_uint_eq(after.last_seq - before.last_seq, status ? 0 : 3);
    return status == APR_SUCCESS;
}

START_TEST(a_hub)
{
    place = hub_place_open(1 << 16, &spec);
    fail_in_turn("open", open_once, 1);
    fail_in_turn("publish", publish, 4);
    hub_place_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_add_test(tcase, a_hub);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
