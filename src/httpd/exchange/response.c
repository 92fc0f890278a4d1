#include "httpd/exchange/response.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"
#include "util_time.h"

#include "httpd/base/module.h"
#include "httpd/exchange/exchange.h"
#include "httpd/exchange/network.h"

APLOG_USE_MODULE(mercure);

#define NAME       "MERCURE_HTTP2_RESPONSE"
#define HTTPD_NAME "HTTP_HEADER"

/* The status of a response has three digits. */
#define STATUS_MAX 999

/* The error code that makes clients repeat the request over HTTP/1.1 (RFC 9113, 7). */
#define HTTP_1_1_REQUIRED 0xd

/* ---- what httpd's filter does to the fields ---------------------------------------------------*/

static int check_field(void *ret_bad, const char *name, const char *value)
{
    if (mrc_network_is_field(name, value))
        return 1;
    *(const char **)ret_bad = name;
    return 0;
}

/* The name of a field of R that cannot be sent; NULL: there is none. */
static const char *find_bad_field(request_rec *r)
{
    const char *bad = NULL;

    apr_table_do(check_field, &bad, r->headers_out, NULL);
    if (!bad)
        apr_table_do(check_field, &bad, r->err_headers_out, NULL);
    return bad;
}

static void set_date_and_server(request_rec *r)
{
    const char *date = apr_table_get(r->headers_out, "Date");
    const char *server = NULL;
    char *now;

    if (r->proxyreq != PROXYREQ_NONE)
        server = apr_table_get(r->headers_out, "Server");
    if (r->proxyreq == PROXYREQ_NONE || !date) {
        now = apr_palloc(r->pool, APR_RFC822_DATE_LEN);
        ap_recent_rfc822_date(now, r->request_time);
        apr_table_setn(r->headers_out, "Date", now);
    }
    if (!server && *ap_get_server_banner())
        apr_table_setn(r->headers_out, "Server", ap_get_server_banner());
}

/* Adds the elements of VALUE, a list, to NAMES, an array, unless it has them. */
static int add_names(void *names, const char *name, const char *value)
{
    apr_array_header_t *all = names;
    const char *token;

    while ((token = ap_get_list_item(all->pool, &value))) {
        int i = 0;

        while (i < all->nelts && ap_cstr_casecmp(token, APR_ARRAY_IDX(all, i, const char *)) != 0)
            i++;
        if (i == all->nelts)
            APR_ARRAY_PUSH(all, const char *) = token;
    }
    return 1;
}

static void set_languages(request_rec *r)
{
    const char *field = apr_table_get(r->headers_out, "Content-Language");

    if (apr_is_empty_array(r->content_languages))
        return;
    if (field)
        add_names(r->content_languages, "Content-Language", field);
    apr_table_setn(r->headers_out, "Content-Language",
                   apr_array_pstrcat(r->pool, r->content_languages, ','));
}

static void set_content_fields(request_rec *r)
{
    const char *type, *length;

    if (AP_STATUS_IS_HEADER_ONLY(r->status)) {
        apr_table_unset(r->headers_out, "Content-Length");
        r->content_type = r->content_encoding = NULL;
        r->content_languages = NULL;
        r->clength = 0;
    }
    type = ap_make_content_type(r, r->content_type);
    if (type)
        apr_table_setn(r->headers_out, "Content-Type", type);
    if (r->content_encoding)
        apr_table_setn(r->headers_out, "Content-Encoding", r->content_encoding);
    set_languages(r);
    /* A handler that sends nothing in answer to HEAD does not mean a length of 0. */
    length = apr_table_get(r->headers_out, "Content-Length");
    if (r->header_only && length && !strcmp(length, "0"))
        apr_table_unset(r->headers_out, "Content-Length");
}

/* Several Vary fields become one, with each name once. */
static void merge_vary(request_rec *r)
{
    apr_array_header_t *names = apr_array_make(r->pool, 4, sizeof(const char *));

    apr_table_do(add_names, names, r->headers_out, "Vary", NULL);
    if (names->nelts > 0)
        apr_table_setn(r->headers_out, "Vary", apr_array_pstrcat(r->pool, names, ','));
}

static void set_fields(request_rec *r)
{
    char *date;

    if (!apr_is_empty_table(r->err_headers_out)) {
        r->headers_out = apr_table_overlay(r->pool, r->err_headers_out, r->headers_out);
        apr_table_clear(r->err_headers_out);
    }
    if (apr_table_get(r->subprocess_env, "force-no-vary"))
        apr_table_unset(r->headers_out, "Vary");
    else
        merge_vary(r);
    if (r->no_cache && !apr_table_get(r->headers_out, "Expires")) {
        date = apr_palloc(r->pool, APR_RFC822_DATE_LEN);
        ap_recent_rfc822_date(date, r->request_time);
        apr_table_addn(r->headers_out, "Expires", date);
    }
    if (apr_table_get(r->notes, "no-etag"))
        apr_table_unset(r->headers_out, "ETag");
    set_date_and_server(r);
    set_content_fields(r);
}

/* ---- the head ---------------------------------------------------------------------------------*/

/* Skips trailers that cannot be sent; fields of a head were checked before. */
static int add_field(void *fields, const char *name, const char *value)
{
    return !mrc_network_is_field(name, value) ||
           mrc_exchange_fields_add_response(fields, name, value);
}

static struct mrc_exchange_head *make_head(enum mrc_exchange_head_kind kind, int status,
                                           const apr_table_t *fields)
{
    struct mrc_exchange_head *head = calloc(1, sizeof(*head));

    if (!head)
        return NULL;
    head->kind = kind;
    head->status = status;
    if (!fields || apr_table_do(add_field, &head->fields, fields, NULL))
        return head;
    mrc_exchange_head_destroy(head);
    return NULL;
}

void mrc_response_put_status(struct mrc_network *network, int status)
{
    mrc_network_put_head(network, make_head(MRC_EXCHANGE_HEAD_FINAL, status, NULL));
}

static bool has_body(const request_rec *r)
{
    return !r->header_only && !AP_STATUS_IS_HEADER_ONLY(r->status);
}

static void note_length(struct mrc_network *network, const request_rec *r)
{
    const char *length = apr_table_get(r->headers_out, "Content-Length");

    network->has_length = has_body(r) && length && ap_parse_strict_length(&network->length, length);
}

static void put_trailers(struct mrc_network *network, const request_rec *r)
{
    if (r->trailers_out && !apr_is_empty_table(r->trailers_out) && has_body(r))
        mrc_network_put_head(network, make_head(MRC_EXCHANGE_HEAD_TRAILERS, 0, r->trailers_out));
}

/* ---- the filter -------------------------------------------------------------------------------*/

/* What BRIGADE has, as far as the head is concerned. */
struct content {
    const ap_bucket_error *error;
    bool has_eoc;
    bool has_eos;
    bool has_body; /* data, or the end of the body */
};

static struct content look_at(apr_bucket_brigade *brigade)
{
    struct content content = {.error = NULL};

    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        if (AP_BUCKET_IS_ERROR(bucket) && !content.error)
            content.error = bucket->data;
        content.has_eoc = content.has_eoc || AP_BUCKET_IS_EOC(bucket);
        content.has_eos = content.has_eos || APR_BUCKET_IS_EOS(bucket);
        if (!APR_BUCKET_IS_METADATA(bucket) || APR_BUCKET_IS_EOS(bucket) ||
            APR_BUCKET_IS_FLUSH(bucket))
            content.has_body = true;
    }
    return content;
}

static void remove_body(apr_bucket_brigade *brigade)
{
    for (apr_bucket *next, *bucket = APR_BRIGADE_FIRST(brigade);
         bucket != APR_BRIGADE_SENTINEL(brigade); bucket = next) {
        next = APR_BUCKET_NEXT(bucket);
        if (!APR_BUCKET_IS_METADATA(bucket))
            apr_bucket_delete(bucket);
    }
}

/* Answers with STATUS in place of what was to be sent. */
static apr_status_t replace_response(request_rec *r, apr_bucket_brigade *brigade, int status)
{
    apr_brigade_cleanup(brigade);
    r->bytes_sent = 0; /* httpd has counted them for the Content-Length */
    ap_die(status, r);
    return AP_FILTER_ERROR;
}

/* A field that cannot be sent. The second time, the answer that reports the first has one, too. */
static apr_status_t refuse_field(ap_filter_t *filter, apr_bucket_brigade *brigade, const char *name)
{
    request_rec *r = filter->r;
    bool is_second = apr_table_get(r->notes, "mercure-bad-field") != NULL;

    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "MRC1351: the response has a field that HTTP does not allow, and is replaced by "
                  "status 500: '%s'",
                  name);
    apr_table_clear(r->headers_out);
    apr_table_clear(r->err_headers_out);
    r->content_type = r->content_encoding = NULL;
    r->content_languages = NULL;
    r->clength = 0;
    if (!is_second) {
        apr_table_setn(r->notes, "mercure-bad-field", "1");
        return replace_response(r, brigade, HTTP_INTERNAL_SERVER_ERROR);
    }
    mrc_response_put_status(filter->ctx, HTTP_INTERNAL_SERVER_ERROR);
    apr_brigade_cleanup(brigade);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(r->connection->bucket_alloc));
    ap_pass_brigade(filter->next, brigade);
    return AP_FILTER_ERROR;
}

/* Whether mod_ssl has refused R, or the request for which R is the error document, because it may
 * not ask for a client certificate over HTTP/2. */
static bool needs_renegotiation(const request_rec *r)
{
    bool is_forbidden = r->status == HTTP_FORBIDDEN;

    while (r && !apr_table_get(r->notes, "ssl-renegotiate-forbidden"))
        r = r->prev;
    return is_forbidden && r;
}

/* Puts the head. APR_SUCCESS: the body may follow. */
static apr_status_t begin(ap_filter_t *filter, apr_bucket_brigade *brigade,
                          const struct content *content)
{
    struct mrc_network *network = filter->ctx;
    request_rec *r = filter->r;
    const char *bad = find_bad_field(r);

    if (bad)
        return refuse_field(filter, brigade, bad);
    if (needs_renegotiation(r)) {
        network->has_head = true;
        mrc_exchange_reset(network->exchange, HTTP_1_1_REQUIRED);
        return APR_ECONNABORTED;
    }
    if (content->error)
        return replace_response(r, brigade, content->error->status);
    if (r->status < HTTP_OK || r->status > STATUS_MAX) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "MRC1353: the response has the status %d, which ends no request, and is "
                      "replaced by status 500",
                      r->status);
        return replace_response(r, brigade, HTTP_INTERNAL_SERVER_ERROR);
    }
    set_fields(r);
    note_length(network, r);
    mrc_network_put_head(network, make_head(MRC_EXCHANGE_HEAD_FINAL, r->status, r->headers_out));
    r->sent_bodyct = 1;
    return network->has_head ? APR_SUCCESS : APR_ENOMEM;
}

static apr_status_t make_response(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    struct mrc_network *network = filter->ctx;
    struct content content = look_at(brigade);
    request_rec *r = filter->r;
    apr_status_t status;

    if (!network->has_head) {
        if (content.has_eoc) {
            ap_remove_output_filter(filter);
            return ap_pass_brigade(filter->next, brigade);
        }
        if (!content.has_body &&
            !content.error) /* such as the end of a request without a response */
            return ap_pass_brigade(filter->next, brigade);
        status = begin(filter, brigade, &content);
        if (status != APR_SUCCESS)
            return status;
    }
    if (!has_body(r))
        remove_body(brigade);
    if (content.has_eos && !network->has_ended)
        put_trailers(network, r);
    return ap_pass_brigade(filter->next, brigade);
}

void mrc_response_register(void)
{
    ap_register_output_filter(NAME, make_response, NULL, AP_FTYPE_PROTOCOL);
}

static bool has_filter(const request_rec *r)
{
    for (const ap_filter_t *filter = r->output_filters; filter; filter = filter->next) {
        if (!ap_cstr_casecmp(filter->frec->name, NAME))
            return true;
    }
    return false;
}

void mrc_response_replace(request_rec *r, struct mrc_network *network)
{
    ap_remove_output_filter_byhandle(r->output_filters, HTTPD_NAME);
    ap_remove_output_filter_byhandle(r->proto_output_filters, HTTPD_NAME);
    if (!has_filter(r))
        ap_add_output_filter(NAME, network, r, r->connection);
}
