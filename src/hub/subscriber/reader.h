/*
 * The reader: a thread of a child that reads histories from the disk, so that a dispatcher does not
 * wait for the disk.
 *
 * A dispatcher asks for records and gets a struct mrc_reading. When it is woken, it checks whether
 * the reading is done, and takes the records. It may give the reading up at any time.
 *
 * The bytes that are read and not taken are bounded, because many streams may need different
 * records at the same moment. Above the bound the thread reads no more until a reading is taken or
 * given up; it serves readings in the order of the requests. So a dispatcher that is woken must
 * take or give up its readings soon, whatever the client of the stream does.
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

/* The next reading begins only while fewer bytes than this are read and not taken. It may be of any
 * size. */
#define MRC_READER_BYTES_MAX ((size_t)2 << 20)

/* Starts the thread. The struct lives in POOL. */
apr_status_t mrc_reader_start(apr_pool_t *pool, struct mrc_reader **ret_reader);

/*
 * Ends the thread, which then calls no WAKE any more, and waits for it. Readings that are left can
 * still be given up. False: the thread has not ended within some seconds, and the process must end
 * without waiting for it. Accepts NULL.
 */
bool mrc_reader_stop(struct mrc_reader *reader);

/*
 * Asks for a mrc_history_read() with these arguments; WAKE(CTX) is called when it is done. NULL:
 * out of memory. Any thread may call this and the functions below.
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
