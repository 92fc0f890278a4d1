#include "httpd/exchange/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failing_alloc.h"
#include "unit.h"

/* More allocations than any test makes. */
#define ALLOCATIONS 100

static struct mrc_list notes;

bool mrc_sessions_post_call(struct mrc_sessions *sessions, struct mrc_call *call)
{
    (void)sessions;
    mrc_list_append(&notes, &call->link);
    return true;
}

static void take_note(struct mrc_call *note)
{
    struct mrc_exchange *exchange = (struct mrc_exchange *)note;

    exchange->is_noted = false;
    mrc_exchange_unref(exchange);
}

static void take_notes(void)
{
    struct mrc_list_link *link;

    while ((link = mrc_list_take(&notes)))
        take_note((struct mrc_call *)link);
}

static bool are_short;

static bool threads_are_short(struct mrc_exchange_origin *origin)
{
    (void)origin;
    return are_short;
}

static struct mrc_exchange_held all;
static struct mrc_exchange_origin origin = {
    .take_note = take_note, .threads_are_short = threads_are_short, .held = {.all = &all}};

/* An exchange of a request whose body has a length, or comes in chunks. */
static struct mrc_exchange *create(bool has_length)
{
    struct mrc_exchange *exchange = mrc_exchange_create(&origin, 1);

    ck_assert(exchange);
    exchange->has_body = true;
    exchange->has_length = has_length;
    return exchange;
}

/* Closes the stream. Fails unless nothing is left of the exchange. */
static void destroy(struct mrc_exchange *exchange)
{
    mrc_exchange_close(exchange);
    mrc_exchange_unref(exchange);
    take_notes();
    ck_assert_uint_eq(origin.held.bytes, 0);
    ck_assert_uint_eq(all.bytes, 0);
}

/* Reads all that a worker gets of the body. Returns the status of the last read. */
static apr_status_t read_all(struct mrc_exchange *exchange, char *ret_bytes, size_t *ret_len)
{
    const struct mrc_exchange_read read = {.max = 100};
    apr_status_t status = APR_SUCCESS;
    size_t len;

    *ret_len = 0;
    while (status == APR_SUCCESS) {
        status = mrc_exchange_read(exchange, &read, ret_bytes + *ret_len, &len);
        if (status == APR_SUCCESS)
            *ret_len += len;
    }
    return status;
}

/* The client sends a body in three frames, and the worker reads it. */
static apr_status_t send_three(struct mrc_exchange *exchange, char *ret_bytes, size_t *ret_len)
{
    static char long_bytes[300];
    struct mrc_exchange_fields trailers = {.bytes = NULL};

    memset(long_bytes, 'b', sizeof(long_bytes));
    mrc_exchange_add_body(exchange, "aaa", 3);
    mrc_exchange_add_body(exchange, long_bytes, sizeof(long_bytes));
    mrc_exchange_add_body(exchange, "ccc", 3);
    mrc_exchange_end_body(exchange, &trailers);
    return read_all(exchange, ret_bytes, ret_len);
}

START_TEST(a_worker_reads_the_body_and_its_end)
{
    char bytes[1000];
    size_t len;
    struct mrc_exchange *exchange = create(_i == 0);

    ck_assert_int_eq(send_three(exchange, bytes, &len), APR_EOF);
    if (_i == 0)
        ck_assert(len == 306 && !memcmp(bytes, "aaabbb", 6) && !memcmp(bytes + 300, "bbbccc", 6));
    else
        ck_assert(!memcmp(bytes, "3\r\naaa\r\n12c\r\nbbb", 16) &&
                  !memcmp(bytes + len - 16, "b\r\n3\r\nccc\r\n0\r\n\r\n", 16));
    destroy(exchange);
}
END_TEST

/* Each allocation fails in turn: a body with a hole never looks complete. */
START_TEST(a_body_for_which_there_is_no_memory_is_not_complete)
{
    char want[1000], bytes[1000];
    size_t want_len, len, failed = 0;
    struct mrc_exchange *exchange = create(_i == 0);

    ck_assert_int_eq(send_three(exchange, want, &want_len), APR_EOF);
    destroy(exchange);
    for (long left = 0; left < ALLOCATIONS; left++) {
        apr_status_t status;

        exchange = create(_i == 0);
        alloc_left = left;
        status = send_three(exchange, bytes, &len);
        alloc_left = -1;
        if (status == APR_EOF)
            ck_assert(len == want_len && !memcmp(bytes, want, len));
        else
            ck_assert_int_eq(status, APR_ECONNABORTED);
        failed += status == APR_ECONNABORTED;
        destroy(exchange);
    }
    ck_assert_uint_gt(failed, 0);
    ck_assert_uint_lt(failed, ALLOCATIONS);
}
END_TEST

/* A client may wait for the answer to what it has sent before it sends more. */
START_TEST(a_worker_that_waits_for_more_sends_what_it_has_written)
{
    const struct mrc_exchange_read read = {.max = 100, .may_wait = true, .timeout_us = 1};
    struct mrc_exchange *exchange = create(true);
    char bytes[100];
    size_t len;

    ck_assert_int_eq(mrc_exchange_write(exchange, "answer", 6, 1), APR_SUCCESS);
    ck_assert(!exchange->is_noted);
    ck_assert_int_eq(mrc_exchange_read(exchange, &read, bytes, &len), APR_TIMEUP);
    ck_assert(exchange->is_noted);
    destroy(exchange);
}
END_TEST

/* The session may have taken the other heads, but not the note of the end. */
START_TEST(a_response_has_ended_when_its_trailers_are_taken)
{
    struct mrc_exchange *exchange = create(true);
    struct mrc_exchange_head *head = calloc(1, sizeof(*head));

    ck_assert(head);
    head->kind = MRC_EXCHANGE_HEAD_TRAILERS;
    ck_assert(!mrc_exchange_has_ended(exchange));
    mrc_exchange_put_head(exchange, head);
    mrc_exchange_end(exchange, true);
    ck_assert(!mrc_exchange_has_ended(exchange));
    ck_assert_ptr_eq(mrc_list_take(&exchange->heads), &head->link);
    ck_assert(mrc_exchange_has_ended(exchange));
    mrc_exchange_head_destroy(head);
    destroy(exchange);
}
END_TEST

START_TEST(fields_of_a_request_whose_stream_is_closed_do_not_wait_for_its_job)
{
    static const char value[5000];
    struct mrc_exchange *exchange = create(true);

    ck_assert(mrc_exchange_fields_add(&exchange->request, "a", 1, value, sizeof(value)));
    mrc_exchange_held_add(&origin.held, mrc_exchange_request_held(exchange));
    exchange->is_posted = true;
    mrc_exchange_ref(exchange);
    if (_i == 1)
        ck_assert(mrc_exchange_begin(exchange));
    mrc_exchange_close(exchange);
    if (_i == 0) {
        ck_assert_uint_lt(all.bytes, sizeof(value));
        ck_assert(!mrc_exchange_begin(exchange));
    }
    mrc_exchange_free_request(exchange);
    mrc_exchange_unref(exchange);
    destroy(exchange);
}
END_TEST

/* The bytes are so few that no other note is posted for them. */
START_TEST(a_worker_that_waits_in_a_crowd_sends_what_it_has_written)
{
    static const char bytes[20 * 1024];
    struct mrc_exchange *exchange = create(true);

    ck_assert_int_eq(mrc_exchange_write(exchange, bytes, sizeof(bytes), 1), APR_SUCCESS);
    ck_assert(!exchange->is_noted);
    mrc_exchange_held_add(&origin.held, MRC_EXCHANGE_HELD_SESSION);
    ck_assert_int_eq(mrc_exchange_write(exchange, bytes, 1, 1), APR_TIMEUP);
    ck_assert(exchange->is_noted);
    mrc_exchange_held_sub(&origin.held, MRC_EXCHANGE_HELD_SESSION);
    destroy(exchange);
}
END_TEST

/* An application may write all of its page at once. */
START_TEST(a_worker_waits_before_all_of_its_bytes_are_copied)
{
    static const char bytes[1024 * 1024];
    struct mrc_exchange *exchange = create(true);

    ck_assert_int_eq(mrc_exchange_write(exchange, bytes, sizeof(bytes), 1), APR_TIMEUP);
    ck_assert_uint_lt(exchange->out.bytes, sizeof(bytes) / 2);
    destroy(exchange);
}
END_TEST

/* All other threads may wait like it, so none of them would read the file. */
START_TEST(a_worker_that_waits_reads_its_file_itself)
{
    static const char bytes[1024 * 1024];
    const size_t len = 64 * 1024;
    struct mrc_exchange_files files = {.max = 10};
    struct mrc_exchange *exchange = create(true);
    FILE *file = tmpfile();

    origin.files = &files;
    ck_assert(file && ftruncate(fileno(file), (off_t)len) == 0);
    ck_assert_int_eq(mrc_exchange_write_file(exchange, fileno(file), 0, len, 1), APR_SUCCESS);
    ck_assert_uint_eq(exchange->out.file_bytes, len);
    /* What the session sets, before the worker waits. */
    exchange->out.is_blocked = exchange->is_loading = exchange->load_is_posted = true;
    ck_assert_int_eq(mrc_exchange_write(exchange, bytes, sizeof(bytes), 1), APR_TIMEUP);
    ck_assert(!exchange->out.is_blocked && !exchange->is_loading && !exchange->load_runs);
    ck_assert_uint_eq(exchange->out.file_bytes, 0);
    ck_assert(exchange->load_is_posted);
    mrc_exchange_load(exchange); /* which comes too late */
    ck_assert(!exchange->load_is_posted && !exchange->out.is_broken);
    fclose(file);
    destroy(exchange);
    origin.files = NULL;
}
END_TEST

/* A file in OUT, of which the session needs a part that is not in memory. */
static struct mrc_exchange *create_blocked(struct mrc_exchange_files *files, FILE *file)
{
    const size_t len = 64 * 1024;
    struct mrc_exchange *exchange = create(true);

    origin.files = files;
    ck_assert(file && ftruncate(fileno(file), (off_t)len) == 0);
    ck_assert_int_eq(mrc_exchange_write_file(exchange, fileno(file), 0, len, 1), APR_SUCCESS);
    ck_assert(!mrc_exchange_begin_load(exchange));
    exchange->out.is_blocked = true;
    return exchange;
}

START_TEST(a_part_of_a_file_has_one_reader)
{
    struct mrc_exchange_files files = {.max = 10};
    FILE *file = tmpfile();
    struct mrc_exchange *exchange = create_blocked(&files, file);

    ck_assert(mrc_exchange_begin_load(exchange));
    ck_assert(!mrc_exchange_begin_load(exchange)); /* it is on its way */
    mrc_exchange_give_up_load(exchange);
    ck_assert(!exchange->is_loading && !exchange->load_is_posted);
    exchange->out_waits = true;
    ck_assert(!mrc_exchange_begin_load(exchange)); /* the worker reads it */
    ck_assert(exchange->is_loading && !exchange->load_is_posted);
    exchange->out_waits = false;
    mrc_exchange_load(exchange);
    ck_assert(!exchange->is_loading && !exchange->out.is_blocked);
    ck_assert_uint_eq(exchange->out.file_bytes, 0);
    fclose(file);
    destroy(exchange);
    origin.files = NULL;
}
END_TEST

/* Without memory for the part, the response ends. */
START_TEST(a_part_that_cannot_be_read_breaks_the_response)
{
    struct mrc_exchange_files files = {.max = 10};
    FILE *file = tmpfile();
    struct mrc_exchange *exchange = create_blocked(&files, file);

    ck_assert(mrc_exchange_begin_load(exchange));
    alloc_left = 0;
    mrc_exchange_load(exchange);
    alloc_left = -1;
    ck_assert(exchange->out.is_broken && !exchange->out.is_blocked);
    ck_assert(!exchange->is_loading && !exchange->load_runs && !exchange->load_is_posted);
    fclose(file);
    destroy(exchange);
    ck_assert_uint_eq(files.count, 0);
    origin.files = NULL;
}
END_TEST

START_TEST(nothing_is_read_for_a_stream_that_has_ended)
{
    struct mrc_exchange_files files = {.max = 10};
    FILE *file = tmpfile();
    struct mrc_exchange *exchange = create_blocked(&files, file);

    ck_assert(mrc_exchange_begin_load(exchange));
    mrc_exchange_close(exchange);
    ck_assert_uint_eq(files.count, 1); /* its reader may have begun */
    alloc_left = 0;
    mrc_exchange_load(exchange);
    alloc_left = -1;
    ck_assert(!exchange->out.is_broken && !exchange->is_loading);
    ck_assert_uint_eq(files.count, 0);
    fclose(file);
    destroy(exchange);
    origin.files = NULL;
}
END_TEST

/* A byte comes whenever the worker has waited for one in vain. Returns the last status. */
static apr_status_t trickle(struct mrc_exchange *exchange, int times)
{
    const struct mrc_exchange_read read = {.max = 1, .may_wait = true, .timeout_us = 1000};
    apr_status_t status = APR_SUCCESS;
    char byte;
    size_t len;

    for (int i = 0; i < times && status == APR_SUCCESS; i++) {
        ck_assert_int_eq(mrc_exchange_read(exchange, &read, &byte, &len), APR_TIMEUP);
        ck_assert(mrc_exchange_add_body(exchange, "x", 1));
        status = mrc_exchange_read(exchange, &read, &byte, &len);
    }
    return status;
}

START_TEST(a_slow_body_is_given_up_only_when_others_wait_for_a_thread)
{
    struct mrc_exchange *exchange = create(true);

    exchange->waited_us = 1000 * 1000; /* so far */
    are_short = false;
    ck_assert_int_eq(trickle(exchange, 20), APR_SUCCESS);
    are_short = true;
    ck_assert_int_eq(trickle(exchange, 20), APR_TIMEUP);
    ck_assert(exchange->gave_up);
    destroy(exchange);
}
END_TEST

START_TEST(a_fast_body_is_not_given_up)
{
    static char bytes[100 * 1000], got[100 * 1000];
    struct mrc_exchange *exchange = create(true);
    size_t len;

    ck_assert(mrc_exchange_add_body(exchange, bytes, sizeof(bytes)));
    ck_assert_int_eq(read_all(exchange, got, &len), APR_EAGAIN);
    exchange->waited_us = 100 * 1000 * 1000; /* this many bytes may take 200 s */
    are_short = true;
    ck_assert_int_eq(trickle(exchange, 5), APR_SUCCESS);
    destroy(exchange);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exchange");
    TCase *tcase = tcase_create("exchange");

    tcase_add_loop_test(tcase, a_worker_reads_the_body_and_its_end, 0, 2);
    tcase_add_loop_test(tcase, a_body_for_which_there_is_no_memory_is_not_complete, 0, 2);
    tcase_add_test(tcase, a_worker_that_waits_for_more_sends_what_it_has_written);
    tcase_add_test(tcase, a_response_has_ended_when_its_trailers_are_taken);
    tcase_add_loop_test(tcase, fields_of_a_request_whose_stream_is_closed_do_not_wait_for_its_job,
                        0, 2);
    tcase_add_test(tcase, a_worker_that_waits_in_a_crowd_sends_what_it_has_written);
    tcase_add_test(tcase, a_worker_waits_before_all_of_its_bytes_are_copied);
    tcase_add_test(tcase, a_worker_that_waits_reads_its_file_itself);
    tcase_add_test(tcase, a_part_of_a_file_has_one_reader);
    tcase_add_test(tcase, a_part_that_cannot_be_read_breaks_the_response);
    tcase_add_test(tcase, nothing_is_read_for_a_stream_that_has_ended);
    tcase_add_test(tcase, a_slow_body_is_given_up_only_when_others_wait_for_a_thread);
    tcase_add_test(tcase, a_fast_body_is_not_given_up);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
