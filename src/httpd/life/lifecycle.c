#include "httpd/life/lifecycle.h"

#include <unistd.h>

#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "httpd/base/environment.h"
#include "httpd/base/module.h"
#include "httpd/base/reload.h"
#include "httpd/carrier/mod_http2.h"
#include "httpd/child/start.h"
#include "httpd/child/this_child.h"
#include "httpd/config/check.h"
#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "httpd/config/spec.h"
#include "httpd/config/warnings.h"
#include "httpd/http2/choice.h"
#include "httpd/http2/http2.h"
#include "httpd/life/retained.h"
#include "httpd/log/fields.h"
#include "httpd/operator/respond.h"
#include "httpd/tls/library.h"
#include "httpd/tls/socket_bio.h"
#include "hub/child/child.h"
#include "hub/keys/keeper.h"
#include "hub/transport/transport.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

int mrc_lifecycle_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                               server_rec *main_server)
{
    int status = mrc_hubs_find_all(pconf, ptemp, main_server);

    mrc_spec_fill(pconf, mrc_hubs_hubs(main_server));
    if (mrc_check_hubs(main_server) != OK || mrc_http2_choice_make(ptemp, main_server) != OK)
        status = !OK;
    if (status == OK)
        status = mrc_check_responses(main_server);
    return status == OK ? mrc_check_memory(ptemp, main_server) : status;
}

int mrc_lifecycle_hide_variables(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                                 server_rec *main_server)
{
    mrc_environment_hide(pconf);
    return OK;
}

static void log_sizing(apr_pool_t *ptemp, server_rec *main_server)
{
    const char *tls_problem;

    if (mrc_library_is_shared(ptemp, &tls_problem) || !tls_problem)
        tls_problem = mrc_library_other_module(ptemp);
    mrc_sizing_log(main_server, tls_problem);
}

int mrc_lifecycle_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                              server_rec *main_server)
{
    bool has_hubs = mrc_hubs_hubs(main_server)->nelts > 0;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK; /* httpd reads the configuration a first time, only to check it */
    if (!has_hubs && !mrc_retained_exists())
        return OK; /* without a hub, the module costs nothing */
    if (mrc_retained_update(pconf, ptemp, main_server) != APR_SUCCESS) {
        if (!mrc_reload_is_now())
            return !OK;
        mrc_hubs_give_up(main_server);
        ap_log_error(
            APLOG_MARK, APLOG_ERR, 0, main_server,
            "MRC0226: all hubs refuse all requests with 503, for the reason above: remove it, then "
            "reload httpd. The rest of the server goes on");
    }
    mrc_warnings_log(main_server);
    if (has_hubs) {
        log_sizing(ptemp, main_server);
        mrc_http2_choice_log(ptemp, main_server);
    }
    return OK;
}

/* mod_log_config locks its buffers only in a child for which httpd reports several threads. */
static bool may_log_anywhere(const struct mrc_log_fields *fields)
{
    int threads = 0;

    return !fields->is_buffered ||
           (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) == APR_SUCCESS && threads > 1);
}

/* Before the dispatchers stop. */
static apr_status_t stop_http2(void *data)
{
    struct mrc_this_child *state = data;

    state->has_requests = !mrc_http2_stop(state->http2);
    return APR_SUCCESS;
}

/* After all other cleanups. */
static apr_status_t end_http2(void *data)
{
    const struct mrc_this_child *state = data;

    if (state->pid == getpid() && !mrc_http2_stop(state->http2))
        mrc_start_leave_at_once();
    return APR_SUCCESS;
}

static void start_http2(apr_pool_t *pchild, server_rec *main_server, struct mrc_this_child *state)
{
    apr_status_t status = mrc_http2_start(pchild, main_server, state->child, &state->http2);

    if (status != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_ERR, status, main_server,
                     "MRC0229: this child leaves HTTP/2 to mod_http2, because it could not start "
                     "its own");
}

void mrc_lifecycle_child_init(apr_pool_t *pchild, server_rec *main_server)
{
    struct mrc_memory *memory = mrc_retained_memory();
    struct mrc_this_child *state;
    const char *unused;

    if (!memory || mrc_hubs_hubs(main_server)->nelts == 0 || mrc_hubs_gave_up(main_server))
        return;
    state = apr_pcalloc(pchild, sizeof(*state));
    state->mod_http2 = mrc_mod_http2_create(pchild);
    state->log_fields = mrc_log_fields_find(pchild, ap_conftree);
    state->respond = mrc_operator_respond;
    state->may_log_anywhere = may_log_anywhere(state->log_fields);
    /* TLS connections may be freed after the pool of the child. */
    if (mrc_library_is_shared(pchild, &unused))
        state->socket_bio = mrc_socket_bio_method(apr_pool_parent_get(pchild));
    /* Cleanups run in the opposite order: this one after all others, and the next one once before
     * the dispatchers stop, and once after that. */
    apr_pool_pre_cleanup_register(pchild, state, end_http2);
    mrc_start_child(pchild, main_server, memory, state);
    if (!mrc_this_child_get())
        return;
    start_http2(pchild, main_server, state);
    apr_pool_pre_cleanup_register(pchild, state, stop_http2);
}

void mrc_lifecycle_child_stopping(apr_pool_t *pchild, int graceful)
{
    struct mrc_child *child;

    mrc_start_no_more();
    child = mrc_this_child_get();
    if (!child)
        return;
    if (!graceful)
        mrc_mod_http2_open_again(mrc_this_child_mod_http2());
    mrc_keeper_post_drain(mrc_this_child_keeper());
    mrc_transport_post_drain(mrc_this_child_transport());
    mrc_child_drain(child, graceful != 0);
    if (!graceful)
        mrc_mod_http2_wait(mrc_this_child_mod_http2());
}

int mrc_lifecycle_monitor(apr_pool_t *pool, server_rec *main_server)
{
    struct mrc_memory *memory = mrc_retained_memory();

    if (memory)
        mrc_memory_reclaim(memory);
    return DECLINED;
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
    struct mrc_memory *memory = mrc_retained_memory();

    if (status == MPM_CHILD_EXITED && memory)
        mrc_http2_forget_child(slot);
    /* A child that has lost its slot of the scoreboard (MPM_CHILD_LOST_SLOT) still runs. */
    if (status == MPM_CHILD_EXITED && memory &&
        mrc_control_mark_dead(mrc_memory_control(memory), pid) > 0)
        wake_the_living(memory);
}
