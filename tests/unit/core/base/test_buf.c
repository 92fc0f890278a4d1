#include "core/base/buf.h"
#include "unit.h"

#include <stdlib.h>

START_TEST(grows_and_takes)
{
    struct mrc_buf buf;
    size_t len = 0;
    char *str;

    mrc_buf_init(&buf, 1000);
    mrc_buf_add_str(&buf, "abc");
    mrc_buf_add_char(&buf, '-');
    mrc_buf_printf(&buf, "%s%d", "x", 42);
    mrc_buf_add_bytes(&buf, mrc_bytes_of("!"));
    ck_assert_bytes_eq(mrc_buf_bytes(&buf), "abc-x42!");
    str = mrc_buf_take(&buf, &len);
    ck_assert_str_eq(str, "abc-x42!");
    ck_assert_uint_eq(len, 8);
    ck_assert_uint_eq(buf.len, 0);
    free(str);
}
END_TEST

START_TEST(keeps_its_bound)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, 4);
    mrc_buf_add_str(&buf, "1234");
    ck_assert_int_eq(mrc_buf_error(&buf), MRC_OK);
    mrc_buf_add_char(&buf, '5');
    ck_assert_int_eq(mrc_buf_error(&buf), MRC_ELIMIT);
    ck_assert_uint_eq(buf.len, 4);
    ck_assert_ptr_null(mrc_buf_take(&buf, NULL));
    mrc_buf_reset(&buf);
    mrc_buf_printf(&buf, "%05d", 1);
    ck_assert_int_eq(mrc_buf_error(&buf), MRC_ELIMIT);
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(empty_is_a_string)
{
    struct mrc_buf buf;
    char *str;

    mrc_buf_init(&buf, 0);
    str = mrc_buf_take(&buf, NULL);
    ck_assert_str_eq(str, "");
    free(str);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf");
    TCase *tcase = tcase_create("buf");

    tcase_add_test(tcase, grows_and_takes);
    tcase_add_test(tcase, keeps_its_bound);
    tcase_add_test(tcase, empty_is_a_string);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
