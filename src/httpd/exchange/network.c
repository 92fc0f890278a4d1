#include "httpd/exchange/network.h"

#include <stdlib.h>
#include <string.h>

#include "apr_optional.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include "httpd/base/module.h"
#include "httpd/exchange/exchange.h"
#include "httpd/exchange/head_text.h"

APLOG_USE_MODULE(mercure);

#define IN_NAME  "MERCURE_HTTP2_IN"
#define OUT_NAME "MERCURE_HTTP2_OUT"

/* The most bytes of one read of the body. */
#define READ_BYTES_MAX ((apr_off_t)32 * 1024)

/* Frames with a body, and their heads (RFC 9113, 4.1). */
#define FRAME_BYTES      16384
#define FRAME_HEAD_BYTES 9

/* Further interim responses are dropped when those of a request, with what each costs besides its
 * text, have more bytes than this: a client that does not read would let them pile up. */
#define INTERIM_BYTES_MAX  ((size_t)256 * 1024)
#define INTERIM_COST_BYTES ((size_t)256)

APR_DECLARE_OPTIONAL_FN(void, ap_logio_add_bytes_in, (conn_rec *, apr_off_t));
APR_DECLARE_OPTIONAL_FN(void, ap_logio_add_bytes_out, (conn_rec *, apr_off_t));

/* Logs once that the exchange was given up. */
static void note_status(struct mrc_network *network, conn_rec *c, apr_status_t status)
{
    if (!APR_STATUS_IS_TIMEUP(status) || network->has_logged || !network->exchange->gave_up)
        return;
    network->has_logged = true;
    ap_log_cerror(
        APLOG_MARK, APLOG_INFO, status, c,
        "MRC1305: a request over HTTP/2 is given up, because its client is slow while all "
        "threads for requests are busy");
}

/* ---- the body of the request ------------------------------------------------------------------*/

static apr_status_t read_body(ap_filter_t *filter, apr_bucket_brigade *brigade,
                              ap_input_mode_t mode, apr_read_type_e block, apr_off_t max)
{
    struct mrc_network *network = filter->ctx;
    struct mrc_exchange_read read = {
        .max = (size_t)(max > READ_BYTES_MAX ? READ_BYTES_MAX : max),
        .is_line = mode == AP_MODE_GETLINE,
        .is_peek = mode == AP_MODE_SPECULATIVE,
        .may_wait = block == APR_BLOCK_READ,
        .timeout_us = filter->c->base_server->timeout,
    };
    apr_bucket_alloc_t *list = filter->c->bucket_alloc;
    apr_status_t status;
    size_t len;
    char *bytes;

    if (mode == AP_MODE_INIT)
        return APR_SUCCESS;
    if (mode == AP_MODE_EATCRLF)
        return APR_ENOTIMPL;
    if (read.is_line || mode == AP_MODE_EXHAUSTIVE)
        read.max = HUGE_STRING_LEN;
    bytes = apr_bucket_alloc(read.max, list);
    status = mrc_exchange_read(network->exchange, &read, bytes, &len);
    note_status(network, filter->c, status);
    if (status != APR_SUCCESS) {
        apr_bucket_free(bytes);
        if (!APR_STATUS_IS_EOF(status))
            return status;
        APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(list));
        return APR_SUCCESS;
    }
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_heap_create(bytes, len, apr_bucket_free, list));
    network->in_bytes += (apr_off_t)len;
    return APR_SUCCESS;
}

/* ---- fields -----------------------------------------------------------------------------------*/

/* Whether VALUE has no control characters, except in line ends of a folded field. */
static bool is_content(const char *value)
{
    const char *end = ap_scan_http_field_content(value);

    while (end[0] == '\r' && end[1] == '\n' && (end[2] == ' ' || end[2] == '\t'))
        end = ap_scan_http_field_content(end + 2);
    return *end == '\0';
}

bool mrc_network_is_field(const char *name, const char *value)
{
    return *name && !*ap_scan_http_token(name) && is_content(value);
}

/* ---- heads that are written as the text of HTTP/1.1 -------------------------------------------*/

/* The next line of REST that is not empty, without its end; NULL: there is none. A CR ends no line,
 * so one elsewhere stays, and no field has it. */
static char *next_line(char **rest)
{
    char *line = apr_strtok(NULL, "\n", rest);
    size_t len = line ? strlen(line) : 0;

    if (len > 0 && line[len - 1] == '\r')
        line[len - 1] = '\0';
    return line;
}

/*
 * Adds the field in LINE. False: the body that follows has a coding, which nothing here decodes.
 */
static bool add_line(struct mrc_exchange_head *head, char *line)
{
    char *value = strchr(line, ':');

    if (!value)
        return true;
    *value++ = '\0';
    if (head->kind == MRC_EXCHANGE_HEAD_FINAL && !ap_cstr_casecmp(line, "Transfer-Encoding"))
        return false;
    if (mrc_network_is_field(line, value))
        mrc_exchange_fields_add_response(&head->fields, line, value);
    return true;
}

/* The head with STATUS, and with the fields in the lines of TEXT, which is changed. NULL: HTTP/2
 * cannot carry it, or there is no memory. */
static struct mrc_exchange_head *parse_head(int status, char *text)
{
    struct mrc_exchange_head *head = status < HTTP_CONTINUE ? NULL : calloc(1, sizeof(*head));
    char *line, *rest = text;
    bool ok = true;

    if (!head)
        return NULL;
    head->kind = status < HTTP_OK ? MRC_EXCHANGE_HEAD_INTERIM : MRC_EXCHANGE_HEAD_FINAL;
    head->status = status;
    while (ok && (line = next_line(&rest)))
        ok = add_line(head, line);
    if (ok)
        return head;
    mrc_exchange_head_destroy(head);
    return NULL;
}

/* Whether a response to this request with STATUS has a body. */
static bool has_body(const struct mrc_network *network, int status)
{
    const char *method = mrc_exchange_fields_get(&network->exchange->request, ":method");

    return !AP_STATUS_IS_HEADER_ONLY(status) && (!method || strcmp(method, "HEAD") != 0);
}

/* Whether an interim response with STATUS is not passed on. HTTP/2 does not have status 101. */
static bool is_dropped(const struct mrc_network *network, int status)
{
    return status == HTTP_SWITCHING_PROTOCOLS || (status >= HTTP_CONTINUE && status < HTTP_OK &&
                                                  network->interim_bytes > INTERIM_BYTES_MAX);
}

/* Sends the head in the text, which is whole. False: it is none. */
static bool send_head(struct mrc_network *network)
{
    char *rest = network->text.bytes, *line = next_line(&rest);
    int status = line ? mrc_exchange_head_text_status(line) : 0;
    struct mrc_exchange_head *head;

    network->interim_bytes += network->text.len + INTERIM_COST_BYTES;
    mrc_exchange_head_text_restart(&network->text);
    if (is_dropped(network, status))
        return true;
    head = parse_head(status, rest);
    if (!head)
        return false;
    if (!mrc_exchange_fields_fit(&head->fields)) {
        bool is_final = head->kind == MRC_EXCHANGE_HEAD_FINAL;

        mrc_exchange_head_destroy(head);
        return !is_final; /* an interim one may be left out */
    }
    if (head->kind == MRC_EXCHANGE_HEAD_FINAL) {
        network->is_bodiless = !has_body(network, status);
        mrc_network_put_head(network, head);
    } else {
        mrc_exchange_put_head(network->exchange, head);
    }
    return true;
}

/* The text is no response. The path in the line has no query, which may have a token. */
static apr_status_t refuse_text(const struct mrc_network *network, conn_rec *c)
{
    const char *path = mrc_exchange_fields_get(&network->exchange->request, ":path");

    path = path ? path : "";
    ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, c,
                  "MRC1354: the response to %.*s is replaced by status 500: a script has written "
                  "it without httpd (nph-), and it does not begin with a head of at most %d bytes "
                  "that HTTP/2 can carry",
                  (int)strcspn(path, "?"), path, (int)MRC_EXCHANGE_HEAD_TEXT_MAX);
    return APR_ECONNABORTED;
}

/* Takes the text of heads out of BUCKET; what follows the final one stays, in another bucket. */
static apr_status_t take_text(struct mrc_network *network, conn_rec *c, apr_bucket *bucket)
{
    const char *bytes;
    apr_size_t len, taken = 0;
    apr_status_t status = apr_bucket_read(bucket, &bytes, &len, APR_BLOCK_READ);

    while (status == APR_SUCCESS && taken < len && !network->has_head) {
        taken += mrc_exchange_head_text_take(&network->text, bytes + taken, len - taken);
        if (network->text.is_bad || (network->text.is_whole && !send_head(network)))
            status = refuse_text(network, c);
    }
    if (status == APR_SUCCESS && taken < len)
        status = apr_bucket_split(bucket, taken);
    return status;
}

/* Takes the text of heads out of BRIGADE. A long head comes in several brigades. */
static apr_status_t take_heads(struct mrc_network *network, conn_rec *c,
                               apr_bucket_brigade *brigade)
{
    apr_bucket *next, *bucket = APR_BRIGADE_FIRST(brigade);
    apr_status_t status = APR_SUCCESS;

    for (; bucket != APR_BRIGADE_SENTINEL(brigade) && !network->has_head && status == APR_SUCCESS;
         bucket = next) {
        bool is_text = !APR_BUCKET_IS_METADATA(bucket);

        if (is_text && mrc_exchange_is_closed(network->exchange))
            return APR_ECONNABORTED; /* a script may write interim responses for ever */
        if (is_text)
            status = take_text(network, c, bucket);
        next = APR_BUCKET_NEXT(bucket); /* a read may have split it */
        if (is_text)
            apr_bucket_delete(bucket);
    }
    return status;
}

/* ---- the response -----------------------------------------------------------------------------*/

void mrc_network_put_head(struct mrc_network *network, struct mrc_exchange_head *head)
{
    if (!head) {
        network->is_broken = true;
        return;
    }
    network->out_bytes += (apr_off_t)mrc_exchange_fields_frame_bytes(&head->fields);
    if (head->kind == MRC_EXCHANGE_HEAD_FINAL)
        network->has_head = true;
    mrc_exchange_put_head(network->exchange, head);
}

static apr_status_t write_file(struct mrc_network *network, conn_rec *c, apr_bucket *bucket)
{
    const apr_bucket_file *file = bucket->data;
    apr_os_file_t fd;

    if (bucket->length == 0)
        return APR_SUCCESS;
    apr_os_file_get(&fd, file->fd);
    network->out_bytes += (apr_off_t)bucket->length;
    network->body_bytes += (apr_off_t)bucket->length;
    return mrc_exchange_write_file(network->exchange, fd, (off_t)bucket->start, bucket->length,
                                   c->base_server->timeout);
}

/* RFC 9113, 8.1.1: a body with another length makes the response malformed. */
static void check_length(struct mrc_network *network, conn_rec *c)
{
    if (!network->has_length || network->is_broken || network->body_bytes == network->length)
        return;
    network->is_broken = true;
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c,
                  "MRC1355: a response over HTTP/2 is cut off: its Content-Length is "
                  "%" APR_OFF_T_FMT ", and its body has %" APR_OFF_T_FMT " bytes",
                  network->length, network->body_bytes);
}

/* The response is complete: the client gets it while the worker logs the request and frees it. */
static void end(struct mrc_network *network)
{
    network->has_ended = true;
    network->is_sent = network->has_head && !network->is_broken;
    if (network->is_sent)
        mrc_exchange_end(network->exchange, true);
}

static apr_status_t write_data(struct mrc_network *network, conn_rec *c, apr_bucket *bucket)
{
    const char *bytes;
    apr_size_t len;
    apr_status_t status = apr_bucket_read(bucket, &bytes, &len, APR_NONBLOCK_READ);

    if (APR_STATUS_IS_EAGAIN(status)) { /* the client gets what there is meanwhile */
        mrc_exchange_flush(network->exchange);
        status = apr_bucket_read(bucket, &bytes, &len, APR_BLOCK_READ);
    }
    if (status != APR_SUCCESS || len == 0)
        return status;
    if (network->is_bodiless) { /* the script writes for nobody */
        end(network);
        return APR_ECONNABORTED;
    }
    network->out_bytes += (apr_off_t)len;
    network->body_bytes += (apr_off_t)len;
    return mrc_exchange_write(network->exchange, bytes, len, c->base_server->timeout);
}

/* Answers with status 500, because no head comes. */
static void put_error(struct mrc_network *network)
{
    struct mrc_exchange_head *head = calloc(1, sizeof(*head));

    if (head) {
        head->kind = MRC_EXCHANGE_HEAD_FINAL;
        head->status = HTTP_INTERNAL_SERVER_ERROR;
    }
    mrc_network_put_head(network, head);
    end(network);
}

static apr_status_t write_bucket(struct mrc_network *network, conn_rec *c, apr_bucket *bucket)
{
    /* An error may have replaced the response that its handler still writes. */
    if (network->has_ended)
        return APR_SUCCESS;
    if (APR_BUCKET_IS_FLUSH(bucket))
        mrc_exchange_flush(network->exchange);
    else if (APR_BUCKET_IS_EOS(bucket)) {
        check_length(network, c);
        end(network);
    } else if (AP_BUCKET_IS_ERROR(bucket))
        network->is_broken = true;
    else if (APR_BUCKET_IS_FILE(bucket) && !network->is_bodiless)
        return write_file(network, c, bucket);
    else if (!APR_BUCKET_IS_METADATA(bucket))
        return write_data(network, c, bucket);
    return APR_SUCCESS;
}

/* The bytes of the heads of the frames with BYTES of a body. */
static apr_off_t frame_heads_bytes(apr_off_t bytes)
{
    return (bytes / (FRAME_BYTES - FRAME_HEAD_BYTES) + 1) * FRAME_HEAD_BYTES;
}

/*
 * Completes the counts of mod_logio, before the end of the request writes the log line. For the
 * request, mod_logio has counted the bytes that its filter above this one has seen, and gets those
 * of the frames in their place. OUT_BYTES are those of the frames of the response.
 */
static void complete_counts(struct mrc_network *network, conn_rec *c, apr_off_t out_bytes)
{
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_in) *add_in =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_in);
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) *add_out =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);

    if (add_in)
        add_in(c, (apr_off_t)atomic_load(&network->exchange->wire_in_bytes) - network->in_bytes);
    if (add_out)
        add_out(c, out_bytes);
    network->in_bytes = (apr_off_t)atomic_load(&network->exchange->wire_in_bytes);
    network->out_bytes = network->body_bytes = 0;
}

/* Takes the end of the request. The frames of the response do not exist yet, so their bytes are
 * estimated, except for a response that takes long: then the request is kept. */
static void take_end(struct mrc_network *network, conn_rec *c, apr_bucket *bucket)
{
    c->keepalive = AP_CONN_CLOSE; /* no other request follows */
    APR_BUCKET_REMOVE(bucket);
    network->end = bucket;
    if (network->is_sent && !network->has_left && mrc_exchange_has_file(network->exchange))
        return;
    complete_counts(network, c, network->out_bytes + frame_heads_bytes(network->body_bytes));
    network->end = NULL;
    apr_bucket_destroy(bucket);
}

void mrc_network_end_request(struct mrc_network *network, conn_rec *c)
{
    complete_counts(network, c, (apr_off_t)network->exchange->wire_out_bytes);
    apr_bucket_destroy(network->end);
    network->end = NULL;
}

static apr_status_t write_response(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    struct mrc_network *network = filter->ctx;
    apr_status_t status = APR_SUCCESS;
    conn_rec *c = filter->c;

    if (!brigade) { /* asks whether data is left: never */
        c->data_in_output_filters = 0;
        return APR_SUCCESS;
    }
    if (!network->has_head)
        status = take_heads(network, c, brigade);
    if (status != APR_SUCCESS && !network->has_head)
        put_error(network);
    while (!APR_BRIGADE_EMPTY(brigade)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);

        if (status == APR_SUCCESS && !network->has_left)
            status = write_bucket(network, c, bucket);
        if (AP_BUCKET_IS_EOR(bucket))
            take_end(network, c, bucket);
        else
            apr_bucket_delete(bucket);
    }
    if (status == APR_SUCCESS && network->has_head && !network->has_ended && !network->has_left)
        mrc_exchange_offer(network->exchange);
    note_status(network, c, status);
    if (status != APR_SUCCESS) {
        c->aborted = 1;
        network->is_broken = true;
    }
    return status;
}

/* ---- the filters ------------------------------------------------------------------------------*/

void mrc_network_register(void)
{
    ap_register_input_filter(IN_NAME, read_body, NULL, AP_FTYPE_NETWORK);
    ap_register_output_filter(OUT_NAME, write_response, NULL, AP_FTYPE_NETWORK);
}

void mrc_network_add(conn_rec *c, struct mrc_network *network)
{
    ap_add_input_filter(IN_NAME, network, NULL, c);
    ap_add_output_filter(OUT_NAME, network, NULL, c);
}
