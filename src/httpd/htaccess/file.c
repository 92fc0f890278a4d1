#include "httpd/htaccess/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "store/base/status.h"

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int64_t to_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static struct mrc_file_stamp stamp_of(const struct stat *st)
{
    return (struct mrc_file_stamp){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = st->st_size,
        .modified_ns = to_ns(&st->st_mtim),
        .changed_ns = to_ns(&st->st_ctim),
    };
}

struct mrc_file_stamp mrc_htaccess_file_look(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? stamp_of(&st) : (struct mrc_file_stamp){0};
}

struct mrc_file_stamp mrc_htaccess_file_look_through(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? stamp_of(&st) : (struct mrc_file_stamp){0};
}

/* openat2() also fails with EAGAIN, while directories are renamed. */
bool mrc_htaccess_file_is_passing(apr_status_t status)
{
    return status == EMFILE || status == ENFILE || status == ENOMEM || status == EAGAIN ||
           status == EINTR;
}

static apr_status_t fail(struct mrc_error *error, apr_status_t status)
{
    char reason[120];

    return mrc_status_set(error, status, "%s",
                          status == ELOOP   ? "a symbolic link leads to it"
                          : status == EXDEV ? "it is on another file system"
                                            : apr_strerror(status, reason, sizeof(reason)));
}

static apr_status_t read_all(int fd, struct mrc_buf *buf, struct mrc_error *error)
{
    char block[16384];

    for (;;) {
        ssize_t got = read(fd, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(error, errno);
        if (got == 0)
            return APR_SUCCESS;
        mrc_buf_add(buf, block, (size_t)got);
        if (mrc_buf_error(buf) == MRC_ENOMEM)
            return fail(error, APR_ENOMEM);
        if (mrc_buf_error(buf))
            return mrc_status_set(error, APR_EGENERAL, "it is too long");
    }
}

/* Reads the open file FD completely, and closes it. */
static apr_status_t read_open(int fd, struct mrc_buf *buf, struct mrc_error *error,
                              struct mrc_htaccess_found *ret_found)
{
    apr_status_t status;
    struct stat st;

    if (fstat(fd, &st) != 0)
        status = fail(error, errno);
    else if (!S_ISREG(st.st_mode))
        status = mrc_status_set(error, APR_EINVAL, "it is not a regular file");
    else
        status = read_all(fd, buf, error);
    close(fd);
    if (!status)
        *ret_found = (struct mrc_htaccess_found){.stamp = stamp_of(&st), .owner = st.st_uid};
    return status;
}

/* ---- an .htaccess file ------------------------------------------------------------------------*/

/* Whether openat2() failed because the system does not have it. Sandboxes refuse system calls that
 * they do not know with EPERM. */
static bool lacks_openat2(void)
{
    return errno == ENOSYS || errno == EPERM;
}

/* Finds what PATH leads to, without opening it for reading. The links of /proc do not count. */
static int find_target(const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

    return fd < 0 && lacks_openat2() ? open(path, O_PATH | O_CLOEXEC) : fd;
}

/* Opens for reading what find_target() has found. It is a regular file, so that has no effect. */
static int open_target(int target)
{
    char name[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

    apr_snprintf(name, sizeof(name), "/proc/self/fd/%d", target);
    return open(name, OPEN_FLAGS & ~O_NOFOLLOW);
}

/* Checks TARGET, to which LINK leads. APR_SUCCESS, or ERROR says why it is not read. */
static apr_status_t check_target(const struct stat *link, int target, struct mrc_error *error)
{
    struct stat st;

    if (fstat(target, &st) != 0)
        return fail(error, errno);
    if (!S_ISREG(st.st_mode))
        return mrc_status_set(error, APR_EINVAL, "it is not a regular file");
    if (st.st_uid != link->st_uid)
        return mrc_status_set(error, APR_EACCES, "it is a symbolic link to a file of another user");
    return APR_SUCCESS;
}

/*
 * The same for PATH that is a symbolic link. Its owner must own the file, too, as with
 * SymLinksIfOwnerMatch: a customer could otherwise learn from the log what is in the files of
 * others.
 */
static apr_status_t read_through_link(const char *path, struct mrc_buf *buf,
                                      struct mrc_error *error, struct mrc_htaccess_found *ret_found)
{
    struct stat link;
    int target = lstat(path, &link) == 0 ? find_target(path) : -1, fd;
    apr_status_t status;

    if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
        return APR_ENOENT;
    if (target < 0)
        return errno == ELOOP
                   ? mrc_status_set(error, ELOOP, "its symbolic links cannot be followed")
                   : fail(error, errno);
    status = check_target(&link, target, error);
    if (status) {
        close(target);
        return status;
    }
    fd = open_target(target);
    status = errno;
    close(target);
    if (fd >= 0)
        return read_open(fd, buf, error, ret_found);
    return status == ENOENT ? mrc_status_set(error, ENOTSUP,
                                             "it is a symbolic link, which the hub can follow only "
                                             "where /proc is mounted")
                            : fail(error, status);
}

apr_status_t mrc_htaccess_file_read(const char *path, struct mrc_buf *buf, struct mrc_error *error,
                                    struct mrc_htaccess_found *ret_found)
{
    int fd = open(path, OPEN_FLAGS);

    if (fd >= 0)
        return read_open(fd, buf, error, ret_found);
    if (errno == ENOENT || errno == ENOTDIR)
        return APR_ENOENT;
    return errno == ELOOP ? read_through_link(path, buf, error, ret_found) : fail(error, errno);
}

/* ---- what httpd's parser gets -----------------------------------------------------------------*/

enum tag { TAG_NONE, TAG_OPENS, TAG_CLOSES };

/*
 * Whether a section begins or ends in LINE. Where this differs from httpd, sections seem deeper
 * than they are: httpd may take a line that opens one for a part of the line before it. Nothing
 * else may stand for a closing tag, and httpd removes quotes.
 */
static enum tag find_tag(struct mrc_bytes line, bool continues)
{
    size_t at = 0;
    bool has_quote;

    while (at < line.len && apr_isspace(line.ptr[at]))
        at++;
    has_quote = at < line.len && (line.ptr[at] == '"' || line.ptr[at] == '\'');
    at += has_quote;
    if (at == line.len || line.ptr[at] != '<')
        return TAG_NONE;
    if (at + 1 == line.len || line.ptr[at + 1] != '/')
        return TAG_OPENS;
    return has_quote || continues ? TAG_NONE : TAG_CLOSES;
}

/* Whether the next line may be a part of LINE. */
static bool is_continued(struct mrc_bytes line)
{
    while (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line.len > 0 && line.ptr[line.len - 1] == '\\';
}

bool mrc_htaccess_file_check(struct mrc_bytes content, unsigned *ret_line, struct mrc_error *error)
{
    unsigned depth = 0;
    bool continues = false;

    for (unsigned number = 1; content.len > 0; number++) {
        const char *end = memchr(content.ptr, '\n', content.len);
        struct mrc_bytes line = {content.ptr, end ? (size_t)(end - content.ptr) : content.len};
        enum tag tag = find_tag(line, continues);

        depth += tag == TAG_OPENS;
        depth -= tag == TAG_CLOSES && depth > 0;
        *ret_line = number;
        if (memchr(line.ptr, '\0', line.len)) {
            mrc_error_set(error, MRC_EINVAL, "the line has a NUL byte");
            return false;
        }
        if (depth > MRC_HTACCESS_FILE_DEPTH_MAX) {
            mrc_error_set(error, MRC_EINVAL, "sections are nested more than %d deep",
                          MRC_HTACCESS_FILE_DEPTH_MAX);
            return false;
        }
        continues = is_continued(line);
        content.ptr += line.len + (end ? 1 : 0);
        content.len -= line.len + (end ? 1 : 0);
    }
    return true;
}

/* ---- a file below a directory -----------------------------------------------------------------*/

/* The part of NAME below DIR. NULL: it has none, or it has `.`, `..` or an empty segment. */
static const char *relative(const char *dir, const char *name)
{
    size_t len = strlen(dir);

    while (len > 0 && dir[len - 1] == '/')
        len--;
    if (name[0] == '/') {
        if (strncmp(name, dir, len) != 0 || name[len] != '/')
            return NULL;
        name += len + 1;
    }
    for (const char *segment = name; segment;) {
        const char *slash = strchr(segment, '/');
        size_t bytes = slash ? (size_t)(slash - segment) : strlen(segment);

        if (bytes == 0 || (bytes == 1 && segment[0] == '.') ||
            (bytes == 2 && segment[0] == '.' && segment[1] == '.'))
            return NULL;
        segment = slash ? slash + 1 : NULL;
    }
    return name;
}

/* Opens NAME below the directory AT segment by segment, on a system without openat2(). */
static int open_by_segment(int at, const char *name)
{
    int dir = fcntl(at, F_DUPFD_CLOEXEC, 0), fd;
    char segment[256];
    struct stat top, st;

    if (dir < 0 || fstat(at, &top) != 0)
        return dir;
    for (;;) {
        const char *slash = strchr(name, '/');
        size_t len = slash ? (size_t)(slash - name) : strlen(name);

        if (len >= sizeof(segment)) {
            close(dir);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(segment, name, len);
        segment[len] = '\0';
        fd = openat(dir, segment,
                    slash ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : OPEN_FLAGS);
        close(dir);
        if (fd < 0 || !slash)
            return fd;
        if (fstat(fd, &st) != 0 || st.st_dev != top.st_dev) {
            close(fd);
            errno = EXDEV;
            return -1;
        }
        dir = fd;
        name = slash + 1;
    }
}

static int open_below(int at, const char *name)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));

    if (fd < 0 && lacks_openat2())
        fd = open_by_segment(at, name);
    return fd;
}

apr_status_t mrc_htaccess_file_read_below(apr_pool_t *pool, const char *dir, const char *name,
                                          uid_t owner, struct mrc_buf *buf, struct mrc_error *error,
                                          const char **ret_path, struct mrc_file_stamp *ret_stamp)
{
    const char *below = relative(dir, name);
    struct mrc_htaccess_found found;
    apr_status_t status;
    int at, fd;

    *ret_path = below ? apr_pstrcat(pool, dir, "/", below, NULL) : NULL;
    if (below) /* before the file is read: it may change meanwhile */
        *ret_stamp = mrc_htaccess_file_look(*ret_path);
    if (!below)
        return mrc_status_set(error, APR_EINVAL, "it is not below the directory %.150s", dir);
    at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return fail(error, errno);
    fd = open_below(at, below);
    status = errno;
    close(at);
    if (fd < 0)
        return fail(error, status);
    status = read_open(fd, buf, error, &found);
    if (!status && found.owner != owner)
        status = mrc_status_set(error, APR_EACCES,
                                "it does not belong to the owner of the .htaccess file");
    return status;
}
