#include "core/base/base64url.h"

#include "unit.h"

static enum mrc_err decode(const char *text, struct mrc_buf *buf)
{
    mrc_buf_init(buf, 1024);
    return mrc_base64url_decode(mrc_bytes_of(text), buf);
}

START_TEST(encodes_and_decodes)
{
    /* RFC 4648, section 10, and the two characters that only base64url has. */
    static const char *const cases[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_buf buf;

        mrc_buf_init(&buf, 1024);
        mrc_base64url_encode(mrc_bytes_of(cases[i][0]), &buf);
        ck_assert_bytes_eq(mrc_buf_bytes(&buf), cases[i][1]);
        ck_assert_uint_eq(mrc_base64url_encoded_len(strlen(cases[i][0])), buf.len);
        mrc_buf_free(&buf);
        ck_assert_int_eq(decode(cases[i][1], &buf), MRC_OK);
        ck_assert_bytes_eq(mrc_buf_bytes(&buf), cases[i][0]);
        mrc_buf_free(&buf);
    }
}
END_TEST

START_TEST(every_byte_survives)
{
    char all[256];

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    for (size_t len = 253; len <= sizeof(all); len++) {
        struct mrc_bytes bytes = {all, len};
        struct mrc_buf text, back;

        mrc_buf_init(&text, 1024);
        mrc_buf_init(&back, 1024);
        mrc_base64url_encode(bytes, &text);
        ck_assert_int_eq(mrc_base64url_decode(mrc_buf_bytes(&text), &back), MRC_OK);
        ck_assert(mrc_bytes_eq(mrc_buf_bytes(&back), bytes));
        mrc_buf_free(&text);
        mrc_buf_free(&back);
    }
}
END_TEST

START_TEST(refuses_other_encodings)
{
    static const char *const bad[] = {
        "Zg==", "Zg=",     "Zm8=",  "Z",     "Zm9vY",          /* padding, impossible lengths */
        "Zh",   "Zm9",     "Zv",                               /* unused bits */
        "Zm+v", "Zm/v",    "Zm9v ", " Zm9v", "Zm\n9v", "Zm.v", /* other alphabets, white space */
        "====", "Zm\3778",
    };
    struct mrc_buf buf;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(decode(bad[i], &buf) == MRC_EINVAL, "%s", bad[i]);
        ck_assert_uint_eq(buf.len, 0);
        mrc_buf_free(&buf);
    }
    /* Every last character of "Z?": only four of 64 leave no unused bit. */
    for (int c = 1, good = 0; c < 256; c++) {
        char text[] = {'Z', (char)c, '\0'};

        good += decode(text, &buf) == MRC_OK;
        mrc_buf_free(&buf);
        if (c == 255)
            ck_assert_int_eq(good, 4);
    }
    mrc_buf_init(&buf, 10);
    ck_assert_int_eq(mrc_base64url_decode((struct mrc_bytes){"Zm9\0", 4}, &buf), MRC_EINVAL);
}
END_TEST

START_TEST(keeps_the_bound_of_the_buffer)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, 2);
    ck_assert_int_eq(mrc_base64url_decode(mrc_bytes_of("Zm9v"), &buf), MRC_ELIMIT);
    mrc_buf_free(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base64url");
    TCase *tcase = tcase_create("base64url");

    tcase_add_test(tcase, encodes_and_decodes);
    tcase_add_test(tcase, every_byte_survives);
    tcase_add_test(tcase, refuses_other_encodings);
    tcase_add_test(tcase, keeps_the_bound_of_the_buffer);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
