/* The list of revocations in shared memory: its bounds, its copies, and processes that die during a
 * change. */
#include <signal.h>
#include <sys/wait.h>

#include "store/regions/revocations.h"
#include "store_unit.h"

#define NOW   INT64_C(1700000000000000)
#define LATER (NOW + 1000)

static struct mrc_revocations *create(void)
{
    struct mrc_revocations *list = NULL;

    ck_assert_int_eq(
        mrc_revocations_create(store_pool(), store_shared(mrc_revocations_bytes()), &list),
        APR_SUCCESS);
    return list;
}

static struct mrc_revocation entry_of(unsigned number, const char *data, int64_t until_us)
{
    struct mrc_revocation entry = {.until_us = until_us, .data = mrc_bytes_of(data)};

    memcpy(entry.id, &number, sizeof(number));
    return entry;
}

static apr_status_t add(struct mrc_revocations *list, unsigned number, const char *data)
{
    const struct mrc_revocation entry = entry_of(number, data, LATER);

    return mrc_revocations_add(list, &entry, NOW);
}

static apr_status_t drop(struct mrc_revocations *list, unsigned number)
{
    const struct mrc_revocation entry = entry_of(number, "", 0);

    return mrc_revocations_remove(list, entry.id, NOW);
}

/* The data of all entries, with a space after each, in BUF. */
static const char *all(const struct mrc_revocations *list, struct mrc_buf *buf)
{
    struct mrc_revocation entry;
    struct mrc_buf copy;
    size_t at = 0;

    mrc_buf_init(&copy, SIZE_MAX);
    ck_assert_uint_eq(mrc_revocations_copy(list, &copy), mrc_revocations_generation(list));
    mrc_buf_reset(buf);
    while (mrc_revocations_next(mrc_buf_bytes(&copy), &at, &entry)) {
        mrc_buf_add_bytes(buf, entry.data);
        mrc_buf_add_char(buf, ' ');
    }
    mrc_buf_free(&copy);
    mrc_buf_add_char(buf, '\0');
    return buf->ptr;
}

START_TEST(entries_come_and_go)
{
    struct mrc_revocations *list = create();
    uint64_t generation = mrc_revocations_generation(list);
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert(mrc_revocations_is_empty(list));
    ck_assert_str_eq(all(list, &buf), "");
    ck_assert_int_eq(drop(list, 1), APR_NOTFOUND);
    ck_assert_int_eq(add(list, 1, "a"), APR_SUCCESS);
    ck_assert_int_eq(add(list, 2, ""), APR_SUCCESS);
    ck_assert_int_eq(add(list, 3, "seventeen letters"), APR_SUCCESS);
    ck_assert_uint_ne(mrc_revocations_generation(list), generation);
    ck_assert(!mrc_revocations_is_empty(list));
    ck_assert_str_eq(all(list, &buf), "a  seventeen letters ");
    ck_assert_int_eq(add(list, 1, "b"), APR_SUCCESS); /* replaces the entry */
    ck_assert_int_eq(drop(list, 2), APR_SUCCESS);
    ck_assert_str_eq(all(list, &buf), "seventeen letters b ");
    ck_assert_int_eq(drop(list, 3), APR_SUCCESS);
    ck_assert_int_eq(drop(list, 1), APR_SUCCESS);
    ck_assert(mrc_revocations_is_empty(list));
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(a_change_removes_what_has_ended)
{
    struct mrc_revocations *list = create();
    const struct mrc_revocation old = entry_of(1, "old", NOW + 1), new = entry_of(2, "new", LATER);
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert_int_eq(mrc_revocations_add(list, &old, NOW), APR_SUCCESS);
    ck_assert_int_eq(mrc_revocations_add(list, &new, NOW + 1), APR_SUCCESS);
    ck_assert_str_eq(all(list, &buf), "new ");
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(a_full_list_stays_as_it_was)
{
    struct mrc_revocations *list = create();
    char data[1000];
    unsigned count = 0;
    uint64_t generation;

    memset(data, 'x', sizeof(data));
    data[sizeof(data) - 1] = '\0';
    while (add(list, count, data) == APR_SUCCESS)
        count++;
    ck_assert_uint_gt(count, 900);
    generation = mrc_revocations_generation(list);
    ck_assert_int_eq(add(list, count, data), APR_ENOSPC);
    ck_assert_uint_eq(mrc_revocations_generation(list), generation);
    ck_assert(!mrc_revocations_fits(list, strlen(data), NOW));
    ck_assert(mrc_revocations_fits(list, strlen(data), LATER)); /* they have ended by then */
    ck_assert(!mrc_revocations_fits(list, SIZE_MAX, LATER));
    ck_assert_int_eq(drop(list, 0), APR_SUCCESS);
    ck_assert(mrc_revocations_fits(list, strlen(data), NOW));
    ck_assert_int_eq(add(list, count, data), APR_SUCCESS);
    ck_assert(!mrc_revocations_fits(list, strlen(data), NOW));
}
END_TEST

START_TEST(moves_with_a_hub)
{
    struct mrc_revocations *from = create(), *to = create();
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert_int_eq(add(from, 1, "a"), APR_SUCCESS);
    ck_assert_int_eq(add(from, 2, "b"), APR_SUCCESS);
    mrc_revocations_set_epoch(from, 7);
    ck_assert_int_eq(mrc_revocations_carry(from, to), APR_SUCCESS);
    mrc_revocations_release(from);
    ck_assert_str_eq(all(to, &buf), "a b ");
    ck_assert_uint_eq(mrc_revocations_epoch(to), 7);
    mrc_buf_free(&buf);
}
END_TEST

/* Fails unless each of the COUNT entries is in the copy once, with DATA. */
static void check_copy(struct mrc_bytes copy, unsigned count, const char *data)
{
    struct mrc_revocation entry;
    bool seen[100] = {false};
    unsigned number, found = 0;
    size_t at = 0;

    while (mrc_revocations_next(copy, &at, &entry)) {
        ck_assert_bytes_eq(entry.data, data);
        memcpy(&number, entry.id, sizeof(number));
        ck_assert_uint_lt(number, count);
        ck_assert_msg(!seen[number], "entry %u is there twice", number);
        seen[number] = true;
        found++;
    }
    ck_assert_uint_eq(found, count);
}

/* Processes change the list and are killed at any moment, while this one reads: every copy is
 * whole. Each change moves an entry to the end. */
START_TEST(survives_the_death_of_its_writers)
{
    struct mrc_revocations *list = create();
    char data[3000];

    memset(data, 'x', sizeof(data));
    data[sizeof(data) - 1] = '\0';
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(add(list, i, data), APR_SUCCESS);
    for (unsigned round = 0; round < 40; round++) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            for (unsigned i = 0;; i++)
                add(list, i * 7 % 100, data);
        }
        for (unsigned reads = 0; reads < 20 + round; reads++) {
            struct mrc_buf copy;

            mrc_buf_init(&copy, SIZE_MAX);
            mrc_revocations_copy(list, &copy);
            check_copy(mrc_buf_bytes(&copy), 100, data);
            mrc_buf_free(&copy);
        }
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(add(list, 0, data), APR_SUCCESS);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("revocations");
    TCase *tcase = tcase_create("revocations");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, entries_come_and_go);
    tcase_add_test(tcase, a_change_removes_what_has_ended);
    tcase_add_test(tcase, a_full_list_stays_as_it_was);
    tcase_add_test(tcase, moves_with_a_hub);
    tcase_add_test(tcase, survives_the_death_of_its_writers);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
