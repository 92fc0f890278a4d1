#include "histogram.h"

#define STEPS (UINT64_C(1) << HISTOGRAM_STEP_BITS)

/* Values below STEPS have a bucket each; beyond, the leading bits choose it. */
static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < STEPS)
        return (unsigned)value;
    shift = 63 - HISTOGRAM_STEP_BITS - (unsigned)__builtin_clzll(value);
    return (unsigned)((shift + 1) * STEPS + ((value >> shift) - STEPS));
}

/* The largest value that falls into a bucket. */
static uint64_t top_of(unsigned bucket)
{
    uint64_t row = bucket / STEPS, step = bucket % STEPS;

    if (row == 0)
        return step;
    return ((STEPS + step + 1) << (row - 1)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    double wanted = quantile * (double)histogram->total;
    uint64_t seen = 0;

    if (histogram->total == 0)
        return 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t top = top_of(bucket);

            return top < histogram->max ? top : histogram->max;
        }
    }
    return histogram->max;
}
