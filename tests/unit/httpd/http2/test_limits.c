#include "httpd/http2/limits.h"

#include <string.h>

#include "unit.h"

#define SECOND_US ((int64_t)1000000)
#define IDLE_US   (((int64_t)INT32_MAX + 1) * SECOND_US / MRC_HTTP2_CREDIT_PER_SECOND)

START_TEST(credit_runs_out_and_comes_back)
{
    struct mrc_http2_limits limits;

    mrc_http2_limits_init(&limits, 5 * SECOND_US);
    for (int i = 0; i < MRC_HTTP2_CREDIT_MAX; i++)
        ck_assert(mrc_http2_limits_take(&limits, 1, 5 * SECOND_US));
    ck_assert(!mrc_http2_limits_take(&limits, 1, 5 * SECOND_US));
    for (int i = 0; i < MRC_HTTP2_CREDIT_PER_SECOND; i++)
        ck_assert(mrc_http2_limits_take(&limits, 1, 6 * SECOND_US));
    ck_assert(!mrc_http2_limits_take(&limits, 1, 6 * SECOND_US));
}
END_TEST

START_TEST(small_steps_of_time_are_not_lost)
{
    struct mrc_http2_limits limits;
    int64_t now_us = 0;
    int taken = 0;

    mrc_http2_limits_init(&limits, now_us);
    while (mrc_http2_limits_take(&limits, 1, now_us))
        taken++;
    for (; now_us <= SECOND_US; now_us += 333)
        taken += mrc_http2_limits_take(&limits, 1, now_us);
    ck_assert_int_ge(taken, MRC_HTTP2_CREDIT_MAX + MRC_HTTP2_CREDIT_PER_SECOND - 1);
    ck_assert_int_le(taken, MRC_HTTP2_CREDIT_MAX + MRC_HTTP2_CREDIT_PER_SECOND);
}
END_TEST

START_TEST(credit_has_a_maximum)
{
    struct mrc_http2_limits limits;

    mrc_http2_limits_init(&limits, 0);
    mrc_http2_limits_give(&limits, 1000000000);
    ck_assert_int_eq(limits.credit, MRC_HTTP2_CREDIT_MAX);
    /* A connection that was idle for months; an int cannot hold the gain. */
    ck_assert(mrc_http2_limits_take(&limits, MRC_HTTP2_CREDIT_MAX, IDLE_US));
    ck_assert(!mrc_http2_limits_take(&limits, 1, IDLE_US));
    ck_assert(mrc_http2_limits_take(&limits, MRC_HTTP2_CREDIT_MAX, INT64_MAX / 2));
    ck_assert(!mrc_http2_limits_take(&limits, 1, INT64_MAX / 2));
}
END_TEST

START_TEST(sent_bytes_give_credit_for_window_updates)
{
    /* At least one for the stream and one for the connection, for each frame. */
    ck_assert_int_ge(mrc_http2_limits_gain_of_bytes(1), 2);
    ck_assert_int_ge(mrc_http2_limits_gain_of_bytes(16384), 2 * 16);
}
END_TEST

START_TEST(frames_are_counted_in_any_pieces)
{
    /* A preface of four bytes, and frames of 0, 2, 258 and 0 bytes; of a fifth, 8 bytes. */
    static char bytes[4 + 9 + 9 + 2 + 9 + 258 + 9 + 8];
    const size_t heads[] = {4 + 9, 4 + 9 + 9, 4 + 9 + 9 + 2 + 9, 4 + 9 + 9 + 2 + 9 + 258 + 9};
    const size_t len = sizeof(bytes);

    memset(bytes, 1, sizeof(bytes));
    memset(bytes + 4, 0, 9 + 9);
    memset(bytes + heads[1] + 2, 0, 9);
    memset(bytes + heads[3] - 9, 0, 9);
    bytes[heads[0] + 2] = 2;
    bytes[heads[1] + 2 + 1] = 1;
    bytes[heads[1] + 2 + 2] = 2;
    for (size_t piece = 1; piece <= len; piece++) {
        struct mrc_http2_frame_counter counter = {.skip = 4};
        unsigned count = 0, want;

        for (size_t at = 0, part; at < len; at += part) {
            part = len - at < piece ? len - at : piece;
            count += mrc_http2_limits_count_frames(&counter, bytes + at, part);
            want = 0;
            for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
                want += at + part >= heads[i];
            ck_assert_uint_eq(count, want);
        }
        ck_assert_uint_eq(count, 4); /* the fifth has no whole head */
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tcase = tcase_create("limits");

    tcase_add_test(tcase, credit_runs_out_and_comes_back);
    tcase_add_test(tcase, small_steps_of_time_are_not_lost);
    tcase_add_test(tcase, credit_has_a_maximum);
    tcase_add_test(tcase, sent_bytes_give_credit_for_window_updates);
    tcase_add_test(tcase, frames_are_counted_in_any_pieces);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
