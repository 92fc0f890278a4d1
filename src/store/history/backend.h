/*
 * The functions that a back end of the history implements, and the state that all of them share.
 */
#ifndef MRC_STORE_HISTORY_BACKEND_H
#define MRC_STORE_HISTORY_BACKEND_H

#include "apr_errno.h"

#include "store/base/record.h"
#include "store/history/place.h"
#include "store/history/slice.h"
#include "store/hub/layout.h"
#include "store/regions/interests.h"

struct mrc_history;
struct mrc_history_left;
struct mrc_hub_segment;
struct mrc_notify;
struct mrc_ring;

/* No publisher waits longer for a lock: an owner that keeps it longer is stopped, not busy. */
#define MRC_HISTORY_WAIT_US ((int64_t)5 * 1000 * 1000)

/*
 * Each function does what mrc_history_NAME() in history.h says; `append` is the one for groups, and
 * `seek` reports the time of the record before the place (0: it is not there any more) instead of
 * checking it.
 */
struct mrc_history_ops {
    apr_status_t (*append)(struct mrc_history *history, const struct mrc_record *records,
                           size_t count, int64_t now_us, size_t *ret_done);
    apr_status_t (*append_batch)(struct mrc_history *history, const struct mrc_record *records,
                                 size_t count, int64_t now_us); /* NULL: append does it */
    apr_status_t (*append_control)(struct mrc_history *history, struct mrc_bytes payload,
                                   struct mrc_bytes operation,
                                   int64_t now_us); /* NULL: to the ring of this server */
    /* These four: NULL if not durable. */
    apr_status_t (*revoke)(const struct mrc_history *history, const struct mrc_revocation *entries,
                           size_t count, int64_t now_us);
    apr_status_t (*lift)(const struct mrc_history *history,
                         const unsigned char id[MRC_REVOCATION_ID_BYTES]);
    apr_status_t (*revoked)(const struct mrc_history *history, mrc_revocation_fn *fn, void *ctx);
    uint64_t (*epoch)(const struct mrc_history *history);
    apr_status_t (*oldest)(struct mrc_history *history, int64_t now_us,
                           struct mrc_place *ret_place);
    apr_status_t (*find)(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                         struct mrc_place *ret_place);
    apr_status_t (*seek)(struct mrc_history *history, uint64_t number, int64_t now_us,
                         struct mrc_place *ret_place, int64_t *ret_before_us);
    apr_status_t (*read)(const struct mrc_history *history, const struct mrc_place *place,
                         size_t max_bytes, struct mrc_history_slice *slice); /* NULL: not durable */
    /* These two: NULL if not durable. */
    apr_status_t (*read_left)(const struct mrc_history *history, struct mrc_history_left *at,
                              size_t max_bytes, struct mrc_history_slice *slice);
    void (*end_left)(const struct mrc_history *history, bool is_done);
    apr_status_t (*count)(struct mrc_history *history, int64_t now_us, uint64_t *ret_records,
                          uint64_t *ret_bytes);
    /* These three: NULL if positions are numbers and times, under the key below. */
    bool (*make_position)(const struct mrc_history *history, uint64_t number, int64_t now_us,
                          uint64_t *ret_first, int64_t *ret_second);
    apr_status_t (*seek_position)(struct mrc_history *history, uint64_t first, int64_t second,
                                  int64_t now_us, struct mrc_place *ret_place);
    bool (*get_position_key)(const struct mrc_history *history, unsigned char *key);
    apr_status_t (*catch_up)(struct mrc_history *history,
                             int64_t wait_us);                           /* NULL: nothing to do */
    bool (*may_come)(const struct mrc_history *history, int64_t now_us); /* NULL: none may */
    void (*close)(struct mrc_history *history);                          /* NULL: nothing to do */
};

/* The first member of every back end's own struct. Constant after opening. */
struct mrc_history {
    const struct mrc_history_ops *ops;
    struct mrc_hub_segment *segment;
    const struct mrc_notify *notify;
    struct mrc_ring *ring; /* the segment's */
    uint64_t offset;       /* number in the history = number in the ring + this */
    unsigned char position_key[MRC_HUB_POSITION_KEY_BYTES];
    mrc_tags_describe_fn *describe; /* NULL: every record concerns every child */
    void *describe_ctx;
};

/*
 * The functions of the history in memory, for other back ends whose ring holds the whole history.
 */
apr_status_t mrc_history_memory_oldest(struct mrc_history *history, int64_t now_us,
                                       struct mrc_place *ret_place);
apr_status_t mrc_history_memory_find(struct mrc_history *history, struct mrc_bytes id,
                                     int64_t now_us, struct mrc_place *ret_place);
apr_status_t mrc_history_memory_seek(struct mrc_history *history, uint64_t number, int64_t now_us,
                                     struct mrc_place *ret_place, int64_t *ret_before_us);
apr_status_t mrc_history_memory_count(struct mrc_history *history, int64_t now_us,
                                      uint64_t *ret_records, uint64_t *ret_bytes);

/* Adds the tags of a record with PAYLOAD to TAGS. */
static inline void mrc_history_describe(const struct mrc_history *history, struct mrc_bytes payload,
                                        struct mrc_tags *tags)
{
    if (!history->describe)
        tags->is_any = true;
    else if (!tags->is_any)
        history->describe(history->describe_ctx, payload, tags);
}

#endif
