/*
 * Memory of a segment that is allocated when it is needed.
 *
 * The file of the segment is sparse, and its mapping is as large as the segment may become.
 * mrc_sparse_take() allocates the pages that a caller is about to write, so a full file system is
 * an error of that call. Without it, the first write would end the process with SIGBUS. Reading a
 * page that is not allocated could do the same, so a reader asks mrc_sparse_have() first, unless it
 * knows that the bytes were written: then they are allocated until their owner, who alone knows
 * that nobody reads them any more, gives them back.
 *
 * Pages are allocated through the mapping (MADV_POPULATE_WRITE, Linux 5.14) and not through the
 * file: a descriptor of each hub in each child would be too many. Where the kernel cannot do that,
 * the segment is allocated as a whole when it is made, and has no struct mrc_sparse. NULL is
 * accepted everywhere, and stands for memory that is allocated.
 *
 * Any thread of any process that has inherited the mapping.
 */
#ifndef MRC_STORE_BASE_SPARSE_H
#define MRC_STORE_BASE_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "store/base/sparse_layout.h"

/*
 * The room that the pages leave to others in their file system: httpd ends when it has no room
 * there for its own small files, such as its pid file. In a small file system, it is the part
 * 1/MRC_SPARSE_RESERVE_PART of all room.
 */
#define MRC_SPARSE_RESERVE_BYTES ((uint64_t)1 << 20)
#define MRC_SPARSE_RESERVE_PART  16

/* What all segments of a server may take together. Outlives the segments. */
struct mrc_sparse_budget {
    _Atomic uint64_t *taken;       /* bytes; in memory that all processes share */
    const _Atomic uint64_t *limit; /* bytes; 0: no limit */
    int fd;                        /* a file in the same file system; -1: its room is unknown */
};

struct mrc_sparse;

/* The bytes of the layout and of the groups of a segment with TOTAL_BYTES. */
uint64_t mrc_sparse_bytes(uint64_t total_bytes);

/*
 * Begins a zeroed segment of TOTAL_BYTES at BASE, which nobody has touched. Its layout is at
 * OFFSET, and its groups are after it, at GROUPS_OFFSET. Allocates the first FIRST_BYTES of the
 * segment, at least to the end of the first group, in one step. APR_ENOTIMPL: the kernel cannot
 * allocate pages in this way. MRC_STATUS_NO_ROOM.
 */
apr_status_t mrc_sparse_create(apr_pool_t *pool, void *base, uint64_t total_bytes, uint64_t offset,
                               uint64_t groups_offset, uint64_t first_bytes,
                               const struct mrc_sparse_budget *budget,
                               struct mrc_sparse **ret_pages);

/* The segment that another process has begun in a mapping that this process has inherited. */
struct mrc_sparse *mrc_sparse_attach(apr_pool_t *pool, void *base, uint64_t total_bytes,
                                     uint64_t offset, uint64_t groups_offset,
                                     const struct mrc_sparse_budget *budget);

/* A view of a segment of another server, for tools. NULL: the layout is unsound. */
struct mrc_sparse *mrc_sparse_open(apr_pool_t *pool, const void *base, uint64_t total_bytes,
                                   uint64_t offset, uint64_t groups_offset, uint64_t groups_bytes);

/* Whether the kernel can allocate pages through the mapping of PAGE, which is allocated. */
bool mrc_sparse_is_possible(void *page);

/* Whether all of the BYTES at FROM are allocated. */
bool mrc_sparse_have(const struct mrc_sparse *pages, const void *from, uint64_t bytes);

/*
 * Allocates those of the BYTES at FROM that are not allocated yet; new ones are zeros.
 * MRC_STATUS_NO_ROOM: some are not allocated, because the file system is full or the budget is used
 * up.
 */
apr_status_t mrc_sparse_take(struct mrc_sparse *pages, const void *from, uint64_t bytes);

/*
 * Frees the whole pages among the BYTES at FROM. Nobody may read, write or take them meanwhile;
 * later they can be taken again, and are zeros. Returns the bytes that were freed; 0 if the file
 * system cannot free them.
 */
uint64_t mrc_sparse_give_back(struct mrc_sparse *pages, const void *from, uint64_t bytes);

/* The bytes that the segment has taken; 0 for NULL. */
uint64_t mrc_sparse_taken(const struct mrc_sparse *pages);

/* Removes the segment's bytes from the budget, when its file is removed. Accepts NULL. */
void mrc_sparse_release(struct mrc_sparse *pages);

#endif
