#include "httpd/child/start.h"

#include <stdbool.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_general.h"
#include "http_config.h"
#include "http_log.h"
#include "http_main.h"

#include "core/base/interned.h"
#include "core/token/cache.h"
#include "httpd/base/module.h"
#include "httpd/child/keys.h"
#include "httpd/child/links.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "httpd/config/spec.h"
#include "httpd/htaccess/cache.h"
#include "httpd/htaccess/lookup.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/keys/keeper.h"
#include "hub/stream/waiters.h"
#include "hub/transport/transport.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

/* The number of verified access tokens in the cache of a child. */
#define TOKENS_MAX 10000

void mrc_start_leave_at_once(void)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                 "MRC0240: this child ends without one of its threads, which has been held up for "
                 "seconds, perhaps by a log that is a pipe, or by a request over HTTP/2 that waits "
                 "for another server");
    _exit(0);
}

static apr_status_t stop_child(void *data)
{
    const struct mrc_this_child *state = data;
    bool have_ended;

    if (state->pid != getpid())
        return APR_SUCCESS; /* forked: the child goes on, and has the threads */
    mrc_waiter_close(state->forked_waiter);
    have_ended = mrc_keeper_stop(state->keeper);
    have_ended &= mrc_child_stop(state->child);
    have_ended &= mrc_transport_stop(state->transport); /* after the last updates of the child */
    have_ended &= mrc_jobs_stop(state->jobs);           /* after the last jobs of the streams */
    if (!have_ended)
        mrc_start_leave_at_once();
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
    apr_status_t status = mrc_keys_open(pchild, main_server, memory, state);

    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    if (status == APR_SUCCESS && mrc_token_cache_create(TOKENS_MAX, &state->tokens) != MRC_OK)
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
    return status;
}

/* Undoes start_parts(), which failed with STATUS. */
static void give_up(server_rec *main_server, struct mrc_memory *memory,
                    struct mrc_this_child *state, apr_status_t status)
{
    if (state->child)
        mrc_child_stop(state->child);
    mrc_transport_stop(state->transport);
    mrc_keeper_stop(state->keeper);
    mrc_jobs_stop(state->jobs);
    mrc_token_cache_free(state->tokens);
    mrc_interned_table_free(state->log_texts);
    mrc_htaccess_cache_free(state->htaccess);
    if (status == APR_ENOSPC)
        ap_log_error(
            APLOG_MARK, APLOG_ERR, 0, main_server,
            "MRC0216: this child serves no hub, because all %u slots for children are taken: too "
            "many old children have not ended yet",
            mrc_control_nslots(mrc_memory_control(memory)));
    else
        ap_log_error(APLOG_MARK, APLOG_ERR, status, main_server,
                     "MRC0217: this child serves no hub, because it could not start its hubs");
}

void mrc_start_child(apr_pool_t *pchild, server_rec *main_server, struct mrc_memory *memory,
                     struct mrc_this_child *state)
{
    const struct mrc_child_watch watch = {
        .on_open = watch_hub,
        .on_problem = report_problem,
        .ctx = (void *)(uintptr_t)mrc_hubs_hubs(main_server),
    };
    apr_status_t status;

    state->pid = getpid();
    state->sizing = mrc_sizing_compute();
    status = start_parts(pchild, main_server, memory, state);
    if (status != APR_SUCCESS) {
        give_up(main_server, memory, state, status);
        return;
    }
    if (mrc_child_problem(state->child))
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server,
                     "MRC0215: this child does not serve a hub whose history cannot be opened: %s",
                     mrc_child_problem(state->child));
    mrc_child_watch(state->child, &watch);
    mrc_this_child_set(state);
    apr_pool_cleanup_register(pchild, NULL, forget_child, apr_pool_cleanup_null);
    apr_pool_pre_cleanup_register(pchild, state, stop_child);
}
