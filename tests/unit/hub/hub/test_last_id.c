/* The ids of the records before given ones. */
#include "hub/hub/last_id.h"

#include "hub_unit.h"
#include "store/history/history.h"

#define RING ((uint64_t)64 * 1024)

static const struct mrc_hub_spec spec = {.limits = {.dispatch_timeout_us = 1000000}};

static struct hub_place place;

static void setup(void)
{
    place = hub_place_open(RING, &spec);
}

static void teardown(void)
{
    hub_place_close(&place);
}

/* The id of the record before number NEXT must be WANT; NULL: the history does not have it. */
static void check_last_id(uint64_t next, const char *want)
{
    struct mrc_buf id;

    mrc_buf_init(&id, SIZE_MAX);
    ck_assert_int_eq(mrc_hub_last_id(place.hub, next, apr_time_now(), &id),
                     want ? APR_SUCCESS : APR_NOTFOUND);
    ck_assert_bytes_eq(mrc_buf_bytes(&id), want ? want : "");
    mrc_buf_free(&id);
}

START_TEST(the_last_id_is_that_of_the_record_before)
{
    check_last_id(0, "earliest");
    check_last_id(1, "earliest");
    hub_publish(place.hub, "first", "t", "data");
    hub_publish(place.hub, "second", "t", "data");
    hub_publish(place.hub, "third", "t", "data");
    check_last_id(0, NULL);
    check_last_id(1, NULL);
    check_last_id(2, "first");
    check_last_id(3, "second");
    check_last_id(4, "third");
    check_last_id(100, "third");
}
END_TEST

START_TEST(an_id_goes_with_its_record)
{
    static char data[4096];

    memset(data, 'x', sizeof(data) - 1);
    hub_publish(place.hub, "first", "t", "data");
    for (int i = 0; i < 100; i++) /* far more than the ring holds */
        hub_publish(place.hub, "other", "t", data);
    check_last_id(2, NULL);
    check_last_id(102, "other");
}
END_TEST

/* New subscribers get it, too. */
START_TEST(the_newest_id_is_known_although_no_history_is_kept)
{
    const struct mrc_ring_bounds off = {.off = true};

    hub_publish(place.hub, "first", "t", "data");
    hub_publish(place.hub, "second", "t", "data");
    ck_assert_int_eq(mrc_ring_set_bounds(mrc_hub_ring(place.hub), &off, apr_time_now(), 1000000),
                     APR_SUCCESS);
    check_last_id(2, NULL);
    check_last_id(3, "second");
}
END_TEST

/* The ring holds a few of the records. */
START_TEST(a_history_on_the_disk_has_the_ids)
{
    const struct mrc_hub_spec durable = {
        .history_dir = store_dir(),
        .history_sync = MRC_HISTORY_SYNC_NONE,
        .limits = {.dispatch_timeout_us = 1000000},
    };
    static char data[4096];
    char id[16];

    if (!mrc_history_has_lmdb())
        return;
    hub_place_close(&place);
    place = hub_place_open(RING, &durable);
    check_last_id(1, "earliest");
    memset(data, 'x', sizeof(data) - 1);
    for (int i = 1; i <= 100; i++) {
        snprintf(id, sizeof(id), "id %d", i);
        hub_publish(place.hub, id, "t", data);
    }
    check_last_id(0, NULL);
    check_last_id(1, NULL);
    check_last_id(2, "id 1");
    check_last_id(51, "id 50");
    check_last_id(100, "id 99");
    check_last_id(101, "id 100");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("last_id");
    TCase *tcase = tcase_create("last_id");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_last_id_is_that_of_the_record_before);
    tcase_add_test(tcase, an_id_goes_with_its_record);
    tcase_add_test(tcase, the_newest_id_is_known_although_no_history_is_kept);
    tcase_add_test(tcase, a_history_on_the_disk_has_the_ids);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
