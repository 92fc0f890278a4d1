#include "httpd/carrier/push.h"

#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http_core.h"
#include "util_filter.h"

/* What the kernel holds for a client that reads slowly; by itself it would grow to megabytes. */
#define SEND_BUFFER_BYTES (128 * 1024)

/* A peer that acknowledges nothing for so long, or for the dispatch timeout, is dead. */
#define USER_TIMEOUT_MS 20000

/* The most that is thrown away of what a client has sent in vain. */
#define SURPLUS_BYTES (64 * 1024)

/* ---- the filters of a request, by the names that httpd knows them by --------------------------*/

/* They gather output, or wait. What a filter does to bodies is of no use to a stream. */
static const char *const hindering[] = {
    "BUFFER",
    "RATE_LIMIT",
    "DEFLATE",
    "BROTLI_COMPRESS",
    "BYTYPE:BUFFER",
    "BYTYPE:DEFLATE",
    "BYTYPE:RATE_LIMIT",
    "CACHE_SAVE",
    "CACHE_SAVE_SUBREQ",
    "BYTYPE:BROTLI_COMPRESS",
};

/* They let bytes through as they come; mod_logio's looks at the clock and leaves. */
static const char *const harmless[] = {
    "BYTERANGE",         "CHUNK",           "CONTENT_LENGTH",    "HTTP_HEADER", "HTTP_OUTERROR",
    "FIXUP_HEADERS_OUT", "MODSECURITY_OUT", "FIXUP_HEADERS_ERR", "MOD_EXPIRES", "MOD_SESSION_OUT",
    "LOGIO_TTFB_OUT",    "OLD_WRITE",
};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ap_cstr_casecmp(name, names[i]))
            return true;
    }
    return false;
}

/* They want to see all that is sent, or are not known at all. */
static const char *const watching[] = {"MODSECURITY_OUT"};

/* Filters of connections that have nothing to do but while requests are read. */
static const char *const of_reading[] = {"REQTIMEOUT"};

/* Filters of the request, and not of its connection, which know what to do. */
static bool is_of_request(const ap_filter_t *filter)
{
    return filter && filter->frec->ftype < AP_FTYPE_CONNECTION;
}

void mrc_push_prepare(request_rec *r)
{
    ap_filter_t *filter = r->output_filters;

    while (is_of_request(filter)) {
        ap_filter_t *next = filter->next;

        if (is_one_of(filter->frec->name, hindering, sizeof(hindering) / sizeof(*hindering)))
            ap_remove_output_filter(filter);
        filter = next;
    }
}

bool mrc_push_is_possible(const request_rec *r)
{
    for (ap_filter_t *filter = r->output_filters; is_of_request(filter); filter = filter->next) {
        if (!is_one_of(filter->frec->name, harmless, sizeof(harmless) / sizeof(*harmless)))
            return false;
    }
    return true;
}

/* Whether nothing makes other bytes of what FILTER, the first of a connection, is given. */
static bool leads_to_network(const ap_filter_t *filter)
{
    while (filter &&
           is_one_of(filter->frec->name, of_reading, sizeof(of_reading) / sizeof(*of_reading)))
        filter = filter->next;
    return filter && filter->frec == ap_core_output_filter_handle;
}

/* The first filter of R's connection, if nothing before it needs to see what is sent; else NULL. */
static const ap_filter_t *past_request(const request_rec *r)
{
    const ap_filter_t *filter = mrc_push_is_possible(r) ? r->output_filters : NULL;

    for (; is_of_request(filter); filter = filter->next) {
        if (is_one_of(filter->frec->name, watching, sizeof(watching) / sizeof(*watching)))
            return NULL;
    }
    return filter;
}

bool mrc_push_is_unwatched(const request_rec *r)
{
    return past_request(r) != NULL;
}

bool mrc_push_is_plain(const request_rec *r)
{
    return leads_to_network(past_request(r));
}

bool mrc_push_is_direct(const conn_rec *c)
{
    return leads_to_network(c->output_filters);
}

/* ---- writing ----------------------------------------------------------------------------------*/

static apr_status_t push_read(apr_bucket *bucket, const char **ret_data, apr_size_t *ret_len,
                              apr_read_type_e block)
{
    *ret_data = NULL;
    *ret_len = 0;
    return APR_SUCCESS;
}

static const apr_bucket_type_t push_type = {
    "MERCURE PUSH",
    5,
    APR_BUCKET_METADATA,
    apr_bucket_destroy_noop,
    push_read,
    apr_bucket_setaside_noop,
    apr_bucket_split_notimpl,
    apr_bucket_simple_copy,
};

static apr_bucket *create_push(apr_bucket_alloc_t *list)
{
    apr_bucket *bucket = apr_bucket_alloc(sizeof(*bucket), list);

    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = list;
    bucket->type = &push_type;
    bucket->data = NULL;
    bucket->start = 0;
    bucket->length = 0;
    return bucket;
}

enum mrc_carrier_state mrc_push_flush(conn_rec *c)
{
    ap_filter_t *filter = c->output_filters;

    while (filter->next)
        filter = filter->next;
    if (filter->frec->filter_func.out_func(filter, NULL) != APR_SUCCESS || c->aborted)
        return MRC_CARRIER_GONE;
    return c->data_in_output_filters ? MRC_CARRIER_PENDING : MRC_CARRIER_READY;
}

enum mrc_carrier_state mrc_push_write_framed(conn_rec *c, apr_bucket_brigade *brigade)
{
    apr_status_t status;

    if (!mrc_push_is_direct(c))
        APR_BRIGADE_INSERT_TAIL(brigade, create_push(c->bucket_alloc));
    status = ap_pass_brigade(c->output_filters, brigade);
    apr_brigade_cleanup(brigade);
    return status == APR_SUCCESS ? mrc_push_flush(c) : MRC_CARRIER_GONE;
}

enum mrc_carrier_state mrc_push_write(request_rec *r, apr_bucket_brigade *brigade)
{
    conn_rec *c = r->connection;
    apr_status_t status = ap_pass_brigade(r->output_filters, brigade);

    apr_brigade_cleanup(brigade);
    if (status != APR_SUCCESS)
        return MRC_CARRIER_GONE;
    return mrc_push_is_direct(c) ? mrc_push_flush(c) : mrc_push_write_framed(c, brigade);
}

void mrc_push_drop_surplus(int fd)
{
    char bytes[4096];
    size_t left = SURPLUS_BYTES;
    ssize_t got;

    while (left >= sizeof(bytes) && (got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        left -= (size_t)got;
}

size_t mrc_push_unsent_bytes(int fd)
{
    int bytes = 0;

    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

void mrc_push_set_socket_options(int fd, int64_t dispatch_timeout_us)
{
    int send_buffer = SEND_BUFFER_BYTES;
    int64_t wanted_ms = dispatch_timeout_us / 1000 + 1000;
    unsigned timeout_ms = USER_TIMEOUT_MS;

    /* A client that does not read acknowledges nothing either: it is ours to cut it. */
    if (wanted_ms > USER_TIMEOUT_MS)
        timeout_ms = wanted_ms < INT_MAX ? (unsigned)wanted_ms : INT_MAX;
    /* Neither is needed for the stream to work. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}
