#include "store/engine/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/engine/locate.h"
#include "store/engine/login.h"
#include "store/engine/redis_internal.h"
#include "store/engine/reply.h"
#include "store/engine/scripts.h"
#include "store/engine/tls.h"
#include "store/engine/wire.h"

/* The most bytes of one answer. On W, the longest is the list of revocations; on R, the entries of
 * a read, each of which may be as large as the largest body. */
#define W_MAX_BYTES ((uint64_t)64 << 20)
#define R_MAX_BYTES ((uint64_t)2 << 30)

/* Such an answer may take so much longer than others: 1 MB at 35 KB/s. */
#define LONG_REPLY_US ((int64_t)30 * 1000 * 1000)

/* ---- connecting -------------------------------------------------------------------------------*/

/* NULL: REPLY, which is freed, is an error, or NULL. */
static struct redisReply *check(struct redisReply *reply, struct mrc_engine_error *error)
{
    if (reply && !mrc_reply_is_good(reply, error)) {
        mrc_wire_free_reply(reply);
        return NULL;
    }
    return reply;
}

struct redisReply *mrc_redis_wait_on(struct mrc_redis *redis, enum mrc_redis_side side,
                                     struct mrc_engine_error *error)
{
    return check(mrc_wire_wait(redis->wires[side], redis->spec->timeout_us, error), error);
}

struct redisReply *mrc_redis_wait_long(struct mrc_redis *redis, enum mrc_redis_side side,
                                       struct mrc_engine_error *error)
{
    int64_t timeout_us = redis->spec->timeout_us;

    return check(
        mrc_wire_wait_long(redis->wires[side], timeout_us, timeout_us + LONG_REPLY_US, error),
        error);
}

static bool select_db(struct mrc_redis *redis, enum mrc_redis_side side,
                      struct mrc_engine_error *error)
{
    struct redisReply *reply;

    if (redis->spec->db == 0)
        return true;
    mrc_wire_begin(redis->wires[side], 2);
    mrc_wire_add_text(redis->wires[side], "SELECT");
    mrc_wire_add_number(redis->wires[side], redis->spec->db);
    reply = mrc_redis_wait_on(redis, side, error);
    mrc_wire_free_reply(reply);
    return reply != NULL;
}

/* Whether the server is a primary. */
static bool check_role(struct mrc_redis *redis, enum mrc_redis_side side,
                       struct mrc_engine_error *error)
{
    struct redisReply *reply;
    bool is_primary;

    mrc_wire_begin(redis->wires[side], 1);
    mrc_wire_add_text(redis->wires[side], "ROLE");
    reply = mrc_redis_wait_on(redis, side, error);
    if (!reply)
        return false;
    is_primary = mrc_bytes_eq_str(mrc_reply_text(mrc_reply_at(reply, 0)), "master");
    mrc_wire_free_reply(reply);
    return is_primary || mrc_reply_set_error(error, MRC_ENGINE_READONLY,
                                             "the server is a replica and not the primary");
}

/* Copies the value of the line `NAME:` of INFO to OUT. */
static void copy_line(struct mrc_bytes info, const char *name, char *out, size_t out_bytes)
{
    size_t name_len = strlen(name), n = 0;

    while (info.len > name_len) {
        const char *end = memchr(info.ptr, '\n', info.len);
        size_t line = end ? (size_t)(end - info.ptr) : info.len;

        if (line > name_len && !memcmp(info.ptr, name, name_len)) {
            for (size_t i = name_len; i < line && info.ptr[i] != '\r' && n + 1 < out_bytes; i++)
                out[n++] = info.ptr[i];
            break;
        }
        if (!end)
            break;
        info.ptr += line + 1;
        info.len -= line + 1;
    }
    out[n] = '\0';
}

/* Reads a section of INFO. False: the wire has failed, or the user may not ask. */
static bool read_info(struct mrc_redis *redis, enum mrc_redis_side side, const char *section,
                      struct mrc_engine_error *error)
{
    struct redisReply *reply;
    struct mrc_bytes info;
    char maxmemory[24];

    mrc_wire_begin(redis->wires[side], 2);
    mrc_wire_add_text(redis->wires[side], "INFO");
    mrc_wire_add_text(redis->wires[side], section);
    reply = mrc_redis_wait_on(redis, side, error);
    if (!reply)
        return false;
    info = mrc_reply_text(reply);
    if (!strcmp(section, "server")) {
        copy_line(info, "run_id:", redis->run_id[side], sizeof(redis->run_id[side]));
        copy_line(info, "redis_version:", redis->about.version, sizeof(redis->about.version));
    } else {
        copy_line(info, "maxmemory:", maxmemory, sizeof(maxmemory));
        copy_line(info, "maxmemory_policy:", redis->about.policy, sizeof(redis->about.policy));
        redis->about.has_maxmemory = *maxmemory && strcmp(maxmemory, "0") != 0;
    }
    mrc_wire_free_reply(reply);
    return true;
}

/* Both connections must lead to one server, and to a version that has what the scripts need. */
static bool check_server(struct mrc_redis *redis, struct mrc_engine_error *error)
{
    if (!read_info(redis, MRC_REDIS_W, "server", error) ||
        !read_info(redis, MRC_REDIS_R, "server", error))
        return false;
    if (strcmp(redis->run_id[MRC_REDIS_W], redis->run_id[MRC_REDIS_R]) != 0)
        return mrc_reply_set_error(error, MRC_ENGINE_READONLY,
                                   "two connections have reached two different servers");
    if (strtol(redis->about.version, NULL, 10) < 7)
        return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL,
                                   "the server is older than Redis 7: version %s",
                                   redis->about.version);
    return read_info(redis, MRC_REDIS_W, "memory", error);
}

static bool load_scripts(struct mrc_redis *redis, struct mrc_engine_error *error)
{
    const char *const texts[MRC_REDIS_SCRIPTS] = {
        [MRC_REDIS_PUBLISH] = mrc_scripts_publish, [MRC_REDIS_JOIN] = mrc_scripts_join,
        [MRC_REDIS_BEAT] = mrc_scripts_beat,       [MRC_REDIS_REAP] = mrc_scripts_reap,
        [MRC_REDIS_ENTER] = mrc_scripts_enter,
    };

    for (int i = 0; i < MRC_REDIS_SCRIPTS; i++) {
        struct mrc_wire *wire = redis->wires[MRC_REDIS_W];
        struct redisReply *reply;
        struct mrc_bytes sha;
        bool is_good;

        mrc_wire_begin(wire, 3);
        mrc_wire_add_text(wire, "SCRIPT");
        mrc_wire_add_text(wire, "LOAD");
        mrc_wire_add_text(wire, texts[i]);
        reply = mrc_redis_wait_on(redis, MRC_REDIS_W, error);
        if (!reply)
            return false;
        sha = mrc_reply_text(reply);
        is_good = sha.len == MRC_REDIS_SHA_BYTES - 1;
        if (is_good)
            memcpy(redis->sha[i], sha.ptr, sha.len);
        mrc_wire_free_reply(reply);
        if (!is_good)
            return mrc_reply_set_error(error, MRC_ENGINE_PROTOCOL, "SCRIPT LOAD gave no hash");
    }
    return true;
}

static void close_wires(struct mrc_redis *redis)
{
    for (int i = 0; i < MRC_REDIS_SIDES; i++) {
        mrc_wire_close(redis->wires[i]);
        redis->wires[i] = NULL;
    }
}

static bool connect_to(struct mrc_redis *redis, const struct mrc_engine_host *host,
                       struct mrc_engine_error *error)
{
    snprintf(redis->about.address, sizeof(redis->about.address), "%.240s:%u", host->name,
             (unsigned)host->port);
    for (int i = 0; i < 2; i++) {
        redis->wires[i] =
            mrc_wire_connect(redis->lookups, host, redis->tls, redis->spec->timeout_us, error);
        if (redis->wires[i])
            mrc_wire_set_reply_max(redis->wires[i], i == MRC_REDIS_W ? W_MAX_BYTES : R_MAX_BYTES);
        if (!redis->wires[i] ||
            !mrc_login(redis->wires[i], redis->spec->user, &redis->spec->password,
                       i == MRC_REDIS_W ? "mod_mercure-w" : "mod_mercure-r",
                       redis->spec->timeout_us, error) ||
            !select_db(redis, (enum mrc_redis_side)i, error) ||
            !check_role(redis, (enum mrc_redis_side)i, error))
            return false;
    }
    return check_server(redis, error) && load_scripts(redis, error);
}

/* Connects to the primary that Sentinels or the nodes of a cluster name. */
static bool connect_to_named(struct mrc_redis *redis, const char *key,
                             struct mrc_engine_error *error)
{
    struct mrc_locate located;

    if (!mrc_locate(redis->lookups, redis->spec, redis->tls, key, &located, error))
        return false;
    snprintf(redis->host_name, sizeof(redis->host_name), "%s", located.name);
    redis->host = (struct mrc_engine_host){redis->host_name, located.port};
    redis->wires[MRC_REDIS_S] = located.wire;
    if (connect_to(redis, &redis->host, error))
        return true;
    close_wires(redis);
    return false;
}

struct mrc_redis *mrc_redis_open(struct mrc_lookups *lookups, const struct mrc_engine_spec *spec,
                                 const char *key, struct mrc_engine_error *error)
{
    struct mrc_redis *redis = calloc(1, sizeof(*redis));

    if (!redis) {
        mrc_reply_set_error(error, MRC_ENGINE_REFUSED, "out of memory");
        return NULL;
    }
    redis->spec = spec;
    redis->lookups = lookups;
    if (spec->is_tls) {
        redis->tls = mrc_tls_create(spec, error);
        if (!redis->tls) {
            mrc_redis_close(redis);
            return NULL;
        }
    }
    if ((spec->sentinel || spec->is_cluster) && connect_to_named(redis, key, error))
        return redis;
    for (size_t i = 0; i < spec->hosts_count && !spec->sentinel && !spec->is_cluster; i++) {
        if (connect_to(redis, &spec->hosts[i], error))
            return redis;
        close_wires(redis);
    }
    mrc_redis_close(redis);
    return NULL;
}

void mrc_redis_close(struct mrc_redis *redis)
{
    if (!redis)
        return;
    close_wires(redis);
    mrc_tls_free(redis->tls);
    free(redis);
}

const struct mrc_redis_about *mrc_redis_get_about(const struct mrc_redis *redis)
{
    return &redis->about;
}

int mrc_redis_fd(const struct mrc_redis *redis, enum mrc_redis_side side)
{
    return redis->wires[side] ? mrc_wire_fd(redis->wires[side]) : -1;
}

void mrc_redis_sentinel_add(struct mrc_redis *redis)
{
    mrc_locate_ask_sentinel(redis->wires[MRC_REDIS_S], redis->spec);
}

bool mrc_redis_sentinel_reply(const struct mrc_redis *redis, const struct redisReply *reply,
                              struct mrc_engine_error *error)
{
    struct mrc_locate located;

    if (!mrc_reply_is_good(reply, error) || !mrc_locate_of_sentinel(reply, &located, error))
        return false;
    if (located.port == redis->host.port && !strcmp(located.name, redis->host.name))
        return true;
    return mrc_reply_set_error(error, MRC_ENGINE_READONLY, "Sentinel names another primary: %s:%u",
                               located.name, (unsigned)located.port);
}

void mrc_redis_drop_sentinel(struct mrc_redis *redis)
{
    mrc_wire_close(redis->wires[MRC_REDIS_S]);
    redis->wires[MRC_REDIS_S] = NULL;
}

bool mrc_redis_has_more(const struct mrc_redis *redis, enum mrc_redis_side side)
{
    return mrc_wire_has_more(redis->wires[side]);
}

bool mrc_redis_flush(struct mrc_redis *redis, enum mrc_redis_side side,
                     struct mrc_engine_error *error)
{
    return mrc_wire_flush(redis->wires[side], error);
}

bool mrc_redis_receive(struct mrc_redis *redis, enum mrc_redis_side side,
                       struct mrc_engine_error *error)
{
    return mrc_wire_receive(redis->wires[side], error);
}

bool mrc_redis_take(struct mrc_redis *redis, enum mrc_redis_side side,
                    struct redisReply **ret_reply, struct mrc_engine_error *error)
{
    return mrc_wire_take(redis->wires[side], ret_reply, error);
}

void mrc_redis_free_reply(struct redisReply *reply)
{
    mrc_wire_free_reply(reply);
}

const char *mrc_redis_server(const struct mrc_redis *redis)
{
    return redis->run_id[MRC_REDIS_W];
}

/* ---- scripts ----------------------------------------------------------------------------------*/

struct mrc_wire *mrc_redis_begin_script(struct mrc_redis *redis, enum mrc_redis_script script,
                                        const char *const *keys, size_t count, size_t args)
{
    struct mrc_wire *wire = redis->wires[MRC_REDIS_W];

    mrc_wire_begin(wire, 3 + count + args);
    mrc_wire_add_text(wire, "EVALSHA");
    mrc_wire_add_text(wire, redis->sha[script]);
    mrc_wire_add_number(wire, count);
    for (size_t i = 0; i < count && keys[i]; i++)
        mrc_wire_add_text(wire, keys[i]);
    return wire;
}
