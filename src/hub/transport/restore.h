/*
 * Puts back what the engine has lost and no other machine puts back. After a loss, each machine
 * puts its own updates back when it joins (member.h); but one that has died together with the
 * engine, or has been restarted, does not. So every machine looks again after a lease, and puts
 * back what it has in its ring and the engine still lacks, with the original writers and counters.
 * Several machines may do so at the same time: the engine stores each update once.
 *
 * One thread, that of the link.
 */
#ifndef MRC_HUB_TRANSPORT_RESTORE_H
#define MRC_HUB_TRANSPORT_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

struct mrc_engine_error;
struct mrc_member;
struct mrc_redis;

/* The hub has joined: decides when to look, if the engine has lost something. */
void mrc_restore_begin(struct mrc_member *member, int64_t now_us);

/*
 * Whether it is time to look: then the caller waits until no reply is due on W, and calls
 * mrc_restore().
 */
bool mrc_restore_is_due(const struct mrc_member *member, int64_t now_us);

/* Looks, and puts back. False: the connection has failed. */
bool mrc_restore(struct mrc_member *member, struct mrc_redis *redis, int64_t now_us,
                 struct mrc_engine_error *error);

#endif
