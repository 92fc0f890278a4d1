#include "hub/stream/dispatcher.h"

#include "hub/base/thread.h"
#include "hub/hub/hub.h"
#include "hub/stream/loop.h"
#include "hub/stream/waiters.h"
#include "hub/subscriber/reader.h"
#include "store/base/clock.h"
#include "store/shm/notify.h"

/* The wait for the loops. A loop ends much earlier, unless it hangs. */
#define JOIN_US ((int64_t)5000 * 1000)

struct mrc_dispatcher {
    struct mrc_dispatcher_args args;
    struct mrc_loop **loops;   /* of each thread; NULL: not open */
    apr_thread_t **threads;    /* NULL: it has ended */
    unsigned started;          /* of the threads */
    struct mrc_reader *reader; /* NULL: no history needs one */
};

/* The child was woken: the first loop wakes the other loops and the waiters. The notification is
 * drained before the rings are read, so no wake-up is lost. */
static void take_notification(void *ctx)
{
    const struct mrc_dispatcher *dispatcher = ctx;
    const struct mrc_dispatcher_args *args = &dispatcher->args;

    mrc_notify_drain(args->notify, args->slot);
    for (unsigned i = 1; i < args->threads; i++)
        mrc_loop_post_wake(dispatcher->loops[i]);
    mrc_waiters_wake(args->waiters);
    args->on_wake(args->ctx);
}

static apr_status_t open_loops(apr_pool_t *pool, struct mrc_dispatcher *dispatcher)
{
    const struct mrc_dispatcher_args *args = &dispatcher->args;
    apr_status_t status = APR_SUCCESS;

    for (unsigned i = 0; i < args->threads && status == APR_SUCCESS; i++) {
        const struct mrc_loop_args loop_args = {
            .hubs = args->hubs,
            .hubs_count = args->hubs_count,
            .number = i,
            .look_ms = args->look_ms,
            .reader = dispatcher->reader,
            .inquiry = args->inquiry,
            .slot = args->slot,
            .loops = args->threads,
            .waiters = i == 0 ? args->waiters : NULL,
            .notify_fd = i == 0 ? mrc_notify_fd(args->notify, args->slot) : -1,
            .on_notify = take_notification,
            .ctx = dispatcher,
        };

        status = mrc_loop_open(pool, &loop_args, &dispatcher->loops[i]);
    }
    return status;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *loop)
{
    mrc_loop_run(loop, thread);
    return NULL;
}

static apr_status_t start_threads(apr_pool_t *pool, struct mrc_dispatcher *dispatcher)
{
    apr_status_t status = APR_SUCCESS;

    while (dispatcher->started < dispatcher->args.threads && status == APR_SUCCESS) {
        apr_thread_t *thread;

        status = mrc_thread_start(pool, run, dispatcher->loops[dispatcher->started], &thread);
        if (status == APR_SUCCESS)
            dispatcher->threads[dispatcher->started++] = thread;
    }
    return status;
}

apr_status_t mrc_dispatcher_start(apr_pool_t *pool, const struct mrc_dispatcher_args *args,
                                  struct mrc_dispatcher **ret_dispatcher)
{
    struct mrc_dispatcher *dispatcher = apr_pcalloc(pool, sizeof(*dispatcher));
    apr_status_t status;

    dispatcher->args = *args;
    dispatcher->loops = apr_pcalloc(pool, sizeof(*dispatcher->loops) * args->threads);
    dispatcher->threads = apr_pcalloc(pool, sizeof(*dispatcher->threads) * args->threads);
    status = args->has_durable ? mrc_reader_start(pool, &dispatcher->reader) : APR_SUCCESS;
    if (status == APR_SUCCESS)
        status = open_loops(pool, dispatcher);
    if (status == APR_SUCCESS)
        status = start_threads(pool, dispatcher);
    if (status != APR_SUCCESS)
        return mrc_dispatcher_stop(dispatcher) ? status : APR_INCOMPLETE;
    *ret_dispatcher = dispatcher;
    return APR_SUCCESS;
}

void mrc_dispatcher_post_drain(struct mrc_dispatcher *dispatcher, bool graceful)
{
    for (unsigned i = 0; i < dispatcher->args.threads; i++)
        mrc_loop_post_drain(dispatcher->loops[i],
                            graceful ? MRC_LOOP_DRAIN_GRACEFULLY : MRC_LOOP_DRAIN_NOW);
}

bool mrc_dispatcher_stop(struct mrc_dispatcher *dispatcher)
{
    int64_t until_us = mrc_clock_us() + JOIN_US;
    bool ended = true;

    if (!dispatcher)
        return true;
    for (unsigned i = 0; i < dispatcher->started; i++)
        mrc_loop_post_stop(dispatcher->loops[i]);
    for (unsigned i = 0; i < dispatcher->started; i++) {
        if (dispatcher->threads[i] && mrc_thread_join(dispatcher->threads[i], until_us))
            dispatcher->threads[i] = NULL;
        ended = ended && !dispatcher->threads[i];
    }
    /* The reader ends before the loops that it wakes are closed. */
    if (!ended || !mrc_reader_stop(dispatcher->reader))
        return false; /* the end of the process frees their memory */
    for (unsigned i = 0; i < dispatcher->args.threads; i++)
        mrc_loop_close(dispatcher->loops[i]);
    return true;
}

struct mrc_loop *mrc_dispatcher_post_choose(const struct mrc_dispatcher *dispatcher)
{
    struct mrc_loop *chosen = dispatcher->loops[0];

    for (unsigned i = 1; i < dispatcher->args.threads; i++) {
        if (mrc_loop_post_load(dispatcher->loops[i]) < mrc_loop_post_load(chosen))
            chosen = dispatcher->loops[i];
    }
    return chosen;
}

void mrc_dispatcher_post(struct mrc_dispatcher *dispatcher, struct mrc_stream *stream)
{
    mrc_loop_post(mrc_dispatcher_post_choose(dispatcher), stream);
}

unsigned mrc_dispatcher_post_count(const struct mrc_dispatcher *dispatcher)
{
    unsigned count = 0;

    for (unsigned i = 0; i < dispatcher->args.threads; i++)
        count += mrc_loop_post_count(dispatcher->loops[i]);
    return count;
}
