/*
 * Shared by the tests of the store: a pool, a private directory, a ring without a file.
 */
#ifndef MRC_TESTS_STORE_UNIT_H
#define MRC_TESTS_STORE_UNIT_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_pools.h"
#include "store/ring/ring.h"
#include "unit.h"

/* A pool for the rest of the process. Each test has a process of its own. */
static inline apr_pool_t *store_pool(void)
{
    apr_pool_t *pool;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    return pool;
}

/* Zeroed memory that forked processes share. */
static inline void *store_shared(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(base, MAP_FAILED);
    return base;
}

/* A ring of CAPACITY bytes of data with few buckets, so that chains are long. */
static inline struct mrc_ring *store_ring(apr_pool_t *pool, uint64_t capacity,
                                          struct mrc_ring_bounds bounds)
{
    void *region = store_shared(mrc_ring_region_bytes(capacity));
    void *index = store_shared(mrc_ring_index_bytes(4));
    struct mrc_error error = {""};
    struct mrc_ring *ring;

    ck_assert_msg(mrc_ring_create(pool, region, capacity, index, 4, &bounds, &error, &ring) ==
                      APR_SUCCESS,
                  "%s", error.text);
    return ring;
}

/* An empty directory. The test removes its files there and then rmdir()s it. */
static inline const char *store_dir(void)
{
    static char path[] = "/tmp/mrc-store-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

#endif
