/*
 * Preloaded into a server, writes each second to the file SOAK_HEAP how much memory each of its
 * processes has allocated and not freed. Freed memory that the C library keeps does not count.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NOTES 64

struct note {
    _Atomic int64_t pid; /* 0: free */
    _Atomic int64_t bytes;
};

static struct note *notes;
static _Atomic int64_t next_s;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SOAK_HEAP");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd >= 0
                    ? mmap(NULL, NOTES * sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                    : MAP_FAILED;

    if (map != MAP_FAILED)
        notes = map;
    if (fd >= 0)
        close(fd);
}

static void note(void)
{
    const struct mallinfo2 info = mallinfo2();
    const int64_t pid = getpid();

    for (int i = 0; i < NOTES; i++) {
        int64_t other = 0;

        if (!atomic_compare_exchange_strong(&notes[i].pid, &other, pid) && other != pid)
            continue;
        atomic_store(&notes[i].bytes, (int64_t)(info.uordblks + info.hblkhd));
        return;
    }
}

/* Threads that wait for events call this all the time, and hold no lock. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
    static int (*real)(int, struct epoll_event *, int, int);
    struct timespec now;
    int64_t due_s = atomic_load(&next_s);
    int result, err;

    if (!real)
        real = dlsym(RTLD_NEXT, "epoll_wait");
    result = real(fd, events, max, timeout_ms);
    err = errno;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (notes && now.tv_sec >= due_s &&
        atomic_compare_exchange_strong(&next_s, &due_s, now.tv_sec + 1))
        note();
    errno = err;
    return result;
}
