/*
 * A slice: consecutive records, copied into one buffer of this process.
 *
 * It belongs to one thread at a time.
 */
#ifndef MRC_STORE_HISTORY_SLICE_H
#define MRC_STORE_HISTORY_SLICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "store/base/record.h"

/* Starts as {0}; BUF is initialized before a record is added. */
struct mrc_history_slice {
    struct mrc_buf buf;
    size_t at; /* of the next record in BUF */
};

/* Appends a copy of RECORD. A failure shows in the slice's buffer. */
void mrc_history_slice_add(struct mrc_history_slice *slice, const struct mrc_record *record);

/* The next record, as views into SLICE. False: there are no more. */
bool mrc_history_slice_next(struct mrc_history_slice *slice, struct mrc_record *ret_record);

/* Makes SLICE empty; it can be used again. */
void mrc_history_slice_free(struct mrc_history_slice *slice);

#endif
