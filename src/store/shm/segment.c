#include "store/shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/status.h"

/* Where the file system cannot reserve room, writing zeros does. 0 or an errno. */
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

/*
 * Reserves SIZE bytes for real. 0 or an errno. The limit on file sizes is looked at first, since
 * passing it is a signal that kills and no error.
 */
static int reserve(int fd, uint64_t size)
{
    struct rlimit limit;
    int err;

    if (size > INT64_MAX)
        return EFBIG;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        size > limit.rlim_cur)
        return EFBIG;
    do {
        err = posix_fallocate(fd, 0, (off_t)size);
    } while (err == EINTR);
    if (err == EOPNOTSUPP || err == EINVAL)
        err = write_zeros(fd, size);
    return err;
}

static const char *advice(int err)
{
    switch (err) {
    case ENOSPC:
        return ": the file system is full, make room or ask for less";
    case EDQUOT:
        return ": the quota is used up";
    case EFBIG:
        return ": files may not be so large here (ulimit -f)";
    default:
        return "";
    }
}

apr_status_t mrc_segment_create(const char *dir, const char *name, uint64_t size,
                                struct mrc_error *error, struct mrc_segment *ret_segment)
{
    char reason[120];
    int dir_fd = -1;
    int fd = -1;
    void *base = MAP_FAILED;
    int err = 0;

    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        err = errno;
        return mrc_status_set(error, err, "cannot open the directory %.150s: %s", dir,
                              apr_strerror(err, reason, sizeof(reason)));
    }
    fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        err = errno;
        close(dir_fd);
        return mrc_status_set(error, err, "cannot create %.60s in %.100s: %s", name, dir,
                              apr_strerror(err, reason, sizeof(reason)));
    }
    err = reserve(fd, size);
    if (err) {
        mrc_status_set(error, err, "no room for %" PRIu64 " bytes of shared memory in %.80s (%s)%s",
                       size, dir, apr_strerror(err, reason, sizeof(reason)), advice(err));
        goto leave;
    }
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        err = errno;
        mrc_status_set(error, err, "cannot map %" PRIu64 " bytes of %.60s in %.80s: %s", size, name,
                       dir, apr_strerror(err, reason, sizeof(reason)));
        goto leave;
    }
    *ret_segment = (struct mrc_segment){.base = base, .size = size, .fd = fd};

leave:
    if (err) {
        unlinkat(dir_fd, name, 0);
        close(fd);
    }
    close(dir_fd);
    return err;
}

void mrc_segment_remove(const char *dir, const char *name)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0)
        return;
    unlinkat(dir_fd, name, 0);
    close(dir_fd);
}

apr_status_t mrc_segment_open(const char *path, struct mrc_error *error,
                              struct mrc_segment *ret_segment)
{
    char reason[120];
    struct stat st;
    void *base;
    int fd;
    int err;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        err = errno;
        mrc_status_set(error, err, "cannot open %.120s: %s", path,
                       apr_strerror(err, reason, sizeof(reason)));
        goto leave;
    }
    if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
        err = EINVAL;
        mrc_status_set(error, err, "%.150s is no segment: %s", path,
                       S_ISREG(st.st_mode) ? "it is empty" : "it is no regular file");
        goto leave;
    }
    base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        err = errno;
        mrc_status_set(error, err, "cannot map %.120s: %s", path,
                       apr_strerror(err, reason, sizeof(reason)));
        goto leave;
    }
    *ret_segment = (struct mrc_segment){.base = base, .size = (uint64_t)st.st_size, .fd = fd};
    return APR_SUCCESS;

leave:
    if (fd >= 0)
        close(fd);
    return err;
}

void mrc_segment_close_fd(struct mrc_segment *segment)
{
    if (segment->base && segment->fd >= 0)
        close(segment->fd);
    segment->fd = -1;
}

void mrc_segment_close(struct mrc_segment *segment)
{
    if (!segment || !segment->base)
        return;
    munmap(segment->base, segment->size);
    mrc_segment_close_fd(segment);
    *segment = (struct mrc_segment){.base = NULL, .size = 0, .fd = -1};
}
