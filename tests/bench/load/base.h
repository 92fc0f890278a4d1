/* What every file of the load generator needs: the time, memory, and giving up. */
#ifndef BENCH_BASE_H
#define BENCH_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Says why and ends the process with status 2: what was asked cannot be measured. */
void base_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t base_now_ns(void);

/* COUNT elements of SIZE bytes, zeroed; never NULL. */
void *base_alloc(size_t count, size_t size);

/* realloc() that never returns NULL. */
void *base_resize(void *old, size_t bytes);

/* The beginning of a file of /proc, at most BYTES - 1, ended with NUL; 0 if it cannot be read. */
size_t base_read(const char *path, char *ret_text, size_t bytes);

/* Lets this process have as many descriptors as it may. */
void base_raise_descriptors(void);

#endif
