/*
 * The bytes of the staging area of a hub with a durable history: publishers of all children put
 * their updates here, and one of them commits all of them together.
 *
 *     +--------------------------------+--------+------+--------+------+-- - -
 *     | struct mrc_staging_header (256)| slot 0 | data | slot 1 | data |
 *     +--------------------------------+--------+------+--------+------+-- - -
 *
 * A slot for larger updates may follow the others. The staging area of a hub with a transport has
 * the same form; there a package of updates is staged (engine/entry.h), and the leader is the link.
 *
 * The state of a slot is in one word, which is also the futex that its publisher sleeps on:
 *
 *          claim          stage              take              finish
 *     FREE -----> FILLING -----> STAGED <----------------> TAKEN ---------> DONE
 *      ^                          |  ^       recover        |                |
 *      |                    nudge |  | answer               | abandon        |
 *      |                          v  |                      v                |
 *      |                         NUDGED                   ORPHAN             |
 *      |                 withdraw |                 finish  |          poll  |
 *      +--------------------------+-------------------------+----------------+
 *
 *     publisher    stage, poll; withdraw: it gives up; abandon: it gives up although a leader has
 *                  taken the update; answer: it was nudged to lead, and now tries to
 *     leader       take; finish: committed or refused; nudge: one publisher, after it has led;
 *                  recover: the leader before it died, and the update was not committed
 *
 * A NUDGED slot can also be taken, and a STAGED one withdrawn.
 *
 * The leader is the process that holds the publish lock. Both it and the publisher may change
 * STAGED, NUDGED and TAKEN, so every such change is a compare-and-swap. Only the publisher changes
 * FILLING and DONE or, after the death of its child, the process that folds the child. The word
 * also has the owner of the slot, so a slot is freed only for the child that has claimed it, and
 * the number of its claim. A publisher can outlive its child, in a process that was forked off it;
 * the number tells it that the slot was freed, and perhaps claimed by somebody else.
 *
 *      31                  19 18                   3 2     0
 *     +----------------------+----------------------+-------+
 *     | number of the claim  | owner; 0 while FREE  | state |
 *     +----------------------+----------------------+-------+
 */
#ifndef MRC_STORE_REGIONS_STAGING_LAYOUT_H
#define MRC_STORE_REGIONS_STAGING_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"
#include "store/base/record.h"

#define MRC_STAGING_MAGIC   UINT64_C(0x314741545343524d) /* "MRCSTAG1", little endian */
#define MRC_STAGING_VERSION 2

#define MRC_STAGING_OWNER_SHIFT 3
#define MRC_STAGING_CLAIM_SHIFT 19
#define MRC_STAGING_OWNERS_MAX  (1U << (MRC_STAGING_CLAIM_SHIFT - MRC_STAGING_OWNER_SHIFT))

enum mrc_staging_state {
    MRC_STAGING_FREE = 0,
    MRC_STAGING_FILLING,
    MRC_STAGING_STAGED,
    MRC_STAGING_NUDGED,
    MRC_STAGING_TAKEN,
    MRC_STAGING_ORPHAN,
    MRC_STAGING_DONE
};
_Static_assert(MRC_STAGING_DONE < 1 << MRC_STAGING_OWNER_SHIFT, "a word has room for each state");

struct mrc_staging_header {
    /* Constant: written by the parent before any child exists. */
    uint64_t magic;
    uint32_t version;
    uint32_t slot_count;
    uint64_t data_bytes;  /* of each slot */
    uint64_t large_bytes; /* of the last slot, which is not counted in slot_count; 0: none */
    uint8_t reserved0[32];

    /* The publish lock: its holder commits, then appends to the ring. */
    union mrc_lock lock;

    /* Written under the publish lock. */
    _Atomic uint64_t epoch;    /* of the history file that the ring belongs to; 0: none yet */
    _Atomic uint64_t offset;   /* number in the history = number in the ring + this */
    _Atomic uint64_t recovery; /* 1: a leader has died, and its work is not repaired yet */
    _Atomic uint64_t commits;  /* committed transactions */
    /* What began up to this number of the history belongs to servers before this one; 0: nothing
     * of theirs is left (history/begun.h). Set to 0 without the lock, by the child that has read
     * it. */
    _Atomic uint64_t horizon;

    /* The slot of the child that reads what is left, plus 1; 0: none. Changed by that child, or by
     * the process that folds it. */
    _Atomic uint64_t left_reader;
    uint8_t reserved1[80];
};
_Static_assert(sizeof(struct mrc_staging_header) == 256, "the first slot begins at byte 256");

struct mrc_staging_slot {
    _Atomic uint32_t word;   /* state, owner and claim; the futex */
    _Atomic uint32_t status; /* apr_status_t; written by the leader before DONE */
    _Atomic uint64_t number; /* in the history; 0: none. Written by the leader before it commits */
    /* Written by the publisher while FILLING; then constant until FREE. */
    uint32_t id_bytes;
    uint32_t payload_bytes;
    uint32_t stored_bytes;
    uint32_t mark; /* enum mrc_record_mark */
    int64_t time_us;
    struct mrc_record_subject subject;
    /* data: the id, then the payload */
};
_Static_assert(sizeof(struct mrc_staging_slot) == 64, "a slot's head has 64 bytes");

#endif
