/*
 * Token buckets: rate and burst, clients and their buckets, simultaneous callers.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "store/regions/buckets.h"
#include "store/regions/buckets_layout.h"
#include "store_unit.h"

#define SECOND_US INT64_C(1000000)
#define START_US  (77 * SECOND_US)

static struct mrc_buckets *buckets;

static void set_up(void)
{
    ck_assert_int_eq(mrc_buckets_create(store_pool(), store_shared(mrc_buckets_head_bytes()),
                                        store_shared(mrc_buckets_clients_bytes()), &buckets),
                     APR_SUCCESS);
}

static uint64_t key_of(int client)
{
    struct mrc_bytes name = {(const char *)&client, sizeof(client)};

    return mrc_buckets_key(buckets, name);
}

START_TEST(rate_and_burst_are_exact)
{
    const struct mrc_bucket_rule rule = {.rate = 10, .burst = 25};
    int64_t now = START_US;

    for (int i = 0; i < 25; i++)
        ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 1, now), 0);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 1, now), SECOND_US / 10);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 25, now), SECOND_US / 10 * 25);
    /* What was refused did not count. */
    now += SECOND_US / 10;
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 1, now), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, now), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, now + SECOND_US / 10 - 1), 0);
    /* A second fills ten places, and a long time not more than the burst. */
    now += SECOND_US;
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 10, now), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, now), 0);
    now += 1000 * SECOND_US;
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 25, now), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, now), 0);
    mrc_buckets_give_back(buckets, 0, &rule, 5);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 5, now), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, now), 0);
}
END_TEST

/* A publisher that waits as long as it is told to is not refused again. */
START_TEST(the_wait_is_long_enough)
{
    const struct mrc_bucket_rule rule = {.rate = 3, .burst = 3};
    int64_t wait;

    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 3, START_US), 0);
    wait = mrc_buckets_take(buckets, 0, &rule, 1, START_US);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 1, START_US + wait), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, START_US + wait), 0);
}
END_TEST

START_TEST(largest_rule_does_not_overflow)
{
    const struct mrc_bucket_rule slow = {.rate = 1, .burst = MRC_BUCKETS_RATE_MAX};
    const struct mrc_bucket_rule fast = {.rate = MRC_BUCKETS_RATE_MAX, .burst = 1};

    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &slow, MRC_BUCKETS_RATE_MAX, START_US), 0);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &slow, MRC_BUCKETS_RATE_MAX, START_US),
                     (int64_t)MRC_BUCKETS_RATE_MAX * SECOND_US);
    /* A rule that replaces another one finds at worst an empty bucket. */
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &fast, 1, START_US), 1);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &fast, 1, START_US + 1), 1);
}
END_TEST

START_TEST(clients_have_buckets_of_their_own)
{
    const struct mrc_bucket_rule rule = {.rate = 1, .burst = 2};

    for (int client = 0; client < 20; client++) {
        ck_assert_int_eq(mrc_buckets_take(buckets, key_of(client), &rule, 2, START_US), 0);
        ck_assert_int_gt(mrc_buckets_take(buckets, key_of(client), &rule, 1, START_US), 0);
    }
    for (int client = 0; client < 20; client++)
        ck_assert_int_gt(mrc_buckets_take(buckets, key_of(client), &rule, 1, START_US), 0);
    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 2, START_US), 0);
}
END_TEST

/* A client that publishes too fast keeps its empty bucket, however many slow clients there are. */
START_TEST(silent_clients_lose_their_buckets_first)
{
    const struct mrc_bucket_rule rule = {.rate = 1, .burst = 1000};
    uint64_t fast = key_of(-1);

    ck_assert_int_eq(mrc_buckets_take(buckets, 0, &rule, 1000, START_US), 0);
    ck_assert_int_eq(mrc_buckets_take(buckets, fast, &rule, 1000, START_US), 0);
    for (int client = 0; client < 10 * MRC_BUCKETS_CLIENTS; client++)
        ck_assert_int_eq(mrc_buckets_take(buckets, key_of(client), &rule, 1, START_US + client), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, fast, &rule, 1, START_US), 0);
    /* A new client does not inherit what the previous one has taken. */
    for (int client = 0; client < 10 * MRC_BUCKETS_CLIENTS; client++)
        ck_assert_int_eq(
            mrc_buckets_take(buckets, key_of(client + 1000000), &rule, 1000, START_US + client), 0);
    ck_assert_int_gt(mrc_buckets_take(buckets, 0, &rule, 1, START_US), 0); /* that of the hub */
}
END_TEST

#define THREADS 4
#define BURST   1000000
static const struct mrc_bucket_rule shared_rule = {.rate = 1, .burst = BURST};
static pthread_barrier_t barrier;
static atomic_int taken, taken_by_client;

static void *take_all(void *unused)
{
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < BURST; i++) {
        if (mrc_buckets_take(buckets, 0, &shared_rule, 1, START_US) == 0)
            taken++;
        if (mrc_buckets_take(buckets, key_of(1), &shared_rule, 1, START_US) == 0)
            taken_by_client++;
    }
    return NULL;
}

START_TEST(simultaneous_callers_take_no_more_than_there_is)
{
    pthread_t threads[THREADS];

    /* The bucket of the client exists already. */
    ck_assert_int_eq(mrc_buckets_take(buckets, key_of(1), &shared_rule, 1, START_US), 0);
    mrc_buckets_give_back(buckets, key_of(1), &shared_rule, 1);
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_all, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    ck_assert_int_eq(taken, BURST);
    ck_assert_int_eq(taken_by_client, BURST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buckets");
    TCase *tcase = tcase_create("buckets");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, rate_and_burst_are_exact);
    tcase_add_test(tcase, the_wait_is_long_enough);
    tcase_add_test(tcase, largest_rule_does_not_overflow);
    tcase_add_test(tcase, clients_have_buckets_of_their_own);
    tcase_add_test(tcase, silent_clients_lose_their_buckets_first);
    tcase_add_test(tcase, simultaneous_callers_take_no_more_than_there_is);
    return unit_run(suite);
}
