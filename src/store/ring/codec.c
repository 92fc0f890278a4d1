#include "store/ring/codec.h"

#include <string.h>

#include "store/base/status.h"

/* ---- Writing ----------------------------------------------------------------------------------*/

/* A cursor in the data that moves from word to word. */
struct cursor {
    _Atomic uint64_t *words;
    uint64_t i;
    uint64_t end;
};

static void put_word(struct cursor *cursor, uint64_t word)
{
    mrc_ring_publish(&cursor->words[cursor->i], word);
    if (++cursor->i == cursor->end)
        cursor->i = 0;
}

static void put_bytes(struct cursor *cursor, struct mrc_bytes bytes)
{
    const char *src = bytes.ptr;
    size_t len = bytes.len;
    uint64_t word;

    for (; len >= 8; len -= 8, src += 8) {
        memcpy(&word, src, 8);
        put_word(cursor, word);
    }
    if (len) {
        word = 0;
        memcpy(&word, src, len);
        put_word(cursor, word);
    }
}

void mrc_ring_codec_write(struct mrc_ring *ring, uint64_t pos, const struct mrc_record *record,
                          uint64_t total_bytes, uint64_t chain, uint64_t id_hash)
{
    struct cursor cursor = {
        .words = ring->words,
        .i = pos % ring->capacity / 8,
        .end = ring->capacity / 8,
    };

    put_word(&cursor, record->seq);
    put_word(&cursor, (uint64_t)record->time_us);
    put_word(&cursor, (uint64_t)record->id.len << 32 | total_bytes |
                          (record->is_control ? MRC_RING_CONTROL_FLAG : 0));
    put_word(&cursor, record->stored_bytes << 32 | record->payload.len);
    put_word(&cursor, chain);
    put_word(&cursor, id_hash);
    put_bytes(&cursor, record->id);
    put_bytes(&cursor, record->payload);
    put_word(&cursor, mrc_ring_codec_footer_of(total_bytes));
}

/* ---- Reading ----------------------------------------------------------------------------------*/

apr_status_t mrc_ring_codec_load(const struct mrc_ring *ring, uint64_t pos, uint64_t head,
                                 struct mrc_ring_meta *ret_meta)
{
    uint64_t word[MRC_RING_HEADER_WORDS];
    struct mrc_ring_meta meta;
    uint64_t at;
    int i;

    if (mrc_ring_codec_is_overrun(ring, pos))
        return MRC_STATUS_OVERRUN; /* its memory may be given back */
    if (pos % 8 || pos >= head || head - pos < MRC_RING_OVERHEAD_BYTES)
        return MRC_STATUS_CORRUPT;
    at = pos % ring->capacity / 8;
    for (i = 0; i < MRC_RING_HEADER_WORDS; i++) {
        word[i] = atomic_load_explicit(&ring->words[at], memory_order_acquire);
        if (++at == ring->capacity / 8)
            at = 0;
    }
    if (mrc_ring_codec_is_overrun(ring, pos))
        return MRC_STATUS_OVERRUN;
    meta = (struct mrc_ring_meta){
        .seq = word[0],
        .time_us = (int64_t)word[1],
        .total_bytes = (uint32_t)word[2] & ~MRC_RING_CONTROL_FLAG,
        .id_bytes = (uint32_t)(word[2] >> 32),
        .payload_bytes = (uint32_t)word[3],
        .stored_bytes = (uint32_t)(word[3] >> 32),
        .chain = word[4],
        .id_hash = word[5],
        .is_control = word[2] & MRC_RING_CONTROL_FLAG,
    };
    if (meta.total_bytes != mrc_ring_codec_bytes(meta.id_bytes, meta.payload_bytes) ||
        meta.total_bytes > head - pos || meta.total_bytes > ring->capacity)
        return MRC_STATUS_CORRUPT;
    *ret_meta = meta;
    return APR_SUCCESS;
}

static void copy_out(const struct mrc_ring *ring, uint64_t pos, char *dst, size_t len)
{
    uint64_t end = ring->capacity / 8;
    uint64_t i = pos % ring->capacity / 8;

    while (len) {
        uint64_t word = atomic_load_explicit(&ring->words[i], memory_order_acquire);
        size_t n = len < 8 ? len : 8;

        memcpy(dst, &word, n);
        dst += n;
        len -= n;
        if (++i == end)
            i = 0;
    }
}

void mrc_ring_codec_copy(const struct mrc_ring *ring, uint64_t pos,
                         const struct mrc_ring_meta *meta, char *dst)
{
    uint64_t id_at = pos + MRC_RING_HEADER_WORDS * 8;

    copy_out(ring, id_at, dst, meta->id_bytes);
    copy_out(ring, id_at + mrc_ring_codec_round_up(meta->id_bytes), dst + meta->id_bytes,
             meta->payload_bytes);
}

bool mrc_ring_codec_has_id(const struct mrc_ring *ring, uint64_t pos,
                           const struct mrc_ring_meta *meta, struct mrc_bytes id)
{
    if (meta->id_bytes != id.len)
        return false;
    pos += MRC_RING_HEADER_WORDS * 8;
    while (id.len) {
        uint64_t word =
            atomic_load_explicit(&ring->words[pos % ring->capacity / 8], memory_order_acquire);
        size_t n = id.len < 8 ? id.len : 8;

        if (memcmp(id.ptr, &word, n) != 0)
            return false;
        id = (struct mrc_bytes){id.ptr + n, id.len - n};
        pos += 8;
    }
    return true;
}
