/*
 * The bytes of the staging region of a hub with a durable history: where publishers of all children
 * put what they want to have committed together.
 *
 *     +--------------------------------+--------+------+--------+------+-- - -
 *     | struct mrc_staging_header (256)| slot 0 | data | slot 1 | data |
 *     +--------------------------------+--------+------+--------+------+-- - -
 *
 * The state of a slot, which is also the word that its publisher sleeps on:
 *
 *              claim          stage           the leader takes it        committed, or refused
 *        FREE ------> FILLING ------> STAGED -------------------> TAKEN ----------------------->
 * DONE ^                            |  ^                         |  ^                          | |
 * publisher gives up        |  |  nudged to lead, and    |  | the leader died, and the |
 *         +----------------------------+  |  again STAGED           |  | commit did not happen:   |
 *         |                               +-- NUDGED                |  | STAGED again             |
 *         |                                                         v                             |
 *         +-----------------------------------------------------  ORPHAN (its publisher is gone)  |
 *         +---------------------------------------------------------------------------------------+
 *
 * Whoever holds the publish lock is the leader. STAGED, NUDGED and TAKEN may be left by others than
 * the publisher, so every such change is a compare-and-swap; FILLING and DONE are the publisher's
 * own, or, when its child has died, of who folds that child. Whose a slot is, stands in the same
 * word, so that a slot is never freed for another than it was claimed for.
 */
#ifndef MRC_STORE_REGIONS_STAGING_LAYOUT_H
#define MRC_STORE_REGIONS_STAGING_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_STAGING_MAGIC   UINT64_C(0x314741545343524d) /* "MRCSTAG1", little endian */
#define MRC_STAGING_VERSION 1

#define MRC_STAGING_OWNER_SHIFT 8

enum mrc_staging_state {
    MRC_STAGING_FREE = 0,
    MRC_STAGING_FILLING,
    MRC_STAGING_STAGED,
    MRC_STAGING_NUDGED,
    MRC_STAGING_TAKEN,
    MRC_STAGING_ORPHAN,
    MRC_STAGING_DONE
};

struct mrc_staging_header {
    /* Constant: written by the parent before any child exists. */
    uint64_t magic;
    uint32_t version;
    uint32_t slot_count;
    uint64_t data_bytes; /* of each slot */
    uint8_t reserved0[40];

    /* The publish lock: who holds it commits, then appends to the ring. */
    union mrc_lock lock;

    /* Written under the publish lock. */
    _Atomic uint64_t epoch;    /* which history file the ring goes along with; 0: none yet */
    _Atomic uint64_t offset;   /* number in the history = number in the ring + this */
    _Atomic uint64_t recovery; /* 1: a leader has died, and what it left is not mended yet */
    _Atomic uint64_t commits;  /* transactions that were committed */
    uint8_t reserved1[96];
};
_Static_assert(sizeof(struct mrc_staging_header) == 256, "the first slot begins at byte 256");

struct mrc_staging_slot {
    _Atomic uint32_t word;   /* enum mrc_staging_state | publisher's child slot << 8; the futex */
    _Atomic uint32_t status; /* apr_status_t; by the leader, before DONE */
    _Atomic uint64_t number; /* in the history; 0: not yet. By the leader, before it commits */
    /* By the publisher while FILLING, not changed until FREE. */
    uint32_t id_bytes;
    uint32_t payload_bytes;
    uint32_t stored_bytes;
    uint32_t reserved0;
    int64_t time_us;
    uint8_t reserved1[24];
    /* data: the id, then the payload */
};
_Static_assert(sizeof(struct mrc_staging_slot) == 64, "a slot's head has 64 bytes");

#endif
