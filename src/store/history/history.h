/*
 * The history of a hub: what was published and can be read again, behind one interface.
 *
 *     memory     the ring itself                                            history_memory.c
 *     lmdb       a file, which outlives the server                          history_lmdb.c
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
#ifndef MRC_STORE_HISTORY_HISTORY_H
#define MRC_STORE_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_history;
struct mrc_hub_segment;
struct mrc_notify;
struct mrc_ring;
struct mrc_ring_record;
struct mrc_tags;

/* Where a reader stands. */
struct mrc_place {
    uint64_t next;  /* number of the next record to be read from the history … */
    uint64_t until; /* … and of the first that is not: none is if it is not above NEXT */
    uint64_t pos;   /* in the ring, what comes after */
};

/* What a power cut may cost. */
enum mrc_history_sync {
    MRC_HISTORY_SYNC_GROUP, /* nothing; updates that come together share a commit */
    MRC_HISTORY_SYNC_FULL,  /* nothing; each update has a commit of its own */
    MRC_HISTORY_SYNC_NONE   /* what the system has not written yet, perhaps the file */
};

/* Whether this build has the durable back end. */
bool mrc_history_has_lmdb(void);

/* The history that is the ring of SEGMENT. The struct lives in POOL; the arguments outlive it. */
struct mrc_history *mrc_history_open_memory(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                            const struct mrc_notify *notify);

/*
 * The history in the directory DIR (history_dir.h) of the hub whose memory is SEGMENT; the caller
 * is the child that owns SLOT. What DIR has and the ring has not is in the ring afterwards. The
 * struct lives in POOL; the other arguments outlive it. An error says in words why not.
 */
apr_status_t mrc_history_open_lmdb(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                   const struct mrc_notify *notify, unsigned slot, const char *dir,
                                   enum mrc_history_sync sync, struct mrc_error *error,
                                   struct mrc_history **ret_history);

/* Gives up what a back end holds, in this process only. Accepts NULL. */
void mrc_history_close(struct mrc_history *history);

struct mrc_ring *mrc_history_ring(const struct mrc_history *history);

/*
 * What records are about: DESCRIBE adds the tags of one with PAYLOAD to TAGS (interests.h), so that
 * appending wakes those children only that it concerns. May be called under the publish lock. While
 * none is set, every child that has listeners is woken. To be set before other threads use HISTORY.
 */
typedef void mrc_history_describe_fn(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags);
void mrc_history_set_describe(struct mrc_history *history, mrc_history_describe_fn *describe,
                              void *ctx);

/*
 * Appends a record to history and ring, and wakes the children that it concerns. STORED_BYTES is
 * what the history's bound counts it for; NOW_US the time of day. May wait for a lock and for the
 * disk: never in a dispatcher's thread.
 * APR_SUCCESS: it is stored, as safely as the back end can. MRC_STATUS_SUPERSEDED,
 * MRC_STATUS_TOO_LARGE: it is not stored. APR_TIMEUP: it is not, or its fate is not known. Others,
 * such as APR_ENOSPC: the disk refuses it.
 */
apr_status_t mrc_history_append(struct mrc_history *history, struct mrc_bytes id,
                                struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us);

/* One record of several that are appended together. */
struct mrc_history_item {
    struct mrc_bytes id;
    struct mrc_bytes payload;
    uint64_t stored_bytes;
};

/*
 * Appends COUNT records in this order, the disk taking all of them in one commit, and wakes the
 * children once. RET_DONE: so many of them, from the first on, are stored; also when it fails.
 * Otherwise like mrc_history_append(); it may fail with APR_ENOMEM, too.
 */
apr_status_t mrc_history_append_group(struct mrc_history *history,
                                      const struct mrc_history_item *items, size_t count,
                                      int64_t now_us, size_t *ret_done);

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

/* ---- reading what the ring does not have ------------------------------------------------------*/

/* Whether there is anything to be read but the ring. */
bool mrc_history_is_durable(const struct mrc_history *history);

/* The number of the ring's record SEQ in the history; it is what places count. */
uint64_t mrc_history_number(const struct mrc_history *history, uint64_t seq);

/*
 * The ring has gone over PLACE: it becomes one from which the same record, number NEXT, comes from
 * the history. MRC_STATUS_OVERRUN: what was missed cannot be had any more.
 */
apr_status_t mrc_history_resume(const struct mrc_history *history, struct mrc_place *place);

/* Some records in a row, copied out. Starts as {0}. */
struct mrc_history_slice {
    struct mrc_buf buf;
    size_t at; /* the next record in BUF */
};

/* Adds a copy of RECORD at the end; SLICE's buffer, which has been initialized, tells if it fails.
 */
void mrc_history_slice_add(struct mrc_history_slice *slice, const struct mrc_ring_record *record);

/*
 * Reads records from number NEXT of PLACE on and before UNTIL: at least one, and no more once there
 * are MAX_BYTES. May wait for the disk. MRC_STATUS_OVERRUN: the history has dropped the next one.
 * APR_ENOMEM, MRC_STATUS_CORRUPT, errors of the system. SLICE is to be freed in any case.
 */
apr_status_t mrc_history_read(const struct mrc_history *history, const struct mrc_place *place,
                              size_t max_bytes, struct mrc_history_slice *slice);

/*
 * The next record of SLICE: views into it, and nothing of RECORD's own buffer. Its seq is the
 * number, its position 0. False: there is no more.
 */
bool mrc_history_slice_next(struct mrc_history_slice *slice, struct mrc_ring_record *record);

/* Empty and usable again. */
void mrc_history_slice_free(struct mrc_history_slice *slice);

/* How many records replay reaches at NOW_US, and the sum of their stored_bytes. */
apr_status_t mrc_history_count(struct mrc_history *history, int64_t now_us, uint64_t *ret_records,
                               uint64_t *ret_bytes);

#endif
