/*
 * The LMDB environment: its map grows and its file is replaced while other processes have it open.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store/base/opened.h"
#include "store/history/check.h"
#include "store/history/history_unit.h"
#include "store/lmdb/env.h"
#include "store/lmdb/files.h"
#include "store/lmdb/table.h"

#define MIB ((size_t)1 << 20)

/* The bytes of a large record. */
#define LARGE (MIB / 2)

static struct mrc_history_env *open_in(apr_pool_t *own, const char *dir, uint64_t map_bytes)
{
    const struct mrc_history_env_options options = {
        .key = "hub", .map_bytes = map_bytes, .unsynced = true};
    struct mrc_history_env *env = NULL;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_history_env_open(own, dir, &options, &error, &env) == APR_SUCCESS, "%s",
                  error.text);
    return env;
}

static struct mrc_history_env *open_small(void)
{
    return open_in(store_pool(), history_dir, 256 << 10);
}

/* Tries to append record NUMBER with BYTES. */
static apr_status_t try_append(struct mrc_history_env *env, uint64_t number, size_t bytes)
{
    static char payload[LARGE];
    const struct mrc_record record = {.seq = number, .id = {"id", 2}, .payload = {payload, bytes}};
    struct mrc_history_txn txn;
    apr_status_t status = mrc_history_env_begin(env, true, &txn);

    if (status)
        return status;
    status = mrc_history_table_append(&txn, &record);
    if (status)
        mrc_history_env_abort(&txn);
    else
        status = mrc_history_env_commit(&txn);
    return status;
}

/* Appends record NUMBER with 5,000 bytes. Returns whether that made the map larger. */
static bool append_row(struct mrc_history_env *env, uint64_t number)
{
    bool has_grown = false;

    for (;;) {
        apr_status_t status = try_append(env, number, 5000);

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

/* Has the file open while another process makes the map larger, and then replaces the file. */
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

    open_turns();
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
    ck_assert_int_eq(mrc_history_check(pool, history_dir, &error), APR_SUCCESS);
}
END_TEST

/* The number of this process's descriptors of files in the directory. RET_INHERITED gets the number
 * of those that a program started by it would inherit. */
static int count_fds(int *ret_inherited)
{
    DIR *fds = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    *ret_inherited = 0;
    ck_assert_ptr_nonnull(fds);
    while ((entry = readdir(fds))) {
        char target[1024] = "";

        if (readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1) < 0 ||
            strncmp(target, history_dir, strlen(history_dir)) != 0)
            continue;
        count++;
        if (!(fcntl((int)strtol(entry->d_name, NULL, 10), F_GETFD) & FD_CLOEXEC))
            (*ret_inherited)++;
    }
    closedir(fds);
    return count;
}

START_TEST(programs_inherit_no_file)
{
    struct mrc_history_env *env = open_small();
    struct mrc_error error = {""};
    int inherited;

    append_row(env, 1);
    ck_assert_int_ge(count_fds(&inherited), 3); /* the data, the data for metadata, the lock */
    ck_assert_int_eq(inherited, 0);
    /* The next transaction opens the new file. */
    ck_assert_msg(mrc_history_env_compact(env, &error) == APR_SUCCESS, "%s", error.text);
    ck_assert_uint_eq(last_number(env), 1);
    ck_assert_int_ge(count_fds(&inherited), 3);
    ck_assert_int_eq(inherited, 0);
    mrc_history_env_close(env);
    ck_assert_int_eq(count_fds(&inherited), 0);
}
END_TEST

/* ---- Lack of addresses ------------------------------------------------------------------------*/

#define MAP_BYTES (32 * MIB)

/*
 * From now on, this process has addresses for less than one more map of MAP_BYTES. Returns the
 * limit until now. The allocator of a sanitizer uses each address once, so that a file that is
 * opened again, and each record that is written, take some of them for good.
 */
static struct rlimit limit_addresses(size_t map_bytes)
{
    struct rlimit before, now;
    unsigned long pages;
    FILE *statm = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
    now = before;
    now.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + map_bytes / 4 * 3;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &now), 0);
    return before;
}

/* Appends large record NUMBER. An error: the map cannot grow. */
static apr_status_t append_large(struct mrc_history_env *env, uint64_t number)
{
    for (;;) {
        apr_status_t status = try_append(env, number, LARGE);

        if (status == MRC_STATUS_MAP_FULL)
            status = mrc_history_env_grow(env);
        else
            return status;
        if (status)
            return status;
    }
}

/* Appends records until the map is nearly full. Returns the number of the last one. */
static uint64_t fill_map(struct mrc_history_env *env)
{
    uint64_t number = 0;

    while ((number + 4) * LARGE < MAP_BYTES)
        ck_assert_int_eq(try_append(env, ++number, LARGE), APR_SUCCESS);
    return number;
}

START_TEST(a_map_that_cannot_grow_keeps_what_it_has)
{
    struct mrc_history_env *env = open_in(store_pool(), history_dir, MAP_BYTES);
    uint64_t filled = fill_map(env), number = filled;
    struct rlimit before = limit_addresses(MAP_BYTES);
    apr_status_t status = APR_SUCCESS;

    while (!status)
        status = append_large(env, ++number);
    ck_assert_int_eq(status, ENOMEM);
    ck_assert_uint_gt(number, filled + 1);
    ck_assert_uint_eq(last_number(env), number - 1);
    ck_assert_int_eq(append_large(env, number), ENOMEM);
    ck_assert_int_eq(mrc_history_env_sync(env), APR_SUCCESS);
    ck_assert_uint_eq(last_number(env), number - 1);

    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert_int_eq(append_large(env, number), APR_SUCCESS);
    ck_assert_uint_eq(last_number(env), number);
    mrc_history_env_close(env);
}
END_TEST

/* Makes the file as large as the map of another process, then twice as large. */
static void grow_file(void)
{
    struct mrc_history_env *env = open_in(store_pool(), history_dir, MAP_BYTES);
    uint64_t number = 0;

    for (size_t round = 1; round <= 2; round++) {
        while (number * LARGE <= round * MAP_BYTES)
            ck_assert_int_eq(append_large(env, ++number), APR_SUCCESS);
        pass(to_parent);
        wait_pass(to_child);
    }
    mrc_history_env_close(env);
}

/* A process without addresses for the map that another one has made larger maps what is in the
 * file, and if it has no addresses for that either, waits until it has. */
START_TEST(a_larger_map_that_does_not_fit_is_an_error)
{
    const uint64_t first = MAP_BYTES / LARGE + 1, second = 2 * MAP_BYTES / LARGE + 1;
    struct mrc_history_env *env;
    struct mrc_history_txn txn;
    struct rlimit before;
    int status;
    pid_t pid;

    open_turns();
    pid = fork();
    if (pid == 0) {
        wait_pass(to_child);
        grow_file();
        _exit(0);
    }
    env = open_in(store_pool(), history_dir, MAP_BYTES);
    before = limit_addresses(MAP_BYTES);
    pass(to_child);
    wait_pass(to_parent);
    ck_assert_uint_eq(last_number(env), first);
    pass(to_child);
    wait_pass(to_parent);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_history_env_begin(env, false, &txn), ENOMEM);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert_uint_eq(last_number(env), second);
    pass(to_child);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    mrc_history_env_close(env);
}
END_TEST

/* A tool writes much without making the map larger. */
START_TEST(the_map_of_a_tool_is_large)
{
    struct mrc_history_env *env =
        open_in(store_pool(), history_dir, MRC_HISTORY_ENV_MAP_TOOL_BYTES);

    for (uint64_t n = 1; n <= 2 * MAP_BYTES / LARGE; n++)
        ck_assert_int_eq(try_append(env, n, LARGE), APR_SUCCESS);
    mrc_history_env_close(env);
}
END_TEST

/* ---- Many files -------------------------------------------------------------------------------*/

/* The directory of history I of several. */
static const char *dir_of(int i)
{
    const char *dir = apr_psprintf(pool, "%s/%d", history_dir, i);

    ck_assert(mkdir(dir, 0700) == 0 || errno == EEXIST);
    return dir;
}

START_TEST(a_file_that_does_not_fit_takes_the_place_of_another)
{
    const size_t map_bytes = 256 * MIB;
    struct mrc_history_env *env[3];
    struct mrc_history_txn txn;
    struct rlimit before;
    int one, unused;

    env[0] = open_in(pool, dir_of(0), map_bytes);
    one = count_fds(&unused);
    before = limit_addresses(map_bytes);
    for (int i = 1; i < 3; i++) {
        env[i] = open_in(pool, dir_of(i), map_bytes);
        ck_assert_int_eq(count_fds(&unused), one);
    }
    for (int i = 0; i < 3; i++)
        append_row(env[i], 1);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(last_number(env[i]), 1);
    ck_assert_int_eq(count_fds(&unused), one);
    /* One in use stays. */
    ck_assert_int_eq(mrc_history_env_begin(env[2], false, &txn), APR_SUCCESS);
    ck_assert_int_eq(try_append(env[0], 2, 1), ENOMEM);
    mrc_history_env_abort(&txn);
    ck_assert_int_eq(try_append(env[0], 2, 1), APR_SUCCESS);

    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    for (int i = 0; i < 3; i++)
        mrc_history_env_close(env[i]);
    ck_assert_int_eq(count_fds(&unused), 0);
}
END_TEST

START_TEST(a_map_grows_in_the_place_of_another)
{
    struct mrc_history_env *idle = open_in(pool, dir_of(0), MAP_BYTES);
    struct mrc_history_env *env = open_in(pool, dir_of(1), MAP_BYTES);
    uint64_t number = fill_map(env);
    struct rlimit before = limit_addresses(MAP_BYTES);

    append_row(idle, 1);
    while (number * LARGE <= MAP_BYTES)
        ck_assert_int_eq(append_large(env, ++number), APR_SUCCESS);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
    ck_assert_uint_eq(last_number(idle), 1);
    mrc_history_env_close(idle);
    mrc_history_env_close(env);
}
END_TEST

/* A process with many histories keeps few of them open, whose maps have the usual size, and can use
 * all, whether they are in one pool or in pools that share one. */
START_TEST(few_files_are_open)
{
    enum { COUNT = MRC_OPENED_MAX + 10 };
    struct mrc_history_env *env[COUNT];
    struct mrc_error error = {""};
    struct mrc_history_txn txn;
    int one = 0, all, unused;

    for (int i = 0; i < COUNT; i++) {
        const struct mrc_history_env_options options = {.key = "hub", .unsynced = i % 2};
        apr_pool_t *own = i % 3 ? store_pool() : pool;

        if (own != pool)
            mrc_opened_share(own, pool);
        ck_assert_msg(mrc_history_env_open(own, dir_of(i), &options, &error, &env[i]) ==
                          APR_SUCCESS,
                      "%s", error.text);
        if (i == 0)
            one = count_fds(&unused);
    }
    all = MRC_OPENED_MAX * one;
    ck_assert_int_eq(count_fds(&unused), all);
    for (uint64_t n = 1; n <= 2; n++)
        for (int i = 0; i < COUNT; i++)
            append_row(env[i], n);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_uint_eq(last_number(env[i]), 2);
        ck_assert_int_eq(mrc_history_env_sync(env[i]), APR_SUCCESS);
    }
    ck_assert_int_eq(count_fds(&unused), all);
    /* A transaction keeps its file open. */
    ck_assert_int_eq(mrc_history_env_begin(env[0], false, &txn), APR_SUCCESS);
    for (int i = 1; i < COUNT; i++)
        ck_assert_uint_eq(last_number(env[i]), 2);
    mrc_history_env_abort(&txn);
    ck_assert_int_eq(count_fds(&unused), all);
    for (int i = 0; i < COUNT; i++)
        mrc_history_env_close(env[i]);
    ck_assert_int_eq(count_fds(&unused), 0);
}
END_TEST

/* A file of an earlier release has no key for positions. */
START_TEST(an_older_file_gets_a_key_for_positions)
{
    static const unsigned char zeros[MRC_HUB_POSITION_KEY_BYTES];
    const struct mrc_history_env_options tool = {.read_only = true};
    unsigned char key[MRC_HUB_POSITION_KEY_BYTES];
    struct mrc_history_env *env = open_small();
    MDB_val name = {.mv_size = strlen("positions"), .mv_data = (char[]){"positions"}};
    struct mrc_history_txn txn;

    append_row(env, 1);
    memcpy(key, mrc_history_env_position_key(env), sizeof(key));
    ck_assert_int_eq(mrc_history_env_begin(env, true, &txn), APR_SUCCESS);
    ck_assert_int_eq(mdb_del(txn.txn, txn.dbs.about, &name, NULL), 0);
    ck_assert_int_eq(mrc_history_env_commit(&txn), APR_SUCCESS);
    mrc_history_env_close(env);

    ck_assert_int_eq(mrc_history_env_open(pool, history_dir, &tool, NULL, &env), APR_SUCCESS);
    ck_assert_mem_eq(mrc_history_env_position_key(env), zeros, sizeof(zeros));
    mrc_history_env_close(env);

    env = open_small();
    ck_assert_int_ne(memcmp(mrc_history_env_position_key(env), zeros, sizeof(zeros)), 0);
    ck_assert_int_ne(memcmp(mrc_history_env_position_key(env), key, sizeof(key)), 0);
    memcpy(key, mrc_history_env_position_key(env), sizeof(key));
    ck_assert_int_eq(mrc_history_env_compact(env, NULL), APR_SUCCESS);
    ck_assert_uint_eq(last_number(env), 1);
    mrc_history_env_close(env);

    env = open_small();
    ck_assert_mem_eq(mrc_history_env_position_key(env), key, sizeof(key));
    mrc_history_env_close(env);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("env");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, the_map_grows_and_the_file_is_replaced_under_others);
    tcase_add_test(tcase, programs_inherit_no_file);
    tcase_add_test(tcase, a_map_that_cannot_grow_keeps_what_it_has);
    tcase_add_test(tcase, a_larger_map_that_does_not_fit_is_an_error);
    tcase_add_test(tcase, the_map_of_a_tool_is_large);
    tcase_add_test(tcase, a_file_that_does_not_fit_takes_the_place_of_another);
    tcase_add_test(tcase, a_map_grows_in_the_place_of_another);
    tcase_add_test(tcase, few_files_are_open);
    tcase_add_test(tcase, an_older_file_gets_a_key_for_positions);
    return unit_run(suite);
}
