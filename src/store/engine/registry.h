/*
 * What the engine keeps of a hub besides its log: the machines that take part, the active
 * subscriptions of each, and the standing revocations (engine.h).
 *
 * All functions use the connection W, and wait for the answer; no other reply may be due on W. They
 * return false if the connection has failed, or the answer makes no sense.
 */
#ifndef MRC_STORE_ENGINE_REGISTRY_H
#define MRC_STORE_ENGINE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "store/engine/redis.h"

struct mrc_revocation;

/* The most subscriptions of one answer, and the most revocations of one command. */
#define MRC_REGISTRY_PIECE 256

/* ---- machines ---------------------------------------------------------------------------------*/

/* Calls EACH for every machine, with what it reported last. */
bool mrc_registry_machines(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                           void (*each)(void *ctx, struct mrc_bytes machine,
                                        struct mrc_bytes value),
                           void *ctx, struct mrc_engine_error *error);

/* One subscription of a dead machine. */
struct mrc_registry_end {
    struct mrc_bytes member;
    uint64_t stored_bytes;
    struct mrc_bytes blob; /* of the entry that says that it has ended; empty: none */
};

struct mrc_registry_reap {
    uint32_t generation;
    const char *machine; /* the dead one */
    const char *value;   /* what it reported last */
    uint64_t writer;     /* of the entries: nobody else uses it */
    uint64_t counter;    /* of the first one */
    const struct mrc_registry_end *ends;
    size_t count;
};

/* Removes subscriptions of a dead machine, and the machine when none is left. RET_LEFT: the number
 * that is left; -1: the machine lives, or is gone. */
bool mrc_registry_reap(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                       const struct mrc_registry_reap *reap, int64_t *ret_left,
                       struct mrc_engine_error *error);

/* The same in two steps, like mrc_redis_beat_add() and mrc_redis_beat_reply(). */
void mrc_registry_reap_add(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                           const struct mrc_registry_reap *reap);
bool mrc_registry_reap_reply(const struct redisReply *reply, int64_t *ret_left,
                             struct mrc_engine_error *error);

/*
 * Whether others have removed MACHINE, which was listed, or subscriptions of it, and it has not
 * reported itself since. True even if the server has lost the first report of the machine.
 */
bool mrc_registry_is_removed(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                             const char *machine, bool *ret_is_removed,
                             struct mrc_engine_error *error);

/* ---- sets -------------------------------------------------------------------------------------*/

/* Returns false to stop, which is not a failure. */
typedef bool mrc_registry_fn(void *ctx, struct mrc_bytes member);

/*
 * Calls EACH for at most MRC_REGISTRY_PIECE active subscriptions of MACHINE that begin with PREFIX
 * and come after AFTER, if that is not empty. RET_COUNT: their number; 0: there are no more.
 */
bool mrc_registry_subscriptions(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                                const char *machine, struct mrc_bytes prefix,
                                struct mrc_bytes after, mrc_registry_fn *each, void *ctx,
                                size_t *ret_count, struct mrc_engine_error *error);

/* Calls EACH for every revocation that ends after NOW_US and is not lifted. One answer has all of
 * them: between several, one that is lifted would move others past the reader. */
bool mrc_registry_revocations(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                              int64_t now_us, mrc_registry_fn *each, void *ctx,
                              struct mrc_engine_error *error);

/*
 * Enters COUNT revocations, ENTRIES, that the engine may have lost, at most MRC_REGISTRY_PIECE. If
 * some were not there, the other machines learn with their next beat that they have to read them.
 * RET_ARE_LIFTED gets COUNT values: whether the engine knows that the revocation is lifted, and so
 * has not entered it.
 */
bool mrc_registry_enter(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        uint32_t generation, const struct mrc_revocation *entries, size_t count,
                        bool *ret_are_lifted, struct mrc_engine_error *error);

/* A change of the subscriptions of this machine: begin, add COUNT members, end. */
enum mrc_registry_change {
    MRC_REGISTRY_FORGET,   /* removes all of them; no members */
    MRC_REGISTRY_SUBSCRIBE /* adds some */
};
void mrc_registry_begin(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                        enum mrc_registry_change change, size_t count);
void mrc_registry_add(struct mrc_redis *redis, struct mrc_bytes member);
bool mrc_registry_end(struct mrc_redis *redis, struct mrc_engine_error *error);

#endif
