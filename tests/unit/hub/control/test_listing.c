/* The bytes of a question for streams, and of its answer. */
#include <string.h>

#include "hub/control/listing.h"
#include "unit.h"

static struct mrc_buf buf;

static void setup(void)
{
    mrc_buf_init(&buf, SIZE_MAX);
}

static void teardown(void)
{
    mrc_buf_free(&buf);
}

START_TEST(a_question)
{
    struct mrc_listing_question question = {
        .hub = mrc_bytes_of("the hub"),
        .order = mrc_order_init(MRC_ORDER_DISCONNECT),
        .limit = 7,
        .has_after = true,
        .after = UINT32_MAX,
    };
    struct mrc_listing_question read;

    question.order.sub = mrc_bytes_of("alice");
    mrc_listing_add_question(&buf, &question);
    ck_assert_int_eq(mrc_listing_read_question(mrc_buf_bytes(&buf), &read), MRC_OK);
    ck_assert_bytes_eq(read.hub, "the hub");
    ck_assert_bytes_eq(read.order.sub, "alice");
    ck_assert_ptr_null(read.order.match.ptr);
    ck_assert_uint_eq(read.limit, 7);
    ck_assert(read.has_after);
    ck_assert_uint_eq(read.after, UINT32_MAX);
    for (size_t len = 0; len < buf.len; len++) {
        const struct mrc_bytes cut = {buf.ptr, len};

        if (mrc_listing_read_question(cut, &read) == MRC_OK)
            ck_assert_ptr_null(read.order.sub.ptr); /* cut between two fields of the order */
    }
    buf.ptr[0] ^= 1;
    ck_assert_int_eq(mrc_listing_read_question(mrc_buf_bytes(&buf), &read), MRC_EINVAL);
}
END_TEST

START_TEST(an_answer)
{
    struct mrc_listing_entry entry = {
        .since_s = 1, .serial = 2, .next = 3, .waiting = 4, .carrier = MRC_CARRIER_TLS};
    struct mrc_listing_answer answer = {.parts = 5, .has_more = true}, read;
    struct mrc_buf entries;

    mrc_buf_init(&entries, SIZE_MAX);
    entry.json = mrc_bytes_of("\"a\":1");
    mrc_listing_add_entry(&entries, &entry);
    ck_assert_uint_eq(entries.len, mrc_listing_entry_bytes() + entry.json.len);
    entry.json = mrc_bytes_of("");
    mrc_listing_add_entry(&entries, &entry);
    answer.entries = mrc_buf_bytes(&entries);
    mrc_listing_add_answer(&buf, &answer);
    ck_assert_uint_eq(buf.len, mrc_listing_answer_bytes() + entries.len);
    ck_assert_int_eq(mrc_listing_read_answer(mrc_buf_bytes(&buf), &read), MRC_OK);
    ck_assert_uint_eq(read.parts, 5);
    ck_assert(read.has_more);
    ck_assert(mrc_listing_next(&read.entries, &entry));
    ck_assert_uint_eq(entry.since_s, 1);
    ck_assert_uint_eq(entry.serial, 2);
    ck_assert_uint_eq(entry.next, 3);
    ck_assert_uint_eq(entry.waiting, 4);
    ck_assert_int_eq(entry.carrier, MRC_CARRIER_TLS);
    ck_assert_bytes_eq(entry.json, "\"a\":1");
    ck_assert(mrc_listing_next(&read.entries, &entry));
    ck_assert_bytes_eq(entry.json, "");
    ck_assert(!mrc_listing_next(&read.entries, &entry));
    mrc_buf_free(&entries);
}
END_TEST

START_TEST(damaged_answers)
{
    const struct mrc_listing_entry whole = {.json = mrc_bytes_of("\"a\":1")};
    struct mrc_listing_entry entry = {.carrier = MRC_CARRIER_KINDS};
    struct mrc_listing_answer read;
    struct mrc_bytes cut;

    ck_assert_int_eq(mrc_listing_read_answer(mrc_bytes_of(""), &read), MRC_EINVAL);
    ck_assert_int_eq(mrc_listing_read_answer(mrc_bytes_of("no answer of a child"), &read),
                     MRC_EINVAL);
    mrc_listing_add_entry(&buf, &whole);
    for (size_t len = 0; len < buf.len; len++) {
        cut = (struct mrc_bytes){buf.ptr, len};
        ck_assert(!mrc_listing_next(&cut, &entry));
    }
    mrc_buf_reset(&buf);
    mrc_listing_add_entry(&buf, &entry);
    cut = mrc_buf_bytes(&buf);
    ck_assert(!mrc_listing_next(&cut, &entry));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listing");
    TCase *tcase = tcase_create("listing");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_question);
    tcase_add_test(tcase, an_answer);
    tcase_add_test(tcase, damaged_answers);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
