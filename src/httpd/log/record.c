#include "httpd/log/record.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"

#include "core/base/buf.h"
#include "core/base/interned.h"
#include "httpd/base/connection.h"
#include "httpd/base/pool.h"
#include "httpd/child/this_child.h"
#include "httpd/log/fields.h"
#include "httpd/log/hooks.h"
#include "httpd/log/stream_end.h"
#include "httpd/log/variables.h"
#include "httpd/tls/takeover.h"

/* clang-format off */
/*
 * The layout of a record:
 *
 *     +------------------------+
 *     | struct mrc_log_record  |  numbers
 *     +------------------------+     interned bytes, each shared with other records:
 *     | shared[SHARED_HEAD]    | --> struct head, texts: equal for most requests of a virtual host
 *     | shared[SHARED_URL]     | --> texts: equal for all requests to the same URL
 *     | shared[SHARED_FIELDS]  | --> a field of the request: name, NUL, value, NUL
 *     | ...                    |     more fields
 *     +------------------------+
 *     | texts                  |  own_texts, own_connection_texts, the time to the first byte
 *     | pairs                  |  fields of the response: name and value as texts; then TEXT_NONE
 *     | pairs                  |  notes, in the same way
 *     | pairs                  |  environment variables, in the same way
 *     | pairs                  |  variables of mod_ssl, in the same way
 *     +------------------------+
 *
 * The texts of an interned part are in the order of head_texts and head_connection_texts, or of
 * url_texts. Each text begins with a byte for its kind. Many texts occur in an earlier text of the
 * same part, most of them in the request line: these are stored as a place and a length.
 */
/* clang-format on */
struct mrc_log_record {
    apr_time_t request_time;
    apr_off_t in_bytes; /* of the request, counted by mod_logio */
    int32_t out_bytes;  /* of the response until now, counted by mod_logio */
    int32_t body_bytes; /* of the response's body until now */
    int32_t connection_id;
    int32_t keepalives;
    apr_port_t client_port;
    uint16_t shared_count;
    struct mrc_interned *shared[]; /* shared_count of them; the texts follow */
};

/* There is one for each detached stream. */
_Static_assert(sizeof(struct mrc_log_record) <= 40, "a log record is small");

enum { SHARED_HEAD, SHARED_URL, SHARED_FIELDS };

struct head {
    server_rec *server;
    int method_number;
    int proto_num;
    int status;
    apr_port_t local_port;
};

enum {
    TEXT_NONE,  /* NULL */
    TEXT_OWN,   /* the bytes, and a NUL */
    TEXT_WITHIN /* a place in the same part and a length, each in two bytes */
};

static const size_t head_texts[] = {
    offsetof(request_rec, method),       offsetof(request_rec, protocol),
    offsetof(request_rec, hostname),     offsetof(request_rec, handler),
    offsetof(request_rec, ap_auth_type),
};

static const size_t head_connection_texts[] = {
    offsetof(conn_rec, local_ip),
};

static const size_t url_texts[] = {
    offsetof(request_rec, the_request), offsetof(request_rec, unparsed_uri),
    offsetof(request_rec, uri),         offsetof(request_rec, args),
    offsetof(request_rec, filename),
};

static const size_t own_texts[] = {
    offsetof(request_rec, useragent_ip),
    offsetof(request_rec, useragent_host),
    offsetof(request_rec, user),
    offsetof(request_rec, log_id),
};

static const size_t own_connection_texts[] = {
    offsetof(conn_rec, client_ip),
    offsetof(conn_rec, remote_host),
    offsetof(conn_rec, remote_logname),
    offsetof(conn_rec, log_id),
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The member of RECORD, a request_rec or conn_rec, at OFFSET. */
static char **text_at(void *record, size_t offset)
{
    return (char **)((char *)record + offset);
}

/* ---- writing texts ----------------------------------------------------------------------------*/

static void put_number(struct mrc_buf *buf, size_t number)
{
    mrc_buf_add_char(buf, (char)(number >> 8));
    mrc_buf_add_char(buf, (char)number);
}

/* The place in BUF, which has no error, where the bytes of TEXT occur already. The length of BUF:
 * they do not. */
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

static void put_texts(struct mrc_buf *buf, const void *record, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_text(buf, *text_at((void *)record, offsets[i]));
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

/* The pairs of TABLE whose names are in NAMES, or of OTHER if TABLE has no such name. NAMES NULL:
 * all pairs of both. */
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

/*
 * Writes the time to the first byte as a text, which takes only one byte if the time is not
 * measured.
 */
static void put_ttfb(request_rec *r, struct mrc_buf *buf)
{
    apr_time_t ttfb_us = mrc_log_hooks_take_ttfb(r);

    put_text(buf, ttfb_us ? apr_psprintf(r->pool, "%" APR_TIME_T_FMT, ttfb_us) : NULL);
}

static void put_own(request_rec *r, struct mrc_buf *buf, const struct mrc_log_fields *fields)
{
    put_texts(buf, r, own_texts, COUNT(own_texts));
    put_texts(buf, r->connection, own_connection_texts, COUNT(own_connection_texts));
    put_ttfb(r, buf);
    put_table(buf, r->headers_out, r->err_headers_out, fields->all ? NULL : fields->response);
    put_table(buf, r->notes, NULL, fields->notes); /* never all, because not all notes are texts */
    put_table(buf, r->subprocess_env, NULL, fields->all ? NULL : fields->env);
    put_table(buf, mrc_log_variables_of(r, fields->tls), NULL, fields->tls);
}

/* ---- interning shared parts -------------------------------------------------------------------*/

/* The interned parts of a record that is being made. */
struct shared {
    struct mrc_interned_table *table;
    struct mrc_interned **all; /* has room for all parts that there can be */
    uint16_t count;
    bool has_failed;
    size_t bytes_left; /* of the record's maximum */
};

/* Interns the bytes in BUF, and frees BUF. */
static void share(struct shared *shared, struct mrc_buf *buf)
{
    struct mrc_bytes bytes = mrc_buf_bytes(buf);
    struct mrc_interned *interned =
        mrc_buf_error(buf) ? NULL : mrc_interned_get(shared->table, bytes);

    if (interned) {
        shared->all[shared->count++] = interned;
        shared->bytes_left -= bytes.len;
    } else {
        shared->has_failed = true;
    }
    mrc_buf_free(buf);
}

static void share_head(struct shared *shared, request_rec *r)
{
    struct mrc_buf buf;
    struct head head;

    memset(&head, 0, sizeof(head)); /* padding is compared, too */
    head.server = r->server;
    head.method_number = r->method_number;
    head.proto_num = r->proto_num;
    head.status = r->status;
    head.local_port = r->connection->local_addr->port;
    mrc_buf_init(&buf, shared->bytes_left);
    mrc_buf_add(&buf, &head, sizeof(head));
    put_texts(&buf, r, head_texts, COUNT(head_texts));
    put_texts(&buf, r->connection, head_connection_texts, COUNT(head_connection_texts));
    share(shared, &buf);
}

static void share_url(struct shared *shared, const request_rec *r)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, shared->bytes_left);
    put_texts(&buf, r, url_texts, COUNT(url_texts));
    share(shared, &buf);
}

static void share_field(struct shared *shared, const char *name, const char *value)
{
    struct mrc_buf buf;

    if (!value)
        return;
    mrc_buf_init(&buf, shared->bytes_left);
    mrc_buf_add(&buf, name, strlen(name) + 1);
    mrc_buf_add(&buf, value, strlen(value) + 1);
    share(shared, &buf);
}

/* Interns the fields of the request that are in FIELDS. */
static void share_fields(struct shared *shared, const request_rec *r,
                         const struct mrc_log_fields *fields)
{
    const apr_array_header_t *entries = apr_table_elts(r->headers_in);

    for (int i = 0; !fields->all && i < fields->request->nelts; i++) {
        const char *name = APR_ARRAY_IDX(fields->request, i, const char *);

        share_field(shared, name, apr_table_get(r->headers_in, name));
    }
    for (int i = 0; fields->all && i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);

        share_field(shared, entry->key, entry->val);
    }
}

static void release(struct mrc_interned *const *shared, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mrc_interned_release(shared[i]);
}

/* Interns all parts of R that other requests may share. False: they are too long, or there is no
 * memory. */
static bool share_all(struct shared *shared, request_rec *r, const struct mrc_log_fields *fields)
{
    size_t max = SHARED_FIELDS +
                 (size_t)(fields->all ? apr_table_elts(r->headers_in) : fields->request)->nelts;

    if (max > UINT16_MAX)
        return false;
    shared->all = apr_palloc(r->pool, max * sizeof(struct mrc_interned *));
    share_head(shared, r);
    share_url(shared, r);
    share_fields(shared, r, fields);
    if (shared->has_failed)
        release(shared->all, shared->count);
    return !shared->has_failed;
}

/* ---- making a record --------------------------------------------------------------------------*/

/* A record with the SHARED parts and the OWN texts, whose numbers are 0. NULL: out of memory. */
static struct mrc_log_record *create(const struct shared *shared, struct mrc_bytes own)
{
    size_t shared_bytes = shared->count * sizeof(struct mrc_interned *);
    struct mrc_log_record *record = malloc(sizeof(*record) + shared_bytes + own.len);

    if (!record)
        return NULL;
    *record = (struct mrc_log_record){.shared_count = shared->count};
    memcpy(record->shared, shared->all, shared_bytes);
    memcpy(&record->shared[shared->count], own.ptr, own.len);
    return record;
}

static void fill_in(struct mrc_log_record *record, request_rec *r)
{
    const conn_rec *c = r->connection;

    record->request_time = r->request_time;
    record->connection_id = (int32_t)c->id; /* small: an MPM derives it from the thread */
    record->body_bytes = (int32_t)r->bytes_sent;
    record->keepalives = c->keepalives;
    record->client_port = c->client_addr->port;
}

struct mrc_log_record *mrc_log_record_keep(request_rec *r, const struct mrc_log_fields *fields,
                                           struct mrc_interned_table *table)
{
    struct shared shared = {.table = table, .bytes_left = MRC_LOG_RECORD_BYTES_MAX};
    struct mrc_log_record *record = NULL;
    struct mrc_buf own;

    /* Looks names up now, if they are logged: later there is no request to look them up for. */
    ap_get_useragent_host(r, REMOTE_NAME, NULL);
    ap_get_remote_logname(r);
    if (!share_all(&shared, r, fields))
        return NULL;
    mrc_buf_init(&own, shared.bytes_left);
    put_own(r, &own, fields);
    if (!mrc_buf_error(&own))
        record = create(&shared, mrc_buf_bytes(&own));
    mrc_buf_free(&own);
    if (!record) {
        release(shared.all, shared.count);
        return NULL;
    }
    fill_in(record, r);
    mrc_log_hooks_call(r, "mod_log_forensic.c"); /* now, while R has the id that it logs */
    return record;
}

static bool may_take_tls(void)
{
    return mrc_this_child_get() && mrc_this_child_socket_bio();
}

/* The bytes of TLS that came from the client of R since mod_logio logged the request before. -1: R
 * has no TLS. */
static apr_off_t wire_in_of(const request_rec *r)
{
    conn_rec *c = r->connection;
    apr_off_t bytes = may_take_tls() ? mrc_takeover_wire_in(c) : -1;

    return bytes < 0 ? -1 : bytes - mrc_connection_get_logged_bytes(c);
}

void mrc_log_record_take_counts(struct mrc_log_record *record, request_rec *r)
{
    apr_off_t out_bytes;

    mrc_log_hooks_take_counts(r, wire_in_of(r), &record->in_bytes, &out_bytes);
    record->out_bytes = (int32_t)out_bytes;
}

int mrc_log_record_log_transaction(request_rec *r)
{
    conn_rec *c = r->connection;

    if (mrc_connection_is_recorded(c))
        return DONE;
    if (may_take_tls() && mrc_takeover_wire_in(c) >= 0)
        mrc_connection_set_logged_bytes(c, mrc_takeover_wire_in(c));
    return DECLINED;
}

/* ---- making a request from a record -----------------------------------------------------------*/

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

static void get_texts(struct reader *reader, void *record, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *text_at(record, offsets[i]) = get_text(reader);
}

static apr_table_t *get_table(struct reader *reader)
{
    apr_table_t *table = apr_table_make(reader->pool, 4);
    const char *name;

    while ((name = get_text(reader)))
        apr_table_addn(table, name, get_text(reader));
    return table;
}

/* The fields of the request, from the shared parts. */
static apr_table_t *get_fields(apr_pool_t *pool, const struct mrc_log_record *record)
{
    apr_table_t *table = apr_table_make(pool, 4);

    for (size_t i = SHARED_FIELDS; i < record->shared_count; i++) {
        const char *name = mrc_interned_bytes(record->shared[i]).ptr;

        apr_table_add(table, name, name + strlen(name) + 1);
    }
    return table;
}

/* An address without its IP. */
static apr_sockaddr_t *make_port(apr_pool_t *pool, bool is_ipv6, apr_port_t port)
{
    apr_sockaddr_t *address = apr_pcalloc(pool, sizeof(*address));

    address->pool = pool;
    address->port = port;
    address->family = is_ipv6 ? APR_INET6 : APR_INET;
    if (is_ipv6) {
        address->sa.sin6.sin6_family = AF_INET6;
        address->sa.sin6.sin6_port = htons(port);
        address->salen = sizeof(address->sa.sin6);
        address->addr_str_len = INET6_ADDRSTRLEN;
        address->ipaddr_ptr = &address->sa.sin6.sin6_addr;
        address->ipaddr_len = sizeof(address->sa.sin6.sin6_addr);
    } else {
        address->sa.sin.sin_family = AF_INET;
        address->sa.sin.sin_port = htons(port);
        address->salen = sizeof(address->sa.sin);
        address->addr_str_len = INET_ADDRSTRLEN;
        address->ipaddr_ptr = &address->sa.sin.sin_addr;
        address->ipaddr_len = sizeof(address->sa.sin.sin_addr);
    }
    return address;
}

/* The address that IP, a numeric address, stands for. Only an address with a zone, such as
 * fe80::1%eth0, needs the resolver, which costs more than the rest of a log line. */
static apr_sockaddr_t *make_address(apr_pool_t *pool, const char *ip, apr_port_t port)
{
    apr_sockaddr_t *address = make_port(pool, ip && strchr(ip, ':'), port);

    if (ip && inet_pton(address->family, ip, address->ipaddr_ptr) != 1)
        apr_sockaddr_info_get(&address, ip, address->family, port, 0, pool);
    return address;
}

/* An empty request and its connection, with all members that httpd uses without a check. */
static request_rec *make_empty(apr_pool_t *pool)
{
    request_rec *r = apr_pcalloc(pool, sizeof(*r));

    r->pool = pool;
    r->request_config = ap_create_request_config(pool);
    ap_set_core_module_config(r->request_config, apr_pcalloc(pool, sizeof(core_request_config)));
    r->err_headers_out = apr_table_make(pool, 1);
    r->trailers_in = apr_table_make(pool, 1);
    r->trailers_out = apr_table_make(pool, 1);
    r->connection = apr_pcalloc(pool, sizeof(*r->connection));
    r->connection->pool = pool;
    r->connection->conn_config = ap_create_conn_config(pool);
    r->connection->notes = apr_table_make(pool, 1);
    r->connection->keepalive = AP_CONN_CLOSE;
    mrc_connection_pre_connection(r->connection, NULL);
    return r;
}

static void take_head(request_rec *r, const struct mrc_interned *shared)
{
    conn_rec *c = r->connection;
    struct reader reader = {r->pool, mrc_interned_bytes(shared).ptr, sizeof(struct head)};
    struct head head;

    memcpy(&head, reader.texts, sizeof(head));
    r->server = head.server;
    r->per_dir_config = head.server->lookup_defaults;
    r->method_number = head.method_number;
    r->proto_num = head.proto_num;
    r->status = head.status;
    get_texts(&reader, r, head_texts, COUNT(head_texts));
    if (r->handler && !*r->handler) /* while a handler runs, httpd writes "" for none */
        r->handler = NULL;
    c->base_server = head.server;
    get_texts(&reader, c, head_connection_texts, COUNT(head_connection_texts));
    c->local_addr = make_address(r->pool, c->local_ip, head.local_port);
}

static void take_url(request_rec *r, const struct mrc_interned *shared)
{
    struct reader reader = {r->pool, mrc_interned_bytes(shared).ptr, 0};

    get_texts(&reader, r, url_texts, COUNT(url_texts));
}

static void get_ttfb(struct reader *reader, request_rec *r)
{
    const char *text = get_text(reader);

    if (text)
        mrc_log_hooks_give_ttfb(r, apr_atoi64(text));
}

static void take_own(request_rec *r, const struct mrc_log_record *record)
{
    struct reader reader = {r->pool, (const char *)&record->shared[record->shared_count], 0};
    conn_rec *c = r->connection;

    get_texts(&reader, r, own_texts, COUNT(own_texts));
    get_texts(&reader, c, own_connection_texts, COUNT(own_connection_texts));
    get_ttfb(&reader, r);
    r->headers_out = get_table(&reader);
    r->notes = get_table(&reader);
    r->subprocess_env = get_table(&reader);
    mrc_connection_set_variables(c, get_table(&reader));
    c->id = record->connection_id;
    c->keepalives = record->keepalives;
    c->client_addr = make_address(r->pool, c->client_ip, record->client_port);
    if (!r->useragent_host)
        r->useragent_host = c->remote_host;
    if (!r->useragent_host) /* not found; "" keeps httpd from looking it up again */
        r->useragent_host = apr_pstrdup(r->pool, "");
    r->useragent_addr = make_address(r->pool, r->useragent_ip, record->client_port);
    r->request_time = record->request_time;
    r->bytes_sent = record->body_bytes;
    r->sent_bodyct = 1;
}

static request_rec *make_request(apr_pool_t *pool, const struct mrc_log_record *record)
{
    request_rec *r = make_empty(pool);

    take_head(r, record->shared[SHARED_HEAD]);
    take_url(r, record->shared[SHARED_URL]);
    take_own(r, record);
    r->headers_in = get_fields(pool, record);
    return r;
}

/* ---- logging ----------------------------------------------------------------------------------*/

static void log_request(request_rec *r, apr_off_t body_bytes, enum mrc_end end)
{
    r->bytes_sent += body_bytes;
    mrc_log_stream_end(r, end);
    ap_run_log_transaction(r);
}

static void destroy(struct mrc_log_record *record)
{
    release(record->shared, record->shared_count);
    free(record);
}

void mrc_log_record_log(struct mrc_log_record *record, const struct mrc_log_sent *sent,
                        enum mrc_end end)
{
    apr_pool_t *pool;
    request_rec *r;

    if (mrc_pool_create(&pool, NULL) == APR_SUCCESS) {
        r = make_request(pool, record);
        r->connection->aborted = end == MRC_END_CLIENT;
        mrc_log_hooks_give_counts(r->connection, record->in_bytes + sent->wire_in_bytes,
                                  record->out_bytes + sent->wire_out_bytes);
        log_request(r, sent->body_bytes, end);
        apr_pool_destroy(pool);
    }
    destroy(record);
}

void mrc_log_record_log_of(struct mrc_log_record *record, conn_rec *c, apr_off_t body_bytes,
                           enum mrc_end end)
{
    apr_pool_t *pool;
    request_rec *r;

    if (mrc_pool_create(&pool, NULL) == APR_SUCCESS) {
        r = make_request(pool, record);
        r->connection = c;
        mrc_connection_set_recorded(c, false); /* or this request would not be logged */
        log_request(r, body_bytes, end);
        mrc_connection_set_recorded(c, true);
        apr_pool_destroy(pool);
    }
    destroy(record);
}
