#include "store/shm/runtime_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/shm/segment.h"

#define PREFIX     "mercure-"
#define CONTROL    ".control"
#define HUB        ".hub-"
#define DIGITS_MAX 10 /* of a hub's number */

void mrc_runtime_dir_control_name(const char *key, char ret_name[MRC_RUNTIME_DIR_NAME_BYTES])
{
    snprintf(ret_name, MRC_RUNTIME_DIR_NAME_BYTES, PREFIX "%.*s" CONTROL, MRC_RUNTIME_DIR_KEY_BYTES,
             key);
}

void mrc_runtime_dir_hub_name(const char *key, unsigned number,
                              char ret_name[MRC_RUNTIME_DIR_NAME_BYTES])
{
    snprintf(ret_name, MRC_RUNTIME_DIR_NAME_BYTES, PREFIX "%.*s" HUB "%u",
             MRC_RUNTIME_DIR_KEY_BYTES, key, number);
}

/* The key of NAME, and the part after it; NULL if NAME is not the name of a server's file. */
static const char *parse_key(const char *name, char ret_key[MRC_RUNTIME_DIR_KEY_BYTES + 1])
{
    size_t prefix = strlen(PREFIX);

    if (strncmp(name, PREFIX, prefix) != 0 ||
        strspn(name + prefix, "0123456789abcdef") != MRC_RUNTIME_DIR_KEY_BYTES)
        return NULL;
    memcpy(ret_key, name + prefix, MRC_RUNTIME_DIR_KEY_BYTES);
    ret_key[MRC_RUNTIME_DIR_KEY_BYTES] = '\0';
    return name + prefix + MRC_RUNTIME_DIR_KEY_BYTES;
}

static bool is_control(const char *name, char ret_key[MRC_RUNTIME_DIR_KEY_BYTES + 1])
{
    const char *rest = parse_key(name, ret_key);

    return rest && strcmp(rest, CONTROL) == 0;
}

static bool is_hub(const char *name, char ret_key[MRC_RUNTIME_DIR_KEY_BYTES + 1])
{
    const char *rest = parse_key(name, ret_key);
    size_t digits;

    if (!rest || strncmp(rest, HUB, strlen(HUB)) != 0)
        return false;
    rest += strlen(HUB);
    digits = strspn(rest, "0123456789");
    return digits > 0 && digits <= DIGITS_MAX && rest[digits] == '\0';
}

/* Whether it is a regular file of this user that has only one name. */
static bool is_own(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

static void remove_own(int dir_fd, const char *name)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_own(&st))
        unlinkat(dir_fd, name, 0);
}

/*
 * Locks the control file NAME and returns its descriptor; -1: a process holds it, or is_own() is
 * false.
 */
static int lock_dead(int dir_fd, const char *name)
{
    struct stat st;
    int fd;

    /* Checked before it is opened too, because opening a device may have an effect. */
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !is_own(&st))
        return -1;
    fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !is_own(&st) || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/*
 * Removes hub files without a control file, which is always created before and removed after them.
 */
static void remove_orphans(DIR *dir)
{
    char key[MRC_RUNTIME_DIR_KEY_BYTES + 1];
    char control[MRC_RUNTIME_DIR_NAME_BYTES];
    struct dirent *entry;
    struct stat st;

    rewinddir(dir);
    while ((entry = readdir(dir))) {
        if (!is_hub(entry->d_name, key))
            continue;
        mrc_runtime_dir_control_name(key, control);
        if (fstatat(dirfd(dir), control, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
            remove_own(dirfd(dir), entry->d_name);
    }
}

void mrc_runtime_dir_sweep(const char *dir)
{
    char key[MRC_RUNTIME_DIR_KEY_BYTES + 1];
    struct dirent *entry;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd < 0 ? NULL : fdopendir(fd);

    if (!files) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(files))) {
        int control_fd;

        if (!is_control(entry->d_name, key))
            continue;
        control_fd = lock_dead(dirfd(files), entry->d_name);
        if (control_fd < 0)
            continue;
        remove_own(dirfd(files), entry->d_name);
        close(control_fd);
    }
    remove_orphans(files); /* also those of the servers above */
    closedir(files);
}

uint64_t mrc_runtime_dir_room(const char *dir)
{
    char key[MRC_RUNTIME_DIR_KEY_BYTES + 1];
    DIR *files = opendir(dir);
    struct dirent *entry;
    struct statvfs fs;
    struct stat st;
    uint64_t room;

    if (!files)
        return UINT64_MAX;
    if (fstatvfs(dirfd(files), &fs) != 0 || fs.f_blocks == 0) {
        closedir(files);
        return UINT64_MAX;
    }
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
    while ((entry = readdir(files))) {
        if ((is_hub(entry->d_name, key) || is_control(entry->d_name, key)) &&
            fstatat(dirfd(files), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            room += (uint64_t)st.st_blocks * 512;
    }
    closedir(files);
    return room > MRC_SEGMENT_RESERVE_BYTES ? room - MRC_SEGMENT_RESERVE_BYTES : 0;
}
