#include "store/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t to_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

bool mrc_file_stamp_eq(const struct mrc_file_stamp *a, const struct mrc_file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

apr_status_t mrc_file_look(const char *path, struct mrc_file_stamp *ret_stamp)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno;
    *ret_stamp = (struct mrc_file_stamp){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size = st.st_size,
        .modified_ns = to_ns(&st.st_mtim),
        .changed_ns = to_ns(&st.st_ctim),
    };
    return APR_SUCCESS;
}

static apr_status_t read_all(int fd, struct mrc_buf *buf)
{
    char block[4096];

    for (;;) {
        ssize_t got = read(fd, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return APR_SUCCESS;
        mrc_buf_add(buf, block, (size_t)got);
        if (mrc_buf_error(buf))
            return mrc_buf_error(buf) == MRC_ENOMEM ? APR_ENOMEM : APR_EGENERAL;
    }
}

apr_status_t mrc_file_read(const char *path, struct mrc_buf *buf)
{
    apr_status_t status;
    struct stat st;
    int fd;

    /* Opening a pipe or a device may have an effect, so PATH is checked before. */
    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return APR_EINVAL;
    /* It may have been replaced meanwhile: opening a pipe must not block. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0)
        status = errno;
    else if (!S_ISREG(st.st_mode))
        status = APR_EINVAL;
    else
        status = read_all(fd, buf);
    close(fd);
    return status;
}
