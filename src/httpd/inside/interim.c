#include "httpd/inside/interim.h"

#include "http_request.h"
#include "util_filter.h"

#include "httpd/inside/interim_text.h"

#define FILTER "MERCURE_INTERIM"
#define KEY    "mercure_interim"

/* The filter of one connection, of its pool. */
struct guard {
    ap_filter_t filter;
    request_rec *r; /* while the filter is in the chain; else NULL */
    struct mrc_interim_text text;
};

static apr_status_t leave_chain(void *ctx)
{
    struct guard *guard = ctx;

    guard->r = NULL;
    ap_remove_output_filter(&guard->filter);
    return APR_SUCCESS;
}

static void leave(struct guard *guard)
{
    apr_pool_cleanup_run(guard->r->pool, guard, leave_chain);
}

/* Replaces BUCKET, which has data. */
static apr_status_t rewrite(struct guard *guard, apr_bucket *bucket)
{
    const char *bytes;
    apr_size_t len;
    apr_status_t status = apr_bucket_read(bucket, &bytes, &len, APR_BLOCK_READ);
    char *rest;

    if (status != APR_SUCCESS)
        return status;
    rest = apr_bucket_alloc(len + MRC_INTERIM_TEXT_NAME_LEN, bucket->list);
    len = mrc_interim_text_take(&guard->text, bytes, len, rest);
    APR_BUCKET_INSERT_BEFORE(bucket,
                             apr_bucket_heap_create(rest, len, apr_bucket_free, bucket->list));
    apr_bucket_delete(bucket);
    return APR_SUCCESS;
}

static apr_status_t filter_interim(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    struct guard *guard = filter->ctx;
    apr_bucket *next, *bucket = APR_BRIGADE_FIRST(brigade);
    apr_status_t status;

    for (; guard->r && bucket != APR_BRIGADE_SENTINEL(brigade); bucket = next) {
        next = APR_BUCKET_NEXT(bucket);
        if (AP_BUCKET_IS_EOR(bucket)) {
            leave(guard);
        } else if (!APR_BUCKET_IS_METADATA(bucket)) {
            status = rewrite(guard, bucket);
            if (status != APR_SUCCESS)
                return status;
            if (guard->text.place == MRC_INTERIM_TEXT_RAW)
                leave(guard);
        }
    }
    return ap_pass_brigade(filter->next, brigade);
}

/* Not ap_add_output_filter(), which takes memory of the connection each time. */
static struct guard *guard_of(conn_rec *c)
{
    struct guard *guard;
    void *data = NULL;

    apr_pool_userdata_get(&data, KEY, c->pool);
    if (data)
        return data;
    guard = apr_pcalloc(c->pool, sizeof(*guard));
    guard->filter =
        (ap_filter_t){.frec = ap_get_output_filter_handle(FILTER), .ctx = guard, .c = c};
    apr_pool_userdata_setn(guard, KEY, NULL, c->pool);
    return guard;
}

void mrc_interim_filter(request_rec *r)
{
    struct guard *guard = guard_of(r->connection);

    if (guard->r)
        return;
    guard->r = r;
    guard->text = (struct mrc_interim_text){MRC_INTERIM_TEXT_BETWEEN};
    guard->filter.next = r->connection->output_filters;
    r->connection->output_filters = &guard->filter;
    apr_pool_cleanup_register(r->pool, guard, leave_chain, apr_pool_cleanup_null);
}

void mrc_interim_register(void)
{
    ap_register_output_filter(FILTER, filter_interim, NULL, AP_FTYPE_CONNECTION);
}
