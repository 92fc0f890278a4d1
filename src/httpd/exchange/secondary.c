#include "httpd/exchange/secondary.h"

#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"
#include "util_filter.h"

#include "httpd/base/connection.h"
#include "httpd/config/hubs.h"
#include "httpd/exchange/exchange.h"
#include "httpd/exchange/head_text.h"
#include "httpd/exchange/kept.h"
#include "httpd/exchange/network.h"
#include "httpd/exchange/response.h"
#include "httpd/exchange/scoreboard.h"

/* With more fields than a client of good will sends, it costs less to sort them than to look for
 * each one among the others. */
#define MANY_FIELDS 64

/* More than the context of mod_http2 before version 2, which has six pointers. */
#define H2_CTX_BYTES 256

static struct mrc_network *network_of(const conn_rec *c)
{
    return mrc_connection_get_network(c);
}

struct mrc_exchange *mrc_secondary_exchange(const conn_rec *c)
{
    struct mrc_network *network = network_of(c);

    return network ? network->exchange : NULL;
}

void mrc_secondary_leave(conn_rec *c)
{
    network_of(c)->has_left = true;
}

/* ---- the secondary connection -----------------------------------------------------------------*/

/* When httpd looks up the name of an address, it allocates in the pool of the address; another
 * worker may do so at the same time. */
static void own_addresses(conn_rec *c)
{
    apr_sockaddr_info_copy(&c->client_addr, c->client_addr, c->pool);
    apr_sockaddr_info_copy(&c->local_addr, c->local_addr, c->pool);
}

static bool has_directive(const module *of, const char *name)
{
    for (const command_rec *command = of->cmds; command && command->name; command++)
        if (!strcasecmp(command->name, name))
            return true;
    return false;
}

/*
 * mod_http2 before version 2 (httpd 2.4.55, which has H2StreamTimeout) takes each secondary
 * connection for one of its own, and reads the context that it keeps there (struct h2_ctx of its
 * h2_ctx.h). An empty one, without a task, makes it decline the connection.
 */
static void decline_for_mod_http2(conn_rec *c)
{
    module *mod_http2 = ap_find_linked_module("mod_http2.c");

    if (mod_http2 && !has_directive(mod_http2, "H2StreamTimeout"))
        ap_set_module_config(c->conn_config, mod_http2, apr_pcalloc(c->pool, H2_CTX_BYTES));
}

static conn_rec *create_connection(struct mrc_exchange *exchange, struct mrc_network *network,
                                   struct mrc_exchange_worker *worker)
{
    conn_rec *master = exchange->origin->c;
    conn_rec *c = apr_pmemdup(worker->pool, master, sizeof(*c));

    c->master = master;
    c->pool = worker->pool;
    own_addresses(c);
    c->conn_config = ap_create_conn_config(worker->pool);
    c->notes = apr_table_make(worker->pool, 5);
    c->bucket_alloc = apr_bucket_alloc_create(worker->pool);
    c->input_filters = NULL;
    c->output_filters = NULL;
    c->data_in_input_filters = c->data_in_output_filters = 0;
    c->clogging_input_filters = 1;
    c->log = NULL;
    c->aborted = 0;
    c->cs = NULL; /* the MPM's own hook makes it */
    c->current_thread = worker->thread;
    c->keepalive = AP_CONN_UNKNOWN; /* so handlers read what is left of the body */
    c->keepalives = (int)exchange->number;
    c->id = mrc_scoreboard_connection_id(exchange->origin->sb_child, worker->job);
    ap_set_core_module_config(c->conn_config, exchange->origin->socket);
    mrc_connection_create_secondary(c, network);
    mrc_scoreboard_enter(c, exchange->origin, worker);
    mrc_network_add(c, network);
    decline_for_mod_http2(c);
    ap_run_pre_connection(c, exchange->origin->socket);
    return c;
}

/* ---- the request ------------------------------------------------------------------------------*/

/* The pseudo fields of a request; NULL: not there. */
struct pseudo {
    const char *method, *path, *authority, *scheme;
};

static void take_pseudo(struct pseudo *pseudo, const char *name, const char *value)
{
    if (!strcmp(name, ":method"))
        pseudo->method = value;
    else if (!strcmp(name, ":path"))
        pseudo->path = value;
    else if (!strcmp(name, ":authority"))
        pseudo->authority = value;
    else if (!strcmp(name, ":scheme"))
        pseudo->scheme = value;
}

/* The fields of a request while they are taken. Fields with the same name are joined all at once,
 * because a client can repeat a field many times with a few bytes. */
struct taking {
    struct pseudo pseudo;
    apr_array_header_t *cookie; /* of struct iovec: its parts (RFC 9113, 8.2.3); NULL: none */
    bool may_have_doubles;      /* fields with the same name, which become one */
};

static void take_cookie(request_rec *r, struct taking *taking, const char *value)
{
    if (!taking->cookie)
        taking->cookie = apr_array_make(r->pool, 8, sizeof(struct iovec));
    else
        APR_ARRAY_PUSH(taking->cookie, struct iovec) = (struct iovec){(void *)"; ", 2};
    APR_ARRAY_PUSH(taking->cookie, struct iovec) = (struct iovec){(void *)value, strlen(value)};
}

static void take_field(request_rec *r, struct taking *taking, const char *name, const char *value)
{
    taking->may_have_doubles = taking->may_have_doubles ||
                               apr_table_elts(r->headers_in)->nelts > MANY_FIELDS ||
                               apr_table_get(r->headers_in, name);
    apr_table_addn(r->headers_in, name, value);
}

static void join_fields(request_rec *r, const struct taking *taking)
{
    const apr_array_header_t *cookie = taking->cookie;

    if (taking->may_have_doubles)
        apr_table_compress(r->headers_in, APR_OVERLAP_TABLES_MERGE);
    if (cookie)
        apr_table_setn(r->headers_in, "cookie",
                       apr_pstrcatv(r->pool, (const struct iovec *)cookie->elts,
                                    (apr_size_t)cookie->nelts, NULL));
}

/* The pseudo field replaces Host, which should be the same (RFC 9113, 8.3.1). */
static void take_host(request_rec *r, const char *authority)
{
    const char *host = apr_table_get(r->headers_in, "Host");

    if (!authority || !*authority)
        return;
    if (host && strcmp(host, authority) != 0)
        apr_table_setn(r->subprocess_env, "H2_ORIGINAL_HOST", host);
    apr_table_setn(r->headers_in, "Host", authority);
}

static int check_field(void *max, const char *name, const char *value)
{
    return strlen(name) + strlen(value) + 2 <= *(const size_t *)max;
}

/* The status for a request with too many fields, or too long ones; fields with the same name are
 * one by now. 0: R is within the limits. */
static int check_fields(const request_rec *r)
{
    const server_rec *server = r->connection->base_server;
    size_t max = (size_t)server->limit_req_fieldsize;

    if (server->limit_req_fields > 0 &&
        apr_table_elts(r->headers_in)->nelts > server->limit_req_fields)
        return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    return apr_table_do(check_field, &max, r->headers_in, NULL)
               ? 0
               : HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
}

static struct pseudo take_fields(request_rec *r, struct mrc_exchange *exchange)
{
    struct taking taking = {.cookie = NULL};
    const char *name, *value;
    size_t at = 0;

    while (mrc_exchange_fields_next(&exchange->request, &at, &name, &value)) {
        if (*name == ':')
            take_pseudo(&taking.pseudo, name, value);
        else if (!strcmp(name, "cookie"))
            take_cookie(r, &taking, value);
        else
            take_field(r, &taking, name, value);
    }
    join_fields(r, &taking);
    if (!exchange->refused)
        exchange->refused = check_fields(r);
    take_host(r, taking.pseudo.authority);
    if (exchange->has_body && !exchange->has_length)
        apr_table_setn(r->headers_in, "Transfer-Encoding", "chunked");
    else if (!exchange->has_length && apr_table_get(r->headers_in, "Content-Type"))
        apr_table_setn(r->headers_in, "Content-Length", "0");
    return taking.pseudo;
}

/* The request line; a foreign scheme, whose paths nghttp2 does not check, makes it absolute, so
 * that httpd refuses it. */
static const char *request_line(request_rec *r, const struct pseudo *pseudo)
{
    const char *method = pseudo->method ? pseudo->method : "GET";
    const char *path = pseudo->path ? pseudo->path : "/";
    const char *host = apr_table_get(r->headers_in, "Host");

    if (pseudo->scheme && ap_cstr_casecmp(pseudo->scheme, "http") != 0 &&
        ap_cstr_casecmp(pseudo->scheme, "https") != 0)
        return apr_psprintf(r->pool, "%s %s://%s%s HTTP/2.0", method, pseudo->scheme,
                            host ? host : "", path);
    return apr_psprintf(r->pool, "%s %s HTTP/2.0", method, path);
}

/* Parses the request, and chooses its virtual host. Returns the status of an error, or OK. */
static int parse(request_rec *r, struct mrc_exchange *exchange, const struct pseudo *pseudo)
{
    int status = exchange->refused;

    r->the_request = (char *)request_line(r, pseudo);
    r->hostname = NULL; /* httpd takes it from the field Host */
    if (!ap_parse_request_line(r) || !ap_check_request_header(r)) {
        status = status ? status : r->status;
        r->status = HTTP_OK;
    }
    r->per_dir_config = r->server->lookup_defaults;
    if (!status && r->method_number == M_CONNECT)
        status = HTTP_NOT_IMPLEMENTED;
    return status;
}

/* Answers with the error STATUS, and ends the request. */
static void refuse(request_rec *r, struct mrc_network *network, int status)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *brigade;

    mrc_response_replace(r, network);
    ap_die(status, r);
    brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(brigade, ap_bucket_eor_create(c->bucket_alloc, r));
    ap_pass_brigade(c->output_filters, brigade);
}

static void handle(conn_rec *c, struct mrc_network *network)
{
    struct mrc_exchange *exchange = network->exchange;
    request_rec *r = ap_create_request(c);
    struct pseudo pseudo = take_fields(r, exchange);
    int status;

    ap_run_pre_read_request(r, c);
    r->request_time = apr_time_now();
    status = parse(r, exchange, &pseudo);
    ap_add_input_filter_handle(ap_http_input_filter_handle, NULL, r, c);
    if (!status)
        status = ap_post_read_request(r);
    mrc_scoreboard_show(r);
    if (status)
        refuse(r, network, status);
    else
        ap_process_request(r);
}

/* Handles the request of EXCHANGE, and completes its response. False: the request ends later. */
static bool answer(struct mrc_exchange *exchange, struct mrc_exchange_worker *worker)
{
    struct mrc_network *network = apr_pcalloc(worker->pool, sizeof(*network));
    bool has_ended = true;
    conn_rec *c;

    network->exchange = exchange;
    c = create_connection(exchange, network, worker);
    handle(c, network);
    mrc_exchange_head_text_free(&network->text);
    if (!network->has_left && !network->is_sent) {
        if (!network->has_head)
            mrc_response_put_status(network, HTTP_INTERNAL_SERVER_ERROR);
        mrc_exchange_end(exchange, network->has_ended && !network->is_broken);
    }
    if (network->end && mrc_kept_begin(network, c, worker))
        has_ended = false; /* and another thread may end it already */
    else if (network->end)
        mrc_network_end_request(network, c);
    /* Cleanups of modules may look at the client's connection, which exists until the job ends. */
    apr_pool_clear(worker->pool);
    mrc_scoreboard_rest(worker);
    return has_ended;
}

void mrc_secondary_run(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker)
{
    struct mrc_exchange *exchange =
        (struct mrc_exchange *)((char *)job - offsetof(struct mrc_exchange, job));
    struct mrc_exchange_origin *origin = exchange->origin;

    /* A client may reset a request as soon as it has sent it. */
    if (!mrc_exchange_begin(exchange) || answer(exchange, worker))
        mrc_exchange_free_request(exchange);
    mrc_exchange_unref(exchange);
    origin->job_ended(origin);
}

/* ---- hooks ------------------------------------------------------------------------------------*/

/* Whether R may have this connection. If not, its client opens one to the virtual host; without
 * TLS, it would get the same one again. */
static bool serves(request_rec *r, const struct mrc_exchange *exchange)
{
    return (mrc_hubs_http2_speaker(r->server) != MRC_HTTP2_OTHERS ||
            !strcmp(exchange->origin->protocol, "h2c")) &&
           ap_is_allowed_protocol(exchange->origin->c, r, r->server, exchange->origin->protocol);
}

int mrc_secondary_post_read_request(request_rec *r)
{
    struct mrc_network *network = r->main ? NULL : network_of(r->connection);

    if (!network)
        return DECLINED;
    mrc_response_replace(r, network);
    return serves(r, network->exchange) ? DECLINED : HTTP_MISDIRECTED_REQUEST;
}

/* mod_remoteip gives all requests of a connection the address that the PROXY protocol has told it,
 * which is one object, in the connection's pool (see own_addresses()). */
int mrc_secondary_own_address(request_rec *r)
{
    if (network_of(r->connection) && r->useragent_addr != r->connection->client_addr)
        apr_sockaddr_info_copy(&r->useragent_addr, r->useragent_addr, r->pool);
    return DECLINED;
}

void mrc_secondary_insert_filter(request_rec *r)
{
    struct mrc_network *network = r->main ? NULL : network_of(r->connection);

    if (network)
        mrc_response_replace(r, network);
}

/* The variables are those of mod_http2, which configurations and applications look at. */
int mrc_secondary_fixups(request_rec *r)
{
    const struct mrc_network *network = network_of(r->connection);
    const struct mrc_exchange *exchange = network ? network->exchange : NULL;

    if (!exchange)
        return DECLINED;
    apr_table_setn(r->subprocess_env, "HTTP2", "on");
    apr_table_setn(r->subprocess_env, "H2PUSH", "off");
    apr_table_setn(r->subprocess_env, "H2_PUSH", "off");
    apr_table_setn(r->subprocess_env, "H2_PUSHED", "");
    apr_table_setn(r->subprocess_env, "H2_PUSHED_ON", "");
    apr_table_setn(r->subprocess_env, "H2_STREAM_ID", apr_itoa(r->pool, exchange->id));
    apr_table_setn(r->subprocess_env, "H2_STREAM_TAG",
                   apr_psprintf(r->pool, "%d-%lu-%d", exchange->origin->sb_child,
                                exchange->origin->number, (int)exchange->id));
    return DECLINED;
}

void mrc_secondary_register(void)
{
    mrc_network_register();
    mrc_response_register();
}
