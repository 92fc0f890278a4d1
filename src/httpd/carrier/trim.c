#include "httpd/carrier/trim.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util_filter.h"

#include "httpd/base/free_nodes.h"
#include "httpd/carrier/filters.h"

#define HEAD_FILTER "MERCURE_HEAD"
#define KEEP_FILTER "MERCURE_KEEP"

/*
 * The network filter sets fewer bytes aside, and tries to send them only when it is called again.
 */
#define NETWORK_BYTES 4096

/* ---- the head in one piece --------------------------------------------------------------------*/

static apr_bucket *first_metadata(apr_bucket_brigade *brigade)
{
    apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);

    while (bucket != APR_BRIGADE_SENTINEL(brigade) && !APR_BUCKET_IS_METADATA(bucket))
        bucket = APR_BUCKET_NEXT(bucket);
    return bucket;
}

/* A filter that sets data aside until the first metadata bucket, then removes itself and passes
 * everything on in one bucket. */
static apr_status_t gather(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    apr_bucket_brigade *gathered = filter->ctx, *rest;
    apr_pool_t *pool = filter->r->pool;
    apr_bucket *last = first_metadata(brigade);
    apr_status_t status;
    apr_size_t len;
    char *bytes;

    if (last == APR_BRIGADE_SENTINEL(brigade))
        return ap_save_brigade(filter, &gathered, &brigade, pool);
    ap_remove_output_filter(filter);
    rest = apr_brigade_split(brigade, last);
    APR_BRIGADE_CONCAT(gathered, brigade);
    status = apr_brigade_pflatten(gathered, &bytes, &len, pool);
    apr_brigade_cleanup(gathered);
    if (status != APR_SUCCESS)
        return status;
    APR_BRIGADE_INSERT_HEAD(rest, apr_bucket_pool_create(bytes, len, pool, rest->bucket_alloc));
    return ap_pass_brigade(filter->next, rest);
}

/* ---- bytes that are not sent at once ----------------------------------------------------------*/

/* Whether the network filter would copy BUCKET into a node, and free the node soon afterwards. */
static bool is_short_lived(const apr_bucket *bucket)
{
    return APR_BUCKET_IS_TRANSIENT(bucket) && bucket->length > 0 && bucket->length < NETWORK_BYTES;
}

/* Gives BUCKET its own memory. If there is none, BUCKET stays as it is, which works too. */
static void keep(apr_bucket *bucket)
{
    char *bytes = malloc(bucket->length);

    if (!bytes)
        return;
    memcpy(bytes, (const char *)bucket->data + bucket->start, bucket->length);
    apr_bucket_heap_make(bucket, bytes, bucket->length, free);
}

/* A filter that copies small writes before the network filter does. */
static apr_status_t keep_small(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        if (is_short_lived(bucket))
            keep(bucket);
    }
    return ap_pass_brigade(filter->next, brigade);
}

/* ---- the unit's functions ---------------------------------------------------------------------*/

void mrc_trim_before_head(request_rec *r)
{
    conn_rec *c = r->connection;

    mrc_free_nodes_give_back(c);
    ap_add_output_filter(HEAD_FILTER, apr_brigade_create(r->pool, c->bucket_alloc), r, c);
    if (!mrc_filters_can_skip_connection(c))
        ap_add_output_filter(KEEP_FILTER, NULL, NULL, c);
}

void mrc_trim_after_request(conn_rec *c, apr_bucket_brigade *brigade)
{
    /* With mod_ssl, httpd's own buffer was not used for the request. The result does not matter:
     * the dispatcher notices a client that has gone. */
    if (mrc_filters_can_skip_connection(c))
        ap_get_brigade(c->input_filters, brigade, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
    apr_brigade_cleanup(brigade);
}

void mrc_trim_register(void)
{
    ap_register_output_filter(HEAD_FILTER, gather, NULL, AP_FTYPE_CONNECTION - 1);
    ap_register_output_filter(KEEP_FILTER, keep_small, NULL, AP_FTYPE_NETWORK - 1);
}
