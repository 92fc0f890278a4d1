#include "hub/subscriber/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "apr_thread_proc.h"

#include "hub/base/clock.h"
#include "hub/base/thread.h"

enum state { ASKED, DONE, ABANDONED };

/* One read of the disk is over long before, unless the disk is not there. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_reading {
    struct mrc_reading *next;
    struct mrc_reader *reader;
    const struct mrc_history *history;
    struct mrc_place place;
    size_t max_bytes;
    mrc_reader_wake_fn *wake;
    void *ctx;
    struct mrc_history_slice slice;
    size_t held_bytes; /* of the slice, as the reader counts them; 0: it was not read */
    apr_status_t status;
    atomic_int state; /* enum state: who changes it second frees the reading */
};

struct mrc_reader {
    apr_thread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something of what follows, for the thread to look at */

    /* Under the lock. */
    struct mrc_reading *first, *last;
    size_t held_bytes; /* of what is read, and neither taken nor given up */
    bool stopping;
};

/* Counts what READING has from now on. */
static void hold(struct mrc_reading *reading)
{
    struct mrc_reader *reader = reading->reader;

    reading->held_bytes = mrc_buf_bytes(&reading->slice.buf).len;
    pthread_mutex_lock(&reader->lock);
    reader->held_bytes += reading->held_bytes;
    pthread_mutex_unlock(&reader->lock);
}

/* The opposite: the slice is somebody else's, or to be freed. */
static void release(const struct mrc_reading *reading)
{
    struct mrc_reader *reader = reading->reader;

    if (!reading->held_bytes)
        return;
    pthread_mutex_lock(&reader->lock);
    reader->held_bytes -= reading->held_bytes;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
}

static void free_reading(struct mrc_reading *reading)
{
    release(reading);
    mrc_history_slice_free(&reading->slice);
    free(reading);
}

/* Whether there is something to do: under the lock. */
static bool has_work(const struct mrc_reader *reader)
{
    return reader->stopping || (reader->first && reader->held_bytes < MRC_READER_BYTES_MAX);
}

/* The next that was asked for, once there is room for what it reads; NULL: the thread is to end. */
static struct mrc_reading *next_reading(struct mrc_reader *reader)
{
    struct mrc_reading *reading;

    pthread_mutex_lock(&reader->lock);
    while (!has_work(reader))
        pthread_cond_wait(&reader->changed, &reader->lock);
    reading = reader->stopping ? NULL : reader->first;
    if (reading) {
        reader->first = reading->next;
        if (!reader->first)
            reader->last = NULL;
    }
    pthread_mutex_unlock(&reader->lock);
    return reading;
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
    struct mrc_reading *reading;

    while ((reading = next_reading(arg)))
        read_one(reading);
    return NULL;
}

apr_status_t mrc_reader_start(apr_pool_t *pool, struct mrc_reader **ret_reader)
{
    struct mrc_reader *reader = apr_pcalloc(pool, sizeof(*reader));
    apr_status_t status;

    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->changed, NULL);
    status = mrc_thread_start(pool, run, reader, &reader->thread);
    if (status == APR_SUCCESS)
        *ret_reader = reader;
    return status;
}

bool mrc_reader_stop(struct mrc_reader *reader)
{
    if (!reader)
        return true;
    pthread_mutex_lock(&reader->lock);
    reader->stopping = true;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
    if (!mrc_thread_join(reader->thread, mrc_clock_us() + JOIN_US))
        return false;
    while (reader->first) {
        struct mrc_reading *reading = reader->first;

        reader->first = reading->next;
        if (atomic_exchange(&reading->state, DONE) == ABANDONED)
            free_reading(reading);
    }
    return true; /* the lock stays: readings may be given up later */
}

size_t mrc_reader_held_bytes(struct mrc_reader *reader)
{
    size_t bytes;

    pthread_mutex_lock(&reader->lock);
    bytes = reader->held_bytes;
    pthread_mutex_unlock(&reader->lock);
    return bytes;
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
    pthread_mutex_lock(&reader->lock);
    if (reader->last)
        reader->last->next = reading;
    else
        reader->first = reading;
    reader->last = reading;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
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
