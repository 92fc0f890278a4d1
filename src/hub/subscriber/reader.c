#include "hub/subscriber/reader.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "apr_thread_proc.h"

#include "hub/base/mailbox.h"
#include "hub/base/thread.h"
#include "hub/base/wake.h"
#include "store/base/clock.h"

/*
 *              the thread has read it
 *     ASKED -------------------------> DONE ----taken, or given up----> freed
 *       |
 *       +----given up----> ABANDONED ----the thread comes to it-------> freed
 */
enum state { ASKED, DONE, ABANDONED };

/* One read of the disk takes less, unless the disk does not respond. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_reading {
    struct mrc_list_link link;
    struct mrc_reader *reader;
    const struct mrc_history *history;
    struct mrc_place place;
    size_t max_bytes;
    mrc_reader_wake_fn *wake;
    void *ctx;
    struct mrc_history_slice slice;
    size_t held_bytes; /* of the slice, as the reader counts them; 0: it was not read */
    apr_status_t status;
    atomic_int state; /* enum state: the side that changes it second frees the reading */
};

struct mrc_reader {
    apr_thread_t *thread;
    struct mrc_wake wake;
    struct mrc_mailbox posted;
    struct mrc_list asked;    /* taken out of the mailbox; only for the reader's thread */
    atomic_size_t held_bytes; /* that are read, and neither taken nor given up */
    atomic_bool stopping;
};

/* Counts the bytes of READING from now on. */
static void hold(struct mrc_reading *reading)
{
    reading->held_bytes = mrc_buf_bytes(&reading->slice.buf).len;
    atomic_fetch_add(&reading->reader->held_bytes, reading->held_bytes);
}

/* Stops counting them: the slice goes to the caller, or is freed. The thread may wait for room. */
static void release(const struct mrc_reading *reading)
{
    struct mrc_reader *reader = reading->reader;

    if (reading->held_bytes &&
        atomic_fetch_sub(&reader->held_bytes, reading->held_bytes) >= MRC_READER_BYTES_MAX)
        mrc_wake_post(&reader->wake);
}

static void free_reading(struct mrc_reading *reading)
{
    release(reading);
    mrc_history_slice_free(&reading->slice);
    free(reading);
}

static void read_one(struct mrc_reading *reading)
{
    mrc_reader_wake_fn *wake = reading->wake;
    void *ctx = reading->ctx;

    if (atomic_load(&reading->state) != ABANDONED) {
        reading->status = mrc_history_read(reading->history, &reading->place, reading->max_bytes,
                                           &reading->slice);
        hold(reading);
    }
    if (atomic_exchange(&reading->state, DONE) == ABANDONED)
        free_reading(reading);
    else
        wake(ctx); /* READING may be gone by now */
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_reader *reader = arg;

    while (!atomic_load(&reader->stopping)) {
        struct mrc_list posted = mrc_mailbox_take(&reader->posted);

        mrc_list_append_all(&reader->asked, &posted);
        if (reader->asked.first && atomic_load(&reader->held_bytes) < MRC_READER_BYTES_MAX)
            read_one((struct mrc_reading *)mrc_list_take(&reader->asked));
        else
            mrc_wake_wait(&reader->wake, -1);
    }
    return NULL;
}

apr_status_t mrc_reader_start(apr_pool_t *pool, struct mrc_reader **ret_reader)
{
    struct mrc_reader *reader = apr_pcalloc(pool, sizeof(*reader));
    apr_status_t status = mrc_wake_open(&reader->wake, pool);

    mrc_mailbox_init(&reader->posted, &reader->wake);
    if (status == APR_SUCCESS)
        status = mrc_thread_start(pool, run, reader, &reader->thread);
    if (status == APR_SUCCESS)
        *ret_reader = reader;
    return status;
}

bool mrc_reader_stop(struct mrc_reader *reader)
{
    struct mrc_reading *reading;
    struct mrc_list posted;

    if (!reader)
        return true;
    atomic_store(&reader->stopping, true);
    mrc_wake_post(&reader->wake);
    if (!mrc_thread_join(reader->thread, mrc_clock_us() + JOIN_US))
        return false;
    posted = mrc_mailbox_close(&reader->posted);
    mrc_list_append_all(&reader->asked, &posted);
    while ((reading = (struct mrc_reading *)mrc_list_take(&reader->asked))) {
        if (atomic_exchange(&reading->state, DONE) == ABANDONED)
            free_reading(reading);
    }
    return true;
}

size_t mrc_reader_held_bytes(const struct mrc_reader *reader)
{
    return atomic_load(&reader->held_bytes);
}

struct mrc_reading *mrc_reader_ask(struct mrc_reader *reader, const struct mrc_history *history,
                                   const struct mrc_place *place, size_t max_bytes,
                                   mrc_reader_wake_fn *wake, void *ctx)
{
    struct mrc_reading *reading = calloc(1, sizeof(*reading));

    if (!reading)
        return NULL;
    reading->reader = reader;
    reading->history = history;
    reading->place = *place;
    reading->max_bytes = max_bytes;
    reading->wake = wake;
    reading->ctx = ctx;
    reading->status = APR_EINTR; /* unless it is read */
    if (!mrc_mailbox_post(&reader->posted, &reading->link))
        atomic_store(&reading->state, DONE); /* it never is */
    return reading;
}

bool mrc_reading_is_done(const struct mrc_reading *reading)
{
    return atomic_load(&reading->state) == DONE;
}

apr_status_t mrc_reading_take(struct mrc_reading *reading, struct mrc_history_slice *slice)
{
    apr_status_t status = reading->status;

    release(reading);
    *slice = reading->slice;
    free(reading);
    return status;
}

void mrc_reading_abandon(struct mrc_reading *reading)
{
    if (reading && atomic_exchange(&reading->state, ABANDONED) == DONE)
        free_reading(reading);
}
