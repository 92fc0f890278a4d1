#include "httpd/answer/body.h"

#include <stdbool.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "mod_core.h"
#include "util_filter.h"

#include "core/base/buf.h"
#include "core/protocol/form.h"
#include "httpd/answer/answer.h"
#include "httpd/base/module.h"

APLOG_USE_MODULE(mercure);

#define ERROR_FILTER "MERCURE_BODY_ERROR"

static bool has_type(const request_rec *r, const char *wanted)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    size_t len = strlen(wanted);

    return type && !ap_cstr_casecmpn(type, wanted, len) &&
           (type[len] == '\0' || type[len] == ';' || apr_isspace(type[len]));
}

bool mrc_body_is_json(const request_rec *r)
{
    return has_type(r, "application/json");
}

/*
 * Whether the body of R is still encoded and would be parsed as if it were the form. Call it after
 * a part of the body has been read: a filter that decodes it has removed the encoding from the
 * field by then.
 */
static bool is_encoded(const request_rec *r)
{
    static const char plain[] = "identity";
    const char *field = apr_table_get(r->headers_in, "Content-Encoding");

    while (field && *(field += strspn(field, ", \t"))) {
        size_t len = strcspn(field, ", \t");

        if (len != sizeof(plain) - 1 || ap_cstr_casecmpn(field, plain, len))
            return true;
        field += len;
    }
    return false;
}

/* The encodings of the body of R that httpd would decode, in the form of Accept-Encoding. */
static const char *accepted_encodings(const request_rec *r)
{
    for (const ap_filter_t *filter = r->input_filters; filter; filter = filter->next) {
        if (!strcmp(filter->frec->name, "deflate"))
            return "gzip, identity";
    }
    return "identity";
}

static int refuse_encoded(request_rec *r, const char *accepted)
{
    r->connection->keepalive = AP_CONN_CLOSE; /* the rest is not read */
    apr_table_setn(r->headers_out, "Accept-Encoding", accepted);
    return mrc_answer_problem(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                              apr_pstrcat(r->pool,
                                          "the body has a Content-Encoding that is not decoded "
                                          "here; the hub accepts: ",
                                          accepted, NULL));
}

static int too_large(request_rec *r, size_t max_bytes)
{
    r->connection->keepalive = AP_CONN_CLOSE; /* the rest is not read */
    return mrc_answer_problem(
        r, HTTP_REQUEST_ENTITY_TOO_LARGE,
        apr_psprintf(r->pool, "the body is longer than %" APR_SIZE_T_FMT " bytes", max_bytes));
}

/* ---- errors of reading ------------------------------------------------------------------------*/

/*
 * httpd's filter that reads bodies answers errors itself: it sends an error bucket down the output
 * filters, where httpd turns it into a page. This filter catches the bucket, so that the hub
 * answers with a problem document, unless an ErrorDocument defines the answer.
 */
static apr_status_t take_error(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    int *error = filter->ctx;

    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        int status = AP_BUCKET_IS_ERROR(bucket) ? ((ap_bucket_error *)bucket->data)->status : OK;

        if (status == OK || ap_response_code_string(filter->r, ap_index_of_response(status)))
            continue;
        *error = status;
        filter->r->eos_sent = 0; /* the end that came with it is not sent either */
        apr_brigade_cleanup(brigade);
        return APR_EGENERAL;
    }
    return ap_pass_brigade(filter->next, brigade);
}

/* Calls READ. Returns OK, an HTTP status, or AP_FILTER_ERROR: the request has been answered. */
static int read_guarded(request_rec *r, int (*read)(request_rec *, void *), void *ctx)
{
    int error = OK;
    ap_filter_t *filter = ap_add_output_filter(ERROR_FILTER, &error, r, r->connection);
    int status = read(r, ctx);

    ap_remove_output_filter(filter);
    return error == OK ? status : error;
}

/* Answers STATUS of read_guarded(), unless the client has gone or the request has been answered. */
static int answer_broken(request_rec *r, int status)
{
    bool is_large = status == HTTP_REQUEST_ENTITY_TOO_LARGE;
    apr_off_t limit_bytes = ap_get_limit_req_body(r);

    if (r->connection->aborted || !ap_is_HTTP_ERROR(status))
        return status;
    if (is_large && limit_bytes > 0)
        return too_large(r, (size_t)limit_bytes);
    r->connection->keepalive = AP_CONN_CLOSE; /* the rest is not read */
    return mrc_answer_problem(
        r, status, is_large ? "the body is too large" : "the body could not be read completely");
}

static int discard(request_rec *r, void *ctx)
{
    return ap_discard_request_body(r);
}

int mrc_body_discard(request_rec *r)
{
    int status = read_guarded(r, discard, NULL);

    return status == OK ? DECLINED : answer_broken(r, status);
}

/* ---- contents ---------------------------------------------------------------------------------*/

/* Appends the data of BRIGADE to BODY. 1: the body has ended; 0: more follows; -1: failure. */
static int take_brigade(apr_bucket_brigade *brigade, struct mrc_buf *body)
{
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_EOS(bucket))
            return 1;
        if (APR_BUCKET_IS_METADATA(bucket))
            continue;
        if (apr_bucket_read(bucket, &data, &len, APR_BLOCK_READ) != APR_SUCCESS)
            return -1;
        mrc_buf_add(body, data, len);
        if (mrc_buf_error(body))
            return -1;
    }
    return 0;
}

/* Reads the whole body into the struct mrc_buf CTX. OK, or an HTTP status. */
static int read_all(request_rec *r, void *ctx)
{
    struct mrc_buf *body = ctx;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    int end = 0;

    while (end == 0) {
        apr_status_t status = ap_get_brigade(r->input_filters, brigade, AP_MODE_READBYTES,
                                             APR_BLOCK_READ, HUGE_STRING_LEN);

        if (status != APR_SUCCESS)
            return ap_map_http_request_error(status, HTTP_BAD_REQUEST);
        if (is_encoded(r))
            return HTTP_UNSUPPORTED_MEDIA_TYPE;
        end = take_brigade(brigade, body);
        apr_brigade_cleanup(brigade);
    }
    return end > 0 ? OK : HTTP_BAD_REQUEST;
}

static int parse(request_rec *r, enum mrc_input input, struct mrc_bytes body, size_t max_pairs,
                 struct mrc_form **ret_form)
{
    struct mrc_error error = {""};
    enum mrc_err err = mrc_form_parse(body, max_pairs, &error, ret_form);

    return err ? mrc_failure_answer_input(r, err, &error, input) : DECLINED;
}

int mrc_body_read(request_rec *r, size_t max_bytes, struct mrc_buf *ret_body)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    const char *accepted = accepted_encodings(r); /* before the filters remove themselves */
    int status;

    mrc_buf_init(ret_body, max_bytes);
    if (length && apr_strtoi64(length, NULL, 10) > (apr_int64_t)max_bytes)
        return too_large(r, max_bytes);
    status = read_guarded(r, read_all, ret_body);
    if (status == OK)
        return DECLINED;
    if (mrc_buf_error(ret_body) == MRC_ELIMIT)
        return too_large(r, max_bytes);
    if (status == HTTP_UNSUPPORTED_MEDIA_TYPE)
        return refuse_encoded(r, accepted);
    return answer_broken(r, status);
}

int mrc_body_read_form(request_rec *r, enum mrc_input input, size_t max_bytes, size_t max_pairs,
                       struct mrc_form **ret_form)
{
    struct mrc_buf body;
    int status;

    if (!has_type(r, "application/x-www-form-urlencoded")) {
        r->connection->keepalive = AP_CONN_CLOSE; /* the body is not read */
        return mrc_answer_problem(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                                  input == MRC_INPUT_PUBLICATION
                                      ? "send the fields as application/x-www-form-urlencoded, or "
                                        "the update as application/json"
                                      : "send the fields as application/x-www-form-urlencoded");
    }
    status = mrc_body_read(r, max_bytes, &body);
    if (status == DECLINED)
        status = parse(r, input, mrc_buf_bytes(&body), max_pairs, ret_form);
    mrc_buf_free(&body);
    return status;
}

void mrc_body_register(void)
{
    ap_register_output_filter(ERROR_FILTER, take_error, NULL, AP_FTYPE_RESOURCE - 1);
}
