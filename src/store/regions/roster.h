/*
 * The roster: the active subscriptions of all children of a hub, in shared memory.
 *
 * Any number of processes and threads add, end and read entries at the same time, without a lock.
 * If a child dies, the others can clean up everything that it leaves (roster_layout.h). The meaning
 * of a matcher and of a payload is up to the caller.
 *
 * An entry is added, activated (listed), ended (no longer listed, but its end is not announced yet)
 * and released. The entries of a dead child become orphans: another child adopts them, announces
 * their end and releases them.
 */
#ifndef MRC_STORE_REGIONS_ROSTER_H
#define MRC_STORE_REGIONS_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"
#include "store/base/sparse.h"

/* One process's view of a roster; all of its threads may use it at once. */
struct mrc_roster;

/* The small cells that each subscriber may take: 512 bytes. */
#define MRC_ROSTER_OWN_CELLS 4

/* The least number of shared cells, for subscribers that need more: 4 MB. */
#define MRC_ROSTER_SHARED_CELLS_MIN 32768

/* The largest capacity of a roster. */
#define MRC_ROSTER_SUBSCRIBERS_MAX (UINT64_C(1) << 22)

/* The most bytes of an entry's matcher, and of its payload. */
#define MRC_ROSTER_MATCH_MAX   ((size_t)1 << 24)
#define MRC_ROSTER_PAYLOAD_MAX ((size_t)1 << 16)

/* An entry, to be added or copied out. An entry to read into starts as {0}. */
struct mrc_roster_entry {
    unsigned char subscriber[16];
    unsigned type; /* of the matcher; below 256 */
    struct mrc_bytes match;
    struct mrc_bytes payload; /* { NULL, 0 }: none */
    char *buf;                /* holds what was read; from malloc(), reused by the next read */
    size_t cap;
};

/* The number of small and of shared cells of a roster for SUBSCRIBERS, which is at most
 * MRC_ROSTER_SUBSCRIBERS_MAX. */
void mrc_roster_measure(uint64_t subscribers, uint32_t *ret_own, uint32_t *ret_shared);

/* The bytes of its region, and those that must be allocated when it is made. */
uint64_t mrc_roster_bytes(uint32_t own, uint32_t shared);
uint64_t mrc_roster_head_bytes(void);

/* Makes an empty roster in the zeroed REGION (64-byte aligned), which must outlive it. The struct
 * lives in POOL. */
struct mrc_roster *mrc_roster_create(apr_pool_t *pool, void *region, uint32_t own, uint32_t shared);

/* The cells of the new roster are allocated page by page, when they are claimed. NULL: all are. */
void mrc_roster_use_sparse(struct mrc_roster *roster, struct mrc_sparse *pages);

/* The number of cells that an entry takes. */
uint64_t mrc_roster_cells(size_t match_len, size_t payload_len);

/* ---- The life of an entry: any thread of the child in SLOT ------------------------------------*/

/*
 * Adds ENTRY, which is not listed before mrc_roster_activate(). IS_SMALL: all entries of its
 * subscriber together take at most MRC_ROSTER_OWN_CELLS cells; then there is room for it, unless
 * there are more subscribers than the roster was made for. APR_ENOSPC: there is no room.
 */
apr_status_t mrc_roster_add(struct mrc_roster *roster, unsigned slot,
                            const struct mrc_roster_entry *entry, bool is_small, uint32_t *ret_id);

/* Lists the entry. */
void mrc_roster_activate(struct mrc_roster *roster, uint32_t id);

/* With a transport: notes that the engine lists the entry, if it is still active. */
void mrc_roster_set_told(struct mrc_roster *roster, uint32_t id);

/* The engine has removed the subscriptions of this machine: none is told any more. Any process. */
void mrc_roster_untell(struct mrc_roster *roster);

/* Ends the entry: it is no longer listed, but can still be read to announce its end. */
void mrc_roster_end(struct mrc_roster *roster, uint32_t id);

/* Frees the entry: its end was announced, or it was never activated. */
void mrc_roster_release(struct mrc_roster *roster, uint32_t id);

/* ---- Entries of dead children -----------------------------------------------------------------*/

/*
 * The child in SLOT has died: its listed and ended entries become orphans, the others are freed.
 * Called by the process that reaps the child; if that process dies in it, another one repeats it.
 */
void mrc_roster_fold(struct mrc_roster *roster, unsigned slot);

/*
 * Whether there may be orphans that no child looks for yet; taking them makes the caller that
 * child. If it dies meanwhile, or expects them again, another child takes them. A new roster
 * expects some: those that servers before this one have left in a durable history.
 */
bool mrc_roster_has_orphans(const struct mrc_roster *roster);
bool mrc_roster_take_orphans(struct mrc_roster *roster);
void mrc_roster_expect_orphans(struct mrc_roster *roster);

/*
 * Adopts the next orphan from the cell *CURSOR on: it becomes an ended entry of SLOT. Moves *CURSOR
 * past it. False: there are no more orphans.
 */
bool mrc_roster_adopt(struct mrc_roster *roster, unsigned slot, uint32_t *cursor, uint32_t *ret_id);

/* Makes an ended entry an orphan again: the caller cannot announce its end. */
void mrc_roster_disown(struct mrc_roster *roster, uint32_t id);

/*
 * Copies all listed and ended entries of FROM to the empty roster TO, as orphans. Only the parent,
 * when a hub is resized. Returns the number of entries for which there was no room.
 */
uint64_t mrc_roster_carry(const struct mrc_roster *from, struct mrc_roster *to);

/* ---- Reading: any thread, no lock -------------------------------------------------------------*/

/* The number of cells. The id of an entry is the number of its first cell. */
uint32_t mrc_roster_count(const struct mrc_roster *roster);

/* The first cell from CELL on that may be in use; mrc_roster_count(): there is none. */
uint32_t mrc_roster_from(const struct mrc_roster *roster, uint32_t cell);

/*
 * A number that changes with each change of the list. Load it before you read the list: as long as
 * it stays the same, so does the list.
 */
uint64_t mrc_roster_changes(const struct mrc_roster *roster);

/* Copies the listed entry at CELL. APR_NOTFOUND: no entry is listed there; APR_ENOMEM. */
apr_status_t mrc_roster_read(const struct mrc_roster *roster, uint32_t cell,
                             struct mrc_roster_entry *entry);

/* The same for an entry of SLOT that is not told. */
apr_status_t mrc_roster_read_untold(const struct mrc_roster *roster, unsigned slot, uint32_t cell,
                                    struct mrc_roster_entry *entry);

/* The same for an entry that is told, or has ended and may have been told. */
apr_status_t mrc_roster_read_told(const struct mrc_roster *roster, uint32_t cell,
                                  struct mrc_roster_entry *entry);

/* The same for an ended entry. */
apr_status_t mrc_roster_read_ending(const struct mrc_roster *roster, uint32_t id,
                                    struct mrc_roster_entry *entry);

/* Frees the buffer; ENTRY is {0} again. Accepts NULL. */
void mrc_roster_entry_free(struct mrc_roster_entry *entry);

/* The number of cells that are not free; for tests and tools. */
uint32_t mrc_roster_used(const struct mrc_roster *roster);

#endif
