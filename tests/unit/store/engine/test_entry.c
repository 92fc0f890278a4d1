#include <stdlib.h>

#include "store/engine/entry.h"
#include "unit.h"

static struct mrc_bytes of(const char *text)
{
    return mrc_bytes_of(text);
}

START_TEST(a_head_is_parsed)
{
    struct mrc_entry_head head;

    ck_assert(mrc_entry_parse_head(of("1700000000000001 12345 00000000000000ff 7"), &head));
    ck_assert_int_eq(head.token.time_us, 1700000000000001);
    ck_assert_uint_eq(head.sum_bytes, 12345);
    ck_assert_uint_eq(head.token.writer, 255);
    ck_assert_uint_eq(head.token.counter, 7);
}
END_TEST

START_TEST(a_head_of_another_program_is_refused)
{
    static const char *const texts[] = {
        "",
        "1",
        "1 2 3",
        "1 2 3 4 5",
        "1 2 3 4 ",
        " 1 2 3 4",
        "1  2 3 4",
        "1 2 g 4",
        "1 2 0 4",
        "1 2 3 0",
        "-1 2 3 4",
        "1 2 3 18446744073709551616",
        "9223372036854775808 2 3 4",
        "1 2 10000000000000000 4",
    };
    struct mrc_entry_head head = {.token.time_us = 99};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        ck_assert_msg(!mrc_entry_parse_head(of(texts[i]), &head), "%s", texts[i]);
    ck_assert_int_eq(head.token.time_us, 99);
}
END_TEST

START_TEST(an_id_is_parsed)
{
    uint64_t number;
    uint32_t generation;

    ck_assert(mrc_entry_parse_id(of("17-4294967295"), &number, &generation));
    ck_assert_uint_eq(number, 17);
    ck_assert_uint_eq(generation, UINT32_MAX);
    ck_assert(mrc_entry_parse_id(of("18446744073709551615-4294967296"), &number, &generation));
    ck_assert_uint_eq(generation, 0);
    ck_assert(!mrc_entry_parse_id(of("17"), &number, &generation));
    ck_assert(!mrc_entry_parse_id(of("17-"), &number, &generation));
    ck_assert(!mrc_entry_parse_id(of("17-1x"), &number, &generation));
}
END_TEST

START_TEST(a_token_is_written_as_it_is_read)
{
    char text[MRC_ENTRY_TOKEN_BYTES];

    mrc_entry_token_text((struct mrc_entry_token){UINT64_MAX, UINT64_MAX, INT64_MAX}, text);
    ck_assert_str_eq(text, "9223372036854775807 ffffffffffffffff 18446744073709551615");
    mrc_entry_token_text((struct mrc_entry_token){0, 5, 6}, text);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_blob_holds_id_and_record)
{
    struct mrc_bytes id, record;
    struct mrc_buf buf;
    unsigned flags;

    mrc_buf_init(&buf, 100);
    mrc_entry_add_blob(&buf, MRC_ENTRY_AGAIN, of("urn:1"), of("record"));
    ck_assert_uint_eq(buf.len, MRC_ENTRY_BLOB_EXTRA_BYTES + 11);
    ck_assert(mrc_entry_parse_blob(mrc_buf_bytes(&buf), &flags, &id, &record));
    ck_assert_uint_eq(flags, MRC_ENTRY_AGAIN);
    ck_assert_bytes_eq(id, "urn:1");
    ck_assert_bytes_eq(record, "record");
    for (size_t len = 0; len < MRC_ENTRY_BLOB_EXTRA_BYTES + 5; len++)
        ck_assert(!mrc_entry_parse_blob((struct mrc_bytes){buf.ptr, len}, &flags, &id, &record));
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(a_package_holds_several_blobs)
{
    const struct mrc_record records[] = {
        {.stored_bytes = 3, .id = of("a"), .payload = of("first")},
        {.stored_bytes = 4, .id = of("bb"), .payload = of(""), .operation = of("+member")},
        {.payload = of("order"), .is_control = true},
    };
    struct mrc_bytes rest, id, record;
    struct mrc_entry_part part;
    struct mrc_buf buf;
    unsigned flags;

    mrc_buf_init(&buf, 1000);
    mrc_entry_add_package(&buf, records, 3);
    ck_assert_uint_eq(mrc_entry_package_count(mrc_buf_bytes(&buf)), 3);
    mrc_entry_mark_again(buf.ptr);
    rest = (struct mrc_bytes){buf.ptr + 4, buf.len - 4};
    ck_assert(mrc_entry_next(&rest, &part));
    ck_assert_uint_eq(part.stored_bytes, 3);
    ck_assert_uint_eq(part.operation.len, 0);
    ck_assert(mrc_entry_parse_blob(part.blob, &flags, &id, &record));
    ck_assert_uint_eq(flags, MRC_ENTRY_AGAIN);
    ck_assert_bytes_eq(record, "first");
    ck_assert(mrc_entry_next(&rest, &part));
    ck_assert(mrc_entry_parse_blob(part.blob, &flags, &id, &record));
    ck_assert_uint_eq(flags, 0);
    ck_assert_bytes_eq(id, "bb");
    ck_assert_uint_eq(record.len, 0);
    ck_assert_bytes_eq(part.operation, "+member");
    ck_assert(mrc_entry_next(&rest, &part));
    ck_assert(mrc_entry_parse_blob(part.blob, &flags, &id, &record));
    ck_assert_uint_eq(flags, MRC_ENTRY_CONTROL);
    ck_assert(!mrc_entry_next(&rest, &part));
    for (size_t len = 0; len < buf.len; len++)
        ck_assert_uint_eq(mrc_entry_package_count((struct mrc_bytes){buf.ptr, len}), 0);
    mrc_buf_free(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("entry");
    TCase *tcase = tcase_create("entry");

    tcase_add_test(tcase, a_head_is_parsed);
    tcase_add_test(tcase, a_head_of_another_program_is_refused);
    tcase_add_test(tcase, an_id_is_parsed);
    tcase_add_test(tcase, a_token_is_written_as_it_is_read);
    tcase_add_test(tcase, a_blob_holds_id_and_record);
    tcase_add_test(tcase, a_package_holds_several_blobs);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
