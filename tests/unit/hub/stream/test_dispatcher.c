#include "hub/stream/dispatcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/base/buf.h"
#include "failing_alloc.h"
#include "hub/base/clock.h"
#include "hub/base/event.h"
#include "hub/stream/carrier.h"
#include "hub/stream/loop.h"
#include "hub/stream/stream.h"
#include "hub/stream/waiters.h"
#include "hub_unit.h"
#include "tokens.h"

#define SECOND      INT64_C(1000000)
#define DEADLINE_US (60 * SECOND) /* only says when something is broken */
#define LOOK_MS     (3600 * 1000) /* nothing is delivered by a look */
#define CLIENTS_MAX 200
#define STILL_OPEN  (-1)

/* ---- clients, and the carriers to them --------------------------------------------------------*/

struct client {
    /* The test's thread. */
    int fd;
    struct mrc_buf in;
    bool is_paused; /* takes nothing */
    bool is_closed;
    uint64_t start; /* in the ring: what it has not been given when it was posted */
    struct mrc_matcher *wants;
    bool may_read;

    /* Shared with the loop's. */
    atomic_bool gate_shut;  /* it may not be closed */
    atomic_uint refused;    /* how often it was not allowed */
    atomic_bool was_forced; /* it was closed without having been allowed */
    atomic_int end;         /* enum mrc_end, or STILL_OPEN */
    _Atomic int64_t closed_us;
    _Atomic(apr_thread_t *) thread;          /* the one that last wrote */
    void (*on_write)(struct client *client); /* in the loop's thread; NULL: nothing */
    bool swallows;                           /* what is written goes nowhere */
};

/* The loop's thread has it. */
struct pipe_carrier {
    struct mrc_carrier carrier; /* the first member */
    struct client *client;
    struct mrc_buf held;
    size_t sent; /* of held */
    bool was_allowed;
};

static struct pipe_carrier *of(struct mrc_carrier *carrier)
{
    return (struct pipe_carrier *)carrier;
}

static enum mrc_carrier_state pipe_flush(struct mrc_carrier *carrier)
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

static enum mrc_carrier_state pipe_write(struct mrc_carrier *carrier,
                                         const struct mrc_piece *pieces, size_t count)
{
    struct pipe_carrier *pipe = of(carrier);

    if (mrc_buf_bytes(&pipe->held).len)
        abort(); /* never while pending */
    for (size_t i = 0; i < count; i++)
        mrc_buf_add(&pipe->held, mrc_event_bytes(pieces[i].event).ptr + pieces[i].offset,
                    pieces[i].len);
    atomic_store(&pipe->client->thread, carrier->thread);
    if (pipe->client->on_write)
        pipe->client->on_write(pipe->client);
    return pipe_flush(carrier);
}

static bool pipe_may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    struct pipe_carrier *pipe = of(carrier);

    pipe->was_allowed = !atomic_load(&pipe->client->gate_shut);
    if (!pipe->was_allowed)
        atomic_fetch_add(&pipe->client->refused, 1);
    return pipe->was_allowed;
}

static void pipe_close(struct mrc_carrier *carrier, enum mrc_end end)
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

static const struct mrc_carrier_ops pipe_ops = {pipe_write, pipe_flush, pipe_may_close,
                                                pipe_close, NULL,       NULL};

/* ---- the dispatcher under test ----------------------------------------------------------------*/

static struct hub_place place;
static struct mrc_dispatcher *dispatcher;
static struct client clients[CLIENTS_MAX];
static size_t clients_count;
static atomic_uint wakes; /* of the process, that the dispatcher told of */

static const struct mrc_hub_policy patient = {
    .dispatch_timeout_us = 600 * SECOND,
    .backlog_bytes = SIZE_MAX / 2,
};

static void count_wake(void *ctx)
{
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void start(uint64_t ring_bytes, unsigned threads, const struct mrc_hub_policy *policy)
{
    static struct mrc_hub *hubs[2]; /* the second one has no shared memory */
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
    place = hub_place_open(ring_bytes, policy);
    hubs[0] = place.hub;
    args.notify = place.notify;
    args.waiters = mrc_waiters_create(place.pool);
    ck_assert_int_eq(mrc_dispatcher_start(place.pool, &args, &dispatcher), APR_SUCCESS);
}

/* A stream over the socket pair FDS to a new client; what CURSOR, TOKEN and the matcher say. */
static struct mrc_stream *make_stream(const int fds[2], enum mrc_matcher_type type,
                                      const char *value, const char *cursor,
                                      struct mrc_token *token)
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
        hub_try_subscribe(place.hub, hub_matcher(type, value, NULL), cursor, token, &subscriber),
        APR_SUCCESS);
    client->start = mrc_subscriber_get_position(subscriber);
    stream = mrc_stream_create(subscriber, &pipe->carrier, mrc_clock_us());
    ck_assert_ptr_nonnull(stream);
    return stream;
}

static struct client *connect_with(enum mrc_matcher_type type, const char *value,
                                   const char *cursor, struct mrc_token *token)
{
    struct mrc_stream *stream;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, type, value, cursor, token);
    mrc_dispatcher_post(dispatcher, stream);
    return &clients[clients_count - 1];
}

/* One that listens to everything from now on. */
static struct client *connect_all(void)
{
    return connect_with(MRC_MATCHER_EXACT, "*", NULL, NULL);
}

/* One whose pattern takes long to match, though not for these topics. */
static struct client *connect_costly(const char *cursor)
{
    return connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/:x(a|(?:b+)+c)", cursor, NULL);
}

/* ---- what the clients see ---------------------------------------------------------------------*/

/* Reads what has come for CLIENT, without waiting. */
static void read_some(struct client *client)
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

static void read_all(void)
{
    for (size_t i = 0; i < clients_count; i++)
        read_some(&clients[i]);
}

/* Reads for everybody until the condition holds; fails if it never does. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (read_all(), !(condition)) {                                                         \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            poll(NULL, 0, 2);                                                                      \
        }                                                                                          \
    } while (0)

/* The number of the next `id: id-N` in what CLIENT has, from *FROM on; -1: there is none. */
static long next_id(const struct client *client, size_t *from)
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

static unsigned received(const struct client *client)
{
    size_t from = 0;
    unsigned n = 0;

    while (mrc_buf_bytes(&client->in).len && next_id(client, &from) >= 0)
        n++;
    return n;
}

static bool has_id(const struct client *client, long id)
{
    size_t from = 0;
    long next = -1;

    while (mrc_buf_bytes(&client->in).len && (next = next_id(client, &from)) >= 0 && next != id)
        ;
    return next == id;
}

static bool is_for(const struct client *client, const struct mrc_update *update)
{
    for (size_t i = 0; i < update->topics_count; i++) {
        if (mrc_matcher_matches(client->wants, update->topics[i]))
            return !update->is_private || client->may_read;
    }
    return false;
}

/* What CLIENT must have got, all told; the ids must be those, in that order. */
static unsigned expected(const struct client *client, bool compare)
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

static void publish(unsigned id, const char *topic, size_t data_bytes)
{
    char *data = malloc(data_bytes + 1);
    char text[32];

    memset(data, 'x', data_bytes);
    data[data_bytes] = '\0';
    snprintf(text, sizeof(text), "id-%u", id);
    hub_publish(place.hub, text, topic, data);
    free(data);
}

static bool all_have(const struct client *const *who, size_t count, unsigned n)
{
    for (size_t i = 0; i < count; i++) {
        if (received(who[i]) < n)
            return false;
    }
    return true;
}

static bool all_ended(void)
{
    for (size_t i = 0; i < clients_count; i++) {
        if (atomic_load(&clients[i].end) == STILL_OPEN)
            return false;
    }
    return true;
}

/* Fails unless every client that is not paused has got all that it must, once, in order. */
static void ck_assert_all_delivered(void)
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

/* Stops the dispatcher and takes everything down. */
static void finish(void)
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
static void ck_assert_ended(struct client *client, enum mrc_end why)
{
    wait_until(atomic_load(&client->end) != STILL_OPEN);
    ck_assert_str_eq(mrc_end_text((enum mrc_end)atomic_load(&client->end)), mrc_end_text(why));
}

/* ---- delivery ---------------------------------------------------------------------------------*/

START_TEST(everybody_gets_what_matches_in_order)
{
    static const char *const topics[] = {"https://example.com/a", "https://example.com/b",
                                         "https://other.example/c"};
    char id[32];

    start(4 << 20, 3, &patient);
    for (int i = 0; i < 40; i++) {
        if (i % 4 == 3)
            connect_all();
        else
            connect_with(i % 4 == 2 ? MRC_MATCHER_URLPATTERN : MRC_MATCHER_EXACT,
                         i % 4 == 2 ? "https://example.com/*" : topics[i % 4], NULL, NULL);
    }
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 40);
    for (unsigned i = 0; i < 600; i++) {
        snprintf(id, sizeof(id), "id-%u", i);
        ck_assert_int_eq(hub_publish_to(place.hub, id, topics + i % 2, 1 + i % 2,
                                        mrc_bytes_of("line\nanother"), false),
                         APR_SUCCESS);
    }
    ck_assert_all_delivered();
    finish();
}
END_TEST

/* Fails unless those who are there are spread evenly over THREADS threads. */
static void ck_assert_spread(unsigned threads)
{
    apr_thread_t *all[MRC_NUMBERS_LOOPS_MAX];
    unsigned counts[MRC_NUMBERS_LOOPS_MAX], found = 0, open = 0;

    for (size_t i = 0; i < clients_count; i++) {
        unsigned n = 0;

        if (atomic_load(&clients[i].end) != STILL_OPEN)
            continue;
        while (n < found && all[n] != atomic_load(&clients[i].thread))
            n++;
        if (n == found) {
            all[found] = atomic_load(&clients[i].thread);
            counts[found++] = 0;
        }
        counts[n]++;
        open++;
    }
    ck_assert_uint_eq(found, threads);
    for (unsigned i = 0; i < found; i++) {
        ck_assert_uint_ge(counts[i], open / threads);
        ck_assert_uint_le(counts[i], (open + threads - 1) / threads);
    }
}

/* Each has its share; when those of one thread leave, those who come are given to it. */
START_TEST(streams_go_to_the_thread_with_the_fewest)
{
    apr_thread_t *thread;
    unsigned left = 42;

    start(1 << 20, 4, &patient);
    for (int i = 0; i < 42; i++)
        connect_all();
    publish(0, "https://example.com/a", 10);
    ck_assert_all_delivered();
    ck_assert_spread(4);
    thread = atomic_load(&clients[0].thread);
    for (size_t i = 0; i < 42; i++) {
        if (atomic_load(&clients[i].thread) != thread)
            continue;
        close(clients[i].fd);
        clients[i].is_closed = clients[i].is_paused = true;
        left--;
    }
    wait_until(mrc_dispatcher_post_count(dispatcher) == left);
    while (mrc_dispatcher_post_count(dispatcher) < 42)
        connect_all();
    publish(1, "https://example.com/a", 10);
    ck_assert_all_delivered();
    ck_assert_spread(4);
    finish();
}
END_TEST

static void *publish_on(void *arg)
{
    unsigned first = *(const unsigned *)arg;
    char topic[64];

    for (unsigned i = first; i < first + 2000; i++) {
        snprintf(topic, sizeof(topic), "https://example.com/%u", i % 5);
        publish(i, topic, i % 100);
        if (i % 100 == 0)
            poll(NULL, 0, 1);
    }
    return NULL;
}

/* Wherever a stream begins while others publish: nothing is lost there, and nothing comes twice. */
START_TEST(nothing_falls_between_replay_and_live)
{
    unsigned firsts[] = {0, 10000};
    pthread_t threads[2];
    char cursor[32];

    start(16 << 20, 3, &patient);
    for (int t = 0; t < 2; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, publish_on, &firsts[t]), 0);
    for (unsigned i = 0; i < 120; i++) {
        snprintf(cursor, sizeof(cursor), "id-%u", i);
        connect_with(i % 2 ? MRC_MATCHER_EXACT : MRC_MATCHER_URLPATTERN,
                     i % 2 ? "https://example.com/3" : "https://*.com/:x([1-3])",
                     i % 4 == 0   ? NULL
                     : i % 4 == 1 ? "earliest"
                     : i % 4 == 2 ? ""
                                  : cursor,
                     NULL);
        read_all();
        poll(NULL, 0, 2);
    }
    for (int t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    ck_assert_all_delivered();
    finish();
}
END_TEST

static atomic_uint costly_writes, quick_writes;
static atomic_int
    costly_before; /* writes to the costly one before the second one to the quick one */

static void note_costly(struct client *client)
{
    atomic_fetch_add(&costly_writes, 1);
}

static void publish_third(struct client *client)
{
    switch (atomic_fetch_add(&quick_writes, 1)) {
    case 0:
        publish(3, "https://example.com/1/last", 1);
        break;
    case 1:
        atomic_store(&costly_before, (int)atomic_load(&costly_writes));
        break;
    default:
        break;
    }
}

/* While patterns take their time for one update, everybody else gets it, and what follows it. */
START_TEST(costly_patterns_hold_up_nobody)
{
    enum { COSTLY = 180, TOPICS = 8 };
    struct client *quick, *costly;
    char texts[TOPICS][256], value[128];
    const char *topics[TOPICS];

    start(4 << 20, 1, &patient);
    for (unsigned i = 0; i < COSTLY; i++) {
        snprintf(value, sizeof(value), "https://example.com/:x/{x%u}?y/((?:a|aa)*b|(?:a|aa)*c)", i);
        connect_with(MRC_MATCHER_URLPATTERN, value, NULL, NULL);
    }
    for (unsigned i = 0; i < TOPICS; i++) {
        memset(texts[i], 'a', sizeof(texts[i]));
        snprintf(texts[i] + 120, sizeof(texts[i]) - 120, "!");
        memcpy(texts[i], "https://example.com/", 20);
        memcpy(texts[i] + 20, (char[]){(char)('a' + (int)i), '/', 'y', '/'}, 4);
        topics[i] = texts[i];
    }
    costly = connect_costly(NULL);
    quick = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/:x/:y+", NULL, NULL);
    publish(0, "https://example.com/a", 1);
    publish(0, "https://example.com/a/b", 1);
    wait_until(received(costly) == 1 && received(quick) == 1);
    atomic_store(&costly_before, -1);
    costly->on_write = note_costly;
    quick->on_write = publish_third;
    ck_assert_int_eq(hub_publish_to(place.hub, "id-1", topics, TOPICS, mrc_bytes_of("x"), false),
                     APR_SUCCESS);
    publish(2, "https://example.com/a", 1);
    wait_until(received(quick) == 3 && atomic_load(&costly_before) >= 0);
    ck_assert_int_eq(atomic_load(&costly_before), 0);
    wait_until(received(costly) == 2);
    ck_assert_all_delivered();
    finish();
}
END_TEST

static atomic_bool is_enough;

static void publish_one_more(struct client *client)
{
    if (!atomic_load(&is_enough))
        publish(1000, "https://example.com/endless", 1);
}

/* One whose replay takes long, because there is ever more of it, keeps nobody from what is new. */
START_TEST(a_long_replay_starves_nobody)
{
    struct mrc_stream *stream;
    struct client *live;
    int fds[2];

    start(1 << 20, 1, &patient);
    live = connect_with(MRC_MATCHER_EXACT, "https://example.com/live", NULL, NULL);
    publish(1, "https://example.com/live", 1);
    wait_until(received(live) == 1);
    publish(2, "https://example.com/endless", 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "https://example.com/endless", "earliest", NULL);
    clients[1].swallows = true;
    clients[1].on_write = publish_one_more;
    mrc_dispatcher_post(dispatcher, stream);
    wait_until(hub_counter(&place, MRC_COUNTER_UPDATES) > 10);
    publish(3, "https://example.com/live", 1);
    wait_until(received(live) == 2 || atomic_load(&live->end) != STILL_OPEN);
    ck_assert_uint_eq(received(live), 2);
    atomic_store(&is_enough, true);
    finish();
}
END_TEST

/* One that always has something to write has an end, too. */
START_TEST(a_long_replay_has_its_lifetime)
{
    struct mrc_hub_policy policy = patient;
    struct mrc_stream *stream;
    int fds[2];

    policy.lifetime_us = SECOND;
    start(1 << 20, 1, &policy);
    publish(1, "https://example.com/endless", 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", "earliest", NULL);
    clients[0].swallows = true;
    clients[0].on_write = publish_one_more;
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[0], MRC_END_LIFETIME);
    finish();
}
END_TEST

/* A token with a grant to subscribe to what MATCHER, an object in JSON without its braces, matches.
 */
static struct mrc_token *make_token(const char *matcher)
{
    static const char *const audiences[] = {HUB};
    struct mrc_keyset *keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    const struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(MRC_ALG_HS256), keys};
    const struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .base = HUB,
        .limits = {10, 10, 100},
    };
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;
    char claims[1024];
    char *text;

    snprintf(claims, sizeof(claims),
             "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":4102444800,\"sub\":\"alice\","
             "\"client_id\":\"" ISSUER "\",\"iat\":1767225300,\"jti\":\"1\","
             "\"authorization_details\":[" ONE_DETAIL(
                 "\"actions\":[\"subscribe\"],\"topics\":[{%s}]") "]}",
             matcher);
    text = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", claims);
    ck_assert_msg(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &reason, &token) == MRC_OK,
                  "%s", reason.text);
    mrc_keyset_free(keys);
    free(text);
    return token;
}

START_TEST(private_updates_need_a_grant)
{
    static const char *const mine[] = {"https://example.com/mine", "https://example.com/other"};
    struct client *granted, *costly, *replayed, *anonymous;
    struct mrc_token *token = make_token("\"match\":\"https://example.com/mine\"");

    start(1 << 20, 2, &patient);
    granted = connect_with(MRC_MATCHER_EXACT, "*", NULL, mrc_token_ref(token));
    costly = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/(mine|other)", NULL,
                          mrc_token_ref(token));
    anonymous = connect_all();
    for (unsigned i = 0; i < 40; i++) {
        const struct mrc_bytes data = mrc_bytes_of("secret");
        char id[32];

        /* Of both topics: one grant is enough. Every eighth is public. */
        snprintf(id, sizeof(id), "id-%u", i);
        ck_assert_int_eq(hub_publish_to(place.hub, id, mine + i % 2, 1 + (i % 4 == 0), data, i % 8),
                         APR_SUCCESS);
    }
    replayed = connect_with(MRC_MATCHER_EXACT, "*", "earliest", mrc_token_ref(token));
    publish(40, "https://example.com/other", 1); /* public: the last one for everybody */
    wait_until(has_id(granted, 40) && has_id(costly, 40) && has_id(anonymous, 40) &&
               has_id(replayed, 40));
    ck_assert_uint_eq(received(costly), received(granted));
    ck_assert_uint_eq(received(anonymous), 5 + 1);
    ck_assert_uint_eq(received(granted), 5 + 5 + 10 + 1);
    ck_assert_uint_eq(received(replayed), received(granted));
    finish();
    mrc_token_unref(token);
}
END_TEST

/* Its stream finds that it is gone. */
static void hang_up(struct client *client)
{
    client->on_write = NULL;
    shutdown(client->fd, SHUT_RDWR);
}

/* The first who gets an update leaves, and its token with it, while others are still looked for. */
START_TEST(a_token_goes_while_its_update_is_under_way)
{
    enum { COSTLY = 180, TOPICS = 8 };
    static const char grant[] =
        "\"match\":\"https://example.com/:x\",\"match_type\":\"urlpattern\"";
    char texts[TOPICS][256], value[128];
    const char *topics[TOPICS];
    struct client *first, *last;

    start(4 << 20, 1, &patient);
    for (unsigned i = 0; i < COSTLY; i++) {
        snprintf(value, sizeof(value), "https://example.com/:x/{x%u}?y/((?:a|aa)*b|(?:a|aa)*c)", i);
        connect_with(MRC_MATCHER_URLPATTERN, value, NULL, NULL);
    }
    first = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/(first|(?:b+)+c)", NULL,
                         make_token(grant));
    last = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/(last|(?:b+)+c)", NULL,
                        make_token(grant));
    for (unsigned i = 0; i < TOPICS; i++) {
        memset(texts[i], 'a', 120);
        memcpy(texts[i], "https://example.com/", 20);
        memcpy(texts[i] + 20, (char[]){(char)('a' + (int)i), '/', 'y', '/'}, 4);
        memcpy(texts[i] + 120, "!", 2);
        topics[i] = texts[i];
    }
    topics[0] = "https://example.com/first";
    topics[TOPICS - 1] = "https://example.com/last";
    publish(0, topics[0], 1);
    publish(0, topics[TOPICS - 1], 1);
    wait_until(received(first) == 1 && received(last) == 1);
    first->on_write = hang_up;
    ck_assert_int_eq(hub_publish_to(place.hub, "id-1", topics, TOPICS, mrc_bytes_of("x"), true),
                     APR_SUCCESS);
    wait_until(received(last) == 2);
    ck_assert_ended(first, MRC_END_CLIENT);
    finish();
}
END_TEST

static void tell_unreadable(void *ctx, uint64_t seq)
{
    _Atomic uint64_t *told = ctx;

    told[0]++;
    told[1] = seq;
}

static void publish_unreadable(void)
{
    uint64_t seq, pos;

    ck_assert_int_eq(mrc_ring_append(mrc_hub_ring(place.hub), mrc_bytes_of("strange"),
                                     mrc_bytes_of("\377\377\377\377"), 4, apr_time_now(), 0, &seq,
                                     &pos),
                     APR_SUCCESS);
    mrc_hub_segment_wake(place.segment, place.notify);
}

/* What nobody can decode is passed over, live and in a replay, and told once. */
START_TEST(an_unreadable_record_is_passed_over)
{
    _Atomic uint64_t told[2] = {0, 0};
    struct client *live, *replays;

    start(1 << 20, 1, &patient);
    mrc_hub_on_unreadable(place.hub, tell_unreadable, told);
    live = connect_all();
    publish(0, "https://example.com/a", 10);
    wait_until(received(live) == 1);
    publish_unreadable();
    publish_unreadable();
    publish(1, "https://example.com/a", 10);
    wait_until(received(live) == 2);
    ck_assert_uint_eq(told[0], 1);
    replays = connect_with(MRC_MATCHER_EXACT, "*", "earliest", NULL);
    wait_until(received(replays) == 2);
    ck_assert_int_eq(atomic_load(&live->end), STILL_OPEN);
    mrc_dispatcher_stop(dispatcher);
    ck_assert_int_eq(atomic_load(&replays->end), MRC_END_DRAINING);
    ck_assert_uint_eq(told[0], 1);
    ck_assert_uint_eq(told[1], 2);
}
END_TEST

/* ---- clients that are slow or gone ------------------------------------------------------------*/

/* Publishes until the paused client ends; three others get everything. */
static void outrun(struct client *slow)
{
    const struct client *others[3];
    unsigned id = 0;

    for (int i = 0; i < 3; i++)
        others[i] = connect_all();
    slow->is_paused = true;
    while (atomic_load(&slow->end) == STILL_OPEN) {
        ck_assert_uint_lt(id, 20000);
        for (int i = 0; i < 10; i++)
            publish(id++, "https://example.com/a", 4000);
        wait_until(all_have(others, 3, id)); /* so that they never fall behind */
    }
    ck_assert_ended(slow, MRC_END_SLOW);
    publish(id, "https://example.com/a", 1);
    ck_assert_all_delivered();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(atomic_load(&others[i]->end), STILL_OPEN);
    slow->is_paused = false;
    wait_until(slow->is_closed);
    ck_assert_uint_lt(received(slow), id);
}

START_TEST(too_much_for_one_cuts_only_that_one)
{
    struct mrc_hub_policy policy = patient;

    policy.backlog_bytes = 100000;
    start(64 << 20, 2, &policy);
    outrun(connect_all());
    finish();
}
END_TEST

START_TEST(one_who_takes_nothing_is_cut_in_time)
{
    struct mrc_hub_policy policy = patient;
    struct client *slow;

    policy.dispatch_timeout_us = SECOND / 2;
    start(64 << 20, 2, &policy);
    slow = connect_all();
    slow->is_paused = true;
    for (unsigned i = 0; i < 200; i++) /* more than any socket holds */
        publish(i, "https://example.com/a", 10000);
    ck_assert_ended(slow, MRC_END_SLOW);
    finish();
}
END_TEST

/* Between two heartbeats nothing is ready; what woke it once, does so no more. */
START_TEST(it_sleeps_when_nothing_happens)
{
    struct mrc_hub_policy policy = patient;
    struct client *client;

    policy.heartbeat_us = SECOND / 20;
    start(1 << 20, 1, &policy);
    client = connect_all();
    wait_until(mrc_buf_bytes(&client->in).len >= 6);
    ck_assert_uint_eq(atomic_load(&wakes), 0);
    publish(0, "https://example.com/a", 10);
    ck_assert_all_delivered();
    wait_until(mrc_buf_bytes(&client->in).len >= 40);
    ck_assert_uint_le(atomic_load(&wakes), 1);
    finish();
}
END_TEST

static uint64_t bit_of(const char *topic)
{
    return mrc_interests_tag(mrc_hub_segment_interests(place.segment), mrc_bytes_of(topic)) %
           mrc_interests_bits(HUB_SLOTS);
}

/* What none of its streams listens to does not wake it, and is passed over when something else
 * does; a stream that ends takes its topic along. */
START_TEST(it_sleeps_through_what_is_for_others)
{
    static const char here[] = "https://example.com/a";
    struct client *client, *other;
    char there[40];
    unsigned n = 0;

    start(1 << 20, 1, &patient);
    do
        snprintf(there, sizeof(there), "https://example.com/b%u", n++);
    while (bit_of(there) == bit_of(here));
    client = connect_with(MRC_MATCHER_EXACT, here, NULL, NULL);
    other = connect_with(MRC_MATCHER_EXACT, there, NULL, NULL);
    publish(0, here, 10);
    publish(1, there, 10);
    wait_until(received(client) == 1 && received(other) == 1);
    other->is_closed = true;
    close(other->fd);
    wait_until(atomic_load(&other->end) == MRC_END_CLIENT);
    /* Its place in the hub is given up right after. */
    wait_until(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_SUBSCRIBERS) == 1);
    for (unsigned i = 2; i < 100; i++)
        publish(i, there, 10);
    publish(100, here, 10);
    wait_until(received(client) == 2);
    ck_assert_uint_le(atomic_load(&wakes), 3); /* at most once for each that was for somebody */
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    finish();
}
END_TEST

/* One that pauses while it is LIVE, and goes on, gets everything. */
START_TEST(one_who_pauses_goes_on)
{
    struct mrc_hub_policy policy = patient;
    struct client *client;

    policy.heartbeat_us = SECOND / 20;
    start(64 << 20, 1, &policy);
    client = connect_all();
    wait_until(mrc_buf_bytes(&client->in).len > 0); /* silence, so it has caught up */
    client->is_paused = true;
    for (unsigned i = 0; i < 300; i++)
        publish(i, "https://example.com/a", 10000);
    wait_until(hub_counter(&place, MRC_COUNTER_DELIVERIES) == 300);
    client->is_paused = false;
    ck_assert_all_delivered();
    finish();
}
END_TEST

/* And so does one in whose REPLAY the ring is the backlog: no more is read while it pauses. */
START_TEST(one_who_pauses_in_its_replay_goes_on)
{
    struct mrc_stream *stream;
    int fds[2], taken = 0;

    start(64 << 20, 1, &patient);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL);
    clients[0].is_paused = true;
    for (unsigned i = 0; i < 300; i++)
        publish(i, "https://example.com/a", 10000);
    mrc_dispatcher_post(dispatcher, stream);
    wait_until(ioctl(fds[0], FIONREAD, &taken) == 0 && taken > 0);
    ck_assert_uint_lt(hub_counter(&place, MRC_COUNTER_DELIVERIES), 300);
    clients[0].is_paused = false;
    ck_assert_all_delivered();
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DELIVERIES), 300);
    finish();
}
END_TEST

static unsigned heartbeats(const struct client *client)
{
    struct mrc_bytes in = mrc_buf_bytes(&client->in);
    unsigned n = 0;

    for (size_t i = 0; i + 1 < in.len; i++)
        n += in.ptr[i] == ':' && in.ptr[i + 1] == '\n';
    return n;
}

/* What it waited for while it was pending is not what it waits for afterwards. */
START_TEST(one_who_has_paused_has_heartbeats_again)
{
    struct mrc_hub_policy policy = patient;
    struct client *client, *other;
    unsigned before;

    policy.heartbeat_us = SECOND / 20;
    start(64 << 20, 1, &policy);
    client = connect_all();
    other = connect_all();
    wait_until(heartbeats(client) > 0 && heartbeats(other) > 0);
    client->is_paused = true;
    for (unsigned i = 0; i < 300; i++)
        publish(i, "https://example.com/a", 10000);
    wait_until(received(other) == 300);
    before = heartbeats(other);
    wait_until(heartbeats(other) >= before + 3); /* the other one's would have come, too */
    client->is_paused = false;
    ck_assert_all_delivered();
    before = heartbeats(client);
    wait_until(heartbeats(client) > before);
    finish();
}
END_TEST

/* Two ends of a connection over TCP. */
static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, len), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
}

START_TEST(a_client_hangs_up)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct client *closes, *half, *resets, *stays;
    int fds[2];

    start(1 << 20, 1, &patient);
    closes = connect_all();
    half = connect_all();
    stays = connect_all();
    tcp_pair(fds);
    mrc_dispatcher_post(dispatcher, make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL));
    resets = &clients[clients_count - 1];
    publish(0, "https://example.com/a", 10);
    ck_assert_all_delivered();
    close(closes->fd);
    closes->is_closed = true;
    shutdown(half->fd, SHUT_WR);
    setsockopt(resets->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(resets->fd);
    resets->is_closed = true;
    ck_assert_ended(closes, MRC_END_CLIENT);
    ck_assert_ended(half, MRC_END_CLIENT);
    ck_assert_ended(resets, MRC_END_CLIENT);
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 1);
    publish(1, "https://example.com/a", 10);
    wait_until(received(stays) == 2);
    finish();
}
END_TEST

/* One that was gone before the dispatcher saw it. */
START_TEST(a_client_was_gone_already)
{
    struct mrc_stream *stream;
    int fds[2];

    start(1 << 20, 1, &patient);
    publish(0, "https://example.com/a", 10);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", "earliest", NULL);
    close(clients[0].fd);
    clients[0].is_closed = true;
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[0], MRC_END_CLIENT);
    finish();
}
END_TEST

static sem_t entered, released;

/* Stops the loop's thread, once. */
static void block_once(struct client *client)
{
    client->on_write = NULL;
    sem_post(&entered);
    while (sem_wait(&released) < 0)
        ;
}

START_TEST(an_overrun_ends_those_who_missed_something)
{
    struct client *blocked, *other, *costly;

    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    start(64 << 10, 1, &patient);
    blocked = connect_all();
    other = connect_with(MRC_MATCHER_EXACT, "https://example.com/never", NULL, NULL);
    costly = connect_costly(NULL);
    publish(0, "https://example.com/a", 10);
    wait_until(received(blocked) == 1);
    blocked->on_write = block_once;
    publish(1, "https://example.com/a", 10);
    while (sem_wait(&entered) < 0)
        ;
    for (unsigned i = 2; i < 200; i++)
        publish(i, "https://example.com/a", 5000);
    sem_post(&released);
    ck_assert_ended(blocked, MRC_END_OVERRUN);
    ck_assert_ended(costly, MRC_END_OVERRUN);
    ck_assert_ended(other, MRC_END_OVERRUN); /* it cannot know that it missed nothing */
    ck_assert_uint_eq(received(blocked), 2);
    connect_all(); /* the hub goes on */
    publish(200, "https://example.com/a", 10);
    wait_until(received(&clients[3]) == 1);
    finish();
}
END_TEST

/* Fails unless CLIENT has the ids from FIRST to before END, each once and in order. */
static void ck_assert_in_order(const struct client *client, long first, long end)
{
    size_t from = 0;

    for (long id = first; id < end; id++)
        ck_assert_int_eq(next_id(client, &from), id);
    ck_assert_int_eq(next_id(client, &from), -1);
}

/* What the ring has gone over comes from a history on disk, to those who listen and to one who was
 * replaying. */
START_TEST(an_overrun_is_made_up_for_from_the_disk)
{
    static char template[] = "/tmp/mrc-dispatcher-XXXXXX";
    const struct mrc_hub_policy policy = {
        .dispatch_timeout_us = 600 * SECOND,
        .backlog_bytes = SIZE_MAX / 2,
        .history_dir = mkdtemp(template),
        .history_sync = MRC_HISTORY_SYNC_NONE,
    };
    struct client *blocked, *other, *none, *costly;
    char command[80];

    if (!mrc_history_has_lmdb())
        return;
    ck_assert_ptr_nonnull(policy.history_dir);
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    start(64 << 10, 1, &policy);
    blocked = connect_all();
    none = connect_with(MRC_MATCHER_EXACT, "https://example.com/never", NULL, NULL);
    costly = connect_costly(NULL);
    publish(0, "https://example.com/a", 10);
    wait_until(received(blocked) == 1 && received(costly) == 1);
    blocked->on_write = block_once;
    publish(1, "https://example.com/a", 10);
    while (sem_wait(&entered) < 0)
        ;
    for (unsigned i = 2; i < 200; i++)
        publish(i, "https://example.com/a", 5000);
    other = connect_with(MRC_MATCHER_EXACT, "*", "id-0", NULL);
    sem_post(&released);
    wait_until(received(blocked) == 200 && received(other) == 199);
    publish(200, "https://example.com/a", 10); /* and all are live again */
    wait_until(received(blocked) == 201 && received(other) == 200 && received(costly) == 201);
    ck_assert_in_order(blocked, 0, 201);
    ck_assert_in_order(costly, 0, 201);
    ck_assert_in_order(other, 1, 201);
    ck_assert_uint_eq(received(none), 0);
    ck_assert_int_eq(atomic_load(&none->end), STILL_OPEN);
    finish();
    snprintf(command, sizeof(command), "rm -rf %s", policy.history_dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- the end ----------------------------------------------------------------------------------*/

/* The reconnection time that CLIENT, which got nothing else, was told. */
static unsigned retry_of(struct client *client)
{
    struct mrc_bytes in;
    char text[64];
    char *end;
    unsigned long ms;

    wait_until(client->is_closed);
    in = mrc_buf_bytes(&client->in);
    ck_assert_uint_lt(in.len, sizeof(text));
    ck_assert(mrc_bytes_starts_with(in, mrc_bytes_of("retry: ")));
    memcpy(text, in.ptr, in.len);
    text[in.len] = '\0';
    ms = strtoul(text + 7, &end, 10);
    ck_assert_str_eq(end, "\n\n");
    ck_assert_uint_ge(ms, 500);
    ck_assert_uint_le(ms, 3000);
    return (unsigned)ms;
}

static void drain(bool graceful)
{
    int64_t first_us = INT64_MAX, last_us = 0;
    bool differ = false;

    start(1 << 20, 3, &patient);
    for (int i = 0; i < 60; i++)
        connect_all();
    mrc_dispatcher_post_drain(dispatcher, graceful);
    for (size_t i = 0; i < 60; i++) {
        int64_t closed_us;

        ck_assert_ended(&clients[i], MRC_END_DRAINING);
        differ |= retry_of(&clients[i]) != retry_of(&clients[0]);
        closed_us = atomic_load(&clients[i].closed_us);
        first_us = closed_us < first_us ? closed_us : first_us;
        last_us = closed_us > last_us ? closed_us : last_us;
    }
    ck_assert(differ); /* they are not told to come back all at once */
    if (graceful)
        ck_assert_int_gt(last_us - first_us, MRC_DISPATCHER_DRAIN_US / 10);
    connect_all(); /* too late */
    ck_assert_ended(&clients[60], MRC_END_DRAINING);
    retry_of(&clients[60]);
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 0);
    finish();
}

START_TEST(drains_gracefully)
{
    drain(true);
}
END_TEST

START_TEST(drains_at_once)
{
    drain(false);
}
END_TEST

START_TEST(at_once_overtakes_gracefully)
{
    start(1 << 20, 2, &patient);
    for (int i = 0; i < 20; i++)
        connect_all();
    mrc_dispatcher_post_drain(dispatcher, true);
    mrc_dispatcher_post_drain(dispatcher, false);
    for (size_t i = 0; i < 20; i++)
        ck_assert_ended(&clients[i], MRC_END_DRAINING);
    finish();
}
END_TEST

/* A hub that has moved to another segment: its streams get the last of this one, and end. */
START_TEST(a_hub_that_has_moved_ends_its_streams)
{
    start(1 << 20, 2, &patient);
    for (int i = 0; i < 10; i++) {
        if (i % 2)
            connect_costly(NULL);
        else
            connect_all();
    }
    publish(0, "https://example.com/a", 10);
    mrc_ring_supersede(mrc_hub_ring(place.hub), SECOND);
    mrc_hub_segment_wake(place.segment, place.notify);
    connect_all(); /* too late for anything but the end */
    for (size_t i = 0; i < 11; i++) {
        ck_assert_ended(&clients[i], MRC_END_DRAINING);
        wait_until(clients[i].is_closed);
        ck_assert_uint_eq(received(&clients[i]), i < 10);
    }
    finish();
}
END_TEST

START_TEST(stops_with_streams_left)
{
    start(1 << 20, 3, &patient);
    mrc_dispatcher_stop(NULL);
    for (int i = 0; i < 50; i++) {
        connect_all();
        publish((unsigned)i, "https://example.com/a", 100);
    }
    mrc_dispatcher_stop(dispatcher); /* some are just posted, some write, some wait */
    for (size_t i = 0; i < 50; i++) {
        ck_assert_int_eq(atomic_load(&clients[i].end), MRC_END_DRAINING);
        ck_assert(!atomic_load(&clients[i].was_forced));
    }
    for (size_t i = 0; i < 50; i++) {
        read_some(&clients[i]);
        mrc_buf_free(&clients[i].in);
        mrc_matcher_free(clients[i].wants);
    }
    hub_place_close(&place);
}
END_TEST

START_TEST(a_gate_is_waited_for)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_all();
    atomic_store(&client->gate_shut, true);
    publish(0, "https://example.com/a", 10);
    wait_until(received(client) == 1);
    close(client->fd);
    client->is_closed = true;
    wait_until(atomic_load(&client->refused) >= 3);
    ck_assert_int_eq(atomic_load(&client->end), STILL_OPEN);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_SUBSCRIBERS),
                      0); /* its place is free */
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 1);
    atomic_store(&client->gate_shut, false);
    ck_assert_ended(client, MRC_END_CLIENT);
    ck_assert(!atomic_load(&client->was_forced));
    finish();
}
END_TEST

/* A stream that waits for its gate only is out of everything else: no timer finds it later. */
START_TEST(a_drain_leaves_the_ended_alone)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_all();
    atomic_store(&client->gate_shut, true);
    publish(0, "https://example.com/a", 10);
    wait_until(received(client) == 1);
    close(client->fd);
    client->is_closed = true;
    wait_until(atomic_load(&client->refused) >= 1);
    mrc_dispatcher_post_drain(dispatcher, true);
    wait_until(atomic_load(&client->refused) >= 3);
    atomic_store(&client->gate_shut, false);
    ck_assert_ended(client, MRC_END_CLIENT);
    /* Others, whose timers go where its was. */
    for (int i = 0; i < 20; i++)
        ck_assert_ended(connect_all(), MRC_END_DRAINING);
    poll(NULL, 0, (int)(MRC_DISPATCHER_DRAIN_US / 1000) + 200); /* until it would have fired */
    finish();
}
END_TEST

static void *stop(void *arg)
{
    mrc_dispatcher_stop(dispatcher);
    return NULL;
}

/* One that was posted just before the end has its gate waited for as well. */
START_TEST(a_stop_waits_for_those_just_posted)
{
    struct client *blocked, *posted;
    pthread_t stopper;

    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    start(1 << 20, 1, &patient);
    blocked = connect_all();
    blocked->on_write = block_once;
    mrc_dispatcher_post_drain(dispatcher, false); /* the farewell is written while it is closed */
    while (sem_wait(&entered) < 0)
        ;
    posted = connect_all();
    atomic_store(&posted->gate_shut, true);
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop, NULL), 0);
    poll(NULL, 0, 100); /* it has told the loop by now; if not, less is tested */
    sem_post(&released);
    wait_until(atomic_load(&posted->refused) >= 1);
    ck_assert_int_eq(atomic_load(&posted->end), STILL_OPEN);
    atomic_store(&posted->gate_shut, false);
    pthread_join(stopper, NULL);
    ck_assert_int_eq(atomic_load(&posted->end), MRC_END_DRAINING);
    ck_assert(!atomic_load(&posted->was_forced));
}
END_TEST

/* Nothing happens to one that is posted after the end. */
START_TEST(a_stop_leaves_alone_what_comes_later)
{
    struct mrc_stream *stream;
    int fds[2];

    start(1 << 20, 2, &patient);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL);
    mrc_dispatcher_stop(dispatcher);
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 0);
    ck_assert_int_eq(atomic_load(&clients[0].end), STILL_OPEN);
    pipe_close(stream->carrier, MRC_END_DRAINING);
    mrc_stream_discard(stream, MRC_END_DRAINING);
}
END_TEST

/* A gate that never opens does not keep the process from ending. */
START_TEST(a_stop_does_not_wait_for_ever)
{
    start(1 << 20, 1, &patient);
    atomic_store(&connect_all()->gate_shut, true);
    finish();
    ck_assert(atomic_load(&clients[0].was_forced));
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------*/

static void no_more_memory(struct client *client)
{
    client->on_write = NULL;
    alloc_left = 0; /* of the loop's thread */
}

/* A stream for which the index has no room ends, and no timer of it stays behind. */
START_TEST(no_memory_to_listen)
{
    struct mrc_hub_policy policy = patient;
    struct mrc_stream *stream;
    struct client *other;
    int fds[2];

    policy.heartbeat_us = SECOND / 5;
    start(1 << 20, 1, &policy);
    publish(0, "https://example.com/a", 10);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", "earliest", NULL);
    clients[0].on_write = no_more_memory; /* after its replay */
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[0], MRC_END_ERROR);
    ck_assert_uint_eq(received(&clients[0]), 1);
    other = connect_all();
    wait_until(mrc_buf_bytes(&other->in).len >= 6); /* three heartbeats: the wheel has turned */
    publish(1, "https://example.com/a", 10);
    wait_until(received(other) == 1);
    finish();
}
END_TEST

/* An update that cannot be delivered for want of memory leaves no gap: the stream ends there. */
START_TEST(no_memory_to_deliver)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_all();
    publish(0, "https://example.com/a", 10);
    wait_until(received(client) == 1);
    client->on_write = no_more_memory;
    publish(1, "https://example.com/a", 10);
    wait_until(received(client) == 2);
    publish(2, "https://example.com/a", 10);
    publish(3, "https://example.com/a", 10);
    ck_assert_ended(client, MRC_END_ERROR);
    wait_until(client->is_closed);
    ck_assert_uint_eq(received(client), 2);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatcher");
    TCase *tcase = tcase_create("dispatcher");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, everybody_gets_what_matches_in_order);
    tcase_add_test(tcase, streams_go_to_the_thread_with_the_fewest);
    tcase_add_test(tcase, nothing_falls_between_replay_and_live);
    tcase_add_test(tcase, costly_patterns_hold_up_nobody);
    tcase_add_test(tcase, a_long_replay_starves_nobody);
    tcase_add_test(tcase, a_long_replay_has_its_lifetime);
    tcase_add_test(tcase, private_updates_need_a_grant);
    tcase_add_test(tcase, a_token_goes_while_its_update_is_under_way);
    tcase_add_test(tcase, an_unreadable_record_is_passed_over);
    tcase_add_test(tcase, too_much_for_one_cuts_only_that_one);
    tcase_add_test(tcase, one_who_takes_nothing_is_cut_in_time);
    tcase_add_test(tcase, it_sleeps_when_nothing_happens);
    tcase_add_test(tcase, it_sleeps_through_what_is_for_others);
    tcase_add_test(tcase, one_who_pauses_goes_on);
    tcase_add_test(tcase, one_who_pauses_in_its_replay_goes_on);
    tcase_add_test(tcase, one_who_has_paused_has_heartbeats_again);
    tcase_add_test(tcase, a_client_hangs_up);
    tcase_add_test(tcase, a_client_was_gone_already);
    tcase_add_test(tcase, an_overrun_ends_those_who_missed_something);
    tcase_add_test(tcase, an_overrun_is_made_up_for_from_the_disk);
    tcase_add_test(tcase, drains_gracefully);
    tcase_add_test(tcase, drains_at_once);
    tcase_add_test(tcase, at_once_overtakes_gracefully);
    tcase_add_test(tcase, a_hub_that_has_moved_ends_its_streams);
    tcase_add_test(tcase, stops_with_streams_left);
    tcase_add_test(tcase, a_gate_is_waited_for);
    tcase_add_test(tcase, a_drain_leaves_the_ended_alone);
    tcase_add_test(tcase, a_stop_waits_for_those_just_posted);
    tcase_add_test(tcase, a_stop_leaves_alone_what_comes_later);
    tcase_add_test(tcase, a_stop_does_not_wait_for_ever);
    tcase_add_test(tcase, no_memory_to_listen);
    tcase_add_test(tcase, no_memory_to_deliver);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
