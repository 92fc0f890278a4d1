/*
 * Counts times in buckets whose width grows with the value. There are 128 buckets for each power of
 * two, so a quantile is accurate to better than 1 %, whatever its magnitude.
 *
 *     value    0 … 127   128 … 255   256 … 511   512 … 1023   …   2^63 …
 *     width       1          1           2           4        …
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 7
#define HISTOGRAM_BUCKETS   ((65 - HISTOGRAM_STEP_BITS) << HISTOGRAM_STEP_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* The smallest value that the share QUANTILE (0 … 1) of all values does not exceed; 0 without
 * values. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
