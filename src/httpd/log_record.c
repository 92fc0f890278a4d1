#include "httpd/log_record.h"

#include <stdlib.h>
#include <string.h>

#include "apr_optional.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/buf.h"
#include "httpd/connection.h"
#include "httpd/log_fields.h"
#include "httpd/module.h"

APLOG_USE_MODULE(mercure);

/*
 * A record:
 *
 *     struct mrc_log_record        numbers
 *     texts of the request         in the order of request_texts
 *     texts of the connection      in the order of connection_texts
 *     request, response, notes, environment: of each the pairs, name and value, and TEXT_NONE
 *
 * Each text begins with a byte that tells its kind. Most are parts of the request line, which comes
 * first.
 */
struct mrc_log_record {
    server_rec *server;
    apr_time_t request_time;
    apr_off_t body_bytes;
    apr_off_t in_bytes;  /* what mod_logio has counted of the request */
    apr_off_t out_bytes; /* and of its response */
    apr_size_t len;      /* of the texts */
    long connection_id;
    int method_number;
    int proto_num;
    int status;
    int keepalives;
    apr_port_t client_port;
    apr_port_t local_port;
    char texts[];
};

enum {
    TEXT_NONE,  /* NULL */
    TEXT_OWN,   /* bytes up to a NUL */
    TEXT_WITHIN /* the place and length of bytes before it, each in two bytes */
};

static const size_t request_texts[] = {
    offsetof(request_rec, the_request),    offsetof(request_rec, method),
    offsetof(request_rec, unparsed_uri),   offsetof(request_rec, uri),
    offsetof(request_rec, args),           offsetof(request_rec, protocol),
    offsetof(request_rec, hostname),       offsetof(request_rec, user),
    offsetof(request_rec, ap_auth_type),   offsetof(request_rec, useragent_ip),
    offsetof(request_rec, useragent_host), offsetof(request_rec, log_id),
    offsetof(request_rec, filename),       offsetof(request_rec, handler),
};

static const size_t connection_texts[] = {
    offsetof(conn_rec, client_ip), offsetof(conn_rec, remote_host),
    offsetof(conn_rec, local_ip),  offsetof(conn_rec, remote_logname),
    offsetof(conn_rec, log_id),
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static char **text_at(void *record, size_t offset)
{
    return (char **)((char *)record + offset);
}

/* ---- what other modules keep of a request: they are asked by their own functions --------------*/

APR_DECLARE_OPTIONAL_FN(void, ap_logio_add_bytes_in, (conn_rec *, apr_off_t));
APR_DECLARE_OPTIONAL_FN(void, ap_logio_add_bytes_out, (conn_rec *, apr_off_t));
APR_DECLARE_OPTIONAL_FN(apr_off_t, ap_logio_get_last_bytes, (conn_rec *));

/* What an array of hooks holds, which httpd declares nowhere; mod_info has the same. */
struct hook {
    void (*call)(void *);
    const char *file; /* the module's source */
    const char *const *predecessors;
    const char *const *successors;
    int order;
};

/* The function of the module FILE in HOOKS; NULL: it is not loaded. */
static const struct hook *find_hook(const apr_array_header_t *hooks, const char *file)
{
    for (int i = 0; hooks && i < hooks->nelts; i++) {
        const struct hook *hook = &APR_ARRAY_IDX(hooks, i, struct hook);

        if (hook->file && !strcmp(hook->file, file))
            return hook;
    }
    return NULL;
}

/* Has the module FILE log R; false: it is not loaded, or hooks no logs. */
static bool let_log(request_rec *r, const char *file)
{
    const struct hook *hook = find_hook(ap_hook_get_log_transaction(), file);

    if (hook)
        ((ap_HOOK_log_transaction_t *)(void *)hook->call)(r);
    return hook != NULL;
}

static apr_off_t table_bytes(const apr_table_t *table)
{
    const apr_array_header_t *entries = apr_table_elts(table);
    apr_off_t bytes = 0;

    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);

        bytes += (apr_off_t)(strlen(entry->key) + strlen(entry->val) + sizeof(": \r\n") - 1);
    }
    return bytes;
}

/*
 * Takes the counts of R out of mod_logio. It tells only the sum of both, and that only after it has
 * logged; so what came in is reckoned from the request itself.
 */
static void take_counts(request_rec *r, apr_off_t *ret_in, apr_off_t *ret_out)
{
    APR_OPTIONAL_FN_TYPE(ap_logio_get_last_bytes) *get_last =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_get_last_bytes);

    *ret_in = *ret_out = 0;
    if (!let_log(r, "mod_logio.c") || !get_last)
        return;
    *ret_in = (apr_off_t)(strlen(r->the_request) + 2 * (sizeof("\r\n") - 1)) +
              table_bytes(r->headers_in) + r->read_length;
    *ret_out = get_last(r->connection) - *ret_in;
}

/* Gives the counts to mod_logio for the connection C. */
static void give_counts(conn_rec *c, apr_off_t in, apr_off_t out)
{
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_in) *add_in =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_in);
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) *add_out =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
    const struct hook *hook = find_hook(ap_hook_get_pre_connection(), "mod_logio.c");

    if (!hook || !add_in || !add_out)
        return;
    ((ap_HOOK_pre_connection_t *)(void *)hook->call)(c, NULL); /* makes its counts of C */
    add_in(c, in);
    add_out(c, out);
}

/* ---- keeping ----------------------------------------------------------------------------------*/

static void put_number(struct mrc_buf *buf, size_t number)
{
    mrc_buf_add_char(buf, (char)(number >> 8));
    mrc_buf_add_char(buf, (char)number);
}

/* Where in BUF, which is well, the bytes of TEXT stand already; the length of BUF: nowhere. */
static size_t find_within(const struct mrc_buf *buf, const char *text, size_t len)
{
    struct mrc_bytes bytes = mrc_buf_bytes(buf);
    const char *found = len > 4 ? memmem(bytes.ptr, bytes.len, text, len) : NULL;

    return found ? (size_t)(found - bytes.ptr) : bytes.len;
}

static void put_text(struct mrc_buf *buf, const char *text)
{
    size_t len, within;

    if (mrc_buf_error(buf))
        return;
    if (!text) {
        mrc_buf_add_char(buf, TEXT_NONE);
        return;
    }
    len = strlen(text);
    within = find_within(buf, text, len);
    if (within < mrc_buf_bytes(buf).len) {
        mrc_buf_add_char(buf, TEXT_WITHIN);
        put_number(buf, within);
        put_number(buf, len);
    } else {
        mrc_buf_add_char(buf, TEXT_OWN);
        mrc_buf_add(buf, text, len + 1);
    }
}

static void put_pair(struct mrc_buf *buf, const char *name, const char *value)
{
    if (!value)
        return;
    put_text(buf, name);
    put_text(buf, value);
}

static void put_all(struct mrc_buf *buf, const apr_table_t *table)
{
    const apr_array_header_t *entries = apr_table_elts(table);

    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);

        put_pair(buf, entry->key, entry->val);
    }
}

/* The pairs of TABLE, those of OTHER where it has none, that NAMES asks for; NULL: all of both. */
static void put_table(struct mrc_buf *buf, const apr_table_t *table, const apr_table_t *other,
                      const apr_array_header_t *names)
{
    for (int i = 0; names && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *value = apr_table_get(table, name);

        put_pair(buf, name, value || !other ? value : apr_table_get(other, name));
    }
    if (!names) {
        put_all(buf, table);
        if (other)
            put_all(buf, other);
    }
    mrc_buf_add_char(buf, TEXT_NONE);
}

static void put_texts(request_rec *r, struct mrc_buf *buf, const struct mrc_log_fields *fields)
{
    for (size_t i = 0; i < COUNT(request_texts); i++)
        put_text(buf, *text_at(r, request_texts[i]));
    for (size_t i = 0; i < COUNT(connection_texts); i++)
        put_text(buf, *text_at(r->connection, connection_texts[i]));
    put_table(buf, r->headers_in, NULL, fields->all ? NULL : fields->request);
    put_table(buf, r->headers_out, r->err_headers_out, fields->all ? NULL : fields->response);
    put_table(buf, r->notes, NULL, fields->notes); /* some are no texts: never all */
    put_table(buf, r->subprocess_env, NULL, fields->all ? NULL : fields->env);
}

struct mrc_log_record *mrc_log_record_keep(request_rec *r, const struct mrc_log_fields *fields)
{
    const conn_rec *c = r->connection;
    struct mrc_log_record *record = NULL;
    struct mrc_bytes texts;
    struct mrc_buf buf;

    /* Where names are logged, now is the time to ask for them. */
    ap_get_useragent_host(r, REMOTE_NAME, NULL);
    ap_get_remote_logname(r);
    mrc_buf_init(&buf, MRC_LOG_RECORD_BYTES_MAX);
    put_texts(r, &buf, fields);
    texts = mrc_buf_bytes(&buf);
    if (!mrc_buf_error(&buf))
        record = malloc(sizeof(*record) + texts.len);
    if (record) {
        *record = (struct mrc_log_record){
            .server = r->server,
            .request_time = r->request_time,
            .body_bytes = r->bytes_sent,
            .len = texts.len,
            .connection_id = c->id,
            .method_number = r->method_number,
            .proto_num = r->proto_num,
            .status = r->status,
            .keepalives = c->keepalives,
            .client_port = c->client_addr->port,
            .local_port = c->local_addr->port,
        };
        take_counts(r, &record->in_bytes, &record->out_bytes);
        let_log(r, "mod_log_forensic.c"); /* that httpd is through with it: the id is in R */
        memcpy(record->texts, texts.ptr, texts.len);
    }
    mrc_buf_free(&buf);
    return record;
}

int mrc_log_record_log_transaction(request_rec *r)
{
    return mrc_connection_is_detached(r->connection) ? DONE : DECLINED;
}

/* ---- making a request of it -------------------------------------------------------------------*/

struct reader {
    apr_pool_t *pool;
    const char *texts;
    size_t at;
};

static size_t get_number(struct reader *reader)
{
    const unsigned char *bytes = (const unsigned char *)reader->texts + reader->at;

    reader->at += 2;
    return (size_t)bytes[0] << 8 | bytes[1];
}

static char *get_text(struct reader *reader)
{
    size_t within;
    char *text;

    switch (reader->texts[reader->at++]) {
    case TEXT_OWN:
        text = apr_pstrdup(reader->pool, reader->texts + reader->at);
        reader->at += strlen(text) + 1;
        return text;
    case TEXT_WITHIN:
        within = get_number(reader);
        return apr_pstrmemdup(reader->pool, reader->texts + within, get_number(reader));
    default:
        return NULL;
    }
}

static apr_table_t *get_table(struct reader *reader)
{
    apr_table_t *table = apr_table_make(reader->pool, 4);
    const char *name;

    while ((name = get_text(reader)))
        apr_table_addn(table, name, get_text(reader));
    return table;
}

/* IP is digits. Its family is told, or the resolver would ask the kernel for all interfaces. */
static apr_sockaddr_t *make_address(apr_pool_t *pool, const char *ip, apr_port_t port)
{
    int family = ip && strchr(ip, ':') ? APR_INET6 : APR_INET;
    apr_sockaddr_t *address = NULL;

    if (apr_sockaddr_info_get(&address, ip, family, port, 0, pool) != APR_SUCCESS)
        apr_sockaddr_info_get(&address, NULL, APR_INET, port, 0, pool);
    return address;
}

static conn_rec *make_connection(struct reader *reader, const struct mrc_log_record *record)
{
    conn_rec *c = apr_pcalloc(reader->pool, sizeof(*c));

    c->pool = reader->pool;
    c->base_server = record->server;
    c->conn_config = ap_create_conn_config(reader->pool);
    c->notes = apr_table_make(reader->pool, 1);
    c->id = record->connection_id;
    c->keepalives = record->keepalives;
    c->keepalive = AP_CONN_CLOSE;
    for (size_t i = 0; i < COUNT(connection_texts); i++)
        *text_at(c, connection_texts[i]) = get_text(reader);
    c->client_addr = make_address(reader->pool, c->client_ip, record->client_port);
    c->local_addr = make_address(reader->pool, c->local_ip, record->local_port);
    return c;
}

static request_rec *make_request(apr_pool_t *pool, const struct mrc_log_record *record)
{
    struct reader reader = {pool, record->texts, 0};
    request_rec *r = apr_pcalloc(pool, sizeof(*r));

    r->pool = pool;
    r->server = record->server;
    r->per_dir_config = record->server->lookup_defaults;
    r->request_config = ap_create_request_config(pool);
    /* httpd looks into its own without asking, say for %{DOCUMENT_ROOT} in an expression. */
    ap_set_core_module_config(r->request_config, apr_pcalloc(pool, sizeof(core_request_config)));
    r->request_time = record->request_time;
    r->bytes_sent = record->body_bytes;
    r->method_number = record->method_number;
    r->proto_num = record->proto_num;
    r->status = record->status;
    r->sent_bodyct = 1;
    for (size_t i = 0; i < COUNT(request_texts); i++)
        *text_at(r, request_texts[i]) = get_text(&reader);
    if (r->handler && !*r->handler) /* httpd's word for none, while a handler runs */
        r->handler = NULL;
    r->connection = make_connection(&reader, record);
    if (!r->useragent_host)
        r->useragent_host = r->connection->remote_host;
    if (!r->useragent_host) /* looked up in vain, and not to be looked up again */
        r->useragent_host = apr_pstrdup(pool, "");
    r->useragent_addr = make_address(pool, r->useragent_ip, record->client_port);
    r->headers_in = get_table(&reader);
    r->headers_out = get_table(&reader);
    r->notes = get_table(&reader);
    r->subprocess_env = get_table(&reader);
    r->err_headers_out = apr_table_make(pool, 1);
    r->trailers_in = apr_table_make(pool, 1);
    r->trailers_out = apr_table_make(pool, 1);
    return r;
}

void mrc_log_record_log(struct mrc_log_record *record, apr_off_t body_bytes, apr_off_t wire_bytes,
                        enum mrc_end end)
{
    apr_pool_t *pool;
    request_rec *r;

    if (apr_pool_create(&pool, NULL) == APR_SUCCESS) {
        r = make_request(pool, record);
        r->bytes_sent += body_bytes;
        r->connection->aborted = end == MRC_END_CLIENT;
        apr_table_setn(r->notes, "mercure-reason", mrc_end_text(end));
        give_counts(r->connection, record->in_bytes, record->out_bytes + wire_bytes);
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "stream ended: %s", mrc_end_text(end));
        ap_run_log_transaction(r);
        apr_pool_destroy(pool);
    }
    free(record);
}
