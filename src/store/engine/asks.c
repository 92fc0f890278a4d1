#include "store/engine/asks.h"

#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "store/engine/redis.h"
#include "store/engine/redis_internal.h"
#include "store/engine/reply.h"
#include "store/engine/wire.h"

/* An answer that nobody takes expires after this time. */
#define ANSWER_MS 5000

/* ---- questions --------------------------------------------------------------------------------*/

bool mrc_asks_begin(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    char ret_id[MRC_ASKS_ID_BYTES], bool *ret_can_read,
                    struct mrc_engine_error *error)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
    struct mrc_bytes id = mrc_bytes_of("0-0");
    struct redisReply *reply;

    mrc_wire_begin(wire, 6);
    mrc_wire_add_text(wire, "XREVRANGE");
    mrc_wire_add_text(wire, keys->asks);
    mrc_wire_add_text(wire, "+");
    mrc_wire_add_text(wire, "-");
    mrc_wire_add_text(wire, "COUNT");
    mrc_wire_add_number(wire, 1);
    reply = mrc_wire_wait(wire, redis->spec->timeout_us, error);
    if (!reply)
        return false;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
        id = mrc_reply_text(mrc_reply_at(mrc_reply_at(reply, 0), 0));
    *ret_can_read = reply->type == REDIS_REPLY_ARRAY && mrc_reply_is_stream_id(id);
    if (*ret_can_read)
        snprintf(ret_id, MRC_ASKS_ID_BYTES, "%.*s", (int)id.len, id.ptr);
    mrc_wire_free_reply(reply);
    return true;
}

/* Waits for a reply whose content does not matter. */
static bool wait_for_end(struct mrc_redis *redis, struct mrc_engine_error *error)
{
    struct redisReply *reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);

    mrc_wire_free_reply(reply);
    return reply != NULL;
}

bool mrc_asks_put(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                  const struct mrc_ask *ask, struct mrc_engine_error *error)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 13);
    mrc_wire_add_text(wire, "XADD");
    mrc_wire_add_text(wire, keys->asks);
    mrc_wire_add_text(wire, "MAXLEN");
    mrc_wire_add_number(wire, MRC_ASKS_MAX);
    mrc_wire_add_text(wire, "*");
    mrc_wire_add_text(wire, "n");
    mrc_wire_add(wire, ask->nonce);
    mrc_wire_add_text(wire, "f");
    mrc_wire_add(wire, ask->from);
    mrc_wire_add_text(wire, "t");
    mrc_wire_add(wire, ask->to);
    mrc_wire_add_text(wire, "q");
    mrc_wire_add(wire, ask->question);
    return wait_for_end(redis, error);
}

/* ---- answers ----------------------------------------------------------------------------------*/

/* Begins COMMAND of COUNT arguments, the first of which is the key of the answer. */
static struct mrc_wire *begin(struct mrc_redis *redis, const char *command, size_t count,
                              const struct mrc_redis_keys *keys, const char *machine,
                              const char *nonce)
{
    const struct mrc_bytes key[] = {mrc_bytes_of(keys->answers), mrc_bytes_of(nonce),
                                    mrc_bytes_of("."), mrc_bytes_of(machine)};
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 1 + count);
    mrc_wire_add_text(wire, command);
    mrc_wire_add_parts(wire, key, sizeof(key) / sizeof(key[0]));
    return wire;
}

bool mrc_asks_answer(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                     const char *machine, const char *nonce, struct mrc_bytes answer,
                     struct mrc_engine_error *error)
{
    struct mrc_wire *wire = begin(redis, "SET", 4, keys, machine, nonce);

    mrc_wire_add(wire, answer);
    mrc_wire_add_text(wire, "PX");
    mrc_wire_add_number(wire, ANSWER_MS);
    return wait_for_end(redis, error);
}

/* The engine cuts an answer that is too long, because anybody may have written it. */
bool mrc_asks_get(struct mrc_redis *redis, const struct mrc_redis_keys *keys, const char *machine,
                  const char *nonce, struct mrc_buf *ret_answer, struct mrc_engine_error *error)
{
    struct mrc_wire *wire = begin(redis, "GETRANGE", 3, keys, machine, nonce);
    struct redisReply *reply;

    mrc_wire_add_number(wire, 0);
    mrc_wire_add_number(wire, MRC_ASKS_ANSWER_MAX);
    reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
    mrc_buf_add_bytes(ret_answer, mrc_reply_text(reply));
    mrc_wire_free_reply(reply);
    return reply != NULL;
}

bool mrc_asks_drop(struct mrc_redis *redis, const struct mrc_redis_keys *keys, const char *machine,
                   const char *nonce, struct mrc_engine_error *error)
{
    begin(redis, "DEL", 1, keys, machine, nonce);
    return wait_for_end(redis, error);
}
