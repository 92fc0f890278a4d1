/*
 * The check of a history file finds damage that would crash a publisher.
 */
#include <stdio.h>

#include "history_unit.h"
#include "store/history/check.h"
#include "store/history/files.h"

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

/* Damages page after page: the damage is found, or does no harm. LMDB's own database of free pages
 * is among them. */
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

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *tcase = history_tcase(suite);

    tcase_add_test(tcase, no_damaged_page_kills_a_publisher);
    return unit_run(suite);
}
