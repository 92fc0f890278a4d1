#include "httpd/exchange/queue.h"

#include <string.h>

#include "hub/base/event.h"
#include "unit.h"

static void add(struct mrc_exchange_queue *queue, const char *text)
{
    ck_assert(mrc_exchange_queue_add(queue, text, strlen(text)));
}

START_TEST(bytes_come_out_as_they_went_in)
{
    struct mrc_exchange_queue queue = {.bytes = 0};
    char out[8];

    add(&queue, "abc");
    add(&queue, "");
    add(&queue, "defgh");
    ck_assert_uint_eq(queue.bytes, 8);
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, 5), 5);
    ck_assert(!memcmp(out, "abcde", 5));
    add(&queue, "ij");
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, sizeof(out)), 5);
    ck_assert(!memcmp(out, "fghij", 5));
    ck_assert_uint_eq(queue.bytes, 0);
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, sizeof(out)), 0);
}
END_TEST

START_TEST(long_bytes_span_chunks)
{
    struct mrc_exchange_queue queue = {.bytes = 0};
    static char in[5000], out[5000];

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)('a' + i % 26);
    for (size_t at = 0; at < sizeof(in); at += 500)
        ck_assert(mrc_exchange_queue_add(&queue, in + at, 500));
    for (size_t at = 0; at < sizeof(out); at += 7)
        mrc_exchange_queue_read(&queue, out + at, sizeof(out) - at < 7 ? sizeof(out) - at : 7);
    ck_assert(!memcmp(in, out, sizeof(in)));
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(peek_leaves_the_bytes)
{
    struct mrc_exchange_queue queue = {.bytes = 0};
    struct mrc_exchange_chunk *chunk = mrc_exchange_chunk_create("12345", 5);
    char out[8];

    add(&queue, "ab");
    mrc_exchange_queue_append(&queue, chunk);
    ck_assert_uint_eq(mrc_exchange_queue_peek(&queue, out, 4), 4);
    ck_assert(!memcmp(out, "ab12", 4));
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, 8), 7);
    ck_assert(!memcmp(out, "ab12345", 7));
}
END_TEST

START_TEST(line_ends_are_found_across_chunks)
{
    struct mrc_exchange_queue queue = {.bytes = 0};

    ck_assert_uint_eq(mrc_exchange_queue_line_bytes(&queue), 0);
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create("ab", 2));
    ck_assert_uint_eq(mrc_exchange_queue_line_bytes(&queue), 2);
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create("c\r\nd\n", 5));
    ck_assert_uint_eq(mrc_exchange_queue_line_bytes(&queue), 5);
    mrc_exchange_queue_clear(&queue);
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(events_are_not_copied)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("0123456789"));
    const struct mrc_piece piece = {event, 2, 5};
    struct mrc_exchange_queue queue = {.bytes = 0};
    char out[16];

    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_piece(&piece));
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_piece(&piece));
    mrc_event_unref(event); /* the queue has its own references */
    add(&queue, "x");       /* not into the chunk of an event */
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, 3), 3);
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out + 3, 13), 8);
    ck_assert(!memcmp(out, "2345623456x", 11));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");

    tcase_add_test(tcase, bytes_come_out_as_they_went_in);
    tcase_add_test(tcase, long_bytes_span_chunks);
    tcase_add_test(tcase, peek_leaves_the_bytes);
    tcase_add_test(tcase, line_ends_are_found_across_chunks);
    tcase_add_test(tcase, events_are_not_copied);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
