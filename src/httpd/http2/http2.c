#include "httpd/http2/http2.h"

#include <sys/resource.h>

#include <nghttp2/nghttp2.h>

#include "http_connection.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"

#include "httpd/config/hubs.h"
#include "httpd/config/sizing.h"
#include "httpd/exchange/scoreboard.h"
#include "httpd/exchange/secondary.h"
#include "httpd/exchange/workers.h"
#include "httpd/http2/attach.h"
#include "httpd/http2/child.h"
#include "httpd/http2/connect.h"
#include "httpd/http2/functions.h"
#include "httpd/http2/input.h"
#include "httpd/http2/output.h"
#include "httpd/http2/session.h"
#include "httpd/tls/ssl.h"
#include "hub/base/heap.h"
#include "hub/child/child.h"

/* The first type of frame that is not in RFC 9113. */
#define EXTENSION_TYPES 10

/* Responses hold at most this many files, and at most this part of the descriptors: the request for
 * a file has a descriptor, too (exchange/kept.h). */
#define FILES_MAX  4096
#define FILES_PART 8

/* The wait for requests at the end of a child, and for those that wait for no client. */
#define STOP_MS       2500
#define STOP_AGAIN_MS 500

bool mrc_http2_is_built(void)
{
    return true;
}

void mrc_http2_register(void)
{
    static const char *const before_us[] = {"mod_ssl.c", "mod_reqtimeout.c", NULL};
    static const char *const after_us[] = {"mod_http2.c", NULL};
    static const char *const after_remoteip[] = {"mod_remoteip.c", NULL};

    mrc_secondary_register();
    ap_hook_post_config(mrc_http2_functions_post_config, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_protocol_propose(mrc_http2_connect_propose, NULL, after_us, APR_HOOK_FIRST);
    ap_hook_protocol_switch(mrc_http2_connect_switch, NULL, after_us, APR_HOOK_FIRST);
    ap_hook_protocol_get(mrc_http2_connect_protocol, NULL, after_us, APR_HOOK_FIRST);
    ap_hook_process_connection(mrc_http2_connect_process, before_us, after_us, APR_HOOK_MIDDLE);
    ap_hook_suspend_connection(mrc_http2_connect_suspend, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_post_read_request(mrc_secondary_post_read_request, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(mrc_secondary_own_address, after_remoteip, NULL, APR_HOOK_FIRST);
    ap_hook_insert_filter(mrc_secondary_insert_filter, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(mrc_secondary_insert_filter, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_fixups(mrc_secondary_fixups, NULL, NULL, APR_HOOK_MIDDLE);
}

/* ---- the child --------------------------------------------------------------------------------*/

static apr_status_t free_objects(void *data)
{
    struct mrc_http2_child *http2 = data;

    nghttp2_session_callbacks_del(http2->callbacks);
    nghttp2_option_del(http2->options);
    return APR_SUCCESS;
}

static apr_status_t free_output_method(void *method)
{
    mrc_ssl_output_method_free(method);
    return APR_SUCCESS;
}

/* The connections of sessions that are left over when the child ends are freed after POOL, and use
 * the method then. */
static bool make_output_method(apr_pool_t *pool, struct mrc_http2_child *http2)
{
    http2->output_method = mrc_ssl_output_method_create();
    if (http2->output_method)
        apr_pool_cleanup_register(apr_pool_parent_get(pool), http2->output_method,
                                  free_output_method, apr_pool_cleanup_null);
    return http2->output_method != NULL;
}

static apr_status_t make_objects(apr_pool_t *pool, struct mrc_http2_child *http2)
{
    apr_pool_cleanup_register(pool, http2, free_objects, apr_pool_cleanup_null);
    if (!make_output_method(pool, http2) || nghttp2_session_callbacks_new(&http2->callbacks) != 0 ||
        nghttp2_option_new(&http2->options) != 0)
        return APR_ENOMEM;
    mrc_http2_input_set_callbacks(http2->callbacks);
    mrc_http2_output_set_callbacks(http2->callbacks);
    /* Windows open when workers have read. */
    nghttp2_option_set_no_auto_window_update(http2->options, 1);
    nghttp2_option_set_no_closed_streams(http2->options, 1);
    nghttp2_option_set_max_send_header_block_length(http2->options, MRC_EXCHANGE_BLOCK_BYTES_MAX);
    nghttp2_option_set_builtin_recv_extension_type(http2->options, NGHTTP2_PRIORITY_UPDATE);
    for (unsigned type = EXTENSION_TYPES; type <= UINT8_MAX; type++) {
        if (type != NGHTTP2_PRIORITY_UPDATE) /* nghttp2 reports only frames of registered types */
            nghttp2_option_set_user_recv_extension_type(http2->options, (uint8_t)type);
    }
    /* White space around values is removed, as httpd does for HTTP/1.1. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(http2->options, 1);
    return APR_SUCCESS;
}

/* The files of which responses may hold descriptors: a part of those that the child may have. */
static unsigned files_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    return limit.rlim_cur / FILES_PART < FILES_MAX ? (unsigned)(limit.rlim_cur / FILES_PART)
                                                   : FILES_MAX;
}

apr_status_t mrc_http2_start(apr_pool_t *pool, server_rec *main_server, struct mrc_child *child,
                             struct mrc_http2_child **ret_http2)
{
    struct mrc_http2_child *http2;
    apr_socket_t *socket;
    apr_status_t status;

    *ret_http2 = NULL;
    if (!mrc_hubs_any_speaks_http2(main_server))
        return APR_SUCCESS;
    mrc_heap_keep_bursts();
    http2 = apr_pcalloc(pool, sizeof(*http2));
    http2->dispatcher = mrc_child_dispatcher(child);
    http2->files.max = files_max();
    /* Streams get half of the connections of a child (sizing.h), and this is three quarters. */
    http2->sessions_crowd = mrc_sizing_compute().suspended_per_child * 3 / 2;
    status = apr_socket_create(&socket, APR_INET, SOCK_STREAM, APR_PROTO_TCP, pool);
    http2->socket = socket;
    if (status == APR_SUCCESS)
        status = make_objects(pool, http2);
    if (status == APR_SUCCESS)
        status =
            mrc_exchange_workers_create(pool, mrc_http2_functions_workers_max(), &http2->workers);
    if (status == APR_SUCCESS)
        *ret_http2 = http2;
    return status;
}

bool mrc_http2_stop(struct mrc_http2_child *http2)
{
    int wait_ms = http2 && http2->is_stopping ? STOP_AGAIN_MS : STOP_MS;

    if (!http2)
        return true;
    http2->is_stopping = true;
    return mrc_exchange_workers_stop(http2->workers, wait_ms);
}

void mrc_http2_forget_child(int slot)
{
    mrc_scoreboard_forget_child(slot);
}

/* ---- streams ----------------------------------------------------------------------------------*/

bool mrc_http2_carries(const request_rec *r)
{
    return mrc_secondary_exchange(r->connection) != NULL;
}

bool mrc_http2_hold(request_rec *r, unsigned per_child)
{
    return mrc_http2_attach_hold(r, per_child);
}

int mrc_http2_start_stream(request_rec *r, struct mrc_subscriber *subscriber)
{
    return mrc_http2_attach_start(r, subscriber);
}
