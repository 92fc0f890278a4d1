/* What machines ask each other for an operator, and what they answer. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "failing_calls.h"
#include "httpd/operator/question.h"
#include "unit.h"

static struct mrc_buf text, texts;

static void setup(void)
{
    mrc_buf_init(&text, SIZE_MAX);
    mrc_buf_init(&texts, SIZE_MAX);
}

static void teardown(void)
{
    mrc_buf_free(&text);
    mrc_buf_free(&texts);
}

static bool decode(const char *question, struct mrc_question *ret_question)
{
    mrc_buf_reset(&texts);
    return mrc_question_decode(mrc_bytes_of(question), &texts, ret_question);
}

/* ---- places -----------------------------------------------------------------------------------*/

START_TEST(a_place_is_four_numbers)
{
    static const char *const wrong[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.",
        "1.2.3.4.5",
        ".1.2.3",
        "1..2.3",
        " 1.2.3.4",
        "1.2.3.4 ",
        "+1.2.3.4",
        "-1.2.3.4",
        "1.-2.3.4",
        "1.0x2.3.4",
        "1.2.3.4294967296",
        "4294967296.2.3.4",
        "1.2147483648.3.4",
        "1.2.3.18446744073709551616",
    };
    struct mrc_inquire_place place = {.slot = 9};

    ck_assert(mrc_question_read_place("4294967295.2147483647.4294967295.4294967295", &place));
    ck_assert_uint_eq(place.slot, UINT32_MAX);
    ck_assert_int_eq(place.pid, INT32_MAX);
    ck_assert_uint_eq(place.part, UINT32_MAX);
    ck_assert(place.has_serial);
    ck_assert_uint_eq(place.serial, UINT32_MAX);
    mrc_question_add_place(&text, &place);
    ck_assert_bytes_eq(mrc_buf_bytes(&text), "4294967295.2147483647.4294967295.4294967295");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!mrc_question_read_place(wrong[i], &place), "%s", wrong[i]);
    ck_assert(mrc_question_read_place("0.0.0.0", &place));
}
END_TEST

/* ---- questions --------------------------------------------------------------------------------*/

START_TEST(a_question_for_figures)
{
    const struct mrc_question question = {.kind = MRC_QUESTION_STATS};
    struct mrc_question read = {.kind = MRC_QUESTION_STREAMS};

    mrc_question_encode(&question, &text);
    ck_assert_bytes_eq(mrc_buf_bytes(&text), "{\"ask\":\"stats\"}");
    ck_assert(decode("{\"ask\":\"stats\"}", &read));
    ck_assert_int_eq(read.kind, MRC_QUESTION_STATS);
}
END_TEST

START_TEST(a_question_for_streams)
{
    struct mrc_question question = {
        .kind = MRC_QUESTION_STREAMS,
        .order = mrc_order_init(MRC_ORDER_DISCONNECT),
        .limit = 7,
        .place = {.slot = 1, .pid = 2, .part = 3, .has_serial = true, .serial = 4},
    };
    struct mrc_question read;

    question.order.sub = mrc_bytes_of("\"alice\"\n");
    question.order.match = mrc_bytes_of("https://example.com/:x");
    question.order.match_type = mrc_bytes_of("urlpattern");
    mrc_question_encode(&question, &text);
    ck_assert(mrc_question_decode(mrc_buf_bytes(&text), &texts, &read));
    ck_assert_int_eq(read.kind, MRC_QUESTION_STREAMS);
    ck_assert_int_eq(read.order.kind, MRC_ORDER_DISCONNECT);
    ck_assert_bytes_eq(read.order.sub, "\"alice\"\n");
    ck_assert_bytes_eq(read.order.match, "https://example.com/:x");
    ck_assert_bytes_eq(read.order.match_type, "urlpattern");
    ck_assert_ptr_null(read.order.jti.ptr);
    ck_assert_uint_eq(read.limit, 7);
    ck_assert_uint_eq(read.place.slot, 1);
    ck_assert_int_eq(read.place.pid, 2);
    ck_assert_uint_eq(read.place.part, 3);
    ck_assert(read.place.has_serial);
    ck_assert_uint_eq(read.place.serial, 4);
}
END_TEST

START_TEST(what_is_not_asked_for_has_no_view)
{
    struct mrc_question read;

    ck_assert(decode("{\"ask\":\"streams\",\"limit\":0,\"of a later version\":[]}", &read));
    ck_assert_uint_eq(read.limit, 0);
    ck_assert_ptr_null(read.order.sub.ptr);
    ck_assert_ptr_null(read.order.match.ptr);
    ck_assert_ptr_null(read.order.match_type.ptr);
    ck_assert(!read.place.has_serial);
    ck_assert(decode("{\"ask\":\"streams\",\"limit\":1000,\"sub\":\"\"}", &read));
    ck_assert_ptr_nonnull(read.order.sub.ptr);
    ck_assert_uint_eq(read.order.sub.len, 0);
}
END_TEST

START_TEST(questions_that_make_no_sense)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"ask\":1}",
        "{\"ask\":\"stat\"}",
        "{\"ask\":\"streams\"}",
        "{\"ask\":\"streams\",\"limit\":\"1\"}",
        "{\"ask\":\"streams\",\"limit\":1.0}",
        "{\"ask\":\"streams\",\"limit\":-1}",
        "{\"ask\":\"streams\",\"limit\":1001}",
        "{\"ask\":\"streams\",\"limit\":9223372036854775808}",
        "{\"ask\":\"streams\",\"limit\":1,\"after\":1}",
        "{\"ask\":\"streams\",\"limit\":1,\"after\":\"1.2.3\"}",
        "{\"ask\":\"streams\",\"limit\":1,\"sub\":null}",
        "{\"ask\":\"streams\",\"limit\":1,\"sub\":\"a\\u0000b\"}",
        "{\"ask\":\"streams\",\"limit\":1,\"match_type\":\"exact\"}",
        "{\"ask\":\"streams\",\"limit\":1,\"match\":\"a\",\"match_type\":\"exakt\"}",
        "{\"ask\":\"streams\",\"limit\":1} ,",
    };
    struct mrc_question read;
    char long_sub[MRC_ORDER_FIELD_MAX + 64];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!decode(wrong[i], &read), "%s", wrong[i]);
    for (int more = 0; more <= 1; more++) {
        snprintf(long_sub, sizeof(long_sub), "{\"ask\":\"streams\",\"limit\":1,\"sub\":\"%0*d\"}",
                 MRC_ORDER_FIELD_MAX + more, 0);
        ck_assert_int_eq(decode(long_sub, &read), !more);
    }
}
END_TEST

/* ---- answers ----------------------------------------------------------------------------------*/

#define ONE "{\"subscriber\":\"urn:1\",\"matchers\":[]}"
#define TWO "{\"subscriber\":\"urn:2\",\"matchers\":[{\"match\":\"*\"}],\"since\":\"x\"}"

static bool read_streams(const char *answer, uint32_t limit, struct mrc_question_streams *ret_about)
{
    return mrc_question_read_streams(mrc_bytes_of(answer), limit, &text, ret_about);
}

START_TEST(an_answer)
{
    const struct mrc_question_streams about = {
        .count = 2,
        .has_more = true,
        .place = {.slot = 1, .pid = 2, .part = 3, .has_serial = true, .serial = 4},
        .silent = 5,
    };
    struct mrc_question_streams read;
    struct mrc_buf answer;

    mrc_buf_init(&answer, SIZE_MAX);
    mrc_question_add_streams(&answer, mrc_bytes_of(ONE "," TWO), &about);
    mrc_buf_add_str(&text, ONE);
    ck_assert(mrc_question_read_streams(mrc_buf_bytes(&answer), 2, &text, &read));
    ck_assert_bytes_eq(mrc_buf_bytes(&text), ONE "," ONE "," TWO);
    ck_assert_uint_eq(read.count, 2);
    ck_assert(read.has_more);
    ck_assert_uint_eq(read.silent, 5);
    ck_assert_int_eq(read.place.pid, 2);
    ck_assert_uint_eq(read.place.serial, 4);
    ck_assert(!mrc_question_read_streams(mrc_buf_bytes(&answer), 1, &text, &read)); /* too many */
    mrc_buf_free(&answer);
}
END_TEST

START_TEST(an_answer_without_streams)
{
    const struct mrc_question_streams none = {.count = 0};
    struct mrc_question_streams read;

    mrc_question_add_streams(&texts, mrc_bytes_of(""), &none);
    ck_assert(mrc_question_read_streams(mrc_buf_bytes(&texts), 10, &text, &read));
    ck_assert_uint_eq(text.len, 0);
    ck_assert_uint_eq(read.count, 0);
    ck_assert(!read.has_more);
    /* A full page only asks whether there are more. */
    ck_assert(read_streams("{\"streams\":[],\"more\":true,\"unanswered\":0}", 0, &read));
    ck_assert(read.has_more);
    /* With room, the question would be asked for ever. */
    ck_assert(!read_streams("{\"streams\":[],\"more\":true,\"unanswered\":0}", 1, &read));
}
END_TEST

START_TEST(answers_that_make_no_sense)
{
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"streams\":{}}",
        "{\"streams\":[" ONE "]}", /* no place */
        "{\"streams\":[" ONE "],\"after\":\"1.2.3.x\"}",
        "{\"streams\":[" ONE "],\"after\":\"1.2.3.4\",\"unanswered\":-1}",
        "{\"streams\":[" ONE "],\"after\":\"1.2.3.4\",\"unanswered\":65536}",
        "{\"streams\":[" ONE ",1],\"after\":\"1.2.3.4\"}",
        "{\"streams\":[" ONE ",{\"matchers\":[]}],\"after\":\"1.2.3.4\"}",
        "{\"streams\":[" ONE ",{\"subscriber\":\"urn:2\"}],\"after\":\"1.2.3.4\"}",
        "{\"streams\":[" ONE ",{\"subscriber\":1,\"matchers\":[]}],\"after\":\"1.2.3.4\"}",
    };
    struct mrc_question_streams read = {.count = 9};

    mrc_buf_add_str(&text, TWO);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_msg(!read_streams(wrong[i], 10, &read), "%s", wrong[i]);
        ck_assert_bytes_eq(mrc_buf_bytes(&text), TWO); /* nothing of the answer is left */
    }
    ck_assert_uint_eq(read.count, 9);
    ck_assert(read_streams("{\"streams\":[" ONE "],\"after\":\"1.2.3.4\"}", 10, &read));
    ck_assert_bytes_eq(mrc_buf_bytes(&text), TWO "," ONE);
}
END_TEST

/* ---- without memory ---------------------------------------------------------------------------*/

static bool exchange_question(void)
{
    struct mrc_question question = {
        .kind = MRC_QUESTION_STREAMS,
        .order = mrc_order_init(MRC_ORDER_DISCONNECT),
        .limit = 7,
        .place = {.slot = 1, .pid = 2, .part = 3, .has_serial = true, .serial = 4},
    };
    struct mrc_question read = {.limit = 0};
    struct mrc_buf asked, copies;
    bool is_good;

    question.order.sub = mrc_bytes_of("alice");
    question.order.match = mrc_bytes_of("https://example.com/a/topic/with/a/name/of/some/length");
    mrc_buf_init(&asked, SIZE_MAX);
    mrc_buf_init(&copies, SIZE_MAX);
    mrc_question_encode(&question, &asked);
    is_good = !mrc_buf_error(&asked) && mrc_question_decode(mrc_buf_bytes(&asked), &copies, &read);
    ck_assert_uint_eq(read.limit, is_good ? 7 : 0);
    if (is_good) {
        ck_assert_bytes_eq(read.order.sub, "alice");
        ck_assert(mrc_bytes_eq(read.order.match, question.order.match));
    }
    mrc_buf_free(&asked);
    mrc_buf_free(&copies);
    return is_good;
}

#define STREAM "{\"subscriber\":\"a\",\"matchers\":[\"a matcher of some length\"]}"

static bool exchange_streams(void)
{
    const struct mrc_question_streams about = {
        .count = 2, .has_more = true, .place = {.has_serial = true, .serial = 7}, .silent = 1};
    struct mrc_question_streams read = {0};
    struct mrc_buf answer, out;
    bool is_good;

    mrc_buf_init(&answer, SIZE_MAX);
    mrc_buf_init(&out, SIZE_MAX);
    mrc_question_add_streams(&answer, mrc_bytes_of(STREAM "," STREAM), &about);
    is_good = !mrc_buf_error(&answer) &&
              mrc_question_read_streams(mrc_buf_bytes(&answer), 5, &out, &read);
    ck_assert_uint_eq(read.count, is_good ? 2 : 0);
    is_good = is_good && !mrc_buf_error(&out);
    if (is_good)
        ck_assert_bytes_eq(mrc_buf_bytes(&out), STREAM "," STREAM);
    mrc_buf_free(&answer);
    mrc_buf_free(&out);
    return is_good;
}

START_TEST(each_allocation_may_fail)
{
    json_set_alloc_funcs(malloc, free); /* the program's own functions */
    fail_in_turn_strictly("question", exchange_question, 3, 0);
    fail_in_turn("streams", exchange_streams, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("question");
    TCase *tcase = tcase_create("question");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_place_is_four_numbers);
    tcase_add_test(tcase, a_question_for_figures);
    tcase_add_test(tcase, a_question_for_streams);
    tcase_add_test(tcase, what_is_not_asked_for_has_no_view);
    tcase_add_test(tcase, questions_that_make_no_sense);
    tcase_add_test(tcase, an_answer);
    tcase_add_test(tcase, an_answer_without_streams);
    tcase_add_test(tcase, answers_that_make_no_sense);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
