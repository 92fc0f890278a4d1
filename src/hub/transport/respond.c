#include "hub/transport/respond.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "apr_thread_proc.h"

#include "hub/base/thread.h"
#include "hub/base/wake.h"
#include "hub/hub/hub.h"
#include "hub/transport/query.h"
#include "store/base/clock.h"
#include "store/engine/asks.h"

/* Questions that wait. */
#define WAITING_MAX 16

/* Nobody waits any more for the answer to an older question. */
#define AGE_MAX_US ((int64_t)1500 * 1000)

struct waiting {
    struct mrc_hub *hub;
    int64_t since_us;
    char nonce[MRC_ASKS_NONCE_MAX + 1];
    struct mrc_buf question;
};

struct mrc_respond {
    apr_thread_t *thread;
    const struct mrc_responder *responder;
    struct mrc_wake wake;
    atomic_bool stopping;
    pthread_mutex_t mutex;

    /* Under the mutex: a ring. */
    struct waiting waiting[WAITING_MAX];
    unsigned first, count;
};

/* ---- the queue --------------------------------------------------------------------------------*/

/* A nonce becomes part of a key, and anybody who can write to the engine may have chosen it. */
static bool is_nonce(struct mrc_bytes nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        char c = nonce.ptr[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
    }
    return nonce.len > 0 && nonce.len <= MRC_ASKS_NONCE_MAX;
}

void mrc_respond_post(struct mrc_respond *respond, struct mrc_hub *hub, const struct mrc_ask *ask)
{
    struct waiting *waiting;

    if (!is_nonce(ask->nonce))
        return;
    pthread_mutex_lock(&respond->mutex);
    if (respond->count < WAITING_MAX) {
        waiting = &respond->waiting[(respond->first + respond->count++) % WAITING_MAX];
        *waiting = (struct waiting){.hub = hub, .since_us = mrc_clock_us()};
        memcpy(waiting->nonce, ask->nonce.ptr, ask->nonce.len);
        mrc_buf_init(&waiting->question, MRC_ASKS_QUESTION_MAX);
        mrc_buf_add_bytes(&waiting->question, ask->question);
    }
    pthread_mutex_unlock(&respond->mutex);
    mrc_wake_post(&respond->wake);
}

/* The caller frees the question. False: none waits. */
static bool take(struct mrc_respond *respond, struct waiting *ret_waiting)
{
    bool has_one;

    pthread_mutex_lock(&respond->mutex);
    has_one = respond->count > 0;
    if (has_one) {
        *ret_waiting = respond->waiting[respond->first];
        respond->first = (respond->first + 1) % WAITING_MAX;
        respond->count--;
    }
    pthread_mutex_unlock(&respond->mutex);
    return has_one;
}

/* ---- the thread -------------------------------------------------------------------------------*/

static void answer(const struct mrc_respond *respond, const struct waiting *waiting)
{
    struct mrc_buf text;

    if (mrc_buf_error(&waiting->question) || mrc_clock_us() - waiting->since_us > AGE_MAX_US)
        return;
    mrc_buf_init(&text, MRC_ASKS_ANSWER_MAX);
    if (respond->responder->fn(respond->responder->ctx, waiting->hub,
                               mrc_buf_bytes(&waiting->question), &text) &&
        !mrc_buf_error(&text))
        mrc_query_answer(mrc_hub_get_query(waiting->hub), waiting->nonce, mrc_buf_bytes(&text));
    mrc_buf_free(&text);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_respond *respond = arg;
    struct waiting waiting;

    while (!atomic_load(&respond->stopping)) {
        mrc_wake_wait(&respond->wake, -1);
        while (take(respond, &waiting)) {
            if (!atomic_load(&respond->stopping))
                answer(respond, &waiting);
            mrc_buf_free(&waiting.question);
        }
    }
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------*/

apr_status_t mrc_respond_start(apr_pool_t *pool, const struct mrc_responder *responder,
                               struct mrc_respond **ret_respond)
{
    struct mrc_respond *respond = apr_pcalloc(pool, sizeof(*respond));
    apr_status_t status = mrc_wake_open(&respond->wake, pool);

    if (status != APR_SUCCESS)
        return status;
    respond->responder = responder;
    pthread_mutex_init(&respond->mutex, NULL);
    status = mrc_thread_start(pool, run, respond, &respond->thread);
    if (status == APR_SUCCESS)
        *ret_respond = respond;
    return status;
}

void mrc_respond_post_stop(struct mrc_respond *respond)
{
    if (!respond)
        return;
    atomic_store(&respond->stopping, true);
    mrc_wake_post(&respond->wake);
}

bool mrc_respond_join(struct mrc_respond *respond, int64_t until_us)
{
    return !respond || mrc_thread_join(respond->thread, until_us);
}
