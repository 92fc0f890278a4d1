#include "httpd/exchange/scoreboard.h"

#include <limits.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "scoreboard.h"

#include "httpd/base/connection.h"
#include "httpd/exchange/exchange.h"
#include "httpd/exchange/workers.h"

/* The places of a child that the MPM does not use: from FIRST on, before END. */
struct places {
    int first, end;
};

static struct places free_places(void)
{
    struct places places = {0, 0};

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &places.first);
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &places.end);
    return places;
}

void mrc_scoreboard_note_origin(struct mrc_exchange_origin *origin, conn_rec *c)
{
    const worker_score *score = ap_get_scoreboard_worker(c->sbh);
    struct places places = free_places();
    const worker_score *first;

    origin->sb_child = origin->sb_thread = 0;
    for (int child = 0; (first = ap_get_scoreboard_worker_from_indexes(child, 0)); child++) {
        if (score >= first && score < first + places.end) {
            origin->sb_child = child;
            origin->sb_thread = (int)(score - first);
            return;
        }
    }
}

/* The scoreboard shows the process and the thread of a place. */
static void take(int child, int place)
{
    worker_score *score = ap_get_scoreboard_worker_from_indexes(child, place);

    if (!score || score->status != SERVER_DEAD)
        return;
    score->pid = getpid();
    score->tid = apr_os_thread_current();
    score->generation = ap_get_scoreboard_process(child)->generation;
    score->thread_num = place;
}

static void leave(struct mrc_exchange_worker *worker)
{
    ap_update_child_status_from_indexes(worker->sb_child, worker->sb_place, SERVER_DEAD, NULL);
}

void mrc_scoreboard_enter(conn_rec *c, const struct mrc_exchange_origin *origin,
                          struct mrc_exchange_worker *worker)
{
    struct places places = free_places();
    int place = places.first + (int)worker->number;
    ap_sb_handle_t *handle;

    if (places.first >= places.end) {
        ap_create_sb_handle(&handle, c->pool, origin->sb_child, origin->sb_thread);
        mrc_connection_set_hidden(c);
    } else {
        place = place < places.end ? place : places.end - 1;
        ap_create_sb_handle(&handle, c->pool, origin->sb_child, place);
        take(origin->sb_child, place);
        worker->sb_child = origin->sb_child;
        worker->sb_place = place;
        worker->leave = leave;
    }
    c->sbh = handle;
}

/*
 * The event MPM numbers a client's connection after the thread that has accepted it, of all threads
 * that the server may have. The jobs of all children take turns with the numbers above those; where
 * a long has 32 bits, they begin again when none is left. A power of two of them is used, so that
 * neighbours have different numbers also where JOB begins again.
 */
long mrc_scoreboard_connection_id(int child, unsigned job)
{
    int children = 1, threads = 1;
    unsigned long first, most, jobs = 1;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &children);
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &threads);
    first = (unsigned long)children * (unsigned long)threads;
    most = ((unsigned long)LONG_MAX - first) / (unsigned long)children;
    while (jobs <= most / 2)
        jobs *= 2;
    return (long)(first + job % jobs * (unsigned long)children + (unsigned long)child);
}

void mrc_scoreboard_show(request_rec *r)
{
    if (!mrc_connection_is_hidden(r->connection))
        ap_update_child_status(r->connection->sbh, SERVER_BUSY_WRITE, r);
}

void mrc_scoreboard_rest(const struct mrc_exchange_worker *worker)
{
    if (worker->leave)
        ap_update_child_status_from_indexes(worker->sb_child, worker->sb_place, SERVER_READY, NULL);
}

void mrc_scoreboard_forget_child(int slot)
{
    struct places places = free_places();

    for (int place = places.first; slot >= 0 && place < places.end; place++) {
        const worker_score *score = ap_get_scoreboard_worker_from_indexes(slot, place);

        if (score && score->status != SERVER_DEAD)
            ap_update_child_status_from_indexes(slot, place, SERVER_DEAD, NULL);
    }
}
