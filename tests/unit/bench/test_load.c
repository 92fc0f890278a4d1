/* The load generator's judgement: a benchmark that overlooks a lost update would praise those who
 * lose them. */
#include "../../bench/load/answer.h"
#include "../../bench/load/histogram.h"
#include "../../bench/load/ledger.h"
#include "../../bench/load/lines.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define DATA_BYTES 40
#define UPDATES    10

/* ---- the ledger -------------------------------------------------------------------------------*/

static struct ledger *ledger;
static struct ledger_reader readers[2];

/* Two readers of one topic, to which two publishers send. */
static void set_up(void)
{
    ledger = ledger_make(UPDATES, 2, 1, 1, DATA_BYTES);
    ledger_join(ledger, &readers[0], 0, 0);
    ledger_join(ledger, &readers[1], 0, 0);
}

static uint32_t receive(int reader, uint32_t update)
{
    char data[DATA_BYTES];

    ledger_write(ledger, update, data);
    return ledger_receive(ledger, &readers[reader], data, sizeof(data));
}

static void accept_first(uint32_t count)
{
    for (uint32_t update = 0; update < count; update++)
        ledger_accept(ledger, update);
}

/* Whether the ledger's verdict is good; its words are thrown away. */
static bool is_good(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    bool good;

    ck_assert_ptr_nonnull(nowhere);
    good = ledger_report(ledger, nowhere);
    fclose(nowhere);
    return good;
}

static void all_get(uint32_t first, uint32_t end)
{
    for (int reader = 0; reader < 2; reader++)
        for (uint32_t update = first; update < end; update++)
            ck_assert_uint_eq(receive(reader, update), update);
}

START_TEST(all_is_well)
{
    all_get(0, 3);
    ck_assert(!is_good()); /* what nobody has taken came all the same */
    accept_first(4);
    ck_assert(!ledger_is_complete(ledger));
    all_get(3, 4);
    ck_assert(ledger_is_complete(ledger));
    ck_assert(is_good());
    ck_assert_uint_eq(ledger_count(ledger).received, 8);
}
END_TEST

START_TEST(publishers_may_overtake_each_other)
{
    accept_first(4);
    for (int reader = 0; reader < 2; reader++) {
        receive(reader, 1);
        receive(reader, 3);
        receive(reader, 0);
        receive(reader, 2);
    }
    ck_assert(is_good());
}
END_TEST

START_TEST(one_publisher_stays_in_order)
{
    accept_first(3);
    for (int reader = 0; reader < 2; reader++) {
        receive(reader, 2);
        receive(reader, 0);
        receive(reader, 1);
    }
    ck_assert_uint_eq(ledger_count(ledger).reordered, 1);
    ck_assert(!is_good());
}
END_TEST

START_TEST(all_have_one_order)
{
    accept_first(2);
    receive(0, 0);
    receive(0, 1);
    receive(1, 1);
    receive(1, 0);
    ck_assert_uint_eq(ledger_count(ledger).reordered, 1);
    ck_assert_uint_eq(ledger_count(ledger).lost, 0);
    ck_assert(!is_good());
}
END_TEST

START_TEST(one_is_lost)
{
    accept_first(5);
    all_get(0, 2);
    receive(0, 2);
    receive(0, 3);
    receive(0, 4);
    receive(1, 3);
    receive(1, 4);
    ck_assert_uint_eq(ledger_count(ledger).lost, 1);
    ck_assert_uint_eq(ledger_count(ledger).reordered, 0);
    ck_assert(!ledger_is_complete(ledger));
    ck_assert(!is_good());
    receive(1, 2);
    ck_assert_uint_eq(ledger_count(ledger).lost, 0);
    ck_assert_uint_eq(ledger_count(ledger).reordered, 1);
    receive(1, 2);
    ck_assert_uint_eq(ledger_count(ledger).doubled, 1);
}
END_TEST

START_TEST(the_last_is_lost)
{
    accept_first(2);
    all_get(0, 1);
    receive(0, 1);
    ck_assert_uint_eq(ledger_count(ledger).lost, 1);
    ck_assert(!is_good());
}
END_TEST

/* What the first reader lacks as well is not in the order that it writes down. */
START_TEST(all_lose_one)
{
    accept_first(3);
    for (int reader = 0; reader < 2; reader++) {
        receive(reader, 0);
        receive(reader, 2);
    }
    ck_assert_uint_eq(ledger_count(ledger).lost, 2);
    ck_assert(!is_good());
}
END_TEST

START_TEST(one_comes_twice)
{
    accept_first(2);
    all_get(0, 2);
    receive(1, 1);
    ck_assert_uint_eq(ledger_count(ledger).doubled, 1);
    ck_assert(!is_good());
}
END_TEST

START_TEST(gaps_fill_from_both_sides)
{
    accept_first(6);
    for (uint32_t update = 0; update < 6; update++)
        receive(0, update);
    receive(1, 5);
    receive(1, 2);
    receive(1, 0);
    receive(1, 1);
    receive(1, 4);
    receive(1, 3);
    ck_assert_uint_eq(ledger_count(ledger).lost, 0);
    ck_assert_uint_eq(ledger_count(ledger).reordered, 5);
    ck_assert_uint_eq(ledger_count(ledger).doubled, 0);
    ck_assert_ptr_null(readers[1].gaps);
}
END_TEST

START_TEST(a_byte_is_wrong)
{
    char data[DATA_BYTES];

    accept_first(1);
    ledger_write(ledger, 0, data);
    data[DATA_BYTES - 1] ^= 1;
    ck_assert_uint_eq(ledger_receive(ledger, &readers[0], data, sizeof(data)), UINT32_MAX);
    data[DATA_BYTES - 1] ^= 1;
    ck_assert_uint_eq(ledger_receive(ledger, &readers[0], data, sizeof(data) - 1), UINT32_MAX);
    data[0] = 'f'; /* the number of an update that does not exist */
    ck_assert_uint_eq(ledger_receive(ledger, &readers[0], data, sizeof(data)), UINT32_MAX);
    ck_assert_uint_eq(ledger_count(ledger).corrupt, 3);
    all_get(0, 1);
    ck_assert(!is_good());
}
END_TEST

START_TEST(a_stranger_gets_it)
{
    uint32_t update = 0;

    ledger = ledger_make(UPDATES, 1, 2, 1, DATA_BYTES);
    while (ledger_topic(ledger, update) != 0)
        update++;
    ledger_join(ledger, &readers[0], 0, 0);
    ledger_join(ledger, &readers[1], 1, 0);
    ledger_accept(ledger, update);
    receive(0, update);
    ck_assert(is_good());
    receive(1, update);
    ck_assert_uint_eq(ledger_count(ledger).misrouted, 1);
    ck_assert(!is_good());
}
END_TEST

START_TEST(who_comes_later_begins_later)
{
    accept_first(3);
    all_get(0, 3);
    ledger_join(ledger, &readers[1], 0, 1);
    receive(1, 1);
    ck_assert_uint_eq(ledger_count(ledger).lost, 1);
    receive(1, 2);
    ck_assert(is_good());
}
END_TEST

/* ---- the histogram ----------------------------------------------------------------------------*/

static struct histogram histogram;

START_TEST(quantiles_are_near)
{
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_add(&histogram, value * 1000);
    for (int percent = 1; percent <= 100; percent++) {
        double got = (double)histogram_quantile(&histogram, percent / 100.0), want = percent * 1e6;

        ck_assert_double_ge(got, want);
        ck_assert_double_le(got, want * 1.01);
    }
    ck_assert_uint_eq(histogram.max, 100000000);
    ck_assert_uint_eq(histogram_quantile(&histogram, 1), histogram.max);
}
END_TEST

START_TEST(any_value_has_a_bucket)
{
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 0);
    histogram_add(&histogram, 0);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 0);
    histogram_add(&histogram, 127);
    histogram_add(&histogram, 128);
    histogram_add(&histogram, 255);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 127);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.75), 128);
    histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram_quantile(&histogram, 1), UINT64_MAX);
}
END_TEST

/* ---- answers and lines ------------------------------------------------------------------------*/

static char body[256];

static void take_body(void *baton, const char *bytes, size_t len)
{
    ck_assert_uint_lt(strlen(body) + len, sizeof(body));
    memcpy(body + strlen(body), bytes, len);
}

/* TEXT in pieces of STEP bytes: where the answer stands after the last. */
static enum answer_state take(struct answer *answer, const char *text, size_t step)
{
    size_t len = strlen(text);

    memset(body, 0, sizeof(body));
    for (size_t at = 0; at < len; at += step)
        answer_take(answer, text + at, len - at < step ? len - at : step, take_body, NULL);
    return answer->state;
}

static void check_answer(const char *text, enum answer_state state, int status, const char *want)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        struct answer answer = {.state = ANSWER_HEAD};

        ck_assert_int_eq(take(&answer, text, step), state);
        ck_assert_int_eq(answer.status, status);
        ck_assert_str_eq(body, want);
        answer_reset(&answer);
    }
}

START_TEST(answers_in_pieces)
{
    check_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ANSWER_WHOLE, 200, "hello");
    check_answer("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", ANSWER_WHOLE, 401, "");
    check_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0002\r\nde\r\n",
                 ANSWER_CHUNK_SIZE, 200, "abcde");
    check_answer(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        ANSWER_WHOLE, 200, "0123456789");
    check_answer("HTTP/1.0 200 OK\r\n\r\nopen end", ANSWER_UNTIL_CLOSE, 200, "open end");
    check_answer("HTTP/1.1 204 None\r\n\r\n", ANSWER_WHOLE, 204, "");
}
END_TEST

START_TEST(what_is_no_answer)
{
    struct answer answer = {.state = ANSWER_HEAD};

    ck_assert_int_eq(take(&answer, "HELLO\r\n\r\n", 3), ANSWER_BAD);
    answer_reset(&answer);
    ck_assert_int_eq(take(&answer, "HTTP/1.1 204 None\r\n\r\nmore", 100), ANSWER_BAD);
    answer_reset(&answer);
    ck_assert_int_eq(
        take(&answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 100),
        ANSWER_BAD);
    answer_reset(&answer);
}
END_TEST

START_TEST(a_head_without_an_end)
{
    struct answer answer = {.state = ANSWER_HEAD};
    static char head[ANSWER_HEAD_MAX + 2];

    memset(head, 'a', sizeof(head) - 1);
    ck_assert_int_eq(take(&answer, head, 1000), ANSWER_BAD);
    answer_reset(&answer);
}
END_TEST

static char lines_got[256];

static void take_line(void *baton, const char *line, size_t len)
{
    size_t at = strlen(lines_got);

    ck_assert_uint_lt(at + len + 1, sizeof(lines_got));
    memcpy(lines_got + at, line, len);
    lines_got[at + len] = '|';
}

START_TEST(lines_in_pieces)
{
    static const char text[] = "id: 1\ndata: x\r\n\n:\nrest";

    for (size_t step = 1; step < sizeof(text); step++) {
        struct lines lines = {.len = 0};
        size_t len = sizeof(text) - 1;

        memset(lines_got, 0, sizeof(lines_got));
        for (size_t at = 0; at < len; at += step)
            lines_take(&lines, text + at, len - at < step ? len - at : step, take_line, NULL);
        ck_assert_str_eq(lines_got, "id: 1|data: x||:|");
        ck_assert_uint_eq(lines.len, 4);
        lines_reset(&lines);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("load");
    TCase *tcase = tcase_create("ledger");

    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, all_is_well);
    tcase_add_test(tcase, publishers_may_overtake_each_other);
    tcase_add_test(tcase, one_publisher_stays_in_order);
    tcase_add_test(tcase, all_have_one_order);
    tcase_add_test(tcase, one_is_lost);
    tcase_add_test(tcase, the_last_is_lost);
    tcase_add_test(tcase, all_lose_one);
    tcase_add_test(tcase, one_comes_twice);
    tcase_add_test(tcase, gaps_fill_from_both_sides);
    tcase_add_test(tcase, a_byte_is_wrong);
    tcase_add_test(tcase, who_comes_later_begins_later);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("groups"); /* with a ledger of its own */
    tcase_add_test(tcase, a_stranger_gets_it);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("histogram");
    tcase_add_test(tcase, quantiles_are_near);
    tcase_add_test(tcase, any_value_has_a_bucket);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("answer");
    tcase_add_test(tcase, answers_in_pieces);
    tcase_add_test(tcase, what_is_no_answer);
    tcase_add_test(tcase, a_head_without_an_end);
    tcase_add_test(tcase, lines_in_pieces);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
