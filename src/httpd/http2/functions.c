#include "httpd/http2/functions.h"

#include "ap_mpm.h"
#include "apr_optional.h"

#include "httpd/base/connection.h"
#include "httpd/config/hubs.h"
#include "httpd/http2/connect.h"

/* The types are those of mod_http2.h, which is not installed. */
APR_DECLARE_OPTIONAL_FN(int, http2_is_h2, (conn_rec *));
APR_DECLARE_OPTIONAL_FN(void, http2_get_num_workers, (server_rec *, int *, int *));

/* Where mod_http2's own functions are found. */
APR_DECLARE_OPTIONAL_FN(int, mercure_next_http2_is_h2, (conn_rec *));
APR_DECLARE_OPTIONAL_FN(void, mercure_next_http2_get_num_workers, (server_rec *, int *, int *));

unsigned mrc_http2_functions_workers_max(void)
{
    int threads = 0;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    return threads > 1 ? (unsigned)threads * 5 / 2 : 4;
}

static int http2_is_h2(conn_rec *c)
{
    APR_OPTIONAL_FN_TYPE(mercure_next_http2_is_h2) *next =
        APR_RETRIEVE_OPTIONAL_FN(mercure_next_http2_is_h2);

    return mrc_http2_connect_protocol(c) || (next && next(c));
}

static void http2_get_num_workers(server_rec *server, int *ret_min, int *ret_max)
{
    APR_OPTIONAL_FN_TYPE(mercure_next_http2_get_num_workers) *next =
        APR_RETRIEVE_OPTIONAL_FN(mercure_next_http2_get_num_workers);
    int max = (int)mrc_http2_functions_workers_max();

    *ret_min = *ret_max = 0;
    if (next)
        next(server, ret_min, ret_max);
    if (max > *ret_max)
        *ret_max = max;
}

int mrc_http2_functions_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                                    server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(http2_is_h2) *is_h2 = APR_RETRIEVE_OPTIONAL_FN(http2_is_h2);
    APR_OPTIONAL_FN_TYPE(http2_get_num_workers) *get =
        APR_RETRIEVE_OPTIONAL_FN(http2_get_num_workers);

    (void)pconf, (void)plog, (void)ptemp;
    if (!mrc_hubs_any_speaks_http2(main_server))
        return OK;
    if (is_h2)
        apr_dynamic_fn_register("mercure_next_http2_is_h2", (apr_opt_fn_t *)is_h2);
    if (get)
        apr_dynamic_fn_register("mercure_next_http2_get_num_workers", (apr_opt_fn_t *)get);
    APR_REGISTER_OPTIONAL_FN(http2_is_h2);
    APR_REGISTER_OPTIONAL_FN(http2_get_num_workers);
    return OK;
}
