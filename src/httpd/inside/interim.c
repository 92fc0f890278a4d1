#include "httpd/inside/interim.h"

#include <stdbool.h>
#include <string.h>

#include "apr_lib.h"
#include "http_request.h"
#include "util_filter.h"

#define FILTER "MERCURE_INTERIM"
#define KEY    "mercure_interim"

#define INTERIM   "HTTP/1.1 1"
#define SWITCHING "HTTP/1.1 101"

/* The field and its colon, in lower case. */
static const char name[] = "mercure-publish:";
#define NAME_LEN (sizeof(name) - 1)

enum place {
    BETWEEN, /* before a head */
    START,   /* in a line, all of whose bytes are held: they begin the name, or there are none */
    LINE,    /* in another line */
    DROPPED, /* in a line that has the name */
    RAW      /* in bytes that are no interim response */
};

/* The filter of one connection, of its pool. */
struct guard {
    ap_filter_t filter;
    request_rec *r; /* while the filter is in the chain; else NULL */
    enum place place;
    bool is_last; /* HTTP ends after this head */
    char held[NAME_LEN];
    size_t held_len;
};

/* ---- text -------------------------------------------------------------------------------------*/

static bool begins_with(const char *bytes, size_t len, const char *text)
{
    return len >= strlen(text) && !memcmp(bytes, text, strlen(text));
}

static void begin_head(struct guard *guard, const char *bytes, size_t len)
{
    guard->place = begins_with(bytes, len, INTERIM) ? LINE : RAW;
    guard->is_last = begins_with(bytes, len, SWITCHING);
}

/* Whether BYTE is held, because the line may be the field. */
static bool hold(struct guard *guard, char byte)
{
    if (apr_tolower(byte) != name[guard->held_len])
        return false;
    guard->held[guard->held_len++] = byte;
    if (guard->held_len == NAME_LEN) {
        guard->held_len = 0;
        guard->place = DROPPED;
    }
    return true;
}

/* Writes what the client gets for BYTE to TO; returns the end. */
static char *take_byte(struct guard *guard, char byte, char *to)
{
    if (guard->place == START && hold(guard, byte))
        return to;
    if (guard->place != DROPPED) {
        memcpy(to, guard->held, guard->held_len);
        to += guard->held_len;
        *to++ = byte;
    }
    if (guard->place == START && guard->held_len == 0 && byte == '\n') /* an empty line */
        guard->place = guard->is_last ? RAW : BETWEEN;
    else if (guard->place != RAW && byte == '\n')
        guard->place = START;
    else if (guard->place == START && (byte != '\r' || guard->held_len))
        guard->place = LINE;
    guard->held_len = 0;
    return to;
}

static size_t take_bytes(struct guard *guard, const char *bytes, size_t len, char *to)
{
    char *end = to;

    for (size_t i = 0; i < len; i++) {
        if (guard->place == BETWEEN)
            begin_head(guard, bytes + i, len - i);
        end = take_byte(guard, bytes[i], end);
    }
    return (size_t)(end - to);
}

/* ---- the filter -------------------------------------------------------------------------------*/

static apr_status_t leave_chain(void *ctx)
{
    struct guard *guard = ctx;

    guard->r = NULL;
    ap_remove_output_filter(&guard->filter);
    return APR_SUCCESS;
}

static void leave(struct guard *guard)
{
    if (guard->r)
        apr_pool_cleanup_run(guard->r->pool, guard, leave_chain);
}

/* Replaces BUCKET, which has data. */
static apr_status_t rewrite(struct guard *guard, apr_bucket *bucket)
{
    const char *bytes;
    apr_size_t len;
    apr_status_t status = apr_bucket_read(bucket, &bytes, &len, APR_BLOCK_READ);
    char *text;

    if (status != APR_SUCCESS)
        return status;
    text = apr_bucket_alloc(NAME_LEN + len, bucket->list);
    APR_BUCKET_INSERT_BEFORE(bucket,
                             apr_bucket_heap_create(text, take_bytes(guard, bytes, len, text),
                                                    apr_bucket_free, bucket->list));
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
        if (!APR_BUCKET_IS_METADATA(bucket)) {
            status = rewrite(guard, bucket);
            if (status != APR_SUCCESS)
                return status;
        }
        if (guard->place == RAW || AP_BUCKET_IS_EOR(bucket))
            leave(guard);
    }
    return ap_pass_brigade(filter->next, brigade);
}

/* ap_add_output_filter() would take memory of the connection at each request. */
static struct guard *guard_of(conn_rec *c)
{
    void *guard = NULL;

    apr_pool_userdata_get(&guard, KEY, c->pool);
    if (!guard) {
        guard = apr_pcalloc(c->pool, sizeof(struct guard));
        ((struct guard *)guard)->filter =
            (ap_filter_t){.frec = ap_get_output_filter_handle(FILTER), .ctx = guard, .c = c};
        apr_pool_userdata_setn(guard, KEY, NULL, c->pool);
    }
    return guard;
}

void mrc_interim_filter(request_rec *r)
{
    struct guard *guard = guard_of(r->connection);

    if (guard->r)
        return;
    guard->r = r;
    guard->place = BETWEEN;
    guard->held_len = 0;
    guard->filter.next = r->connection->output_filters;
    r->connection->output_filters = &guard->filter;
    apr_pool_cleanup_register(r->pool, guard, leave_chain, apr_pool_cleanup_null);
}

void mrc_interim_register(void)
{
    ap_register_output_filter(FILTER, filter_interim, NULL, AP_FTYPE_CONNECTION);
}
