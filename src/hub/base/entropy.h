/*
 * Random bytes for ids: from the kernel, in pieces of many, since asking it costs more than an id.
 *
 * Any thread; a mutex guards it, which nobody waits for: prefork ends a child from within a signal
 * handler, which may have interrupted the one that has it. What was given is forgotten at once.
 * Made in the child that uses it: a fork would give the same bytes twice.
 */
#ifndef MRC_HUB_BASE_ENTROPY_H
#define MRC_HUB_BASE_ENTROPY_H

#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_entropy;

/* The most that is given at once. */
#define MRC_ENTROPY_MAX_BYTES ((size_t)64)

/* Lives in POOL, and is gone with it. Takes nothing from the kernel yet. */
struct mrc_entropy *mrc_entropy_create(apr_pool_t *pool);

/* Fills the LEN bytes at OUT; an error of apr_generate_random_bytes(). */
apr_status_t mrc_entropy_get(struct mrc_entropy *entropy, void *out, size_t len);

#endif
