#include "httpd/answer/answer.h"

#include <jansson.h>

#include "apr_strings.h"
#include "http_protocol.h"
#include "mod_core.h"
#include "util_filter.h"

#include "hub/hub/numbers.h"

/* A client that was turned away comes back after a random time, so that not all come at once. */
#define RETRY_MIN_MS    2000
#define RETRY_SPREAD_MS 13000

/* The note that holds the index of a bad update; logs may show it. */
#define INDEX_NOTE "mercure-index"

/*
 * Removes httpd's filter that answers requests for ranges. It looks neither at the method nor at
 * the meaning of an answer: of a publication that has been stored, it would send a part of the id,
 * or 416, and the publisher would repeat the update. Range is for GET only (RFC 9110, 14.2), and a
 * server may ignore it there. The field itself stays, for the access log.
 */
static void remove_ranges(request_rec *r)
{
    ap_filter_t *filter = r->output_filters;

    while (filter) {
        ap_filter_t *next = filter->next;

        if (filter->frec == ap_byterange_filter_handle)
            ap_remove_output_filter(filter);
        filter = next;
    }
}

void mrc_answer_add_headers(request_rec *r)
{
    remove_ranges(r);
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
}

/* Sends the whole BODY at once. ap_rwrite() would add a filter that gathers pieces. */
static void send_body(request_rec *r, struct mrc_bytes body)
{
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, list);

    if (body.len)
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_transient_create(body.ptr, body.len, list));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(list));
    ap_pass_brigade(r->output_filters, brigade);
}

int mrc_answer_send(request_rec *r, int status, const char *content_type, struct mrc_bytes body)
{
    r->status = status;
    mrc_answer_add_headers(r);
    ap_set_content_type(r, content_type);
    ap_set_content_length(r, (apr_off_t)body.len);
    if (!r->header_only)
        send_body(r, body);
    return OK;
}

int mrc_answer_ok(request_rec *r, const char *content_type, struct mrc_bytes body)
{
    return mrc_answer_send(r, HTTP_OK, content_type, body);
}

static const char *title_of(int status)
{
    const char *line = ap_get_status_line(status); /* "404 Not Found" */

    return strlen(line) > 4 ? line + 4 : line;
}

/* The document as text in the request's pool; a constant one if memory runs out. */
static const char *problem_text(request_rec *r, int status, const char *detail)
{
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title",
                                title_of(status), "status", status, "detail", detail);
    const char *index = apr_table_get(r->notes, INDEX_NOTE);
    const char *text = "{}\n";
    char *dumped;

    if (index)
        json_object_set_new(problem, "index", json_integer(apr_atoi64(index)));
    dumped = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    if (dumped)
        text = apr_pstrcat(r->pool, dumped, "\n", NULL);
    free(dumped);
    json_decref(problem);
    return text;
}

void mrc_answer_set_index(request_rec *r, size_t index)
{
    apr_table_setn(r->notes, INDEX_NOTE, apr_psprintf(r->pool, "%" APR_SIZE_T_FMT, index));
}

int mrc_answer_problem(request_rec *r, int status, const char *detail)
{
    const char *text = problem_text(r, status, detail);

    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return mrc_answer_send(r, status, "application/problem+json", mrc_bytes_of(text));
}

int mrc_answer_retry(request_rec *r, const char *detail)
{
    apr_table_setn(r->headers_out, "Retry-After", "1");
    return mrc_answer_problem(r, HTTP_SERVICE_UNAVAILABLE, detail);
}

int mrc_answer_too_many(request_rec *r, const char *detail, apr_int64_t seconds)
{
    apr_table_setn(r->headers_out, "Retry-After",
                   apr_psprintf(r->pool, "%" APR_INT64_T_FMT, seconds));
    return mrc_answer_problem(r, HTTP_TOO_MANY_REQUESTS, detail);
}

void mrc_answer_add_stream_headers(request_rec *r)
{
    mrc_answer_add_headers(r);
    ap_set_content_type(r, "text/event-stream");
    apr_table_setn(r->headers_out, "Cache-Control", "private, no-store, no-cache, no-transform");
    apr_table_setn(r->headers_out, "X-Accel-Buffering", "no");
    apr_table_setn(r->subprocess_env, "no-gzip", "1");
    apr_table_setn(r->subprocess_env, "no-brotli", "1");
}

static unsigned random_retry_ms(void)
{
    unsigned short random = 0;

    apr_generate_random_bytes((unsigned char *)&random, sizeof(random));
    return RETRY_MIN_MS + random % RETRY_SPREAD_MS;
}

static bool accepts_stream(const request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return r->method_number != M_POST && accept && ap_strcasestr(accept, "text/event-stream");
}

static bool is_turned_away(const request_rec *r)
{
    const char *reason = apr_table_get(r->notes, "mercure-reason");

    return reason && !strcmp(reason, mrc_refusal_text(MRC_REFUSAL_UNAVAILABLE));
}

bool mrc_answer_is_stream(const request_rec *r)
{
    return !r->header_only && accepts_stream(r) && is_turned_away(r);
}

int mrc_answer_later(request_rec *r, const char *detail)
{
    unsigned retry_ms = random_retry_ms();

    apr_table_setn(r->notes, "mercure-reason", mrc_refusal_text(MRC_REFUSAL_UNAVAILABLE));
    /* The hub may be short of connections. */
    r->connection->keepalive = AP_CONN_CLOSE;
    if (!accepts_stream(r)) {
        apr_table_setn(r->headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%u", (retry_ms + 999) / 1000));
        return mrc_answer_problem(r, HTTP_SERVICE_UNAVAILABLE, detail);
    }
    mrc_answer_add_stream_headers(r);
    if (!r->header_only)
        ap_rprintf(r, "retry: %u\n\n", retry_ms);
    return OK;
}
