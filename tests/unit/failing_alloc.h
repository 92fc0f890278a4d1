/*
 * Counts allocations and makes them fail when a test asks for it. The program is linked with --wrap
 * for malloc, calloc, realloc, reallocarray, strdup and free, so that the calls of the code under
 * test arrive here.
 */
#ifndef MRC_TESTS_FAILING_ALLOC_H
#define MRC_TESTS_FAILING_ALLOC_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* This many allocations of this thread succeed, and then one fails. Negative: none fails. */
static _Thread_local long alloc_left = -1;

/* How many allocations have failed, in this process or in all that share the count with it. */
static _Atomic long own_failures, *alloc_failures = &own_failures;

/*
 * The bytes that this thread has allocated, less those that it has freed. libcheck frees memory
 * from elsewhere, so only the difference between before and after a call is meaningful.
 */
static _Thread_local long alloc_bytes;

/*
 * The wrappers are visible, because a shared library may make the same calls: the linker counts
 * these as references to the wrappers, and some linkers refuse references to hidden functions.
 */
#pragma GCC visibility push(default)
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t count, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *ptr);
#pragma GCC visibility pop

static bool alloc_fails(void)
{
    if (alloc_left < 0 || alloc_left-- > 0)
        return false;
    ++*alloc_failures;
    return true;
}

static void *alloc_count(void *ptr)
{
    if (ptr)
        alloc_bytes += (long)malloc_usable_size(ptr);
    return ptr;
}

void *__wrap_malloc(size_t size)
{
    return alloc_fails() ? NULL : alloc_count(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return alloc_fails() ? NULL : alloc_count(__real_calloc(count, size));
}

void *__wrap_realloc(void *ptr, size_t size)
{
    long old_bytes = ptr ? (long)malloc_usable_size(ptr) : 0;
    void *grown = alloc_fails() ? NULL : __real_realloc(ptr, size);

    if (grown)
        alloc_bytes -= old_bytes;
    return alloc_count(grown);
}

void *__wrap_reallocarray(void *ptr, size_t count, size_t size)
{
    long old_bytes = ptr ? (long)malloc_usable_size(ptr) : 0;
    void *grown = alloc_fails() ? NULL : __real_reallocarray(ptr, count, size);

    if (grown)
        alloc_bytes -= old_bytes;
    return alloc_count(grown);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);

    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void __wrap_free(void *ptr)
{
    if (ptr)
        alloc_bytes -= (long)malloc_usable_size(ptr);
    __real_free(ptr);
}

#endif
