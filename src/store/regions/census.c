#include "store/regions/census.h"

#include <stdatomic.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "core/base/siphash.h"
#include "store/regions/census_layout.h"
#include "store/shm/control_layout.h"

/* Cells for each stream: it may count for an address and for a token, and at least half of the
 * cells stay free, so that windows do not fill up. */
#define CELLS_PER_STREAM 8
#define CELLS_MIN        1024

_Static_assert(MRC_CONTROL_SLOTS_MAX <= 1 << (MRC_CENSUS_MARK_SHIFT - MRC_CENSUS_SLOT_SHIFT),
               "a slot fits into a cell");

struct mrc_census {
    struct mrc_census_header *header;
    _Atomic uint64_t *cells;
    uint64_t mask; /* cells - 1; this process's own copy */
    uint64_t hash_key[2];
    struct mrc_sparse *pages; /* NULL: all cells are allocated */
};

uint32_t mrc_census_cells(uint64_t streams)
{
    uint32_t cells = CELLS_MIN;

    if (streams > MRC_CENSUS_STREAMS_MAX)
        streams = MRC_CENSUS_STREAMS_MAX;
    while (cells < streams * CELLS_PER_STREAM)
        cells *= 2;
    return cells;
}

uint64_t mrc_census_bytes(uint32_t cells)
{
    return sizeof(struct mrc_census_header) + cells * (uint64_t)sizeof(uint64_t);
}

uint64_t mrc_census_head_bytes(void)
{
    return sizeof(struct mrc_census_header);
}

void mrc_census_use_sparse(struct mrc_census *census, struct mrc_sparse *pages)
{
    census->pages = pages;
}

struct mrc_census *mrc_census_attach(apr_pool_t *pool, void *region, uint32_t cells)
{
    struct mrc_census_header *header = region;
    struct mrc_census *census = apr_pcalloc(pool, sizeof(*census));

    census->header = header;
    census->cells = (_Atomic uint64_t *)(header + 1);
    census->mask = cells - 1;
    census->hash_key[0] = header->hash_key[0];
    census->hash_key[1] = header->hash_key[1];
    return census;
}

apr_status_t mrc_census_create(apr_pool_t *pool, void *region, uint32_t cells,
                               struct mrc_census **ret_census)
{
    struct mrc_census_header *header = region;
    apr_status_t status =
        apr_generate_random_bytes((unsigned char *)header->hash_key, sizeof(header->hash_key));

    if (status != APR_SUCCESS)
        return status;
    header->magic = MRC_CENSUS_MAGIC;
    header->version = MRC_CENSUS_VERSION;
    header->cell_count = cells;
    *ret_census = mrc_census_attach(pool, region, cells);
    return APR_SUCCESS;
}

uint64_t mrc_census_key(const struct mrc_census *census, char kind, struct mrc_bytes name)
{
    /*
     * Each kind has its own hash key, so that no name of one kind is mistaken for one of another.
     */
    const uint64_t key[2] = {census->hash_key[0] ^ (unsigned char)kind, census->hash_key[1]};
    uint64_t hash = mrc_siphash(key, name);

    return hash ? hash : 1;
}

/* ---- Cells ------------------------------------------------------------------------------------*/

static _Atomic uint64_t *cell_at(const struct mrc_census *census, uint64_t key, unsigned i)
{
    return &census->cells[(key + i) & census->mask];
}

static uint64_t load(const struct mrc_census *census, const _Atomic uint64_t *cell)
{
    return mrc_sparse_have(census->pages, (const void *)cell, sizeof(*cell)) ? atomic_load(cell)
                                                                             : 0;
}

/* Allocates the window of KEY. */
static bool take_window(const struct mrc_census *census, uint64_t key)
{
    for (unsigned i = 0; i < MRC_CENSUS_WINDOW; i++)
        if (mrc_sparse_take(census->pages, (void *)cell_at(census, key, i), sizeof(uint64_t)))
            return false;
    return true;
}

static uint64_t count_of(uint64_t cell)
{
    return cell & MRC_CENSUS_COUNT_MASK;
}

/* The value of a cell of KEY and SLOT without its count. */
static uint64_t owner_part(unsigned slot, uint64_t key)
{
    return key >> MRC_CENSUS_MARK_SHIFT << MRC_CENSUS_MARK_SHIFT | (uint64_t)slot
                                                                       << MRC_CENSUS_SLOT_SHIFT;
}

/* Adds 1 to CELL if it is one of OWNER with room, or, with MAY_TAKE, if it is free. */
static bool count_in(_Atomic uint64_t *cell, uint64_t owner, bool may_take)
{
    uint64_t value = atomic_load(cell);

    do {
        bool own = count_of(value) && (value & ~MRC_CENSUS_COUNT_MASK) == owner &&
                   count_of(value) < MRC_CENSUS_COUNT_MASK;

        if (!own && !(may_take && value == 0))
            return false;
    } while (!atomic_compare_exchange_weak(cell, &value, value ? value + 1 : owner | 1));
    return true;
}

uint64_t mrc_census_sum(const struct mrc_census *census, uint64_t key)
{
    uint64_t mark = owner_part(0, key);
    uint64_t sum = 0;

    for (unsigned i = 0; i < MRC_CENSUS_WINDOW; i++) {
        uint64_t value = load(census, cell_at(census, key, i));

        if (value >> MRC_CENSUS_MARK_SHIFT == mark >> MRC_CENSUS_MARK_SHIFT)
            sum += count_of(value);
    }
    return sum;
}

uint64_t mrc_census_add(struct mrc_census *census, unsigned slot, uint64_t key)
{
    uint64_t owner = owner_part(slot, key);

    if (!take_window(census, key))
        return 0;
    /* Two threads of one child may each take a free cell for the same client; the sum is right. */
    for (int may_take = 0; may_take <= 1; may_take++) {
        for (unsigned i = 0; i < MRC_CENSUS_WINDOW; i++) {
            if (count_in(cell_at(census, key, i), owner, may_take))
                return mrc_census_sum(census, key);
        }
    }
    return 0;
}

void mrc_census_sub(struct mrc_census *census, unsigned slot, uint64_t key)
{
    uint64_t owner = owner_part(slot, key);

    for (unsigned i = 0; i < MRC_CENSUS_WINDOW; i++) {
        _Atomic uint64_t *cell = cell_at(census, key, i);
        uint64_t value = load(census, cell);

        while (count_of(value) && (value & ~MRC_CENSUS_COUNT_MASK) == owner) {
            if (atomic_compare_exchange_weak(cell, &value, count_of(value) > 1 ? value - 1 : 0))
                return;
        }
    }
}

void mrc_census_fold(struct mrc_census *census, unsigned slot)
{
    for (uint64_t i = 0; i <= census->mask; i++) {
        uint64_t value = load(census, &census->cells[i]);

        while (count_of(value) && (value >> MRC_CENSUS_SLOT_SHIFT & 0xffff) == slot &&
               !atomic_compare_exchange_weak(&census->cells[i], &value, 0))
            ;
    }
}
