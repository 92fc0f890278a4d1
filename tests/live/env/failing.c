/*
 * Preloaded into a server: makes memory and descriptors fail. The file $FAILING has three numbers
 * of 4 bytes, of which the first and the third may be set at any time:
 *   - one call fails of this many; 0: none does
 *   - the number of calls that have failed
 *   - the number of the call that fails, once, counted from now on; 0: none does. It counts down.
 * Only calls of the module and of the libraries that it uses fail, because httpd ends a process for
 * which it has no memory. If $LATE is set, the module's threads do not end in time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

static struct switches {
    _Atomic uint32_t one_of, failed, left;
} none, *switches = &none;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAILING");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof(*switches), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map != MAP_FAILED)
        switches = map;
    if (fd >= 0)
        close(fd);
}

/* Whether CALLER is in the module or in one of its libraries. */
static bool is_concerned(void *caller)
{
    static const char *const names[] = {"mod_mercure", "libnghttp2", "liblmdb", "libjansson",
                                        "libpcre2"};
    Dl_info info;

    if (!dladdr(caller, &info) || !info.dli_fname)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strstr(info.dli_fname, names[i]))
            return true;
    }
    return false;
}

/* One of LIMIT calls. */
static bool is_chosen(uint32_t limit)
{
    static _Thread_local uint32_t state;

    if (!limit)
        return false;
    if (!state)
        state = (uint32_t)(uintptr_t)&state ^ (uint32_t)getpid() * 2654435761u;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit == 0;
}

/* Whether this is the call that fails once. */
static bool is_last(void)
{
    uint32_t left = atomic_load(&switches->left);

    while (left && !atomic_compare_exchange_weak(&switches->left, &left, left - 1))
        ;
    return left == 1;
}

static bool fails(void *caller)
{
    static _Thread_local bool is_inside;
    uint32_t limit = atomic_load_explicit(&switches->one_of, memory_order_relaxed);
    uint32_t left = atomic_load_explicit(&switches->left, memory_order_relaxed);
    bool result;

    if ((!limit && !left) || is_inside || (!left && !is_chosen(limit)))
        return false;
    is_inside = true; /* dladdr() may allocate */
    result = is_concerned(caller) && (!left || is_last());
    is_inside = false;
    if (result)
        atomic_fetch_add(&switches->failed, 1);
    return result;
}

#define FAILS() fails(__builtin_return_address(0))

void *malloc(size_t size)
{
    return FAILS() ? (errno = ENOMEM, NULL) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return FAILS() ? (errno = ENOMEM, NULL) : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return FAILS() ? (errno = ENOMEM, NULL) : __libc_realloc(block, size);
}

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

void *reallocarray(void *block, size_t count, size_t size)
{
    return FAILS() ? (errno = ENOMEM, NULL) : NEXT(reallocarray)(block, count, size);
}

int madvise(void *start, size_t size, int advice)
{
    return FAILS() ? (errno = ENOMEM, -1) : NEXT(madvise)(start, size, advice);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    return op == EPOLL_CTL_ADD && FAILS() ? (errno = ENOMEM, -1)
                                          : NEXT(epoll_ctl)(epoll, op, fd, event);
}

/* Only what makes a descriptor. */
int fcntl(int fd, int cmd, ...)
{
    bool makes = cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
    va_list args;
    void *arg;

    va_start(args, cmd);
    arg = va_arg(args, void *);
    va_end(args);
    return makes && FAILS() ? (errno = EMFILE, -1) : NEXT(fcntl)(fd, cmd, arg);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
    return FAILS() ? (errno = EMFILE, -1) : NEXT(open)(path, flags, mode);
}

int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
                         const struct timespec *until)
{
    return getenv("LATE") ? ETIMEDOUT : NEXT(pthread_clockjoin_np)(thread, result, clock, until);
}

/* The same ones, where offsets have 64 bits in any case. */
int fcntl64(int fd, int cmd, ...) __attribute__((alias("fcntl")));
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
