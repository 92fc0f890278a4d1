/*
 * What a session takes from its client and from workers, with what surrounds it in the fuzz target.
 */
#include "fuzz_http2.c"
#include "unit.h"

/* The fields of a request: GET, http, the path "/" and the host "a". */
#define FIELDS                                                                                     \
    "\x82\x86\x84\x41\x01"                                                                         \
    "a"

/* Gives the session a frame with LEN bytes of PAYLOAD; of zeros, if it is NULL. */
static bool give(uint8_t type, uint8_t flags, uint8_t stream, const char *payload, size_t len)
{
    static char frame[FRAME_BYTES + 16384];

    memset(frame, 0, sizeof(frame));
    frame[1] = (char)(len >> 8);
    frame[2] = (char)(len & 0xff);
    frame[3] = (char)type;
    frame[4] = (char)flags;
    frame[8] = (char)stream;
    if (payload)
        memcpy(frame + FRAME_BYTES, payload, len);
    return mrc_http2_input_take(world.session, frame, FRAME_BYTES + len);
}

static void request(uint8_t stream, bool has_body)
{
    uint8_t flags = (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (has_body ? 0 : NGHTTP2_FLAG_END_STREAM));

    ck_assert(give(NGHTTP2_HEADERS, flags, stream, FIELDS, sizeof(FIELDS) - 1));
}

/* A session with a stream that is closed: 1. */
static void begin_with_closed_stream(void)
{
    begin();
    request(1, false);
    ck_assert_uint_eq(world.jobs_count, 1);
    go_on(0, HEAD, 2);
    go_on(0, END, 0);
    ck_assert(turn());
    ck_assert_uint_eq(world.session->streams_count, 0);
}

/* Leaves the session CREDIT; time gives none. */
static void leave_credit(int32_t credit)
{
    world.session->limits.credit = credit;
    world.session->limits.since_us = INT64_MAX / 2;
}

START_TEST(ignored_frames_cost_credit)
{
    const size_t len = _i == 0 ? 0 : 100;

    begin_with_closed_stream();
    leave_credit(100);
    for (int i = 0; i < 100; i++)
        ck_assert(give(NGHTTP2_DATA, 0, 1, NULL, len));
    ck_assert(!world.session->is_out_of_credit);
    ck_assert_int_eq(world.session->limits.credit, 0);
    ck_assert(give(NGHTTP2_DATA, 0, 1, NULL, len));
    ck_assert(world.session->is_out_of_credit);
    ck_assert(turn());
    end();
}
END_TEST

/* The client sends all that the window of a stream allows before it sees that it is closed. */
START_TEST(upload_on_its_way_to_a_closed_stream_costs_little)
{
    begin_with_closed_stream();
    leave_credit(MRC_HTTP2_CREDIT_MAX);
    for (int i = 0; i < 4; i++)
        ck_assert(give(NGHTTP2_DATA, 0, 1, NULL, 16383));
    ck_assert_int_eq(world.session->limits.credit, MRC_HTTP2_CREDIT_MAX - 4);
    ck_assert(turn());
    end();
}
END_TEST

START_TEST(frames_that_bring_a_body_cost_nothing)
{
    begin();
    request(1, true);
    leave_credit(0);
    for (int i = 0; i < 100; i++)
        ck_assert(give(NGHTTP2_DATA, 0, 1, NULL, 1));
    ck_assert(!world.session->is_out_of_credit);
    ck_assert(turn());
    end();
}
END_TEST

START_TEST(nothing_is_taken_without_credit)
{
    begin();
    request(1, true);
    leave_credit(0);
    ck_assert(give(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, NULL, 1)); /* nothing but padding */
    ck_assert(world.session->is_out_of_credit);
    leave_credit(MRC_HTTP2_CREDIT_MAX);
    request(3, true);
    ck_assert_uint_eq(world.session->streams_count, 1);
    world.session->transport.rest = full; /* the client does not read, either */
    ck_assert(!give(NGHTTP2_DATA, 0, 1, NULL, 1));
    world.session->transport.rest = NULL;
    ck_assert(turn());
    end();
}
END_TEST

/* All threads may wait for clients, and then none would take a job for the file. */
START_TEST(a_worker_that_waits_is_told_to_read_its_file)
{
    struct mrc_exchange *exchange;

    begin();
    request(1, false);
    exchange = (struct mrc_exchange *)((char *)world.jobs[0] - offsetof(struct mrc_exchange, job));
    go_on(0, HEAD, 2);
    exchange->out.is_blocked = exchange->out_waits = true;
    mrc_exchange_flush(exchange);
    ck_assert(turn());
    ck_assert(exchange->is_loading && !exchange->load_is_posted);
    ck_assert_uint_eq(world.jobs_count, 1);
    exchange->out.is_blocked = exchange->out_waits = exchange->is_loading = false;
    end();
}
END_TEST

/* The worker may read the file before a thread is free for the job, and the session may need more
 * of it then. */
START_TEST(a_job_for_a_file_is_posted_once)
{
    struct mrc_exchange *exchange;
    struct mrc_exchange_job *job;

    begin();
    request(1, false);
    exchange = (struct mrc_exchange *)((char *)world.jobs[0] - offsetof(struct mrc_exchange, job));
    go_on(0, HEAD, 2);
    exchange->out.is_blocked = true;
    for (int i = 0; i < 2; i++) {
        exchange->is_loading = false;
        mrc_exchange_flush(exchange);
        ck_assert(turn());
        ck_assert(exchange->is_loading && exchange->load_is_posted);
        ck_assert_uint_eq(world.jobs_count, 2);
    }
    exchange->out.is_blocked = exchange->is_loading = false;
    job = world.jobs[--world.jobs_count];
    job->run(job, NULL);
    ck_assert(!exchange->load_is_posted);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("input");
    TCase *tcase = tcase_create("input");

    tcase_add_loop_test(tcase, ignored_frames_cost_credit, 0, 2);
    tcase_add_test(tcase, upload_on_its_way_to_a_closed_stream_costs_little);
    tcase_add_test(tcase, frames_that_bring_a_body_cost_nothing);
    tcase_add_test(tcase, nothing_is_taken_without_credit);
    tcase_add_test(tcase, a_worker_that_waits_is_told_to_read_its_file);
    tcase_add_test(tcase, a_job_for_a_file_is_posted_once);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
