/*
 * The durable history: what is appended is there for whoever opens it later, once and in one order,
 * wherever the process that led has died.
 */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "apr_strings.h"
#include "apr_time.h"

#include "store/history/check.h"
#include "store/history/dir.h"
#include "store/history/env.h"
#include "store/history/files.h"
#include "store/history/history.h"
#include "store/history/table.h"
#include "store/regions/hub_segment.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"
#include "store/shm/segment.h"
#include "store_unit.h"

#define SLOTS 8

static const char *dir; /* of the segment */
static char *history_dir;
static apr_pool_t *pool;
static struct mrc_hub_segment *segment;
static struct mrc_notify *notify;

static struct mrc_hub_shape the_shape = {
    .key = "hub",
    .history_bytes = 16 << 20,
    .ring_bytes = 1 << 20,
    .body_max_bytes = 256 << 10,
};

/* Fresh shared memory, as after a start of the server. */
static void make_segment(void)
{
    struct mrc_error error = {""};

    if (segment) {
        mrc_hub_segment_close(segment);
        mrc_segment_remove(dir, "hub");
    }
    the_shape.staging_bytes =
        (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES);
    ck_assert_msg(mrc_hub_segment_create(pool, dir, "hub", &the_shape, SLOTS, &error, &segment) ==
                      APR_SUCCESS,
                  "%s", error.text);
}

static void set_up(void)
{
    static char template[] = "/tmp/mrc-history-XXXXXX";
    struct mrc_error error = {""};

    dir = store_dir();
    pool = store_pool();
    history_dir = mkdtemp(template);
    ck_assert_ptr_nonnull(history_dir);
    ck_assert_int_eq(mrc_notify_create(pool, SLOTS, &error, &notify), APR_SUCCESS);
    make_segment();
}

static void tear_down(void)
{
    const char *command =
        apr_psprintf(pool, "rm -rf %s %s", history_dir, dir); /* both of mkdtemp() */

    mrc_hub_segment_close(segment);
    ck_assert_int_eq(system(command), 0);
}

static struct mrc_history *open_as(unsigned slot, enum mrc_history_sync sync)
{
    struct mrc_error error = {""};
    struct mrc_history *history = NULL;

    ck_assert_msg(mrc_history_open_lmdb(pool, segment, notify, slot, history_dir, sync, &error,
                                        &history) == APR_SUCCESS,
                  "%s", error.text);
    return history;
}

static apr_status_t append(struct mrc_history *history, const char *id, size_t bytes)
{
    char *payload = malloc(bytes + 1);
    apr_status_t status;

    memset(payload, 'x', bytes);
    status = mrc_history_append(history, mrc_bytes_of(id), (struct mrc_bytes){payload, bytes},
                                bytes, apr_time_now());
    free(payload);
    return status;
}

static void append_ok(struct mrc_history *history, const char *id, size_t bytes)
{
    ck_assert_int_eq(append(history, id, bytes), APR_SUCCESS);
}

static void append_many(struct mrc_history *history, unsigned from, unsigned to, size_t bytes)
{
    for (unsigned i = from; i < to; i++)
        append_ok(history, apr_psprintf(pool, "id-%u", i), bytes);
}

/* ---- reading ----------------------------------------------------------------------------------*/

/* All ids from PLACE on, from the file and then the ring, as "a b c". */
static char *read_from(struct mrc_history *history, struct mrc_place place)
{
    struct mrc_history_slice slice = {.at = 0};
    struct mrc_ring_record record = {.buf = NULL};
    char *all = apr_pstrdup(pool, "");

    while (place.next < place.until) {
        ck_assert_int_eq(mrc_history_read(history, &place, 1000, &slice), APR_SUCCESS);
        while (mrc_history_slice_next(&slice, &record.view)) {
            ck_assert_uint_eq(record.view.seq, place.next);
            all = apr_psprintf(pool, "%s%s%.*s", all, *all ? " " : "", (int)record.view.id.len,
                               record.view.id.ptr);
            place.next = record.view.seq + 1;
        }
        mrc_history_slice_free(&slice);
    }
    while (mrc_ring_read(mrc_history_ring(history), &place.pos, &record) == APR_SUCCESS) {
        uint64_t number = mrc_history_number(history, record.view.seq);

        if (number < place.next)
            continue;
        ck_assert_uint_eq(number, place.next);
        all = apr_psprintf(pool, "%s%s%.*s", all, *all ? " " : "", (int)record.view.id.len,
                           record.view.id.ptr);
        place.next++;
    }
    mrc_ring_record_free(&record);
    return all;
}

static char *read_all(struct mrc_history *history)
{
    struct mrc_place place;

    ck_assert_int_eq(mrc_history_oldest(history, apr_time_now(), &place), APR_SUCCESS);
    return read_from(history, place);
}

static char *read_after(struct mrc_history *history, const char *id)
{
    struct mrc_place place;

    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of(id), apr_time_now(), &place),
                     APR_SUCCESS);
    return read_from(history, place);
}

static unsigned times(const char *all, const char *id)
{
    unsigned n = 0;

    for (const char *at = all; (at = strstr(at, id)); at += strlen(id))
        n++;
    return n;
}

/* ---- tests ------------------------------------------------------------------------------------*/

START_TEST(what_is_appended_is_found_after_a_restart)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);
    struct mrc_ring_record newest = {.buf = NULL};
    struct mrc_place place;
    uint64_t records, bytes;

    ck_assert_str_eq(read_all(history), "");
    ck_assert_int_eq(mrc_history_newest(history, &newest, &place), APR_NOTFOUND);
    append_ok(history, "a", 10);
    append_ok(history, "b", 100000); /* too large for a slot */
    append_ok(history, "c", 0);
    append_ok(history, "b", 20);
    ck_assert_str_eq(read_all(history), "a b c b");
    ck_assert_str_eq(read_after(history, "a"), "b c b");
    ck_assert_str_eq(read_after(history, "b"), "c b"); /* the earliest counts */
    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of("x"), apr_time_now(), &place),
                     APR_NOTFOUND);
    mrc_history_close(history);

    make_segment();
    history = open_as(1, MRC_HISTORY_SYNC_FULL);
    ck_assert_str_eq(read_all(history), "a b c b");
    ck_assert_int_eq(mrc_history_newest(history, &newest, &place), APR_SUCCESS);
    ck_assert_bytes_eq(newest.view.id, "b");
    append_ok(history, "d", 10);
    ck_assert_str_eq(read_from(history, place), "d");
    ck_assert_str_eq(read_after(history, "c"), "b d");
    ck_assert_int_eq(mrc_history_count(history, apr_time_now(), &records, &bytes), APR_SUCCESS);
    ck_assert_uint_eq(records, 5);
    ck_assert_uint_eq(bytes, 100040);
    mrc_ring_record_free(&newest);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(history_dir, NULL), APR_SUCCESS);
}
END_TEST

START_TEST(too_large_is_refused)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);
    size_t largest = mrc_ring_largest(mrc_hub_segment_ring(segment));

    ck_assert_int_eq(append(history, "a", largest - 1), APR_SUCCESS);
    ck_assert_int_ne(append(history, "a", largest), APR_SUCCESS);
    ck_assert_int_eq(append(history, "a", MRC_STAGING_DATA_BYTES - 1), APR_SUCCESS);
    ck_assert_int_eq(append(history, "a", MRC_STAGING_DATA_BYTES), APR_SUCCESS);
    mrc_history_close(history);
}
END_TEST

/* Appends records with the ids A, B and C at once; the second has BYTES. */
static apr_status_t append_three(struct mrc_history *history, size_t bytes, size_t *ret_done)
{
    char *payload = calloc(1, bytes + 1);
    const struct mrc_record items[] = {
        {.id = mrc_bytes_of("A"), .payload = mrc_bytes_of("x"), .stored_bytes = 1},
        {.id = mrc_bytes_of("B"), .payload = {payload, bytes}, .stored_bytes = bytes},
        {.id = mrc_bytes_of("C"), .payload = mrc_bytes_of("x"), .stored_bytes = 1},
    };
    apr_status_t status = mrc_history_append_group(history, items, 3, apr_time_now(), ret_done);

    free(payload);
    return status;
}

START_TEST(a_group_is_one_commit)
{
    struct mrc_staging *staging = mrc_hub_segment_staging(segment);
    size_t largest = mrc_ring_largest(mrc_hub_segment_ring(segment));

    for (int sync = MRC_HISTORY_SYNC_GROUP; sync <= MRC_HISTORY_SYNC_NONE; sync++) {
        struct mrc_history *history = open_as(0, (enum mrc_history_sync)sync);
        uint64_t before = mrc_staging_commits(staging);
        size_t done = 0;

        append_ok(history, apr_psprintf(pool, "%d", sync), 1);
        ck_assert_int_eq(append_three(history, largest - 1, &done), APR_SUCCESS);
        ck_assert_uint_eq(done, 3);
        ck_assert_uint_eq(mrc_staging_commits(staging), before + 2);
        ck_assert_int_eq(append_three(history, largest, &done), MRC_STATUS_TOO_LARGE);
        ck_assert_uint_eq(done, 0);
        ck_assert_uint_eq(mrc_staging_commits(staging), before + 2);
        ck_assert_str_eq(read_after(history, apr_psprintf(pool, "%d", sync)), "A B C");
        mrc_history_close(history);
    }
    ck_assert_int_eq(mrc_history_check(history_dir, NULL), APR_SUCCESS);
}
END_TEST

/* In memory each stands for itself: those before the one that does not fit are there. */
START_TEST(a_group_in_memory)
{
    struct mrc_history *history = mrc_history_open_memory(pool, segment, notify);
    struct mrc_ring *ring = mrc_hub_segment_ring(segment);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_place place;
    size_t done = 0;

    ck_assert_int_eq(append_three(history, 10, &done), APR_SUCCESS);
    ck_assert_uint_eq(done, 3);
    ck_assert_int_eq(append_three(history, mrc_ring_largest(ring) * 2, &done),
                     MRC_STATUS_TOO_LARGE);
    ck_assert_uint_eq(done, 1);
    ck_assert_int_eq(mrc_history_oldest(history, apr_time_now(), &place), APR_SUCCESS);
    for (const char *id = "ABCA"; *id; id++) {
        ck_assert_int_eq(mrc_ring_read(ring, &place.pos, &record), APR_SUCCESS);
        ck_assert(record.view.id.len == 1 && *record.view.id.ptr == *id);
    }
    ck_assert_int_eq(mrc_ring_read(ring, &place.pos, &record), APR_EOF);
    mrc_ring_record_free(&record);
}
END_TEST

static void set_bounds(uint64_t count, uint64_t bytes, uint64_t age_us)
{
    const struct mrc_ring_bounds bounds = {.count = count, .bytes = bytes, .age_us = age_us};

    ck_assert_int_eq(mrc_ring_set_bounds(mrc_hub_segment_ring(segment), &bounds, apr_time_now(), 0),
                     APR_SUCCESS);
}

START_TEST(bounds_are_exact)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);
    struct mrc_place place;

    append_many(history, 0, 10, 100);
    set_bounds(3, 0, 0);
    ck_assert_str_eq(read_all(history),
                     "id-7 id-8 id-9"); /* at once, before the next is published */
    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of("id-6"), apr_time_now(), &place),
                     APR_NOTFOUND);
    append_ok(history, "id-10", 100);
    ck_assert_str_eq(read_all(history), "id-8 id-9 id-10");
    set_bounds(0, 250, 0);
    ck_assert_str_eq(read_all(history), "id-9 id-10");
    append_many(history, 11, 13, 100);
    ck_assert_str_eq(read_all(history), "id-11 id-12");
    set_bounds(0, 0, 1);
    ck_assert_str_eq(read_all(history), "");
    append_ok(history, "id-13", 1);
    set_bounds(1, 0, 0);
    append_many(history, 14, 100, 1);
    set_bounds(0, 0, 3600 * UINT64_C(1000000));
    ck_assert_uint_le(times(read_all(history), "id-"), 66); /* most has been removed */
    mrc_history_close(history);
    mrc_history_close(history);
}
END_TEST

START_TEST(a_reader_that_falls_behind_goes_on_from_the_file)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_place place;
    char *all;

    append_ok(history, "first", 10);
    mrc_history_head(history, &place);
    append_many(history, 0, 100, 60000); /* far more than the ring holds */
    ck_assert_int_eq(mrc_ring_read(mrc_history_ring(history), &place.pos, &record),
                     MRC_STATUS_OVERRUN);
    ck_assert_int_eq(mrc_history_resume(history, &place), APR_SUCCESS);
    all = read_from(history, place);
    ck_assert(strncmp(all, "id-0 id-1 id-2 ", 15) == 0);
    ck_assert_str_eq(all + strlen(all) - 11, "id-98 id-99");
    /* One that has begun is not cut off when its next record is past the bounds. */
    mrc_history_head(history, &place);
    set_bounds(2, 0, 0);
    append_many(history, 100, 130, 60000);
    ck_assert_int_eq(mrc_history_resume(history, &place), APR_SUCCESS);
    ck_assert_uint_eq(times(read_from(history, place), "id-"), 30);
    append_many(history, 130, 200, 60000);
    ck_assert_int_eq(mrc_history_resume(history, &place), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_read(history, &place, 10, &(struct mrc_history_slice){.at = 0}),
                     MRC_STATUS_OVERRUN); /* that is gone */
    mrc_history_close(history);
}
END_TEST

/* ---- the file ---------------------------------------------------------------------------------*/

static int in_child(void (*run)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        run();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static struct mrc_history_env *open_small(void)
{
    const struct mrc_history_env_options options = {
        .key = "hub", .map_bytes = 256 << 10, .unsynced = true};
    struct mrc_history_env *env = NULL;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_history_env_open(store_pool(), history_dir, &options, &error, &env) ==
                      APR_SUCCESS,
                  "%s", error.text);
    return env;
}

/* Appends record NUMBER of 5,000 bytes, growing the map as needed; whether it grew. */
static bool append_row(struct mrc_history_env *env, uint64_t number)
{
    static char payload[5000];
    bool has_grown = false;

    for (;;) {
        const struct mrc_record record = {
            .seq = number, .id = {"id", 2}, .payload = {payload, sizeof(payload)}};
        struct mrc_history_txn txn;
        apr_status_t status = mrc_history_env_begin(env, true, &txn);

        ck_assert_int_eq(status, APR_SUCCESS);
        status = mrc_history_table_append(&txn, &record);
        if (status)
            mrc_history_env_abort(&txn);
        else
            status = mrc_history_env_commit(&txn);
        if (!status)
            return has_grown;
        ck_assert_int_eq(status, MRC_STATUS_MAP_FULL);
        ck_assert_int_eq(mrc_history_env_grow(env), APR_SUCCESS);
        has_grown = true;
    }
}

static uint64_t last_number(struct mrc_history_env *env)
{
    struct mrc_history_row row = {.sum_bytes = 0};
    struct mrc_history_txn txn;

    ck_assert_int_eq(mrc_history_env_begin(env, false, &txn), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_table_last(&txn, &row), APR_SUCCESS);
    mrc_history_env_abort(&txn);
    return row.record.seq;
}

static int to_parent[2], to_child[2];

static void pass(const int fds[2])
{
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
}

static void wait_pass(const int fds[2])
{
    char c;

    ck_assert_int_eq(read(fds[0], &c, 1), 1);
}

/* One that has the file open while another makes the map larger. */
static void follow_growth(void)
{
    struct mrc_history_env *env = open_small();

    ck_assert_uint_eq(last_number(env), 1);
    pass(to_parent);
    wait_pass(to_child);
    ck_assert_uint_eq(last_number(env), 400);
    append_row(env, 401);
    pass(to_parent);
    wait_pass(to_child);
    ck_assert_uint_eq(last_number(env), 401); /* in the compacted file */
    append_row(env, 402);
    pass(to_parent);
}

START_TEST(the_map_grows_and_the_file_is_replaced_under_others)
{
    struct mrc_history_env *env;
    struct mrc_error error = {""};
    bool has_grown = false;
    int status;
    pid_t pid;

    ck_assert_int_eq(pipe(to_parent), 0);
    ck_assert_int_eq(pipe(to_child), 0);
    pid = fork();
    if (pid == 0) {
        wait_pass(to_child);
        follow_growth();
        _exit(0);
    }
    env = open_small();
    append_row(env, 1);
    pass(to_child);
    wait_pass(to_parent);
    for (uint64_t n = 2; n <= 400; n++)
        has_grown |= append_row(env, n);
    ck_assert(has_grown);
    pass(to_child);
    wait_pass(to_parent);
    ck_assert_uint_eq(last_number(env), 401);
    ck_assert_msg(mrc_history_env_compact(env, &error) == APR_SUCCESS, "%s", error.text);
    ck_assert_uint_eq(mrc_history_files_newest(history_dir), 2);
    pass(to_child);
    wait_pass(to_parent);
    ck_assert_uint_eq(last_number(env), 402);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    mrc_history_env_close(env);
    ck_assert_int_eq(mrc_history_check(history_dir, &error), APR_SUCCESS);
}
END_TEST

static void publish_and_close(void)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);

    append_many(history, 0, 20, 100);
    mrc_history_close(history);
}

/* Counts what is set aside. */
static void count_warning(void *ctx, const char *text)
{
    int *told = ctx;

    ck_assert_ptr_nonnull(strstr(text, "set aside"));
    (*told)++;
}

static apr_status_t reconcile(struct mrc_history_dirs *dirs, const char *const *names, size_t n,
                              int *told)
{
    const struct mrc_history_owner owner = {getuid(), getgid()};
    struct mrc_error error = {""};

    return mrc_history_dirs_reconcile(dirs, names, n, &owner, count_warning, told, &error);
}

START_TEST(damage_is_found_and_set_aside)
{
    struct mrc_history_dirs *dirs = mrc_history_dirs_create(pool);
    const char *path = mrc_history_dir_name(pool, history_dir, "/.well-known/mercure (main) *:80");
    const char *top = history_dir;
    char file[MRC_HISTORY_FILES_PATH_BYTES];
    int told = 0;
    glob_t asides;
    FILE *made;

    ck_assert_ptr_nonnull(strstr(path, "/well-known-mercure-main-80-"));
    ck_assert_int_eq(reconcile(dirs, &path, 1, &told), APR_SUCCESS);
    ck_assert_int_eq(told, 0);
    history_dir = (char *)(uintptr_t)path;
    ck_assert_int_eq(in_child(publish_and_close), 0);
    ck_assert_int_eq(reconcile(dirs, NULL, 0, &told), APR_SUCCESS);
    ck_assert_int_eq(reconcile(dirs, &path, 1, &told), APR_SUCCESS);
    ck_assert_int_eq(told, 0);
    ck_assert_uint_eq(mrc_history_files_newest(path), 1);
    ck_assert_int_eq(reconcile(dirs, NULL, 0, &told), APR_SUCCESS);
    ck_assert(mrc_history_files_path(path, 1, "", file));
    ck_assert_int_eq(truncate(file, 12288), 0);
    ck_assert_int_eq(reconcile(dirs, &path, 1, &told), APR_SUCCESS);
    ck_assert_int_eq(told, 1);
    ck_assert_uint_eq(mrc_history_files_newest(path), 0);
    ck_assert_int_eq(reconcile(dirs, NULL, 0, &told), APR_SUCCESS);
    made = fopen(file, "w");
    fputs("this is no LMDB file at all, and too short for one", made);
    fclose(made);
    ck_assert_int_eq(reconcile(dirs, &path, 1, &told), APR_SUCCESS);
    ck_assert_int_eq(told, 2);
    /* Within one second, perhaps, and both are there. */
    ck_assert_int_eq(glob(apr_psprintf(pool, "%s/*.damaged-*", path), 0, NULL, &asides), 0);
    ck_assert_uint_eq(asides.gl_pathc, 2);
    globfree(&asides);
    mrc_history_dirs_close(dirs);
    history_dir = (char *)(uintptr_t)top;
}
END_TEST

static void check_and_end(void)
{
    _exit(mrc_history_check(history_dir, NULL) == APR_SUCCESS ? 0 : 1);
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

/* Page by page: it is found, or does no harm. LMDB's own database of free pages is among them. */
START_TEST(no_damaged_page_kills_who_publishes)
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

START_TEST(places_that_will_not_do)
{
    const char *file = apr_psprintf(pool, "%s/file", history_dir);
    struct mrc_error error = {""};
    FILE *made = fopen(file, "w");

    fclose(made);
    ck_assert_int_ne(mrc_history_dir_check(file, &error), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "is no directory"));
    ck_assert_int_ne(mrc_history_dir_check(apr_psprintf(pool, "%s/a/b", history_dir), &error),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "make that one"));
    ck_assert_int_eq(mrc_history_dir_check(apr_psprintf(pool, "%s/a/", history_dir), &error),
                     APR_SUCCESS);
    ck_assert_int_eq(mrc_history_dir_check(history_dir, &error), APR_SUCCESS);
    ck_assert(mrc_history_dir_is_remote(0x6969));
    ck_assert(mrc_history_dir_is_remote(0xFF534D42));
    ck_assert(mrc_history_dir_is_remote((unsigned long)-1 - 0xFFFFFFFF + 0xFE534D42));
    ck_assert(!mrc_history_dir_is_remote(0xEF53));
    ck_assert(!mrc_history_dir_is_remote(0x01021994));
}
END_TEST

/* ---- death ------------------------------------------------------------------------------------*/

/* Where a leader dies, in the process that arms it. */
enum point {
    NOWHERE,
    BEFORE_COMMIT,
    WITHIN_COMMIT, /* the file says so already, but LMDB has not told its readers */
    AFTER_COMMIT,
    BEFORE_RING,
    WITHIN_RING,
    BEFORE_FINISH,
    WITHIN_FINISH,
    POINTS
};

static enum point armed;
static unsigned passed;

static void die_at(enum point point, unsigned count)
{
    if (armed == point && passed++ == count)
        raise(SIGKILL);
}

/* In the place of the C library's, for LMDB: what it writes to the disk at once is the commit. */
ssize_t pwrite(int fd, const void *bytes, size_t size, off64_t at)
    __attribute__((visibility("default")));

ssize_t pwrite(int fd, const void *bytes, size_t size, off64_t at)
{
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, size, at);

    if (fcntl(fd, F_GETFL) & O_DSYNC)
        die_at(WITHIN_COMMIT, 0);
    return done;
}

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
apr_status_t __real_mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                       int64_t now_us, int64_t wait_us);
apr_status_t __wrap_mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                       int64_t now_us, int64_t wait_us);
void __real_mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update);
void __wrap_mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int rc;

    die_at(BEFORE_COMMIT, 0);
    rc = __real_mdb_txn_commit(txn);
    die_at(AFTER_COMMIT, 0);
    return rc;
}

apr_status_t __wrap_mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                       int64_t now_us, int64_t wait_us)
{
    die_at(BEFORE_RING, 0);
    die_at(WITHIN_RING, 1);
    return __real_mrc_ring_append_as(ring, record, now_us, wait_us);
}

void __wrap_mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update)
{
    die_at(BEFORE_FINISH, 0);
    die_at(WITHIN_FINISH, 1);
    __real_mrc_staging_finish(staging, update);
}

static pid_t publish_in_child(unsigned slot, const char *id, enum point point)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct mrc_history *history = open_as(slot, MRC_HISTORY_SYNC_GROUP);

        armed = point;
        _exit(append(history, id, 100) == APR_SUCCESS ? 0 : 1);
    }
    return pid;
}

/* How many slots hold something. */
static unsigned staged(void)
{
    uint64_t bytes;
    const char *region = mrc_hub_segment_region(segment, MRC_HUB_REGION_STAGING, &bytes);
    uint64_t stride = (bytes - 256) / MRC_STAGING_SLOTS;
    unsigned n = 0;

    for (unsigned i = 0; i < MRC_STAGING_SLOTS; i++) {
        const _Atomic uint32_t *word =
            (const _Atomic uint32_t *)(const void *)(region + 256 + i * stride);

        n += atomic_load(word) != 0;
    }
    return n;
}

static void wait_staged(unsigned n)
{
    for (int i = 0; staged() < n; i++) {
        ck_assert_int_lt(i, 20000);
        usleep(1000);
    }
}

/*
 * Three publish at the same moment, and the one that leads dies at a certain point. The others'
 * updates are stored once, its own once or not at all, and the ring has what the file has.
 */
static void check_death(enum point point)
{
    pid_t leader, others[2];
    int status;
    char *all, *ring;
    struct mrc_history *history;
    struct mrc_place place = {.next = 0, .pos = 0};
    bool has_died;

    others[0] = publish_in_child(1, "other-a", NOWHERE);
    ck_assert_int_eq(waitpid(others[0], &status, 0), others[0]); /* the file is there then */
    ck_assert_int_eq(status, 0);
    leader = publish_in_child(0, "leader", point);
    others[0] = publish_in_child(1, "other-b", NOWHERE);
    others[1] = publish_in_child(2, "other-c", NOWHERE);
    ck_assert_int_eq(waitpid(leader, &status, 0), leader);
    has_died = WIFSIGNALED(status);
    if (!has_died)
        ck_assert_int_eq(status, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(waitpid(others[i], &status, 0), others[i]);
        ck_assert_int_eq(status, 0);
    }
    mrc_hub_segment_fold(segment, 0); /* what the dead one left may wait for the next leader */

    history = open_as(3, MRC_HISTORY_SYNC_GROUP);
    append_ok(history, "last", 1);
    ck_assert_uint_eq(staged(), 0);
    all = read_all(history);
    ck_assert_uint_eq(times(all, "other-a"), 1);
    ck_assert_uint_eq(times(all, "other-b"), 1);
    ck_assert_uint_eq(times(all, "other-c"), 1);
    ck_assert_uint_le(times(all, "leader"), 1);
    if (!has_died)
        ck_assert_uint_eq(times(all, "leader"), 1);
    /* The ring alone, from its beginning. */
    place.next = mrc_history_number(history, 1);
    place.until = place.next;
    ring = read_from(history, place);
    ck_assert_str_eq(ring, all);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(history_dir, NULL), APR_SUCCESS);
}

START_TEST(a_leader_dies_anywhere)
{
    check_death((enum point)_i);
}
END_TEST

/* A group is stored whole or not at all, wherever the one that brings it dies. */
START_TEST(who_brings_a_group_dies_anywhere)
{
    pid_t pid;
    int status;
    bool has_died;
    struct mrc_history *history;
    struct mrc_place place = {.next = 0, .pos = 0};
    char *all;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file is there, and bound */
    pid = fork();
    if (pid == 0) {
        size_t done;

        history = open_as(0, MRC_HISTORY_SYNC_GROUP);
        armed = (enum point)_i;
        _exit(append_three(history, 10, &done) == APR_SUCCESS && done == 3 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    has_died = WIFSIGNALED(status);
    ck_assert_int_eq(has_died, _i != NOWHERE && _i < BEFORE_FINISH); /* it is in no slot */
    mrc_hub_segment_fold(segment, 0);
    history = open_as(3, MRC_HISTORY_SYNC_GROUP);
    append_ok(history, "last", 1);
    all = read_all(history);
    if (!has_died || _i > BEFORE_COMMIT)
        ck_assert_ptr_nonnull(strstr(all, " A B C last"));
    else
        ck_assert_uint_eq(times(all, "A") + times(all, "B") + times(all, "C"), 0);
    place.next = mrc_history_number(history, 1);
    place.until = place.next;
    ck_assert_str_eq(read_from(history, place), all);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(history_dir, NULL), APR_SUCCESS);
}
END_TEST

/* All stage while the lock is held, so that one batch has them all. */
START_TEST(a_leader_dies_with_a_whole_batch)
{
    struct mrc_staging *staging = mrc_hub_segment_staging(segment);
    pid_t pids[4];
    int status;
    unsigned killed = 0;
    struct mrc_history *history;
    char *all;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file is there, and bound */
    ck_assert_int_eq(pipe(to_parent), 0);
    ck_assert_int_eq(pipe(to_child), 0);
    for (unsigned i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct mrc_history *own = open_as(i, MRC_HISTORY_SYNC_GROUP);

            pass(to_parent);
            wait_pass(to_child);
            armed = (enum point)_i;
            /* Whoever leads dies, then perhaps the next one. */
            _exit(append(own, apr_psprintf(pool, "batch-%u", i), 50) == APR_SUCCESS ? 0 : 1);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        wait_pass(to_parent);
    ck_assert_int_eq(mrc_staging_lock(staging, 0), APR_SUCCESS);
    for (unsigned i = 0; i < 4; i++)
        pass(to_child);
    wait_staged(4);
    mrc_staging_unlock(staging);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        if (WIFSIGNALED(status)) {
            killed++;
            pids[i] = 0;
            mrc_hub_segment_fold(segment, i);
        } else {
            ck_assert_int_eq(status, 0);
        }
    }
    ck_assert_uint_ge(killed, 1);
    history = open_as(5, MRC_HISTORY_SYNC_GROUP);
    append_ok(history, "last", 1);
    all = read_all(history);
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = times(all, apr_psprintf(pool, "batch-%u", i));

        ck_assert_uint_le(n, 1);
        if (pids[i])
            ck_assert_uint_eq(n, 1);
    }
    ck_assert_uint_eq(times(all, "id-"), 20);
    mrc_history_close(history);
}
END_TEST

/* ---- many, and SIGKILL ------------------------------------------------------------------------*/

#define KILL_SLOTS  4
#define KILL_MAX    4000
#define KILL_ROUNDS 25

struct acknowledged {
    _Atomic unsigned tried[KILL_SLOTS];
    _Atomic uint8_t is_acknowledged[KILL_SLOTS][KILL_MAX];
};

static void publish_for_ever(struct acknowledged *told, unsigned slot)
{
    struct mrc_history *history = open_as(slot, MRC_HISTORY_SYNC_NONE);

    for (;;) {
        unsigned n = atomic_fetch_add(&told->tried[slot], 1);
        char id[32];

        if (n >= KILL_MAX)
            _exit(0);
        snprintf(id, sizeof(id), "<%u-%u>", slot, n);
        if (append(history, id, 20 + n % 300) == APR_SUCCESS)
            atomic_store(&told->is_acknowledged[slot][n], 1);
    }
}

static pid_t start_publisher(struct acknowledged *told, unsigned slot)
{
    pid_t pid = fork();

    if (pid == 0)
        publish_for_ever(told, slot);
    return pid;
}

START_TEST(publishers_are_killed_at_random)
{
    struct acknowledged *told = store_shared(sizeof(*told));
    pid_t pids[KILL_SLOTS];
    struct mrc_history *history;
    unsigned sum = 0;
    char *all;

    for (unsigned i = 0; i < KILL_SLOTS; i++)
        pids[i] = start_publisher(told, i);
    for (unsigned round = 0; round < KILL_ROUNDS; round++) {
        unsigned short random[2] = {0, 0};
        unsigned victim;

        ck_assert_int_eq(apr_generate_random_bytes((unsigned char *)random, sizeof(random)),
                         APR_SUCCESS);
        victim = random[0] % KILL_SLOTS;
        usleep(random[1] % 20000U);
        kill(pids[victim], SIGKILL);
        ck_assert_int_eq(waitpid(pids[victim], NULL, 0), pids[victim]);
        mrc_hub_segment_fold(segment, victim);
        pids[victim] = start_publisher(told, victim);
    }
    usleep(20000);
    for (unsigned i = 0; i < KILL_SLOTS; i++) {
        kill(pids[i], SIGKILL);
        ck_assert_int_eq(waitpid(pids[i], NULL, 0), pids[i]);
        mrc_hub_segment_fold(segment, i);
    }
    history = open_as(5, MRC_HISTORY_SYNC_NONE);
    append_ok(history, "last", 1);
    ck_assert_uint_eq(staged(), 0);
    all = read_all(history);
    for (unsigned i = 0; i < KILL_SLOTS; i++) {
        const char *at = all; /* each in its own order */

        for (unsigned n = 0; n < KILL_MAX; n++) {
            char id[32];
            const char *found;

            snprintf(id, sizeof(id), "<%u-%u>", i, n);
            found = strstr(at, id);
            if (found)
                ck_assert_msg(!strstr(found + 1, id), "%s came twice", id);
            if (atomic_load(&told->is_acknowledged[i][n])) {
                ck_assert_msg(found != NULL, "%s is lost, or out of order", id);
                at = found;
                sum++;
            }
        }
    }
    ck_assert_uint_gt(sum, 100);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(history_dir, NULL), APR_SUCCESS);
}
END_TEST

/* ---- a hub changes its store ------------------------------------------------------------------*/

START_TEST(a_ring_that_was_there_first_is_taken_over)
{
    struct mrc_history *history;
    struct mrc_place place;
    uint64_t seq, pos;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file has 20 */
    make_segment();
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(segment),
                                         mrc_bytes_of(apr_psprintf(pool, "ring-%u", i)),
                                         mrc_bytes_of("x"), 1, apr_time_now(), 0, &seq, &pos),
                         APR_SUCCESS);
    history = open_as(0, MRC_HISTORY_SYNC_NONE);
    ck_assert_str_eq(read_after(history, "id-18"), "id-19 ring-0 ring-1 ring-2");
    append_ok(history, "new", 1);
    ck_assert_str_eq(read_after(history, "ring-1"), "ring-2 new");
    mrc_history_head(history, &place);
    ck_assert_uint_eq(place.next, 25);
    mrc_history_close(history);
    history = open_as(1, MRC_HISTORY_SYNC_NONE); /* the next child takes nothing over again */
    ck_assert_str_eq(read_after(history, "id-19"), "ring-0 ring-1 ring-2 new");
    mrc_history_close(history);
    /* As if the hub had been in memory again for one update. */
    ck_assert_int_eq(mrc_ring_append(mrc_hub_segment_ring(segment), mrc_bytes_of("alone"),
                                     mrc_bytes_of("x"), 1, apr_time_now(), 0, &seq, &pos),
                     APR_SUCCESS);
    history = open_as(1, MRC_HISTORY_SYNC_NONE);
    append_ok(history, "again", 1);
    ck_assert_str_eq(read_after(history, "ring-2"), "new alone again");
    mrc_history_close(history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("history");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, what_is_appended_is_found_after_a_restart);
    tcase_add_test(tcase, too_large_is_refused);
    tcase_add_test(tcase, a_group_is_one_commit);
    tcase_add_test(tcase, a_group_in_memory);
    tcase_add_test(tcase, bounds_are_exact);
    tcase_add_test(tcase, a_reader_that_falls_behind_goes_on_from_the_file);
    tcase_add_test(tcase, the_map_grows_and_the_file_is_replaced_under_others);
    tcase_add_test(tcase, damage_is_found_and_set_aside);
    tcase_add_test(tcase, no_damaged_page_kills_who_publishes);
    tcase_add_test(tcase, places_that_will_not_do);
    tcase_add_loop_test(tcase, a_leader_dies_anywhere, NOWHERE, POINTS);
    tcase_add_loop_test(tcase, who_brings_a_group_dies_anywhere, NOWHERE, POINTS);
    tcase_add_loop_test(tcase, a_leader_dies_with_a_whole_batch, BEFORE_COMMIT, POINTS);
    tcase_add_test(tcase, publishers_are_killed_at_random);
    tcase_add_test(tcase, a_ring_that_was_there_first_is_taken_over);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
