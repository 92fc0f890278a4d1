/*
 * Files that belong to the customer of a site, who may try to do harm with them: links to files of
 * others, pipes and devices, endless files, mounts that hang.
 *
 * A file must be regular, and is read up to a limit. The only symbolic link that counts is an
 * .htaccess file that leads to a file of its own owner. Any thread.
 */
#ifndef MRC_HTTPD_HTACCESS_FILE_H
#define MRC_HTTPD_HTACCESS_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/buf.h"
#include "core/base/err.h"
#include "store/base/file.h"

/* The longest .htaccess file. */
#define MRC_HTACCESS_FILE_MAX_BYTES ((size_t)1024 * 1024)

/* The longest key file of a site. */
#define MRC_HTACCESS_FILE_KEY_MAX_BYTES ((size_t)64 * 1024)

/* Sections in sections. */
#define MRC_HTACCESS_FILE_DEPTH_MAX 32

/* What is known of a file that was read. */
struct mrc_htaccess_found {
    struct mrc_file_stamp stamp;
    uid_t owner;
};

/* Whether a file that was not read because of STATUS may be readable in a moment, although it does
 * not change: this process lacks memory or descriptors. */
bool mrc_htaccess_file_is_passing(apr_status_t status);

/*
 * The stamp of PATH itself, even if it is a link. Every field is 0 if PATH does not exist or cannot
 * be examined.
 */
struct mrc_file_stamp mrc_htaccess_file_look(const char *path);

/* The same, but of the file to which PATH leads if it is a link. */
struct mrc_file_stamp mrc_htaccess_file_look_through(const char *path);

/*
 * Appends the content of the .htaccess file PATH to BUF. A symbolic link must lead to a file of its
 * own owner. APR_ENOENT: there is no such file, or a link leads to none. Another error: it exists,
 * and ERROR says why it is not read.
 */
apr_status_t mrc_htaccess_file_read(const char *path, struct mrc_buf *buf, struct mrc_error *error,
                                    struct mrc_htaccess_found *ret_found);

/*
 * Appends the content of the file NAME (a path below DIR, or absolute) to BUF. It must be below
 * DIR, be reached without a symbolic link or a mount, and belong to OWNER. RET_PATH gets its path
 * in POOL, and RET_STAMP its stamp from before it was read, even on failure; NULL: NAME is not a
 * path below DIR, and has no stamp. ERROR says why it is not read.
 */
apr_status_t mrc_htaccess_file_read_below(apr_pool_t *pool, const char *dir, const char *name,
                                          uid_t owner, struct mrc_buf *buf, struct mrc_error *error,
                                          const char **ret_path, struct mrc_file_stamp *ret_stamp);

/*
 * Whether httpd may parse CONTENT: it has no NUL byte, which would end a line early, and its
 * sections are at most MRC_HTACCESS_FILE_DEPTH_MAX deep. httpd's parser calls itself for sections
 * in sections: a file of 1 MB would overflow the stack of its thread. Otherwise RET_LINE is the
 * number of the line, and ERROR says what is wrong.
 */
bool mrc_htaccess_file_check(struct mrc_bytes content, unsigned *ret_line, struct mrc_error *error);

#endif
