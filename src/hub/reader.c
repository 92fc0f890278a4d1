#include "hub/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "apr_thread_proc.h"

#include "hub/clock.h"
#include "hub/thread.h"

enum state { ASKED, DONE, ABANDONED };

/* One read of the disk is over long before, unless the disk is not there. */
#define JOIN_US ((int64_t)3000 * 1000)

struct mrc_reading {
    struct mrc_reading *next;
    const struct mrc_history *history;
    struct mrc_place place;
    size_t max_bytes;
    mrc_reader_wake_fn *wake;
    void *ctx;
    struct mrc_history_slice slice;
    apr_status_t status;
    atomic_int state; /* enum state: who changes it second frees the reading */
};

struct mrc_reader {
    apr_thread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct mrc_reading *first, *last; /* under the lock */
    bool stopping;                    /* the same */
};

static void free_reading(struct mrc_reading *reading)
{
    mrc_history_slice_free(&reading->slice);
    free(reading);
}

/* The next that was asked for; NULL: the thread is to end. */
static struct mrc_reading *next_reading(struct mrc_reader *reader)
{
    struct mrc_reading *reading;

    pthread_mutex_lock(&reader->lock);
    while (!reader->first && !reader->stopping)
        pthread_cond_wait(&reader->asked, &reader->lock);
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

    if (atomic_load(&reading->state) != ABANDONED)
        reading->status = mrc_history_read(reading->history, &reading->place, reading->max_bytes,
                                           &reading->slice);
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
    pthread_cond_init(&reader->asked, NULL);
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
    pthread_cond_signal(&reader->asked);
    pthread_mutex_unlock(&reader->lock);
    if (!mrc_thread_join(reader->thread, mrc_clock_us() + JOIN_US))
        return false;
    while (reader->first) {
        struct mrc_reading *reading = reader->first;

        reader->first = reading->next;
        if (atomic_exchange(&reading->state, DONE) == ABANDONED)
            free_reading(reading);
    }
    pthread_cond_destroy(&reader->asked);
    pthread_mutex_destroy(&reader->lock);
    return true;
}

struct mrc_reading *mrc_reader_ask(struct mrc_reader *reader, const struct mrc_history *history,
                                   const struct mrc_place *place, size_t max_bytes,
                                   mrc_reader_wake_fn *wake, void *ctx)
{
    struct mrc_reading *reading = calloc(1, sizeof(*reading));

    if (!reading)
        return NULL;
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
    pthread_cond_signal(&reader->asked);
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

    *slice = reading->slice;
    free(reading);
    return status;
}

void mrc_reading_abandon(struct mrc_reading *reading)
{
    if (reading && atomic_exchange(&reading->state, ABANDONED) == DONE)
        free_reading(reading);
}
