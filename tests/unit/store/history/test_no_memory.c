/*
 * The durable history with each allocation failing in turn, and with too few descriptors: a group
 * is stored completely or not at all, no other file is used, and no file is taken for damaged.
 */
#include <pthread.h>
#include <stdio.h>

#include "failing_calls.h"
#include "history_unit.h"
#include "store/base/status.h"
#include "store/history/check.h"
#include "store/history/dir.h"
#include "store/lmdb/env.h"
#include "store/lmdb/files.h"

static bool pools_fail;

#pragma GCC visibility push(default)
void *__real_apr_palloc(apr_pool_t *from, apr_size_t size);
void *__wrap_apr_palloc(apr_pool_t *from, apr_size_t size);
#pragma GCC visibility pop

/* Fails as APR's function does: a pool may have a function that ends the process. */
void *__wrap_apr_palloc(apr_pool_t *from, apr_size_t size)
{
    if (!pools_fail || !alloc_fails())
        return __real_apr_palloc(from, size);
    if (apr_pool_abort_get(from))
        apr_pool_abort_get(from)(APR_ENOMEM);
    return NULL;
}

static unsigned stored; /* groups */

static apr_status_t try_open(struct mrc_history **ret_history)
{
    struct mrc_error error = {""};
    struct mrc_history *history = NULL;
    long left = fail_later();
    apr_pool_t *own;
    apr_status_t status;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    fail_again(left);
    status = mrc_history_open_lmdb(own, segment, notify, 0, history_dir, MRC_HISTORY_SYNC_GROUP,
                                   MRC_HISTORY_OPEN_WAIT_US, &error, &history);
    ck_assert_msg(status != MRC_STATUS_CORRUPT, "%s", error.text);
    ck_assert_msg(!status || error.text[0], "%d", status);
    *ret_history = history;
    return status;
}

/* ---- a child ----------------------------------------------------------------------------------*/

static struct mrc_history *opened;

static bool open_and_close(void)
{
    struct mrc_history *history;
    apr_status_t status = try_open(&history);

    if (!status)
        mrc_history_close(history);
    return status == APR_SUCCESS;
}

static bool publish(void)
{
    static const struct mrc_record records[] = {
        {.id = {"A", 1}, .payload = {"x", 1}, .stored_bytes = 1},
        {.id = {"B", 1}, .payload = {"y", 1}, .stored_bytes = 1},
        {.id = {"C", 1}, .payload = {"z", 1}, .stored_bytes = 1},
    };
    size_t done;
    apr_status_t status = mrc_history_append_group(opened, records, 3, apr_time_now(), &done);

    ck_assert_uint_eq(done, status ? 0 : 3);
    stored += !status;
    return status == APR_SUCCESS;
}

static bool replay(void)
{
    struct mrc_history_slice slice = {.at = 0};
    struct mrc_record record;
    struct mrc_place place = {.next = 0};
    apr_status_t status = mrc_history_find(opened, mrc_bytes_of("A"), apr_time_now(), &place);
    uint64_t next = place.next;

    if (!status)
        status = mrc_history_read(opened, &place, SIZE_MAX, &slice);
    ck_assert(!status || status == APR_ENOMEM);
    while (!status && mrc_history_slice_next(&slice, &record))
        ck_assert_uint_eq(record.seq, next++);
    ck_assert(status || next == place.until);
    mrc_history_slice_free(&slice);
    return status == APR_SUCCESS;
}

static apr_status_t count_revocation(void *ctx, const struct mrc_revocation *entry)
{
    (*(unsigned *)ctx)++;
    return APR_SUCCESS;
}

static bool revoke_and_lift(void)
{
    const struct mrc_revocation entry = {
        .id = {1}, .until_us = INT64_MAX, .data = mrc_bytes_of("order")};
    unsigned count = 0;

    if (mrc_history_revoke(opened, &entry, 1, apr_time_now()) ||
        mrc_history_revoked(opened, count_revocation, &count))
        return false;
    ck_assert_uint_eq(count, 1);
    return mrc_history_lift(opened, entry.id) == APR_SUCCESS;
}

START_TEST(a_child)
{
    char file[MRC_HISTORY_FILES_PATH_BYTES], *all;
    struct mrc_history_env *env;
    struct mrc_error error = {""};
    const struct mrc_history_env_options options = {.key = "hub"};

    /* The newest file is the second one, and the first one is gone. */
    ck_assert_int_eq(in_child(publish_and_close), 0);
    ck_assert_int_eq(mrc_history_env_open(pool, history_dir, &options, &error, &env), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_env_compact(env, &error), APR_SUCCESS);
    mrc_history_env_close(env);
    ck_assert(mrc_history_files_path(history_dir, 1, "", file));

    fail_in_turn("open", open_and_close, 3);
    few_descriptors_in_turn("descriptors", open_and_close, 2);
    ck_assert_msg(access(file, F_OK) != 0, "another file was made");
    ck_assert_uint_eq(mrc_history_files_newest(history_dir), 2);

    opened = open_as(0, MRC_HISTORY_SYNC_GROUP);
    fail_in_turn("publish", publish, 2);
    fail_in_turn("replay", replay, 1);
    alloc_left = 0;
    ck_assert(revoke_and_lift()); /* the calls need no memory */
    alloc_left = -1;
    all = read_all(opened);
    ck_assert_uint_eq(times(all, "A B C"), stored);
    ck_assert_uint_eq(times(all, "A"), stored);
    ck_assert_uint_eq(times(all, "C"), stored);
    ck_assert_uint_eq(times(all, "id-"), 20);
    mrc_history_close(opened);
}
END_TEST

static bool read_left(void)
{
    struct mrc_history_left at = {.is_behind = false};
    struct mrc_history_slice slice;
    struct mrc_record record;
    apr_status_t status = mrc_history_read_left(opened, &at, SIZE_MAX, &slice);
    unsigned count = 0;

    ck_assert(status == APR_EOF || status == APR_ENOMEM);
    while (status == APR_EOF && mrc_history_slice_next(&slice, &record))
        count++;
    ck_assert(status != APR_EOF || count == 1);
    mrc_history_slice_free(&slice);
    return status == APR_EOF;
}

START_TEST(what_a_server_has_left)
{
    const struct mrc_record record = {.id = mrc_bytes_of("begin"),
                                      .payload = mrc_bytes_of("x"),
                                      .mark = MRC_RECORD_BEGINS,
                                      .subject = {{1, 2, 3}}};
    size_t done;

    opened = open_as(0, MRC_HISTORY_SYNC_GROUP);
    ck_assert_int_eq(mrc_history_append_group(opened, &record, 1, apr_time_now(), &done),
                     APR_SUCCESS);
    mrc_history_close(opened);
    make_segment();
    opened = open_as(0, MRC_HISTORY_SYNC_GROUP);
    fail_in_turn("left", read_left, 1);
    mrc_history_close(opened);
}
END_TEST

/* ---- the parent -------------------------------------------------------------------------------*/

static bool check(void)
{
    struct mrc_error error = {""};
    long left = fail_later();
    apr_pool_t *own;
    apr_status_t status;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    fail_again(left);
    status = mrc_history_check(own, history_dir, &error);
    ck_assert_msg(status != MRC_STATUS_CORRUPT, "%s", error.text);
    return status == APR_SUCCESS;
}

START_TEST(a_check_without_memory_finds_no_damage)
{
    ck_assert_int_eq(in_child(publish_and_close), 0);
    fail_in_turn_strictly("check", check, 3, 1); /* one for a second look at the directory */
    few_descriptors_in_turn("descriptors", check, 2);
}
END_TEST

static int warnings;           /* of histories that are set aside */
static bool only_this_process; /* and no calls fail in processes that it forks */

static void spare_child(void)
{
    if (only_this_process)
        alloc_left = -1;
}

static void count_warning(void *ctx, const char *text)
{
    warnings++;
}

static const char *name;
static char newest[MRC_HISTORY_FILES_PATH_BYTES]; /* file of the history; empty: none */

static bool hold(void)
{
    const struct mrc_history_owner owner = {getuid(), getgid()};
    struct mrc_error error = {""};
    struct mrc_history_dirs *dirs;
    long left = fail_later();
    apr_status_t status;
    bool is_held;

    dirs = mrc_history_dirs_create(pool);
    fail_again(left);
    status =
        mrc_history_dirs_reconcile(dirs, &name, 1, &owner, count_warning, NULL, &error, &is_held);
    ck_assert_int_eq(is_held, status == APR_SUCCESS);
    ck_assert_msg(!status || error.text[0], "%d", status);
    mrc_history_dirs_close(dirs);
    left = fail_later();
    ck_assert_msg(warnings == 0, "set aside");
    ck_assert(!newest[0] || access(newest, F_OK) == 0);
    fail_again(left);
    return status == APR_SUCCESS;
}

/* The check runs in a process of its own, which counts its calls itself. A file that it has not
 * checked is not held. */
START_TEST(a_start_without_memory_sets_nothing_aside)
{
    const char *top = history_dir;

    name = mrc_history_dir_name(pool, top, "/.well-known/mercure");
    ck_assert(hold());
    history_dir = name;
    ck_assert_int_eq(in_child(publish_and_close), 0);
    ck_assert(mrc_history_files_path(name, 1, "", newest));
    alloc_failures = store_shared(sizeof(*alloc_failures));
    ck_assert_int_eq(pthread_atfork(NULL, NULL, spare_child), 0);
    pools_fail = true;
    fail_in_turn_strictly("check", hold, 3, 1);
    only_this_process = true;
    fail_in_turn_strictly("hold", hold, 1, 0);
    pools_fail = false;
    few_descriptors_in_turn("descriptors", hold, 3);
    history_dir = top;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, a_child);
    tcase_add_test(tcase, what_a_server_has_left);
    tcase_add_test(tcase, a_check_without_memory_finds_no_damage);
    tcase_add_test(tcase, a_start_without_memory_sets_nothing_aside);
    return unit_run(suite);
}
