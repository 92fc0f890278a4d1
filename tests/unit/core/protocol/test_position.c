#include "core/protocol/position.h"

#include "unit.h"

static const unsigned char key[MRC_POSITION_KEY_BYTES] = "a key of 32 bytes, as is needed";
static const unsigned char other_key[MRC_POSITION_KEY_BYTES] = "A key of 32 bytes, as is needed";
static const unsigned char nonce[MRC_POSITION_NONCE_BYTES] = "twelve bytes";

static const struct mrc_position position = {.number = 4711, .made_us = 1700000000123456};

static void write_one(char text[MRC_POSITION_TEXT_BYTES])
{
    ck_assert(mrc_position_write(key, nonce, &position, text));
    ck_assert_uint_eq(strlen(text), MRC_POSITION_TEXT_BYTES - 1);
}

START_TEST(is_read_as_it_was_written)
{
    static const struct mrc_position extremes[] = {
        {1, 0}, {UINT64_MAX, INT64_MAX}, {UINT64_C(1) << 56, -1}};
    char text[MRC_POSITION_TEXT_BYTES];
    struct mrc_position read;

    write_one(text);
    ck_assert_int_eq(text[0], '#');
    ck_assert(mrc_position_read(key, mrc_bytes_of(text), &read));
    ck_assert_uint_eq(read.number, position.number);
    ck_assert_int_eq(read.made_us, position.made_us);
    for (size_t i = 0; i < sizeof(extremes) / sizeof(*extremes); i++) {
        ck_assert(mrc_position_write(key, nonce, &extremes[i], text));
        ck_assert_uint_eq(strlen(text), MRC_POSITION_TEXT_BYTES - 1);
        ck_assert(mrc_position_read(key, mrc_bytes_of(text), &read));
        ck_assert_uint_eq(read.number, extremes[i].number);
        ck_assert_int_eq(read.made_us, extremes[i].made_us);
    }
}
END_TEST

/* The result comes from another implementation of AES-256-CCM (AESCCM of Python's cryptography). */
START_TEST(is_aes_256_ccm)
{
    char text[MRC_POSITION_TEXT_BYTES];

    write_one(text);
    ck_assert_str_eq(text, "#dHdlbHZlIGJ5dGVzACiRLnZFW98N-4QLFlwCWekb1swP9F07JjoxE1yzxDkk");
}
END_TEST

START_TEST(another_nonce_makes_another_text)
{
    static const unsigned char next[MRC_POSITION_NONCE_BYTES] = "Twelve bytes";
    char text[MRC_POSITION_TEXT_BYTES], again[MRC_POSITION_TEXT_BYTES];
    struct mrc_position read;

    write_one(text);
    ck_assert(mrc_position_write(key, next, &position, again));
    ck_assert_str_ne(text + 22, again + 22);
    ck_assert(mrc_position_read(key, mrc_bytes_of(again), &read));
    ck_assert_uint_eq(read.number, position.number);
}
END_TEST

START_TEST(a_changed_character_is_noticed)
{
    char text[MRC_POSITION_TEXT_BYTES];
    struct mrc_position read = {.number = 1};

    write_one(text);
    for (size_t i = 0; i < MRC_POSITION_TEXT_BYTES - 1; i++) {
        char old = text[i];

        text[i] = old == 'A' ? 'B' : 'A';
        ck_assert_msg(!mrc_position_read(key, mrc_bytes_of(text), &read), "character %zu", i);
        text[i] = old;
    }
    ck_assert(!mrc_position_read(other_key, mrc_bytes_of(text), &read));
    ck_assert_uint_eq(read.number, 1);
    ck_assert(mrc_position_read(key, mrc_bytes_of(text), &read));
}
END_TEST

START_TEST(other_texts_are_no_positions)
{
    char text[MRC_POSITION_TEXT_BYTES + 1];
    struct mrc_position unused;

    write_one(text);
    for (size_t len = 0; len < MRC_POSITION_TEXT_BYTES - 1; len++)
        ck_assert(!mrc_position_read(key, (struct mrc_bytes){text, len}, &unused));
    text[MRC_POSITION_TEXT_BYTES - 1] = 'A';
    ck_assert(!mrc_position_read(key, (struct mrc_bytes){text, MRC_POSITION_TEXT_BYTES}, &unused));
    ck_assert(!mrc_position_read(key, mrc_bytes_of(""), &unused));
    ck_assert(!mrc_position_read(key, mrc_bytes_of("#"), &unused));
    ck_assert(!mrc_position_read(key, mrc_bytes_of("earliest"), &unused));
    memset(text + 1, '=', MRC_POSITION_TEXT_BYTES - 2);
    ck_assert(
        !mrc_position_read(key, (struct mrc_bytes){text, MRC_POSITION_TEXT_BYTES - 1}, &unused));
    memset(text + 1, '\0', MRC_POSITION_TEXT_BYTES - 2);
    ck_assert(
        !mrc_position_read(key, (struct mrc_bytes){text, MRC_POSITION_TEXT_BYTES - 1}, &unused));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("position");
    TCase *tcase = tcase_create("position");

    tcase_add_test(tcase, is_read_as_it_was_written);
    tcase_add_test(tcase, is_aes_256_ccm);
    tcase_add_test(tcase, another_nonce_makes_another_text);
    tcase_add_test(tcase, a_changed_character_is_noticed);
    tcase_add_test(tcase, other_texts_are_no_positions);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
