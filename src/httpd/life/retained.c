#include "httpd/life/retained.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_main.h"
#include "unixd.h"

#include "httpd/base/module.h"
#include "httpd/base/reload.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/sizing.h"
#include "httpd/config/spec.h"
#include "httpd/life/upgrade.h"
#include "store/history/dir.h"
#include "store/memory/hub.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

/*
 * The state that survives a reload. It lives in the process pool. Another build of the module may
 * read it later, so the version changes with every change of the structs behind these pointers, in
 * this process or in shared memory; tests/checks/check_retained.py computes the layout from them.
 *
 * Layout: 0a9d2dcf39531a69
 */
#define RETAINED_KEY     "mod_mercure"
#define RETAINED_VERSION 17

struct retained {
    unsigned version;
    struct mrc_memory *memory;
    struct mrc_history_dirs *dirs; /* NULL until a hub has a durable history */
};

struct mrc_memory *mrc_retained_memory(void)
{
    const struct retained *retained = ap_retained_data_get(RETAINED_KEY);

    return retained && retained->version == RETAINED_VERSION ? retained->memory : NULL;
}

bool mrc_retained_exists(void)
{
    return ap_retained_data_get(RETAINED_KEY) != NULL;
}

/* ---- the module comes and goes ----------------------------------------------------------------*/

static apr_status_t when_server_ends(void *unused)
{
    const struct retained *retained = ap_retained_data_get(RETAINED_KEY);

    mrc_memory_close(mrc_retained_memory());
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
 * is removed together with the module. It must be registered before the new configuration is read:
 * if that is wrong, the server ends.
 */
void mrc_retained_register(apr_pool_t *pconf)
{
    apr_pool_pre_cleanup_register(ap_pglobal, NULL, when_server_ends);
    apr_pool_cleanup_register(pconf, NULL, when_module_leaves, apr_pool_cleanup_null);
}

/* ---- a new configuration ----------------------------------------------------------------------*/

static apr_status_t open_memory(server_rec *main_server, apr_pool_t *ptemp,
                                struct mrc_memory **ret_memory)
{
    struct retained *retained = ap_retained_data_get(RETAINED_KEY);
    struct mrc_error error = {""};
    apr_status_t status;

    *ret_memory = mrc_retained_memory();
    if (*ret_memory) {
        /* A generation without the module has not told when its children ended. */
        mrc_control_mark_ended(mrc_memory_control(*ret_memory));
        return APR_SUCCESS;
    }
    if (retained) {
        ap_log_error(
            APLOG_MARK, APLOG_CRIT, 0, main_server,
            "MRC0206: another version of mod_mercure created the shared memory of this server: "
            "stop and start httpd, because a reload is not enough");
        return APR_EINVAL;
    }
    status = mrc_memory_open(main_server->process->pool, ap_runtime_dir_relative(ptemp, ""),
                             mrc_sizing_slots(), &error, ret_memory);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, status, main_server,
                     "MRC0207: the hubs cannot start without their shared memory: %s", error.text);
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

/* Opens and locks the directories of the durable histories. At a reload, a hub whose directory
 * cannot be used is down, and the others continue. */
static apr_status_t open_dirs(server_rec *main_server, apr_pool_t *ptemp,
                              const apr_array_header_t *hubs)
{
    const struct mrc_history_owner owner = {
        .uid = ap_unixd_config.user_id,
        .gid = ap_unixd_config.group_id,
    };
    struct retained *retained = ap_retained_data_get(RETAINED_KEY);
    const char **names = apr_pcalloc(ptemp, sizeof(*names) * (hubs->nelts + 1));
    struct mrc_hub_conf **durable = apr_pcalloc(ptemp, sizeof(*durable) * (hubs->nelts + 1));
    bool *held = apr_pcalloc(ptemp, sizeof(*held) * (hubs->nelts + 1));
    struct mrc_error error = {""};
    apr_status_t status;
    size_t n = 0;

    for (int i = 0; i < hubs->nelts; i++) {
        durable[n] = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);
        names[n] = durable[n]->spec.history_dir;
        if (names[n])
            n++;
    }
    if (!mrc_reload_is_now())
        mrc_upgrade_hubs(ptemp, main_server);
    if (n == 0 && !retained->dirs)
        return APR_SUCCESS;
    if (!retained->dirs)
        retained->dirs = mrc_history_dirs_create(main_server->process->pool);
    status = mrc_history_dirs_reconcile(retained->dirs, names, n, &owner, warn_of_history,
                                        main_server, &error, held);
    if (status == APR_SUCCESS)
        return APR_SUCCESS;
    ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, "MRC0209: MercureStore lmdb: %s",
                 error.text);
    if (!mrc_reload_is_now())
        return status;
    for (size_t i = 0; i < n; i++)
        durable[i]->is_down = !held[i];
    return APR_SUCCESS;
}

static void warn_of_memory(void *main_server, const char *text)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, (server_rec *)main_server,
                 "MRC0212: after this reload, %s", text);
}

/* Gives the hubs the shared memory of their configuration. A hub for which there is no room is
 * down, and the others continue. */
static void open_hubs(server_rec *main_server, apr_pool_t *ptemp, const apr_array_header_t *hubs,
                      struct mrc_memory *memory)
{
    struct mrc_error error = {""};
    apr_status_t status;

    mrc_memory_set_limit(memory, (uint64_t)mrc_hubs_server_settings(main_server)->memory_bytes);
    status = mrc_memory_reconcile(memory, mrc_spec_shapes(ptemp, hubs), (size_t)hubs->nelts,
                                  warn_of_memory, main_server, &error);

    if (status != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server,
                     "MRC0211: a hub has no shared memory: %s", error.text);
    for (int i = 0; i < hubs->nelts; i++) {
        struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        if (!mrc_memory_hub_find(memory, hub->spec.shape.key))
            hub->is_down = true;
    }
}

static void log_hubs_down(server_rec *main_server, const apr_array_header_t *hubs)
{
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, const struct mrc_hub_conf *);

        if (hub->is_down)
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server,
                         "MRC0225: the hub %s refuses all requests with 503, for the reason above: "
                         "remove it, then reload httpd",
                         hub->label);
    }
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
                     "MRC0210: the hubs cannot share their keys with the child processes: %s",
                     error.text);
    return status;
}

apr_status_t mrc_retained_update(apr_pool_t *pconf, apr_pool_t *ptemp, server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    struct mrc_memory *memory;
    apr_status_t status = open_memory(main_server, ptemp, &memory);

    if (status == APR_SUCCESS)
        status = open_dirs(main_server, ptemp, hubs);
    if (status != APR_SUCCESS)
        return status;
    open_hubs(main_server, ptemp, hubs, memory);
    log_hubs_down(main_server, hubs);
    return share_keys(main_server, pconf, memory);
}
