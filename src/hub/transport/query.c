#include "hub/transport/query.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "core/base/buf.h"
#include "hub/hub/hub.h"
#include "store/base/clock.h"
#include "store/base/record.h"
#include "store/base/status.h"
#include "store/engine/asks.h"
#include "store/engine/entry.h"
#include "store/engine/lookup.h"
#include "store/engine/redis.h"
#include "store/engine/registry.h"
#include "store/regions/link.h"

/* A connection that is not used for this long is closed. */
#define REST_US ((int64_t)60 * 1000 * 1000)

/* NOLINTBEGIN(misc-redundant-expression): the same number in two rooms */
_Static_assert(MRC_QUERY_NONCE_MAX == MRC_ASKS_NONCE_MAX &&
                   MRC_QUERY_ANSWER_MAX == MRC_ASKS_ANSWER_MAX,
               "whoever asks knows the limits");
/* NOLINTEND(misc-redundant-expression) */

struct mrc_query_line {
    pthread_mutex_t lock; /* of everything below */
    struct mrc_lookups *lookups;
    struct mrc_redis *redis; /* NULL: not connected */
    int64_t used_us;
    pid_t pid; /* whose the connection is */
};

struct mrc_query {
    struct mrc_query_line *line;
    const struct mrc_hub *hub;
    const char *machine; /* its name, and the writer */
    struct mrc_redis_keys keys;
    /* Under the lock of LINE. */
    struct mrc_query_dead dead;
    bool has_dead;
    uint64_t writer, counter; /* of the entries that it writes; 0: none yet */
};

/* ---- the connection ---------------------------------------------------------------------------*/

static void disconnect(struct mrc_query_line *line)
{
    mrc_redis_close(line->redis);
    line->redis = NULL;
}

static apr_status_t close_line(void *data)
{
    struct mrc_query_line *line = data;

    disconnect(line);
    mrc_lookups_free(line->lookups);
    return APR_SUCCESS;
}

struct mrc_query_line *mrc_query_line_create(apr_pool_t *pool)
{
    struct mrc_query_line *line = apr_pcalloc(pool, sizeof(*line));

    pthread_mutex_init(&line->lock, NULL);
    line->pid = getpid();
    line->lookups = mrc_lookups_create();
    if (!line->lookups)
        return NULL;
    apr_pool_cleanup_register(pool, line, close_line, apr_pool_cleanup_null);
    return line;
}

void mrc_query_line_rest(struct mrc_query_line *line)
{
    if (pthread_mutex_trylock(&line->lock))
        return;
    if (line->redis && mrc_clock_us() - line->used_us > REST_US)
        disconnect(line);
    pthread_mutex_unlock(&line->lock);
}

void mrc_query_create(apr_pool_t *pool, struct mrc_query_line *line, struct mrc_hub *hub)
{
    const struct mrc_transport_spec *spec = mrc_hub_get_spec(hub)->transport;
    struct mrc_query *query = apr_pcalloc(pool, sizeof(*query));

    query->line = line;
    query->hub = hub;
    query->machine = apr_psprintf(pool, "%s.%016" APR_UINT64_T_HEX_FMT, spec->machine,
                                  mrc_link_writer(mrc_hub_link(hub)));
    mrc_redis_keys_make(pool, spec->prefix, spec->name, spec->machine, &query->keys);
    mrc_hub_set_query(hub, query);
}

static bool is_up(const struct mrc_query *query)
{
    return mrc_hub_transport_is_up(query->hub);
}

/* In a process that was forked off the child, and has one thread: the connection is the child's,
 * and a thread of the child may have held the lock. */
static void leave_to_parent(struct mrc_query_line *line)
{
    if (line->pid == getpid())
        return;
    line->pid = getpid();
    line->redis = NULL;
    pthread_mutex_init(&line->lock, NULL);
}

/* One question. False: the connection has failed. */
typedef bool question_fn(struct mrc_query *query, void *ctx, struct mrc_engine_error *error);

/* Asks QUESTION, under the lock. A connection that was there may have died long ago: then tries
 * once more with a new one. */
static apr_status_t ask(struct mrc_query *query, question_fn *question, void *ctx)
{
    const struct mrc_engine_spec *spec = &mrc_hub_get_spec(query->hub)->transport->engine;
    struct mrc_query_line *line = query->line;
    struct mrc_engine_error error;
    bool is_good = false;

    leave_to_parent(line);
    pthread_mutex_lock(&line->lock);
    if (line->redis) {
        is_good = question(query, ctx, &error);
        if (!is_good)
            disconnect(line);
    }
    if (!line->redis && is_up(query)) {
        line->redis = mrc_redis_open(line->lookups, spec, query->keys.log, &error);
        is_good = line->redis && question(query, ctx, &error);
        if (!is_good)
            disconnect(line);
    }
    line->used_us = mrc_clock_us();
    pthread_mutex_unlock(&line->lock);
    return is_good ? APR_SUCCESS : MRC_STATUS_UNREACHABLE;
}

/* ---- lists ------------------------------------------------------------------------------------*/

struct machines {
    apr_pool_t *pool;
    apr_array_header_t *names;
};

static void add_machine(void *ctx, struct mrc_bytes machine, struct mrc_bytes value)
{
    const struct machines *machines = ctx;

    if (machine.len < MRC_QUERY_TEXT_BYTES)
        APR_ARRAY_PUSH(machines->names, const char *) =
            apr_pstrmemdup(machines->pool, machine.ptr, machine.len);
}

static bool ask_machines(struct mrc_query *query, void *ctx, struct mrc_engine_error *error)
{
    const struct machines *machines = ctx;

    machines->names->nelts = 0;
    return mrc_registry_machines(query->line->redis, &query->keys, add_machine, ctx, error);
}

apr_status_t mrc_query_machines(struct mrc_query *query, apr_pool_t *pool,
                                apr_array_header_t *names)
{
    struct machines machines = {pool, names};

    return is_up(query) ? ask(query, ask_machines, &machines) : MRC_STATUS_UNREACHABLE;
}

struct subscriptions {
    const char *machine;
    struct mrc_bytes prefix, after;
    mrc_query_fn *each;
    void *ctx;
    size_t count;
};

static bool ask_subscriptions(struct mrc_query *query, void *ctx, struct mrc_engine_error *error)
{
    struct subscriptions *wanted = ctx;

    return mrc_registry_subscriptions(query->line->redis, &query->keys, wanted->machine,
                                      wanted->prefix, wanted->after, wanted->each, wanted->ctx,
                                      &wanted->count, error);
}

apr_status_t mrc_query_subscriptions(struct mrc_query *query, const char *machine,
                                     struct mrc_bytes prefix, struct mrc_bytes after,
                                     mrc_query_fn *each, void *ctx, size_t *ret_count)
{
    struct subscriptions wanted = {machine, prefix, after, each, ctx, 0};
    apr_status_t status = ask(query, ask_subscriptions, &wanted);

    if (status == APR_SUCCESS)
        *ret_count = wanted.count;
    return status;
}

/* ---- what other machines know -----------------------------------------------------------------*/

const char *mrc_query_own_name(const struct mrc_query *query)
{
    return query->machine;
}

static bool ask_machines_about(struct mrc_query *query, void *ctx, struct mrc_engine_error *error)
{
    return mrc_asks_put(query->line->redis, &query->keys, ctx, error);
}

apr_status_t mrc_query_ask(struct mrc_query *query, const char *to, const char *nonce,
                           struct mrc_bytes question)
{
    struct mrc_ask one = {mrc_bytes_of(nonce), mrc_bytes_of(query->machine), mrc_bytes_of(to),
                          question};

    return is_up(query) ? ask(query, ask_machines_about, &one) : MRC_STATUS_UNREACHABLE;
}

struct answering {
    const char *machine, *nonce;
    struct mrc_bytes answer;
    struct mrc_buf *ret_answer;
};

static bool put_answer(struct mrc_query *query, void *ctx, struct mrc_engine_error *error)
{
    const struct answering *answering = ctx;

    return mrc_asks_answer(query->line->redis, &query->keys, answering->machine, answering->nonce,
                           answering->answer, error);
}

apr_status_t mrc_query_answer(struct mrc_query *query, const char *nonce, struct mrc_bytes answer)
{
    struct answering answering = {query->machine, nonce, answer, NULL};

    return is_up(query) ? ask(query, put_answer, &answering) : MRC_STATUS_UNREACHABLE;
}

static bool get_answer(struct mrc_query *query, void *ctx, struct mrc_engine_error *error)
{
    const struct answering *answering = ctx;
    struct mrc_redis *redis = query->line->redis;

    mrc_buf_reset(answering->ret_answer);
    return mrc_asks_get(redis, &query->keys, answering->machine, answering->nonce,
                        answering->ret_answer, error) &&
           (answering->ret_answer->len == 0 ||
            mrc_asks_drop(redis, &query->keys, answering->machine, answering->nonce, error));
}

apr_status_t mrc_query_get_answer(struct mrc_query *query, const char *machine, const char *nonce,
                                  struct mrc_buf *ret_answer)
{
    struct answering answering = {machine, nonce, {NULL, 0}, ret_answer};

    return is_up(query) ? ask(query, get_answer, &answering) : MRC_STATUS_UNREACHABLE;
}

/* ---- the dead ---------------------------------------------------------------------------------*/

void mrc_query_post_dead(struct mrc_query *query, const char *machine, const char *value)
{
    /* A thread that asks holds the lock; the next beat posts the machine again. */
    if (pthread_mutex_trylock(&query->line->lock))
        return;
    apr_cpystrn(query->dead.machine, machine, sizeof(query->dead.machine));
    apr_cpystrn(query->dead.value, value, sizeof(query->dead.value));
    query->has_dead = true;
    pthread_mutex_unlock(&query->line->lock);
}

bool mrc_query_take_dead(struct mrc_query *query, struct mrc_query_dead *ret_dead)
{
    bool has_dead;

    pthread_mutex_lock(&query->line->lock);
    has_dead = query->has_dead;
    if (has_dead)
        *ret_dead = query->dead;
    query->has_dead = false;
    pthread_mutex_unlock(&query->line->lock);
    return has_dead;
}

struct reaping {
    const struct mrc_query_dead *dead;
    const struct mrc_registry_end *ends;
    size_t count;
    int64_t left;
};

static bool ask_reap(struct mrc_query *query, void *ctx, struct mrc_engine_error *error)
{
    struct reaping *reaping = ctx;
    struct mrc_link_position position;
    struct mrc_registry_reap reap = {
        .machine = reaping->dead->machine,
        .value = reaping->dead->value,
        .ends = reaping->ends,
        .count = reaping->count,
    };

    if (query->writer == 0 && apr_generate_random_bytes((unsigned char *)&query->writer,
                                                        sizeof(query->writer)) != APR_SUCCESS)
        return false;
    mrc_link_get_position(mrc_hub_link(query->hub), &position);
    reap.generation = position.generation;
    reap.writer = query->writer;
    reap.counter = query->counter + 1;
    query->counter += reaping->count; /* even if the answer is lost: no number is used twice */
    return mrc_registry_reap(query->line->redis, &query->keys, &reap, &reaping->left, error);
}

apr_status_t mrc_query_reap(struct mrc_query *query, const struct mrc_query_dead *dead,
                            const struct mrc_bytes *members, const struct mrc_record *ends,
                            size_t count, uint64_t *ret_left)
{
    struct mrc_registry_end parts[MRC_QUERY_REAP_MAX];
    struct reaping reaping = {.dead = dead, .ends = parts, .count = count};
    size_t at[MRC_QUERY_REAP_MAX + 1];
    apr_status_t status = APR_ENOMEM;
    struct mrc_buf blobs;

    mrc_buf_init(&blobs, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        at[i] = blobs.len;
        if (ends[i].payload.len)
            mrc_entry_add_blob(&blobs, 0, ends[i].id, ends[i].payload);
    }
    at[count] = blobs.len;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct mrc_registry_end){
            .member = members[i],
            .stored_bytes = ends[i].stored_bytes,
            .blob = {mrc_buf_bytes(&blobs).ptr + at[i], at[i + 1] - at[i]},
        };
    if (!mrc_buf_error(&blobs))
        status = ask(query, ask_reap, &reaping);
    mrc_buf_free(&blobs);
    if (status == APR_SUCCESS)
        *ret_left = reaping.left > 0 ? (uint64_t)reaping.left : 0;
    return status;
}
