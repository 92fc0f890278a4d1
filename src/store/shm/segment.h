/*
 * A piece of shared memory that has a file behind it.
 *
 * The file makes it visible to tools, also after a crash; the mapping is what processes share, by
 * inheritance over fork(). The room is allocated for real when the file is made: a file system
 * that is full is an error then, and never a SIGBUS at the first write.
 */
#ifndef MRC_STORE_SHM_SEGMENT_H
#define MRC_STORE_SHM_SEGMENT_H

#include <stdint.h>

#include "apr_errno.h"
#include "core/base/err.h"

/* Plain values: the struct may be copied, and kept over a reload of the module. */
struct mrc_segment {
    void *base;    /* page-aligned; NULL: closed */
    uint64_t size; /* bytes, as the caller asked */
    int fd;        /* the file, close-on-exec; -1: closed */
};

/*
 * Makes the file NAME (no slash) in the directory DIR, mode 0600, and maps SIZE zeroed bytes of it
 * for reading and writing. It must not exist (APR_EEXIST). On failure nothing is left behind, and
 * ERROR names the file, the size and the reason. The file stays when the segment is closed.
 */
apr_status_t mrc_segment_create(const char *dir, const char *name, uint64_t size,
                                struct mrc_error *error, struct mrc_segment *ret_segment);

/* Removes the file NAME from DIR, whoever has it mapped. A file that is not there is fine. */
void mrc_segment_remove(const char *dir, const char *name);

/* Maps the whole of the file PATH, read-only, for tools. Nothing about its content is checked. */
apr_status_t mrc_segment_open(const char *path, struct mrc_error *error,
                              struct mrc_segment *ret_segment);

/* Closes the descriptor and keeps the mapping; for a segment whose file nobody locks. */
void mrc_segment_close_fd(struct mrc_segment *segment);

/* Unmaps and closes, in this process only. Accepts NULL, a closed and a zeroed segment. */
void mrc_segment_close(struct mrc_segment *segment);

#endif
