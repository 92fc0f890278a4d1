/*
 * Writes one record to the words of a ring (layout.h), and reads it.
 *
 * Reading takes no lock, and the writer may overwrite a record at any time: copied data is valid
 * only if mrc_ring_codec_is_overrun() is false afterwards.
 */
#ifndef MRC_STORE_RING_CODEC_H
#define MRC_STORE_RING_CODEC_H

#include "apr_errno.h"

#include "store/base/record.h"
#include "store/ring/internal.h"

/* The header of a record, decoded. */
struct mrc_ring_meta {
    uint64_t seq;
    int64_t time_us;
    uint32_t total_bytes;
    uint32_t id_bytes;
    uint32_t payload_bytes;
    uint32_t stored_bytes;
    uint64_t chain;
    uint64_t id_hash;
    bool is_control;
};

static inline uint64_t mrc_ring_codec_round_up(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

/* The bytes that a record takes; the arguments are below 2^32. */
static inline uint64_t mrc_ring_codec_bytes(uint64_t id_bytes, uint64_t payload_bytes)
{
    return MRC_RING_OVERHEAD_BYTES + mrc_ring_codec_round_up(id_bytes) +
           mrc_ring_codec_round_up(payload_bytes);
}

/* The last word of the record that ends at END, and the value that it must have for a record of
 * TOTAL_BYTES. */
static inline uint64_t mrc_ring_codec_footer(const struct mrc_ring *ring, uint64_t end)
{
    return atomic_load_explicit(&ring->words[(end - 8) % ring->capacity / 8], memory_order_acquire);
}

static inline uint64_t mrc_ring_codec_footer_of(uint64_t total_bytes)
{
    return (uint64_t)MRC_RING_FOOTER_MARK << 32 | total_bytes;
}

/* Whether the tail has passed POS, so data that was copied from there is invalid. */
static inline bool mrc_ring_codec_is_overrun(const struct mrc_ring *ring, uint64_t pos)
{
    return pos < atomic_load_explicit(&ring->header->tail, memory_order_acquire);
}

/*
 * Writes RECORD, which takes TOTAL_BYTES, to the words from POS on. Under the lock; no reader uses
 * these words before the head has moved past them.
 */
void mrc_ring_codec_write(struct mrc_ring *ring, uint64_t pos, const struct mrc_record *record,
                          uint64_t total_bytes, uint64_t chain, uint64_t id_hash);

/*
 * Decodes the header of the record at POS, which ends at HEAD or before. MRC_STATUS_OVERRUN: the
 * tail has passed it; MRC_STATUS_CORRUPT: no record begins there.
 */
apr_status_t mrc_ring_codec_load(const struct mrc_ring *ring, uint64_t pos, uint64_t head,
                                 struct mrc_ring_meta *ret_meta);

/*
 * The position of the newest update before HEAD, which is the head of the ring, or was.
 * APR_NOTFOUND: the ring has none; MRC_STATUS_OVERRUN: the ring has overwritten it, load the head
 * again. In read.c.
 */
apr_status_t mrc_ring_newest_before(const struct mrc_ring *ring, uint64_t head, uint64_t *ret_pos);

/* Copies the id of the record META at POS, and directly after it the payload, to DST. */
void mrc_ring_codec_copy(const struct mrc_ring *ring, uint64_t pos,
                         const struct mrc_ring_meta *meta, char *dst);

/* Whether the record META at POS has this ID. */
bool mrc_ring_codec_has_id(const struct mrc_ring *ring, uint64_t pos,
                           const struct mrc_ring_meta *meta, struct mrc_bytes id);

#endif
