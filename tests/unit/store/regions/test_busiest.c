/* The busiest topics: the busiest are always listed, minutes pass, and writers may die. The program
 * is linked with -Wl,--wrap=mrc_lock_acquire. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/lock.h"
#include "store/regions/busiest.h"
#include "store/regions/busiest_layout.h"
#include "store_unit.h"

#define SECOND INT64_C(1000000)
#define NOW    (SECOND * 60 * 1000) /* the beginning of a minute */

static struct mrc_busiest *create(void **ret_region)
{
    struct mrc_busiest *busiest = NULL;

    *ret_region = store_shared(mrc_busiest_bytes());
    ck_assert_int_eq(mrc_busiest_create(store_pool(), *ret_region, &busiest), APR_SUCCESS);
    return busiest;
}

static void count(struct mrc_busiest *busiest, const char *topic, uint64_t n, int64_t now_us)
{
    const struct mrc_bytes bytes = mrc_bytes_of(topic);

    mrc_busiest_count(busiest, MRC_BUSIEST_UPDATES, &bytes, 1, n, now_us);
}

/* The count of the busiest topic, which must be TOPIC; 0 if there is none. */
static uint64_t first(struct mrc_busiest *busiest, const char *topic, int64_t now_us)
{
    struct mrc_busiest_topic found;

    if (mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, now_us, &found, 1) == 0)
        return 0;
    ck_assert_bytes_eq(((struct mrc_bytes){found.text, found.text_bytes}), topic);
    return found.count;
}

START_TEST(sorted_and_apart)
{
    void *region;
    struct mrc_busiest *busiest = create(&region);
    const struct mrc_bytes both[] = {mrc_bytes_of("a"), mrc_bytes_of("b")};
    struct mrc_busiest_topic found[4];

    ck_assert_uint_eq(mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, NOW, found, 4), 0);
    mrc_busiest_count(busiest, MRC_BUSIEST_UPDATES, both, 2, 5, NOW);
    count(busiest, "b", 2, NOW);
    count(busiest, "", 6, NOW);
    mrc_busiest_count(busiest, MRC_BUSIEST_RECEIVERS, both, 1, 9, NOW);
    ck_assert_uint_eq(mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, NOW, found, 4), 3);
    ck_assert_uint_eq(found[0].count, 7);
    ck_assert_uint_eq(found[1].count, 6);
    ck_assert_uint_eq(found[1].text_bytes, 0);
    ck_assert_uint_eq(found[2].count, 5);
    ck_assert_uint_eq(mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, NOW, found, 2), 2);
    ck_assert_uint_eq(found[1].count, 6);
    ck_assert_uint_eq(mrc_busiest_read(busiest, MRC_BUSIEST_RECEIVERS, NOW, found, 4), 1);
    ck_assert_uint_eq(found[0].count, 9);
}
END_TEST

START_TEST(minutes_pass)
{
    void *region;
    struct mrc_busiest *busiest = create(&region);

    count(busiest, "a", 100, NOW);
    ck_assert_uint_eq(first(busiest, "a", NOW + 59 * SECOND), 100);
    ck_assert_uint_eq(first(busiest, "a", NOW + 60 * SECOND), 100);
    ck_assert_uint_eq(first(busiest, "a", NOW + 90 * SECOND), 50);
    count(busiest, "a", 10, NOW + 90 * SECOND);
    ck_assert_uint_eq(first(busiest, "a", NOW + 90 * SECOND), 60);
    ck_assert_uint_eq(first(busiest, "a", NOW + 150 * SECOND), 5);
    ck_assert_uint_eq(first(busiest, "a", NOW + 180 * SECOND), 0);
    count(busiest, "a", 3, NOW + 600 * SECOND);
    ck_assert_uint_eq(first(busiest, "a", NOW + 600 * SECOND), 3);
}
END_TEST

/* The busy topics are found among many times more topics than cells, and none counts too little. */
START_TEST(many_topics)
{
    void *region;
    struct mrc_busiest *busiest = create(&region);
    struct mrc_busiest_topic found[10];
    char topic[32];

    for (unsigned i = 0; i < 20000; i++) {
        snprintf(topic, sizeof(topic), "rare %u", i);
        count(busiest, topic, 1, NOW);
        snprintf(topic, sizeof(topic), "busy %u", i % 5);
        count(busiest, topic, 1, NOW);
    }
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(topic, sizeof(topic), "late %u", i);
        count(busiest, topic, 1, NOW);
    }
    ck_assert_uint_eq(mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, NOW, found, 10), 10);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(memcmp(found[i].text, "busy ", 5), 0);
        ck_assert_uint_ge(found[i].count, 4000);
    }
}
END_TEST

/* Others push a topic out again and again. */
START_TEST(no_topic_counts_too_little)
{
    enum { CELLS = MRC_BUSIEST_BUCKETS * MRC_BUSIEST_WAYS };
    static struct mrc_busiest_topic found[CELLS];
    void *region;
    struct mrc_busiest *busiest = create(&region);
    size_t used, at = 0;
    char topic[32];

    for (unsigned i = 0; i < 20 * CELLS; i++) {
        snprintf(topic, sizeof(topic), "old %u", i);
        count(busiest, topic, 10, NOW);
    }
    for (unsigned i = 0; i < 200 * CELLS; i++) {
        snprintf(topic, sizeof(topic), "new %u", i);
        count(busiest, topic, 1, NOW);
        if (i % CELLS == CELLS - 1)
            count(busiest, "x", 1, NOW);
    }
    used = mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, NOW, found, CELLS);
    while (at < used && (found[at].text_bytes != 1 || found[at].text[0] != 'x'))
        at++;
    ck_assert_uint_lt(at, used);
    ck_assert_uint_ge(found[at].count, 200);
}
END_TEST

START_TEST(long_topics_are_cut_between_characters)
{
    void *region;
    struct mrc_busiest *busiest = create(&region);
    struct mrc_busiest_topic found;
    char topic[1000];

    memset(topic, 'x', sizeof(topic));
    memcpy(topic + MRC_BUSIEST_TEXT_BYTES - 1, "\xc3\xa9", 2);
    topic[sizeof(topic) - 1] = '\0';
    count(busiest, topic, 1, NOW);
    ck_assert_uint_eq(mrc_busiest_read(busiest, MRC_BUSIEST_UPDATES, NOW, &found, 1), 1);
    ck_assert_uint_eq(found.text_bytes, MRC_BUSIEST_TEXT_BYTES - 1);
}
END_TEST

static int64_t longest_wait_us;

#pragma GCC visibility push(default)
apr_status_t __real_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);
apr_status_t __wrap_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);
#pragma GCC visibility pop

apr_status_t __wrap_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died)
{
    if (wait_us > longest_wait_us)
        longest_wait_us = wait_us;
    return __real_mrc_lock_acquire(lock, wait_us, ret_owner_died);
}

/* A caller that finds the table locked does not wait, and is not counted; the death of a process
 * with the lock empties the table. */
START_TEST(the_lock)
{
    void *region;
    struct mrc_busiest *busiest = create(&region);
    struct mrc_busiest_header *header = region;
    pid_t pid;

    count(busiest, "a", 5, NOW);
    ck_assert_int_eq(longest_wait_us, 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool unused;

        _exit(mrc_lock_acquire(&header->lock, 0, &unused) == APR_SUCCESS ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    count(busiest, "b", 2, NOW);
    ck_assert_uint_eq(first(busiest, "b", NOW), 2);
}
END_TEST

/*
 * A caller that finds the table locked has already allocated its cells: the lock is never held for
 * that.
 */
START_TEST(cells_are_allocated_before_the_lock)
{
    const uint64_t offset = 64, groups = 4096, cells = 16384;
    const uint64_t bytes = cells + mrc_busiest_bytes();
    char *base = store_shared(bytes);
    _Atomic uint64_t taken = 0, limit = 0;
    const struct mrc_sparse_budget budget = {&taken, &limit, -1};
    struct mrc_busiest_header *header = (struct mrc_busiest_header *)(void *)(base + cells);
    const struct mrc_busiest_cell *all;
    struct mrc_busiest *busiest = NULL;
    struct mrc_sparse *pages;
    apr_status_t status;
    uint64_t before;
    unsigned tries = 0;
    char name[32];
    bool unused;

    status = mrc_sparse_create(store_pool(), base, bytes, offset, groups, cells + sizeof(*header),
                               &budget, &pages);
    if (status == APR_ENOTIMPL)
        return; /* this kernel allocates the whole segment */
    ck_assert_int_eq(status, APR_SUCCESS);
    ck_assert_int_eq(mrc_busiest_create(store_pool(), header, &busiest), APR_SUCCESS);
    mrc_busiest_use_sparse(busiest, pages);
    before = mrc_sparse_taken(pages);
    ck_assert_int_eq(mrc_lock_acquire(&header->lock, 0, &unused), APR_SUCCESS);
    do { /* the cell of a topic may be in the page of the header */
        snprintf(name, sizeof(name), "name %u", tries);
        count(busiest, name, 1, NOW);
    } while (mrc_sparse_taken(pages) == before && ++tries < 64);
    mrc_lock_release(&header->lock);
    ck_assert_uint_gt(mrc_sparse_taken(pages), before);
    ck_assert_uint_eq(first(busiest, name, NOW), 0);
    before = mrc_sparse_taken(pages);
    count(busiest, name, 2, NOW);
    ck_assert_uint_eq(first(busiest, name, NOW), 2);
    ck_assert_uint_eq(mrc_sparse_taken(pages), before);
    /* Without room, a topic is not counted. */
    limit = taken;
    for (unsigned i = 0; i < 1000; i++) {
        char topic[32];

        snprintf(topic, sizeof(topic), "topic %u", i);
        count(busiest, topic, 1, NOW);
    }
    ck_assert_uint_eq(mrc_sparse_taken(pages), before);
    all = (const struct mrc_busiest_cell *)(header + 1);
    for (size_t i = 0; i < MRC_BUSIEST_KINDS * MRC_BUSIEST_BUCKETS * MRC_BUSIEST_WAYS; i++)
        ck_assert(mrc_sparse_have(pages, &all[i], sizeof(*all)) || all[i].hash == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("busiest");
    TCase *tcase = tcase_create("busiest");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, sorted_and_apart);
    tcase_add_test(tcase, minutes_pass);
    tcase_add_test(tcase, many_topics);
    tcase_add_test(tcase, no_topic_counts_too_little);
    tcase_add_test(tcase, long_topics_are_cut_between_characters);
    tcase_add_test(tcase, the_lock);
    tcase_add_test(tcase, cells_are_allocated_before_the_lock);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
