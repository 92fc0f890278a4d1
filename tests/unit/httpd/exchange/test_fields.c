#include "httpd/exchange/fields.h"

#include <string.h>

#include "unit.h"

static void add(struct mrc_exchange_fields *fields, const char *name, const char *value)
{
    ck_assert(mrc_exchange_fields_add(fields, name, strlen(name), value, strlen(value)));
}

START_TEST(fields_come_back_in_order)
{
    struct mrc_exchange_fields fields = {.bytes = NULL};
    const char *name, *value;
    size_t at = 0;

    add(&fields, ":path", "/a");
    add(&fields, "cookie", "x=1");
    add(&fields, "cookie", "y=2");
    ck_assert(mrc_exchange_fields_next(&fields, &at, &name, &value));
    ck_assert_str_eq(name, ":path");
    ck_assert_str_eq(value, "/a");
    ck_assert(mrc_exchange_fields_next(&fields, &at, &name, &value));
    ck_assert(mrc_exchange_fields_next(&fields, &at, &name, &value));
    ck_assert_str_eq(value, "y=2");
    ck_assert(!mrc_exchange_fields_next(&fields, &at, &name, &value));
    ck_assert_uint_eq(fields.count, 3);
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "cookie"), "x=1");
    ck_assert_ptr_null(mrc_exchange_fields_get(&fields, "host"));
    mrc_exchange_fields_free(&fields);
}
END_TEST

START_TEST(empty_values_and_white_space)
{
    struct mrc_exchange_fields fields = {.bytes = NULL};

    add(&fields, "a", "");
    add(&fields, "b", " \t");
    add(&fields, "c", "\t x y ");
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "a"), "");
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "b"), "");
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "c"), "x y");
    mrc_exchange_fields_free(&fields);
}
END_TEST

START_TEST(many_fields_grow_the_block)
{
    struct mrc_exchange_fields fields = {.bytes = NULL};
    char name[16], value[300];

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        add(&fields, name, value);
    }
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "n0"), value);
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "n99"), value);
    mrc_exchange_fields_free(&fields);
    ck_assert_uint_eq(fields.count, 0);
}
END_TEST

START_TEST(response_fields_are_lower_case_and_of_http2)
{
    struct mrc_exchange_fields fields = {.bytes = NULL};

    ck_assert(mrc_exchange_fields_add_response(&fields, "X-Thing", "A\r\n B"));
    ck_assert(mrc_exchange_fields_add_response(&fields, "Connection", "close"));
    ck_assert(mrc_exchange_fields_add_response(&fields, "Transfer-Encoding", "chunked"));
    ck_assert(mrc_exchange_fields_add_response(&fields, "Keep-Alive", "timeout=5"));
    ck_assert(mrc_exchange_fields_add_response(&fields, "Proxy-Connection", "x"));
    ck_assert(mrc_exchange_fields_add_response(&fields, "Upgrade", "h2c"));
    ck_assert_uint_eq(fields.count, 1);
    ck_assert_str_eq(mrc_exchange_fields_get(&fields, "x-thing"), "A   B");
    /* The head of the frame, two bytes for name and length, and "A   B" coded. */
    ck_assert_uint_eq(mrc_exchange_fields_frame_bytes(&fields), 9 + 2 + 3);
    mrc_exchange_fields_free(&fields);
}
END_TEST

/* Each field counts with 12 bytes more, the status with as many, and the block with 17. */
START_TEST(fields_fit_with_what_hpack_adds)
{
    const size_t most = MRC_EXCHANGE_BLOCK_BYTES_MAX - (10 + 12) - 17;
    struct mrc_exchange_fields fields = {.bytes = NULL};
    size_t bytes = 0;
    char value[20];

    ck_assert(mrc_exchange_fields_fit(&fields));
    while (bytes + 12 + 2 <= most) {
        ck_assert(mrc_exchange_fields_fit(&fields));
        ck_assert(mrc_exchange_fields_add(&fields, "a", 1, "b", 1));
        bytes += 12 + 2;
    }
    ck_assert(mrc_exchange_fields_fit(&fields));
    mrc_exchange_fields_free(&fields);
    memset(value, 'x', sizeof(value));
    for (bytes = 0; bytes + 12 + 1 + sizeof(value) <= most; bytes += 12 + 1 + sizeof(value))
        ck_assert(mrc_exchange_fields_add(&fields, "a", 1, value, sizeof(value)));
    ck_assert(mrc_exchange_fields_fit(&fields));
    ck_assert(mrc_exchange_fields_add(&fields, "a", 1, value, sizeof(value)));
    ck_assert(!mrc_exchange_fields_fit(&fields));
    mrc_exchange_fields_free(&fields);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fields");
    TCase *tcase = tcase_create("fields");

    tcase_add_test(tcase, fields_come_back_in_order);
    tcase_add_test(tcase, empty_values_and_white_space);
    tcase_add_test(tcase, many_fields_grow_the_block);
    tcase_add_test(tcase, response_fields_are_lower_case_and_of_http2);
    tcase_add_test(tcase, fields_fit_with_what_hpack_adds);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
