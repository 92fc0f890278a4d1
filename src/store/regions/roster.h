/*
 * The roster: who subscribes to what, in shared memory, for all children of a hub.
 *
 * Any number of processes and threads add, end and read entries at the same time, without a lock.
 * A child that dies leaves nothing that others cannot put in order (roster_layout.h). What a
 * matcher or a payload means is the caller's affair.
 */
#ifndef MRC_STORE_REGIONS_ROSTER_H
#define MRC_STORE_REGIONS_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"

/* A process's view of a roster: it may be used by all threads at once. */
struct mrc_roster;

/* What each subscriber may take of the cells that are for small ones: 512 bytes. */
#define MRC_ROSTER_OWN_CELLS 4

/* Cells for those who need more, at least: 4 MB. */
#define MRC_ROSTER_SHARED_CELLS_MIN 32768

/* The most subscribers that a roster is made for. */
#define MRC_ROSTER_SUBSCRIBERS_MAX (UINT64_C(1) << 22)

/* Bytes of one entry's matcher, and of its payload. */
#define MRC_ROSTER_MATCH_MAX   ((size_t)1 << 24)
#define MRC_ROSTER_PAYLOAD_MAX ((size_t)1 << 16)

/* One entry, as it is added and as it is copied out. Start one that is read into from {0}. */
struct mrc_roster_entry {
    unsigned char subscriber[16];
    unsigned type; /* of the matcher; below 256 */
    struct mrc_bytes match;
    struct mrc_bytes payload; /* { NULL, 0 }: none */
    char *buf;                /* malloc()ed by reading, and reused; the views live in it */
    size_t cap;
};

/* How many cells a roster for SUBSCRIBERS has, of both kinds; at most MRC_ROSTER_SUBSCRIBERS_MAX of
 * them. */
void mrc_roster_measure(uint64_t subscribers, uint32_t *ret_own, uint32_t *ret_shared);

/* The size of its region. */
uint64_t mrc_roster_bytes(uint32_t own, uint32_t shared);

/* Lays an empty roster down in the zeroed REGION (64-byte aligned), which must outlive it. The
 * struct lives in POOL. */
struct mrc_roster *mrc_roster_create(apr_pool_t *pool, void *region, uint32_t own, uint32_t shared);

/* How many cells an entry takes. */
uint64_t mrc_roster_cells(size_t match_len, size_t payload_len);

/* ---- the life of an entry: by the child in SLOT, any thread of it
 * ------------------------------*/

/*
 * Adds ENTRY, which nobody sees before mrc_roster_activate(). IS_SMALL: those that its subscriber
 * adds take MRC_ROSTER_OWN_CELLS together at most; then there is room for it unless there are more
 * subscribers than the roster was made for. APR_ENOSPC: there is no room.
 */
apr_status_t mrc_roster_add(struct mrc_roster *roster, unsigned slot,
                            const struct mrc_roster_entry *entry, bool is_small, uint32_t *ret_id);

/* It is listed from now on. */
void mrc_roster_activate(struct mrc_roster *roster, uint32_t id);

/* It is not listed any more. It can still be read, since its end is to be told. */
void mrc_roster_end(struct mrc_roster *roster, uint32_t id);

/* It is gone; its end has been told, or it was never activated. */
void mrc_roster_release(struct mrc_roster *roster, uint32_t id);

/* ---- what the dead have left ------------------------------------------------------------------*/

/*
 * The child in SLOT is no more: its entries are orphans, which are not listed. Whoever reaps it
 * does this, and may die in it: it can be done again.
 */
void mrc_roster_fold(struct mrc_roster *roster, unsigned slot);

/* Whether there may be orphans that nobody looks for yet; taking it, one is that somebody. */
bool mrc_roster_has_orphans(const struct mrc_roster *roster);
bool mrc_roster_take_orphans(struct mrc_roster *roster);

/*
 * Makes the next orphan, from the cell *CURSOR on, an ending entry of SLOT, and moves *CURSOR
 * behind it. False: there is none.
 */
bool mrc_roster_adopt(struct mrc_roster *roster, unsigned slot, uint32_t *cursor, uint32_t *ret_id);

/* Makes an ending entry an orphan again: the caller cannot tell its end. */
void mrc_roster_disown(struct mrc_roster *roster, uint32_t id);

/*
 * Makes all that FROM lists, or has still to tell the end of, orphans of the empty roster TO. Only
 * the parent, when a hub is resized. Returns how many there was no room for.
 */
uint64_t mrc_roster_carry(const struct mrc_roster *from, struct mrc_roster *to);

/* ---- reading: any thread, no lock -------------------------------------------------------------*/

/* Cells have the numbers 0 to this one - 1; an entry has that of its head. */
uint32_t mrc_roster_count(const struct mrc_roster *roster);

/*
 * Copies the entry that is listed at CELL. APR_NOTFOUND: none is; APR_ENOMEM.
 */
apr_status_t mrc_roster_read(const struct mrc_roster *roster, uint32_t cell,
                             struct mrc_roster_entry *entry);

/* The same for one whose end is to be told; only by its owner. */
apr_status_t mrc_roster_read_ending(const struct mrc_roster *roster, uint32_t id,
                                    struct mrc_roster_entry *entry);

/* Frees what was read; ENTRY is empty and usable again. Accepts NULL. */
void mrc_roster_entry_free(struct mrc_roster_entry *entry);

/* How many cells are not free: for tests and tools. */
uint32_t mrc_roster_used(const struct mrc_roster *roster);

#endif
