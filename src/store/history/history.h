/*
 * The history of a hub: updates that were published and can be read again.
 *
 *     memory     the ring itself                                            history/memory.c
 *     lmdb       a file, which survives the server                          history/lmdb.c
 *     engine     the ring, with what all machines of the hub publish        history/engine.c
 *
 * With each back end, subscribers get updates from the ring alone, all in the same order: a record
 * is stored in the history first, and then in the ring. A reader has a place (place.h).
 *
 * A struct mrc_history is one process's view; any thread may use it.
 */
#ifndef MRC_STORE_HISTORY_HISTORY_H
#define MRC_STORE_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "store/base/record.h"
#include "store/history/place.h"
#include "store/history/slice.h"
#include "store/regions/interests.h"

struct mrc_history;
struct mrc_hub_segment;
struct mrc_notify;
struct mrc_ring;
struct mrc_ring_record;

/* The possible loss in a power failure. */
enum mrc_history_sync {
    MRC_HISTORY_SYNC_GROUP, /* nothing; updates that arrive together share a commit */
    MRC_HISTORY_SYNC_FULL,  /* nothing; each update has its own commit */
    MRC_HISTORY_SYNC_NONE   /* everything that the system has not written yet, perhaps the file */
};

/* How long a child may wait when it opens durable histories: all of those that it opens at its
 * start, or one later. */
#define MRC_HISTORY_OPEN_WAIT_US ((int64_t)30 * 1000 * 1000)

/* Whether this build has the durable back end. */
bool mrc_history_has_lmdb(void);

/*
 * The history in memory: the ring of SEGMENT. The struct lives in POOL; the arguments outlive it.
 */
struct mrc_history *mrc_history_open_memory(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                            const struct mrc_notify *notify);

/*
 * The history in the directory DIR (dir.h) of the hub whose memory is SEGMENT; the caller is the
 * child that owns SLOT. Afterwards the ring has the newest records in DIR. Waits at most WAIT_US
 * for another child that commits. The struct lives in POOL; the other arguments outlive it. On
 * failure ERROR has the reason.
 */
apr_status_t mrc_history_open_lmdb(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                   const struct mrc_notify *notify, unsigned slot, const char *dir,
                                   enum mrc_history_sync sync, int64_t wait_us,
                                   struct mrc_error *error, struct mrc_history **ret_history);

/*
 * The history of a hub with a transport, whose memory is SEGMENT; the caller is the child that owns
 * SLOT. What is appended goes to the engine, and is in the ring once it has come back; that takes
 * at most TIMEOUT_US. APR_EINVAL: SEGMENT has no link, because a reload found no room for it.
 */
apr_status_t mrc_history_open_engine(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                     const struct mrc_notify *notify, unsigned slot,
                                     int64_t timeout_us, struct mrc_error *error,
                                     struct mrc_history **ret_history);

/* Releases what a back end holds, in this process only. Accepts NULL. */
void mrc_history_close(struct mrc_history *history);

struct mrc_ring *mrc_history_ring(const struct mrc_history *history);

/*
 * Sets the function that finds the tags of a payload, so that a publication wakes only the children
 * that it concerns. Without one, every child with subscribers is woken. DESCRIBE may be called
 * under the publish lock. Set it before other threads use HISTORY.
 */
void mrc_history_set_describe(struct mrc_history *history, mrc_tags_describe_fn *describe,
                              void *ctx);

/* ---- Appending --------------------------------------------------------------------------------*/

/*
 * Appends a record to history and ring, and wakes the children that it concerns. STORED_BYTES is
 * its size for the bound of the history; NOW_US the time of day. May wait for a lock and for the
 * disk, so a dispatcher's thread must not call it.
 *
 * APR_SUCCESS: the record is stored, as safely as the back end can. MRC_STATUS_SUPERSEDED,
 * MRC_STATUS_TOO_LARGE, MRC_STATUS_UNREACHABLE: it is not stored. APR_TIMEUP,
 * MRC_STATUS_UNCONFIRMED: it is not stored, or the result is unknown. Others, such as APR_ENOSPC:
 * the disk refuses it.
 */
apr_status_t mrc_history_append(struct mrc_history *history, struct mrc_bytes id,
                                struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us);

/*
 * Appends COUNT (at least one) records that belong together: all or none, in this order, with
 * nothing between them. RECORDS have id, payload and stored_bytes. The errors are those of
 * mrc_history_append(), MRC_STATUS_TOO_LARGE even if only the ring cannot take all of them at once,
 * and APR_ENOMEM.
 */
apr_status_t mrc_history_append_batch(struct mrc_history *history, const struct mrc_record *records,
                                      size_t count, int64_t now_us);

/*
 * Appends COUNT records in this order and wakes the children once. A durable history takes all of
 * them in one commit. RECORDS have id, payload, stored_bytes, mark and subject; their seq and
 * time_us are ignored. RET_DONE gets the number of records that were stored, counted from the
 * first, even on failure. A durable history drops a record with MRC_RECORD_ENDS if it has one with
 * the same id, and counts it as stored. The errors are those of mrc_history_append(), and
 * APR_ENOMEM.
 */
apr_status_t mrc_history_append_group(struct mrc_history *history, const struct mrc_record *records,
                                      size_t count, int64_t now_us, size_t *ret_done);

/*
 * With a transport: brings the ring to what the engine has now, for a cursor that this machine does
 * not know yet. Waits at most WAIT_US. APR_TIMEUP, MRC_STATUS_UNREACHABLE. Without a transport it
 * does nothing.
 */
apr_status_t mrc_history_catch_up(struct mrc_history *history, int64_t wait_us);

/*
 * Whether other machines may be putting back what the engine has lost, so that an update that this
 * machine does not know may still come.
 */
bool mrc_history_may_come(const struct mrc_history *history, int64_t now_us);

/* For the link: appends RECORD, which came from the engine, to the ring, with its own time, and
 * adds its tags to TAGS. Errors are those of mrc_ring_append(). */
apr_status_t mrc_history_mirror(struct mrc_history *history, const struct mrc_record *record,
                                int64_t now_us, struct mrc_tags *tags);

/* Wakes the children that records with TAGS concern. */
void mrc_history_wake(const struct mrc_history *history, const struct mrc_tags *tags);

/*
 * Appends a control record (ring.h) with PAYLOAD, and wakes all children that have streams. It is
 * in the ring alone: a server that starts again has no streams to which an order could apply. With
 * a transport it is in the rings of all machines, and the engine carries out OPERATION in the same
 * step (engine/entry.h). The statuses are those of mrc_history_append().
 */
apr_status_t mrc_history_append_control(struct mrc_history *history, struct mrc_bytes payload,
                                        struct mrc_bytes operation, int64_t now_us);

/* ---- Revocations ------------------------------------------------------------------------------*/

/*
 * Keeps the COUNT revocations ENTRIES on the disk, all or none, or removes the one with this ID, if
 * there is one. May wait for the disk. A history that is not durable does nothing. Errors are those
 * of mrc_history_append().
 */
apr_status_t mrc_history_revoke(const struct mrc_history *history,
                                const struct mrc_revocation *entries, size_t count, int64_t now_us);
apr_status_t mrc_history_lift(const struct mrc_history *history,
                              const unsigned char id[MRC_REVOCATION_ID_BYTES]);

/*
 * Calls FN(CTX) for each revocation that is on the disk, until it returns an error. ENTRY lives
 * until FN returns; FN must not use the history.
 */
apr_status_t mrc_history_revoked(const struct mrc_history *history, mrc_revocation_fn *fn,
                                 void *ctx);

/* A number that identifies the file; 0: the history is not durable. */
uint64_t mrc_history_epoch(const struct mrc_history *history);

/* ---- Places -----------------------------------------------------------------------------------*/

/* The place of a reader that wants only new records. */
void mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place);

/*
 * That place and the newest RECORD at the same moment; new subscribers get its id. APR_NOTFOUND:
 * nothing was published yet; RET_PLACE is set nevertheless.
 */
apr_status_t mrc_history_newest(const struct mrc_history *history, struct mrc_ring_record *record,
                                struct mrc_place *ret_place);

/* The first place that replay reaches. */
apr_status_t mrc_history_oldest(struct mrc_history *history, int64_t now_us,
                                struct mrc_place *ret_place);

/*
 * The place after the record with this ID; after the earliest if several have it. If other machines
 * may have records after it that this machine has before it, the place is earlier: after the
 * records that all machines have before it. APR_NOTFOUND: the history never had the id, or no
 * longer has it.
 */
apr_status_t mrc_history_find(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                              struct mrc_place *ret_place);

/*
 * The place of the record NUMBER, which may be the next one to be appended, for a reader that was
 * there at MADE_US. APR_NOTFOUND: the history no longer has all records from NUMBER on, or has been
 * replaced by an older copy of itself in the meantime.
 */
apr_status_t mrc_history_seek(struct mrc_history *history, uint64_t number, int64_t made_us,
                              int64_t now_us, struct mrc_place *ret_place);

/*
 * The two words of a position (core/protocol/position.h) at the place of the record NUMBER, for
 * mrc_history_seek_position(). With a transport they mean the same on all machines; otherwise they
 * are NUMBER and NOW_US. False: there is no such position, because the history does not have the
 * record before NUMBER.
 */
bool mrc_history_make_position(const struct mrc_history *history, uint64_t number, int64_t now_us,
                               uint64_t *ret_first, int64_t *ret_second);

/* The place of such a position, or an earlier one, as with an id; the errors are those of
 * mrc_history_seek(). */
apr_status_t mrc_history_seek_position(struct mrc_history *history, uint64_t first, int64_t second,
                                       int64_t now_us, struct mrc_place *ret_place);

/* Whether replay reaches no record at NOW_US. */
bool mrc_history_is_empty(const struct mrc_history *history, int64_t now_us);

/*
 * Copies the key for positions in this history, MRC_HUB_POSITION_KEY_BYTES, to KEY. It is made
 * together with the history, and kept with it: in memory in the segment of the hub, otherwise in
 * the file or in the engine. All processes of all machines have the same key. False: the machine
 * has not joined the others yet.
 */
bool mrc_history_get_position_key(const struct mrc_history *history, unsigned char *key);

/* Sets another key for this process, before other threads use HISTORY. */
void mrc_history_set_position_key(struct mrc_history *history, const unsigned char *key);

/* ---- Reading records that the ring does not have ----------------------------------------------*/

/* Whether the history has records that the ring does not have. */
bool mrc_history_is_durable(const struct mrc_history *history);

/* The number in the history of the ring's record SEQ; places use the numbers of the history. */
uint64_t mrc_history_number(const struct mrc_history *history, uint64_t seq);

/*
 * The ring has overwritten PLACE: changes it to a place from which the same record, number NEXT,
 * comes from the history. MRC_STATUS_OVERRUN: the record is lost.
 */
apr_status_t mrc_history_resume(const struct mrc_history *history, struct mrc_place *place);

/*
 * Reads the records from number NEXT of PLACE on and before UNTIL into SLICE: at least one, and no
 * more once there are MAX_BYTES. May wait for the disk. The caller always frees SLICE.
 * MRC_STATUS_OVERRUN: the history no longer has the next record. APR_ENOMEM, MRC_STATUS_CORRUPT,
 * errors of the system.
 */
apr_status_t mrc_history_read(const struct mrc_history *history, const struct mrc_place *place,
                              size_t max_bytes, struct mrc_history_slice *slice);

/* The number of records that replay reaches at NOW_US, and the sum of their stored_bytes. */
apr_status_t mrc_history_count(struct mrc_history *history, int64_t now_us, uint64_t *ret_records,
                               uint64_t *ret_bytes);

/* ---- What servers before this one left --------------------------------------------------------*/

/* The position of a reader. Starts as {0}. */
struct mrc_history_left {
    bool is_behind; /* after LAST; otherwise at the beginning */
    struct mrc_record_subject last;
};

/*
 * Reads records that say that a subject begins (MRC_RECORD_BEGINS) into SLICE, if they were
 * appended under a server before this one, and no record says that the subject has ended. Reads
 * about MAX_BYTES at most, and moves *AT past them. SLICE gets number, payload and subject of each.
 * The caller frees SLICE in any case.
 *
 * APR_SUCCESS: there may be more. APR_EOF: there are no more, and SLICE has the last ones; or
 * another child reads them. APR_ENOMEM, errors of the system. A history that is not durable has
 * none. Only one thread of a child may call it.
 */
apr_status_t mrc_history_read_left(const struct mrc_history *history, struct mrc_history_left *at,
                                   size_t max_bytes, struct mrc_history_slice *slice);

/*
 * Ends the reading. IS_DONE: this child has read all of them, and no child needs to read them
 * again; otherwise the next child that tries reads them again.
 */
void mrc_history_end_left(const struct mrc_history *history, bool is_done);

#endif
