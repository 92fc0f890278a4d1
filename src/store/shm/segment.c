#include "store/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "store/base/status.h"

/* ---- Allocating -------------------------------------------------------------------------------*/

/* For a file system that cannot allocate in advance. Returns 0 or an errno. */
static int write_zeros(int fd, uint64_t size)
{
    static const char zeros[65536];
    uint64_t done = 0;

    while (done < size) {
        size_t want = size - done < sizeof(zeros) ? (size_t)(size - done) : sizeof(zeros);
        ssize_t put = pwrite(fd, zeros, want, (off_t)done);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : ENOSPC;
        done += (uint64_t)put;
    }
    return 0;
}

/* Whether the file system of FD has room for SIZE bytes; true if it cannot tell. */
static bool has_room(int fd, uint64_t size)
{
    uint64_t reserve = size < MRC_SEGMENT_RESERVE_BYTES ? 0 : MRC_SEGMENT_RESERVE_BYTES;
    struct statvfs fs;

    if (fstatvfs(fd, &fs) != 0 || fs.f_blocks == 0)
        return true;
    return size + reserve <= (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Whether a file may have SIZE bytes: a write or a change of size beyond the limit on file sizes
 * raises a signal that ends the process. */
static bool is_possible(uint64_t size)
{
    struct rlimit limit;

    return size <= INT64_MAX && (getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
                                 limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur);
}

/* Allocates SIZE bytes on the file system. Returns 0 or an errno. */
static int allocate(int fd, uint64_t size)
{
    int err;

    if (!is_possible(size))
        return EFBIG;
    if (!has_room(fd, size))
        return ENOSPC;
    do {
        err = posix_fallocate(fd, 0, (off_t)size);
    } while (err == EINTR);
    if (err == EOPNOTSUPP || err == EINVAL)
        err = write_zeros(fd, size);
    return err;
}

/* Makes FD a file of SIZE bytes without space on the file system. Returns 0 or an errno. */
static int make_sparse(int fd, uint64_t size)
{
    if (!is_possible(size))
        return EFBIG;
    return ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
}

static const char *advice(int err)
{
    switch (err) {
    case ENOSPC:
        return ": the file system is full, make room or ask for less";
    case EDQUOT:
        return ": the quota is used up";
    case EFBIG:
        return ": it is more than the limit on file sizes (ulimit -f)";
    default:
        return "";
    }
}

/* ---- Segments ---------------------------------------------------------------------------------*/

int mrc_segment_fd(const struct mrc_segment *segment)
{
    apr_os_file_t fd = -1;

    if (segment->file)
        apr_os_file_get(&fd, segment->file);
    return fd;
}

/* Maps SIZE bytes of SEGMENT's file. */
static apr_status_t map_file(apr_pool_t *pool, uint64_t size, apr_int32_t flags,
                             struct mrc_segment *segment)
{
    apr_status_t status =
        apr_mmap_create(&segment->map, segment->file, 0, (apr_size_t)size, flags, pool);

    if (!status)
        status = apr_mmap_offset(&segment->base, segment->map, 0);
    segment->size = size;
    return status;
}

/* Says in ERROR why there is no room for SIZE bytes in DIR. */
static apr_status_t refuse(apr_status_t status, const char *dir, uint64_t size,
                           struct mrc_error *error)
{
    char reason[120];

    return mrc_status_set(error, status,
                          "no room for %" PRIu64 " bytes of shared memory in %.80s (%s)%s", size,
                          dir, apr_strerror(status, reason, sizeof(reason)), advice(status));
}

/* MAKE gives the file its size. */
static apr_status_t create(apr_pool_t *pool, const char *dir, const char *name, uint64_t size,
                           int (*make)(int fd, uint64_t size), struct mrc_error *error,
                           struct mrc_segment *ret_segment)
{
    const apr_int32_t flags =
        APR_FOPEN_READ | APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_EXCL | APR_FOPEN_BINARY;
    struct mrc_segment segment = {.base = NULL};
    char reason[120];
    apr_status_t status = apr_file_open(&segment.file, apr_psprintf(pool, "%s/%s", dir, name),
                                        flags, APR_FPROT_UREAD | APR_FPROT_UWRITE, pool);

    if (status)
        return mrc_status_set(error, status, "cannot create %.60s in %.100s: %s", name, dir,
                              apr_strerror(status, reason, sizeof(reason)));
    status = make(mrc_segment_fd(&segment), size);
    if (status) {
        refuse(status, dir, size, error);
        goto leave;
    }
    status = map_file(pool, size, APR_MMAP_READ | APR_MMAP_WRITE, &segment);
    if (status) {
        mrc_status_set(error, status, "cannot map %" PRIu64 " bytes of %.60s in %.80s: %s", size,
                       name, dir, apr_strerror(status, reason, sizeof(reason)));
        goto leave;
    }
    *ret_segment = segment;
    return APR_SUCCESS;

leave:
    mrc_segment_remove(dir, name);
    apr_file_close(segment.file);
    return status;
}

apr_status_t mrc_segment_create(apr_pool_t *pool, const char *dir, const char *name, uint64_t size,
                                struct mrc_error *error, struct mrc_segment *ret_segment)
{
    return create(pool, dir, name, size, allocate, error, ret_segment);
}

apr_status_t mrc_segment_create_sparse(apr_pool_t *pool, const char *dir, const char *name,
                                       uint64_t size, struct mrc_error *error,
                                       struct mrc_segment *ret_segment)
{
    return create(pool, dir, name, size, make_sparse, error, ret_segment);
}

apr_status_t mrc_segment_allocate(const struct mrc_segment *segment, uint64_t bytes,
                                  const char *dir, struct mrc_error *error)
{
    apr_status_t status = allocate(mrc_segment_fd(segment), bytes);

    return status ? refuse(status, dir, bytes, error) : APR_SUCCESS;
}

void mrc_segment_remove(const char *dir, const char *name)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", dir, name);

    if (len > 0 && (size_t)len < sizeof(path))
        unlink(path);
}

apr_status_t mrc_segment_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                              struct mrc_segment *ret_segment)
{
    struct mrc_segment segment = {.base = NULL};
    char reason[120];
    apr_finfo_t info;
    apr_status_t status;

    /* Opening a pipe must not block. */
    status = apr_file_open(&segment.file, path, APR_FOPEN_READ | APR_FOPEN_NONBLOCK,
                           APR_FPROT_OS_DEFAULT, pool);
    if (!status)
        status = apr_file_info_get(&info, APR_FINFO_TYPE | APR_FINFO_SIZE, segment.file);
    if (status) {
        mrc_status_set(error, status, "cannot open %.120s: %s", path,
                       apr_strerror(status, reason, sizeof(reason)));
        goto leave;
    }
    if (info.filetype != APR_REG || info.size <= 0) {
        status = APR_EINVAL;
        mrc_status_set(error, status, "%.150s is not a segment: %s", path,
                       info.filetype == APR_REG ? "it is empty" : "it is not a regular file");
        goto leave;
    }
    status = map_file(pool, (uint64_t)info.size, APR_MMAP_READ, &segment);
    if (status) {
        mrc_status_set(error, status, "cannot map %.120s: %s", path,
                       apr_strerror(status, reason, sizeof(reason)));
        goto leave;
    }
    *ret_segment = segment;
    return APR_SUCCESS;

leave:
    if (segment.file)
        apr_file_close(segment.file);
    return status;
}

void mrc_segment_close_fd(struct mrc_segment *segment)
{
    if (segment->file)
        apr_file_close(segment->file);
    segment->file = NULL;
}

void mrc_segment_close(struct mrc_segment *segment)
{
    if (!segment || !segment->base)
        return;
    if (segment->map)
        apr_mmap_delete(segment->map);
    mrc_segment_close_fd(segment);
    *segment = (struct mrc_segment){.base = NULL};
}
