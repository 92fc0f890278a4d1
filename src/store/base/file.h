/*
 * Small files that another process may replace while they are read.
 */
#ifndef MRC_STORE_BASE_FILE_H
#define MRC_STORE_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "core/base/buf.h"

/* The identity and state of a file. Equal stamps mean the same content, unless the file was written
 * twice within one tick of the file system's clock. */
struct mrc_file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t modified_ns, changed_ns;
};

bool mrc_file_stamp_eq(const struct mrc_file_stamp *a, const struct mrc_file_stamp *b);

/* The stamp of PATH; follows links. Errors of the operating system. */
apr_status_t mrc_file_look(const char *path, struct mrc_file_stamp *ret_stamp);

/*
 * Appends the content of the regular file PATH to BUF. Does not open anything else. Errors of the
 * operating system; APR_EINVAL: it is not a regular file; APR_ENOMEM; APR_EGENERAL: it is longer
 * than BUF may be.
 */
apr_status_t mrc_file_read(const char *path, struct mrc_buf *buf);

#endif
