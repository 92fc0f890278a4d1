/* Used by every file of the load generator: time, memory, and the end after an error. */
#ifndef BENCH_BASE_H
#define BENCH_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Prints a message and ends the process with status 2: the measurement is impossible. */
void base_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The time of CLOCK_MONOTONIC in nanoseconds. */
uint64_t base_now_ns(void);

/* COUNT elements of SIZE bytes, zeroed; never NULL. */
void *base_alloc(size_t count, size_t size);

/* realloc() that never returns NULL. */
void *base_resize(void *old, size_t bytes);

/* Reads at most BYTES - 1 bytes of a file of /proc and ends them with NUL. Returns the length, 0 if
 * the file cannot be read. */
size_t base_read(const char *path, char *ret_text, size_t bytes);

/* Raises the limit of descriptors to the hard limit. */
void base_raise_descriptors(void);

#endif
