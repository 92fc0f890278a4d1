#include "store/ring/lock.h"

#include "store/ring/codec.h"
#include "store/ring/window.h"

/*
 * Repairs the ring after a writer has died with the lock. No reader sees the steps of that writer
 * before it moved the head. The steps after that may be missing, so they are repeated: the counts,
 * the bucket of the newest record, last_seq, the bounds.
 */
static void recover(struct mrc_ring *ring, int64_t now_us)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = mrc_ring_held(&header->head);
    struct mrc_ring_meta meta;
    uint64_t total;

    mrc_ring_publish(&header->recoveries, mrc_ring_held(&header->recoveries) + 1);
    if (!mrc_ring_window_recount(ring))
        return;
    /* The newest record: the history may be empty while the ring is not. */
    if (mrc_ring_held(&header->tail) < head) {
        total = mrc_ring_codec_footer(ring, head) & UINT32_MAX;
        if (total > head - mrc_ring_held(&header->tail) ||
            mrc_ring_codec_load(ring, head - total, head, &meta) || meta.total_bytes != total) {
            mrc_ring_window_reset(ring);
            return;
        }
        /* If it was linked already, this changes nothing. */
        mrc_ring_publish(meta.is_control ? &header->control
                                         : &ring->buckets[meta.id_hash & ring->bucket_mask],
                         head - total + 1);
        mrc_ring_publish(&header->last_seq, meta.seq);
    }
    mrc_ring_window_trim(ring, now_us);
}

apr_status_t mrc_ring_lock(struct mrc_ring *ring, int64_t now_us, int64_t wait_us)
{
    apr_status_t status;
    bool owner_died;

    if (ring->read_only)
        return APR_EACCES;
    status = mrc_lock_acquire(&ring->header->lock, wait_us, &owner_died);
    if (!status && owner_died)
        recover(ring, now_us);
    return status;
}

void mrc_ring_unlock(struct mrc_ring *ring)
{
    mrc_lock_release(&ring->header->lock);
}
