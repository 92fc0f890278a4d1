/*
 * The reader: a thread of a child that reads histories from the disk, so that a dispatcher does not
 * wait for the disk.
 *
 * A dispatcher asks, and gets a struct mrc_reading. When it is woken it looks whether the reading
 * is done, and takes what was read; it may give the reading up at any time.
 *
 * What is read and not taken is bounded, because many may ask for different records at the same
 * moment. Above the bound the thread reads nothing more until something is taken or given up; it
 * reads in the order in which it was asked. So a dispatcher that is woken must take or give up
 * soon, whatever the client of the stream does.
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

/* The next reading begins while fewer bytes than this are read and not taken; it may be of any
 * size.
 */
#define MRC_READER_BYTES_MAX ((size_t)2 << 20)

/* Starts the thread. The struct lives in POOL. */
apr_status_t mrc_reader_start(apr_pool_t *pool, struct mrc_reader **ret_reader);

/*
 * Ends the thread and waits for it; it calls no WAKE any more. Readings that are left can still be
 * given up. False: the thread has not ended within some seconds, and the process has to end without
 * it. Accepts NULL.
 */
bool mrc_reader_stop(struct mrc_reader *reader);

/*
 * Asks for what mrc_history_read() reads with these arguments; WAKE(CTX) is called when it is done.
 * NULL: out of memory. Any thread, as for the functions below.
 */
struct mrc_reading *mrc_reader_ask(struct mrc_reader *reader, const struct mrc_history *history,
                                   const struct mrc_place *place, size_t max_bytes,
                                   mrc_reader_wake_fn *wake, void *ctx);

bool mrc_reading_is_done(const struct mrc_reading *reading);

/* Takes the SLICE of a reading that is done, which the caller frees, and frees the reading. Returns
 * the status of mrc_history_read(). */
apr_status_t mrc_reading_take(struct mrc_reading *reading, struct mrc_history_slice *slice);

/* Gives a reading up, done or not. Accepts NULL. */
void mrc_reading_abandon(struct mrc_reading *reading);

/* The number of bytes that are read and not taken. */
size_t mrc_reader_held_bytes(const struct mrc_reader *reader);

#endif
