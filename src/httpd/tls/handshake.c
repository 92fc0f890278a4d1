#include "httpd/tls/handshake.h"

#include "apr_buckets.h"
#include "http_connection.h"
#include "util_filter.h"

#define FILTER_NAME "MERCURE_HANDSHAKE"

static apr_status_t pass_and_flush(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    if (APR_BRIGADE_EMPTY(brigade) || !APR_BUCKET_IS_FLUSH(APR_BRIGADE_LAST(brigade)))
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(filter->c->bucket_alloc));
    return ap_pass_brigade(filter->next, brigade);
}

/* After mod_ssl's hook, which shakes hands. */
static int end_handshake(conn_rec *c)
{
    ap_remove_output_filter_byhandle(c->output_filters, FILTER_NAME);
    return DECLINED;
}

void mrc_handshake_register(void)
{
    static const char *const before_us[] = {"mod_ssl.c", NULL};
    static const char *const after_us[] = {"mod_http2.c", NULL};

    ap_register_output_filter(FILTER_NAME, pass_and_flush, NULL, AP_FTYPE_NETWORK - 1);
    ap_hook_process_connection(end_handshake, before_us, after_us, APR_HOOK_MIDDLE);
}

void mrc_handshake_begin(conn_rec *c)
{
    ap_add_output_filter(FILTER_NAME, NULL, NULL, c);
}
