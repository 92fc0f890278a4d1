/* Hubs that are opened when they are asked for: those of sites, views of others, and what is
 * reported. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "hub/child/child.h"
#include "hub_unit.h"
#include "store/base/status.h"
#include "store/memory/memory.h"

#define NSLOTS 4

static const char *dir;
static struct mrc_memory *memory;

#define ON_DEMAND(name)                                                                            \
    {                                                                                              \
        .shape = {.key = name,                                                                     \
                  .ring_bytes = 100000,                                                            \
                  .body_max_bytes = 1000,                                                          \
                  .is_on_demand = true},                                                           \
        .limits = {.dispatch_timeout_us = 1000000},                                                \
    }

static const struct mrc_hub_spec unknown = ON_DEMAND("unknown");
static const struct mrc_hub_spec ready = {
    .shape = {.key = "ready", .ring_bytes = 100000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 1000000},
};
static const struct mrc_hub_spec sites[] = {ON_DEMAND("site 0"), ON_DEMAND("site 1"),
                                            ON_DEMAND("site 2")};
static const struct mrc_hub_spec *const hubs[] = {&unknown, &ready, &sites[0], &sites[1],
                                                  &sites[2]};

enum { UNKNOWN, READY, SITES, HUBS = 5, SITES_COUNT = HUBS - SITES };

static void setup(void)
{
    const struct mrc_hub_shape *shapes[HUBS - 1];
    struct mrc_error error = {""};

    dir = store_dir();
    for (size_t i = READY; i < HUBS; i++)
        shapes[i - READY] = &hubs[i]->shape;
    ck_assert_msg(mrc_memory_open(store_pool(), dir, NSLOTS, &error, &memory) == APR_SUCCESS, "%s",
                  error.text);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, HUBS - READY, NULL, NULL, &error) ==
                      APR_SUCCESS,
                  "%s", error.text);
}

static void teardown(void)
{
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

static struct mrc_child *start(size_t count)
{
    struct mrc_child *child = NULL;

    ck_assert_int_eq(mrc_child_start(store_pool(), memory, hubs, count, 1, getpid(), 7, &child),
                     APR_SUCCESS);
    ck_assert_ptr_null(mrc_child_problem(child));
    return child;
}

static void stop(struct mrc_child *child)
{
    ck_assert(mrc_child_stop(child));
    mrc_child_close(child);
}

/* What was reported: "1+ " for hub 1, which was opened, "1! " for one that was not. */
static char reports[100];

static void note_open(void *ctx, struct mrc_hub *hub, size_t i)
{
    ck_assert_str_eq(ctx, "ctx");
    ck_assert_uint_eq(mrc_hub_get_index(hub), i);
    snprintf(reports + strlen(reports), sizeof(reports) - strlen(reports), "%zu+ ", i);
}

static void note_problem(void *ctx, size_t i, const char *why)
{
    ck_assert_str_eq(ctx, "ctx");
    ck_assert_str_ne(why, "");
    snprintf(reports + strlen(reports), sizeof(reports) - strlen(reports), "%zu! ", i);
}

static const struct mrc_child_watch watch = {note_open, note_problem, (char[]){"ctx"}};

/* ---- sites ------------------------------------------------------------------------------------*/

START_TEST(each_site_has_a_hub)
{
    struct mrc_child *child = start(HUBS), *other = start(HUBS);
    size_t places[SITES_COUNT], place;
    char name[16];

    mrc_child_watch(other, &watch);
    for (size_t i = 0; i < SITES_COUNT; i++) {
        snprintf(name, sizeof(name), "/srv/%zu", i);
        ck_assert_int_eq(mrc_child_obtain_site(child, SITES, SITES_COUNT, name, &places[i]),
                         APR_SUCCESS);
        ck_assert_uint_lt(places[i], SITES_COUNT);
        ck_assert_str_eq(mrc_child_site_name(child, SITES + places[i]), name);
        ck_assert_ptr_nonnull(mrc_child_hub(child, SITES + places[i]));
    }
    for (size_t i = 0; i < SITES_COUNT; i++) {
        snprintf(name, sizeof(name), "/srv/%zu", i);
        ck_assert_int_eq(mrc_child_obtain_site(other, SITES, SITES_COUNT, name, &place),
                         APR_SUCCESS);
        ck_assert_uint_eq(place, places[i]);
    }
    ck_assert_int_eq(mrc_child_obtain_site(other, SITES, SITES_COUNT, "/srv/more", &place),
                     APR_ENOSPC);
    ck_assert_str_eq(reports, "");
    ck_assert_ptr_null(mrc_child_site_name(child, READY));
    ck_assert_ptr_null(mrc_child_site_name(child, UNKNOWN));
    ck_assert_ptr_null(mrc_child_site_name(child, HUBS));
    stop(child);
    stop(other);
}
END_TEST

/* A set that holds a hub without memory, or more hubs than there are, has no hub to give. */
START_TEST(a_set_of_hubs_is_whole)
{
    struct mrc_child *child = start(HUBS);
    size_t place = 17;

    mrc_child_watch(child, &watch);
    ck_assert_int_eq(mrc_child_obtain_site(child, UNKNOWN, 2, "/srv/a", &place), APR_EGENERAL);
    ck_assert_int_eq(mrc_child_obtain_site(child, SITES, SITES_COUNT + 1, "/srv/a", &place),
                     APR_EGENERAL);
    ck_assert_uint_eq(place, 17);
    ck_assert_str_eq(reports, "");
    stop(child);
}
END_TEST

/* One report in a minute, whatever the hub. A lack of hubs is not a problem of this kind. */
START_TEST(a_lack_of_memory_is_reported)
{
    struct mrc_child *child = start(HUBS);
    size_t place;

    mrc_child_watch(child, &watch);
    ck_assert_ptr_nonnull(mrc_child_hub(child, READY));
    ck_assert_ptr_nonnull(mrc_child_hub(child, READY));
    mrc_memory_set_limit(memory, 1);
    ck_assert_ptr_null(mrc_child_hub(child, UNKNOWN)); /* it has no memory at all */
    ck_assert_str_eq(reports, "1+ ");
    ck_assert_int_eq(mrc_child_obtain_site(child, SITES, SITES_COUNT, "/srv/a", &place),
                     MRC_STATUS_NO_ROOM);
    ck_assert_str_eq(reports, "1+ 2! ");
    ck_assert_int_eq(mrc_child_obtain_site(child, SITES, SITES_COUNT, "/srv/b", &place),
                     MRC_STATUS_NO_ROOM);
    ck_assert_ptr_null(mrc_child_hub(child, SITES));
    ck_assert_str_eq(reports, "1+ 2! ");
    mrc_memory_set_limit(memory, 0);
    ck_assert_ptr_nonnull(mrc_child_hub(child, SITES + 1));
    ck_assert_str_eq(reports, "1+ 2! 3+ ");
    stop(child);
}
END_TEST

#define OPENERS 4

static struct mrc_child *shared;
static atomic_uint openers;

static void *open_site(void *unused)
{
    atomic_fetch_add(&openers, 1);
    return mrc_child_hub(shared, SITES);
}

/* Takes so long that the other threads find no hub, and wait. */
static void note_slow_open(void *ctx, struct mrc_hub *hub, size_t i)
{
    while (atomic_load(&openers) < OPENERS)
        poll(NULL, 0, 1);
    poll(NULL, 0, 100);
    note_open(ctx, hub, i);
}

START_TEST(threads_open_a_hub_once)
{
    const struct mrc_child_watch slow = {note_slow_open, note_problem, (char[]){"ctx"}};
    pthread_t threads[OPENERS];
    void *hub;

    shared = start(HUBS);
    mrc_child_watch(shared, &slow);
    for (int i = 0; i < OPENERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_site, NULL), 0);
    for (int i = 0; i < OPENERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &hub), 0);
        ck_assert_ptr_nonnull(hub);
        ck_assert_ptr_eq(hub, mrc_child_hub(shared, SITES));
    }
    ck_assert_str_eq(reports, "2+ ");
    stop(shared);
}
END_TEST

/* ---- views ------------------------------------------------------------------------------------*/

/* Whoever looks at the numbers of a hub neither opens nor makes it. */
START_TEST(a_view_makes_nothing)
{
    struct mrc_child *child = start(HUBS);
    apr_pool_t *pool = store_pool();
    struct mrc_hub *hub;

    mrc_child_watch(child, &watch);
    ck_assert_ptr_null(mrc_child_view_hub(child, pool, UNKNOWN));
    ck_assert_ptr_null(mrc_child_view_hub(child, pool, HUBS));
    for (size_t i = READY; i < HUBS; i++) {
        hub = mrc_child_view_hub(child, pool, i);
        ck_assert_ptr_nonnull(hub);
        ck_assert_uint_eq(mrc_hub_get_index(hub), i);
        ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(hub), MRC_GAUGE_SUBSCRIBERS), 0);
        ck_assert_int_eq(mrc_memory_hub(memory, hubs[i]->shape.key) != NULL, i == READY);
    }
    ck_assert_str_eq(reports, "");

    hub = mrc_child_hub(child, SITES);
    hub_publish(hub, "id", "topic", "data");
    ck_assert_ptr_eq(mrc_child_view_hub(child, pool, SITES), hub);
    stop(child);

    child = start(HUBS); /* another child, which has not opened it */
    hub = mrc_child_view_hub(child, pool, SITES);
    ck_assert_ptr_ne(hub, NULL);
    ck_assert_uint_eq(
        hub_counter(&(struct hub_place){.segment = mrc_hub_segment(hub)}, MRC_COUNTER_UPDATES), 1);
    stop(child);
}
END_TEST

/* ---- the whole child --------------------------------------------------------------------------*/

#define S INT64_C(1000000)

START_TEST(refusals_are_reported_once_a_minute)
{
    struct mrc_child *child = start(HUBS), *other = start(HUBS), *empty = start(0);

    ck_assert(mrc_child_should_report_refusal(child, 1000 * S));
    ck_assert(!mrc_child_should_report_refusal(child, 1000 * S));
    ck_assert(!mrc_child_should_report_refusal(child, 1060 * S - 1));
    ck_assert(mrc_child_should_report_refusal(other, 1001 * S));
    ck_assert(mrc_child_should_report_refusal(child, 1060 * S));
    ck_assert(!mrc_child_should_report_refusal(child, 1061 * S));
    ck_assert(!mrc_child_should_report_refusal(empty, 1000 * S));
    ck_assert(!mrc_child_hold_thread(empty, 1, 1));
    stop(child);
    stop(other);
    stop(empty);
}
END_TEST

START_TEST(the_others_are_known)
{
    struct mrc_child *child = start(HUBS), *other = start(HUBS);

    ck_assert_uint_eq(mrc_child_slots(child), NSLOTS);
    ck_assert(mrc_child_is_live(child, 0) && mrc_child_is_live(child, 1));
    ck_assert(!mrc_child_is_live(child, 2) && !mrc_child_is_live(child, NSLOTS));
    stop(other);
    ck_assert(!mrc_child_is_live(child, 1));
    ck_assert_ptr_eq(mrc_child_memory(child), memory);
    stop(child);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("on_demand");
    TCase *tcase = tcase_create("on_demand");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_site_has_a_hub);
    tcase_add_test(tcase, a_set_of_hubs_is_whole);
    tcase_add_test(tcase, a_lack_of_memory_is_reported);
    tcase_add_test(tcase, threads_open_a_hub_once);
    tcase_add_test(tcase, a_view_makes_nothing);
    tcase_add_test(tcase, refusals_are_reported_once_a_minute);
    tcase_add_test(tcase, the_others_are_known);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
