/* The ids of the records before given ones. */
#include "hub/hub/last_id.h"

#include "hub_unit.h"

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

int main(void)
{
    Suite *suite = suite_create("last_id");
    TCase *tcase = tcase_create("last_id");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_last_id_is_that_of_the_record_before);
    tcase_add_test(tcase, an_id_goes_with_its_record);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
