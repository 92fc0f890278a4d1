#include "store/engine/resp.h"
#include "unit.h"

/* Checks TEXT in pieces of STEP bytes. */
static bool check_in(const char *text, size_t len, size_t step, struct mrc_resp *ret_resp)
{
    struct mrc_resp resp = {.depth = 0};
    bool is_good = true;

    for (size_t at = 0; at < len && is_good; at += step)
        is_good = mrc_resp_check(&resp, text + at, len - at < step ? len - at : step);
    *ret_resp = resp;
    return is_good;
}

static const char *const good[] = {
    "+OK\r\n",
    "-ERR no\r\n",
    ":12\r\n",
    ":-12\r\n",
    "$5\r\nhello\r\n",
    "$0\r\n\r\n",
    "$-1\r\n",
    "*0\r\n",
    "*-1\r\n",
    "*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    ("*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\nh\r\n$1\r\n1\r\n$1\r\nb\r\n$"
     "0\r\n\r\n"),
};

START_TEST(replies_pass_however_they_are_split)
{
    const char *text = good[_i];
    struct mrc_resp resp;

    for (size_t step = 1; step <= strlen(text); step++) {
        ck_assert_msg(check_in(text, strlen(text), step, &resp), "%s in steps of %zu", text, step);
        ck_assert_int_eq(resp.depth, 0);
        ck_assert_int_eq(resp.type, 0);
        ck_assert_uint_eq(resp.bytes, 0);
    }
}
END_TEST

static const char *const bad[] = {
    "HTTP/1.1 400 Bad Request\r\n",
    "\r\n",
    "$x\r\n",
    "$\r\n",
    "$-2\r\n",
    "*-2\r\n",
    ":1x\r\n",
    ":--1\r\n",
    ":1\n",
    "+OK\n",
    "$1073741825\r\n",
    "$99999999999999999999\r\n",
    "*1048577\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    ":1\r:",
};

START_TEST(other_bytes_are_refused)
{
    const char *text = bad[_i];
    struct mrc_resp resp;

    for (size_t step = 1; step <= strlen(text); step++)
        ck_assert_msg(!check_in(text, strlen(text), step, &resp), "%s in steps of %zu", text, step);
}
END_TEST

START_TEST(a_line_has_a_limit)
{
    struct mrc_resp resp = {.depth = 0};
    char c = 'x';

    ck_assert(mrc_resp_check(&resp, "+", 1));
    for (int i = 0; i < MRC_RESP_LINE_MAX; i++)
        ck_assert(mrc_resp_check(&resp, &c, 1));
    ck_assert(!mrc_resp_check(&resp, &c, 1));
}
END_TEST

START_TEST(a_reply_has_a_limit)
{
    static char zeros[1 << 20];
    struct mrc_resp resp = {.depth = 0};
    uint64_t bytes = 0;
    bool is_good = mrc_resp_check(&resp, "*3\r\n", 4);

    while (is_good && bytes <= MRC_RESP_REPLY_MAX) {
        if (resp.skip == 0)
            is_good = mrc_resp_check(&resp, "$1073741822\r\n", 13);
        for (int64_t left = resp.skip; left > 0 && is_good; left = resp.skip) {
            size_t n = left < (int64_t)sizeof(zeros) ? (size_t)left : sizeof(zeros);

            is_good = mrc_resp_check(&resp, zeros, n);
            bytes += n;
        }
    }
    ck_assert(!is_good);
    ck_assert_uint_le(bytes, MRC_RESP_REPLY_MAX + sizeof(zeros));
}
END_TEST

START_TEST(a_reply_has_a_limit_of_its_own)
{
    struct mrc_resp resp = {.max = 100};
    char text[100];

    /* Each reply is counted separately. */
    for (int i = 0; i < 20; i++)
        ck_assert(mrc_resp_check(
            &resp, "$50\r\n1234567890123456789012345678901234567890123456789\n\r\n", 57));
    memset(text, 'x', sizeof(text));
    ck_assert(mrc_resp_check(&resp, "$1000\r\n", 7));
    ck_assert(mrc_resp_check(&resp, text, 93));
    ck_assert(!mrc_resp_check(&resp, text, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resp");
    TCase *tcase = tcase_create("resp");

    tcase_add_loop_test(tcase, replies_pass_however_they_are_split, 0,
                        sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(tcase, other_bytes_are_refused, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(tcase, a_line_has_a_limit);
    tcase_add_test(tcase, a_reply_has_a_limit);
    tcase_add_test(tcase, a_reply_has_a_limit_of_its_own);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
