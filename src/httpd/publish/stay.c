#include "httpd/publish/stay.h"

#include <stdbool.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_request.h"
#include "scoreboard.h"
#include "util_filter.h"

#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/carrier/nonblocking.h"
#include "httpd/child/this_child.h"
#include "httpd/publish/pace.h"
#include "hub/child/child.h"

APLOG_USE_MODULE(mercure);

/* Of a connection over which a publication has come. */
struct mrc_stay {
    struct mrc_pace pace;
    const worker_score *threads; /* of this child; NULL: no thread ever stays */
    int threads_count;
    apr_bucket_brigade *input; /* empty between calls of has_input() */
    bool is_due;               /* the thread should wait at the end of this request */
    bool has_filter;
};

/* The first thread of the child that handles C, in the scoreboard; NULL: it is not there. */
static const worker_score *find_threads(conn_rec *c, int count)
{
    const worker_score *own = ap_get_scoreboard_worker(c->sbh), *first;

    for (int child = 0; own && (first = ap_get_scoreboard_worker_from_indexes(child, 0)); child++) {
        if (own >= first && own < first + count)
            return first;
    }
    return NULL;
}

static struct mrc_stay *create(conn_rec *c)
{
    struct mrc_stay *stay = apr_pcalloc(c->pool, sizeof(*stay));
    int is_async = 0;

    stay->input = apr_brigade_create(c->pool, c->bucket_alloc);
    ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &stay->threads_count);
    if (is_async && c->cs)
        stay->threads = find_threads(c, stay->threads_count);
    mrc_connection_set_stay(c, stay);
    return stay;
}

/* Whether enough threads of the child have nothing to do. The threads change their state in shared
 * memory without a lock; it may be out of date in the next moment anyway. */
static bool may_wait(const struct mrc_stay *stay)
{
    int idle = 0;

    for (int i = 0; i < stay->threads_count; i++) {
        if (__atomic_load_n(&stay->threads[i].status, __ATOMIC_RELAXED) == SERVER_READY &&
            mrc_pace_may_wait(++idle, stay->threads_count))
            return true;
    }
    return false;
}

/* Whether there is something that a wait for the socket would not find: the beginning of the next
 * request, which may be in httpd's memory already, or the end of the input. */
static bool has_input(conn_rec *c, struct mrc_stay *stay)
{
    apr_status_t status =
        ap_get_brigade(c->input_filters, stay->input, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
    bool is_empty = APR_BRIGADE_EMPTY(stay->input);

    apr_brigade_cleanup(stay->input);
    return status == APR_SUCCESS ? !is_empty : !APR_STATUS_IS_EAGAIN(status);
}

static void wait_for_next(conn_rec *c, struct mrc_stay *stay)
{
    apr_os_sock_t fd;
    bool has_come;

    if (c->keepalive != AP_CONN_KEEPALIVE || c->aborted ||
        mrc_child_is_draining(mrc_this_child_get()) || !may_wait(stay) || has_input(c, stay) ||
        apr_os_sock_get(&fd, ap_get_conn_socket(c)) != APR_SUCCESS ||
        mrc_nonblocking_flush(c) != MRC_CARRIER_READY)
        return;
    mrc_pace_note_answer(&stay->pace, apr_time_now());
    has_come = mrc_pace_wait(fd);
    ap_log_cerror(APLOG_MARK, APLOG_TRACE1, 0, c,
                  "MRC0715: a worker thread has waited for the next request of a publisher%s",
                  has_come ? "" : ", which has not come");
}

/* The end of a request is the last bucket of its brigade; of a request that httpd processes without
 * its MPM (c->cs is NULL), nobody waits for more. */
static apr_status_t pass_and_wait(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    bool is_end = !APR_BRIGADE_EMPTY(brigade) && AP_BUCKET_IS_EOR(APR_BRIGADE_LAST(brigade));
    apr_status_t status = ap_pass_brigade(filter->next, brigade);
    struct mrc_stay *stay = filter->ctx;

    if (is_end && stay->is_due) {
        stay->is_due = false;
        if (status == APR_SUCCESS)
            wait_for_next(filter->c, stay);
    }
    return status;
}

void mrc_stay_note(request_rec *r)
{
    conn_rec *c = r->connection;
    struct mrc_stay *stay;

    if (c->master)
        return;
    stay = mrc_connection_get_stay(c);
    if (!stay)
        stay = create(c);
    if (!stay->threads)
        return;
    stay->is_due = mrc_pace_is_quick(&stay->pace, r->request_time);
    mrc_pace_note_answer(&stay->pace, apr_time_now());
    if (stay->is_due && !stay->has_filter) {
        ap_add_output_filter(MRC_STAY_FILTER, stay, NULL, c);
        stay->has_filter = true;
    }
}

void mrc_stay_register(void)
{
    ap_register_output_filter(MRC_STAY_FILTER, pass_and_wait, NULL, AP_FTYPE_CONNECTION);
}
