/*
 * Beats: a machine reports regularly that it lives, and watches the others. A machine without beats
 * is removed from the engine: by the link if it has no subscriptions there, otherwise by the
 * announcer (hub/presence), which announces their ends.
 *
 * One thread, that of the link.
 */
#ifndef MRC_HUB_TRANSPORT_BEAT_H
#define MRC_HUB_TRANSPORT_BEAT_H

#include <stdbool.h>
#include <stdint.h>

struct mrc_engine_error;
struct mrc_member;
struct mrc_redis;
struct redisReply;

/* The hub has joined: beats begin. */
void mrc_beat_begin(struct mrc_member *member, int64_t now_us);

/* Adds a beat to REDIS if one is due. True: its reply will come. */
bool mrc_beat_send(struct mrc_member *member, struct mrc_redis *redis, int64_t now_us);
/*
 * Takes the reply to a beat, or to a removal. False: the connection is of no further use; ERROR
 * says why.
 */
bool mrc_beat_take(struct mrc_member *member, const struct redisReply *reply, int64_t now_us,
                   struct mrc_engine_error *error);

/* Adds the removal of a dead machine to REDIS, if there is one. True: its reply will come. */
bool mrc_beat_send_reap(struct mrc_member *member, struct mrc_redis *redis);
bool mrc_beat_take_reap(struct mrc_member *member, const struct redisReply *reply,
                        struct mrc_engine_error *error);

#endif
