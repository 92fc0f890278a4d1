/*
 * The clock of everything that lasts: heartbeats, timeouts, lifetimes. It is not the time of day,
 * and goes on evenly when that is set.
 */
#ifndef MRC_HUB_BASE_CLOCK_H
#define MRC_HUB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since some moment. */
static inline int64_t mrc_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
