#include "core/base/interned.h"

#include <pthread.h>
#include <stdio.h>

#include "failing_alloc.h"
#include "unit.h"

static struct mrc_interned_table *table;

static void setup(void)
{
    static const uint64_t key[2] = {1, 2};

    ck_assert_int_eq(mrc_interned_table_create(key, &table), MRC_OK);
}

static void teardown(void)
{
    ck_assert_uint_eq(mrc_interned_table_count(table), 0);
    mrc_interned_table_free(table);
}

static struct mrc_interned *get(const char *text)
{
    struct mrc_interned *interned = mrc_interned_get(table, mrc_bytes_of(text));

    ck_assert_ptr_nonnull(interned);
    return interned;
}

START_TEST(stores_equal_strings_once)
{
    char text[] = "the same";
    struct mrc_interned *first = get(text), *second = get("the same"), *other = get("the other");

    text[0] = 'T'; /* the interned text is a copy */
    ck_assert_ptr_eq(first, second);
    ck_assert_ptr_ne(first, other);
    ck_assert_uint_eq(mrc_interned_table_count(table), 2);
    ck_assert_bytes_eq(mrc_interned_bytes(first), "the same");
    ck_assert_bytes_eq(mrc_interned_bytes(other), "the other");
    mrc_interned_release(first);
    ck_assert_uint_eq(mrc_interned_table_count(table), 2);
    ck_assert_bytes_eq(mrc_interned_bytes(second), "the same");
    mrc_interned_release(second);
    ck_assert_uint_eq(mrc_interned_table_count(table), 1);
    mrc_interned_release(other);
    mrc_interned_release(NULL);
}
END_TEST

START_TEST(accepts_any_bytes)
{
    struct mrc_interned *empty = get(""), *with_nul, *longer;

    with_nul = mrc_interned_get(table, (struct mrc_bytes){"a\0b", 3});
    longer = mrc_interned_get(table, (struct mrc_bytes){"a\0c", 3});
    ck_assert_uint_eq(mrc_interned_table_count(table), 3);
    ck_assert_uint_eq(mrc_interned_bytes(with_nul).len, 3);
    mrc_interned_release(empty);
    mrc_interned_release(with_nul);
    ck_assert_int_eq(memcmp(mrc_interned_bytes(longer).ptr, "a\0c", 3), 0);
    mrc_interned_release(longer);
}
END_TEST

#define MANY 1000

START_TEST(holds_many_strings)
{
    static struct mrc_interned *all[MANY];
    char text[32];

    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "number %d", i);
        all[i] = get(text);
    }
    ck_assert_uint_eq(mrc_interned_table_count(table), MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "number %d", i);
        ck_assert_bytes_eq(mrc_interned_bytes(all[i]), text);
        ck_assert_ptr_eq(get(text), all[i]);
        mrc_interned_release(all[i]);
    }
    for (int i = 0; i < MANY; i++)
        mrc_interned_release(all[(i * 7) % MANY]);
}
END_TEST

START_TEST(reports_when_memory_runs_out)
{
    struct mrc_interned *all[65];
    char text[32];
    size_t count = 0;

    alloc_left = 0;
    all[0] = mrc_interned_get(table, mrc_bytes_of("x"));
    alloc_left = -1;
    ck_assert_ptr_null(all[0]);
    ck_assert_uint_eq(mrc_interned_table_count(table), 0);
    for (; count < 65; count++) { /* more strings than buckets, but no memory for more buckets */
        snprintf(text, sizeof(text), "number %zu", count);
        alloc_left = 1;
        all[count] = mrc_interned_get(table, mrc_bytes_of(text));
        alloc_left = -1;
        ck_assert_ptr_nonnull(all[count]);
    }
    ck_assert_ptr_eq(get("number 64"), all[64]);
    mrc_interned_release(all[64]);
    while (count > 0)
        mrc_interned_release(all[--count]);
}
END_TEST

static void *come_and_go(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        struct mrc_interned *interned = mrc_interned_get(table, mrc_bytes_of(i % 2 ? "a" : "b"));

        if (!mrc_bytes_eq_str(mrc_interned_bytes(interned), i % 2 ? "a" : "b"))
            return table;
        mrc_interned_release(interned);
    }
    return NULL;
}

START_TEST(threads_share_a_table)
{
    pthread_t threads[4];
    void *result;

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_null(result);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interned");
    TCase *tcase = tcase_create("interned");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, stores_equal_strings_once);
    tcase_add_test(tcase, accepts_any_bytes);
    tcase_add_test(tcase, holds_many_strings);
    tcase_add_test(tcase, reports_when_memory_runs_out);
    tcase_add_test(tcase, threads_share_a_table);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
