#include "httpd/child/start.h"

#include <unistd.h>

#include "ap_mpm.h"
#include "apr_general.h"
#include "http_config.h"
#include "http_log.h"
#include "http_main.h"

#include "core/base/interned.h"
#include "core/token/cache.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/sizing.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/hub/hub.h"
#include "hub/keys/keeper.h"
#include "hub/keys/keyring.h"
#include "hub/stream/waiters.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

/* The number of access tokens whose verdict a child keeps. */
#define TOKENS_MAX 10000

static apr_status_t stop_child(void *data)
{
    const struct mrc_this_child *state = data;

    if (state->pid != getpid())
        return APR_SUCCESS; /* forked: the child goes on, and has the threads */
    mrc_waiter_close(state->forked_waiter);
    mrc_keeper_stop(state->keeper);
    mrc_child_stop(state->child);
    mrc_jobs_stop(state->jobs); /* after the last jobs of the streams */
    return APR_SUCCESS;
}

static struct mrc_hub_policy policy_of(const struct mrc_hub_conf *hub)
{
    const struct mrc_settings *settings = hub->settings;

    return (struct mrc_hub_policy){
        .heartbeat_us = settings->heartbeat_s * APR_USEC_PER_SEC,
        .lifetime_us = settings->lifetime_s * APR_USEC_PER_SEC,
        .dispatch_timeout_us = settings->dispatch_timeout_s * APR_USEC_PER_SEC,
        .backlog_bytes = (size_t)settings->backlog_bytes,
        .subscribers_max = (uint64_t)settings->max_subscribers,
        .patterns_max = (uint64_t)settings->limit_patterns,
        .pattern_bytes_max = (uint64_t)settings->limit_compiled_bytes,
        .per_address_max = (uint64_t)settings->max_per_address,
        .per_token_max = (uint64_t)settings->max_per_token,
        .history_dir = hub->history_dir,
        .history_sync = (enum mrc_history_sync)settings->store_sync,
    };
}

static struct mrc_child_hub *process_hubs(apr_pool_t *pool, const apr_array_header_t *hubs)
{
    struct mrc_child_hub *served = apr_pcalloc(pool, sizeof(*served) * (hubs->nelts + 1));

    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        served[i].key = hub->is_down ? "" : hub->key; /* "": of no hub */
        served[i].policy = policy_of(hub);
        served[i].policy.paths = (const char *const *)hub->url_paths->elts;
        served[i].policy.paths_count = (size_t)hub->url_paths->nelts;
    }
    return served;
}

static void tell_unreadable(void *hub, uint64_t seq)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                 "MRC0213: hub %s: the update number %" APR_UINT64_T_FMT
                 " of its history cannot be read: another version of the module wrote it, or the "
                 "history is damaged. The hub skips this update and others like it",
                 ((const struct mrc_hub_conf *)hub)->label, seq);
}

static void watch_hubs(struct mrc_child *process, const apr_array_header_t *hubs)
{
    for (int i = 0; i < hubs->nelts; i++) {
        struct mrc_hub *hub = mrc_child_hub(process, (size_t)i);

        if (hub)
            mrc_hub_on_unreadable(hub, tell_unreadable, APR_ARRAY_IDX(hubs, i, void *));
    }
}

static void log_keys(void *server, enum mrc_keeper_level level, const char *text)
{
    ap_log_error(APLOG_MARK, level == MRC_KEEPER_WARNING ? APLOG_WARNING : APLOG_NOTICE, 0, server,
                 "MRC0214: %s", text);
}

/* Opens the keys of this child, and starts the thread that updates them if some may change. */
static apr_status_t open_keys(apr_pool_t *pchild, server_rec *main_server,
                              struct mrc_memory *memory, struct mrc_this_child *state)
{
    const struct mrc_key_sources_catalogue *catalogue =
        mrc_key_sources_catalogue(main_server->process->pconf);
    struct mrc_keeper_args args = {
        .sources = (const struct mrc_key_source *)catalogue->sources->elts,
        .count = (size_t)catalogue->sources->nelts,
        .ca_file = mrc_hubs_jwks_ca_file(main_server),
        .report = log_keys,
        .ctx = main_server,
    };
    apr_status_t status = mrc_keyring_create(
        pchild, (const struct mrc_key_row *const *)catalogue->rows->elts,
        (size_t)catalogue->rows->nelts, mrc_memory_documents(memory), &state->keyring);

    if (status != APR_SUCCESS || args.count == 0)
        return status;
    args.keyring = state->keyring;
    return mrc_keeper_start(pchild, &args, &state->keeper);
}

static apr_status_t create_log_texts(struct mrc_interned_table **ret_texts)
{
    uint64_t key[2];
    apr_status_t status = apr_generate_random_bytes((unsigned char *)key, sizeof(key));

    if (status == APR_SUCCESS && mrc_interned_table_create(key, ret_texts) != MRC_OK)
        status = APR_ENOMEM;
    return status;
}

/* Starts the parts of STATE, in the order in which they depend on each other. */
static apr_status_t start_parts(apr_pool_t *pchild, server_rec *main_server,
                                struct mrc_memory *memory, struct mrc_this_child *state)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    int generation = 0;
    apr_status_t status = open_keys(pchild, main_server, memory, state);

    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    if (status == APR_SUCCESS && mrc_token_cache_create(TOKENS_MAX, &state->tokens) != MRC_OK)
        status = APR_ENOMEM;
    if (status == APR_SUCCESS)
        status = create_log_texts(&state->log_texts);
    if (status == APR_SUCCESS)
        status = mrc_jobs_start(pchild, &state->jobs);
    if (status == APR_SUCCESS)
        status = mrc_child_start(pchild, memory, process_hubs(pchild, hubs), (size_t)hubs->nelts,
                                 mrc_hubs_dispatchers(main_server), getpid(), (uint64_t)generation,
                                 &state->child);
    if (status == APR_SUCCESS && mrc_sizing_forks())
        status = mrc_waiter_open(mrc_child_waiters(state->child), &state->forked_waiter);
    return status;
}

/* Undoes start_parts(), which failed with STATUS. */
static void give_up(server_rec *main_server, struct mrc_memory *memory,
                    struct mrc_this_child *state, apr_status_t status)
{
    if (state->child)
        mrc_child_stop(state->child);
    mrc_keeper_stop(state->keeper);
    mrc_jobs_stop(state->jobs);
    mrc_token_cache_free(state->tokens);
    mrc_interned_table_free(state->log_texts);
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
    watch_hubs(state->child, mrc_hubs_hubs(main_server));
    mrc_this_child_set(state);
    apr_pool_pre_cleanup_register(pchild, state, stop_child);
}
