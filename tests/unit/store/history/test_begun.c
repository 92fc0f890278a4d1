/* The next server finds in the file what has begun and not ended. */
#include "history_unit.h"
#include "store/history/begun.h"
#include "store/lmdb/env.h"

static struct mrc_record_subject subject_of(char name)
{
    return (struct mrc_record_subject){{(uint64_t)name, 2, 3}};
}

/* Appends a record that NAME begins or ends; TEXT is the payload. AS_GROUP adds a second record:
 * groups use no slot. */
static void append_mark(struct mrc_history *history, enum mrc_record_mark mark, char name,
                        const char *text, bool as_group)
{
    const struct mrc_record records[] = {
        {
            .id = mrc_bytes_of(
                apr_psprintf(pool, "%s-%c", mark == MRC_RECORD_ENDS ? "end" : "begin", name)),
            .payload = mrc_bytes_of(text),
            .mark = mark,
            .subject = subject_of(name),
        },
        {.id = mrc_bytes_of("plain"), .payload = mrc_bytes_of("x")},
    };
    size_t count = as_group ? 2 : 1, done;

    ck_assert_int_eq(mrc_history_append_group(history, records, count, apr_time_now(), &done),
                     APR_SUCCESS);
    ck_assert_uint_eq(done, count);
}

/* What is left, as "name=payload ", in the order of the subjects; read in pieces of MAX_BYTES. */
static char *read_left(struct mrc_history *history, size_t max_bytes)
{
    struct mrc_history_left at = {.is_behind = false};
    char *all = apr_pstrdup(pool, "");
    apr_status_t status;

    do {
        struct mrc_history_slice slice;
        struct mrc_record record;

        status = mrc_history_read_left(history, &at, max_bytes, &slice);
        while (mrc_history_slice_next(&slice, &record)) {
            char name = (char)record.subject.word[0];
            const struct mrc_record_subject want = subject_of(name);

            ck_assert_mem_eq(&record.subject, &want, sizeof(want));
            all = apr_psprintf(pool, "%s%c=%.*s ", all, name, (int)record.payload.len,
                               record.payload.ptr);
        }
        mrc_history_slice_free(&slice);
    } while (status == APR_SUCCESS);
    ck_assert_int_eq(status, APR_EOF);
    return all;
}

static void ck_assert_left(struct mrc_history *history, const char *want)
{
    ck_assert_str_eq(read_left(history, SIZE_MAX), want);
}

/* The server and its memory are gone: a child of the next server opens the history. */
static struct mrc_history *next_server(struct mrc_history *history)
{
    mrc_history_close(history);
    make_segment();
    return open_as(0, MRC_HISTORY_SYNC_GROUP);
}

START_TEST(what_has_begun_is_left_until_it_ends)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);

    append_mark(history, MRC_RECORD_BEGINS, 'a', "one", false);
    append_mark(history, MRC_RECORD_BEGINS, 'b', "", true);
    append_mark(history, MRC_RECORD_BEGINS, 'c', "three", false);
    append_mark(history, MRC_RECORD_ENDS, 'c', "", false);
    ck_assert_left(history, ""); /* what the running server has begun is not left over */
    history = next_server(history);
    append_mark(history, MRC_RECORD_BEGINS, 'd', "four", false);
    ck_assert_left(history, "a=one b= ");
    ck_assert_str_eq(read_left(history, 1), "a=one b= ");
    append_mark(history, MRC_RECORD_ENDS, 'a', "", true);
    ck_assert_left(history, "b= ");
    mrc_history_end_left(history, true);
    ck_assert_left(history, "");
    history = next_server(history);
    ck_assert_left(history, "b= d=four ");
    mrc_history_close(history);
}
END_TEST

/* Each end is stored once, however many children announce it, even when the begin is unknown
 * because it was in another store. */
START_TEST(an_end_is_stored_once)
{
    struct mrc_history *history = open_as(0, (enum mrc_history_sync)_i);

    append_ok(history, "file", 1);
    mrc_history_close(history);
    make_segment();
    /* The hub had a store in memory, so that file and ring have different numbers. */
    append_ok(mrc_history_open_memory(pool, segment, notify), "ring", 1);
    history = open_as(0, (enum mrc_history_sync)_i);
    append_mark(history, MRC_RECORD_BEGINS, 'a', "", false);
    append_mark(history, MRC_RECORD_ENDS, 'a', "", false);
    append_mark(history, MRC_RECORD_ENDS, 'a', "", false);
    append_mark(history, MRC_RECORD_ENDS, 'b', "", false);
    append_mark(history, MRC_RECORD_ENDS, 'b', "", true);
    append_mark(history, MRC_RECORD_ENDS, 'a', "", true);
    append_ok(history, "plain", 1); /* other ids may repeat */
    ck_assert_str_eq(read_all(history), "file ring begin-a end-a end-b plain plain plain");
    mrc_history_close(history);
}
END_TEST

/* One child reads what is left over. If it gives up or dies, another child does so. */
START_TEST(one_child_reads_what_is_left)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);

    append_mark(history, MRC_RECORD_BEGINS, 'a', "", false);
    history = next_server(history);
    ck_assert(mrc_staging_claim_left(mrc_hub_segment_staging(segment), 5));
    ck_assert_left(history, "");
    mrc_history_end_left(history, true); /* this child has not claimed it */
    mrc_hub_segment_fold(segment, 4);
    ck_assert_left(history, "");
    mrc_hub_segment_fold(segment, 5);
    ck_assert_left(history, "a= ");
    ck_assert(!mrc_staging_claim_left(mrc_hub_segment_staging(segment), 5));
    mrc_history_end_left(history, false);
    ck_assert(mrc_staging_claim_left(mrc_hub_segment_staging(segment), 5));
    mrc_history_close(history);
}
END_TEST

/* Runs CHANGE in a transaction of the file, which no process has open. */
static void change_file(void (*change)(const struct mrc_history_txn *txn))
{
    const struct mrc_history_env_options options = {.key = "hub"};
    struct mrc_history_env *env;
    struct mrc_history_txn txn;

    ck_assert_int_eq(mrc_history_env_open(pool, history_dir, &options, NULL, &env), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_env_begin(env, true, &txn), APR_SUCCESS);
    change(&txn);
    ck_assert_int_eq(mrc_history_env_commit(&txn), APR_SUCCESS);
    mrc_history_env_close(env);
}

static void damage_a(const struct mrc_history_txn *txn)
{
    struct mrc_record_subject a = subject_of('a');
    MDB_val key = {.mv_size = sizeof(a), .mv_data = &a};
    MDB_val value;
    char *copy;

    ck_assert_int_eq(mdb_get(txn->txn, txn->dbs.begun, &key, &value), 0);
    copy = apr_pmemdup(pool, value.mv_data, value.mv_size);
    copy[value.mv_size - 1]++;
    value.mv_data = copy;
    ck_assert_int_eq(mdb_put(txn->txn, txn->dbs.begun, &key, &value, 0), 0);
}

START_TEST(damaged_rows_are_left_out)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);

    append_mark(history, MRC_RECORD_BEGINS, 'a', "one", false);
    append_mark(history, MRC_RECORD_BEGINS, 'b', "two", false);
    mrc_history_close(history);
    change_file(damage_a);
    make_segment();
    history = open_as(0, MRC_HISTORY_SYNC_GROUP);
    ck_assert_left(history, "b=two ");
    mrc_history_close(history);
}
END_TEST

static void drop_table(const struct mrc_history_txn *txn)
{
    ck_assert_int_eq(mdb_drop(txn->txn, txn->dbs.begun, 1), 0);
}

/* A file of an earlier release has no such table: a tool reads it as it is, a server adds it. */
START_TEST(files_of_earlier_releases)
{
    const struct mrc_history_env_options options = {.read_only = true};
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_GROUP);
    struct mrc_history_env *env;
    struct mrc_history_txn txn;

    append_ok(history, "old", 1);
    mrc_history_close(history);
    change_file(drop_table);
    ck_assert_int_eq(mrc_history_env_open(pool, history_dir, &options, NULL, &env), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_env_begin(env, false, &txn), APR_SUCCESS);
    ck_assert_uint_eq(txn.dbs.begun, 0);
    mrc_history_env_abort(&txn);
    mrc_history_env_close(env);
    make_segment();
    history = open_as(0, MRC_HISTORY_SYNC_GROUP);
    append_mark(history, MRC_RECORD_BEGINS, 'a', "one", false);
    history = next_server(history);
    ck_assert_left(history, "a=one ");
    ck_assert_str_eq(read_all(history), "old begin-a");
    mrc_history_close(history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("begun");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, what_has_begun_is_left_until_it_ends);
    tcase_add_loop_test(tcase, an_end_is_stored_once, MRC_HISTORY_SYNC_GROUP,
                        MRC_HISTORY_SYNC_NONE + 1);
    tcase_add_test(tcase, one_child_reads_what_is_left);
    tcase_add_test(tcase, damaged_rows_are_left_out);
    tcase_add_test(tcase, files_of_earlier_releases);
    return unit_run(suite);
}
