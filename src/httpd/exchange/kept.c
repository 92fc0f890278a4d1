#include "httpd/exchange/kept.h"

#include "httpd/exchange/exchange.h"
#include "httpd/exchange/network.h"
#include "httpd/exchange/scoreboard.h"
#include "httpd/exchange/workers.h"

/* In its own pool. */
struct mrc_kept {
    struct mrc_exchange_job job; /* the first member */
    struct mrc_network *network;
    conn_rec *c;
    apr_pool_t *pool;
};

/* Ends the request. WORKER is NULL in a thread that is not a worker. */
static void end(struct mrc_kept *kept, struct mrc_exchange_worker *worker)
{
    struct mrc_exchange *exchange = kept->network->exchange;
    conn_rec *c = kept->c;

    c->current_thread = worker ? worker->thread : NULL;
    c->aborted = !exchange->is_whole;
    if (worker)
        mrc_scoreboard_enter(c, exchange->origin, worker);
    mrc_network_end_request(kept->network, c);
    apr_pool_destroy(kept->pool);
    if (worker)
        mrc_scoreboard_rest(worker);
    mrc_exchange_free_request(exchange);
    mrc_exchange_unref(exchange);
}

static void run(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker)
{
    struct mrc_kept *kept = (struct mrc_kept *)job;
    struct mrc_exchange_origin *origin = kept->network->exchange->origin;

    end(kept, worker);
    origin->job_ended(origin);
}

bool mrc_kept_begin(struct mrc_network *network, conn_rec *c, struct mrc_exchange_worker *worker)
{
    struct mrc_exchange *exchange = network->exchange;
    struct mrc_kept *kept = apr_pcalloc(worker->pool, sizeof(*kept));
    apr_pool_t *pool = mrc_exchange_worker_take_pool(worker);
    bool ok;

    if (!pool)
        return false;
    *kept = (struct mrc_kept){.job = {.run = run}, .network = network, .c = c, .pool = pool};
    pthread_mutex_lock(&exchange->lock);
    ok = !exchange->is_closed;
    if (ok) {
        exchange->kept = kept;
        exchange->origin->job_begins(exchange->origin);
        mrc_exchange_ref(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
    if (!ok) {
        c->aborted = !exchange->is_whole;
        apr_pool_destroy(worker->pool);
        worker->pool = pool;
    }
    return ok;
}

struct mrc_exchange_job *mrc_kept_take(struct mrc_exchange *exchange)
{
    struct mrc_kept *kept;

    pthread_mutex_lock(&exchange->lock);
    kept = exchange->kept;
    exchange->kept = NULL;
    pthread_mutex_unlock(&exchange->lock);
    return kept ? &kept->job : NULL;
}

void mrc_kept_end(struct mrc_exchange_job *job)
{
    end((struct mrc_kept *)job, NULL);
}
