#include "hub/base/entropy.h"

#include <pthread.h>
#include <stdlib.h>

#include "hub_unit.h"
#include "interrupted.h"

#define THREADS 4
#define EACH    500
#define BYTES   16

struct taker {
    pthread_t thread;
    struct mrc_entropy *entropy;
    unsigned char all[EACH][BYTES];
};

static void *take(void *arg)
{
    struct taker *taker = arg;

    for (size_t i = 0; i < EACH; i++) {
        if (mrc_entropy_get(taker->entropy, taker->all[i], BYTES) != APR_SUCCESS)
            return NULL;
    }
    return taker;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, BYTES);
}

START_TEST(no_bytes_are_handed_out_twice)
{
    apr_pool_t *pool = store_pool();
    struct mrc_entropy *entropy = mrc_entropy_create(pool);
    struct taker *takers = calloc(THREADS, sizeof(*takers));
    unsigned char *all = malloc(sizeof(takers[0].all) * THREADS);

    for (size_t i = 0; i < THREADS; i++) {
        takers[i].entropy = entropy;
        ck_assert_int_eq(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result;

        pthread_join(takers[i].thread, &result);
        ck_assert_ptr_nonnull(result);
        memcpy(all + i * sizeof(takers[i].all), takers[i].all, sizeof(takers[i].all));
    }
    qsort(all, (size_t)THREADS * EACH, BYTES, compare);
    for (size_t i = 1; i < (size_t)THREADS * EACH; i++)
        ck_assert_mem_ne(all + (i - 1) * BYTES, all + i * BYTES, BYTES);
    free(all);
    free(takers);
}
END_TEST

/* A random byte is sometimes 0, but not twenty times in a row; the byte past the end always is. */
START_TEST(every_length_is_filled)
{
    struct mrc_entropy *entropy = mrc_entropy_create(store_pool());

    for (size_t len = 1; len <= MRC_ENTROPY_MAX_BYTES; len++) {
        unsigned char seen[MRC_ENTROPY_MAX_BYTES + 1] = {0};
        unsigned char out[MRC_ENTROPY_MAX_BYTES + 1];

        for (int turn = 0; turn < 20; turn++) {
            memset(out, 0, sizeof(out));
            ck_assert_int_eq(mrc_entropy_get(entropy, out, len), APR_SUCCESS);
            for (size_t i = 0; i < sizeof(out); i++)
                seen[i] |= out[i];
        }
        for (size_t i = 0; i < sizeof(seen); i++)
            ck_assert_msg((seen[i] != 0) == (i < len), "byte %zu of %zu", i, len);
    }
}
END_TEST

static bool take_one(void *entropy)
{
    unsigned char out[BYTES];

    return mrc_entropy_get(entropy, out, sizeof(out)) == APR_SUCCESS;
}

START_TEST(no_thread_waits_for_an_interrupted_one)
{
    interrupted_run(take_one, mrc_entropy_create(store_pool()));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("entropy");
    TCase *tcase = tcase_create("entropy");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, no_bytes_are_handed_out_twice);
    tcase_add_test(tcase, every_length_is_filled);
    tcase_add_test(tcase, no_thread_waits_for_an_interrupted_one);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
