/*
 * mod_mercure: a Mercure hub inside httpd.
 *
 * This file holds the module record and its hooks, in the order in which they run; nothing else.
 * Each hook is documented where it is declared.
 */
#include "httpd.h"

#include "ap_expr.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_ssl.h"
#include "mpm_common.h"

#include "httpd/answer/body.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/base/tsan.h"
#include "httpd/carrier/mod_http2.h"
#include "httpd/carrier/suspended.h"
#include "httpd/carrier/trim.h"
#include "httpd/child/accepting.h"
#include "httpd/config/directives.h"
#include "httpd/config/hubs.h"
#include "httpd/http2/http2.h"
#include "httpd/inside/api.h"
#include "httpd/inside/lua.h"
#include "httpd/inside/site_response.h"
#include "httpd/life/lifecycle.h"
#include "httpd/life/retained.h"
#include "httpd/log/record.h"
#include "httpd/log/variables.h"
#include "httpd/monitor/health.h"
#include "httpd/monitor/metrics.h"
#include "httpd/monitor/server_status.h"
#include "httpd/publish/stay.h"
#include "httpd/resource/request.h"
#include "httpd/route/claim.h"
#include "httpd/tls/takeover.h"

static void register_hooks(apr_pool_t *pconf)
{
    static const char *const before_us[] = {"core.c", NULL};
    static const char *const after_us[] = {"mod_rewrite.c", "mod_proxy.c",       "mod_alias.c",
                                           "mod_userdir.c", "mod_vhost_alias.c", NULL};
    static const char *const before_variables[] = {"mod_ssl.c", "mod_log_config.c", NULL};
    static const char *const before_ssl[] = {"mod_ssl.c", NULL};
    static const char *const before_http2[] = {"mod_http2.c", NULL};
    static const char *const before_forensic[] = {"mod_log_forensic.c", NULL};

    mrc_tsan_register();
    mrc_retained_register(pconf);
    mrc_request_register(pconf);

    /* The server: the configuration is read, checked and applied; children start and end.
     * check_config asks the MPM for its limits, so it runs after the MPM's own check. */
    ap_hook_pre_config(mrc_log_variables_pre_config, before_variables, NULL, APR_HOOK_LAST);
    ap_hook_check_config(mrc_lifecycle_check_config, before_us, NULL, APR_HOOK_LAST);
    ap_hook_post_config(mrc_lifecycle_hide_variables, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_config(mrc_lifecycle_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(mrc_lifecycle_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(mrc_lifecycle_child_stopping, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_child_status(mrc_lifecycle_child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(mrc_lifecycle_monitor, NULL, NULL, APR_HOOK_MIDDLE);

    /* A section in the page of mod_status, if that module is loaded. */
    mrc_server_status_register();

    /* Filters of streams that stay in httpd. */
    mrc_trim_register();

    /* The filter that catches errors of reading a body. */
    mrc_body_register();

    /* The filter at whose end a thread waits for the next request. */
    mrc_stay_register();

    /* A connection. Its records are made first, because cleanups run in the opposite order. Before
     * it is handed over or closed, the hooks of all other modules have run. */
    mrc_takeover_register();
    ap_hook_pre_connection(mrc_connection_pre_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_pre_connection(mrc_takeover_pre_connection, NULL, NULL, APR_HOOK_REALLY_FIRST + 1);
    ap_hook_pre_close_connection(mrc_connection_pre_close, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_suspend_connection(mrc_accepting_suspend_connection, NULL, NULL, APR_HOOK_LAST);
    ap_hook_suspend_connection(mrc_carrier_suspended_hand_over, NULL, NULL, APR_HOOK_REALLY_LAST);

    /* HTTP/2: its connections, and its requests as httpd sees them. */
    mrc_http2_register();

    /* The variables of mod_ssl in conditions of access logs. */
    ap_hook_expr_lookup(mrc_log_variables_expr_lookup, NULL, before_ssl, APR_HOOK_FIRST);
    ap_hook_ssl_conn_is_ssl(mrc_log_variables_conn_is_ssl, NULL, NULL, APR_HOOK_LAST);

    /* A request. The first hook is for streams over HTTP/2. */
    ap_hook_post_read_request(mrc_mod_http2_post_read_request, NULL, before_http2,
                              APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(mrc_claim_post_read_request, NULL, before_forensic,
                              APR_HOOK_REALLY_FIRST);
    ap_hook_pre_translate_name(mrc_claim_pre_translate_name, NULL, after_us, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(mrc_claim_translate_name, NULL, after_us, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(mrc_claim_map_to_storage, NULL, after_us, APR_HOOK_FIRST);
    ap_hook_type_checker(mrc_claim_type_checker, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(mrc_claim_fixups, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(mrc_request_handler, NULL, after_us, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(mrc_claim_log_transaction, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(mrc_log_record_log_transaction, NULL, NULL, APR_HOOK_REALLY_FIRST);

    /* Functions for other modules, and for the scripts of mod_lua. */
    mrc_api_register();
    mrc_lua_register();
    ap_hook_post_config(mrc_lua_post_config, NULL, NULL, APR_HOOK_MIDDLE);

    /* The responses of other modules. mod_headers adds its filters in the same hooks, earlier,
     * which puts them before this one. */
    mrc_site_response_register();
    ap_hook_insert_filter(mrc_site_response_insert_filter, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_error_filter(mrc_site_response_insert_error_filter, NULL, NULL,
                                APR_HOOK_REALLY_LAST);

    /* SetHandler mercure-metrics, mercure-health. */
    ap_hook_handler(mrc_metrics_handler, NULL, after_us, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(mrc_health_handler, NULL, after_us, APR_HOOK_REALLY_FIRST);
}

/* The only exported symbol; everything else is compiled with hidden visibility. */
#pragma GCC visibility push(default)
AP_DECLARE_MODULE(mercure) = {
    STANDARD20_MODULE_STUFF,  mrc_directives_create_dir,
    mrc_directives_merge_dir, mrc_hubs_create_server,
    mrc_hubs_merge_server,    mrc_directives_commands,
    register_hooks,           0,
};
#pragma GCC visibility pop
