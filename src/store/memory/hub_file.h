/*
 * A file with many hubs, each of which is made at its first use, by any process.
 *
 * A server may have thousands of sites, and most of their hubs are never used. They share one file
 * and one mapping, which are as large as all of them may become, and a hub takes memory only when
 * it is made. Children inherit the mapping, so a hub that one of them makes exists for all others,
 * including those of other generations.
 *
 * The parent creates and closes the file, in one thread. Any thread of any process makes and
 * attaches hubs.
 */
#ifndef MRC_STORE_MEMORY_HUB_FILE_H
#define MRC_STORE_MEMORY_HUB_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/base/lock.h"
#include "store/base/sparse.h"
#include "store/hub/segment.h"

struct mrc_hub_file;

/* What all files of a server share. */
struct mrc_hub_file_args {
    const char *dir;
    unsigned nslots;
    const struct mrc_sparse_budget *budget;
    union mrc_lock *making;
};

/* What a state means is in hub_file_layout.h. */
enum mrc_hub_file_state {
    MRC_HUB_FILE_EMPTY = 0,
    MRC_HUB_FILE_MAKING,
    MRC_HUB_FILE_MADE,
    MRC_HUB_FILE_GONE,
};

/* Whether a hub of SHAPE can be in such a file: it has no roster, no staging and no link, which
 * every child opens when it starts. */
bool mrc_hub_file_can_have(const struct mrc_hub_shape *shape);

/*
 * Creates the file NAME for the COUNT hubs of SHAPES, all of which it can have; everything lives in
 * POOL. ARGS outlives it. APR_ENOTIMPL: the kernel cannot allocate pages through a mapping.
 */
apr_status_t mrc_hub_file_create(apr_pool_t *pool, const char *name,
                                 const struct mrc_hub_file_args *args,
                                 const struct mrc_hub_shape *const *shapes, size_t count,
                                 struct mrc_error *error, struct mrc_hub_file **ret_file);

/* Unmaps it in this process; the file stays. Accepts NULL. */
void mrc_hub_file_close(struct mrc_hub_file *file);

enum mrc_hub_file_state mrc_hub_file_state(const struct mrc_hub_file *file, size_t i);

/*
 * Makes hub I, of SHAPE, unless another process has just done so, and attaches it; the struct lives
 * in POOL, which no other thread uses. ERROR says why there is none: MRC_STATUS_NO_ROOM,
 * APR_TIMEUP, or MRC_STATUS_SUPERSEDED after mrc_hub_file_give_up().
 */
apr_status_t mrc_hub_file_make(struct mrc_hub_file *file, size_t i, apr_pool_t *pool,
                               const struct mrc_hub_shape *shape, struct mrc_error *error,
                               struct mrc_hub_segment **ret_segment);

/* Attaches hub I, which was made with SHAPE. NULL: the shape is impossible. */
struct mrc_hub_segment *mrc_hub_file_attach(const struct mrc_hub_file *file, size_t i,
                                            apr_pool_t *pool, const struct mrc_hub_shape *shape);

/*
 * Prevents all processes from making or attaching hub I from now on. Returns whether it was made.
 * Only the parent; does not wait.
 */
bool mrc_hub_file_give_up(struct mrc_hub_file *file, size_t i);

/* The same, unless hub I is made. False: it is. */
bool mrc_hub_file_give_up_unmade(struct mrc_hub_file *file, size_t i);

/* Gives the pages of hub I, which no process uses any more, back to the file system. */
void mrc_hub_file_clear(struct mrc_hub_file *file, size_t i);

/* ---- Tools ------------------------------------------------------------------------------------*/

/* Opens the file PATH of another server read-only. MRC_STATUS_CORRUPT: it is another file. */
apr_status_t mrc_hub_file_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                               struct mrc_hub_file **ret_file);

size_t mrc_hub_file_count(const struct mrc_hub_file *file);

/* Opens hub I, which is made. MRC_STATUS_CORRUPT: it is broken. */
apr_status_t mrc_hub_file_open_hub(const struct mrc_hub_file *file, size_t i, apr_pool_t *pool,
                                   struct mrc_error *error, struct mrc_hub_segment **ret_segment);

#endif
