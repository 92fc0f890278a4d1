/*
 * Staging: how publishers of all children have their updates committed together.
 *
 * A publisher claims a slot, stages its update and looks whether it can have the publish lock. If
 * so it is the leader: it takes all that is staged, commits it in one transaction, appends it to
 * the ring, and tells each publisher. If not it sleeps until it is told, or nudged to lead itself.
 *
 * Nobody is forgotten: a publisher stages (seq_cst) before it tries the lock, and a leader lets the
 * lock go before it looks for one to nudge. So whoever failed to get the lock is seen by the one
 * who had it. A publisher also wakes by itself now and then, in case that one has died.
 *
 * The order of locks: staging (no lock), publish, then the transaction of the history.
 */
#ifndef MRC_STORE_REGIONS_STAGING_H
#define MRC_STORE_REGIONS_STAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"
#include "store/base/record.h"

/* A process's view; any thread may use it. */
struct mrc_staging;

/* So many slots has a hub; a publisher that finds none free goes for the lock alone. */
#define MRC_STAGING_SLOTS 64

/* Id and payload of an update that can be staged; a larger one is committed by its publisher. */
#define MRC_STAGING_DATA_BYTES ((uint64_t)64 * 1024)

/* The size of the region with SLOTS slots for DATA_BYTES each. */
uint64_t mrc_staging_bytes(unsigned slots, uint64_t data_bytes);

/* Lays it down in the zeroed REGION of BYTES (64-byte aligned); only the parent. */
apr_status_t mrc_staging_create(void *region, uint64_t bytes, struct mrc_error *error);

/* A view of REGION, which was created; it lives in POOL. MRC_STATUS_CORRUPT: it is none. */
apr_status_t mrc_staging_attach(apr_pool_t *pool, void *region, uint64_t bytes,
                                struct mrc_staging **ret_staging);

/* Frees the slots that the dead child OWNER holds: what it staged is withdrawn, unless a leader has
 * taken it. May run twice. */
void mrc_staging_fold(struct mrc_staging *staging, unsigned owner);

/* ---- the publish lock -------------------------------------------------------------------------*/

/*
 * Takes it, waiting WAIT_US at most (0: not at all). APR_TIMEUP. A dead owner's work is to be
 * mended then: mrc_staging_needs_recovery() says so until mrc_staging_recovered().
 */
apr_status_t mrc_staging_lock(struct mrc_staging *staging, int64_t wait_us);

/* Lets it go, and nudges one of those who have staged since. */
void mrc_staging_unlock(struct mrc_staging *staging);

bool mrc_staging_needs_recovery(const struct mrc_staging *staging);
void mrc_staging_recovered(struct mrc_staging *staging);

/* Under the lock: which history the ring goes along with (0: none), and how numbers of the ring
 * become numbers of the history. */
uint64_t mrc_staging_epoch(const struct mrc_staging *staging, uint64_t *ret_offset);
void mrc_staging_bind(struct mrc_staging *staging, uint64_t epoch, uint64_t offset);

/* Transactions so far; and one more. */
uint64_t mrc_staging_commits(const struct mrc_staging *staging);
void mrc_staging_count_commit(struct mrc_staging *staging);

/* ---- publishers -------------------------------------------------------------------------------*/

/* One update on its way to a commit. */
struct mrc_staged {
    struct mrc_record record; /* its seq is the number in the history; 0: none yet */
    apr_status_t status;      /* what its publisher is told */
    int slot;                 /* -1: it is in no slot, but in its publisher's memory */
};

/*
 * Puts RECORD into a free slot, for the child OWNER. Returns the number of the slot, or -1: the
 * record is too large, or no slot is free.
 */
int mrc_staging_stage(struct mrc_staging *staging, unsigned owner, const struct mrc_record *record);

/* Whether the update in SLOT has been decided; then its status, and the slot is free again. */
bool mrc_staging_poll(struct mrc_staging *staging, int slot, apr_status_t *ret_status);

/* Sleeps until something has happened to SLOT, or WAIT_US have passed. */
void mrc_staging_wait(struct mrc_staging *staging, int slot, int64_t wait_us);

/* Before the publisher of SLOT tries the lock: a nudge that it got is used up. */
void mrc_staging_answer_nudge(struct mrc_staging *staging, int slot);

/* The publisher of SLOT gives up. True: its update will never be stored. False: a leader has it
 * already, or has decided. */
bool mrc_staging_withdraw(struct mrc_staging *staging, int slot);

/* It gives up though a leader has its update, and never learns what became of it. False: that is
 * decided. */
bool mrc_staging_abandon(struct mrc_staging *staging, int slot);

/* ---- the leader, under the publish lock -------------------------------------------------------*/

/* Takes what is staged, at most MAX of it, into UPDATES, whose views lead into the slots. */
unsigned mrc_staging_take(struct mrc_staging *staging, struct mrc_staged *updates, unsigned max);

/* Writes down the number that UPDATE, which is in a slot, will have: before the commit. */
void mrc_staging_set_number(struct mrc_staging *staging, const struct mrc_staged *update);

/* Tells the publisher of UPDATE, which is in a slot, its status. */
void mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update);

/*
 * What a leader had taken when it died: those that have a number up to LAST (of the history) are
 * committed and told so; the others are staged again.
 */
void mrc_staging_recover(struct mrc_staging *staging, uint64_t last);

#endif
