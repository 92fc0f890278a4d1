/*
 * The input is a program of what happens to a session of HTTP/2: frames from the client, steps of
 * the workers that handle its requests, turns of its loop, a socket that accepts little, and memory
 * that is short. The frames that the session sends are checked against a model of its streams; in
 * the end nothing may be left.
 *
 *     0 LEN BYTES                    the client's bytes
 *     1 TYPE FLAGS STREAM LEN BYTES  a frame of the client
 *     2 JOB ACTION AMOUNT            one of the jobs continues (enum action)
 *     3                              a turn: notes are taken, and frames are sent
 *     4 WRITES                       the number of writes before the socket is full; 0: unlimited
 *     5 COUNT                        this many allocations succeed, and then one fails
 *
 * The bit LASTS in the AMOUNT of a HEAD makes the response that of a subscription.
 */
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "httpd.h"

#include "http_config.h"
#include "http_log.h"

#include "failing_alloc.h"
#include "fuzz.h"
#include "httpd/exchange/kept.h"
#include "httpd/exchange/secondary.h"
#include "httpd/http2/attach.h"
#include "httpd/http2/child.h"
#include "httpd/http2/input.h"
#include "httpd/http2/output.h"
#include "httpd/http2/session.h"
#include "store/base/clock.h"

#define JOBS_MAX    512
#define STREAMS_MAX 128 /* of the model */
#define FRAME_BYTES 9
#define LASTS       8

const char *const fuzz_vectors[] = {"http2/session.json", NULL};

enum action { HEAD, WRITE, READ, END, BREAK, RESET, INTERIM, ACTIONS };

/* What the model knows of a stream. */
struct seen {
    bool has_head, has_ended;
    bool has_trailers; /* the response */
};

struct world {
    struct mrc_http2_child child;
    struct mrc_http2_session *session;
    struct mrc_exchange_job *jobs[JOBS_MAX];
    size_t jobs_count;
    struct mrc_list notes;
    unsigned room;  /* of the socket, in writes; 0: unlimited */
    bool was_short; /* of memory */
    struct seen seen[STREAMS_MAX];
    char out[4 * 1024 * 1024]; /* bytes that are not yet a whole frame */
    size_t out_len;
};

static struct world world;

/* ---- what surrounds a session -----------------------------------------------------------------*/

module AP_MODULE_DECLARE_DATA mercure_module;

void ap_log_cerror_(const char *file, int line, int module_index, int level, apr_status_t status,
                    const conn_rec *c, const char *format, ...)
{
    (void)file, (void)line, (void)module_index, (void)level, (void)status, (void)c, (void)format;
}

void mrc_session_note_work(struct mrc_session *session)
{
    (void)session;
}

void mrc_session_bring_forward(struct mrc_session *session, int64_t due_us)
{
    (void)session, (void)due_us;
}

void mrc_session_watch(struct mrc_session *session, uint32_t events)
{
    (void)session, (void)events;
}

bool mrc_sessions_post_call(struct mrc_sessions *sessions, struct mrc_call *call)
{
    (void)sessions;
    mrc_list_append(&world.notes, &call->link);
    return true;
}

/* Another session writes to it in each turn. */
static char shared[32768];

void *mrc_sessions_share(struct mrc_sessions *sessions, size_t size)
{
    (void)sessions;
    return size <= sizeof(shared) ? shared : NULL;
}

bool mrc_exchange_workers_post(struct mrc_exchange_workers *workers, struct mrc_exchange_jobs *jobs,
                               struct mrc_exchange_job *job)
{
    (void)workers, (void)jobs;
    if (world.jobs_count == JOBS_MAX)
        return false;
    world.jobs[world.jobs_count++] = job;
    return true;
}

void mrc_exchange_workers_done(struct mrc_exchange_workers *workers, struct mrc_exchange_jobs *jobs)
{
    (void)workers, (void)jobs;
}

bool mrc_exchange_workers_are_short(struct mrc_exchange_workers *workers)
{
    (void)workers;
    return false;
}

struct mrc_exchange_job *mrc_kept_take(struct mrc_exchange *exchange)
{
    (void)exchange;
    return NULL;
}

void mrc_kept_end(struct mrc_exchange_job *job)
{
    (void)job;
}

void mrc_secondary_run(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker)
{
    (void)job, (void)worker;
    abort(); /* go_on() does it */
}

void mrc_http2_attach_adopt(struct mrc_exchange *exchange, struct mrc_http2_attached *attached)
{
    (void)exchange, (void)attached;
}

void mrc_http2_attach_gone(struct mrc_http2_stream *stream)
{
    (void)stream;
}

void mrc_http2_attach_count_out(struct mrc_http2_attached *attached, size_t bytes)
{
    (void)attached, (void)bytes;
}

/* ---- the transport, and the model -------------------------------------------------------------*/

/* A frame of a stream that the session has sent. */
static void check_stream_frame(uint8_t type, uint8_t flags, uint32_t stream)
{
    struct seen *seen = stream / 2 < STREAMS_MAX ? &world.seen[stream / 2] : NULL;

    FUZZ_CHECK(stream % 2 == 1); /* the client has opened it */
    if (!seen)
        return;
    FUZZ_CHECK(!seen->has_ended || type == NGHTTP2_RST_STREAM || type == NGHTTP2_WINDOW_UPDATE);
    FUZZ_CHECK(type != NGHTTP2_DATA || seen->has_head);
    FUZZ_CHECK(type != NGHTTP2_DATA || !(flags & NGHTTP2_FLAG_END_STREAM) || !seen->has_trailers ||
               world.was_short);
    seen->has_head = seen->has_head || type == NGHTTP2_HEADERS;
    if (type == NGHTTP2_RST_STREAM ||
        (type != NGHTTP2_WINDOW_UPDATE && (flags & NGHTTP2_FLAG_END_STREAM)))
        seen->has_ended = true;
}

static void check_frame(const uint8_t *head)
{
    uint32_t len = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    uint32_t stream =
        (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];

    FUZZ_CHECK(len <= (1 << 24) - 1 && head[3] <= NGHTTP2_CONTINUATION);
    FUZZ_CHECK(head[3] != NGHTTP2_PUSH_PROMISE && head[3] != NGHTTP2_PRIORITY);
    if (stream > 0 && head[3] != NGHTTP2_CONTINUATION)
        check_stream_frame(head[3], head[4], stream);
    else if (stream == 0)
        FUZZ_CHECK(head[3] != NGHTTP2_DATA && head[3] != NGHTTP2_HEADERS &&
                   head[3] != NGHTTP2_RST_STREAM);
}

/* Takes the whole frames out of what was written. */
static void check_output(void)
{
    const uint8_t *bytes = (const uint8_t *)world.out;
    size_t at = 0, len;

    while (world.out_len - at >= FRAME_BYTES) {
        len = FRAME_BYTES + ((size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2]);
        if (world.out_len - at < len)
            break;
        check_frame(bytes + at);
        at += len;
    }
    memmove(world.out, world.out + at, world.out_len - at);
    world.out_len -= at;
}

/* What a transport keeps whose socket is full. */
static char full[1];

void mrc_http2_transport_gather(struct mrc_http2_transport *transport,
                                struct mrc_http2_batch *batch)
{
    FUZZ_CHECK(!transport->rest); /* nothing more is asked for while the socket is full */
    transport->batch = batch;
}

bool mrc_http2_transport_write(struct mrc_http2_transport *transport, const char *bytes, size_t len)
{
    FUZZ_CHECK(world.out_len + len <= sizeof(world.out));
    memcpy(world.out + world.out_len, bytes, len);
    world.out_len += len;
    check_output();
    if (world.room > 0 && --world.room == 0)
        transport->rest = full;
    return true;
}

bool mrc_http2_transport_flush(struct mrc_http2_transport *transport)
{
    if (world.room == 0 && !transport->batch)
        transport->rest = NULL;
    transport->batch = NULL;
    return true;
}

void mrc_http2_transport_free(struct mrc_http2_transport *transport)
{
    (void)transport;
}

/* ---- workers ----------------------------------------------------------------------------------*/

static void put_head(struct mrc_exchange *exchange, enum mrc_exchange_head_kind kind,
                     uint8_t amount)
{
    struct mrc_exchange_head *head = calloc(1, sizeof(*head));

    if (!head)
        return;
    head->kind = kind;
    head->status = kind == MRC_EXCHANGE_HEAD_INTERIM ? 103 : 200 + amount % 5;
    if (amount & 1)
        mrc_exchange_fields_add_response(&head->fields, "X-Name", "value");
    if (kind == MRC_EXCHANGE_HEAD_TRAILERS && exchange->id / 2 < STREAMS_MAX)
        world.seen[exchange->id / 2].has_trailers = amount & 1;
    mrc_exchange_put_head(exchange, head);
}

static void read_body(struct mrc_exchange *exchange, uint8_t amount)
{
    const struct mrc_exchange_read read = {
        .max = 1 + amount * 64u, .is_line = amount & 1, .is_peek = amount & 2};
    char bytes[1 + 64 * 255];
    size_t len = 0;

    if (mrc_exchange_read(exchange, &read, bytes, &len) == APR_SUCCESS)
        FUZZ_CHECK(len > 0 && len <= read.max);
}

/* The end of a job, as mrc_secondary_run() has it. */
static void finish(size_t at, struct mrc_exchange *exchange)
{
    struct mrc_exchange_origin *origin = exchange->origin;

    world.jobs[at] = world.jobs[--world.jobs_count];
    mrc_exchange_free_request(exchange);
    mrc_exchange_unref(exchange);
    origin->job_ended(origin);
}

static void go_on(size_t at, enum action action, uint8_t amount)
{
    static const char zeros[255 * 256];
    struct mrc_exchange *exchange =
        (struct mrc_exchange *)((char *)world.jobs[at] - offsetof(struct mrc_exchange, job));

    if (action == HEAD && (amount & LASTS))
        mrc_exchange_set_lasting(exchange);
    if (action == HEAD)
        put_head(exchange, amount & 2 ? MRC_EXCHANGE_HEAD_FINAL : MRC_EXCHANGE_HEAD_TRAILERS,
                 amount);
    else if (action == INTERIM)
        put_head(exchange, MRC_EXCHANGE_HEAD_INTERIM, amount);
    else if (action == WRITE && amount > 0)
        mrc_exchange_write(exchange, zeros, (size_t)amount * 256, 0);
    else if (action == READ)
        read_body(exchange, amount);
    else if (action == RESET)
        mrc_exchange_reset(exchange, NGHTTP2_HTTP_1_1_REQUIRED);
    if (action != END && action != BREAK)
        return;
    mrc_exchange_end(exchange, action == END);
    finish(at, exchange);
}

/* ---- the program ------------------------------------------------------------------------------*/

/* False: the session has ended, for want of memory. */
static bool turn(void)
{
    struct mrc_list notes = world.notes;
    struct mrc_list_link *link;
    bool ok;

    world.notes.first = NULL;
    while ((link = mrc_list_take(&notes))) {
        struct mrc_call *call = (struct mrc_call *)link;

        call->run(call);
    }
    mrc_http2_input_wake(world.session);
    ok = mrc_http2_output_write(world.session);
    FUZZ_CHECK(ok || world.was_short);
    memset(shared, 0xaa, sizeof(shared));
    FUZZ_CHECK(world.session->streams_count <= MRC_HTTP2_STREAMS_MAX + 1);
    return ok;
}

static uint8_t take_byte(struct mrc_bytes *rest)
{
    uint8_t byte = rest->len ? (uint8_t)*rest->ptr : 0;

    rest->ptr += rest->len > 0;
    rest->len -= rest->len > 0;
    return byte;
}

static struct mrc_bytes take_bytes(struct mrc_bytes *rest)
{
    size_t len = take_byte(rest);
    struct mrc_bytes bytes = {rest->ptr, len < rest->len ? len : rest->len};

    rest->ptr += bytes.len;
    rest->len -= bytes.len;
    return bytes;
}

/* False: the session has ended. */
static bool take_frame(struct mrc_bytes *rest)
{
    char frame[FRAME_BYTES + 255] = {0};
    struct mrc_bytes payload;

    frame[3] = (char)take_byte(rest);
    frame[4] = (char)take_byte(rest);
    frame[8] = (char)take_byte(rest);
    payload = take_bytes(rest);
    frame[2] = (char)payload.len;
    if (payload.len)
        memcpy(frame + FRAME_BYTES, payload.ptr, payload.len);
    return mrc_http2_input_take(world.session, frame, FRAME_BYTES + payload.len);
}

static bool step(struct mrc_bytes *rest)
{
    struct mrc_bytes bytes;
    size_t at;

    switch (take_byte(rest) % 6) {
    case 0:
        bytes = take_bytes(rest);
        return !bytes.len || mrc_http2_input_take(world.session, bytes.ptr, bytes.len);
    case 1:
        return take_frame(rest);
    case 2:
        at = take_byte(rest);
        if (world.jobs_count) {
            enum action action = (enum action)(take_byte(rest) % ACTIONS);

            go_on(at % world.jobs_count, action, take_byte(rest));
        }
        return true;
    case 3:
        return turn();
    case 5:
        alloc_left = take_byte(rest);
        world.was_short = true;
        return true;
    default:
        world.room = take_byte(rest);
        return true;
    }
}

static void make_child(void)
{
    if (nghttp2_session_callbacks_new(&world.child.callbacks) != 0 ||
        nghttp2_option_new(&world.child.options) != 0)
        exit(1);
    mrc_http2_input_set_callbacks(world.child.callbacks);
    mrc_http2_output_set_callbacks(world.child.callbacks);
    nghttp2_option_set_no_auto_window_update(world.child.options, 1);
    nghttp2_option_set_no_closed_streams(world.child.options, 1);
    nghttp2_option_set_builtin_recv_extension_type(world.child.options, NGHTTP2_PRIORITY_UPDATE);
}

static void begin(void)
{
    static server_rec server = {
        .limit_req_line = 8190, .limit_req_fieldsize = 8190, .limit_req_fields = 100};
    static conn_rec c = {.base_server = &server};
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

    memset(&world.seen, 0, sizeof(world.seen));
    world.out_len = 0;
    world.room = 0;
    world.was_short = false;
    make_child();
    world.session = mrc_http2_session_create(&world.child, &c, "h2c");
    if (!world.session || !mrc_http2_session_open(world.session))
        exit(1);
    FUZZ_CHECK(world.session->shares_frames);
    world.session->origin.take_note = mrc_http2_input_take_note;
    mrc_http2_limits_init(&world.session->limits, mrc_clock_us());
    /* The terminating NUL is the last byte of SETTINGS. */
    FUZZ_CHECK(mrc_http2_input_take(world.session, preface, sizeof(preface)));
}

/* The client is gone: workers end, and nothing is left. */
static void end(void)
{
    world.session->is_over = true;
    while (world.session->streams)
        mrc_http2_input_forget(world.session, world.session->streams);
    while (world.jobs_count)
        go_on(0, BREAK, 0);
    while (world.notes.first) {
        struct mrc_call *call = (struct mrc_call *)mrc_list_take(&world.notes);

        call->run(call);
    }
    FUZZ_CHECK(atomic_load(&world.session->jobs_count) == 0);
    FUZZ_CHECK(atomic_load(&world.session->origin.held.bytes) == 0);
    FUZZ_CHECK(atomic_load(&world.child.held.bytes) == 0);
    mrc_http2_session_free(world.session);
    FUZZ_CHECK(atomic_load(&world.child.sessions) == 0);
    nghttp2_session_callbacks_del(world.child.callbacks);
    nghttp2_option_del(world.child.options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes rest = {(const char *)data, size};

    bool ok = true;

    begin();
    while (rest.len && ok)
        ok = step(&rest);
    if (ok)
        turn();
    alloc_left = -1;
    end();
    return 0;
}

static int digit(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const char *hex = json_string_value(json_object_get(entry, "program"));

    for (; hex && hex[0] && hex[1]; hex += hex[0] == ' ' ? 1 : 2) {
        if (*hex != ' ')
            mrc_buf_add_char(out, (char)(digit(hex[0]) << 4 | digit(hex[1])));
    }
}
