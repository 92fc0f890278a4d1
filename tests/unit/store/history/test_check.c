/* The check of a history file detects damage that would crash a publisher. */
#include <stdio.h>

#include "history_unit.h"
#include "store/history/check.h"
#include "store/lmdb/env.h"
#include "store/lmdb/files.h"

/* Each time this program reads the time of day, it is this much later. */
static int64_t step_us;

apr_time_t apr_time_now(void)
{
    static int64_t time_us = INT64_C(1000000000000000);

    time_us += step_us;
    return time_us;
}

static void check_and_end(void)
{
    _exit(mrc_history_check(pool, history_dir, NULL) == APR_SUCCESS ? 0 : 1);
}

static void publish_after_a_restart(void)
{
    make_segment();
    for (unsigned i = 0; i < 3; i++)
        publish_and_close();
}

static void write_page(const char *file, long page, const char *bytes, size_t len)
{
    FILE *at = fopen(file, "r+b");

    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(fseek(at, page, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(bytes, 1, len, at), len);
    ck_assert_int_eq(fclose(at), 0);
}

/* Damages one page after the other, including those of LMDB's own database of free pages: the
 * damage is detected, or does no harm. */
START_TEST(no_damaged_page_kills_a_publisher)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE), len;
    char file[MRC_HISTORY_FILES_PATH_BYTES], *bad = malloc(size), *all;
    unsigned found = 0;
    FILE *whole;
    long end;

    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(in_child(publish_after_a_restart), 0);
    ck_assert(mrc_history_files_path(history_dir, 1, "", file));
    whole = fopen(file, "rb");
    ck_assert_ptr_nonnull(whole);
    fseek(whole, 0, SEEK_END);
    end = ftell(whole);
    rewind(whole);
    all = malloc((size_t)end);
    len = fread(all, 1, (size_t)end, whole);
    ck_assert_uint_eq(len, (size_t)end);
    fclose(whole);
    memset(bad, 0xa5, size);
    for (size_t page = 2 * size; page + size <= len; page += size) {
        write_page(file, (long)page, bad, size);
        if (in_child(check_and_end))
            found++;
        else
            ck_assert_msg(in_child(publish_after_a_restart) == 0, "page %zu", page / size);
        ck_assert_int_eq(truncate(file, 0), 0);
        write_page(file, 0, all, len);
        ck_assert_int_eq(in_child(check_and_end), 0);
    }
    ck_assert_uint_gt(found, 3);
    free(all);
    free(bad);
}
END_TEST

/* Opens the history after a restart, publishes, and reads; errors are allowed. */
static void use_after_a_restart(void)
{
    struct mrc_history_slice slice = {.at = 0};
    struct mrc_history *history = NULL;
    struct mrc_record record;
    struct mrc_place place;

    make_segment();
    if (mrc_history_open_lmdb(pool, segment, notify, 0, history_dir, MRC_HISTORY_SYNC_NONE,
                              MRC_HISTORY_OPEN_WAIT_US, NULL, &history))
        _exit(0);
    for (int i = 0; i < 60; i++)
        append(history, apr_psprintf(pool, "id-%d", i), 100);
    if (mrc_history_oldest(history, apr_time_now(), &place) == APR_SUCCESS &&
        mrc_history_read(history, &place, 1 << 20, &slice) == APR_SUCCESS) {
        while (mrc_history_slice_next(&slice, &record))
            ck_assert(record.id.len < 100);
    }
    mrc_history_slice_free(&slice);
    mrc_history_close(history);
}

/* Reads FILE into memory that the caller frees. */
static char *read_file(const char *file, size_t *ret_len)
{
    FILE *at = fopen(file, "rb");
    char *all;
    long end;

    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(fseek(at, 0, SEEK_END), 0);
    end = ftell(at);
    rewind(at);
    all = malloc((size_t)end);
    ck_assert_uint_eq(fread(all, 1, (size_t)end, at), (size_t)end);
    fclose(at);
    *ret_len = (size_t)end;
    return all;
}

/* A generator that gives the same numbers in every run. */
static uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Changes a few bytes anywhere, most often in the heads of pages and in the list of pages. */
START_TEST(no_changed_byte_kills_a_publisher)
{
    enum { RUNS = 300, HEAD_BYTES = 64 };
    size_t size = (size_t)sysconf(_SC_PAGESIZE), len;
    const char *runs_given = getenv("MRC_CHECK_RUNS"), *seed_given = getenv("MRC_CHECK_SEED");
    uint64_t state = seed_given ? strtoull(seed_given, NULL, 10) : 88172645463325252ULL;
    int runs = runs_given ? (int)strtol(runs_given, NULL, 10) : RUNS;
    char file[MRC_HISTORY_FILES_PATH_BYTES], *all;
    unsigned found = 0;

    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(in_child(publish_after_a_restart), 0);
    ck_assert(mrc_history_files_path(history_dir, 1, "", file));
    all = read_file(file, &len);
    for (int run = 0; run < runs; run++) {
        for (uint64_t flips = 1 + next_number(&state) % 4; flips > 0; flips--) {
            uint64_t number = next_number(&state);
            size_t page = (size_t)(number >> 8) % (len / size) * size;
            size_t at = page + (size_t)(number >> 32) % (number & 1 ? HEAD_BYTES : size);
            char byte = (char)next_number(&state);

            write_page(file, (long)at, &byte, 1);
        }
        if (in_child(check_and_end))
            found++;
        else
            ck_assert_msg(in_child(use_after_a_restart) == 0, "run %d", run);
        ck_assert_int_eq(truncate(file, 0), 0);
        write_page(file, 0, all, len);
    }
    ck_assert_uint_gt(found, 3);
    free(all);
}
END_TEST

static void compact(void)
{
    const struct mrc_history_env_options options = {.map_bytes = 0};
    struct mrc_history_env *env = NULL;

    ck_assert_int_eq(mrc_history_env_open(pool, history_dir, &options, NULL, &env), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_env_compact(env, NULL), APR_SUCCESS);
    mrc_history_env_close(env);
}

/* Records on pages of their own, ids with one, some and many records, several levels of pages. */
static void publish_all_kinds(void)
{
    struct mrc_history *history;

    make_segment();
    history = open_as(0, MRC_HISTORY_SYNC_NONE);
    append_many(history, 0, 1000, 10);
    for (unsigned i = 0; i < 1500; i++)
        append_ok(history, "many", 10);
    for (unsigned i = 0; i < 60; i++)
        append_ok(history, apr_psprintf(pool, "long-%u", i % 30), 1 + i * 4000);
    mrc_history_close(history);
}

START_TEST(undamaged_files_pass)
{
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(in_child(publish_all_kinds), 0);
        ck_assert_int_eq(in_child(check_and_end), 0);
    }
    ck_assert_int_eq(in_child(compact), 0);
    ck_assert_int_eq(in_child(check_and_end), 0);
    ck_assert_int_eq(in_child(publish_all_kinds), 0);
    ck_assert_int_eq(in_child(check_and_end), 0);
}
END_TEST

/* Setting the clock during a start must not make the check skip most of the file. */
START_TEST(damage_is_found_although_the_clock_is_set)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE), len;
    char file[MRC_HISTORY_FILES_PATH_BYTES], *bad = calloc(1, size), *all;
    unsigned found = 0;

    ck_assert_int_eq(in_child(publish_all_kinds), 0);
    ck_assert(mrc_history_files_path(history_dir, 1, "", file));
    all = read_file(file, &len);
    for (size_t page = 2 * size; page + size <= len && found < 10; page += 7 * size) {
        write_page(file, (long)page, bad, size);
        step_us = 0;
        if (in_child(check_and_end)) {
            found++;
            step_us = INT64_C(3600000000);
            ck_assert_msg(in_child(check_and_end) != 0, "page %zu", page / size);
        }
        write_page(file, (long)page, all + page, size);
    }
    step_us = 0;
    ck_assert_uint_eq(found, 10);
    free(all);
    free(bad);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, undamaged_files_pass);
    tcase_add_test(tcase, no_damaged_page_kills_a_publisher);
    tcase_add_test(tcase, no_changed_byte_kills_a_publisher);
    tcase_add_test(tcase, damage_is_found_although_the_clock_is_set);
    return unit_run(suite);
}
