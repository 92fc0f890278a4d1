/*
 * The input is what a Redis server sends. Whatever it is, the check of its shape and the parser
 * terminate, and every function that reads a reply refuses what it does not understand.
 */
#include <hiredis/hiredis.h>

#include "fuzz.h"
#include "store/engine/redis.h"
#include "store/engine/registry.h"
#include "store/engine/reply.h"
#include "store/engine/resp.h"

#define REPLY_MAX 100000

static size_t total;

static void take_pair(void *ctx, struct mrc_bytes machine, struct mrc_bytes value)
{
    total += machine.len + value.len;
    FUZZ_CHECK(machine.ptr && value.ptr);
}

static bool take_entry(void *ctx, struct mrc_bytes log, const struct mrc_entry *entry,
                       struct mrc_engine_error *error)
{
    struct mrc_bytes id, record;
    unsigned flags;

    FUZZ_CHECK(!entry->is_ours || entry->blob.ptr);
    if (entry->is_ours && mrc_entry_parse_blob(entry->blob, &flags, &id, &record))
        FUZZ_CHECK(id.len + record.len + MRC_ENTRY_BLOB_EXTRA_BYTES == entry->blob.len);
    total += log.len;
    return true;
}

static void take_ask(void *ctx, struct mrc_bytes asks, struct mrc_bytes id,
                     const struct mrc_ask *ask)
{
    FUZZ_CHECK(asks.len > 0 && id.len < MRC_ASKS_ID_BYTES);
    if (ask)
        FUZZ_CHECK(ask->nonce.len > 0 && ask->nonce.len <= MRC_ASKS_NONCE_MAX);
}

/* Reads REPLY as the answer to every command. */
static void read_as_all(const struct redisReply *reply)
{
    struct mrc_engine_error error = {.reason = MRC_ENGINE_REASONS};
    struct mrc_redis_join join;
    struct mrc_redis_beat beat;
    uint64_t a, b;
    uint32_t generation;
    int64_t left;

    if (!mrc_reply_is_good(reply, &error))
        FUZZ_CHECK(error.reason < MRC_ENGINE_REASONS && reply->type == REDIS_REPLY_ERROR);
    error.reason = MRC_ENGINE_REASONS;
    if (!mrc_redis_publish_reply(reply, &a, &b, &error))
        FUZZ_CHECK(error.reason < MRC_ENGINE_REASONS);
    if (mrc_redis_head_reply(reply, &generation, &a, &error))
        total += generation;
    if (mrc_redis_beat_reply(reply, &beat, take_pair, NULL, &error))
        total += beat.machines;
    if (mrc_redis_wait_reply(reply, &a, &error))
        total += (size_t)a;
    if (mrc_redis_join_reply(reply, "off", &join))
        FUZZ_CHECK(join.generation != 0 && strlen(join.key) <= MRC_REDIS_KEY_MAX);
    if (mrc_registry_reap_reply(reply, &left, &error))
        total += left > 0;
    if (!mrc_redis_read_reply(reply, take_entry, take_ask, NULL, &error))
        FUZZ_CHECK(error.reason < MRC_ENGINE_REASONS);
}

/* Whether the check accepts DATA, in pieces of STEP bytes. */
static bool check(const uint8_t *data, size_t size, size_t step)
{
    struct mrc_resp resp = {.max = REPLY_MAX};

    for (size_t at = 0; at < size; at += step) {
        if (!mrc_resp_check(&resp, (const char *)data + at, size - at < step ? size - at : step))
            return false;
        FUZZ_CHECK(resp.depth >= 0 && resp.depth <= MRC_RESP_DEPTH_MAX);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_good = check(data, size, size ? size : 1);
    redisReader *reader;
    void *reply = NULL;

    FUZZ_CHECK(check(data, size, 1) == is_good);
    if (!is_good)
        return 0;
    reader = redisReaderCreate();
    FUZZ_CHECK(reader);
    redisReaderFeed(reader, (const char *)data, size);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        read_as_all(reply);
        freeReplyObject(reply);
        reply = NULL;
    }
    redisReaderFree(reader);
    return 0;
}
