/* Directories of histories whose hub now has another key. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "history_unit.h"
#include "store/history/adopt.h"
#include "store/history/dir.h"

/*
 * Makes the directory NAME with a history that was last written at SECONDS (0: without a history).
 */
static const char *make(const char *name, time_t seconds)
{
    const char *path = apr_pstrcat(pool, history_dir, "/", name, NULL);
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    FILE *file;

    ck_assert_int_eq(mkdir(path, 0700), 0);
    if (seconds == 0)
        return path;
    file = fopen(apr_pstrcat(pool, path, "/history-1.mdb", NULL), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(futimens(fileno(file), times), 0);
    fclose(file);
    return path;
}

START_TEST(newest_history_is_found)
{
    const char *names[] = {make("old", 1000), make("empty", 0), make("new", 3000),
                           make("middle", 2000), apr_pstrcat(pool, history_dir, "/none", NULL)};

    ck_assert_uint_eq(mrc_history_adopt_newest(names, 5), 2);
    ck_assert_uint_eq(mrc_history_adopt_newest(names, 2), 0);
    ck_assert_uint_eq(mrc_history_adopt_newest(names + 1, 1), 1);
    ck_assert_uint_eq(mrc_history_adopt_newest(names, 0), 0);
    ck_assert(mrc_history_adopt_exists(names[1]));
    ck_assert(!mrc_history_adopt_exists(names[4]));
    ck_assert(!mrc_history_adopt_exists(apr_pstrcat(pool, names[0], "/history-1.mdb", NULL)));
}
END_TEST

START_TEST(directory_moves_with_its_history)
{
    const char *former = make("former", 1000);
    const char *name = apr_pstrcat(pool, history_dir, "/name", NULL);
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_history_adopt_move(former, name, &error), APR_SUCCESS);
    ck_assert(!mrc_history_adopt_exists(former));
    ck_assert_uint_eq(mrc_history_adopt_newest(&name, 1), 0);
    ck_assert_int_ne(mrc_history_adopt_move(former, name, &error), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error.text, "/former"));
    /* A directory with a history is never replaced. */
    former = make("former", 1000);
    ck_assert_int_ne(mrc_history_adopt_move(former, name, &error), APR_SUCCESS);
    ck_assert(mrc_history_adopt_exists(former));
}
END_TEST

START_TEST(directory_of_another_server_stays)
{
    const char *former = make("former", 1000);
    const char *name = apr_pstrcat(pool, history_dir, "/name", NULL);
    struct mrc_error error = {""};
    int fd = open(former, O_RDONLY | O_DIRECTORY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(mrc_history_adopt_move(former, name, &error), APR_EBUSY);
    ck_assert_ptr_nonnull(strstr(error.text, "another server uses"));
    ck_assert(mrc_history_adopt_exists(former));
    close(fd);
}
END_TEST

START_TEST(kept_directories_have_different_names)
{
    const char *kept[2];
    struct mrc_error error = {""};

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_history_adopt_keep(pool, make("former", 1000), &error, &kept[i]),
                         APR_SUCCESS);
    ck_assert_str_ne(kept[0], kept[1]);
    ck_assert_ptr_nonnull(strstr(kept[0], "/former.kept"));
    ck_assert(mrc_history_adopt_exists(kept[0]) && mrc_history_adopt_exists(kept[1]));
}
END_TEST
int main(void)
{
    Suite *suite = suite_create("adopt");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, newest_history_is_found);
    tcase_add_test(tcase, directory_moves_with_its_history);
    tcase_add_test(tcase, directory_of_another_server_stays);
    tcase_add_test(tcase, kept_directories_have_different_names);
    return unit_run(suite);
}
