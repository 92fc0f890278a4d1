/*
 * The history of a hub: what was published and can be read again, behind one interface.
 *
 *     memory     the ring itself                                            history_memory.c
 *
 * Whatever the back end, updates reach those who listen through the ring alone, and in one order:
 * what is appended is in the history first and in the ring then. A reader stands at a place:
 *
 *     what the history has and the reader has not                ring
 *     [next                         … until)              [pos … head)
 *
 * It reads the records NEXT to UNTIL from the history, and from POS on the ring, in which record
 * number UNTIL lies there. In memory there is nothing to be read but the ring.
 *
 * A struct mrc_history is one process's view; any thread may use it.
 */
#ifndef MRC_STORE_HISTORY_H
#define MRC_STORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/bytes.h"

struct mrc_history;
struct mrc_hub_segment;
struct mrc_notify;
struct mrc_ring;
struct mrc_ring_record;

/* Where a reader stands. */
struct mrc_place {
    uint64_t next;  /* number of the next record to be read from the history … */
    uint64_t until; /* … and of the first that is not: none is if it is not above NEXT */
    uint64_t pos;   /* in the ring, what comes after */
};

/* The history that is the ring of SEGMENT. The struct lives in POOL; the arguments outlive it. */
struct mrc_history *mrc_history_open_memory(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                            const struct mrc_notify *notify);

/* Gives up what a back end holds, in this process only. Accepts NULL. */
void mrc_history_close(struct mrc_history *history);

struct mrc_ring *mrc_history_ring(const struct mrc_history *history);

/*
 * Appends a record to history and ring, and wakes the children that have listeners. STORED_BYTES is
 * what the history's bound counts it for; NOW_US the time of day. May wait for a lock and for the
 * disk: never in a dispatcher's thread.
 * APR_SUCCESS: it is stored, as safely as the back end can. MRC_STATUS_SUPERSEDED,
 * MRC_STATUS_TOO_LARGE, APR_TIMEUP: it is not stored.
 */
apr_status_t mrc_history_append(struct mrc_history *history, struct mrc_bytes id,
                                struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us);

/* The place of one who wants only what comes from now on. */
void mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place);

/*
 * The same, and the newest RECORD, so that they fit together: its id is what a new subscriber is
 * told. APR_NOTFOUND: nothing was published yet; the place is right all the same.
 */
apr_status_t mrc_history_newest(const struct mrc_history *history, struct mrc_ring_record *record,
                                struct mrc_place *ret_place);

/* The first place that replay reaches. */
apr_status_t mrc_history_oldest(struct mrc_history *history, int64_t now_us,
                                struct mrc_place *ret_place);

/*
 * The place after the record ID, the earliest if several have it. APR_NOTFOUND: the history does
 * not hold it (any more, or ever).
 */
apr_status_t mrc_history_find(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                              struct mrc_place *ret_place);

#endif
