/*
 * The ring: the only way from publishers to subscribers, and the history of a hub in memory.
 *
 * Any number of processes and threads append and read at the same time. Appending takes the lock
 * of the ring, reading takes none. What a payload means is the caller's affair.
 *
 * A position is what a reader holds: the place of the next record to read. It is valid in the ring
 * that gave it only, not in the ring that replaces it after a reload.
 */
#ifndef MRC_STORE_RING_RING_H
#define MRC_STORE_RING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "store/base/status.h"

/* A process's view of a ring: it may be used by all threads at once. */
struct mrc_ring;

/* How far back replay reaches; 0 is no bound of that kind. */
struct mrc_ring_bounds {
    uint64_t count;  /* exactly the last so many records */
    uint64_t bytes;  /* sum of stored_bytes */
    uint64_t age_us; /* not older */
    bool off;        /* no history at all */
};

/* One record, copied out. Reused from read to read; the views live in buf until the next one. */
struct mrc_ring_record {
    uint64_t pos; /* its own position */
    uint64_t seq; /* grows by one from record to record */
    int64_t time_us;
    uint64_t stored_bytes;
    struct mrc_bytes id;
    struct mrc_bytes payload;
    char *buf; /* malloc()ed; grows as needed */
    size_t cap;
};

struct mrc_ring_stats {
    uint64_t capacity;
    uint64_t head;
    uint64_t tail;
    uint64_t history; /* position */
    uint64_t records; /* in the history */
    uint64_t bytes;   /* in the history, sum of stored_bytes */
    uint64_t last_seq;
    uint64_t recoveries;
    uint64_t resets;
    bool superseded;
};

/* ---- Making one; hub_segment.c does it --------------------------------------------------------*/

/*
 * The capacity, in bytes, of a ring that holds PAYLOAD_BYTES in at most COUNT records (0: unknown,
 * then as if they had MRC_RING_SMALL_RECORD_BYTES each), and beside them a new one of
 * LARGEST_BYTES. 0: more than MRC_RING_CAPACITY_MAX or MRC_RING_RECORD_MAX.
 */
#define MRC_RING_SMALL_RECORD_BYTES 64
uint64_t mrc_ring_capacity_for(uint64_t payload_bytes, uint64_t count, uint64_t largest_bytes);

/* How many buckets the index of such a ring gets; a power of two. */
uint64_t mrc_ring_buckets_for(uint64_t payload_bytes, uint64_t count);

/* Bytes of the two regions. */
uint64_t mrc_ring_region_bytes(uint64_t capacity);
uint64_t mrc_ring_index_bytes(uint64_t bucket_count);

/*
 * Lays an empty ring down in the zeroed REGION (64-byte aligned) and its INDEX, which must outlive
 * it. The struct lives in POOL.
 */
apr_status_t mrc_ring_create(apr_pool_t *pool, void *region, uint64_t capacity, void *index,
                             uint64_t bucket_count, const struct mrc_ring_bounds *bounds,
                             struct mrc_error *error, struct mrc_ring **ret_ring);

/*
 * A read-only view of a ring in memory that nobody vouches for: checks that the header fits the
 * regions. Appending through it is not possible.
 */
apr_status_t mrc_ring_open(apr_pool_t *pool, const void *region, uint64_t region_bytes,
                           const void *index, uint64_t index_bytes, struct mrc_error *error,
                           struct mrc_ring **ret_ring);

/* ---- Writing ----------------------------------------------------------------------------------*/

#define MRC_RING_WAIT_FOREVER (-1)

/*
 * Appends a record. STORED_BYTES is what the history's bound counts it for (below 4 GiB); NOW_US is
 * the time of day, which decides about age. Waits WAIT_US for the lock at most, 0: not at all,
 * MRC_RING_WAIT_FOREVER. The sequence number and the position AFTER the record come back.
 * MRC_STATUS_SUPERSEDED, MRC_STATUS_TOO_LARGE, APR_TIMEUP: nothing was stored.
 * Then wake the others: mrc_hub_segment_wake().
 */
apr_status_t mrc_ring_append(struct mrc_ring *ring, struct mrc_bytes id, struct mrc_bytes payload,
                             uint64_t stored_bytes, int64_t now_us, int64_t wait_us,
                             uint64_t *ret_seq, uint64_t *ret_pos);

/*
 * The same with a number, above all before, and a time of its own: RECORD's id, payload, seq,
 * time_us and stored_bytes. NOW_US decides about age.
 */
apr_status_t mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_ring_record *record,
                                int64_t now_us, int64_t wait_us);

/* The largest sum of id and payload that surely fits. */
uint64_t mrc_ring_largest(const struct mrc_ring *ring);

/*
 * A number that follows from BYTES and OF, which tells BYTES of one owner from those of another:
 * the same in all processes while the ring lasts, and nobody else can tell it beforehand.
 */
uint64_t mrc_ring_secret_number(const struct mrc_ring *ring, const uint64_t of[2],
                                struct mrc_bytes bytes);

/* New bounds for the history, which is trimmed to them. APR_TIMEUP: nothing has changed. */
apr_status_t mrc_ring_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds,
                                 int64_t now_us, int64_t wait_us);

/*
 * Moves the history of FROM to the empty ring TO, as much of the newest as fits there, with its
 * ids, numbers and times, and supersedes FROM, in one critical section: no publication falls
 * between. APR_TIMEUP: FROM goes on as if nothing had been; TO is to be thrown away.
 */
apr_status_t mrc_ring_move(struct mrc_ring *from, struct mrc_ring *to, int64_t now_us,
                           int64_t wait_us);

/* Ends FROM without a successor. If the lock does not come within WAIT_US it happens anyway, one
 * append that holds the lock may then still succeed. */
void mrc_ring_supersede(struct mrc_ring *ring, int64_t wait_us);

/*
 * Whether the hub has moved on or is gone: nothing will ever be appended here again. One who reads
 * asks this first, reads until APR_EOF, and then ends its streams: their clients come again, to a
 * child that has the new segment, and resume by their last id.
 */
bool mrc_ring_is_superseded(const struct mrc_ring *ring);

/* ---- Reading: any thread, no lock -------------------------------------------------------------*/

/* The position after the newest record: where one who wants only what comes next starts. seq_cst.
 */
uint64_t mrc_ring_head(const struct mrc_ring *ring);

/* The same position, and the number of the record that ends there (0: there was none yet): they fit
 * together. */
void mrc_ring_end(const struct mrc_ring *ring, uint64_t *ret_pos, uint64_t *ret_seq);

/* The first position that replay reaches; the head if the history is empty or off. */
uint64_t mrc_ring_oldest(struct mrc_ring *ring, int64_t now_us);

/*
 * The position after the record ID, the earliest if several have it. APR_NOTFOUND: the history
 * does not hold it (any more, or ever).
 */
apr_status_t mrc_ring_find(struct mrc_ring *ring, struct mrc_bytes id, int64_t now_us,
                           uint64_t *ret_pos);

/*
 * Copies the record at *POS into RECORD and moves *POS behind it.
 * APR_EOF: there is none yet. MRC_STATUS_OVERRUN: the ring has gone over it; go on from the history
 * or end the stream. APR_ENOMEM. MRC_STATUS_CORRUPT: *POS is no record's.
 */
apr_status_t mrc_ring_read(const struct mrc_ring *ring, uint64_t *pos,
                           struct mrc_ring_record *record);

/* The newest record, whatever the history's bounds say: its id is what a new subscriber is told.
 * APR_NOTFOUND: nothing was published yet. */
apr_status_t mrc_ring_newest(const struct mrc_ring *ring, struct mrc_ring_record *record);

/* Frees what RECORD holds; it is empty and usable again. A record starts as {0}. Accepts NULL. */
void mrc_ring_record_free(struct mrc_ring_record *record);

/* Numbers that are each right, and fit together when nobody writes meanwhile. */
void mrc_ring_stats(const struct mrc_ring *ring, struct mrc_ring_stats *ret_stats);
void mrc_ring_get_bounds(const struct mrc_ring *ring, struct mrc_ring_bounds *ret_bounds);

/*
 * Walks everything from tail to head and looks for contradictions, for tools and tests: sizes,
 * footers, sequence, chains, buckets, the history's numbers. Calls SAY with each one in words and
 * returns how many there were. On a ring that is written to meanwhile, some may be passing.
 */
typedef void mrc_ring_say_fn(void *ctx, const char *text);
uint64_t mrc_ring_check(const struct mrc_ring *ring, mrc_ring_say_fn *say, void *ctx);

#endif
