/*
 * The outbox of one hub: what publishers of this machine have staged, on its way to the engine.
 *
 *     STAGED --take--> waits --send--> in flight --confirm--> stored --arrive--> DONE
 *                                          |
 *                                          +--the connection ends--> the engine has it, or it waits
 *
 * A package gets its counters before it is sent, and keeps them: if it is sent again, the engine
 * stores it once. One batch is in flight at a time. The publisher is answered when its last update
 * has arrived in the ring (and, with replicas=, when they are confirmed).
 *
 * One thread, the leader of the hub's link.
 */
#ifndef MRC_HUB_TRANSPORT_OUTBOX_H
#define MRC_HUB_TRANSPORT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "store/engine/redis.h"

struct mrc_link;
struct mrc_outbox;
struct mrc_staging;

/* NULL: out of memory. The arguments outlive it. */
struct mrc_outbox *mrc_outbox_create(struct mrc_staging *staging, struct mrc_link *link,
                                     bool has_replicas);

/* Accepts NULL. What is staged stays there, for the next leader. */
void mrc_outbox_free(struct mrc_outbox *outbox);

/* Takes over what a leader before this one had taken. SEEN: the last counter of this machine's
 * writer in the ring. False: out of memory. */
bool mrc_outbox_adopt(struct mrc_outbox *outbox, uint64_t seen);

/* After joining: the engine has everything up to the counter LAST, and its newest entry is NEWEST.
 * WILL_COME: it still has those entries, so they come from there. */
void mrc_outbox_settle(struct mrc_outbox *outbox, uint64_t last, uint64_t newest, bool will_come);

/* After that: the engine may have lost entries after FORK. What is sent again says so, because
 * other machines may have had it. */
void mrc_outbox_doubt(struct mrc_outbox *outbox, uint64_t fork);

/* Puts back an update that the engine has lost after the entry FORK; its publisher was answered
 * long ago. It is sent before all with higher counters. False: out of memory. */
bool mrc_outbox_put_back(struct mrc_outbox *outbox, uint64_t counter, uint64_t stored_bytes,
                         struct mrc_bytes id, struct mrc_bytes record, uint64_t fork);

/* Whether some of the updates that were put back are not stored yet. */
bool mrc_outbox_restores(const struct mrc_outbox *outbox);

/* Adds a batch to REDIS, unless one is in flight, or there is nothing to send. PUBLISH has the
 * generation and the bounds. True: its reply will come. */
bool mrc_outbox_send(struct mrc_outbox *outbox, struct mrc_redis *redis,
                     const struct mrc_redis_keys *keys, struct mrc_redis_publish *publish,
                     int64_t now_us);

/* The reply to the batch: it is stored, and its entries are not after NEWEST. Some operations have
 * appended no entry. */
void mrc_outbox_stored(struct mrc_outbox *outbox, uint64_t newest);

/* With replicas: enough of them have the batch, or not; even after a batch that was refused.
 * Otherwise not called. */
void mrc_outbox_confirmed(struct mrc_outbox *outbox, bool is_enough, int64_t now_us);

/* The reply to the batch: the engine refuses it, and nothing of it is stored. */
void mrc_outbox_refused(struct mrc_outbox *outbox);

/* The engine accepts nothing now: refuses what is staged and what waits, except what is put back.
 */
void mrc_outbox_refuse(struct mrc_outbox *outbox);

/* The entry of this writer with COUNTER has come back and is in the ring. */
void mrc_outbox_arrived(struct mrc_outbox *outbox, uint64_t counter, int64_t now_us);

/* The ring has everything up to the entry NUMBER. */
void mrc_outbox_reached(struct mrc_outbox *outbox, uint64_t number, int64_t now_us);

/* The connection is lost: refuses what was not sent over it. */
void mrc_outbox_lost(struct mrc_outbox *outbox);

/* There is no connection: refuses everything that is staged. */
void mrc_outbox_refuse_staged(struct mrc_outbox *outbox);

/* Whether there is something to send, and no batch is in flight. */
bool mrc_outbox_has_work(const struct mrc_outbox *outbox);

/* Whether nothing is on its way. */
bool mrc_outbox_is_empty(const struct mrc_outbox *outbox);

/* The number of updates that were put back and have been stored since the last call. */
uint64_t mrc_outbox_take_restored(struct mrc_outbox *outbox);

#endif
