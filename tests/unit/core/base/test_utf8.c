#include "core/base/utf8.h"

#include "core/base/utf8_cf.h"
#include "unit.h"

/* Encodes a code point, surrogates included, and returns the length. */
static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

START_TEST(every_code_point_once)
{
    char text[4];

    for (uint32_t c = 0; c <= 0x1fffff; c++) {
        struct mrc_bytes bytes = {text, encode(c, text)};
        bool valid = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);

        if (mrc_utf8_valid(bytes) != valid)
            ck_abort_msg("U+%04X valid: want %d", (unsigned)c, valid);
        if ((mrc_utf8_check_text(bytes, NULL) == MRC_OK) !=
            (valid && !control && !mrc_utf8_is_format(c)))
            ck_abort_msg("U+%04X as text", (unsigned)c);
        if (mrc_utf8_is_printable(c) != (!control && !mrc_utf8_is_format(c)))
            ck_abort_msg("U+%04X printable", (unsigned)c);
    }
}
END_TEST

START_TEST(malformed_sequences)
{
    static const char *const bad[] = {
        "\x80", /* begins with a continuation byte */
        "\xbf",
        "\xc2",
        "\xc0\x80", /* overlong */
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xc2\x41", /* no continuation byte */
        "\xe2\x82", /* too short */
        "\xe2\x82\x41",
        "\xf0\x9f\x98",
        "\xf0\x9f\x98\x41",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "a\xe2\x82",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!mrc_utf8_valid(mrc_bytes_of(bad[i])), "case %zu", i);
        ck_assert_int_eq(mrc_utf8_check_text(mrc_bytes_of(bad[i]), NULL), MRC_EINVAL);
    }
    ck_assert(mrc_utf8_valid(mrc_bytes_of("")));
    ck_assert(mrc_utf8_valid((struct mrc_bytes){NULL, 0}));
    ck_assert(mrc_utf8_valid((struct mrc_bytes){"a\0b", 3}));
}
END_TEST

/* A view may end at the end of a page, so no byte past it may be read. */
START_TEST(never_reads_past_the_end)
{
    uint32_t code_point;
    bool valid = true;

    ck_assert_uint_eq(mrc_utf8_decode((struct mrc_bytes){"\xe2\x82\xac", 2}, &code_point, &valid),
                      2);
    ck_assert(!valid);
    ck_assert(!mrc_utf8_valid((struct mrc_bytes){"\xe2\x82\xac", 2}));
    ck_assert(!mrc_utf8_valid((struct mrc_bytes){"\xf0\x9f\x98\x80", 3}));
    ck_assert(mrc_utf8_valid((struct mrc_bytes){"\xe2\x82\xac\xff", 3}));
}
END_TEST

START_TEST(reports_character_and_position)
{
    struct mrc_error error;

    ck_assert_int_eq(mrc_utf8_check_text(mrc_bytes_of("a\tb"), &error), MRC_EINVAL);
    ck_assert_str_eq(error.text, "the control character U+0009 at byte 1");
    ck_assert_int_eq(mrc_utf8_check_text(mrc_bytes_of("\xc3\xa9\xe2\x80\xae"), &error), MRC_EINVAL);
    ck_assert_str_eq(error.text, "the invisible format character U+202E at byte 2");
    ck_assert_int_eq(mrc_utf8_check_text(mrc_bytes_of("ab\xff"), &error), MRC_EINVAL);
    ck_assert_str_eq(error.text, "invalid UTF-8 at byte 2");
    ck_assert_int_eq(mrc_utf8_check_text((struct mrc_bytes){"a\0", 2}, &error), MRC_EINVAL);
    ck_assert_int_eq(
        mrc_utf8_check_text(mrc_bytes_of("https://\xc3\xa9.example/ \xf0\x9f\x98\x80"), &error),
        MRC_OK);
}
END_TEST

START_TEST(table_of_format_characters)
{
    /* The number of format characters in Unicode 17, and some whose category has changed. */
    static const uint32_t format[] = {0xad,    0x600,   0x605,   0x61c,  0x890,  0x891,
                                      0x180e,  0x200e,  0x202a,  0x202e, 0x2069, 0x200b,
                                      0x200f,  0x2064,  0x2066,  0xfeff, 0xfffb, 0x110cd,
                                      0x1343f, 0xe0001, 0xe0020, 0xe007f};
    static const uint32_t other[] = {0xac,   0xae,    0x606,   0x892,   0x200a,  0x2010,  0x2065,
                                     0xfffc, 0x13440, 0xe0000, 0xe0002, 0xe001f, 0xe0080, 0x10ffff};
    uint32_t count = 0;

    for (uint32_t c = 0; c <= 0x10ffff; c++)
        count += mrc_utf8_is_format(c);
    ck_assert_uint_eq(count, MRC_UTF8_CF_COUNT);
    ck_assert_uint_eq(count, 170);
    for (size_t i = 0; i < sizeof(format) / sizeof(format[0]); i++)
        ck_assert_msg(mrc_utf8_is_format(format[i]), "U+%04X", (unsigned)format[i]);
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        ck_assert_msg(!mrc_utf8_is_format(other[i]), "U+%04X", (unsigned)other[i]);
    for (size_t i = 1; i < MRC_UTF8_CF_RANGES; i++)
        ck_assert_uint_gt(mrc_utf8_cf[i].first, mrc_utf8_cf[i - 1].last + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tcase = tcase_create("utf8");

    tcase_add_test(tcase, every_code_point_once);
    tcase_add_test(tcase, malformed_sequences);
    tcase_add_test(tcase, never_reads_past_the_end);
    tcase_add_test(tcase, reports_character_and_position);
    tcase_add_test(tcase, table_of_format_characters);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
