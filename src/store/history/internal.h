/*
 * What the back ends of the history share with history.c: the table of what each can do.
 */
#ifndef MRC_STORE_HISTORY_INTERNAL_H
#define MRC_STORE_HISTORY_INTERNAL_H

#include "store/history/history.h"
#include "store/regions/interests.h"

/* Each does what the function of its name in history.h says. */
struct mrc_history_ops {
    apr_status_t (*append)(struct mrc_history *history, struct mrc_bytes id,
                           struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us);
    apr_status_t (*append_group)(struct mrc_history *history, const struct mrc_history_item *items,
                                 size_t count, int64_t now_us, size_t *ret_done);
    apr_status_t (*oldest)(struct mrc_history *history, int64_t now_us,
                           struct mrc_place *ret_place);
    apr_status_t (*find)(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                         struct mrc_place *ret_place);
    apr_status_t (*read)(const struct mrc_history *history, const struct mrc_place *place,
                         size_t max_bytes, struct mrc_history_slice *slice); /* NULL: not durable */
    apr_status_t (*count)(struct mrc_history *history, int64_t now_us, uint64_t *ret_records,
                          uint64_t *ret_bytes);
    void (*close)(struct mrc_history *history); /* NULL: nothing to do */
};

/* What every back end has, at the beginning of its own. Constant after opening. */
struct mrc_history {
    const struct mrc_history_ops *ops;
    struct mrc_hub_segment *segment;
    const struct mrc_notify *notify;
    struct mrc_ring *ring;             /* the segment's */
    uint64_t offset;                   /* from numbers of the ring to those of places */
    mrc_history_describe_fn *describe; /* NULL: nobody tells what records are about */
    void *describe_ctx;
};

/* Adds what a record with PAYLOAD is about to TAGS. */
void mrc_history_describe(const struct mrc_history *history, struct mrc_bytes payload,
                          struct mrc_tags *tags);

/* No publisher waits longer for a lock: whoever holds it is stopped, not busy. */
#define MRC_HISTORY_WAIT_US ((int64_t)5 * 1000 * 1000)

#endif
