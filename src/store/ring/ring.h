/*
 * The ring: passes the records of all publishers to all subscribers, and is the history of a hub in
 * memory.
 *
 * Any number of processes and threads append and read at the same time. Appending takes the lock of
 * the ring, reading takes none. The meaning of a payload is up to the caller.
 *
 * Among the records there may be control records: orders to all children, such as to end certain
 * streams, in one order with the updates. They have no number, do not count for the bounds of the
 * history, and are never the newest or the oldest record. Every reader passes over them.
 *
 * A reader holds a position: the place of the next record to read. A position is valid only in the
 * ring that it came from, not in the ring that replaces it after a reload.
 */
#ifndef MRC_STORE_RING_RING_H
#define MRC_STORE_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "store/base/lock.h"
#include "store/base/record.h"
#include "store/base/sparse.h"
#include "store/base/status.h"

/* One process's view of a ring; all of its threads may use it at once. */
struct mrc_ring;

/* How far back replay reaches; 0 is no bound of that kind. */
struct mrc_ring_bounds {
    uint64_t count;  /* exactly the last COUNT records */
    uint64_t bytes;  /* the sum of stored_bytes */
    uint64_t age_us; /* no record older than this */
    bool off;        /* no history at all */
};

/* Whether a record of TIME_US is older than AGE_US (0: no bound) at NOW_US. */
static inline bool mrc_ring_is_older(int64_t time_us, uint64_t age_us, int64_t now_us)
{
    return age_us && now_us > time_us && (uint64_t)now_us - (uint64_t)time_us > age_us;
}

/* A record that was copied out of the ring. One struct serves many reads; it starts as {0}. */
struct mrc_ring_record {
    struct mrc_record view; /* into BUF, until the next read */
    uint64_t pos;           /* the record's own position */
    char *buf;              /* from malloc(); grows as needed */
    size_t cap;
};

struct mrc_ring_stats {
    uint64_t capacity;
    uint64_t head;
    uint64_t tail;
    uint64_t history; /* a position */
    uint64_t records; /* in the history */
    uint64_t bytes;   /* in the history: the sum of stored_bytes */
    uint64_t last_seq;
    uint64_t recoveries;
    uint64_t resets;
    bool superseded;
};

/* ---- Making a ring: called by hub/segment.c ---------------------------------------------------*/

/*
 * The capacity, in bytes, of a ring that holds at most COUNT records with PAYLOAD_BYTES in total,
 * and in addition a new record of LARGEST_BYTES. COUNT 0: unknown; then each record counts as
 * MRC_RING_SMALL_RECORD_BYTES. Returns 0 if the ring or the record would be too large
 * (MRC_RING_CAPACITY_MAX, MRC_RING_RECORD_MAX).
 */
#define MRC_RING_SMALL_RECORD_BYTES 64
uint64_t mrc_ring_capacity_for(uint64_t payload_bytes, uint64_t count, uint64_t largest_bytes);

/* The number of buckets in the index of such a ring; a power of two. */
uint64_t mrc_ring_buckets_for(uint64_t payload_bytes, uint64_t count);

/* The bytes of the two regions, and those of the first one that must be allocated when the ring is
 * made. */
#define MRC_RING_HEAD_BYTES ((uint64_t)256)
uint64_t mrc_ring_region_bytes(uint64_t capacity);
uint64_t mrc_ring_index_bytes(uint64_t bucket_count);

/*
 * Makes an empty ring in the zeroed REGION (64-byte aligned) and its INDEX; both must outlive it.
 * The struct lives in POOL.
 */
apr_status_t mrc_ring_create(apr_pool_t *pool, void *region, uint64_t capacity, void *index,
                             uint64_t bucket_count, const struct mrc_ring_bounds *bounds,
                             struct mrc_error *error, struct mrc_ring **ret_ring);

/* Attaches to a ring that another process has made in memory that this process has inherited. */
struct mrc_ring *mrc_ring_attach(apr_pool_t *pool, void *region, uint64_t capacity, void *index,
                                 uint64_t bucket_count);

/* The rest of the two regions is allocated page by page. NULL: all is allocated. */
void mrc_ring_use_sparse(struct mrc_ring *ring, struct mrc_sparse *pages);

/*
 * A read-only view of a ring in memory that cannot be trusted. Checks that the header fits the
 * regions. Nothing can be appended through this view.
 */
apr_status_t mrc_ring_open(apr_pool_t *pool, const void *region, uint64_t region_bytes,
                           const void *index, uint64_t index_bytes, struct mrc_error *error,
                           struct mrc_ring **ret_ring);

/* ---- Writing ----------------------------------------------------------------------------------*/

#define MRC_RING_WAIT_FOREVER MRC_LOCK_WAIT_FOREVER

/*
 * Appends a record with the next number. STORED_BYTES is at most MRC_RECORD_STORED_BYTES_MAX;
 * NOW_US, the time of day, is the record's time and decides which records are too old. Waits at
 * most WAIT_US for the lock (0: does not wait; MRC_RING_WAIT_FOREVER). Returns the record's number
 * and the position after it. MRC_STATUS_SUPERSEDED, MRC_STATUS_TOO_LARGE, MRC_STATUS_NO_ROOM,
 * APR_TIMEUP: nothing was stored. Afterwards, wake the readers with mrc_hub_segment_wake().
 */
apr_status_t mrc_ring_append(struct mrc_ring *ring, struct mrc_bytes id, struct mrc_bytes payload,
                             uint64_t stored_bytes, int64_t now_us, int64_t wait_us,
                             uint64_t *ret_seq, uint64_t *ret_pos);

/* Appends RECORD with its own number, which is above all numbers before (else APR_EINVAL), and its
 * own time. NOW_US decides which records are too old. */
apr_status_t mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                int64_t now_us, int64_t wait_us);

/* Appends a control record with PAYLOAD; otherwise as mrc_ring_append(). Afterwards, wake all
 * readers. */
apr_status_t mrc_ring_append_control(struct mrc_ring *ring, struct mrc_bytes payload,
                                     int64_t now_us, int64_t wait_us, uint64_t *ret_pos);

/* The same with the record's own time, and an ID, by which it cannot be found. */
apr_status_t mrc_ring_append_control_as(struct mrc_ring *ring, struct mrc_bytes id,
                                        struct mrc_bytes payload, int64_t time_us, int64_t now_us,
                                        int64_t wait_us);

/*
 * Does what dead writers have left undone: afterwards the mark of each control record that they
 * appended exists. APR_TIMEUP: a writer is at work.
 */
apr_status_t mrc_ring_settle(struct mrc_ring *ring, int64_t now_us, int64_t wait_us);

/*
 * Appends COUNT (at least one) records with the next numbers, all or none: readers see none of them
 * before they see all, nothing is between them, and a writer that dies leaves all or none. RECORDS
 * have id, payload and stored_bytes; their seq and time_us are ignored. Returns the number of the
 * first one. The errors are those of mrc_ring_append(), MRC_STATUS_TOO_LARGE also if together they
 * take more than half of the ring, and APR_ENOMEM.
 */
apr_status_t mrc_ring_append_group(struct mrc_ring *ring, const struct mrc_record *records,
                                   size_t count, int64_t now_us, int64_t wait_us,
                                   uint64_t *ret_first_seq);

/*
 * Allocates what these RECORDS will need, so that the next appends find room for them, in any
 * number of groups. The caller prevents others from appending in the meantime. MRC_STATUS_NO_ROOM.
 */
apr_status_t mrc_ring_prepare(struct mrc_ring *ring, const struct mrc_record *records,
                              size_t count);

/* How many of RECORDS, from the first on, fit into one group. */
size_t mrc_ring_count_fitting(const struct mrc_ring *ring, const struct mrc_record *records,
                              size_t count);

/*
 * Makes the history empty: replay begins after the records that exist now. APR_TIMEUP: nothing has
 * changed.
 */
apr_status_t mrc_ring_forget(struct mrc_ring *ring, int64_t now_us, int64_t wait_us);

/* The largest sum of id and payload that is certain to fit. */
uint64_t mrc_ring_largest(const struct mrc_ring *ring);

/*
 * A number made from BYTES and OF (OF separates the BYTES of one owner from those of another). It
 * is the same in all processes while the ring exists, and nobody else can predict it.
 */
uint64_t mrc_ring_secret_number(const struct mrc_ring *ring, const uint64_t of[2],
                                struct mrc_bytes bytes);

/* Sets new bounds and trims the history to them. APR_TIMEUP: nothing has changed. */
apr_status_t mrc_ring_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds,
                                 int64_t now_us, int64_t wait_us);

/*
 * Moves the history of FROM to the empty ring TO, with ids, numbers and times, and supersedes FROM.
 * If TO is smaller, the newest records move. This is one critical section, so no publication can
 * get lost in between. APR_TIMEUP: FROM is unchanged; the caller discards TO.
 */
apr_status_t mrc_ring_move(struct mrc_ring *from, struct mrc_ring *to, int64_t now_us,
                           int64_t wait_us);

/* Ends RING without a successor, even if the lock is not available within WAIT_US; one append that
 * holds the lock may then still succeed. */
void mrc_ring_supersede(struct mrc_ring *ring, int64_t wait_us);

/*
 * The same, but only if the head is still HEAD and the history is empty at NOW_US. False: one of
 * them is not so, or the lock was held for WAIT_US.
 */
bool mrc_ring_supersede_unused(struct mrc_ring *ring, uint64_t head, int64_t now_us,
                               int64_t wait_us);

/*
 * Whether the hub has moved to another ring, or is gone: nothing will be appended here again. A
 * reader checks this first, reads until APR_EOF, and then ends its streams. Their clients reconnect
 * to a child that has the new segment, and resume with their last event id.
 */
bool mrc_ring_is_superseded(const struct mrc_ring *ring);

/* ---- Reading: any thread, no lock -------------------------------------------------------------*/

/* The position after the newest record: the start of a reader that wants only new records. The load
 * is seq_cst. */
uint64_t mrc_ring_head(const struct mrc_ring *ring);

/* The same position together with the number of the record that ends there (0: none yet). */
void mrc_ring_end(const struct mrc_ring *ring, uint64_t *ret_pos, uint64_t *ret_seq);

/* The first position that replay reaches; the head if the history is empty or off. */
uint64_t mrc_ring_oldest(struct mrc_ring *ring, int64_t now_us);

/*
 * The position after the record with this ID; after the earliest if several have it. APR_NOTFOUND:
 * the history never had the id, or no longer has it.
 */
apr_status_t mrc_ring_find(struct mrc_ring *ring, struct mrc_bytes id, int64_t now_us,
                           uint64_t *ret_pos);

/*
 * The position of the record number SEQ, which may be the next one to be appended. RET_BEFORE_US
 * gets the time of the record before it; 0: the ring does not have that record. APR_NOTFOUND: the
 * history never had the record before SEQ, or no longer has all records from SEQ on. Takes a time
 * that grows with the number of records from there to the newest.
 */
apr_status_t mrc_ring_seek(struct mrc_ring *ring, uint64_t seq, int64_t now_us, uint64_t *ret_pos,
                           int64_t *ret_before_us);

/* The number of the record at POS, or of the next one to be appended if POS is the head. 0: the
 * ring has overwritten it. */
uint64_t mrc_ring_seq_at(const struct mrc_ring *ring, uint64_t pos);

/*
 * Copies the record at *POS into RECORD and moves *POS past it. APR_EOF: there is no such record
 * yet. MRC_STATUS_OVERRUN: the ring has overwritten it; continue from the history or end the
 * stream. APR_ENOMEM. MRC_STATUS_CORRUPT: no record begins at *POS.
 */
apr_status_t mrc_ring_read(const struct mrc_ring *ring, uint64_t *pos,
                           struct mrc_ring_record *record);

/* The position of the oldest record that the ring still has, whatever the bounds of the history. It
 * may be overwritten at any time. */
uint64_t mrc_ring_tail(const struct mrc_ring *ring);

/* The newest record, whatever the bounds of the history; new subscribers get its id. APR_NOTFOUND:
 * nothing was published yet. */
apr_status_t mrc_ring_newest(const struct mrc_ring *ring, struct mrc_ring_record *record);

/*
 * Control records form a chain from newer to older. A mark is the position of one, plus 1; 0 is the
 * end. mrc_ring_control() returns the mark of the newest: a reader that has read an update sees the
 * marks of all control records before it. mrc_ring_control_before() gets the mark before MARK; its
 * statuses are those of mrc_ring_read().
 */
uint64_t mrc_ring_control(const struct mrc_ring *ring);
apr_status_t mrc_ring_control_before(const struct mrc_ring *ring, uint64_t mark,
                                     uint64_t *ret_before);

/* Frees the buffer; RECORD is {0} again. Accepts NULL. */
void mrc_ring_record_free(struct mrc_ring_record *record);

/* Each number is correct. They are consistent with each other only while there is no writer. */
void mrc_ring_stats(const struct mrc_ring *ring, struct mrc_ring_stats *ret_stats);
void mrc_ring_get_bounds(const struct mrc_ring *ring, struct mrc_ring_bounds *ret_bounds);

/*
 * Walks from tail to head and looks for contradictions: sizes, footers, numbers, chains, buckets,
 * the counts of the history. For tools and tests. Calls SAY with a description of each
 * contradiction and returns their number. While there are writers, some contradictions may be
 * transient.
 */
typedef void mrc_ring_say_fn(void *ctx, const char *text);
uint64_t mrc_ring_check(const struct mrc_ring *ring, mrc_ring_say_fn *say, void *ctx);

#endif
