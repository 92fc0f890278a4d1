#include "httpd/carrier/nonblocking.h"

#include "util_filter.h"

#include "httpd/carrier/filters.h"

/* ---- the bucket of no bytes -------------------------------------------------------------------*/

static apr_status_t read_nothing(apr_bucket *bucket, const char **ret_data, apr_size_t *ret_len,
                                 apr_read_type_e block)
{
    *ret_data = NULL;
    *ret_len = 0;
    return APR_SUCCESS;
}

static const apr_bucket_type_t pass_on_type = {
    "MERCURE PASS ON",
    5,
    APR_BUCKET_METADATA,
    apr_bucket_destroy_noop,
    read_nothing,
    apr_bucket_setaside_noop,
    apr_bucket_split_notimpl,
    apr_bucket_simple_copy,
};

static apr_bucket *create_pass_on(apr_bucket_alloc_t *list)
{
    apr_bucket *bucket = apr_bucket_alloc(sizeof(*bucket), list);

    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = list;
    bucket->type = &pass_on_type;
    bucket->data = NULL;
    bucket->start = 0;
    bucket->length = 0;
    return bucket;
}

/* ---- writing ----------------------------------------------------------------------------------*/

enum mrc_carrier_state mrc_nonblocking_flush(conn_rec *c)
{
    ap_filter_t *filter = c->output_filters;

    while (filter->next)
        filter = filter->next;
    if (filter->frec->filter_func.out_func(filter, NULL) != APR_SUCCESS || c->aborted)
        return MRC_CARRIER_GONE;
    return c->data_in_output_filters ? MRC_CARRIER_PENDING : MRC_CARRIER_READY;
}

enum mrc_carrier_state mrc_nonblocking_write_framed(conn_rec *c, apr_bucket_brigade *brigade)
{
    apr_status_t status;

    if (!mrc_filters_can_skip_connection(c))
        APR_BRIGADE_INSERT_TAIL(brigade, create_pass_on(c->bucket_alloc));
    status = ap_pass_brigade(c->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    return status == APR_SUCCESS ? mrc_nonblocking_flush(c) : MRC_CARRIER_GONE;
}

enum mrc_carrier_state mrc_nonblocking_write(request_rec *r, apr_bucket_brigade *brigade)
{
    conn_rec *c = r->connection;
    apr_status_t status = ap_pass_brigade(r->output_filters, brigade);

    apr_brigade_cleanup(brigade);
    if (status != APR_SUCCESS)
        return MRC_CARRIER_GONE;
    return mrc_filters_can_skip_connection(c) ? mrc_nonblocking_flush(c)
                                              : mrc_nonblocking_write_framed(c, brigade);
}
