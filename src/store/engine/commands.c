/*
 * What a machine sends to the engine, and what it reads from the answers: the functions of redis.h
 * that do not connect.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "apr_strings.h"

#include "store/engine/redis.h"
#include "store/engine/redis_internal.h"
#include "store/engine/reply.h"
#include "store/engine/wire.h"

void mrc_redis_keys_make(apr_pool_t *pool, const char *prefix, const char *name,
                         const char *machine, struct mrc_redis_keys *ret_keys)
{
    const char *tag = apr_psprintf(pool, "{%s:%s}", prefix, name);

    *ret_keys = (struct mrc_redis_keys){
        .log = apr_pstrcat(pool, tag, ":log", NULL),
        .head = apr_pstrcat(pool, tag, ":head", NULL),
        .machines = apr_pstrcat(pool, tag, ":m", NULL),
        .subscriptions = apr_pstrcat(pool, tag, ":p:", machine, NULL),
        .revocations = apr_pstrcat(pool, tag, ":r", NULL),
        .asks = apr_pstrcat(pool, tag, ":q", NULL),
        .answers = apr_pstrcat(pool, tag, ":a:", NULL),
        .prefix = apr_pstrcat(pool, tag, ":p:", NULL),
    };
}

static void add_optional_number(struct mrc_wire *wire, uint64_t number)
{
    if (number)
        mrc_wire_add_number(wire, number);
    else
        mrc_wire_add_text(wire, "");
}

/* ---- joining ----------------------------------------------------------------------------------*/

static bool parse_verdict(struct mrc_bytes text, enum mrc_redis_verdict *ret_verdict)
{
    static const char *const texts[] = {
        [MRC_REDIS_NEW] = "new", [MRC_REDIS_SAME] = "same",   [MRC_REDIS_LOST] = "lost",
        [MRC_REDIS_GAP] = "gap", [MRC_REDIS_RESET] = "reset",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (mrc_bytes_eq_str(text, texts[i])) {
            *ret_verdict = (enum mrc_redis_verdict)i;
            return true;
        }
    }
    return false;
}

bool mrc_redis_join_reply(const struct redisReply *reply, const char *bounds,
                          struct mrc_redis_join *ret_join)
{
    struct mrc_bytes key = mrc_reply_text(mrc_reply_at(reply, 5));
    struct mrc_redis_join join = {.generation = 0};
    uint64_t generation;

    if (!mrc_reply_number(mrc_reply_at(reply, 0), &generation) || generation > UINT32_MAX ||
        generation == 0 || !mrc_reply_number(mrc_reply_at(reply, 1), &join.newest) ||
        !mrc_reply_number(mrc_reply_at(reply, 2), &join.oldest) || join.oldest == 0 ||
        !parse_verdict(mrc_reply_text(mrc_reply_at(reply, 3)), &join.verdict) ||
        !mrc_reply_number(mrc_reply_at(reply, 4), &join.last) || key.len > MRC_REDIS_KEY_MAX ||
        !mrc_reply_number(mrc_reply_at(reply, 7), &join.revocations))
        return false;
    join.generation = (uint32_t)generation;
    memcpy(join.key, key.ptr, key.len);
    join.has_other_bounds = !mrc_bytes_eq_str(mrc_reply_text(mrc_reply_at(reply, 6)), bounds);
    *ret_join = join;
    return true;
}

bool mrc_redis_join(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    const struct mrc_redis_join_args *args, struct mrc_redis_join *ret_join,
                    struct mrc_engine_error *error)
{
    const char *const names[] = {keys->log, keys->head};
    struct mrc_wire *wire = mrc_redis_begin_script(redis, MRC_REDIS_JOIN, names, 2, 9);
    char writer[MRC_ENTRY_WRITER_BYTES];
    char token[MRC_ENTRY_TOKEN_BYTES];
    struct redisReply *reply;
    bool is_good;

    mrc_entry_writer_text(args->writer, writer);
    mrc_entry_token_text(args->token, token);
    mrc_wire_add_number(wire, args->fresh_generation);
    add_optional_number(wire, args->generation);
    mrc_wire_add_number(wire, args->number);
    mrc_wire_add_text(wire, token);
    mrc_wire_add_text(wire, writer);
    mrc_wire_add_text(wire, args->identity);
    mrc_wire_add_number(wire, MRC_ENGINE_FORMAT);
    mrc_wire_add_text(wire, args->bounds);
    mrc_wire_add_text(wire, args->fresh_key);
    reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
    if (!reply)
        return false;
    is_good = mrc_redis_join_reply(reply, args->bounds, ret_join);
    mrc_wire_free_reply(reply);
    return is_good ||
           mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to join is malformed");
}

bool mrc_redis_token_at(struct mrc_redis *redis, const struct mrc_redis_keys *keys, uint64_t number,
                        struct mrc_entry_token *ret_token, struct mrc_engine_error *error)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct mrc_entry entry;
    struct redisReply *reply;

    mrc_wire_begin(wire, 4);
    mrc_wire_add_text(wire, "XRANGE");
    mrc_wire_add_text(wire, keys->log);
    mrc_wire_add_number(wire, number);
    mrc_wire_add_number(wire, number);
    reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
    if (!reply)
        return false;
    *ret_token = (struct mrc_entry_token){0};
    if (mrc_reply_at(reply, 0) && mrc_reply_entry(mrc_reply_at(reply, 0), &entry) && entry.is_ours)
        *ret_token = entry.head.token;
    mrc_wire_free_reply(reply);
    return true;
}

/* ---- publishing -------------------------------------------------------------------------------*/

void mrc_redis_publish_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                           const struct mrc_redis_publish *publish)
{
    const char *const names[] = {keys->log, keys->head, keys->subscriptions, keys->revocations};
    struct mrc_wire *wire =
        mrc_redis_begin_script(redis, MRC_REDIS_PUBLISH, names, 4, 9 + 3 * publish->entries);
    char writer[MRC_ENTRY_WRITER_BYTES];

    mrc_entry_writer_text(publish->writer, writer);
    mrc_wire_add_number(wire, publish->generation);
    mrc_wire_add_text(wire, writer);
    mrc_wire_add_number(wire, publish->counter);
    mrc_wire_add_number(wire, publish->bound_count);
    mrc_wire_add_number(wire, publish->bound_bytes);
    mrc_wire_add_number(wire, publish->bound_age_us);
    mrc_wire_add_number(wire, publish->least_count);
    mrc_wire_add_number(wire, publish->least_bytes);
    if (publish->is_again)
        mrc_wire_add_number(wire, publish->fork);
    else
        mrc_wire_add_text(wire, "");
}

void mrc_redis_entry_add(struct mrc_redis *redis, uint64_t stored_bytes, struct mrc_bytes blob,
                         struct mrc_bytes operation)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_add_number(wire, stored_bytes);
    mrc_wire_add(wire, blob);
    mrc_wire_add(wire, operation);
}

bool mrc_redis_publish_reply(const struct redisReply *reply, uint64_t *ret_newest,
                             uint64_t *ret_last, struct mrc_engine_error *error)
{
    uint64_t newest, last;

    if (!mrc_reply_is_good(reply, error))
        return false;
    if (!mrc_reply_number(mrc_reply_at(reply, 0), &newest) ||
        !mrc_reply_number(mrc_reply_at(reply, 1), &last))
        return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL,
                                   "the answer to publish is malformed");
    *ret_newest = newest;
    *ret_last = last;
    return true;
}

bool mrc_redis_publish_end(struct mrc_redis *redis, uint64_t *ret_newest, uint64_t *ret_last,
                           struct mrc_engine_error *error)
{
    struct redisReply *reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
    bool is_good = reply && mrc_redis_publish_reply(reply, ret_newest, ret_last, error);

    mrc_wire_free_reply(reply);
    return is_good;
}

bool mrc_redis_counters(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        const uint64_t *writers, size_t count, uint64_t *ret_counters,
                        struct mrc_engine_error *error)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct redisReply *reply;

    mrc_wire_begin(wire, 2 + count);
    mrc_wire_add_text(wire, "HMGET");
    mrc_wire_add_text(wire, keys->head);
    for (size_t i = 0; i < count; i++) {
        char field[2 + MRC_ENTRY_WRITER_BYTES] = "w:";

        mrc_entry_writer_text(writers[i], field + 2);
        mrc_wire_add_text(wire, field);
    }
    reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
    if (!reply)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!mrc_reply_number(mrc_reply_at(reply, i), &ret_counters[i]))
            ret_counters[i] = 0;
    }
    mrc_wire_free_reply(reply);
    return true;
}

void mrc_redis_wait_add(struct mrc_redis *redis, unsigned count, unsigned timeout_ms)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 3);
    mrc_wire_add_text(wire, "WAIT");
    mrc_wire_add_number(wire, count);
    mrc_wire_add_number(wire, timeout_ms);
}

bool mrc_redis_wait_reply(const struct redisReply *reply, uint64_t *ret_replicas,
                          struct mrc_engine_error *error)
{
    if (!mrc_reply_is_good(reply, error))
        return false;
    return mrc_reply_number(reply, ret_replicas) ||
           mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to WAIT is malformed");
}

/* ---- living -----------------------------------------------------------------------------------*/

void mrc_redis_head_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 4);
    mrc_wire_add_text(wire, "HMGET");
    mrc_wire_add_text(wire, keys->head);
    mrc_wire_add_text(wire, "g");
    mrc_wire_add_text(wire, "n");
}

bool mrc_redis_head_reply(const struct redisReply *reply, uint32_t *ret_generation,
                          uint64_t *ret_newest, struct mrc_engine_error *error)
{
    uint64_t generation, newest;

    if (!mrc_reply_is_good(reply, error))
        return false;
    if (!mrc_reply_number(mrc_reply_at(reply, 0), &generation) ||
        !mrc_reply_number(mrc_reply_at(reply, 1), &newest) || generation > UINT32_MAX)
        return mrc_reply_set_error(error, MRC_ENGINE_RESET, "the engine no longer has the hub");
    *ret_generation = (uint32_t)generation;
    *ret_newest = newest;
    return true;
}

void mrc_redis_beat_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        uint32_t generation, const char *machine, const char *value, uint32_t old,
                        bool is_known)
{
    const char *const names[] = {keys->head, keys->machines};
    struct mrc_wire *wire = mrc_redis_begin_script(redis, MRC_REDIS_BEAT, names, 2, 5);

    mrc_wire_add_number(wire, generation);
    mrc_wire_add_text(wire, machine);
    mrc_wire_add_text(wire, value);
    add_optional_number(wire, old);
    mrc_wire_add_text(wire, is_known ? "1" : "");
}

bool mrc_redis_beat_reply(const struct redisReply *reply, struct mrc_redis_beat *ret_beat,
                          void (*each)(void *ctx, struct mrc_bytes machine, struct mrc_bytes value),
                          void *ctx, struct mrc_engine_error *error)
{
    struct mrc_redis_beat beat = {.machines = 0};
    const struct redisReply *machines;
    uint64_t is_removed;

    if (!mrc_reply_is_good(reply, error))
        return false;
    machines = mrc_reply_at(reply, 3);
    if (!mrc_reply_number(mrc_reply_at(reply, 0), &beat.newest) ||
        !mrc_reply_number(mrc_reply_at(reply, 1), &beat.old_number) ||
        !mrc_reply_number(mrc_reply_at(reply, 2), &is_removed) ||
        !mrc_reply_number(mrc_reply_at(reply, 4), &beat.revocations) || !machines ||
        machines->type != REDIS_REPLY_ARRAY)
        return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to beat is malformed");
    beat.is_removed = is_removed != 0;
    beat.machines = machines->elements / 2;
    for (size_t i = 0; each && i < beat.machines; i++)
        each(ctx, mrc_reply_text(mrc_reply_at(machines, 2 * i)),
             mrc_reply_text(mrc_reply_at(machines, 2 * i + 1)));
    *ret_beat = beat;
    return true;
}

/* ---- reading ----------------------------------------------------------------------------------*/

void mrc_redis_read_add(struct mrc_redis *redis, unsigned block_ms, unsigned count,
                        size_t count_streams)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_R];

    mrc_wire_begin(wire, 6 + 2 * count_streams);
    mrc_wire_add_text(wire, "XREAD");
    mrc_wire_add_text(wire, "COUNT");
    mrc_wire_add_number(wire, count);
    mrc_wire_add_text(wire, "BLOCK");
    mrc_wire_add_number(wire, block_ms);
    mrc_wire_add_text(wire, "STREAMS");
}

void mrc_redis_read_key_add(struct mrc_redis *redis, const char *key)
{
    mrc_wire_add_text(redis->wires[MRC_REDIS_R], key);
}

void mrc_redis_read_after_id_add(struct mrc_redis *redis, const char *id)
{
    mrc_wire_add_text(redis->wires[MRC_REDIS_R], id);
}

/* The next entry is NUMBER + 1, of any generation. */
void mrc_redis_read_after_add(struct mrc_redis *redis, uint64_t number)
{
    char text[48];

    snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, number, UINT64_MAX);
    mrc_wire_add_text(redis->wires[MRC_REDIS_R], text);
}

/* Whether KEY is that of questions; see mrc_redis_keys_make(). */
static bool is_asks(struct mrc_bytes key)
{
    return key.len > 3 && !memcmp(key.ptr + key.len - 3, "}:q", 3);
}

static bool each_of_asks(const struct redisReply *stream, mrc_redis_ask_fn *each, void *ctx,
                         struct mrc_engine_error *error)
{
    struct mrc_bytes key = mrc_reply_text(mrc_reply_at(stream, 0));
    const struct redisReply *entries = mrc_reply_at(stream, 1);
    const struct redisReply *one;

    for (size_t i = 0; (one = mrc_reply_at(entries, i)); i++) {
        struct mrc_bytes id = mrc_reply_text(mrc_reply_at(one, 0));
        struct mrc_ask ask;

        if (!mrc_reply_is_stream_id(id))
            return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL,
                                       "the answer to XREAD is malformed");
        each(ctx, key, id, mrc_reply_ask(one, &ask) ? &ask : NULL);
    }
    return true;
}

static bool each_of_log(const struct redisReply *log, mrc_redis_entry_fn *each, void *ctx,
                        struct mrc_engine_error *error)
{
    struct mrc_bytes key = mrc_reply_text(mrc_reply_at(log, 0));
    const struct redisReply *entries = mrc_reply_at(log, 1);
    const struct redisReply *one;

    for (size_t i = 0; (one = mrc_reply_at(entries, i)); i++) {
        struct mrc_entry entry;

        if (!mrc_reply_entry(one, &entry))
            return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL,
                                       "the answer to XREAD is malformed");
        if (!each(ctx, key, &entry, error))
            return false;
    }
    return true;
}

bool mrc_redis_read_reply(const struct redisReply *reply, mrc_redis_entry_fn *each,
                          mrc_redis_ask_fn *each_ask, void *ctx, struct mrc_engine_error *error)
{
    const struct redisReply *log;

    if (!mrc_reply_is_good(reply, error))
        return false;
    if (reply->type == REDIS_REPLY_NIL)
        return true; /* nothing new */
    if (reply->type != REDIS_REPLY_ARRAY)
        return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to XREAD is malformed");
    for (size_t i = 0; (log = mrc_reply_at(reply, i)); i++) {
        bool is_good = is_asks(mrc_reply_text(mrc_reply_at(log, 0)))
                           ? each_of_asks(log, each_ask, ctx, error)
                           : each_of_log(log, each, ctx, error);

        if (!is_good)
            return false;
    }
    return true;
}
