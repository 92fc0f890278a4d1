#include "store/ring/lock.h"

#include "store/ring/codec.h"
#include "store/ring/index.h"
#include "store/ring/window.h"

/* Makes the bucket of the record META at POS lead to it, unless it leads to a newer one. The writer
 * of the record has allocated the bucket. */
static void link_record(struct mrc_ring *ring, uint64_t pos, const struct mrc_ring_meta *meta)
{
    _Atomic uint64_t *bucket = &ring->buckets[mrc_ring_index_bucket_at(ring, pos, meta->id_hash)];

    if (mrc_ring_held(bucket) < pos + 1)
        mrc_ring_publish(bucket, pos + 1);
}

/* Links the records after last_seq, from the newest to the oldest. False: a contradiction. */
static bool link_newest(struct mrc_ring *ring)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t tail = mrc_ring_held(&header->tail);
    uint64_t last_seq = mrc_ring_held(&header->last_seq);
    uint64_t newest_seq = last_seq;
    struct mrc_ring_meta meta;

    for (uint64_t end = mrc_ring_held(&header->head); end > tail; end -= meta.total_bytes) {
        uint64_t total = mrc_ring_codec_footer(ring, end) & UINT32_MAX;

        if (total > end - tail || mrc_ring_codec_load(ring, end - total, end, &meta) ||
            meta.total_bytes != total)
            return false;
        if (meta.is_control && end == mrc_ring_held(&header->head))
            mrc_ring_publish(&header->control, end - total + 1);
        if (meta.seq <= last_seq)
            break; /* so is a control record: its writer has found everything linked */
        if (meta.seq > newest_seq)
            newest_seq = meta.seq;
        link_record(ring, end - total, &meta);
    }
    mrc_ring_publish(&header->last_seq, newest_seq);
    return true;
}

/*
 * Repairs the ring after a writer has died with the lock. Readers see no step of that writer before
 * it moved the head. The steps after that may be missing, so they are repeated: the counts, the
 * buckets of the newest records, last_seq, the bounds.
 */
static void recover(struct mrc_ring *ring, int64_t now_us)
{
    struct mrc_ring_header *header = ring->header;

    mrc_ring_publish(&header->recoveries, mrc_ring_held(&header->recoveries) + 1);
    if (!mrc_ring_window_recount(ring))
        return;
    if (link_newest(ring))
        mrc_ring_window_trim(ring, now_us);
    else
        mrc_ring_window_reset(ring);
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
