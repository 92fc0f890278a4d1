/*
 * Directories of histories: which places are suitable, and damaged files are set aside.
 */
#include <glob.h>
#include <stdio.h>

#include "apr_strings.h"

#include "history_unit.h"
#include "store/history/dir.h"
#include "store/lmdb/files.h"

/* Counts the histories that are set aside. */
static void count_warning(void *ctx, const char *text)
{
    int *warnings = ctx;

    ck_assert_ptr_nonnull(strstr(text, "set aside"));
    (*warnings)++;
}

static apr_status_t reconcile(struct mrc_history_dirs *dirs, const char *const *names, size_t n,
                              int *warnings)
{
    const struct mrc_history_owner owner = {getuid(), getgid()};
    struct mrc_error error = {""};
    bool held[2] = {false, false};
    apr_status_t status =
        mrc_history_dirs_reconcile(dirs, names, n, &owner, count_warning, warnings, &error, held);

    for (size_t i = 0; i < n && !status; i++)
        ck_assert(held[i]);
    return status;
}

START_TEST(damage_is_found_and_set_aside)
{
    struct mrc_history_dirs *dirs = mrc_history_dirs_create(pool);
    const char *path = mrc_history_dir_name(pool, history_dir, "/.well-known/mercure (main) *:80");
    const char *top = history_dir;
    char file[MRC_HISTORY_FILES_PATH_BYTES];
    int warnings = 0;
    glob_t asides;
    FILE *made;

    ck_assert_ptr_nonnull(strstr(path, "/well-known-mercure-main-80-"));
    ck_assert_int_eq(reconcile(dirs, &path, 1, &warnings), APR_SUCCESS);
    ck_assert_int_eq(warnings, 0);
    history_dir = path;
    ck_assert_int_eq(in_child(publish_and_close), 0);
    ck_assert_int_eq(reconcile(dirs, NULL, 0, &warnings), APR_SUCCESS);
    ck_assert_int_eq(reconcile(dirs, &path, 1, &warnings), APR_SUCCESS);
    ck_assert_int_eq(warnings, 0);
    ck_assert_uint_eq(mrc_history_files_newest(path), 1);
    ck_assert_int_eq(reconcile(dirs, NULL, 0, &warnings), APR_SUCCESS);
    ck_assert(mrc_history_files_path(path, 1, "", file));
    ck_assert_int_eq(truncate(file, 12288), 0);
    ck_assert_int_eq(reconcile(dirs, &path, 1, &warnings), APR_SUCCESS);
    ck_assert_int_eq(warnings, 1);
    ck_assert_uint_eq(mrc_history_files_newest(path), 0);
    ck_assert_int_eq(reconcile(dirs, NULL, 0, &warnings), APR_SUCCESS);
    made = fopen(file, "w");
    fputs("this is no LMDB file at all, and too short for one", made);
    fclose(made);
    ck_assert_int_eq(reconcile(dirs, &path, 1, &warnings), APR_SUCCESS);
    ck_assert_int_eq(warnings, 2);
    /* Both are kept, although they may be set aside in the same second. */
    ck_assert_int_eq(glob(apr_psprintf(pool, "%s/*.damaged-*", path), 0, NULL, &asides), 0);
    ck_assert_uint_eq(asides.gl_pathc, 2);
    globfree(&asides);
    mrc_history_dirs_close(dirs);
    history_dir = top;
}
END_TEST

START_TEST(unsuitable_places_are_refused)
{
    const char *file = apr_psprintf(pool, "%s/file", history_dir);
    struct mrc_error error = {""};
    FILE *made = fopen(file, "w");

    fclose(made);
    ck_assert_int_ne(mrc_history_dir_check(file, &error), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "is not a directory"));
    ck_assert_int_ne(mrc_history_dir_check(apr_psprintf(pool, "%s/a/b", history_dir), &error),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "create it"));
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

START_TEST(others_are_held_when_one_fails)
{
    struct mrc_history_dirs *dirs = mrc_history_dirs_create(pool);
    struct mrc_history_dirs *other = mrc_history_dirs_create(pool);
    const struct mrc_history_owner owner = {getuid(), getgid()};
    const char *good = mrc_history_dir_name(pool, history_dir, "good");
    const char *names[] = {
        mrc_history_dir_name(pool, apr_pstrcat(pool, history_dir, "/no/such", NULL), "bad"), good};
    struct mrc_error error = {""};
    bool held[2] = {true, false};
    int warnings = 0;

    ck_assert_int_ne(
        mrc_history_dirs_reconcile(dirs, names, 2, &owner, count_warning, &warnings, &error, held),
        APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "/no/such"));
    ck_assert(!held[0]);
    ck_assert(held[1]);
    /* The directory is locked. */
    ck_assert_int_eq(reconcile(other, &good, 1, &warnings), APR_EBUSY);
    mrc_history_dirs_close(dirs);
    ck_assert_int_eq(reconcile(other, &good, 1, &warnings), APR_SUCCESS);
    mrc_history_dirs_close(other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dir");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, others_are_held_when_one_fails);
    tcase_add_test(tcase, damage_is_found_and_set_aside);
    tcase_add_test(tcase, unsuitable_places_are_refused);
    return unit_run(suite);
}
