/*
 * Random bytes for ids. They come from the kernel, enough for many ids at a time, because one
 * request to the kernel costs more than one id.
 *
 * Any thread may take bytes. No thread waits for another one, although a mutex guards the bytes:
 * prefork ends a child within a signal handler, which may have interrupted the owner of the mutex.
 * Bytes that were handed out are erased at once. Create one in each child that needs it: two
 * children that shared one through fork() would hand out the same bytes.
 */
#ifndef MRC_HUB_BASE_ENTROPY_H
#define MRC_HUB_BASE_ENTROPY_H

#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_entropy;

/* The most bytes of one call. */
#define MRC_ENTROPY_MAX_BYTES ((size_t)64)

/* Lives in POOL, which erases it. Takes nothing from the kernel yet. */
struct mrc_entropy *mrc_entropy_create(apr_pool_t *pool);

/* Fills the LEN bytes at OUT. Errors are those of apr_generate_random_bytes(). */
apr_status_t mrc_entropy_get(struct mrc_entropy *entropy, void *out, size_t len);

#endif
