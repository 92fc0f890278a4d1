#include "httpd/carrier/stream_head.h"

#include "apr_strings.h"
#include "http_protocol.h"
#include "util_filter.h"

#include "core/base/buf.h"
#include "hub/subscriber/subscriber.h"

#define FIRST_BYTES_MAX 256

/* The first bytes of the stream, in the pool of R; empty if memory runs out. */
static struct mrc_bytes first_bytes(request_rec *r, const struct mrc_subscriber *subscriber)
{
    struct mrc_bytes text = {"", 0};
    struct mrc_buf buf;

    mrc_buf_init(&buf, FIRST_BYTES_MAX);
    mrc_subscriber_add_first_bytes(subscriber, apr_time_now(), &buf);
    if (!mrc_buf_error(&buf))
        text = (struct mrc_bytes){
            apr_pstrmemdup(r->pool, mrc_buf_bytes(&buf).ptr, mrc_buf_bytes(&buf).len),
            mrc_buf_bytes(&buf).len};
    mrc_buf_free(&buf);
    return text;
}

bool mrc_stream_head_send(request_rec *r, const struct mrc_subscriber *subscriber,
                          enum mrc_end *ret_end)
{
    struct mrc_bytes first = first_bytes(r, subscriber);
    conn_rec *c = r->connection;
    /* Not ap_rputs(): it would leave a filter behind that every later write passes through. */
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, c->bucket_alloc);
    apr_status_t status;

    APR_BRIGADE_INSERT_TAIL(brigade,
                            apr_bucket_pool_create(first.ptr, first.len, r->pool, c->bucket_alloc));
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
