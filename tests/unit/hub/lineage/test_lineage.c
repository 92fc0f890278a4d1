#include <stdlib.h>

#include "hub/lineage/lineage.h"
#include "unit.h"

static struct mrc_lineage lineage;

static void add(uint64_t number, uint64_t counter)
{
    const struct mrc_lineage_entry entry = {.number = number, .writer = 1, .counter = counter};

    ck_assert(mrc_lineage_add(&lineage, &entry));
}

/* The number of entries that ENGINE shares, a log of COUNT counters from number 1 on, of which it
 * has removed those before OLDEST. */
static size_t search(const uint64_t *engine, size_t oldest, size_t count, unsigned *ret_questions)
{
    struct mrc_lineage_search search;
    unsigned questions = 0;
    size_t i;

    mrc_lineage_begin(&lineage, oldest, count, &search);
    while (mrc_lineage_next(&search, &i)) {
        const struct mrc_lineage_entry *entry = &lineage.entries[i];

        questions++;
        mrc_lineage_answer(&search, i,
                           entry->number >= oldest && entry->number <= count &&
                               engine[entry->number - 1] == entry->counter);
    }
    *ret_questions = questions;
    ck_assert_uint_le(search.trimmed, search.shared);
    return search.shared;
}

START_TEST(an_empty_ring_shares_nothing)
{
    unsigned questions;

    mrc_lineage_close(&lineage);
    ck_assert_uint_eq(search(NULL, 1, 0, &questions), 0);
    ck_assert_uint_eq(questions, 0);
}
END_TEST

START_TEST(entries_of_a_log_that_is_gone_are_left_out)
{
    static const uint64_t numbers[] = {1, 2, 3, 4, 5, 6, 4, 5, 6, 7};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add(numbers[i], i + 1);
    mrc_lineage_close(&lineage);
    ck_assert_uint_eq(lineage.count, 7);
    for (size_t i = 0; i < lineage.count; i++)
        ck_assert_uint_eq(lineage.entries[i].number, i + 1);
    ck_assert_uint_eq(lineage.entries[2].counter, 3);
    ck_assert_uint_eq(lineage.entries[3].counter, 7);
    mrc_lineage_free(&lineage);
}
END_TEST

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The ring has more records than the log, which has removed most of what both had. */
START_TEST(the_fork_is_found_after_what_the_log_has_removed)
{
    uint64_t engine[1000];
    unsigned questions;

    for (size_t i = 0; i < 1000; i++) {
        engine[i] = i + 1;
        add(i + 1, i + 1);
    }
    mrc_lineage_close(&lineage);
    ck_assert_uint_eq(search(engine, 900, 980, &questions), 980);
    ck_assert_uint_eq(search(engine, 981, 980, &questions), 980); /* the log is empty */
    ck_assert_uint_eq(questions, 0);
    for (size_t i = 950; i < 990; i++)
        engine[i] = 2000 + i; /* entries put back meanwhile */
    ck_assert_uint_eq(search(engine, 900, 990, &questions), 950);
    ck_assert_uint_le(questions, 7);
    mrc_lineage_free(&lineage);
}
END_TEST

/*
 * A model: a machine mirrors a log that sometimes loses its tail and continues with other entries,
 * and that is trimmed. The fork that the search finds is where the log of the machine and that of
 * the engine diverge, whatever has happened before. The search assumes that both had the entries
 * that are trimmed.
 */
START_TEST(the_fork_is_found)
{
    uint64_t engine[400], counter = 0;
    size_t count = 0, shared = 0;
    unsigned questions;

    srandom((unsigned)_i);
    lineage = (struct mrc_lineage){.count = 0};
    for (int step = 0; step < 30; step++) {
        size_t grow = (size_t)random() % 12;

        /* Both have [0, shared). The engine grows, and the machine reads some of it. */
        for (size_t i = 0; i < grow && count < 400; i++)
            engine[count++] = ++counter;
        while (shared < count && random() % 4) {
            add(shared + 1, engine[shared]);
            shared++;
        }
        /* The engine loses some of it. */
        if (random() % 3 == 0) {
            size_t left = count - (count ? (size_t)random() % (count + 1) % 20 : 0);
            struct mrc_lineage copy = {.count = 0};
            size_t found, fork = left < shared ? left : shared, mine = 0, oldest = 1;

            count = left;
            grow = (size_t)random() % 6;
            for (size_t i = 0; i < grow && count < 400; i++)
                engine[count++] = ++counter;
            for (size_t i = 0; i < lineage.count; i++)
                ck_assert(mrc_lineage_add(&copy, &lineage.entries[i]));
            mrc_lineage_close(&lineage);
            if (lineage.count)
                mine = lineage.entries[lineage.count - 1].number;
            if (random() % 2)
                oldest = 1 + (size_t)random() % (count + 1);
            found = search(engine, oldest, count, &questions);
            ck_assert_uint_eq(found ? lineage.entries[found - 1].number : 0,
                              fork + 1 < oldest ? least(oldest - 1, least(mine, count)) : fork);
            ck_assert_uint_le(questions, 10);
            mrc_lineage_free(&lineage);
            lineage = copy; /* the ring keeps what the engine has lost */
            shared = fork;
        }
    }
    mrc_lineage_free(&lineage);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lineage");
    TCase *tcase = tcase_create("lineage");

    tcase_add_test(tcase, an_empty_ring_shares_nothing);
    tcase_add_test(tcase, entries_of_a_log_that_is_gone_are_left_out);
    tcase_add_test(tcase, the_fork_is_found_after_what_the_log_has_removed);
    tcase_add_loop_test(tcase, the_fork_is_found, 0, 300);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
