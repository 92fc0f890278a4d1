/*
 * A piece of shared memory with a file behind it, on apr_file_open() and apr_mmap_create().
 *
 * The file makes the memory visible to tools, even after a crash. Processes share the mapping by
 * inheriting it over fork(). The space of the file is allocated when it is created, or page by page
 * (base/sparse.h): a full file system is an error then, and never a SIGBUS at a later write.
 *
 * apr_shm is not used: on Debian it puts a named segment into /dev/shm, whatever the runtime
 * directory is, and allocates nothing in advance, and it gives no descriptor to do so
 * (apr_os_shm_get() is not implemented).
 */
#ifndef MRC_STORE_SHM_SEGMENT_H
#define MRC_STORE_SHM_SEGMENT_H

#include <stdint.h>

#include "apr_errno.h"
#include "apr_file_io.h"
#include "apr_mmap.h"
#include "apr_pools.h"
#include "core/base/err.h"

/* The struct may be copied. It refers to nothing in the module, so it may be kept over a reload;
 * its cleanups are those of APR. */
struct mrc_segment {
    void *base;       /* page-aligned; NULL: closed */
    uint64_t size;    /* bytes, as the caller asked for */
    apr_mmap_t *map;  /* NULL: a part of another mapping */
    apr_file_t *file; /* NULL: its descriptor was closed */
};

/*
 * The room that a segment of at least this size leaves to others in its file system: httpd ends
 * when it has no room there for its own small files, such as its pid file.
 */
#define MRC_SEGMENT_RESERVE_BYTES ((uint64_t)1 << 20)

/*
 * Creates the file NAME (without a slash) in the directory DIR, with mode 0600, and maps SIZE
 * zeroed bytes of it for reading and writing. APR_EEXIST if there is such a file or link. On
 * failure nothing is left behind, and ERROR names the file, the size and the reason. The file stays
 * when the segment is closed, or when POOL is destroyed.
 */
apr_status_t mrc_segment_create(apr_pool_t *pool, const char *dir, const char *name, uint64_t size,
                                struct mrc_error *error, struct mrc_segment *ret_segment);

/*
 * The same, but allocates nothing: no byte may be touched before it is allocated (base/sparse.h).
 */
apr_status_t mrc_segment_create_sparse(apr_pool_t *pool, const char *dir, const char *name,
                                       uint64_t size, struct mrc_error *error,
                                       struct mrc_segment *ret_segment);

/* Allocates the first BYTES of a segment that was created in that way. ERROR as for
 * mrc_segment_create(). */
apr_status_t mrc_segment_allocate(const struct mrc_segment *segment, uint64_t bytes,
                                  const char *dir, struct mrc_error *error);

/* Removes the file NAME from DIR, even while it is mapped. A missing file is not an error. */
void mrc_segment_remove(const char *dir, const char *name);

/* Maps the whole file PATH read-only, for tools. Checks nothing of its content. */
apr_status_t mrc_segment_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                              struct mrc_segment *ret_segment);

/* The descriptor of the file, close-on-exec: for flock(), and to allocate or free parts of the
 * file. -1: closed. */
int mrc_segment_fd(const struct mrc_segment *segment);

/* Closes the descriptor and keeps the mapping; for a segment whose file no process locks. */
void mrc_segment_close_fd(struct mrc_segment *segment);

/* Unmaps and closes it, in this process only. Accepts NULL, a closed and a zeroed segment. */
void mrc_segment_close(struct mrc_segment *segment);

#endif
