#include "store/regions/interests.h"

#include <stdatomic.h>

#include "apr_general.h"
#include "core/base/siphash.h"
#include "store/regions/interests_layout.h"

#define WORD_BITS  64
#define LINE_WORDS 8 /* of a cache line, which is in one page */

_Static_assert(MRC_INTERESTS_BITS_MIN % (WORD_BITS * LINE_WORDS) == 0,
               "a set is whole cache lines");

struct mrc_interests {
    uint64_t hash_key[2]; /* this process's own copies */
    uint64_t mask;        /* of the number of a bit */
    unsigned nslots;
    struct mrc_interests_row *rows;
    _Atomic uint64_t *words;
    struct mrc_sparse *pages; /* NULL: all words are allocated */
};

uint64_t mrc_interests_bits(unsigned nslots)
{
    uint64_t bits = MRC_INTERESTS_BITS_MAX;

    while (bits > MRC_INTERESTS_BITS_MIN && bits / 8 * nslots > MRC_INTERESTS_BYTES_MAX)
        bits /= 2;
    return bits;
}

uint64_t mrc_interests_head_bytes(unsigned nslots)
{
    return sizeof(struct mrc_interests_header) + nslots * sizeof(struct mrc_interests_row);
}

uint64_t mrc_interests_sets_bytes(unsigned nslots)
{
    return nslots * (mrc_interests_bits(nslots) / 8);
}

void mrc_interests_use_sparse(struct mrc_interests *interests, struct mrc_sparse *pages)
{
    interests->pages = pages;
}

struct mrc_interests *mrc_interests_open(apr_pool_t *pool, void *head, void *sets, unsigned nslots)
{
    const struct mrc_interests_header *header = head;
    struct mrc_interests *interests = apr_pcalloc(pool, sizeof(*interests));

    interests->hash_key[0] = header->hash_key[0];
    interests->hash_key[1] = header->hash_key[1];
    interests->mask = mrc_interests_bits(nslots) - 1;
    interests->nslots = nslots;
    interests->rows =
        (struct mrc_interests_row *)(void *)((char *)head + sizeof(struct mrc_interests_header));
    interests->words = sets;
    return interests;
}

apr_status_t mrc_interests_create(apr_pool_t *pool, void *head, void *sets, unsigned nslots,
                                  struct mrc_interests **ret_interests)
{
    struct mrc_interests_header *header = head;
    apr_status_t status =
        apr_generate_random_bytes((unsigned char *)header->hash_key, sizeof(header->hash_key));

    if (status != APR_SUCCESS)
        return status;
    header->bit_count = mrc_interests_bits(nslots);
    *ret_interests = mrc_interests_open(pool, head, sets, nslots);
    return APR_SUCCESS;
}

uint64_t mrc_interests_tag(const struct mrc_interests *interests, struct mrc_bytes name)
{
    return mrc_siphash(interests->hash_key, name);
}

/* ---- The child --------------------------------------------------------------------------------*/

static _Atomic uint64_t *word_of(const struct mrc_interests *interests, unsigned slot, uint64_t tag)
{
    uint64_t words_per_slot = (interests->mask + 1) / WORD_BITS;

    return &interests->words[slot * words_per_slot + (tag & interests->mask) / WORD_BITS];
}

static uint64_t bit_of(uint64_t tag)
{
    return UINT64_C(1) << tag % WORD_BITS;
}

void mrc_interests_add(struct mrc_interests *interests, unsigned slot)
{
    if (slot < interests->nslots)
        atomic_fetch_add(&interests->rows[slot].listeners, 1);
}

void mrc_interests_sub(struct mrc_interests *interests, unsigned slot)
{
    if (slot < interests->nslots)
        atomic_fetch_sub(&interests->rows[slot].listeners, 1);
}

uint64_t mrc_interests_listeners(const struct mrc_interests *interests, unsigned slot)
{
    return slot < interests->nslots ? atomic_load(&interests->rows[slot].listeners) : 0;
}

void mrc_interests_add_broad(struct mrc_interests *interests, unsigned slot)
{
    if (slot < interests->nslots)
        atomic_fetch_add(&interests->rows[slot].broad, 1);
}

void mrc_interests_sub_broad(struct mrc_interests *interests, unsigned slot)
{
    if (slot < interests->nslots)
        atomic_fetch_sub(&interests->rows[slot].broad, 1);
}

static bool has_word(const struct mrc_interests *interests, const _Atomic uint64_t *word)
{
    return mrc_sparse_have(interests->pages, (const void *)word, sizeof(*word));
}

static bool is_set(const struct mrc_interests *interests, unsigned slot, uint64_t tag)
{
    const _Atomic uint64_t *word = word_of(interests, slot, tag);

    return has_word(interests, word) && (atomic_load(word) & bit_of(tag)) != 0;
}

/*
 * Many subscribers share a topic. A bit that is set already is not written again, because every
 * publisher reads its cache line. If there is no room for the bit, the child is woken for all
 * records, until it ends.
 */
void mrc_interests_set(struct mrc_interests *interests, unsigned slot, uint64_t tag)
{
    if (slot >= interests->nslots || is_set(interests, slot, tag))
        return;
    if (mrc_sparse_take(interests->pages, (void *)word_of(interests, slot, tag), sizeof(uint64_t)))
        mrc_interests_add_broad(interests, slot);
    else
        atomic_fetch_or(word_of(interests, slot, tag), bit_of(tag));
}

void mrc_interests_unset(struct mrc_interests *interests, unsigned slot, uint64_t tag)
{
    if (slot < interests->nslots && has_word(interests, word_of(interests, slot, tag)))
        atomic_fetch_and(word_of(interests, slot, tag), ~bit_of(tag));
}

/* The listeners first: while there are none, no publisher reads the rest. */
void mrc_interests_fold(struct mrc_interests *interests, unsigned slot)
{
    struct mrc_interests_row *row;

    if (slot >= interests->nslots)
        return;
    row = &interests->rows[slot];
    atomic_store(&row->listeners, 0);
    atomic_store(&row->broad, 0);
    atomic_store(&row->woken_seq, 0);
    atomic_store(&row->woken_pos, 0);
    for (uint64_t bit = 0; bit <= interests->mask; bit += LINE_WORDS * WORD_BITS) {
        _Atomic uint64_t *line = word_of(interests, slot, bit);

        for (int i = 0; i < LINE_WORDS && has_word(interests, line); i++)
            atomic_store_explicit(&line[i], 0, memory_order_release);
    }
}

/* ---- Publishers -------------------------------------------------------------------------------*/

/* Whether so much was appended since the last wake-up that the child must read. */
static bool is_behind(const struct mrc_interests_row *row, const struct mrc_interests_mark *mark)
{
    uint64_t seq = atomic_load_explicit(&row->woken_seq, memory_order_relaxed);
    uint64_t pos = atomic_load_explicit(&row->woken_pos, memory_order_relaxed);

    return (mark->seq > seq && mark->seq - seq >= MRC_INTERESTS_UNREAD_MAX) ||
           (mark->pos > pos && mark->pos - pos >= mark->capacity / MRC_INTERESTS_RING_PART);
}

bool mrc_interests_wants(const struct mrc_interests *interests, unsigned slot,
                         const struct mrc_tags *tags, const struct mrc_interests_mark *mark)
{
    const struct mrc_interests_row *row = &interests->rows[slot];

    if (slot >= interests->nslots || atomic_load(&row->listeners) == 0)
        return false;
    if (tags->is_any || atomic_load(&row->broad) > 0)
        return true;
    for (size_t i = 0; i < tags->count; i++)
        if (is_set(interests, slot, tags->all[i]))
            return true;
    return is_behind(row, mark);
}

void mrc_interests_set_woken(struct mrc_interests *interests, unsigned slot,
                             const struct mrc_interests_mark *mark)
{
    struct mrc_interests_row *row = &interests->rows[slot];

    if (slot >= interests->nslots)
        return;
    atomic_store_explicit(&row->woken_seq, mark->seq, memory_order_relaxed);
    atomic_store_explicit(&row->woken_pos, mark->pos, memory_order_relaxed);
}

uint64_t mrc_interests_woken(const struct mrc_interests *interests, unsigned slot)
{
    return slot < interests->nslots
               ? atomic_load_explicit(&interests->rows[slot].woken_seq, memory_order_relaxed)
               : 0;
}
