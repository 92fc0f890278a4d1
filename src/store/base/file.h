/*
 * Small files that somebody else may replace while they are read.
 */
#ifndef MRC_STORE_BASE_FILE_H
#define MRC_STORE_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "core/base/buf.h"

/* Which file a path leads to, and in which state: two that are equal are the same content, unless
 * it was written twice within one tick of the file system's clock. */
struct mrc_file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t modified_ns, changed_ns;
};

bool mrc_file_stamp_eq(const struct mrc_file_stamp *a, const struct mrc_file_stamp *b);

/* The stamp of PATH, links followed. An error of the operating system. */
apr_status_t mrc_file_look(const char *path, struct mrc_file_stamp *ret_stamp);

/*
 * Appends the whole of PATH, a regular file, to BUF. An error of the operating system; APR_EINVAL
 * if it is no regular file, APR_ENOMEM and APR_EGENERAL (longer than BUF may be) if BUF has failed.
 */
apr_status_t mrc_file_read(const char *path, struct mrc_buf *buf);

#endif
