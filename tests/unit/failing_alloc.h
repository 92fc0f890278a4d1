/*
 * Memory that runs out when a test says so. The program is linked with --wrap for malloc, calloc,
 * realloc and reallocarray, so that what our own code asks for comes through here.
 */
#ifndef MRC_TESTS_FAILING_ALLOC_H
#define MRC_TESTS_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* So many allocations of this thread still succeed, then one fails; negative: none does. */
static _Thread_local long alloc_left = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t count, size_t size);

static bool alloc_fails(void)
{
    return alloc_left >= 0 && alloc_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return alloc_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return alloc_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    return alloc_fails() ? NULL : __real_realloc(ptr, size);
}

void *__wrap_reallocarray(void *ptr, size_t count, size_t size)
{
    return alloc_fails() ? NULL : __real_reallocarray(ptr, count, size);
}

#endif
