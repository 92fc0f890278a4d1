/*
 * The bytes of a ring: the last records of a hub, in the order in which they were published.
 *
 * Positions are 64-bit byte offsets that only grow; position P lies at data[P % capacity]. Records
 * are whole 64-bit words without gaps between them. A record that meets the end of the data
 * continues at its beginning, word by word.
 *
 *         overwritten           lagging readers only            history (replay)          not yet
 *     . . . . . . . . . . . +--------+--------+----------+--------+--------+--------+ . . . . . .
 *                           | record | record |  record  | record | record | record |
 *     . . . . . . . . . . . +--------+--------+----------+--------+--------+--------+ . . . . . .
 *                           ^                            ^                          ^
 *                          tail                       history                      head
 *
 *     tail <= history <= head <= tail + capacity
 *
 * One record:
 *
 *     word  0   seq                   1, 2, 3, … in order of publication
 *           1   time_us               the time of day when it was published
 *           2   total_bytes     (low 32) | id_bytes     (high 32)
 *           3   payload_bytes   (low 32) | stored_bytes (high 32)
 *           4   chain                 position + 1 of the previous record in its bucket; 0: none
 *           5   id_hash               keyed hash of the id
 *           6…  the id, then the payload, each padded with zeros to whole words
 *        last   total_bytes     (low 32) | MRC_RING_FOOTER_MARK (high 32)
 *
 * stored_bytes is the size of the record for the bound of the history.
 *
 * A control record (ring.h) is an order and not an update. Bit 0 of its total_bytes is set in word
 * 2, and not in the footer. Its id is not in the index, its stored_bytes are 0, and these words
 * differ:
 *
 *     word  0   seq                   of the update before it; 0: none
 *           4   position + 1 of the update before it; 0: none
 *           5   position + 1 of the control record before it; 0: none
 *
 * So numbers, counts and the index of ids are those of the updates alone.
 *
 * The last word, the footer, leads from the head back to the newest record.
 *
 * The index of ids is beside the ring. It is several tables of buckets, each twice as large as the
 * one before it, so that a ring that holds little needs little memory for its index. A record is in
 * the table of its position:
 *
 *     table       buckets          positions of its records
 *     0           64               up to 64 * MRC_RING_BUCKET_BYTES
 *     1           128              up to 128 * MRC_RING_BUCKET_BYTES
 *     …
 *     the last    bucket_count     all others
 *
 *     bucket --> newest record of the bucket --chain--> older --chain--> older than tail: the end
 *
 * Its bucket is id_hash & (buckets of the table - 1). A chain stays in its table. No entry needs to
 * be removed: it expires when the tail passes its position.
 *
 * The data and the index may be allocated page by page (base/sparse.h): a writer allocates the
 * pages of a record and of its bucket before step 1, so there is no SIGBUS, and without room
 * nothing has changed. Readers read between tail and head only, and buckets only if they are
 * allocated.
 *
 * Writing, under the lock:
 *   1. history and tail move past every record that will be overwritten,
 *   2. the words of the record,
 *   3. head: now readers see the record, and they saw no step before,
 *   4. its bucket,
 *   5. last_seq, and the history window.
 *
 * For a control record, step 4 sets the word `control`, and step 5 is left out. Several records
 * that are appended together share each step; the chains between them are part of step 2. If a
 * writer dies, the lock reports that to the next writer, which repeats steps 4 and 5. It derives
 * them from head, history and the records after last_seq.
 *
 * The memory of positions before the tail is given back after a while (reclaim.h), and is allocated
 * again when the head gets there.
 *
 * Reading, without a lock: load head and tail, copy words, load tail. If the tail has passed the
 * record, there is nothing to copy, or the copy is invalid. This is safe because words are stored
 * with release order after the tail, and loaded with acquire order before it: a reader that saw one
 * word of a later record also sees the later tail.
 */
#ifndef MRC_STORE_RING_LAYOUT_H
#define MRC_STORE_RING_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_RING_MAGIC   UINT64_C(0x31474e495243524d) /* "MRCRING1", little endian */
#define MRC_RING_VERSION 2

#define MRC_RING_HEADER_WORDS   6
#define MRC_RING_OVERHEAD_BYTES ((MRC_RING_HEADER_WORDS + 1) * 8) /* of one record, unpadded */
#define MRC_RING_FOOTER_MARK    UINT32_C(0x4d524345)
#define MRC_RING_CONTROL_FLAG   UINT32_C(1)         /* of total_bytes in word 2 */
#define MRC_RING_RECORD_MAX     (UINT64_C(1) << 30) /* bytes of one record, with its overhead */
#define MRC_RING_CAPACITY_MAX   (UINT64_C(1) << 40)
#define MRC_RING_TABLE_MIN      UINT64_C(64)  /* buckets of the first table */
#define MRC_RING_BUCKET_BYTES   UINT64_C(128) /* of the ring, for one bucket */

/* ring.state */
#define MRC_RING_OPEN       1
#define MRC_RING_SUPERSEDED 2

struct mrc_ring_header {
    /* Constant: written by the parent before any child exists. Each process makes a copy when it
     * attaches, and never reads these again. */
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t capacity;     /* bytes of data, a multiple of 8 */
    uint64_t bucket_count; /* of the largest table; a power of two */
    uint64_t hash_key[2];  /* random, so that nobody can choose ids that share a bucket */
    uint8_t reserved0[16];

    union mrc_lock lock;

    /* Moving words. Written under the lock by the writer; read by everybody without it. */
    _Atomic uint64_t head;     /* seq_cst: part of the wake-up argument of regions/interests.h */
    _Atomic uint64_t tail;     /* stored before words that it passes, loaded after them */
    _Atomic uint64_t history;  /* first position that replay reaches: a record's, or head */
    _Atomic uint64_t last_seq; /* of the newest record ever; 0: none. All records up to it are in
                                * their buckets. */
    _Atomic uint64_t state;    /* MRC_RING_OPEN until the parent moves the hub to another ring */
    _Atomic uint64_t history_records; /* from history to head */
    _Atomic uint64_t history_bytes;   /* from history to head, the sum of stored_bytes */
    _Atomic uint64_t recoveries;      /* writers that died with the lock */

    /* Bounds of the history; 0: none. Written under the lock by the parent at a reload. */
    _Atomic uint64_t bound_count;
    _Atomic uint64_t bound_bytes;
    _Atomic uint64_t bound_age_us;
    _Atomic uint64_t bound_off; /* 1: no history at all, history == head */
    _Atomic uint64_t resets;    /* contradictions after which all records were dropped */
    _Atomic uint64_t control;   /* position + 1 of the newest control record; 0: none */
    uint8_t reserved1[16];
};
_Static_assert(sizeof(struct mrc_ring_header) == 256, "the data begins at byte 256");

#endif
