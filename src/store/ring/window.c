#include "store/ring/window.h"

void mrc_ring_window_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds)
{
    struct mrc_ring_header *header = ring->header;

    mrc_ring_publish(&header->bound_count, bounds->count);
    mrc_ring_publish(&header->bound_bytes, bounds->bytes);
    mrc_ring_publish(&header->bound_age_us, bounds->age_us);
    mrc_ring_publish(&header->bound_off, bounds->off);
}

void mrc_ring_get_bounds(const struct mrc_ring *ring, struct mrc_ring_bounds *ret_bounds)
{
    const struct mrc_ring_header *header = ring->header;

    *ret_bounds = (struct mrc_ring_bounds){
        .count = atomic_load(&header->bound_count),
        .bytes = atomic_load(&header->bound_bytes),
        .age_us = atomic_load(&header->bound_age_us),
        .off = atomic_load(&header->bound_off) != 0,
    };
}

void mrc_ring_window_clear(struct mrc_ring *ring)
{
    struct mrc_ring_header *header = ring->header;

    mrc_ring_publish(&header->history, mrc_ring_held(&header->head));
    mrc_ring_publish(&header->history_records, 0);
    mrc_ring_publish(&header->history_bytes, 0);
}

void mrc_ring_window_reset(struct mrc_ring *ring)
{
    struct mrc_ring_header *header = ring->header;

    mrc_ring_window_clear(ring);
    mrc_ring_publish(&header->tail, mrc_ring_held(&header->head));
    mrc_ring_publish(&header->resets, mrc_ring_held(&header->resets) + 1);
}

void mrc_ring_window_add(struct mrc_ring *ring, uint64_t stored_bytes)
{
    struct mrc_ring_header *header = ring->header;

    mrc_ring_publish(&header->history_records, mrc_ring_held(&header->history_records) + 1);
    mrc_ring_publish(&header->history_bytes, mrc_ring_held(&header->history_bytes) + stored_bytes);
}

/* Removes META, the first record of the history, from it. */
static void drop_oldest(struct mrc_ring_header *header, const struct mrc_ring_meta *meta)
{
    mrc_ring_publish(&header->history, mrc_ring_held(&header->history) + meta->total_bytes);
    if (meta->is_control)
        return; /* it was not counted */
    mrc_ring_publish(&header->history_records, mrc_ring_held(&header->history_records) - 1);
    mrc_ring_publish(&header->history_bytes,
                     mrc_ring_held(&header->history_bytes) - meta->stored_bytes);
}

void mrc_ring_window_trim(struct mrc_ring *ring, int64_t now_us)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = mrc_ring_held(&header->head);
    uint64_t count = mrc_ring_held(&header->bound_count);
    uint64_t bytes = mrc_ring_held(&header->bound_bytes);
    uint64_t age_us = mrc_ring_held(&header->bound_age_us);

    if (mrc_ring_held(&header->bound_off)) {
        mrc_ring_window_clear(ring);
        return;
    }
    while (mrc_ring_held(&header->history) < head) {
        struct mrc_ring_meta meta;

        if (mrc_ring_codec_load(ring, mrc_ring_held(&header->history), head, &meta)) {
            mrc_ring_window_reset(ring);
            return;
        }
        /* The history begins with an update, or is empty. */
        if (!meta.is_control && !(count && mrc_ring_held(&header->history_records) > count) &&
            !(bytes && mrc_ring_held(&header->history_bytes) > bytes) &&
            !mrc_ring_is_older(meta.time_us, age_us, now_us))
            return;
        drop_oldest(header, &meta);
    }
}

void mrc_ring_window_make_room(struct mrc_ring *ring, uint64_t total_bytes)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = mrc_ring_held(&header->head);
    uint64_t tail = mrc_ring_held(&header->tail);

    while (head + total_bytes - tail > ring->capacity) {
        struct mrc_ring_meta meta;

        if (mrc_ring_codec_load(ring, tail, head, &meta)) {
            mrc_ring_window_reset(ring);
            return;
        }
        if (tail == mrc_ring_held(&header->history))
            drop_oldest(header, &meta);
        tail += meta.total_bytes;
    }
    mrc_ring_publish(&header->tail, tail);
}

bool mrc_ring_window_recount(struct mrc_ring *ring)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = mrc_ring_held(&header->head);
    struct mrc_ring_meta meta;
    uint64_t records = 0;
    uint64_t bytes = 0;

    for (uint64_t pos = mrc_ring_held(&header->history); pos < head; pos += meta.total_bytes) {
        if (mrc_ring_codec_load(ring, pos, head, &meta)) {
            mrc_ring_window_reset(ring);
            return false;
        }
        records += !meta.is_control;
        bytes += meta.stored_bytes;
    }
    mrc_ring_publish(&header->history_records, records);
    mrc_ring_publish(&header->history_bytes, bytes);
    return true;
}
