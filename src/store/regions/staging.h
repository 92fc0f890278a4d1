/*
 * Staging: collects the updates of publishers in all children, so one commit stores many of them.
 *
 * A publisher claims a slot, stages its update and tries the publish lock. If it gets the lock, it
 * is the leader: it takes all staged updates, commits them in one transaction, appends them to the
 * ring and reports the result to each publisher. Otherwise it sleeps until the result is there, or
 * until it is nudged to lead itself.
 *
 * No update is forgotten: a publisher stages (seq_cst) before it tries the lock, and a leader
 * releases the lock before it searches for a publisher to nudge. So if a publisher fails to get the
 * lock, the leader that has it sees the publisher's update. A publisher also wakes up from time to
 * time, in case the leader has died.
 *
 * The order of locks: the publish lock, then the transaction of the history. Staging takes no lock.
 */
#ifndef MRC_STORE_REGIONS_STAGING_H
#define MRC_STORE_REGIONS_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/base/record.h"
#include "store/base/sparse.h"

/* One process's view; all of its threads may use it at once. */
struct mrc_staging;

/* The slots of a hub. A publisher that finds none free commits its update by itself. */
#define MRC_STAGING_SLOTS 64

/* The most bytes of id and payload of a staged update. The publisher of a larger one commits it by
 * itself. */
#define MRC_STAGING_DATA_BYTES ((uint64_t)64 * 1024)

/* The bytes of a region with SLOTS slots for DATA_BYTES each, and one for LARGE_BYTES (0: none). */
uint64_t mrc_staging_bytes(unsigned slots, uint64_t data_bytes, uint64_t large_bytes);

/* The bytes that must be allocated when it is created. */
uint64_t mrc_staging_head_bytes(void);

/* The slots are allocated page by page, when they are used. NULL: all are allocated. */
void mrc_staging_use_sparse(struct mrc_staging *staging, struct mrc_sparse *pages);

/* Makes it in the zeroed REGION of BYTES (64-byte aligned). Only the parent. */
apr_status_t mrc_staging_create(void *region, uint64_t bytes, uint64_t large_bytes,
                                struct mrc_error *error);

/* A view of the created REGION; it lives in POOL. MRC_STATUS_CORRUPT: it is not a staging area. */
apr_status_t mrc_staging_attach(apr_pool_t *pool, void *region, uint64_t bytes,
                                struct mrc_staging **ret_staging);

/* Frees the slots of the dead child OWNER, and releases its claim. Its staged updates are withdrawn
 * unless a leader has taken them. May run twice. */
void mrc_staging_fold(struct mrc_staging *staging, unsigned owner);

/* ---- The publish lock -------------------------------------------------------------------------*/

/*
 * Acquires it and waits at most WAIT_US (0: does not wait). APR_TIMEUP. If an owner has died,
 * mrc_staging_needs_recovery() is true until its work was repaired and mrc_staging_recovered() was
 * called.
 */
apr_status_t mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us);

/* Releases it, and nudges one publisher that has staged an update meanwhile. */
void mrc_staging_unlock(struct mrc_staging *staging);

/* Under the lock: whether the work of a dead leader is to be repaired; it has been repaired. */
bool mrc_staging_needs_recovery(const struct mrc_staging *staging);
void mrc_staging_recovered(struct mrc_staging *staging);

/* Under the lock: the epoch of the history that the ring belongs to (0: none), and the difference
 * between the numbers of the history and those of the ring. */
uint64_t mrc_staging_epoch(const struct mrc_staging *staging, uint64_t *ret_offset);
void mrc_staging_bind(struct mrc_staging *staging, uint64_t epoch, uint64_t offset);

/*
 * The number of the history up to which everything that began belongs to servers before this one
 * (history/begun.h); 0: nothing of theirs is left. Set under the lock, before mrc_staging_bind().
 */
uint64_t mrc_staging_horizon(const struct mrc_staging *staging);
void mrc_staging_set_horizon(struct mrc_staging *staging, uint64_t number);

/* The number of transactions so far; counts one more. */
uint64_t mrc_staging_commits(const struct mrc_staging *staging);
void mrc_staging_count_commit(struct mrc_staging *staging);

/* ---- What servers before this one left, by any thread -----------------------------------------*/

/* The child OWNER reads what is left. False: nothing is, or another child reads it. */
bool mrc_staging_claim_left(struct mrc_staging *staging, unsigned owner);

/* OWNER stops reading, if it has claimed to. IS_DONE: nothing is left any more. */
void mrc_staging_release_left(struct mrc_staging *staging, unsigned owner, bool is_done);

/* ---- Publishers -------------------------------------------------------------------------------*/

/* One update on its way to a commit. */
struct mrc_staged {
    struct mrc_record record; /* its seq is the number in the history; 0: none yet */
    apr_status_t status;      /* the result for its publisher */
    int slot;                 /* -1: it is in no slot, but in its publisher's memory */
};

/* The most bytes of id and payload that a slot has room for. */
uint64_t mrc_staging_largest(const struct mrc_staging *staging);

/*
 * Puts RECORD into a free slot, for the child OWNER. Returns a ticket, with which its publisher
 * finds it again, or -1: the record is too large, or no slot is free.
 */
int64_t mrc_staging_stage(struct mrc_staging *staging, unsigned owner,
                          const struct mrc_record *record);

/*
 * Whether the result of the update of TICKET is known. If so, returns its status and frees the
 * slot. MRC_STATUS_UNCONFIRMED: OWNER was folded, and this process was forked off that child.
 */
bool mrc_staging_poll(struct mrc_staging *staging, int64_t ticket, apr_status_t *ret_status);

/* Sleeps until the state of the slot changes, or for WAIT_US. */
void mrc_staging_wait(struct mrc_staging *staging, int64_t ticket, int64_t wait_us);

/* Consumes a nudge; the publisher calls it before it tries the lock. */
void mrc_staging_answer_nudge(struct mrc_staging *staging, int64_t ticket);

/* The publisher gives up. True: its update will never be stored. False: a leader has taken or
 * decided it already. */
bool mrc_staging_withdraw(struct mrc_staging *staging, int64_t ticket);

/* The publisher gives up although a leader has taken its update, and never learns the result.
 * False: the result is known already. */
bool mrc_staging_abandon(struct mrc_staging *staging, int64_t ticket);

/* ---- The leader, under the publish lock -------------------------------------------------------*/

/* Takes at most MAX staged updates into UPDATES, whose views point into the slots. */
unsigned mrc_staging_take(struct mrc_staging *staging, struct mrc_staged *updates, unsigned max);

/* Notes the number of UPDATE in its slot, before the commit. */
void mrc_staging_set_number(struct mrc_staging *staging, const struct mrc_staged *update);

/* Reports the status of UPDATE to its publisher, through its slot. */
void mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update);

/*
 * Decides the updates that a dead leader had taken: those with a number up to LAST, the newest of
 * the history, are committed, and it reports that to their publishers. The others are staged again.
 */
void mrc_staging_recover(struct mrc_staging *staging, uint64_t last);

/*
 * Returns the updates that a leader before the caller had taken, with the numbers in their slots,
 * at most MAX. They stay taken. Frees the slots whose publishers have given up.
 */
unsigned mrc_staging_adopt(struct mrc_staging *staging, struct mrc_staged *updates, unsigned max);

/* The number of slots in use. */
unsigned mrc_staging_count(const struct mrc_staging *staging);

/* Whether an update is staged and not taken. */
bool mrc_staging_has_staged(const struct mrc_staging *staging);

/* Whether the publisher of the update in SLOT, which the leader has taken, has given up. */
bool mrc_staging_is_orphan(const struct mrc_staging *staging, int slot);

#endif
