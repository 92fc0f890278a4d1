#include "httpd/carrier/stream_head.h"

#include "http_protocol.h"
#include "util_filter.h"

bool mrc_stream_head_send(request_rec *r, enum mrc_end *ret_end)
{
    conn_rec *c = r->connection;
    /* Not ap_rputs(): it would leave a filter behind that every later write passes through. */
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_status_t status;

    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_immortal_create(":\n", 2, c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(c->bucket_alloc));
    status = ap_pass_brigade(r->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    if (status != APR_SUCCESS || c->aborted) {
        *ret_end = APR_STATUS_IS_TIMEUP(status) ? MRC_END_SLOW : MRC_END_CLIENT;
        return false;
    }
    /* Only now: on a connection that it is going to close, httpd sends a head without chunks, and
     * then the client cannot tell the end of the stream from a broken connection. */
    c->keepalive = AP_CONN_CLOSE;
    return true;
}
