/*
 * What a machine does at a Redis server, over two or three connections:
 *
 *     W    joins hubs, publishes, reports that the machine lives
 *     R    waits for new entries
 *     S    asks a Sentinel for the primary; only with sentinel=
 *
 * The functions that end in _add only queue a command; its reply comes from mrc_redis_take(), in
 * the order of the commands of that connection. The others wait for their answer; no reply may be
 * due on W then. After a failure the connections are of no further use. One thread at a time.
 */
#ifndef MRC_STORE_ENGINE_REDIS_H
#define MRC_STORE_ENGINE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_pools.h"

#include "store/engine/ask.h"
#include "store/engine/engine.h"
#include "store/engine/entry.h"
#include "store/engine/sides.h"

struct mrc_lookups;
struct mrc_redis;
struct redisReply;

/* The keys of one hub. */
struct mrc_redis_keys {
    const char *log;
    const char *head;
    const char *machines;
    const char *subscriptions; /* of this machine */
    const char *revocations;
    const char *asks;    /* questions of operators to other machines (asks.h) */
    const char *answers; /* of the answers to them; their names follow */
    const char *prefix;  /* of the subscriptions of any machine; its name follows */
};

/* The keys of the hub NAME for MACHINE; they live in POOL. */
void mrc_redis_keys_make(apr_pool_t *pool, const char *prefix, const char *name,
                         const char *machine, struct mrc_redis_keys *ret_keys);

/* ---- connecting -------------------------------------------------------------------------------*/

/* Connects to the primary for KEY: the first host of SPEC that is one, or the one that Sentinels or
 * the nodes of a cluster name. LOOKUPS (lookup.h) outlives it. NULL, with the reason in ERROR. */
struct mrc_redis *mrc_redis_open(struct mrc_lookups *lookups, const struct mrc_engine_spec *spec,
                                 const char *key, struct mrc_engine_error *error);

/* Accepts NULL. */
void mrc_redis_close(struct mrc_redis *redis);

/* What the server says about itself; lives as long as the connection. */
const struct mrc_redis_about *mrc_redis_get_about(const struct mrc_redis *redis);

/* -1: there is no connection of this SIDE. */
int mrc_redis_fd(const struct mrc_redis *redis, enum mrc_redis_side side);
/* These three: as mrc_wire_has_more(), mrc_wire_flush() and mrc_wire_receive(), for SIDE. */
bool mrc_redis_has_more(const struct mrc_redis *redis, enum mrc_redis_side side);
bool mrc_redis_flush(struct mrc_redis *redis, enum mrc_redis_side side,
                     struct mrc_engine_error *error);
bool mrc_redis_receive(struct mrc_redis *redis, enum mrc_redis_side side,
                       struct mrc_engine_error *error);

/* The next reply, which the caller frees; RET_REPLY gets NULL if none is complete. */
bool mrc_redis_take(struct mrc_redis *redis, enum mrc_redis_side side,
                    struct redisReply **ret_reply, struct mrc_engine_error *error);
void mrc_redis_free_reply(struct redisReply *reply);

/*
 * Asks the Sentinel for the primary, on S. False: it names another one, or the reply makes no
 * sense.
 */
void mrc_redis_sentinel_add(struct mrc_redis *redis);
bool mrc_redis_sentinel_reply(const struct mrc_redis *redis, const struct redisReply *reply,
                              struct mrc_engine_error *error);

/* Closes S, whose Sentinel has failed. */
void mrc_redis_drop_sentinel(struct mrc_redis *redis);

/* The incarnation of the server: a restart gives it another one. */
#define MRC_REDIS_SERVER_BYTES 48
const char *mrc_redis_server(const struct mrc_redis *redis);

/* ---- joining a hub, on W ----------------------------------------------------------------------*/

/* What the machine finds when it joins. */
enum mrc_redis_verdict {
    MRC_REDIS_NEW,  /* the machine knew nothing */
    MRC_REDIS_SAME, /* its last entry is there */
    MRC_REDIS_LOST, /* the engine has lost entries that the machine has */
    MRC_REDIS_GAP,  /* the engine no longer has the entry after its last one, or may have lost it */
    MRC_REDIS_RESET /* the engine has begun anew */
};

struct mrc_redis_join_args {
    uint32_t fresh_generation; /* not 0 */
    uint32_t generation;       /* that the machine knows; 0: none */
    uint64_t number;           /* of its last entry */
    struct mrc_entry_token token;
    uint64_t writer;
    const char *identity;
    const char *bounds;    /* of its history, as text */
    const char *fresh_key; /* for positions, if the hub has none yet */
};

/* The most characters of the key for positions. */
#define MRC_REDIS_KEY_MAX 64

struct mrc_redis_join {
    enum mrc_redis_verdict verdict;
    uint32_t generation;
    uint64_t newest, oldest; /* numbers; oldest is newest + 1 if there is no entry */
    uint64_t last;           /* counter of the machine's writer; 0: none */
    char key[MRC_REDIS_KEY_MAX + 1];
    bool has_other_bounds; /* the last machine to join had others */
    uint64_t revocations;  /* see struct mrc_redis_beat */
};

/* Joins the hub, and compares the machine's last entry with the log. */
bool mrc_redis_join(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    const struct mrc_redis_join_args *args, struct mrc_redis_join *ret_join,
                    struct mrc_engine_error *error);

/* Parses the answer to that. False: it makes no sense. */
bool mrc_redis_join_reply(const struct redisReply *reply, const char *bounds,
                          struct mrc_redis_join *ret_join);

/* The token of entry NUMBER; its writer is 0 if there is no such entry, or one of another
 * program. */
bool mrc_redis_token_at(struct mrc_redis *redis, const struct mrc_redis_keys *keys, uint64_t number,
                        struct mrc_entry_token *ret_token, struct mrc_engine_error *error);

/* ---- publishing, on W -------------------------------------------------------------------------*/

struct mrc_redis_publish {
    uint32_t generation;
    uint64_t writer;
    uint64_t counter; /* of the first entry; the others follow without gaps */
    uint64_t bound_count, bound_bytes, bound_age_us; /* of the history; 0: none */
    uint64_t least_count, least_bytes; /* the log keeps as much for machines that are behind */
    size_t entries;
    bool is_again; /* the engine had lost them, or may have, after the entry FORK */
    uint64_t fork;
};

/* Begins the command, to which mrc_redis_entry_add() adds exactly PUBLISH->entries entries. */
void mrc_redis_publish_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                           const struct mrc_redis_publish *publish);

/* OPERATION: see entry.h; empty: none. */
void mrc_redis_entry_add(struct mrc_redis *redis, uint64_t stored_bytes, struct mrc_bytes blob,
                         struct mrc_bytes operation);

/* The reply: the newest number, and the last counter of the writer. */
bool mrc_redis_publish_reply(const struct redisReply *reply, uint64_t *ret_newest,
                             uint64_t *ret_last, struct mrc_engine_error *error);

/* Sends the command and waits for that reply. */
bool mrc_redis_publish_end(struct mrc_redis *redis, uint64_t *ret_newest, uint64_t *ret_last,
                           struct mrc_engine_error *error);

/* For each of COUNT writers, the counter of its last entry; 0: none. */
bool mrc_redis_counters(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        const uint64_t *writers, size_t count, uint64_t *ret_counters,
                        struct mrc_engine_error *error);

/* Asks how many replicas have everything that W has published; waits for COUNT of them, but at most
 * TIMEOUT_MS. */
void mrc_redis_wait_add(struct mrc_redis *redis, unsigned count, unsigned timeout_ms);
bool mrc_redis_wait_reply(const struct redisReply *reply, uint64_t *ret_replicas,
                          struct mrc_engine_error *error);

/* ---- living, on W -----------------------------------------------------------------------------*/

/* Asks for generation and newest number of a hub. */
void mrc_redis_head_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys);
bool mrc_redis_head_reply(const struct redisReply *reply, uint32_t *ret_generation,
                          uint64_t *ret_newest, struct mrc_engine_error *error);

/*
 * Reports that MACHINE lives. OLD: the generation before the last reset; 0: none. IS_KNOWN: a beat
 * was answered before, so the engine lists the machine unless others have removed it.
 */
void mrc_redis_beat_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        uint32_t generation, const char *machine, const char *value, uint32_t old,
                        bool is_known);

struct mrc_redis_beat {
    uint64_t newest;
    uint64_t old_number; /* how far any machine had read the old generation */
    /* Others have declared the machine dead, and have removed it, or at least one of its
     * subscriptions. The beat has not changed that: the next one with IS_KNOWN = false does. */
    bool is_removed;
    size_t machines;
    uint64_t revocations; /* changes when machines enter revocations again */
};

/* EACH may be NULL; it gets every machine and its value. */
bool mrc_redis_beat_reply(const struct redisReply *reply, struct mrc_redis_beat *ret_beat,
                          void (*each)(void *ctx, struct mrc_bytes machine, struct mrc_bytes value),
                          void *ctx, struct mrc_engine_error *error);

/* ---- reading, on R ----------------------------------------------------------------------------*/

/*
 * Begins a command that waits at most BLOCK_MS for entries of any of COUNT_STREAMS streams, which
 * are logs of hubs and questions to this machine, and gets at most COUNT of each. The caller then
 * calls mrc_redis_read_key_add() for each of them, and after that, in the same order,
 * mrc_redis_read_after_add() for a log and mrc_redis_read_after_id_add() for questions.
 */
void mrc_redis_read_add(struct mrc_redis *redis, unsigned block_ms, unsigned count,
                        size_t count_streams);
void mrc_redis_read_key_add(struct mrc_redis *redis, const char *key);
void mrc_redis_read_after_add(struct mrc_redis *redis, uint64_t number);
void mrc_redis_read_after_id_add(struct mrc_redis *redis, const char *id);

/* Calls EACH for every entry, whose LOG is the key. It returns false to stop, and has set ERROR. */
typedef bool mrc_redis_entry_fn(void *ctx, struct mrc_bytes log, const struct mrc_entry *entry,
                                struct mrc_engine_error *error);

/* Calls EACH for every question in the stream ASKS, with its ID there, which is not too long. ASK
 * is NULL if it makes no sense. */
typedef void mrc_redis_ask_fn(void *ctx, struct mrc_bytes asks, struct mrc_bytes id,
                              const struct mrc_ask *ask);
bool mrc_redis_read_reply(const struct redisReply *reply, mrc_redis_entry_fn *each,
                          mrc_redis_ask_fn *each_ask, void *ctx, struct mrc_engine_error *error);

#endif
