/*
 * The large files that a process has open: histories on disk. Each takes several descriptors and
 * many addresses, and a server may have thousands of them, so at most MRC_OPENED_MAX are open at a
 * time: opening one more closes the least recently used one. Its owner opens it again for its next
 * transaction.
 *
 * Any thread.
 */
#ifndef MRC_STORE_BASE_OPENED_H
#define MRC_STORE_BASE_OPENED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"

#if SIZE_MAX > UINT32_MAX
#define MRC_OPENED_MAX 64
#else /* few addresses */
#define MRC_OPENED_MAX 8
#endif

struct mrc_opened;

/* One file, in the struct of its owner. */
struct mrc_opened_file {
    bool (*try_close)(void *owner); /* false: it is in use. Does not wait */
    void *owner;
    /* The rest belongs to opened.c. */
    struct mrc_opened_file *next;
    bool is_open;
    _Atomic uint64_t used;
};

/* The files of POOL, which share one limit. */
struct mrc_opened *mrc_opened_in(apr_pool_t *pool);

/* From now on, the files of POOL are among those of PARENT, which lasts longer. */
void mrc_opened_share(apr_pool_t *pool, apr_pool_t *parent);

/*
 * Notes that FILE was opened, and closes others beyond the limit. The caller may hold a lock of
 * FILE.
 */
void mrc_opened_enter(struct mrc_opened *opened, struct mrc_opened_file *file);

/*
 * Closes the least recently used of the other files, because FILE, which is not open, finds no
 * addresses. Returns false if none can be closed. The caller may hold a lock of FILE.
 */
bool mrc_opened_make_room(struct mrc_opened *opened, const struct mrc_opened_file *file);

/* Notes that FILE is being used. */
void mrc_opened_use(struct mrc_opened *opened, struct mrc_opened_file *file);

/* Notes that FILE is closed for good. */
void mrc_opened_leave(struct mrc_opened *opened, struct mrc_opened_file *file);

#endif
