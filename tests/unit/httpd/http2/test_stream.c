#include "httpd/http2/stream.h"

#include <stdlib.h>
#include <string.h>

#include "failing_alloc.h"
#include "httpd/exchange/exchange.h"
#include "hub/base/event.h"
#include "unit.h"

bool mrc_sessions_post_call(struct mrc_sessions *sessions, struct mrc_call *call)
{
    struct mrc_exchange *exchange = (struct mrc_exchange *)call;

    (void)sessions;
    exchange->is_noted = false;
    mrc_exchange_unref(exchange);
    return true;
}

static struct mrc_exchange_held all;
static struct mrc_exchange_origin origin = {.held = {.all = &all}};

static struct mrc_http2_stream *create(void)
{
    struct mrc_exchange *exchange = mrc_exchange_create(&origin, 7);
    struct mrc_http2_stream *stream = exchange ? mrc_http2_stream_create(NULL, exchange) : NULL;

    ck_assert(stream && stream->id == 7 && exchange->stream == stream);
    return stream;
}

static void add(struct mrc_http2_stream *stream, const char *text)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of(text));
    const struct mrc_piece piece = {event, 2, strlen(text) - 2};

    ck_assert(event && mrc_http2_stream_add(stream, &piece));
    mrc_event_unref(event); /* the stream has its own reference */
}

START_TEST(pieces_come_in_order)
{
    struct mrc_http2_stream *stream = create();
    char bytes[16];

    add(stream, "0123456");
    add(stream, "abcdefg");
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 10);
    ck_assert_uint_eq(mrc_http2_stream_take(stream, bytes, 3), 3);
    ck_assert_uint_eq(mrc_http2_stream_take(stream, bytes + 3, 4), 4);
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 3);
    add(stream, "..!");
    ck_assert_uint_eq(mrc_http2_stream_take(stream, bytes + 7, 9), 4);
    ck_assert(!memcmp(bytes, "23456cdefg!", 11));
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 0);
    mrc_http2_stream_unref(stream);
}
END_TEST

START_TEST(a_piece_for_which_there_is_no_memory_is_not_added)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("event"));
    const struct mrc_piece piece = {event, 0, 5};
    struct mrc_http2_stream *stream = create();

    alloc_left = 0;
    ck_assert(!mrc_http2_stream_add(stream, &piece));
    alloc_left = -1;
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 0);
    mrc_http2_stream_unref(stream);
    mrc_event_unref(event);
}
END_TEST

START_TEST(nothing_is_sent_after_the_end)
{
    struct mrc_http2_stream *stream = create();
    struct mrc_exchange *exchange = mrc_exchange_ref(stream->exchange);

    ck_assert_int_eq(mrc_exchange_write(exchange, "head", 4, 1), APR_SUCCESS);
    add(stream, "..event");
    mrc_http2_stream_close(mrc_http2_stream_ref(stream));
    ck_assert(stream->is_gone && !exchange->stream && !mrc_exchange_begin(exchange));
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 0);
    mrc_http2_stream_unref(stream);
    mrc_http2_stream_unref(stream);
    mrc_exchange_unref(exchange);
}
END_TEST

/* The rest of its request still comes, or what its worker has written is not sent yet. */
START_TEST(a_subscription_needs_its_exchange_while_that_has_something)
{
    static const struct mrc_exchange_fields none;
    struct mrc_http2_stream *stream = create();
    struct mrc_exchange *exchange = mrc_exchange_ref(stream->exchange);
    char bytes[4];

    ck_assert(!mrc_http2_stream_may_leave(stream));
    mrc_exchange_end_body(exchange, &none);
    ck_assert(mrc_http2_stream_may_leave(stream));
    ck_assert_int_eq(mrc_exchange_write(exchange, "head", 4, 1), APR_SUCCESS);
    add(stream, "..event");
    ck_assert(!mrc_http2_stream_may_leave(stream));
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 9);
    ck_assert_uint_eq(mrc_exchange_queue_read(&exchange->out, bytes, 4), 4);
    ck_assert(mrc_http2_stream_may_leave(stream));
    mrc_http2_stream_leave(stream);
    ck_assert(!stream->exchange && !exchange->stream);
    ck_assert_uint_eq(mrc_http2_stream_held(stream), 5);
    mrc_http2_stream_unref(stream);
    mrc_exchange_unref(exchange);
}
END_TEST

/* There are as many streams as subscribers. */
START_TEST(a_subscription_is_small)
{
    struct mrc_exchange *exchange = mrc_exchange_create(&origin, 1);
    long before = alloc_bytes, with, after;
    struct mrc_http2_stream *stream;

    /* The allocations of ck_assert() would be counted, so it is not used here. */
    stream = mrc_http2_stream_create(NULL, mrc_exchange_ref(exchange));
    mrc_http2_stream_leave(stream);
    with = alloc_bytes;
    mrc_http2_stream_unref(stream);
    after = alloc_bytes;
    ck_assert_int_gt(with, before);
    ck_assert_int_le(with - before, 88);
    ck_assert_int_eq(after, before);
    mrc_exchange_unref(exchange);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *tcase = tcase_create("stream");

    tcase_add_test(tcase, pieces_come_in_order);
    tcase_add_test(tcase, a_piece_for_which_there_is_no_memory_is_not_added);
    tcase_add_test(tcase, nothing_is_sent_after_the_end);
    tcase_add_test(tcase, a_subscription_needs_its_exchange_while_that_has_something);
    tcase_add_test(tcase, a_subscription_is_small);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
