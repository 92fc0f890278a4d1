/*
 * The LMDB environment: its map grows and its file is replaced while other processes have it open.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "history_unit.h"
#include "store/base/opened.h"
#include "store/history/check.h"
#include "store/history/env.h"
#include "store/history/files.h"
#include "store/history/table.h"

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

/* Appends record NUMBER with 5,000 bytes. Returns whether that made the map larger. */
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

/* A process with many histories keeps few of them open, whose maps have the usual size, and can use
 * all, whether they are in one pool or in pools that share one. */
START_TEST(few_files_are_open)
{
    enum { COUNT = MRC_OPENED_MAX + 10 };
    struct mrc_history_env *env[COUNT];
    struct mrc_error error = {""};
    struct mrc_history_txn txn;
    char dir[300];
    int one = 0, all, unused;

    for (int i = 0; i < COUNT; i++) {
        const struct mrc_history_env_options options = {.key = "hub", .unsynced = i % 2};
        apr_pool_t *own = i % 3 ? store_pool() : pool;

        if (own != pool)
            mrc_opened_share(own, pool);
        snprintf(dir, sizeof(dir), "%s/%d", history_dir, i);
        ck_assert_int_eq(mkdir(dir, 0700), 0);
        ck_assert_msg(mrc_history_env_open(own, dir, &options, &error, &env[i]) == APR_SUCCESS,
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
    tcase_add_test(tcase, few_files_are_open);
    tcase_add_test(tcase, an_older_file_gets_a_key_for_positions);
    return unit_run(suite);
}
