#include "store/regions/counters.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mrc_counters {
    struct mrc_counters_row *rows; /* nslots + 1; NULL: none */
    unsigned nslots;
    struct mrc_sparse *pages;                 /* NULL: everything is allocated */
    _Atomic(struct mrc_counters_row *) spare; /* of SPARE_SLOT, which has no room; or NULL */
    unsigned spare_slot;
};

uint64_t mrc_counters_bytes(unsigned nslots)
{
    return (nslots + UINT64_C(1)) * sizeof(struct mrc_counters_row);
}

struct mrc_counters *mrc_counters_open(apr_pool_t *pool, void *region, unsigned nslots)
{
    struct mrc_counters *counters = apr_pcalloc(pool, sizeof(*counters));

    counters->rows = region;
    counters->nslots = nslots;
    return counters;
}

void mrc_counters_use_sparse(struct mrc_counters *counters, struct mrc_sparse *pages)
{
    counters->pages = pages;
}

/* The numbers in ROW; NULL: they are not allocated, so all are 0. */
static struct mrc_counters_row *row_at(const struct mrc_counters *counters, unsigned row)
{
    struct mrc_counters_row *spare = atomic_load(&counters->spare);

    if (!counters->rows)
        return NULL;
    if (spare && row == counters->spare_slot)
        return spare;
    return mrc_sparse_have(counters->pages, &counters->rows[row], sizeof(*counters->rows))
               ? &counters->rows[row]
               : NULL;
}

/* The gauge INDEX of SLOT; NULL: there is none, or it is not allocated. */
static _Atomic uint64_t *gauge_at(const struct mrc_counters *counters, unsigned slot,
                                  unsigned index)
{
    struct mrc_counters_row *row = NULL;

    if (slot < counters->nslots && index < MRC_COUNTERS_GAUGES_MAX)
        row = row_at(counters, slot);
    return row ? &row->gauge[index] : NULL;
}

static bool take_row(struct mrc_counters *counters, unsigned row)
{
    return mrc_sparse_take(counters->pages, &counters->rows[row], sizeof(*counters->rows)) ==
           APR_SUCCESS;
}

void mrc_counters_begin(struct mrc_counters *counters, unsigned slot)
{
    if (!counters->rows || slot >= counters->nslots || atomic_load(&counters->spare) ||
        take_row(counters, slot))
        return;
    counters->spare_slot = slot;
    atomic_store(&counters->spare, calloc(1, sizeof(struct mrc_counters_row)));
}

void mrc_counters_end(struct mrc_counters *counters)
{
    free(atomic_exchange(&counters->spare, NULL));
}

void mrc_counters_add(struct mrc_counters *counters, unsigned slot, unsigned index, uint64_t n)
{
    struct mrc_counters_row *row = NULL;

    if (slot < counters->nslots && index < MRC_COUNTERS_MAX)
        row = row_at(counters, slot);
    if (row)
        atomic_fetch_add_explicit(&row->counter[index], n, memory_order_relaxed);
}

void mrc_counters_gauge_add(struct mrc_counters *counters, unsigned slot, unsigned index, int64_t n)
{
    _Atomic uint64_t *gauge = gauge_at(counters, slot, index);

    if (gauge)
        atomic_fetch_add_explicit(gauge, (uint64_t)n, memory_order_relaxed);
}

/* Any thread may call this; the rows change while they are read one by one. */
uint64_t mrc_counters_gauge_sum(const struct mrc_counters *counters, unsigned index)
{
    int64_t sum = 0;

    for (unsigned slot = 0; slot < counters->nslots; slot++) {
        _Atomic uint64_t *gauge = gauge_at(counters, slot, index);
        uint64_t one = gauge ? atomic_load(gauge) : 0;

        sum += (int64_t)one > 0 ? (int64_t)one : 0;
    }
    return (uint64_t)sum;
}

/*
 * Every caller adds first and then reads the sum (both seq_cst). The last of simultaneous callers
 * sees all others, so they cannot all take the last place. A caller that sees too many subtracts
 * again and reads once more. The last one to subtract sees only those that stay, so one of them
 * gets the place.
 */
bool mrc_counters_gauge_take(struct mrc_counters *counters, unsigned slot, unsigned index,
                             uint64_t max)
{
    _Atomic uint64_t *gauge = gauge_at(counters, slot, index);

    if (!gauge)
        return false;
    for (;;) {
        atomic_fetch_add(gauge, 1);
        if (mrc_counters_gauge_sum(counters, index) <= max)
            return true;
        atomic_fetch_sub(gauge, 1);
        if (mrc_counters_gauge_sum(counters, index) >= max)
            return false;
        sched_yield();
    }
}

bool mrc_counters_gauge_change(struct mrc_counters *counters, unsigned slot, unsigned index,
                               uint64_t old, uint64_t value)
{
    _Atomic uint64_t *gauge = gauge_at(counters, slot, index);

    return gauge && atomic_compare_exchange_strong(gauge, &old, value);
}

void mrc_counters_gauge_set(struct mrc_counters *counters, unsigned slot, unsigned index,
                            uint64_t value)
{
    _Atomic uint64_t *gauge = gauge_at(counters, slot, index);

    if (gauge)
        atomic_store_explicit(gauge, value, memory_order_relaxed);
}

uint64_t mrc_counters_gauge_of(const struct mrc_counters *counters, unsigned slot, unsigned index)
{
    _Atomic uint64_t *gauge = gauge_at(counters, slot, index);

    return gauge ? atomic_load_explicit(gauge, memory_order_relaxed) : 0;
}

uint64_t mrc_counters_sum(const struct mrc_counters *counters, unsigned index)
{
    uint64_t sum = 0;

    if (index >= MRC_COUNTERS_MAX)
        return 0;
    for (unsigned i = 0; i <= counters->nslots; i++) {
        struct mrc_counters_row *row = row_at(counters, i);

        sum += row ? atomic_load_explicit(&row->counter[index], memory_order_relaxed) : 0;
    }
    return sum;
}

void mrc_counters_fold(struct mrc_counters *counters, unsigned slot)
{
    for (unsigned i = 0; i < MRC_COUNTERS_GAUGES_MAX; i++)
        mrc_counters_gauge_set(counters, slot, i, 0);
}

void mrc_counters_carry(const struct mrc_counters *from, struct mrc_counters *to)
{
    if (!to->rows || !take_row(to, to->nslots))
        return;
    for (unsigned i = 0; i < MRC_COUNTERS_MAX; i++)
        atomic_fetch_add_explicit(&to->rows[to->nslots].counter[i], mrc_counters_sum(from, i),
                                  memory_order_relaxed);
}
