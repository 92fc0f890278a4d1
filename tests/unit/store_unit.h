/*
 * Shared by the tests of the store: a pool, a private directory, a ring without a file.
 */
#ifndef MRC_TESTS_STORE_UNIT_H
#define MRC_TESTS_STORE_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    /* LeakSanitizer does not see what is only known in pools, whose memory APR maps. */
    ck_assert_int_eq(atexit(apr_terminate), 0);
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

/* Memory for segments, without a limit. */
static inline const struct mrc_sparse_budget *store_budget(void)
{
    static struct mrc_sparse_budget budget;

    if (!budget.taken) {
        _Atomic uint64_t *counters = (_Atomic uint64_t *)store_shared(2 * sizeof(*counters));

        budget = (struct mrc_sparse_budget){.taken = counters, .limit = counters + 1, .fd = -1};
    }
    return &budget;
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

#define STORE_DIR_TEMPLATE "/tmp/mrc-store-XXXXXX"

static struct {
    char paths[8][sizeof(STORE_DIR_TEMPLATE)];
    unsigned count;
    pid_t owner; /* the processes that it forks use the directories without removing them */
} store_dirs;

static inline void store_dirs_remove(void)
{
    char command[sizeof("rm -rf ") + sizeof(STORE_DIR_TEMPLATE)];

    for (unsigned i = 0; i < store_dirs.count && getpid() == store_dirs.owner; i++) {
        snprintf(command, sizeof(command), "rm -rf %s", store_dirs.paths[i]);
        if (system(command))
            fprintf(stderr, "failed: %s\n", command);
    }
}

/*
 * An empty directory. What the test leaves of it is removed when the test's process exits, even
 * after a failure. A test that checks that nothing is left rmdir()s it.
 */
static inline const char *store_dir(void)
{
    char *path = store_dirs.paths[store_dirs.count];

    ck_assert_uint_lt(store_dirs.count, sizeof(store_dirs.paths) / sizeof(*store_dirs.paths));
    ck_assert_int_eq(store_dirs.count ? 0 : atexit(store_dirs_remove), 0);
    memcpy(path, STORE_DIR_TEMPLATE, sizeof(STORE_DIR_TEMPLATE));
    ck_assert_ptr_nonnull(mkdtemp(path));
    store_dirs.owner = getpid();
    store_dirs.count++;
    return path;
}

#endif
