/*
 * Makes system calls fail as failing_alloc.h does with allocations, using its count, and runs a
 * step of a test with each of them failing in turn. The program is linked with LINK_FAILING_CALLS.
 */
#ifndef MRC_TESTS_FAILING_CALLS_H
#define MRC_TESTS_FAILING_CALLS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apr_mmap.h"
#include "apr_thread_proc.h"

#include "failing_alloc.h"
#include "unit.h"

/* ---- the calls --------------------------------------------------------------------------------*/

/* Those that end in 64 are their names on a 32-bit system. Visible, as in failing_alloc.h. */
#pragma GCC visibility push(default)
void *__real_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
void *__real_mmap64(void *at, size_t size, int access, int flags, int fd, off64_t offset);
void *__wrap_mmap64(void *at, size_t size, int access, int flags, int fd, off64_t offset);
int __real_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size);
int __real_posix_fallocate64(int fd, off64_t offset, off64_t size);
int __wrap_posix_fallocate64(int fd, off64_t offset, off64_t size);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_ftruncate64(int fd, off64_t size);
int __wrap_ftruncate64(int fd, off64_t size);
int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);
DIR *__real_opendir(const char *name);
DIR *__wrap_opendir(const char *name);
apr_status_t __real_apr_mmap_create(apr_mmap_t **map, apr_file_t *file, apr_off_t offset,
                                    apr_size_t size, apr_int32_t flags, apr_pool_t *pool);
apr_status_t __wrap_apr_mmap_create(apr_mmap_t **map, apr_file_t *file, apr_off_t offset,
                                    apr_size_t size, apr_int32_t flags, apr_pool_t *pool);
apr_status_t __real_apr_thread_create(apr_thread_t **thread, apr_threadattr_t *attr,
                                      apr_thread_start_t run, void *data, apr_pool_t *pool);
apr_status_t __wrap_apr_thread_create(apr_thread_t **thread, apr_threadattr_t *attr,
                                      apr_thread_start_t run, void *data, apr_pool_t *pool);
#pragma GCC visibility pop

static bool call_fails(int err)
{
    if (!alloc_fails())
        return false;
    errno = err;
    return true;
}

void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    return call_fails(ENOMEM) ? MAP_FAILED : __real_mmap(at, size, access, flags, fd, offset);
}

void *__wrap_mmap64(void *at, size_t size, int access, int flags, int fd, off64_t offset)
{
    return call_fails(ENOMEM) ? MAP_FAILED : __real_mmap64(at, size, access, flags, fd, offset);
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t size)
{
    return alloc_fails() ? ENOSPC : __real_posix_fallocate(fd, offset, size);
}

int __wrap_posix_fallocate64(int fd, off64_t offset, off64_t size)
{
    return alloc_fails() ? ENOSPC : __real_posix_fallocate64(fd, offset, size);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return call_fails(ENOSPC) ? -1 : __real_ftruncate(fd, size);
}

int __wrap_ftruncate64(int fd, off64_t size)
{
    return call_fails(ENOSPC) ? -1 : __real_ftruncate64(fd, size);
}

int __wrap_madvise(void *at, size_t size, int advice)
{
    return call_fails(ENOMEM) ? -1 : __real_madvise(at, size, advice);
}

DIR *__wrap_opendir(const char *name)
{
    return call_fails(ENOMEM) ? NULL : __real_opendir(name);
}

apr_status_t __wrap_apr_mmap_create(apr_mmap_t **map, apr_file_t *file, apr_off_t offset,
                                    apr_size_t size, apr_int32_t flags, apr_pool_t *pool)
{
    return alloc_fails() ? APR_ENOMEM
                         : __real_apr_mmap_create(map, file, offset, size, flags, pool);
}

apr_status_t __wrap_apr_thread_create(apr_thread_t **thread, apr_threadattr_t *attr,
                                      apr_thread_start_t run, void *data, apr_pool_t *pool)
{
    return alloc_fails() ? APR_EAGAIN : __real_apr_thread_create(thread, attr, run, data, pool);
}

/* ---- what a step does besides -----------------------------------------------------------------*/

/* Nothing fails from here on until fail_again(), which takes the result. */
static inline long fail_later(void)
{
    long left = alloc_left;

    alloc_left = -1;
    return left;
}

static inline void fail_again(long left)
{
    alloc_left = left;
}

/* Each assertion that holds leaves a mark, for which libcheck may allocate. */
void __real__mark_point(const char *file, int line);
void __wrap__mark_point(const char *file, int line);

void __wrap__mark_point(const char *file, int line)
{
    long left = fail_later();

    __real__mark_point(file, line);
    fail_again(left);
}

/* ---- running it -------------------------------------------------------------------------------*/

static inline void fail_each(const char *name, bool (*step)(void), long least, long hidden_max)
{
    bool is_done = step(); /* libraries now have what they allocate once */
    bool has_failed = true;
    long hidden = 0, i;

    ck_assert_msg(is_done, "%s", name);
    for (i = 0; has_failed; i++) {
        long before = alloc_bytes, failures = *alloc_failures, lost;

        alloc_left = i;
        is_done = step();
        alloc_left = -1; /* before the checks, which also allocate */
        has_failed = *alloc_failures > failures;
        lost = alloc_bytes - before;
        ck_assert_msg(has_failed || is_done, "%s: %ld", name, i);
        hidden += has_failed && is_done;
        ck_assert_msg(hidden <= hidden_max, "%s: %ld is hidden", name, i);
        ck_assert_msg(lost <= 0, "%s: %ld: %ld bytes are lost", name, i, lost);
    }
    ck_assert_msg(i - 1 >= least, "%s: %ld", name, i - 1);
}

/*
 * Runs STEP with each of its allocations and calls failing in turn, of which there are at least
 * LEAST. STEP returns whether everything was done: always if nothing has failed. It leaves no
 * memory of this thread.
 */
static inline void fail_in_turn(const char *name, bool (*step)(void), long least)
{
    fail_each(name, step, least, LONG_MAX);
}

/* The same, with a STEP that may succeed despite at most HIDDEN of the failures. */
static inline void fail_in_turn_strictly(const char *name, bool (*step)(void), long least,
                                         long hidden)
{
    fail_each(name, step, least, hidden);
}

static inline int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    close(fd);
    return fd;
}

/*
 * Runs STEP with no descriptor, with one, and so on, until it has all that it needs, which is at
 * least LEAST. STEP closes what it opens.
 */
static inline void few_descriptors_in_turn(const char *name, bool (*step)(void), int least)
{
    int first = lowest_free_descriptor(), n;
    struct rlimit before;
    bool is_done = false;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (n = 0; !is_done; n++) {
        const struct rlimit few = {(rlim_t)(first + n), before.rlim_max};

        ck_assert_msg(n < 100, "%s", name);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        is_done = step();
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_msg(lowest_free_descriptor() == first, "%s: a descriptor is lost", name);
    }
    ck_assert_msg(n - 1 >= least, "%s: %d", name, n - 1);
}

#endif
