/*
 * Shared by the tests of the dispatcher: a dispatcher over a real hub, clients at the other end of
 * socket pairs, and a carrier that writes to them. The test's thread publishes and reads; the
 * dispatcher's threads deliver.
 */
#ifndef MRC_TESTS_DISPATCHER_UNIT_H
#define MRC_TESTS_DISPATCHER_UNIT_H

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/base/buf.h"
#include "hub/base/event.h"
#include "hub/stream/carrier.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/loop.h"
#include "hub/stream/stream.h"
#include "hub/stream/waiters.h"
#include "hub_unit.h"
#include "store/base/clock.h"

#define SECOND      INT64_C(1000000)
#define DEADLINE_US (60 * SECOND) /* far more than is needed, except by a broken build */
#define LOOK_MS     (3600 * 1000) /* so long that no look delivers an update */
#define CLIENTS_MAX 200
#define STILL_OPEN  (-1)

/* ---- clients, and the carriers to them --------------------------------------------------------*/

struct client {
    /* The test's thread. */
    int fd;
    struct mrc_buf in;
    bool is_paused; /* it reads nothing */
    bool is_closed;
    uint64_t start; /* position in the ring of the first record that is for it */
    struct mrc_matcher *wants;
    bool may_read;

    /* Shared with the loop's thread. */
    atomic_bool gate_shut;  /* its carrier may not be closed */
    atomic_uint finishes;   /* how often it got the stream's end */
    atomic_uint refused;    /* how often the carrier refused to be closed */
    atomic_bool was_forced; /* the carrier was closed all the same */
    atomic_int end;         /* enum mrc_end, or STILL_OPEN */
    _Atomic int64_t closed_us;
    _Atomic(apr_thread_t *) thread;          /* the last one that wrote */
    void (*on_write)(struct client *client); /* in the loop's thread; NULL: nothing */
    bool swallows;                           /* writes succeed, and go nowhere */
};

/* Belongs to the loop's thread. */
struct pipe_carrier {
    struct mrc_carrier carrier; /* the first member */
    struct client *client;
    struct mrc_buf held;
    size_t sent; /* of held */
    bool was_allowed;
};

static inline struct pipe_carrier *of(struct mrc_carrier *carrier)
{
    return (struct pipe_carrier *)carrier;
}

static inline enum mrc_carrier_state pipe_flush(struct mrc_carrier *carrier)
{
    struct pipe_carrier *pipe = of(carrier);
    struct mrc_bytes held = mrc_buf_bytes(&pipe->held);

    while (pipe->sent < held.len && !pipe->client->swallows) {
        ssize_t n = send(carrier->fd, held.ptr + pipe->sent, held.len - pipe->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return MRC_CARRIER_PENDING;
        if (n < 0)
            return MRC_CARRIER_GONE;
        pipe->sent += (size_t)n;
    }
    mrc_buf_reset(&pipe->held);
    pipe->sent = 0;
    return MRC_CARRIER_READY;
}

static inline enum mrc_carrier_state pipe_write(struct mrc_carrier *carrier,
                                                const struct mrc_piece *pieces, size_t count)
{
    struct pipe_carrier *pipe = of(carrier);

    if (mrc_buf_bytes(&pipe->held).len)
        abort(); /* a pending carrier must not be written to */
    for (size_t i = 0; i < count; i++)
        mrc_buf_add(&pipe->held, mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset,
                    pieces[i].len);
    atomic_store(&pipe->client->thread, carrier->thread);
    if (pipe->client->on_write)
        pipe->client->on_write(pipe->client);
    return pipe_flush(carrier);
}

static inline bool pipe_may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    struct pipe_carrier *pipe = of(carrier);

    pipe->was_allowed = !atomic_load(&pipe->client->gate_shut);
    if (!pipe->was_allowed)
        atomic_fetch_add(&pipe->client->refused, 1);
    return pipe->was_allowed;
}

static inline void pipe_close(struct mrc_carrier *carrier, enum mrc_end end)
{
    struct pipe_carrier *pipe = of(carrier);
    struct client *client = pipe->client;

    close(carrier->fd);
    mrc_buf_free(&pipe->held);
    atomic_store(&client->was_forced, !pipe->was_allowed);
    atomic_store(&client->closed_us, mrc_clock_us());
    free(pipe);
    atomic_store(&client->end, (int)end);
}

/* The client reads the end of the stream. */
static inline void pipe_finish(struct mrc_carrier *carrier)
{
    struct pipe_carrier *pipe = of(carrier);

    if (mrc_buf_bytes(&pipe->held).len)
        abort(); /* it is pending */
    atomic_fetch_add(&pipe->client->finishes, 1);
    shutdown(carrier->fd, SHUT_WR);
}

static const struct mrc_carrier_ops pipe_ops = {
    .kind = MRC_CARRIER_SUSPENDED,
    .write = pipe_write,
    .flush = pipe_flush,
    .may_close = pipe_may_close,
    .close = pipe_close,
    .finish = pipe_finish,
};

/* ---- the dispatcher under test ----------------------------------------------------------------*/

static struct hub_place place;
static struct mrc_dispatcher *dispatcher;
static struct mrc_inquiry *inquiry; /* a test may set it before start() */
static struct mrc_waiters *waiters;
static struct client clients[CLIENTS_MAX];
static size_t clients_count;
static atomic_uint wakes; /* wake-ups of the child that the dispatcher reported */

static const struct mrc_hub_spec patient = {
    .limits.dispatch_timeout_us = 600 * SECOND,
    .limits.backlog_bytes = SIZE_MAX / 2,
};

static inline void count_wake(void *ctx)
{
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

static inline void start(uint64_t ring_bytes, unsigned threads, const struct mrc_hub_spec *spec)
{
    static _Atomic(struct mrc_hub *) hubs[2]; /* the second one has no shared memory */
    struct mrc_dispatcher_args args = {
        .slot = HUB_SLOT,
        .threads = threads,
        .look_ms = LOOK_MS,
        .hubs = hubs,
        .hubs_count = 2,
        .on_wake = count_wake,
        .ctx = &wakes,
    };

    signal(SIGPIPE, SIG_IGN);
    place = hub_place_open(ring_bytes, spec);
    atomic_store(&hubs[0], place.hub);
    args.has_durable = mrc_history_is_durable(mrc_hub_history(place.hub));
    args.notify = place.notify;
    waiters = mrc_waiters_create(place.pool);
    args.waiters = waiters;
    args.inquiry = inquiry;
    ck_assert_int_eq(mrc_dispatcher_start(place.pool, &args, &dispatcher), APR_SUCCESS);
}

/* A stream of HUB over the socket pair FDS to a new client, for a matcher, CURSOR and TOKEN. */
static inline struct mrc_stream *make_stream_of(struct mrc_hub *hub, const int fds[2],
                                                enum mrc_matcher_type type, const char *value,
                                                const char *cursor, struct mrc_token *token)
{
    struct client *client = &clients[clients_count++];
    struct pipe_carrier *pipe = calloc(1, sizeof(*pipe));
    struct mrc_subscriber *subscriber = NULL;
    struct mrc_stream *stream;

    ck_assert_uint_le(clients_count, CLIENTS_MAX);
    client->fd = fds[0];
    client->wants = hub_matcher(type, value, NULL);
    client->may_read = token != NULL;
    atomic_store(&client->end, STILL_OPEN);
    mrc_buf_init(&client->in, SIZE_MAX);
    mrc_buf_init(&pipe->held, SIZE_MAX);
    pipe->carrier = (struct mrc_carrier){.ops = &pipe_ops, .fd = fds[1]};
    pipe->client = client;
    ck_assert_int_eq(
        hub_try_subscribe(hub, hub_matcher(type, value, NULL), cursor, token, &subscriber),
        APR_SUCCESS);
    client->start = mrc_subscriber_get_position(subscriber);
    stream = mrc_stream_create(subscriber, &pipe->carrier, mrc_clock_us());
    ck_assert_ptr_nonnull(stream);
    return stream;
}

static inline struct mrc_stream *make_stream(const int fds[2], enum mrc_matcher_type type,
                                             const char *value, const char *cursor,
                                             struct mrc_token *token)
{
    return make_stream_of(place.hub, fds, type, value, cursor, token);
}

static inline struct client *connect_with(enum mrc_matcher_type type, const char *value,
                                          const char *cursor, struct mrc_token *token)
{
    struct mrc_stream *stream;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, type, value, cursor, token);
    mrc_dispatcher_post(dispatcher, stream);
    return &clients[clients_count - 1];
}

/* A client that gets everything from now on. */
static inline struct client *connect_all(void)
{
    return connect_with(MRC_MATCHER_EXACT, "*", NULL, NULL);
}

/* A client whose pattern is costly, although not for the topics of the tests. */
static inline struct client *connect_costly(const char *cursor)
{
    return connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/:x(a|(?:b+)+c)", cursor, NULL);
}

/* ---- what clients get -------------------------------------------------------------------------*/

/* Reads what has arrived for CLIENT, without waiting. */
static inline void read_some(struct client *client)
{
    char bytes[16384];
    ssize_t n;

    while (!client->is_closed && !client->is_paused &&
           (n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != -1) {
        if (n == 0) {
            close(client->fd);
            client->is_closed = true;
            return;
        }
        mrc_buf_add(&client->in, bytes, (size_t)n);
    }
}

static inline void read_all(void)
{
    for (size_t i = 0; i < clients_count; i++)
        read_some(&clients[i]);
}

/* Reads for all clients until the condition holds; fails if it never does. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (read_all(), !(condition)) {                                                         \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            poll(NULL, 0, 2);                                                                      \
        }                                                                                          \
    } while (0)

/* The N of the next `id: id-N` that CLIENT has received, from *FROM on; -1 if there is none. */
static inline long next_id(const struct client *client, size_t *from)
{
    static const char mark[] = "id: id-";
    struct mrc_bytes in = mrc_buf_bytes(&client->in);
    const char *at = memmem(in.ptr + *from, in.len - *from, mark, sizeof(mark) - 1);
    long id = 0;

    if (!at || !memchr(at, '\n', in.len - (size_t)(at - in.ptr)))
        return -1;
    for (at += sizeof(mark) - 1; *at != '\n'; at++)
        id = id * 10 + *at - '0';
    *from = (size_t)(at - in.ptr);
    return id;
}

static inline unsigned received(const struct client *client)
{
    size_t from = 0;
    unsigned n = 0;

    while (mrc_buf_bytes(&client->in).len && next_id(client, &from) >= 0)
        n++;
    return n;
}

static inline bool has_id(const struct client *client, long id)
{
    size_t from = 0;
    long next = -1;

    while (mrc_buf_bytes(&client->in).len && (next = next_id(client, &from)) >= 0 && next != id)
        ;
    return next == id;
}

static inline bool is_for(const struct client *client, const struct mrc_update *update)
{
    for (size_t i = 0; i < update->topics_count; i++) {
        if (mrc_matcher_matches(client->wants, update->topics[i]))
            return !update->is_private || client->may_read;
    }
    return false;
}

/* The number of updates that CLIENT must get. COMPARE: fails unless it has received exactly these,
 * in order. */
static inline unsigned expected(const struct client *client, bool compare)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = client->start;
    struct mrc_update update;
    size_t from = 0;
    unsigned n = 0;

    while (mrc_ring_read(mrc_hub_ring(place.hub), &pos, &record) == APR_SUCCESS) {
        ck_assert_int_eq(mrc_update_decode(record.view.id, record.view.payload, &update), MRC_OK);
        if (is_for(client, &update)) {
            if (compare)
                ck_assert_int_eq(next_id(client, &from), strtol(record.view.id.ptr + 3, NULL, 10));
            n++;
        }
        mrc_update_clear(&update);
    }
    if (compare)
        ck_assert_int_eq(next_id(client, &from), -1);
    mrc_ring_record_free(&record);
    return n;
}

static inline void publish(unsigned id, const char *topic, size_t data_bytes)
{
    char *data = malloc(data_bytes + 1);
    char text[32];

    memset(data, 'x', data_bytes);
    data[data_bytes] = '\0';
    snprintf(text, sizeof(text), "id-%u", id);
    hub_publish(place.hub, text, topic, data);
    free(data);
}

static inline bool all_have(const struct client *const *who, size_t count, unsigned n)
{
    for (size_t i = 0; i < count; i++) {
        if (received(who[i]) < n)
            return false;
    }
    return true;
}

static inline bool all_ended(void)
{
    for (size_t i = 0; i < clients_count; i++) {
        if (atomic_load(&clients[i].end) == STILL_OPEN)
            return false;
    }
    return true;
}

/* Fails unless every client that is not paused gets all that it must get, once and in order. */
static inline void ck_assert_all_delivered(void)
{
    for (size_t i = 0; i < clients_count; i++) {
        struct client *client = &clients[i];
        unsigned n;

        if (client->is_paused)
            continue;
        n = expected(client, false);
        wait_until(received(client) >= n);
        expected(client, true);
    }
}

/* Stops the dispatcher, and frees everything. */
static inline void finish(void)
{
    mrc_dispatcher_stop(dispatcher);
    ck_assert(all_ended());
    for (size_t i = 0; i < clients_count; i++) {
        clients[i].is_paused = false;
        read_some(&clients[i]);
        if (!clients[i].is_closed)
            close(clients[i].fd);
        mrc_buf_free(&clients[i].in);
        mrc_matcher_free(clients[i].wants);
    }
    hub_place_close(&place);
    apr_pool_destroy(place.pool);
}

/* Fails unless CLIENT's stream ends, for the reason WHY. */
static inline void ck_assert_ended(struct client *client, enum mrc_end why)
{
    wait_until(atomic_load(&client->end) != STILL_OPEN);
    ck_assert_str_eq(mrc_end_text((enum mrc_end)atomic_load(&client->end)), mrc_end_text(why));
}

/* ---- a loop that is stopped for a while -------------------------------------------------------*/

static sem_t entered, released;

/* An on_write function: blocks the loop's thread once, until RELEASED. */
static inline void block_once(struct client *client)
{
    client->on_write = NULL;
    sem_post(&entered);
    while (sem_wait(&released) < 0)
        ;
}

#endif
