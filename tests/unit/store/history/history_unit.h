/*
 * Shared by the tests of the history: a hub's memory, a directory for its file, publishing to it
 * and reading it back. Each test runs in its own process, and so has variables of its own.
 */
#ifndef MRC_TESTS_HISTORY_UNIT_H
#define MRC_TESTS_HISTORY_UNIT_H

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_time.h"

#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/staging.h"
#include "store/ring/ring.h"
#include "store/shm/notify.h"
#include "store/shm/segment.h"
#include "store_unit.h"

#define SLOTS 8

static const char *segment_dir;
static const char *history_dir;
static apr_pool_t *pool;
static struct mrc_hub_segment *segment;
static struct mrc_notify *notify;

/* ---- The hub ----------------------------------------------------------------------------------*/

/* Makes fresh shared memory, as after a start of the server. */
static inline void make_segment(void)
{
    struct mrc_hub_shape shape = {
        .key = "hub",
        .history = {.bytes = 16 << 20},
        .ring_bytes = 1 << 20,
        .body_max_bytes = 256 << 10,
        .staging_bytes = (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0),
    };
    struct mrc_error error = {""};

    if (segment) {
        mrc_hub_segment_close(segment);
        mrc_segment_remove(segment_dir, "hub");
    }
    ck_assert_msg(mrc_hub_segment_create(pool, segment_dir, "hub", &shape, SLOTS, store_budget(),
                                         &error, &segment) == APR_SUCCESS,
                  "%s", error.text);
}

static inline void set_up(void)
{
    struct mrc_error error = {""};

    segment_dir = store_dir();
    pool = store_pool();
    history_dir = store_dir();
    ck_assert_int_eq(mrc_notify_create(pool, SLOTS, &error, &notify), APR_SUCCESS);
    make_segment();
}

static inline void tear_down(void)
{
    mrc_hub_segment_close(segment);
}

/* A test case with that fixture. */
static inline TCase *history_tcase(Suite *suite)
{
    TCase *tcase = tcase_create("history");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static inline struct mrc_history *open_as(unsigned slot, enum mrc_history_sync sync)
{
    struct mrc_error error = {""};
    struct mrc_history *history = NULL;

    ck_assert_msg(mrc_history_open_lmdb(pool, segment, notify, slot, history_dir, sync,
                                        MRC_HISTORY_OPEN_WAIT_US, &error, &history) == APR_SUCCESS,
                  "%s", error.text);
    return history;
}

static inline void set_bounds(uint64_t count, uint64_t bytes, uint64_t age_us)
{
    const struct mrc_ring_bounds bounds = {.count = count, .bytes = bytes, .age_us = age_us};

    ck_assert_int_eq(mrc_ring_set_bounds(mrc_hub_segment_ring(segment), &bounds, apr_time_now(), 0),
                     APR_SUCCESS);
}

/* ---- Publishing -------------------------------------------------------------------------------*/

static inline apr_status_t append(struct mrc_history *history, const char *id, size_t bytes)
{
    char *payload = malloc(bytes + 1);
    apr_status_t status;

    memset(payload, 'x', bytes);
    status = mrc_history_append(history, mrc_bytes_of(id), (struct mrc_bytes){payload, bytes},
                                bytes, apr_time_now());
    free(payload);
    return status;
}

static inline void append_ok(struct mrc_history *history, const char *id, size_t bytes)
{
    ck_assert_int_eq(append(history, id, bytes), APR_SUCCESS);
}

static inline void append_many(struct mrc_history *history, unsigned from, unsigned to,
                               size_t bytes)
{
    for (unsigned i = from; i < to; i++)
        append_ok(history, apr_psprintf(pool, "id-%u", i), bytes);
}

/* Appends records with the ids A, B and C as one group; the second has BYTES. */
static inline apr_status_t append_three(struct mrc_history *history, size_t bytes, size_t *ret_done)
{
    char *payload = calloc(1, bytes + 1);
    const struct mrc_record records[] = {
        {.id = mrc_bytes_of("A"), .payload = mrc_bytes_of("x"), .stored_bytes = 1},
        {.id = mrc_bytes_of("B"), .payload = {payload, bytes}, .stored_bytes = bytes},
        {.id = mrc_bytes_of("C"), .payload = mrc_bytes_of("x"), .stored_bytes = 1},
    };
    apr_status_t status = mrc_history_append_group(history, records, 3, apr_time_now(), ret_done);

    free(payload);
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------*/

static inline char *add_id(char *all, const struct mrc_record *record)
{
    return apr_psprintf(pool, "%s%s%.*s", all, *all ? " " : "", (int)record->id.len,
                        record->id.ptr);
}

/* All ids from PLACE on, first those in the file and then those in the ring, as "a b c". */
static inline char *read_from(struct mrc_history *history, struct mrc_place place)
{
    struct mrc_history_slice slice = {.at = 0};
    struct mrc_ring_record in_ring = {.buf = NULL};
    struct mrc_record record;
    char *all = apr_pstrdup(pool, "");

    while (place.next < place.until) {
        ck_assert_int_eq(mrc_history_read(history, &place, 1000, &slice), APR_SUCCESS);
        while (mrc_history_slice_next(&slice, &record)) {
            ck_assert_uint_eq(record.seq, place.next);
            all = add_id(all, &record);
            place.next = record.seq + 1;
        }
        mrc_history_slice_free(&slice);
    }
    while (mrc_ring_read(mrc_history_ring(history), &place.pos, &in_ring) == APR_SUCCESS) {
        uint64_t number = mrc_history_number(history, in_ring.view.seq);

        if (number < place.next)
            continue;
        ck_assert_uint_eq(number, place.next);
        all = add_id(all, &in_ring.view);
        place.next++;
    }
    mrc_ring_record_free(&in_ring);
    return all;
}

static inline char *read_all(struct mrc_history *history)
{
    struct mrc_place place;

    ck_assert_int_eq(mrc_history_oldest(history, apr_time_now(), &place), APR_SUCCESS);
    return read_from(history, place);
}

static inline char *read_after(struct mrc_history *history, const char *id)
{
    struct mrc_place place;

    ck_assert_int_eq(mrc_history_find(history, mrc_bytes_of(id), apr_time_now(), &place),
                     APR_SUCCESS);
    return read_from(history, place);
}

/*
 * The ids from record NUMBER on, for a reader that was there at MADE_US; "?" if the number is not
 * known.
 */
static inline const char *read_since(struct mrc_history *history, uint64_t number, int64_t made_us)
{
    struct mrc_place place;
    apr_status_t status = mrc_history_seek(history, number, made_us, apr_time_now(), &place);

    if (status == APR_NOTFOUND)
        return "?";
    ck_assert_int_eq(status, APR_SUCCESS);
    ck_assert_uint_eq(place.next, number);
    return read_from(history, place);
}

/* Fails unless the records a and b can be reached by number in HISTORY. */
static inline void check_numbers(struct mrc_history *history)
{
    int64_t now_us = apr_time_now();

    ck_assert_str_eq(read_since(history, 0, now_us), "?");
    ck_assert_str_eq(read_since(history, 1, now_us), "a b");
    ck_assert_str_eq(read_since(history, 2, now_us), "b");
    ck_assert_str_eq(read_since(history, 3, now_us), "");
    ck_assert_str_eq(read_since(history, 4, now_us), "?");
    ck_assert_str_eq(read_since(history, UINT64_MAX, now_us), "?");
    /* A reader that was past record a long before that was published has seen another record. */
    ck_assert_str_eq(read_since(history, 2, now_us - 60000000), "?");
    ck_assert_str_eq(read_since(history, 1, now_us - 60000000), "a b");
    ck_assert_str_eq(read_since(history, 2, INT64_MIN / 2), "?");
}

/* How many times ID is in ALL. */
static inline unsigned times(const char *all, const char *id)
{
    unsigned n = 0;

    for (const char *at = all; (at = strstr(at, id)); at += strlen(id))
        n++;
    return n;
}

/* ---- Processes --------------------------------------------------------------------------------*/

/* Runs RUN in a process of its own; returns its wait status. */
static inline int in_child(void (*run)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        run();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* Publishes the records id-0 to id-19. */
static inline void publish_and_close(void)
{
    struct mrc_history *history = open_as(0, MRC_HISTORY_SYNC_NONE);

    append_many(history, 0, 20, 100);
    mrc_history_close(history);
}

/* Pipes by which two processes take turns: pass() makes wait_pass() on the other side return. */
static int to_parent[2], to_child[2];

static inline void open_turns(void)
{
    ck_assert_int_eq(pipe(to_parent), 0);
    ck_assert_int_eq(pipe(to_child), 0);
}

static inline void pass(const int fds[2])
{
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
}

static inline void wait_pass(const int fds[2])
{
    char c;

    ck_assert_int_eq(read(fds[0], &c, 1), 1);
}

#endif
