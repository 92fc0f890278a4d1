#include "store/regions/revocations.h"

#include <stdatomic.h>
#include <string.h>

#include "store/base/lock.h"
#include "store/regions/revocations_layout.h"

/* A change takes well below a millisecond. */
#define WAIT_US ((int64_t)2 * 1000 * 1000)

#define HALF_WORDS (MRC_REVOCATIONS_HALF_BYTES / 8)

struct mrc_revocations {
    struct mrc_revocations_header *header;
    _Atomic uint64_t *half[2];
    struct mrc_sparse *pages; /* NULL: the halves are allocated */
};

uint64_t mrc_revocations_head_bytes(void)
{
    return sizeof(struct mrc_revocations_header);
}

void mrc_revocations_use_sparse(struct mrc_revocations *revocations, struct mrc_sparse *pages)
{
    revocations->pages = pages;
}

uint64_t mrc_revocations_bytes(void)
{
    return sizeof(struct mrc_revocations_header) + 2 * MRC_REVOCATIONS_HALF_BYTES;
}

struct mrc_revocations *mrc_revocations_attach(apr_pool_t *pool, void *region)
{
    struct mrc_revocations_header *header = region;
    struct mrc_revocations *revocations = apr_pcalloc(pool, sizeof(*revocations));

    revocations->header = header;
    revocations->half[0] = (_Atomic uint64_t *)(header + 1);
    revocations->half[1] = revocations->half[0] + HALF_WORDS;
    return revocations;
}

apr_status_t mrc_revocations_create(apr_pool_t *pool, void *region,
                                    struct mrc_revocations **ret_revocations)
{
    struct mrc_revocations_header *header = region;
    apr_status_t status = mrc_lock_init(&header->lock);

    if (status != APR_SUCCESS)
        return status;
    header->magic = MRC_REVOCATIONS_MAGIC;
    header->version = MRC_REVOCATIONS_VERSION;
    *ret_revocations = mrc_revocations_attach(pool, region);
    return APR_SUCCESS;
}

uint64_t mrc_revocations_generation(const struct mrc_revocations *revocations)
{
    return atomic_load_explicit(&revocations->header->generation, memory_order_acquire);
}

/* The words of the entries in the half of GENERATION. */
static uint64_t words_of(const struct mrc_revocations *revocations, uint64_t generation)
{
    uint64_t words = atomic_load(&revocations->header->words[generation & 1]);

    return words < HALF_WORDS ? words : HALF_WORDS;
}

bool mrc_revocations_is_empty(const struct mrc_revocations *revocations)
{
    return words_of(revocations, mrc_revocations_generation(revocations)) == 0;
}

/* ---- reading ----------------------------------------------------------------------------------*/

uint64_t mrc_revocations_copy(const struct mrc_revocations *revocations, struct mrc_buf *buf)
{
    for (;;) {
        uint64_t generation = mrc_revocations_generation(revocations);
        uint64_t words = words_of(revocations, generation);
        const _Atomic uint64_t *half = revocations->half[generation & 1];
        char *out;

        mrc_buf_reset(buf);
        out = mrc_buf_extend(buf, words * 8);
        for (uint64_t i = 0; out && i < words; i++) {
            uint64_t word = atomic_load_explicit(&half[i], memory_order_acquire);

            memcpy(out + i * 8, &word, 8);
        }
        if (mrc_revocations_generation(revocations) == generation)
            return generation;
    }
}

bool mrc_revocations_next(struct mrc_bytes copy, size_t *at, struct mrc_revocation *ret_entry)
{
    uint64_t head[MRC_REVOCATIONS_HEAD_WORDS];
    uint64_t words, bytes;

    if (copy.len - *at < sizeof(head))
        return false;
    memcpy(head, copy.ptr + *at, sizeof(head));
    words = (uint32_t)head[0];
    bytes = head[0] >> 32;
    if (words < MRC_REVOCATIONS_HEAD_WORDS || words * 8 > copy.len - *at ||
        bytes > words * 8 - sizeof(head))
        return false;
    ret_entry->until_us = (int64_t)head[1];
    memcpy(ret_entry->id, &head[2], sizeof(ret_entry->id));
    ret_entry->data = (struct mrc_bytes){copy.ptr + *at + sizeof(head), bytes};
    *at += words * 8;
    return true;
}

/* ---- changing ---------------------------------------------------------------------------------*/

/* The next generation, which is being made in the half that no reader uses. */
struct draft {
    _Atomic uint64_t *half;
    struct mrc_sparse *pages;
    uint64_t words;
    apr_status_t status;
};

/*
 * Under the lock: the entries, which nobody changes. A copy could fail for lack of memory when an
 * entry must be taken back.
 */
static struct mrc_bytes view(const struct mrc_revocations *revocations)
{
    uint64_t generation = mrc_revocations_generation(revocations);

    return (struct mrc_bytes){(const char *)(uintptr_t)revocations->half[generation & 1],
                              words_of(revocations, generation) * 8};
}

/* The words of an entry with BYTES of data. */
static uint64_t words_for(size_t bytes)
{
    return bytes <= MRC_REVOCATIONS_HALF_BYTES ? MRC_REVOCATIONS_HEAD_WORDS + (bytes + 7) / 8
                                               : HALF_WORDS + 1;
}

static void put_entry(struct draft *draft, const struct mrc_revocation *entry)
{
    uint64_t data_words = (entry->data.len + 7) / 8;
    uint64_t words = words_for(entry->data.len);
    uint64_t head[MRC_REVOCATIONS_HEAD_WORDS] = {words | (uint64_t)entry->data.len << 32,
                                                 (uint64_t)entry->until_us};
    _Atomic uint64_t *out = draft->half + draft->words;

    if (draft->status)
        return;
    draft->status = words > HALF_WORDS - draft->words
                        ? APR_ENOSPC
                        : mrc_sparse_take(draft->pages, (void *)out, words * 8);
    if (draft->status)
        return;
    memcpy(&head[2], entry->id, sizeof(entry->id));
    for (int i = 0; i < MRC_REVOCATIONS_HEAD_WORDS; i++)
        atomic_store_explicit(&out[i], head[i], memory_order_release);
    for (uint64_t i = 0; i < data_words; i++) {
        size_t left = entry->data.len - i * 8;
        uint64_t word = 0;

        memcpy(&word, entry->data.ptr + i * 8, left < 8 ? left : 8);
        atomic_store_explicit(&out[MRC_REVOCATIONS_HEAD_WORDS + i], word, memory_order_release);
    }
    draft->words += words;
}

/*
 * Under the lock: makes the next generation, without the entry ID and those that have ended, and
 * with ENTRY (NULL: none). RET_FOUND: whether there was an entry ID.
 */
static apr_status_t change(struct mrc_revocations *revocations, const unsigned char *id,
                           const struct mrc_revocation *entry, int64_t now_us, bool *ret_found)
{
    struct mrc_revocations_header *header = revocations->header;
    uint64_t generation = mrc_revocations_generation(revocations);
    struct mrc_revocation old;
    struct draft draft = {.half = revocations->half[(generation + 1) & 1],
                          .pages = revocations->pages};
    struct mrc_bytes entries = view(revocations);
    size_t at = 0;

    *ret_found = false;
    while (mrc_revocations_next(entries, &at, &old)) {
        bool is_it = memcmp(old.id, id, sizeof(old.id)) == 0;

        *ret_found = *ret_found || is_it;
        if (!is_it && old.until_us > now_us)
            put_entry(&draft, &old);
    }
    if (entry)
        put_entry(&draft, entry);
    if (draft.status)
        return draft.status;
    atomic_store(&header->words[(generation + 1) & 1], draft.words);
    atomic_store(&header->generation, generation + 1);
    return APR_SUCCESS;
}

/* A writer that died has left nothing to repair. */
static apr_status_t lock(struct mrc_revocations *revocations)
{
    bool owner_died;

    return mrc_lock_acquire(&revocations->header->lock, WAIT_US, &owner_died);
}

apr_status_t mrc_revocations_add(struct mrc_revocations *revocations,
                                 const struct mrc_revocation *entry, int64_t now_us)
{
    apr_status_t status = lock(revocations);
    bool unused;

    if (status != APR_SUCCESS)
        return status;
    status = change(revocations, entry->id, entry, now_us, &unused);
    mrc_lock_release(&revocations->header->lock);
    return status;
}

apr_status_t mrc_revocations_remove(struct mrc_revocations *revocations,
                                    const unsigned char id[MRC_REVOCATION_ID_BYTES], int64_t now_us)
{
    apr_status_t status = lock(revocations);
    bool was_there;

    if (status != APR_SUCCESS)
        return status;
    status = change(revocations, id, NULL, now_us, &was_there);
    mrc_lock_release(&revocations->header->lock);
    return status == APR_SUCCESS && !was_there ? APR_NOTFOUND : status;
}

bool mrc_revocations_fits(struct mrc_revocations *revocations, size_t bytes, int64_t now_us)
{
    uint64_t words = words_for(bytes);
    struct mrc_revocation entry;
    size_t at = 0;

    if (lock(revocations) != APR_SUCCESS)
        return false;
    while (mrc_revocations_next(view(revocations), &at, &entry))
        words += entry.until_us > now_us ? words_for(entry.data.len) : 0;
    mrc_lock_release(&revocations->header->lock);
    return words <= HALF_WORDS;
}

uint64_t mrc_revocations_epoch(const struct mrc_revocations *revocations)
{
    return atomic_load(&revocations->header->epoch);
}

void mrc_revocations_set_epoch(struct mrc_revocations *revocations, uint64_t epoch)
{
    atomic_store(&revocations->header->epoch, epoch);
}

/* Children that have FROM may add to it after its release. Their orders go to a ring that has
 * ended, so they fail, and the operator tries again. */
apr_status_t mrc_revocations_carry(struct mrc_revocations *from, struct mrc_revocations *to)
{
    apr_status_t status = lock(from);
    struct mrc_revocation entry;
    size_t at = 0;

    if (status)
        return status;
    while (!status && mrc_revocations_next(view(from), &at, &entry))
        status = mrc_revocations_add(to, &entry, INT64_MIN);
    if (status)
        mrc_revocations_release(from);
    else
        mrc_revocations_set_epoch(to, mrc_revocations_epoch(from));
    return status;
}

void mrc_revocations_release(struct mrc_revocations *from)
{
    mrc_lock_release(&from->header->lock);
}

apr_status_t mrc_revocations_hold(struct mrc_revocations *revocations)
{
    return lock(revocations);
}

apr_status_t mrc_revocations_add_held(struct mrc_revocations *revocations,
                                      const struct mrc_revocation *entry, int64_t now_us)
{
    bool unused;

    return change(revocations, entry->id, entry, now_us, &unused);
}

struct mrc_bytes mrc_revocations_held(const struct mrc_revocations *revocations)
{
    return view(revocations);
}
