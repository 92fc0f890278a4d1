#include "httpd/child/start.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_allocator.h"
#include "apr_general.h"
#include "apr_thread_mutex.h"
#include "http_config.h"
#include "http_log.h"
#include "http_main.h"

#include "core/base/interned.h"
#include "core/token/cache.h"
#include "httpd/base/module.h"
#include "httpd/base/pool.h"
#include "httpd/child/keys.h"
#include "httpd/child/links.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "httpd/config/spec.h"
#include "httpd/htaccess/cache.h"
#include "httpd/htaccess/lookup.h"
#include "hub/base/thread.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/keys/keeper.h"
#include "hub/stream/waiters.h"
#include "hub/transport/transport.h"
#include "store/base/clock.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

/* The number of verified access tokens in the cache of a child. */
#define TOKENS_MAX 10000

/* The pause between two attempts to start, and between two reports of a failure. */
#define RETRY_US  ((int64_t)1000 * 1000)
#define REPORT_US ((int64_t)60 * 1000 * 1000)

struct mrc_start {
    server_rec *main_server;
    struct mrc_memory *memory;
    struct mrc_this_child *state;
    _Atomic int64_t tried_us; /* when the last attempt began */
    atomic_bool is_ending;    /* the MPM ends the child */
    pthread_mutex_t lock;     /* held during an attempt; guards what is below */
    int64_t reported_us;      /* 0: never */
    bool is_over;             /* there will be no more attempts */
    bool has_thread;          /* a thread of an attempt that failed has not ended */
};

void mrc_start_leave_at_once(void)
{
    ap_log_error(
        APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
        "MRC0240: this child ends although one of its threads has not ended: it has waited "
        "for seconds, perhaps for a log that is a pipe, or for another server that "
        "answers a request over HTTP/2");
    _exit(0);
}

/*
 * Makes sure that no request is starting the child, or will. False: a thread of an attempt has not
 * ended.
 */
static bool end_attempts(struct mrc_start *start)
{
    bool has_thread;

    pthread_mutex_lock(&start->lock);
    start->is_over = true;
    has_thread = start->has_thread;
    pthread_mutex_unlock(&start->lock);
    return !has_thread;
}

static apr_status_t stop_child(void *data)
{
    const struct mrc_this_child *state = data;
    bool have_ended;

    if (state->pid != getpid())
        return APR_SUCCESS; /* forked: the child continues, and has the threads */
    if (!end_attempts(state->start))
        mrc_start_leave_at_once();
    if (!atomic_load(&state->is_started))
        return APR_SUCCESS;
    mrc_waiter_close(state->forked_waiter);
    have_ended = mrc_keeper_stop(state->keeper);
    if (state->has_requests)
        mrc_child_expect_requests(state->child);
    have_ended &= mrc_child_stop(state->child);
    have_ended &= mrc_transport_stop(state->transport); /* after the last updates of the child */
    have_ended &= mrc_jobs_stop(state->jobs);           /* after the last jobs of the streams */
    if (!have_ended)
        mrc_start_leave_at_once();
    if (!state->has_requests) /* they may use it until the process ends */
        mrc_htaccess_cache_free(state->htaccess);
    return APR_SUCCESS;
}

static apr_status_t forget_child(void *unused)
{
    mrc_this_child_set(NULL);
    return APR_SUCCESS;
}

static void report_unreadable(void *hub, uint64_t seq)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                 "MRC0213: hub %s: the update number %" APR_UINT64_T_FMT
                 " of its history cannot be read: another version of the module wrote it, or the "
                 "history is damaged. The hub skips this update and others like it",
                 ((const struct mrc_hub_conf *)hub)->label, seq);
}

static void watch_hub(void *hubs, struct mrc_hub *hub, size_t i)
{
    mrc_hub_on_unreadable(hub, report_unreadable,
                          APR_ARRAY_IDX((const apr_array_header_t *)hubs, i, void *));
}

/* Reports a hub that a request could not open. */
static void report_problem(void *hubs, size_t i, const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                 "MRC0236: hub %s: this child cannot serve it now: %s",
                 APR_ARRAY_IDX((const apr_array_header_t *)hubs, i, struct mrc_hub_conf *)->label,
                 why);
}

static apr_status_t create_log_texts(struct mrc_interned_table **ret_texts)
{
    uint64_t key[2];
    apr_status_t status = apr_generate_random_bytes((unsigned char *)key, sizeof(key));

    if (status == APR_SUCCESS && mrc_interned_table_create(key, ret_texts) != MRC_OK)
        status = APR_ENOMEM;
    return status;
}

/* Whether a hub reads .htaccess files of its sites. */
static bool needs_htaccess(const apr_array_header_t *hubs)
{
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        for (int k = 0; k < hub->locations->nelts; k++) {
            if (APR_ARRAY_IDX(hub->locations, k, struct mrc_location *)
                    ->settings->location.htaccess)
                return true;
        }
    }
    return false;
}

/* Starts the parts of STATE, in the order in which they depend on each other. */
static apr_status_t start_parts(apr_pool_t *pchild, server_rec *main_server,
                                struct mrc_memory *memory, struct mrc_this_child *state)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    int generation = 0;
    apr_status_t status = APR_SUCCESS;

    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    if (mrc_token_cache_create(TOKENS_MAX, &state->tokens) != MRC_OK)
        status = APR_ENOMEM;
    if (status == APR_SUCCESS && needs_htaccess(hubs) &&
        !(state->htaccess = mrc_htaccess_lookup_create()))
        status = APR_ENOMEM;
    if (status == APR_SUCCESS)
        status = create_log_texts(&state->log_texts);
    if (status == APR_SUCCESS)
        status = mrc_jobs_start(pchild, &state->jobs);
    if (status == APR_SUCCESS)
        status = mrc_child_start(pchild, memory, mrc_spec_list(pchild, hubs), (size_t)hubs->nelts,
                                 (unsigned)mrc_hubs_server_settings(main_server)->dispatchers,
                                 getpid(), (uint64_t)generation, &state->child);
    if (status == APR_SUCCESS)
        status = mrc_links_start(pchild, hubs, memory, state);
    if (status == APR_SUCCESS && mrc_sizing_forks())
        status = mrc_waiter_open(mrc_child_waiters(state->child), NULL, &state->forked_waiter);
    /* Last: its thread may fetch a JWK Set, and a name server may keep it from ending. */
    if (status == APR_SUCCESS)
        status = mrc_keys_open(pchild, main_server, memory, state);
    return status;
}

static void report_failure(struct mrc_start *start, apr_status_t status)
{
    int64_t now_us = mrc_clock_us();

    if (start->reported_us && now_us - start->reported_us < REPORT_US)
        return;
    start->reported_us = now_us;
    if (status == APR_ENOSPC)
        ap_log_error(
            APLOG_MARK, APLOG_ERR, 0, start->main_server,
            "MRC0216: this child serves no hub, because all %u slots for children are taken: too "
            "many old children have not ended yet",
            mrc_control_nslots(mrc_memory_control(start->memory)));
    else
        ap_log_error(APLOG_MARK, APLOG_ERR, status, start->main_server,
                     "MRC0217: this child serves no hub, because it could not start its hubs");
}

/* Undoes start_parts(), which failed with STATUS. */
static void give_up(struct mrc_start *start, apr_status_t status)
{
    struct mrc_this_child *state = start->state;
    bool have_ended = status != APR_INCOMPLETE;

    mrc_waiter_close(state->forked_waiter);
    if (state->child)
        have_ended &= mrc_child_stop(state->child);
    have_ended &= mrc_transport_stop(state->transport);
    have_ended &= mrc_keeper_stop(state->keeper);
    have_ended &= mrc_jobs_stop(state->jobs);
    /* A thread that has not ended uses the memory of this attempt. */
    start->has_thread = !have_ended;
    start->is_over |= !have_ended;
    if (have_ended && state->child)
        mrc_child_close(state->child);
    if (have_ended) {
        mrc_token_cache_free(state->tokens);
        mrc_interned_table_free(state->log_texts);
        mrc_htaccess_cache_free(state->htaccess);
    }
    state->forked_waiter = NULL;
    state->child = NULL;
    state->transport = NULL;
    state->keeper = NULL;
    state->keyring = NULL;
    state->jobs = NULL;
    state->tokens = NULL;
    state->log_texts = NULL;
    state->htaccess = NULL;
    report_failure(start, status);
    if (!have_ended)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, start->main_server,
                     "MRC0242: this child serves no hub until it ends, because a thread of its "
                     "start, which failed, has not ended");
}

/* Starts the child, with the memory of POOL. */
static void attempt(struct mrc_start *start, apr_pool_t *pool)
{
    const struct mrc_child_watch watch = {
        .on_open = watch_hub,
        .on_problem = report_problem,
        .ctx = (void *)(uintptr_t)mrc_hubs_hubs(start->main_server),
    };
    struct mrc_this_child *state = start->state;
    apr_status_t status;

    atomic_store(&start->tried_us, mrc_clock_us());
    status = start_parts(pool, start->main_server, start->memory, state);
    if (status != APR_SUCCESS) {
        give_up(start, status);
        return;
    }
    if (mrc_child_problem(state->child))
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, start->main_server,
                     "MRC0215: this child does not serve a hub whose history cannot be opened: %s",
                     mrc_child_problem(state->child));
    mrc_child_watch(state->child, &watch);
    atomic_store(&state->is_started, true);
}

void mrc_start_child(apr_pool_t *pchild, server_rec *main_server, struct mrc_memory *memory,
                     struct mrc_this_child *state)
{
    struct mrc_start *start = apr_pcalloc(pchild, sizeof(*start));

    start->main_server = main_server;
    start->memory = memory;
    start->state = state;
    pthread_mutex_init(&start->lock, NULL);
    state->start = start;
    state->pid = getpid();
    state->sizing = mrc_sizing_compute();
    mrc_this_child_set(state);
    attempt(start, pchild);
    apr_pool_cleanup_register(pchild, NULL, forget_child, apr_pool_cleanup_null);
    apr_pool_pre_cleanup_register(pchild, state, stop_child);
}

/* ---- later ------------------------------------------------------------------------------------*/

/* The child's own pool belongs to its main thread. NULL: out of memory. */
static apr_pool_t *make_pool(void)
{
    apr_allocator_t *allocator;
    apr_thread_mutex_t *mutex;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS)
        return NULL;
    if (mrc_pool_create(&pool, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "mercure_child");
    if (apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, pool) == APR_SUCCESS) {
        apr_allocator_mutex_set(allocator, mutex);
        return pool;
    }
    apr_pool_destroy(pool);
    return NULL;
}

static void try_again(struct mrc_start *start)
{
    apr_pool_t *pool = make_pool();

    if (!pool)
        return;
    attempt(start, pool);
    if (!atomic_load(&start->state->is_started)) {
        if (!start->is_over)
            apr_pool_destroy(pool);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, start->main_server,
                 "MRC0241: this child serves its hubs now");
    if (atomic_load(&start->is_ending)) /* meanwhile: nobody else drains it */
        mrc_child_drain(start->state->child, false);
}

/* Whether the caller may try now: one thread after each pause. */
static bool is_due(struct mrc_start *start)
{
    int64_t before_us = atomic_load(&start->tried_us), now_us = mrc_clock_us();

    return now_us - before_us >= RETRY_US &&
           atomic_compare_exchange_strong(&start->tried_us, &before_us, now_us);
}

void mrc_start_again(void)
{
    struct mrc_start *start = mrc_this_child_start();
    sigset_t mask;

    if (!start || mrc_this_child_get() || start->state->pid != getpid() ||
        atomic_load(&start->is_ending) || !is_due(start))
        return;
    mrc_thread_hold_signals(&mask); /* the end of the child waits for the lock */
    /* An attempt may wait long for a disk, and the other requests do not wait for it. */
    if (pthread_mutex_trylock(&start->lock) == 0) {
        if (!start->is_over && !mrc_this_child_get() && mrc_this_child_is_current())
            try_again(start);
        atomic_store(&start->tried_us, mrc_clock_us());
        pthread_mutex_unlock(&start->lock);
    }
    mrc_thread_let_signals(&mask);
}

void mrc_start_no_more(void)
{
    struct mrc_start *start = mrc_this_child_start();

    if (start)
        atomic_store(&start->is_ending, true);
}
