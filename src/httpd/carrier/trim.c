#include "httpd/carrier/trim.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "apr_allocator.h"
#include "mpm_common.h"
#include "util_filter.h"

#include "httpd/carrier/filters.h"

#define HEAD_FILTER "MERCURE_HEAD"
#define KEEP_FILTER "MERCURE_KEEP"

/* The network filter sets fewer bytes aside, and tries to send them only when it is called again.
 */
#define NETWORK_BYTES 4096

/* The sizes of an allocator's nodes. For a wanted size it takes any free node up to twice as large.
 */
#define NODE_BYTES_MIN ((size_t)8 * 1024)
#define NODE_BYTES_MAX ((size_t)128 * 1024)

/* The most free memory of a connection that is given back, if MaxMemFree sets no limit. */
#define FREE_BYTES_MAX ((size_t)2 * 1024 * 1024)

/* In a node that was in use, its user has written to one of the first bytes. */
#define USED_BYTES 32

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

/* ---- free nodes -------------------------------------------------------------------------------*/

/* Whether NODE has been in use: a node from the system is zero, and a freed one is not cleared. */
static bool was_used(const apr_memnode_t *node)
{
    const char *at = node->first_avail;

    for (size_t i = 0; i < USED_BYTES; i++) {
        if (at[i])
            return true;
    }
    return node->ref != NULL;
}

/*
 * Takes the free nodes of at least BYTES out of ALLOCATOR, at most COUNT, and frees them for good.
 * When no free node is left, the allocator gets one from the system, which costs more than anything
 * else here: so the loop ends with the first unused node.
 */
static void drain(apr_allocator_t *allocator, size_t bytes, size_t count)
{
    apr_memnode_t *nodes = NULL;
    bool is_free = true;

    while (is_free && count-- > 0) {
        apr_memnode_t *node = apr_allocator_alloc(allocator, bytes - APR_MEMNODE_T_SIZE);

        if (!node)
            break;
        is_free = was_used(node);
        node->next = nodes;
        nodes = node;
    }
    if (nodes)
        apr_allocator_free(allocator, nodes);
}

/* Gives back the free nodes of C's pools, which keep no free nodes from now on. */
static void drain_all(conn_rec *c)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(c->pool);
    size_t most =
        ap_max_mem_free && ap_max_mem_free < FREE_BYTES_MAX ? ap_max_mem_free : FREE_BYTES_MAX;

    apr_allocator_max_free_set(allocator, 1); /* less than a node; 0 would mean no limit */
    drain(allocator, NODE_BYTES_MIN, most / NODE_BYTES_MIN);
    if (c->keepalives == 0)
        return; /* this is its first request, so it has no large free node */
    for (size_t bytes = 2 * NODE_BYTES_MIN; bytes <= NODE_BYTES_MAX; bytes *= 2)
        drain(allocator, bytes, most / bytes);
}

/* ---- the unit's functions ---------------------------------------------------------------------*/

void mrc_trim_before_head(request_rec *r)
{
    conn_rec *c = r->connection;

    drain_all(c);
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
