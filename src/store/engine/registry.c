#include "store/engine/registry.h"

#include <hiredis/hiredis.h>

#include "store/base/record.h"
#include "store/engine/redis_internal.h"
#include "store/engine/reply.h"
#include "store/engine/wire.h"

/* NULL: REPLY, which is freed, is no array, or NULL. */
static struct redisReply *check_array(struct redisReply *reply, struct mrc_engine_error *error)
{
    if (!reply || reply->type == REDIS_REPLY_ARRAY)
        return reply;
    mrc_wire_free_reply(reply);
    mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to a list is malformed");
    return NULL;
}

/* Waits for the answer. NULL: it is not an array, or the connection has failed. */
static struct redisReply *wait_for_array(struct mrc_redis *redis, struct mrc_engine_error *error)
{
    return check_array(mrc_redis_wait_on(redis, MRC_REDIS_W, error), error);
}

/* Adds the key of the subscriptions of MACHINE. */
static void add_key(struct mrc_wire *wire, const struct mrc_redis_keys *keys, const char *machine)
{
    const struct mrc_bytes parts[] = {mrc_bytes_of(keys->prefix), mrc_bytes_of(machine)};

    mrc_wire_add_parts(wire, parts, 2);
}

/* ---- machines ---------------------------------------------------------------------------------*/

bool mrc_registry_machines(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                           void (*each)(void *ctx, struct mrc_bytes machine,
                                        struct mrc_bytes value),
                           void *ctx, struct mrc_engine_error *error)
{
    struct redisReply *reply;

    mrc_wire_begin(redis->wires[MRC_REDIS_W], 2);
    mrc_wire_add_text(redis->wires[MRC_REDIS_W], "HGETALL");
    mrc_wire_add_text(redis->wires[MRC_REDIS_W], keys->machines);
    reply = wait_for_array(redis, error);
    if (!reply)
        return false;
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        each(ctx, mrc_reply_text(mrc_reply_at(reply, i)),
             mrc_reply_text(mrc_reply_at(reply, i + 1)));
    mrc_wire_free_reply(reply);
    return true;
}

void mrc_registry_reap_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                           const struct mrc_registry_reap *reap)
{
    const char *const names[] = {keys->log, keys->head, keys->machines, NULL};
    struct mrc_wire *wire =
        mrc_redis_begin_script(redis, MRC_REDIS_REAP, names, 4, 5 + 3 * reap->count);
    char writer[MRC_ENTRY_WRITER_BYTES];

    mrc_entry_writer_text(reap->writer, writer);
    add_key(wire, keys, reap->machine);
    mrc_wire_add_number(wire, reap->generation);
    mrc_wire_add_text(wire, reap->machine);
    mrc_wire_add_text(wire, reap->value);
    mrc_wire_add_text(wire, writer);
    mrc_wire_add_number(wire, reap->counter);
    for (size_t i = 0; i < reap->count; i++) {
        mrc_wire_add(wire, reap->ends[i].member);
        mrc_wire_add_number(wire, reap->ends[i].stored_bytes);
        mrc_wire_add(wire, reap->ends[i].blob);
    }
}

bool mrc_registry_reap_reply(const struct redisReply *reply, int64_t *ret_left,
                             struct mrc_engine_error *error)
{
    if (!mrc_reply_is_good(reply, error))
        return false;
    if (reply->type != REDIS_REPLY_INTEGER)
        return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to reap is malformed");
    *ret_left = reply->integer;
    return true;
}

bool mrc_registry_reap(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                       const struct mrc_registry_reap *reap, int64_t *ret_left,
                       struct mrc_engine_error *error)
{
    struct redisReply *reply;
    bool is_good;

    mrc_registry_reap_add(redis, keys, reap);
    reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
    is_good = reply && mrc_registry_reap_reply(reply, ret_left, error);
    mrc_wire_free_reply(reply);
    return is_good;
}

/* Waits for the field PREFIX MACHINE of the hash KEY. NULL: the connection has failed. */
static struct redisReply *get_field(struct mrc_redis *redis, const char *key, const char *prefix,
                                    const char *machine, struct mrc_engine_error *error)
{
    const struct mrc_bytes parts[] = {mrc_bytes_of(prefix), mrc_bytes_of(machine)};
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 3);
    mrc_wire_add_text(wire, "HGET");
    mrc_wire_add_text(wire, key);
    mrc_wire_add_parts(wire, parts, 2);
    return mrc_redis_wait_on(redis, MRC_REDIS_W, error);
}

/* Asks for the mark first: whoever removes it removes the machine, too. */
bool mrc_registry_is_removed(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                             const char *machine, bool *ret_is_removed,
                             struct mrc_engine_error *error)
{
    struct redisReply *mark = get_field(redis, keys->head, "x:", machine, error);
    struct redisReply *value = mark ? get_field(redis, keys->machines, "", machine, error) : NULL;

    if (value)
        *ret_is_removed = mrc_reply_text(mark).len > 0 || mrc_reply_text(value).len == 0 ||
                          mrc_bytes_eq_str(mrc_reply_text(value), "-");
    mrc_wire_free_reply(mark);
    mrc_wire_free_reply(value);
    return value != NULL;
}

/* ---- sets -------------------------------------------------------------------------------------*/

/* Calls EACH for the members in REPLY, which is freed. False: it is NULL. */
static bool take_members(struct redisReply *reply, mrc_registry_fn *each, void *ctx,
                         size_t *ret_count)
{
    if (!reply)
        return false;
    for (size_t i = 0; i < reply->elements; i++) {
        if (!each(ctx, mrc_reply_text(mrc_reply_at(reply, i))))
            break;
    }
    *ret_count = reply->elements;
    mrc_wire_free_reply(reply);
    return true;
}

/*
 * Adds a bound of ZRANGEBYLEX: MARK, then BYTES. IS_END: the first text after all that begin with
 * BYTES, which are not empty.
 */
static void add_bound(struct mrc_wire *wire, char mark, struct mrc_bytes bytes, bool is_end)
{
    char next = is_end ? (char)(bytes.ptr[bytes.len - 1] + 1) : '\0';
    const struct mrc_bytes parts[] = {{&mark, 1}, {bytes.ptr, bytes.len - is_end}, {&next, is_end}};

    mrc_wire_add_parts(wire, parts, 3);
}

bool mrc_registry_subscriptions(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                                const char *machine, struct mrc_bytes prefix,
                                struct mrc_bytes after, mrc_registry_fn *each, void *ctx,
                                size_t *ret_count, struct mrc_engine_error *error)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 7);
    mrc_wire_add_text(wire, "ZRANGEBYLEX");
    add_key(wire, keys, machine);
    if (after.len)
        add_bound(wire, '(', after, false);
    else
        add_bound(wire, '[', prefix, false);
    if (prefix.len)
        add_bound(wire, '(', prefix, true);
    else
        mrc_wire_add_text(wire, "+");
    mrc_wire_add_text(wire, "LIMIT");
    mrc_wire_add_number(wire, 0);
    mrc_wire_add_number(wire, MRC_REGISTRY_PIECE);
    return take_members(wait_for_array(redis, error), each, ctx, ret_count);
}

bool mrc_registry_revocations(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                              int64_t now_us, mrc_registry_fn *each, void *ctx,
                              struct mrc_engine_error *error)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct redisReply *reply;
    size_t unused;

    mrc_wire_begin(wire, 5);
    mrc_wire_add_text(wire, "ZRANGE");
    mrc_wire_add_text(wire, keys->revocations);
    mrc_wire_add_number(wire, (uint64_t)now_us);
    mrc_wire_add_text(wire, "+inf");
    mrc_wire_add_text(wire, "BYSCORE");
    reply = check_array(mrc_redis_wait_long(redis, MRC_REDIS_W, error), error);
    return take_members(reply, each, ctx, &unused);
}

/* Whether REPLY is a list of places from 1 to COUNT. */
static bool are_places(const struct redisReply *reply, size_t count)
{
    for (size_t i = 0; i < reply->elements; i++) {
        uint64_t place;

        if (!mrc_reply_number(mrc_reply_at(reply, i), &place) || place < 1 || place > count)
            return false;
    }
    return true;
}

static void take_places(const struct redisReply *reply, size_t count, bool *ret_are_lifted)
{
    for (size_t i = 0; i < count; i++)
        ret_are_lifted[i] = false;
    for (size_t i = 0; i < reply->elements; i++) {
        uint64_t place;

        if (mrc_reply_number(mrc_reply_at(reply, i), &place))
            ret_are_lifted[place - 1] = true;
    }
}

bool mrc_registry_enter(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        uint32_t generation, const struct mrc_revocation *entries, size_t count,
                        bool *ret_are_lifted, struct mrc_engine_error *error)
{
    const char *const names[] = {keys->head, keys->revocations};
    struct mrc_wire *wire = mrc_redis_begin_script(redis, MRC_REDIS_ENTER, names, 2, 1 + 2 * count);
    struct redisReply *reply;
    bool is_good;

    mrc_wire_add_number(wire, generation);
    for (size_t i = 0; i < count; i++) {
        mrc_wire_add_number(wire, (uint64_t)entries[i].until_us);
        mrc_wire_add(wire, entries[i].data);
    }
    reply = wait_for_array(redis, error);
    if (!reply)
        return false;
    is_good = are_places(reply, count);
    if (is_good)
        take_places(reply, count, ret_are_lifted);
    mrc_wire_free_reply(reply);
    return is_good ||
           mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "the answer to enter is malformed");
}

void mrc_registry_begin(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        enum mrc_registry_change change, size_t count)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 2 + 2 * count);
    mrc_wire_add_text(wire, change == MRC_REGISTRY_FORGET ? "DEL" : "ZADD");
    mrc_wire_add_text(wire, keys->subscriptions);
}

void mrc_registry_add(struct mrc_redis *redis, struct mrc_bytes member)
{
    mrc_wire_add_number(redis->wires[MRC_REDIS_W], 0); /* the score */
    mrc_wire_add(redis->wires[MRC_REDIS_W], member);
}

bool mrc_registry_end(struct mrc_redis *redis, struct mrc_engine_error *error)
{
    struct redisReply *reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);

    mrc_wire_free_reply(reply);
    return reply != NULL;
}
