#include <signal.h>
#include <sys/wait.h>

#include "store/regions/census.h"
#include "store/regions/census_layout.h"
#include "store_unit.h"

static struct mrc_census *make(uint64_t streams)
{
    uint32_t cells = mrc_census_cells(streams);
    struct mrc_census *census;

    ck_assert_int_eq(
        mrc_census_create(store_pool(), store_shared(mrc_census_bytes(cells)), cells, &census),
        APR_SUCCESS);
    return census;
}

static uint64_t key_of(const struct mrc_census *census, char kind, const char *name)
{
    return mrc_census_key(census, kind, mrc_bytes_of(name));
}

START_TEST(streams_of_a_client_are_counted_over_all_children)
{
    struct mrc_census *census = make(100);
    uint64_t a = key_of(census, 'a', "192.0.2.1"), b = key_of(census, 'a', "192.0.2.2");

    ck_assert_uint_eq(mrc_census_sum(census, a), 0);
    ck_assert_uint_eq(mrc_census_add(census, 0, a), 1);
    ck_assert_uint_eq(mrc_census_add(census, 0, a), 2);
    ck_assert_uint_eq(mrc_census_add(census, 7, a), 3);
    ck_assert_uint_eq(mrc_census_add(census, 65535, a), 4);
    ck_assert_uint_eq(mrc_census_add(census, 7, b), 1);
    mrc_census_sub(census, 0, a);
    ck_assert_uint_eq(mrc_census_sum(census, a), 3);
    mrc_census_sub(census, 0, a);
    mrc_census_sub(census, 0, a); /* this child counts none; those of other children stay */
    ck_assert_uint_eq(mrc_census_sum(census, a), 2);
    ck_assert_uint_eq(mrc_census_sum(census, b), 1);
}
END_TEST

START_TEST(kinds_are_counted_apart)
{
    struct mrc_census *census = make(100);

    ck_assert_uint_ne(key_of(census, 'a', "x"), key_of(census, 't', "x"));
    ck_assert_uint_eq(key_of(census, 'a', "x"), key_of(census, 'a', "x"));
    ck_assert_uint_ne(key_of(census, 'a', "x"), key_of(make(100), 'a', "x"));
}
END_TEST

START_TEST(a_dead_child_is_folded_whole)
{
    struct mrc_census *census = make(1000);
    char name[20];
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof(name), "%d", i);
            mrc_census_add(census, 3, key_of(census, 'a', name));
        }
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    mrc_census_add(census, 3 + 256, key_of(census, 'a', "500"));
    ck_assert_uint_eq(mrc_census_sum(census, key_of(census, 'a', "500")), 2);
    for (int twice = 0; twice < 2; twice++)
        mrc_census_fold(census, 3);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        ck_assert_uint_eq(mrc_census_sum(census, key_of(census, 'a', name)), i == 500);
    }
}
END_TEST

/* The census holds the largest number of streams, each with its own address and token. A power of
 * two gets the fewest cells for each. */
START_TEST(holds_the_streams_it_is_made_for)
{
    enum { STREAMS = 16384 };
    struct mrc_census *census = make(STREAMS);
    char name[20];

    for (int i = 0; i < STREAMS; i++) {
        snprintf(name, sizeof(name), "%d", i);
        ck_assert_uint_eq(mrc_census_add(census, 1, key_of(census, 'a', name)), 1);
        ck_assert_uint_eq(mrc_census_add(census, 1, key_of(census, 't', name)), 1);
    }
    for (int i = 0; i < STREAMS; i++) {
        snprintf(name, sizeof(name), "%d", i);
        mrc_census_sub(census, 1, key_of(census, 'a', name));
        ck_assert_uint_eq(mrc_census_sum(census, key_of(census, 'a', name)), 0);
        ck_assert_uint_eq(mrc_census_sum(census, key_of(census, 't', name)), 1);
    }
}
END_TEST

/* The window of the second key ends where the cells begin. */
START_TEST(a_full_window_refuses_more_clients)
{
    struct mrc_census *census = make(1);
    uint64_t key = _i ? UINT64_MAX : key_of(census, 'a', "x");
    uint64_t before = 0;

    for (unsigned slot = 0; slot < MRC_CENSUS_WINDOW; slot++)
        ck_assert_uint_eq(mrc_census_add(census, slot, key), slot + 1);
    ck_assert_uint_eq(mrc_census_add(census, MRC_CENSUS_WINDOW, key), 0);
    ck_assert_uint_eq(mrc_census_sum(census, key), MRC_CENSUS_WINDOW);
    mrc_census_fold(census, 9);
    ck_assert_uint_eq(mrc_census_add(census, MRC_CENSUS_WINDOW, key), MRC_CENSUS_WINDOW);
    mrc_census_sub(census, 12, key); /* its last stream */
    ck_assert_uint_eq(mrc_census_add(census, 9, key), MRC_CENSUS_WINDOW);
    ck_assert_uint_eq(mrc_census_add(census, 12, key), 0);
    /* One cell counts up to 65535; the next stream takes another cell. */
    mrc_census_fold(census, 10);
    for (before = mrc_census_sum(census, key); before < MRC_CENSUS_WINDOW + 65534; before++)
        ck_assert_uint_eq(mrc_census_add(census, 11, key), before + 1);
    ck_assert_uint_eq(mrc_census_add(census, 11, key), before + 1);
    mrc_census_fold(census, 11);
    ck_assert_uint_eq(mrc_census_sum(census, key), MRC_CENSUS_WINDOW - 2);
}
END_TEST

/* Processes count the same client at the same time: two for each slot, as the threads of a child.
 */
START_TEST(nothing_is_lost_between_processes)
{
    enum { ROUNDS = 200000, PROCESSES = 4 };
    struct mrc_census *census = make(4);
    uint64_t key = key_of(census, 'a', "x");

    for (unsigned i = 0; i < PROCESSES; i++) {
        unsigned slot = i % 2;
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid)
            continue;
        for (int round = 0; round < ROUNDS; round++) {
            if (mrc_census_add(census, slot, key) == 0)
                _exit(1);
            if (round % 2)
                mrc_census_sub(census, slot, key);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_uint_eq(mrc_census_sum(census, key), PROCESSES * ROUNDS / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("census");
    TCase *tcase = tcase_create("census");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, streams_of_a_client_are_counted_over_all_children);
    tcase_add_test(tcase, kinds_are_counted_apart);
    tcase_add_test(tcase, a_dead_child_is_folded_whole);
    tcase_add_test(tcase, holds_the_streams_it_is_made_for);
    tcase_add_loop_test(tcase, a_full_window_refuses_more_clients, 0, 2);
    tcase_add_test(tcase, nothing_is_lost_between_processes);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
