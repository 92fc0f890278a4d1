/*
 * Status codes of the store in addition to APR's own.
 *
 * They are in the range that APR leaves to its users. APR_SUCCESS, APR_EOF, APR_NOTFOUND,
 * APR_TIMEUP, APR_ENOMEM and the errors of the operating system keep their meaning.
 */
#ifndef MRC_STORE_BASE_STATUS_H
#define MRC_STORE_BASE_STATUS_H

#include "apr_errno.h"
#include "core/base/err.h"

/* The hub has moved to another segment or is gone: this process belongs to an old generation.
 * Nothing was stored; the publisher may try again (503 with Retry-After). */
#define MRC_STATUS_SUPERSEDED (APR_OS_START_USERERR + 7301)

/* The record is too large for this ring. Nothing was stored. */
#define MRC_STATUS_TOO_LARGE (APR_OS_START_USERERR + 7302)

/* The ring has overwritten the next record of this reader. */
#define MRC_STATUS_OVERRUN (APR_OS_START_USERERR + 7303)

/* The bytes contradict each other. The death of a writer never causes that. */
#define MRC_STATUS_CORRUPT (APR_OS_START_USERERR + 7304)

/* The engine of the hub cannot be reached, or accepts no updates now. Nothing was stored. */
#define MRC_STATUS_UNREACHABLE (APR_OS_START_USERERR + 7305)

/*
 * The engine has not confirmed in time that it has stored the update, which may be stored or not.
 */
#define MRC_STATUS_UNCONFIRMED (APR_OS_START_USERERR + 7306)

/* There is no room for more shared memory: the file system of the runtime directory is full, or the
 * hubs have taken all that MercureMemory allows. Nothing was stored. */
#define MRC_STATUS_NO_ROOM (APR_OS_START_USERERR + 7307)

/* The text of one of the codes above, a constant; NULL for any other status. */
const char *mrc_status_text(apr_status_t status);

/* Writes the reason into ERROR, which may be NULL, and returns STATUS. */
apr_status_t mrc_status_set(struct mrc_error *error, apr_status_t status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
