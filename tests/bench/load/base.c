#include "base.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void base_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

uint64_t base_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void *base_alloc(size_t count, size_t size)
{
    void *made = calloc(count ? count : 1, size);

    if (!made)
        base_die("out of memory");
    return made;
}

void *base_resize(void *old, size_t bytes)
{
    void *made = realloc(old, bytes);

    if (!made)
        base_die("out of memory");
    return made;
}

size_t base_read(const char *path, char *ret_text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, ret_text, bytes - 1);

    if (fd >= 0)
        close(fd);
    if (len < 0)
        len = 0;
    ret_text[len] = '\0';
    return (size_t)len;
}

void base_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}
