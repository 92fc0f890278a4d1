/*
 * The clock for durations: heartbeats, timeouts, lifetimes. Unlike the time of day, it advances
 * evenly, even when the system's clock is set.
 */
#ifndef MRC_STORE_BASE_CLOCK_H
#define MRC_STORE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "apr_time.h"

/* Microseconds since an arbitrary moment. */
static inline int64_t mrc_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* How much later the time of day is than this clock. That changes when the system's clock is set.
 */
static inline int64_t mrc_clock_ahead_us(void)
{
    int64_t now_us = mrc_clock_us();

    return apr_time_now() - now_us;
}

#endif
