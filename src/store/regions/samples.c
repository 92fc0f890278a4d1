#include "store/regions/samples.h"

#include <stdatomic.h>
#include <string.h>

#define READ_WAIT_US ((int64_t)1000 * 1000)

#define RING_BYTES (MRC_SAMPLES_MAX * sizeof(struct mrc_sample))

struct mrc_samples {
    struct mrc_samples_header *header;
    struct mrc_sample *ring;
    struct mrc_sparse *pages; /* NULL: the ring is allocated */
};

uint64_t mrc_samples_bytes(void)
{
    return sizeof(struct mrc_samples_header) + RING_BYTES;
}

uint64_t mrc_samples_head_bytes(void)
{
    return sizeof(struct mrc_samples_header);
}

void mrc_samples_use_sparse(struct mrc_samples *samples, struct mrc_sparse *pages)
{
    samples->pages = pages;
}

struct mrc_samples *mrc_samples_attach(apr_pool_t *pool, void *region)
{
    struct mrc_samples *samples = apr_pcalloc(pool, sizeof(*samples));

    samples->header = region;
    samples->ring = (struct mrc_sample *)(samples->header + 1);
    return samples;
}

apr_status_t mrc_samples_create(apr_pool_t *pool, void *region, struct mrc_samples **ret_samples)
{
    struct mrc_samples_header *header = region;
    apr_status_t status = mrc_lock_init(&header->lock);

    if (status != APR_SUCCESS)
        return status;
    header->magic = MRC_SAMPLES_MAGIC;
    *ret_samples = mrc_samples_attach(pool, region);
    return APR_SUCCESS;
}

static bool lock(struct mrc_samples *samples, int64_t wait_us)
{
    bool owner_died;

    if (mrc_lock_acquire(&samples->header->lock, wait_us, &owner_died) != APR_SUCCESS)
        return false;
    if (owner_died) { /* the ring is allocated: only then is the lock taken */
        atomic_store(&samples->header->newest_us, 0);
        memset(samples->ring, 0, RING_BYTES);
    }
    return true;
}

/* ---- keeping ----------------------------------------------------------------------------------*/

/* Threads read the clock before they compare, so a sample may be a little newer than NOW_US. One
 * that is much newer is from before the system was started. */
bool mrc_samples_are_due(const struct mrc_samples *samples, int64_t now_us)
{
    int64_t newest_us = atomic_load_explicit(&samples->header->newest_us, memory_order_relaxed);

    return newest_us == 0 || now_us - newest_us >= MRC_SAMPLES_US ||
           newest_us - now_us >= MRC_SAMPLES_US;
}

void mrc_samples_keep(struct mrc_samples *samples, const struct mrc_sample *sample)
{
    struct mrc_samples_header *header = samples->header;

    /* Allocated before the lock is taken: the kernel takes long to make a page. */
    if (!mrc_samples_are_due(samples, sample->at_us) ||
        mrc_sparse_take(samples->pages, samples->ring, RING_BYTES) || !lock(samples, 0))
        return;
    if (mrc_samples_are_due(samples, sample->at_us)) {
        samples->ring[header->next % MRC_SAMPLES_MAX] = *sample;
        header->next++;
        atomic_store_explicit(&header->newest_us, sample->at_us, memory_order_relaxed);
    }
    mrc_lock_release(&header->lock);
}

/* ---- reading ----------------------------------------------------------------------------------*/

bool mrc_samples_find(struct mrc_samples *samples, int64_t now_us, int64_t most_us, bool oldest,
                      struct mrc_sample *ret_sample)
{
    const struct mrc_sample *found = NULL;

    if (!mrc_sparse_have(samples->pages, samples->ring, RING_BYTES) || !lock(samples, READ_WAIT_US))
        return false;
    for (uint64_t i = 1; i <= MRC_SAMPLES_MAX && !(found && !oldest); i++) {
        const struct mrc_sample *sample =
            &samples->ring[(samples->header->next - i) % MRC_SAMPLES_MAX];
        int64_t age_us = now_us - sample->at_us;

        if (sample->at_us && age_us >= MRC_SAMPLES_US && age_us <= most_us)
            found = sample;
    }
    if (found)
        *ret_sample = *found;
    mrc_lock_release(&samples->header->lock);
    return found != NULL;
}
