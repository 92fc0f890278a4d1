#include "httpd/carrier/event_bucket.h"

#include "hub/base/event.h"

static void event_destroy(void *event)
{
    mrc_event_unref(event);
}

static apr_status_t event_read(apr_bucket *bucket, const char **ret_data, apr_size_t *ret_len,
                               apr_read_type_e block)
{
    *ret_data = mrc_event_chunk(bucket->data).ptr + bucket->start;
    *ret_len = bucket->length;
    return APR_SUCCESS;
}

static apr_status_t event_copy(apr_bucket *bucket, apr_bucket **ret_copy)
{
    apr_status_t status = apr_bucket_simple_copy(bucket, ret_copy);

    if (status == APR_SUCCESS)
        mrc_event_ref(bucket->data);
    return status;
}

static apr_status_t event_split(apr_bucket *bucket, apr_size_t point)
{
    apr_status_t status = apr_bucket_simple_split(bucket, point);

    if (status == APR_SUCCESS)
        mrc_event_ref(bucket->data);
    return status;
}

static const apr_bucket_type_t event_type = {
    "MERCURE EVENT",          5,           APR_BUCKET_DATA, event_destroy, event_read,
    apr_bucket_setaside_noop, event_split, event_copy,
};

/* Appends LEN bytes of EVENT's chunk, from START on. */
static void append(apr_bucket_brigade *brigade, struct mrc_event *event, size_t start, size_t len)
{
    apr_bucket *bucket = apr_bucket_alloc(sizeof(*bucket), brigade->bucket_alloc);

    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = brigade->bucket_alloc;
    bucket->type = &event_type;
    bucket->data = mrc_event_ref(event);
    bucket->start = (apr_off_t)start;
    bucket->length = len;
    APR_BRIGADE_INSERT_TAIL(brigade, bucket);
}

void mrc_event_bucket_append(apr_bucket_brigade *brigade, const struct mrc_piece *piece)
{
    size_t head = (size_t)(mrc_event_bytes(piece->event).ptr - mrc_event_chunk(piece->event).ptr);

    append(brigade, piece->event, head + piece->offset, piece->len);
}

void mrc_event_bucket_append_chunk(apr_bucket_brigade *brigade, struct mrc_event *event)
{
    append(brigade, event, 0, mrc_event_chunk(event).len);
}
