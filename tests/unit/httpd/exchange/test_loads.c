/*
 * The reads of files while a response is sent, with the three threads that take part in them: the
 * session, the worker that writes the response, and one for LOAD. The program is linked with
 * -Wl,--wrap=preadv2 -Wl,--wrap=pread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "httpd/exchange/exchange.h"
#include "unit.h"

/* The response: in turn a part of the file and bytes in memory, for which a worker has to wait. */
#define FILE_PART   ((size_t)96 * 1024)
#define MEMORY_PART ((size_t)320 * 1024)
#define PARTS       12
#define TOTAL       (PARTS * (FILE_PART + MEMORY_PART))

#define TIMEOUT_US                                                                                 \
    INT64_C(60000000) /* far more than is needed: only a broken build waits that long */

/* ---- a disk -----------------------------------------------------------------------------------*/

static atomic_uint reads, failed_reads;

#pragma GCC visibility push(default)
/* What the C library calls them where off_t is larger than a long. */
#ifdef __USE_FILE_OFFSET64
#define __real_preadv2 __real_preadv64v2
#define __wrap_preadv2 __wrap_preadv64v2
#define __real_pread   __real_pread64
#define __wrap_pread   __wrap_pread64
#endif

ssize_t __real_preadv2(int fd, const struct iovec *vec, int count, off_t offset, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *vec, int count, off_t offset, int flags);
ssize_t __real_pread(int fd, void *bytes, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t len, off_t offset);
#pragma GCC visibility pop

/* The other threads go on meanwhile, and the file stays. */
ssize_t __wrap_pread(int fd, void *bytes, size_t len, off_t offset)
{
    ssize_t count;

    usleep(500);
    count = __real_pread(fd, bytes, len, offset);
    if (count <= 0)
        atomic_fetch_add(&failed_reads, 1);
    return count;
}

/* Two of three reads would have to wait. */
ssize_t __wrap_preadv2(int fd, const struct iovec *vec, int count, off_t offset, int flags)
{
    if (atomic_fetch_add(&reads, 1) % 3 == 0)
        return __real_preadv2(fd, vec, count, offset, flags);
    errno = EAGAIN;
    return -1;
}

static char byte_at(size_t at)
{
    return (char)(at * 31 + (at >> 8) + (at >> 16));
}

static void fill(char *bytes, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(at + i);
}

/* ---- the threads ------------------------------------------------------------------------------*/

/* When a thread is free for LOAD. */
enum { SOON, AFTER_THE_WORKER, THREADS };

static struct mrc_exchange *exchange;
static FILE *file;
static int threads;
static atomic_bool is_posted, has_ended, is_over;

static void *write_response(void *unused)
{
    static char bytes[MEMORY_PART];
    apr_status_t status = APR_SUCCESS;
    size_t at = 0;

    for (int part = 0; part < PARTS && status == APR_SUCCESS; part++) {
        status = mrc_exchange_write_file(exchange, fileno(file), (off_t)at, FILE_PART, TIMEOUT_US);
        at += FILE_PART;
        fill(bytes, at, MEMORY_PART);
        if (status == APR_SUCCESS)
            status = mrc_exchange_write(exchange, bytes, MEMORY_PART, TIMEOUT_US);
        at += MEMORY_PART;
    }
    atomic_store(&has_ended, true);
    return (void *)(intptr_t)status;
}

static void *run_loads(void *unused)
{
    while (!atomic_load(&is_over)) {
        if ((threads == SOON || atomic_load(&has_ended)) && atomic_exchange(&is_posted, false))
            mrc_exchange_load(exchange);
        else
            usleep(100);
    }
    if (atomic_load(&is_posted)) /* a job runs at last, even if its stream is closed */
        mrc_exchange_load(exchange);
    return NULL;
}

/* What the session does with EXCHANGE when its client takes up to MAX bytes. */
static size_t take(char *bytes, size_t max)
{
    bool is_to_post;
    size_t len;

    pthread_mutex_lock(&exchange->lock);
    len = mrc_exchange_queue_read(&exchange->out, bytes, max);
    is_to_post = mrc_exchange_begin_load(exchange);
    if (exchange->out_waits && mrc_exchange_out_held(exchange) <= MRC_EXCHANGE_OUT_LOW)
        pthread_cond_signal(&exchange->changed);
    pthread_mutex_unlock(&exchange->lock);
    if (is_to_post)
        ck_assert_msg(!atomic_exchange(&is_posted, true), "it is posted twice");
    return len;
}

/* Takes the first END bytes of the response. */
static void take_all(size_t end)
{
    static char bytes[32 * 1024], wanted[sizeof(bytes)];

    for (size_t at = 0; at < end;) {
        size_t len = take(bytes, sizeof(bytes) - at % 1000);

        fill(wanted, at, len);
        ck_assert_msg(!memcmp(bytes, wanted, len), "other bytes after %zu", at);
        at += len;
        if (len == 0)
            usleep(100);
    }
}

/* Takes more, until a part of a file is being read. */
static void take_until_a_read(void)
{
    static char bytes[1000];
    bool is_read = false;

    while (!is_read && !atomic_load(&has_ended)) {
        take(bytes, sizeof(bytes));
        pthread_mutex_lock(&exchange->lock);
        is_read = exchange->load_runs;
        pthread_mutex_unlock(&exchange->lock);
    }
}

static bool threads_are_short(struct mrc_exchange_origin *unused)
{
    return false;
}

bool mrc_sessions_post_call(struct mrc_sessions *sessions, struct mrc_call *call)
{
    ck_abort_msg("the session looks without notes");
    return false;
}

/* Sends the first END bytes of the response, and closes the stream. */
static apr_status_t respond(size_t end)
{
    struct mrc_exchange_files files = {.max = PARTS};
    struct mrc_exchange_held all = {.bytes = 0};
    struct mrc_exchange_origin origin = {
        .threads_are_short = threads_are_short, .files = &files, .held = {.all = &all}};
    pthread_t worker, loader;
    void *status;

    exchange = mrc_exchange_create(&origin, 1);
    ck_assert_ptr_nonnull(exchange);
    exchange->is_noted = true;
    ck_assert_int_eq(pthread_create(&loader, NULL, run_loads, NULL), 0);
    ck_assert_int_eq(pthread_create(&worker, NULL, write_response, NULL), 0);
    take_all(end);
    if (end < TOTAL)
        take_until_a_read();
    while (end == TOTAL && !atomic_load(&has_ended)) /* the worker has not noticed yet */
        usleep(100);
    mrc_exchange_close(exchange);
    ck_assert_int_eq(pthread_join(worker, &status), 0);
    atomic_store(&is_over, true);
    ck_assert_int_eq(pthread_join(loader, NULL), 0);
    /* Whoever was the last has left nothing. */
    ck_assert_uint_eq(exchange->out.bytes, 0);
    ck_assert(!exchange->is_loading && !exchange->load_runs && !exchange->load_is_posted);
    ck_assert_uint_eq(files.count, 0);
    ck_assert_uint_eq(atomic_load(&failed_reads), 0);
    mrc_exchange_unref(exchange);
    ck_assert_uint_eq(origin.held.bytes, 0);
    ck_assert_uint_eq(all.bytes, 0);
    return (apr_status_t)(intptr_t)status;
}

static void set_up(void)
{
    static char bytes[TOTAL];

    fill(bytes, 0, TOTAL);
    file = tmpfile();
    ck_assert(file && fwrite(bytes, 1, TOTAL, file) == TOTAL && fflush(file) == 0);
}

static void tear_down(void)
{
    fclose(file);
}

/* Even if no thread is free for LOAD before the worker has ended, which waits for the session. */
START_TEST(a_response_with_parts_of_files_arrives)
{
    threads = _i;
    ck_assert_int_eq(respond(TOTAL), APR_SUCCESS);
}
END_TEST

/* The stream ends while one of the other threads reads. */
START_TEST(a_stream_that_ends_leaves_no_part_of_a_file)
{
    threads = _i % THREADS;
    ck_assert_int_eq(respond(TOTAL / 2 + (size_t)_i * 7777), APR_ECONNABORTED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loads");
    TCase *tcase = tcase_create("loads");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_response_with_parts_of_files_arrives, 0, THREADS);
    tcase_add_loop_test(tcase, a_stream_that_ends_leaves_no_part_of_a_file, 0, 8);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
