/*
 * The standing revocations of a hub, in shared memory: a bounded list that all children read.
 *
 * The store does not know what an entry means; its data is opaque. Any thread of any child reads
 * without a lock, and changes the list under a lock. A change copies the list, so a process that
 * dies in it leaves the list as it was.
 */
#ifndef MRC_STORE_REGIONS_REVOCATIONS_H
#define MRC_STORE_REGIONS_REVOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "store/base/record.h"
#include "store/base/sparse.h"

/* One process's view of a list; all of its threads may use it at once. */
struct mrc_revocations;

/* The bytes of the region. */
uint64_t mrc_revocations_bytes(void);

/* The bytes that must be allocated when they are created. */
uint64_t mrc_revocations_head_bytes(void);

/* The entries are allocated page by page, when they are added. NULL: all are. */
void mrc_revocations_use_sparse(struct mrc_revocations *revocations, struct mrc_sparse *pages);

/* Makes an empty list in the zeroed REGION (64-byte aligned), which must outlive it. The struct
 * lives in POOL. */
apr_status_t mrc_revocations_create(apr_pool_t *pool, void *region,
                                    struct mrc_revocations **ret_revocations);

/* Attaches to a list that another process has made in memory that this process has inherited. */
struct mrc_revocations *mrc_revocations_attach(apr_pool_t *pool, void *region);

/*
 * Adds ENTRY, which replaces one with the same id, and removes the entries that have ended at
 * NOW_US. APR_ENOSPC: the list is full; MRC_STATUS_NO_ROOM: there is no memory for it;
 * APR_TIMEUP: another process holds its lock.
 */
apr_status_t mrc_revocations_add(struct mrc_revocations *revocations,
                                 const struct mrc_revocation *entry, int64_t now_us);

/* Removes the entry with this ID. APR_NOTFOUND: there is none; MRC_STATUS_NO_ROOM and APR_TIMEUP as
 * above. */
apr_status_t mrc_revocations_remove(struct mrc_revocations *revocations,
                                    const unsigned char id[MRC_REVOCATION_ID_BYTES],
                                    int64_t now_us);

/* Whether an entry with BYTES of data finds the list full, without those that have ended at NOW_US.
 * False, too, if another process holds its lock. */
bool mrc_revocations_fits(struct mrc_revocations *revocations, size_t bytes, int64_t now_us);

/* A number that changes with each change of the list; and whether the list is empty. */
uint64_t mrc_revocations_generation(const struct mrc_revocations *revocations);
bool mrc_revocations_is_empty(const struct mrc_revocations *revocations);

/* Fills BUF, which is empty, with a copy of the list, for mrc_revocations_next(). Returns the
 * generation of the copy; errors are the buffer's. */
uint64_t mrc_revocations_copy(const struct mrc_revocations *revocations, struct mrc_buf *buf);

/* Takes the next entry from a COPY; *AT starts as 0. False: there are no more. */
bool mrc_revocations_next(struct mrc_bytes copy, size_t *at, struct mrc_revocation *ret_entry);

/* The epoch of the file that has the same entries; 0: no file has. */
uint64_t mrc_revocations_epoch(const struct mrc_revocations *revocations);
void mrc_revocations_set_epoch(struct mrc_revocations *revocations, uint64_t epoch);

/*
 * Holds the list: nobody else changes it until mrc_revocations_release(). APR_TIMEUP as above.
 * Meanwhile mrc_revocations_add_held() adds an entry, and mrc_revocations_held() is the list itself
 * instead of a copy, until the next change.
 */
apr_status_t mrc_revocations_hold(struct mrc_revocations *revocations);
apr_status_t mrc_revocations_add_held(struct mrc_revocations *revocations,
                                      const struct mrc_revocation *entry, int64_t now_us);
struct mrc_bytes mrc_revocations_held(const struct mrc_revocations *revocations);

/*
 * Copies the entries and the epoch of FROM to the new list TO, when a hub is resized. Success: FROM
 * does not change until mrc_revocations_release(), so the caller can make TO the list of the hub.
 * Another process that waits for that long gets APR_TIMEUP. Failure: FROM is not held.
 */
apr_status_t mrc_revocations_carry(struct mrc_revocations *from, struct mrc_revocations *to);
void mrc_revocations_release(struct mrc_revocations *from);

#endif
