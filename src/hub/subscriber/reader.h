/*
 * The reader: a thread of a child that reads histories from the disk, so that the dispatcher does
 * not wait for it.
 *
 * Whoever asks gets a struct mrc_reading, looks at it when woken, and takes what was read; or gives
 * it up at any time.
 *
 * Many may ask for different things at the same moment. What is read and not taken is bounded: then
 * nothing more is read until some of it is taken or given up, in the order in which it was asked
 * for. So whoever is woken has to do one or the other soon, whatever its client does.
 */
#ifndef MRC_HUB_SUBSCRIBER_READER_H
#define MRC_HUB_SUBSCRIBER_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "store/history/history.h"

struct mrc_reader;
struct mrc_reading;

/* Called in the reader's thread when a reading is done; must not block. */
typedef void mrc_reader_wake_fn(void *ctx);

/*
 * The most bytes that are read and not taken when the next reading begins; that one may be of any
 * size.
 */
#define MRC_READER_BYTES_MAX ((size_t)2 << 20)

/* Starts the thread. The struct lives in POOL. */
apr_status_t mrc_reader_start(apr_pool_t *pool, struct mrc_reader **ret_reader);

/*
 * Ends it, and waits for it; nobody is woken any more. Readings that are left can be given up
 * afterwards. False: the thread has not ended within some seconds, and the process has to end
 * without it. Accepts NULL.
 */
bool mrc_reader_stop(struct mrc_reader *reader);

/*
 * Asks for what mrc_history_read() reads with these arguments; WAKE(CTX) is called when it is done.
 * NULL: out of memory. Any thread, as the others below.
 */
struct mrc_reading *mrc_reader_ask(struct mrc_reader *reader, const struct mrc_history *history,
                                   const struct mrc_place *place, size_t max_bytes,
                                   mrc_reader_wake_fn *wake, void *ctx);

bool mrc_reading_is_done(const struct mrc_reading *reading);

/* Takes the SLICE of a reading that is done, which the caller frees, and frees the reading. The
 * status of reading. */
apr_status_t mrc_reading_take(struct mrc_reading *reading, struct mrc_history_slice *slice);

/* Nobody wants it any more, done or not. Accepts NULL. */
void mrc_reading_abandon(struct mrc_reading *reading);

/* How many bytes are read and not taken. */
size_t mrc_reader_held_bytes(struct mrc_reader *reader);

#endif
