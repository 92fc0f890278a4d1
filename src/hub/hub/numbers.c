#include "hub/hub/numbers.h"

const char *mrc_refusal_text(enum mrc_refusal refusal)
{
    static const char *const texts[] = {
        [MRC_REFUSAL_MALFORMED] = "malformed",     [MRC_REFUSAL_UNAUTHORIZED] = "unauthorized",
        [MRC_REFUSAL_FORBIDDEN] = "forbidden",     [MRC_REFUSAL_TOO_LARGE] = "too_large",
        [MRC_REFUSAL_MEDIA_TYPE] = "media_type",   [MRC_REFUSAL_LIMIT] = "limit",
        [MRC_REFUSAL_UNAVAILABLE] = "unavailable", [MRC_REFUSAL_ERROR] = "error",
    };

    return texts[refusal];
}

static const int64_t bounds_us[MRC_NUMBERS_BOUNDS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 10000000,
};

int64_t mrc_numbers_bound_us(unsigned i)
{
    return bounds_us[i];
}

unsigned mrc_numbers_bucket(int64_t us)
{
    unsigned i = 0;

    while (i < MRC_NUMBERS_BOUNDS && us > bounds_us[i])
        i++;
    return i;
}

bool mrc_numbers_times_add(struct mrc_numbers_times *times, int64_t us)
{
    unsigned bucket = mrc_numbers_bucket(us);

    if (times->count > 0 && times->bucket != bucket)
        return false;
    times->bucket = bucket;
    times->count++;
    times->sum_us += us > 0 ? (uint64_t)us : 0;
    return true;
}
