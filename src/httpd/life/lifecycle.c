#include "httpd/life/lifecycle.h"

#include <unistd.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "unixd.h"

#include "core/base/interned.h"
#include "core/token/cache.h"
#include "httpd/base/module.h"
#include "httpd/carrier/mod_http2.h"
#include "httpd/child/this_child.h"
#include "httpd/config/check.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/shape.h"
#include "httpd/config/sizing.h"
#include "httpd/log/fields.h"
#include "hub/child/child.h"
#include "hub/child/jobs.h"
#include "hub/keys/keeper.h"
#include "hub/keys/keyring.h"
#include "store/history/dir.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

/*
 * The state that survives a reload. It lives in the process pool. The module that reads it may be
 * another build than the one that made it, so change the version with every change of the structs
 * behind these pointers, in this process or in shared memory.
 */
#define RETAINED_KEY     "mod_mercure"
#define RETAINED_VERSION 6

struct retained {
    unsigned version;
    struct mrc_memory *memory;
    struct mrc_history_dirs *dirs; /* NULL until a hub has a durable history */
};

/* The number of access tokens whose verdict a child keeps. */
#define TOKENS_MAX 10000

static struct mrc_memory *retained_memory(void)
{
    const struct retained *retained = ap_retained_data_get(RETAINED_KEY);

    return retained && retained->version == RETAINED_VERSION ? retained->memory : NULL;
}

/* ---- the module comes and goes ----------------------------------------------------------------*/

static apr_status_t when_server_ends(void *unused)
{
    const struct retained *retained = ap_retained_data_get(RETAINED_KEY);

    mrc_memory_close(retained_memory());
    if (retained && retained->version == RETAINED_VERSION)
        mrc_history_dirs_close(retained->dirs);
    return APR_SUCCESS;
}

static apr_status_t when_module_leaves(void *unused)
{
    apr_pool_cleanup_kill(ap_pglobal, NULL, when_server_ends);
    return APR_SUCCESS;
}

/*
 * The cleanup runs before the subpools of the process pool are destroyed, because the hubs live in
 * them. A reload unloads the module and loads it again, perhaps at another address, so the cleanup
 * leaves with the module. It cannot wait until the new configuration has been read: if that is
 * wrong, the server ends.
 */
void mrc_lifecycle_register(apr_pool_t *pconf)
{
    apr_pool_pre_cleanup_register(ap_pglobal, NULL, when_server_ends);
    apr_pool_cleanup_register(pconf, NULL, when_module_leaves, apr_pool_cleanup_null);
}

/* ---- the configuration ------------------------------------------------------------------------*/

int mrc_lifecycle_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *main_server)
{
    int status = mrc_hubs_find_all(pconf, ptemp, main_server);

    mrc_shape_fill(pconf, mrc_hubs_hubs(main_server));
    if (mrc_check_hubs(main_server) != OK)
        status = !OK;
    return status == OK ? mrc_check_memory(ptemp, main_server) : status;
}

static int has_key(const apr_array_header_t *keys, const struct mrc_keyset *key)
{
    for (int i = 0; keys && i < keys->nelts; i++) {
        if (APR_ARRAY_IDX(keys, i, const struct mrc_key_row *)->keys == key)
            return 1;
    }
    return 0;
}

/* Logs the weak KEYS, except those that are also among OTHERS and have been logged with them. */
static void warn_of_weak_keys(const struct mrc_location *location, const apr_array_header_t *keys,
                              const apr_array_header_t *others)
{
    for (int i = 0; keys && i < keys->nelts; i++) {
        const struct mrc_keyset *key = APR_ARRAY_IDX(keys, i, const struct mrc_key_row *)->keys;
        const char *warning = key ? mrc_keyset_get_warning(key) : NULL;

        if (warning && !has_key(others, key))
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, location->server,
                         "MRC0201: a key of the hub %s for protocol 0.x (%s) is weak: %s",
                         location->hub->label, location->section->where, warning);
    }
}

static void warn_of_hubs(const struct mrc_hub_conf *hub)
{
    for (int i = 0; i < hub->locations->nelts; i++) {
        const struct mrc_location *location =
            APR_ARRAY_IDX(hub->locations, i, struct mrc_location *);
        const struct mrc_settings *settings = location->settings;

        if (settings->playground)
            ap_log_error(
                APLOG_MARK, APLOG_WARNING, 0, location->server,
                "MRC0202: the hub %s is INSECURE: with MercurePlayground On, anybody who reaches "
                "it can read and publish everything. Use it on your own machine only (%s)",
                hub->label, location->section->where);
        if (!settings->publisher_keys && !settings->playground &&
            !(settings->legacy && settings->legacy_publisher_keys))
            ap_log_error(
                APLOG_MARK, APLOG_WARNING, 0, location->server,
                "MRC0203: nobody can publish to the hub %s: it has no MercurePublisherKey (%s)",
                hub->label, location->section->where);
        if (!settings->subscriber_keys && !settings->anonymous && !settings->playground &&
            !(settings->legacy && settings->legacy_subscriber_keys))
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, location->server,
                         "MRC0204: nobody can subscribe to the hub %s: it has neither a "
                         "MercureSubscriberKey nor MercureAnonymous On (%s)",
                         hub->label, location->section->where);
        if (settings->legacy) {
            warn_of_weak_keys(location, settings->legacy_publisher_keys, NULL);
            warn_of_weak_keys(location, settings->legacy_subscriber_keys,
                              settings->legacy_publisher_keys);
        }
    }
}

static void log_hubs(server_rec *main_server, const apr_array_header_t *hubs)
{
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        ap_log_error(APLOG_MARK, APLOG_INFO, 0, main_server,
                     "MRC0205: hub %s: %d Location(s), ring of %" APR_UINT64_T_FMT " bytes",
                     hub->label, hub->locations->nelts, hub->shape.ring_bytes);
        warn_of_hubs(hub);
    }
}

static apr_status_t open_memory(server_rec *main_server, apr_pool_t *ptemp,
                                struct mrc_memory **ret_memory)
{
    struct retained *retained = ap_retained_data_get(RETAINED_KEY);
    struct mrc_error error = {""};
    apr_status_t status;

    *ret_memory = retained_memory();
    if (*ret_memory)
        return APR_SUCCESS;
    if (retained) {
        ap_log_error(
            APLOG_MARK, APLOG_CRIT, 0, main_server,
            "MRC0206: another version of mod_mercure created the shared memory of this server: "
            "stop and start httpd, because a reload is not enough");
        return APR_EINVAL;
    }
    status = mrc_memory_open(main_server->process->pool, ap_runtime_dir_relative(ptemp, ""),
                             mrc_hubs_slots(), &error, ret_memory);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, status, main_server,
                     "MRC0207: cannot create the shared memory of the server: %s", error.text);
        return status;
    }
    retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
    retained->version = RETAINED_VERSION;
    retained->memory = *ret_memory;
    return APR_SUCCESS;
}

static void warn_of_history(void *main_server, const char *text)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, (server_rec *)main_server,
                 "MRC0208: MercureStore lmdb: %s", text);
}

/* Opens and locks the directories of the durable histories. */
static apr_status_t open_dirs(server_rec *main_server, apr_pool_t *ptemp,
                              const apr_array_header_t *hubs)
{
    const struct mrc_history_owner owner = {
        .uid = ap_unixd_config.user_id,
        .gid = ap_unixd_config.group_id,
    };
    struct retained *retained = ap_retained_data_get(RETAINED_KEY);
    const char **names = apr_pcalloc(ptemp, sizeof(*names) * (hubs->nelts + 1));
    struct mrc_error error = {""};
    apr_status_t status;
    size_t n = 0;

    for (int i = 0; i < hubs->nelts; i++) {
        const char *name = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *)->history_dir;

        if (name)
            names[n++] = name;
    }
    if (n == 0 && !retained->dirs)
        return APR_SUCCESS;
    if (!retained->dirs)
        retained->dirs = mrc_history_dirs_create(main_server->process->pool);
    status = mrc_history_dirs_reconcile(retained->dirs, names, n, &owner, warn_of_history,
                                        main_server, &error);
    if (status != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, "MRC0209: MercureStore lmdb: %s",
                     error.text);
    return status;
}

/* Copies the contents of the key files to the shared memory, where children find later versions. */
static apr_status_t share_keys(server_rec *main_server, apr_pool_t *pconf,
                               struct mrc_memory *memory)
{
    struct mrc_key_sources_catalogue *catalogue = mrc_key_sources_catalogue(pconf);
    struct mrc_error error = {""};
    apr_status_t status =
        mrc_memory_set_documents(memory, (const struct mrc_document_spec *)catalogue->specs->elts,
                                 (size_t)catalogue->specs->nelts, &error);

    mrc_key_sources_forget_contents(catalogue);
    if (status != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_CRIT, status, main_server,
                     "MRC0210: cannot share the keys of the hubs with the child processes: %s",
                     error.text);
    return status;
}

int mrc_lifecycle_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                              server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    struct mrc_error error = {""};
    struct mrc_memory *memory;
    struct mrc_sizing sizing;
    apr_status_t status;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK; /* httpd reads the configuration a first time, only to check it */
    if (hubs->nelts == 0 && !ap_retained_data_get(RETAINED_KEY))
        return OK; /* without a hub, the module costs nothing */
    if (open_memory(main_server, ptemp, &memory) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (open_dirs(main_server, ptemp, hubs) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    status = mrc_memory_reconcile(memory, mrc_shape_list(ptemp, hubs), (size_t)hubs->nelts, &error);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, status, main_server,
                     "MRC0211: cannot create the shared memory of the hubs: %s", error.text);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (*error.text)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server, "MRC0212: after this reload, %s",
                     error.text);
    if (share_keys(main_server, pconf, memory) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    log_hubs(main_server, hubs);
    sizing = mrc_sizing_compute(mrc_hubs_slots());
    if (hubs->nelts > 0)
        mrc_sizing_log(main_server, &sizing);
    return OK;
}

/* ---- the children -----------------------------------------------------------------------------*/

static apr_status_t stop_child(void *data)
{
    const struct mrc_this_child *state = data;

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

        served[i].key = hub->key;
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
        .say = log_keys,
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

/* mod_log_config locks its buffers only in a child for which httpd reports several threads. */
static bool may_log_anywhere(const struct mrc_log_fields *fields)
{
    int threads = 0;

    return !fields->is_buffered ||
           (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) == APR_SUCCESS && threads > 1);
}

static apr_status_t create_log_texts(struct mrc_interned_table **ret_texts)
{
    uint64_t key[2];
    apr_status_t status = apr_generate_random_bytes((unsigned char *)key, sizeof(key));

    if (status == APR_SUCCESS && mrc_interned_table_create(key, ret_texts) != MRC_OK)
        status = APR_ENOMEM;
    return status;
}

void mrc_lifecycle_child_init(apr_pool_t *pchild, server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    struct mrc_memory *memory = retained_memory();
    struct mrc_this_child *state;
    int generation = 0;
    apr_status_t status;

    if (!memory || hubs->nelts == 0)
        return;
    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    state = apr_pcalloc(pchild, sizeof(*state));
    state->http2 = mrc_mod_http2_create(pchild);
    state->sizing = mrc_sizing_compute(mrc_hubs_slots());
    state->log_fields = mrc_log_fields_find(pchild, ap_conftree);
    state->may_log_anywhere = may_log_anywhere(state->log_fields);
    status = open_keys(pchild, main_server, memory, state);
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
    if (status == APR_SUCCESS) {
        if (mrc_child_problem(state->child))
            ap_log_error(
                APLOG_MARK, APLOG_ERR, 0, main_server,
                "MRC0215: this child does not serve a hub whose history cannot be opened: %s",
                mrc_child_problem(state->child));
        watch_hubs(state->child, hubs);
        mrc_this_child_set(state);
        apr_pool_pre_cleanup_register(pchild, state, stop_child);
        return;
    }
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

void mrc_lifecycle_child_stopping(apr_pool_t *pchild, int graceful)
{
    struct mrc_child *child = mrc_this_child_get();

    if (!child)
        return;
    if (!graceful)
        mrc_mod_http2_open_again(mrc_this_child_mod_http2());
    mrc_keeper_post_drain(mrc_this_child_keeper());
    mrc_child_drain(child, graceful != 0);
    if (!graceful)
        mrc_mod_http2_wait(mrc_this_child_mod_http2());
}

static void wake_the_living(struct mrc_memory *memory)
{
    struct mrc_control *control = mrc_memory_control(memory);
    struct mrc_control_child child;

    for (unsigned slot = 0; mrc_control_get(control, slot, &child); slot++) {
        if (child.state == MRC_CONTROL_LIVE)
            mrc_notify_wake(mrc_memory_notify(memory), slot);
    }
}

void mrc_lifecycle_child_status(server_rec *server, pid_t pid, ap_generation_t generation, int slot,
                                mpm_child_status status)
{
    struct mrc_memory *memory = retained_memory();

    if (status != MPM_CHILD_STARTED && memory &&
        mrc_control_mark_dead(mrc_memory_control(memory), pid) > 0)
        wake_the_living(memory);
}
