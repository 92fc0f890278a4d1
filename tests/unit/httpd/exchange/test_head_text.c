#include "httpd/exchange/head_text.h"

#include <string.h>

#include "failing_alloc.h"
#include "unit.h"

#define HEAD "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"

/* Gives BYTES in pieces of at most PIECE bytes. Returns how many were taken. */
static size_t take(struct mrc_exchange_head_text *text, const char *bytes, size_t len, size_t piece)
{
    size_t at = 0, part = 0, taken = 0;

    for (; at < len && taken == part; at += taken) {
        part = len - at < piece ? len - at : piece;
        taken = mrc_exchange_head_text_take(text, bytes + at, part);
    }
    return at;
}

START_TEST(a_head_ends_with_an_empty_line)
{
    static const char *const heads[] = {HEAD, "HTTP/1.0 200 OK\n\n", "HTTP/2.0 200\r\nA: b\n\r\n"};
    const char *head = heads[_i], rest[] = "HTTP/1.1 body\n\n";
    char bytes[200];

    memcpy(bytes, head, strlen(head));
    memcpy(bytes + strlen(head), rest, sizeof(rest));
    for (size_t piece = 1; piece < sizeof(bytes); piece++) {
        struct mrc_exchange_head_text text = {.bytes = NULL};

        ck_assert_uint_eq(take(&text, bytes, strlen(bytes), piece), strlen(head));
        ck_assert(text.is_whole && !text.is_bad);
        ck_assert_str_eq(text.bytes, head);
        mrc_exchange_head_text_free(&text);
    }
}
END_TEST

START_TEST(heads_follow_each_other)
{
    struct mrc_exchange_head_text text = {.bytes = NULL};
    const char *bytes = HEAD "HTTP/1.1 200 OK\r\n";

    ck_assert_uint_eq(mrc_exchange_head_text_take(&text, bytes, strlen(bytes)), strlen(HEAD));
    ck_assert(text.is_whole);
    mrc_exchange_head_text_restart(&text);
    bytes += strlen(HEAD);
    ck_assert_uint_eq(mrc_exchange_head_text_take(&text, bytes, strlen(bytes)), strlen(bytes));
    ck_assert(!text.is_whole && !text.is_bad);
    ck_assert_str_eq(text.bytes, bytes);
    mrc_exchange_head_text_free(&text);
}
END_TEST

START_TEST(other_text_is_refused_at_once)
{
    static const char *const texts[] = {"\r\n\r\n", "\n", "H\n", "hello", "Content-Type: a/b\n\n"};
    struct mrc_exchange_head_text text = {.bytes = NULL};

    take(&text, texts[_i], strlen(texts[_i]), 1);
    ck_assert(text.is_bad && !text.is_whole);
    ck_assert_uint_le(text.len, sizeof("HTTP/"));
    ck_assert_uint_eq(mrc_exchange_head_text_take(&text, "HTTP/", 5), 0);
    mrc_exchange_head_text_free(&text);
}
END_TEST

/* A script may write for ever, in lines or without one. */
START_TEST(a_head_has_a_limit)
{
    static char bytes[MRC_EXCHANGE_HEAD_TEXT_MAX + 1];
    const char *head = "HTTP/1.1 200 OK\n";

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = _i == 0 || i % 10 ? 'a' : '\n';
    memcpy(bytes, head, strlen(head));
    for (size_t more = 0; more <= 1; more++) {
        struct mrc_exchange_head_text text = {.bytes = NULL};

        take(&text, bytes, sizeof(bytes) - 1 + more, 8000);
        ck_assert_int_eq(text.is_bad, more == 1);
        ck_assert_uint_le(text.cap, 2 * MRC_EXCHANGE_HEAD_TEXT_MAX);
        mrc_exchange_head_text_free(&text);
    }
}
END_TEST

START_TEST(without_memory_there_is_no_head)
{
    static char line[3000];

    memset(line, 'a', sizeof(line));
    for (long left = 0; left < 2; left++) {
        struct mrc_exchange_head_text text = {.bytes = NULL};
        long before = alloc_bytes, after;
        bool was_bad;

        alloc_left = left;
        mrc_exchange_head_text_take(&text, "HTTP/1.1 200 OK\n", 16);
        mrc_exchange_head_text_take(&text, line, sizeof(line));
        alloc_left = -1;
        was_bad = text.is_bad && !text.is_whole;
        mrc_exchange_head_text_free(&text);
        after = alloc_bytes;
        ck_assert(was_bad);
        ck_assert_int_eq(after, before);
    }
}
END_TEST

START_TEST(the_status_is_the_number_after_the_version)
{
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.1 103 Early Hints"), 103);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.0 404"), 404);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/2 200 "), 200);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/2.0  999 x"), 999);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.1 007"), 7);
    ck_assert_int_eq(mrc_exchange_head_text_status(""), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/"), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/ 200"), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.1"), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.1 20"), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.1 2000"), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("HTTP/1.1 200OK"), 0);
    ck_assert_int_eq(mrc_exchange_head_text_status("http/1.1 200 OK"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_text");
    TCase *tcase = tcase_create("head_text");

    tcase_add_loop_test(tcase, a_head_ends_with_an_empty_line, 0, 3);
    tcase_add_test(tcase, heads_follow_each_other);
    tcase_add_loop_test(tcase, other_text_is_refused_at_once, 0, 5);
    tcase_add_loop_test(tcase, a_head_has_a_limit, 0, 2);
    tcase_add_test(tcase, without_memory_there_is_no_head);
    tcase_add_test(tcase, the_status_is_the_number_after_the_version);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
