/*
 * Parses publications in JSON: one object is one update, an array of objects a batch of updates.
 *
 *     {"topic": "T" or ["T", …], "data": "D", "private": true, "id": "I", "type": "E", "retry": 5}
 *
 * The rules for the fields are those of a form (update.h). In addition, members that are unknown,
 * repeated or null are refused, and so is an empty array. `private` is a boolean, `retry` a whole
 * number, all others are strings. The parser allocates no more than the length of the text and the
 * updates: anything that is not part of an update is refused where it begins.
 */
#ifndef MRC_CORE_PROTOCOL_BATCH_H
#define MRC_CORE_PROTOCOL_BATCH_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/protocol/update.h"

/* The most updates in a batch. */
#define MRC_BATCH_MAX 1000

struct mrc_batch {
    struct mrc_update *updates; /* malloc()ed; their views are into the text and STRINGS */
    size_t count;
    bool is_array;          /* an array was sent, so an array is the answer */
    bool has_bad;           /* an update of the array is bad: the one after the COUNT good ones */
    struct mrc_buf strings; /* the strings that have escapes, decoded */
};

/*
 * Parses TEXT, which must outlive RET_BATCH. RET_BATCH is set in any case, and the caller clears
 * it. MRC_EINVAL or MRC_ELIMIT, and ERROR says how to fix the publication; MRC_ENOMEM. On failure,
 * the updates are those before the mistake.
 */
enum mrc_err mrc_batch_parse(struct mrc_bytes text, const struct mrc_update_limits *limits,
                             struct mrc_error *error, struct mrc_batch *ret_batch);

/* Accepts a batch of {0}. */
void mrc_batch_clear(struct mrc_batch *batch);

#endif
