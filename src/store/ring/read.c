#include <stdlib.h>

#include "core/base/siphash.h"
#include "store/ring/codec.h"
#include "store/ring/index.h"
#include "store/ring/lock.h"
#include "store/ring/ring.h"
#include "store/ring/window.h"

/* A reader that passes more expired records than this removes them from the history. */
#define EXPIRED_MAX 64

/* ---- Records ----------------------------------------------------------------------------------*/

static bool reserve(struct mrc_ring_record *record, size_t bytes)
{
    char *grown;
    size_t cap = record->cap ? record->cap : 512;

    if (bytes <= record->cap)
        return true;
    while (cap < bytes)
        cap *= 2; /* a record is below 2^32 bytes */
    grown = realloc(record->buf, cap);
    if (!grown)
        return false;
    record->buf = grown;
    record->cap = cap;
    return true;
}

apr_status_t mrc_ring_read(const struct mrc_ring *ring, uint64_t *pos,
                           struct mrc_ring_record *record)
{
    uint64_t head = mrc_ring_head(ring);
    uint64_t at = *pos;
    struct mrc_ring_meta meta;
    apr_status_t status;

    if (at == head)
        return APR_EOF;
    status = mrc_ring_codec_load(ring, at, head, &meta);
    if (status)
        return status;
    /* One extra byte, so that an empty id and an empty payload have a pointer too. */
    if (!reserve(record, (size_t)meta.id_bytes + meta.payload_bytes + 1))
        return APR_ENOMEM;
    mrc_ring_codec_copy(ring, at, &meta, record->buf);
    if (mrc_ring_codec_is_overrun(ring, at))
        return MRC_STATUS_OVERRUN;
    record->pos = at;
    record->view = (struct mrc_record){
        .seq = meta.seq,
        .time_us = meta.time_us,
        .stored_bytes = meta.stored_bytes,
        .id = {record->buf, meta.id_bytes},
        .payload = {record->buf + meta.id_bytes, meta.payload_bytes},
        .is_control = meta.is_control,
    };
    *pos = at + meta.total_bytes;
    return APR_SUCCESS;
}

void mrc_ring_record_free(struct mrc_ring_record *record)
{
    if (!record)
        return;
    free(record->buf);
    *record = (struct mrc_ring_record){.buf = NULL};
}

/* ---- Positions --------------------------------------------------------------------------------*/

uint64_t mrc_ring_head(const struct mrc_ring *ring)
{
    return atomic_load(&ring->header->head);
}

/*
 * The position of the record that ends at HEAD. APR_NOTFOUND: the ring is empty;
 * MRC_STATUS_OVERRUN: the ring has overwritten it, load the head again.
 */
static apr_status_t last_before(const struct mrc_ring *ring, uint64_t head, uint64_t *ret_pos)
{
    uint64_t tail = atomic_load_explicit(&ring->header->tail, memory_order_acquire);
    uint64_t footer;
    uint64_t total;

    if (tail > head)
        return MRC_STATUS_OVERRUN;
    if (tail == head)
        return APR_NOTFOUND;
    footer = mrc_ring_codec_footer(ring, head);
    total = footer & UINT32_MAX;
    /* The tail moves by whole records: once it has passed the footer, it is at HEAD or beyond. */
    if (mrc_ring_codec_is_overrun(ring, head - 8))
        return MRC_STATUS_OVERRUN;
    if (footer != mrc_ring_codec_footer_of(total) || total % 8 || total > head ||
        total < MRC_RING_OVERHEAD_BYTES)
        return MRC_STATUS_CORRUPT;
    *ret_pos = head - total;
    return APR_SUCCESS;
}

apr_status_t mrc_ring_newest_before(const struct mrc_ring *ring, uint64_t head, uint64_t *ret_pos)
{
    struct mrc_ring_meta meta;
    apr_status_t status = last_before(ring, head, ret_pos);

    if (!status)
        status = mrc_ring_codec_load(ring, *ret_pos, head, &meta);
    if (status || !meta.is_control)
        return status;
    /* A control record knows the update before it, which may be overwritten. */
    if (!meta.chain || mrc_ring_codec_is_overrun(ring, meta.chain - 1))
        return mrc_ring_codec_is_overrun(ring, *ret_pos) ? MRC_STATUS_OVERRUN : APR_NOTFOUND;
    *ret_pos = meta.chain - 1;
    return APR_SUCCESS;
}

apr_status_t mrc_ring_newest(const struct mrc_ring *ring, struct mrc_ring_record *record)
{
    apr_status_t status;
    uint64_t pos;

    do {
        status = mrc_ring_newest_before(ring, mrc_ring_head(ring), &pos);
        if (!status)
            status = mrc_ring_read(ring, &pos, record);
    } while (status == MRC_STATUS_OVERRUN);
    return status;
}

void mrc_ring_end(const struct mrc_ring *ring, uint64_t *ret_pos, uint64_t *ret_seq)
{
    struct mrc_ring_meta meta = {.seq = 0};
    apr_status_t status;
    uint64_t head;
    uint64_t pos;

    do {
        head = mrc_ring_head(ring);
        status = last_before(ring, head, &pos);
        if (!status)
            status = mrc_ring_codec_load(ring, pos, head, &meta);
    } while (status == MRC_STATUS_OVERRUN);
    *ret_pos = head;
    *ret_seq = status ? atomic_load(&ring->header->last_seq) : meta.seq;
}

/* Removes expired records from the history, if the lock is free. */
static void try_trim(struct mrc_ring *ring, int64_t now_us)
{
    if (ring->read_only || mrc_ring_lock(ring, now_us, 0) != APR_SUCCESS)
        return;
    mrc_ring_window_trim(ring, now_us);
    mrc_ring_unlock(ring);
}

uint64_t mrc_ring_oldest(struct mrc_ring *ring, int64_t now_us)
{
    uint64_t age_us = atomic_load_explicit(&ring->header->bound_age_us, memory_order_relaxed);
    uint64_t head;
    uint64_t pos;
    uint64_t expired = 0;

    if (atomic_load_explicit(&ring->header->bound_off, memory_order_relaxed))
        return mrc_ring_head(ring);
    pos = atomic_load_explicit(&ring->header->history, memory_order_acquire);
    if (age_us == 0)
        return pos;
    head = mrc_ring_head(ring);
    while (pos < head) {
        struct mrc_ring_meta meta;
        apr_status_t status = mrc_ring_codec_load(ring, pos, head, &meta);

        if (status == MRC_STATUS_OVERRUN) { /* the history begins later now */
            pos = atomic_load_explicit(&ring->header->history, memory_order_acquire);
            head = mrc_ring_head(ring);
            continue;
        }
        if (status)
            return head;
        if (!mrc_ring_is_older(meta.time_us, age_us, now_us))
            break;
        pos += meta.total_bytes;
        expired++;
    }
    if (expired > EXPIRED_MAX)
        try_trim(ring, now_us);
    return pos;
}

uint64_t mrc_ring_control(const struct mrc_ring *ring)
{
    return atomic_load_explicit(&ring->header->control, memory_order_acquire);
}

apr_status_t mrc_ring_control_before(const struct mrc_ring *ring, uint64_t mark,
                                     uint64_t *ret_before)
{
    struct mrc_ring_meta meta;
    apr_status_t status =
        mark == 0 ? APR_EINVAL : mrc_ring_codec_load(ring, mark - 1, mrc_ring_head(ring), &meta);

    if (status == APR_SUCCESS && !meta.is_control)
        status = MRC_STATUS_CORRUPT;
    if (status == APR_SUCCESS)
        *ret_before = meta.id_hash;
    return status;
}

/* ---- Finding by id ----------------------------------------------------------------------------*/

struct search {
    struct mrc_bytes id;
    uint64_t hash;
    bool found;
    uint64_t end; /* of the earliest match so far */
};

/* Compares the record at POS, and decodes its header. */
static apr_status_t search_at(const struct mrc_ring *ring, uint64_t pos, struct search *search,
                              struct mrc_ring_meta *ret_meta)
{
    struct mrc_ring_meta meta;
    apr_status_t status = mrc_ring_codec_load(ring, pos, mrc_ring_head(ring), &meta);

    if (status)
        return status;
    if (meta.id_hash == search->hash) {
        bool same = mrc_ring_codec_has_id(ring, pos, &meta, search->id);

        if (mrc_ring_codec_is_overrun(ring, pos))
            return MRC_STATUS_OVERRUN;
        if (same) {
            search->found = true;
            search->end = pos + meta.total_bytes;
        }
    }
    *ret_meta = meta;
    return APR_SUCCESS;
}

/*
 * Compares the newest record, and those before it that may not be in their buckets yet; none before
 * OLDEST. MRC_STATUS_OVERRUN: the ring has overwritten the newest one, try again.
 */
static apr_status_t search_newest(const struct mrc_ring *ring, uint64_t oldest,
                                  struct search *search)
{
    uint64_t linked_seq = atomic_load_explicit(&ring->header->last_seq, memory_order_acquire);
    struct mrc_ring_meta meta;
    uint64_t pos;
    apr_status_t status = mrc_ring_newest_before(ring, mrc_ring_head(ring), &pos);

    if (!status && pos >= oldest)
        status = search_at(ring, pos, search, &meta);
    if (status == MRC_STATUS_OVERRUN)
        return status;
    /* If the ring overwrites one of these, the older ones are gone, too. */
    while (!status && pos > oldest && meta.seq > linked_seq + 1) {
        status = mrc_ring_newest_before(ring, pos, &pos);
        if (!status && pos >= oldest)
            status = search_at(ring, pos, search, &meta);
    }
    return APR_SUCCESS;
}

/* From newer to older, so the last match is the earliest. A chain ends where it leads to a record
 * that was overwritten. */
static void search_chain(const struct mrc_ring *ring, uint64_t link, uint64_t oldest,
                         uint64_t *limit, struct search *search)
{
    while (link && link - 1 >= oldest && link - 1 < *limit) {
        struct mrc_ring_meta meta;

        *limit = link - 1;
        if (search_at(ring, *limit, search, &meta) != APR_SUCCESS)
            return;
        link = meta.chain;
    }
}

apr_status_t mrc_ring_find(struct mrc_ring *ring, struct mrc_bytes id, int64_t now_us,
                           uint64_t *ret_pos)
{
    struct search search = {.id = id, .hash = mrc_siphash(ring->hash_key, id)};
    uint64_t limit = UINT64_MAX;
    uint64_t oldest;

    if (atomic_load_explicit(&ring->header->bound_off, memory_order_relaxed))
        return APR_NOTFOUND;
    oldest = mrc_ring_oldest(ring, now_us);

    while (search_newest(ring, oldest, &search) == MRC_STATUS_OVERRUN)
        ;

    /* The larger a table, the newer its records. */
    for (uint64_t table = mrc_ring_index_table_at(ring, mrc_ring_head(ring));
         table && mrc_ring_index_end_of(ring, table) > oldest;
         table = mrc_ring_index_before(ring, table))
        search_chain(ring,
                     mrc_ring_index_load(ring, mrc_ring_index_bucket(ring, table, search.hash)),
                     oldest, &limit, &search);
    if (!search.found)
        return APR_NOTFOUND;
    *ret_pos = search.end;
    return APR_SUCCESS;
}

uint64_t mrc_ring_tail(const struct mrc_ring *ring)
{
    return atomic_load_explicit(&ring->header->tail, memory_order_acquire);
}

/* ---- Finding by number ------------------------------------------------------------------------*/

uint64_t mrc_ring_seq_at(const struct mrc_ring *ring, uint64_t pos)
{
    struct mrc_ring_meta meta;
    uint64_t head, seq;

    mrc_ring_end(ring, &head, &seq);
    if (pos == head)
        return seq + 1;
    if (pos > head || mrc_ring_codec_load(ring, pos, head, &meta) != APR_SUCCESS)
        return 0;
    return meta.is_control ? meta.seq + 1 : meta.seq; /* that of the next update */
}

apr_status_t mrc_ring_seek(struct mrc_ring *ring, uint64_t seq, int64_t now_us, uint64_t *ret_pos,
                           int64_t *ret_before_us)
{
    uint64_t oldest, at, next;

    if (atomic_load_explicit(&ring->header->bound_off, memory_order_relaxed))
        return APR_NOTFOUND;
    oldest = mrc_ring_oldest(ring, now_us);
    mrc_ring_end(ring, &at, &next);
    next++;
    if (seq == 0 || seq > next)
        return APR_NOTFOUND;
    /* NEXT is the number of the record at AT. */
    while (at > oldest) {
        struct mrc_ring_meta meta;
        uint64_t pos;

        if (mrc_ring_newest_before(ring, at, &pos) || mrc_ring_codec_load(ring, pos, at, &meta))
            return APR_NOTFOUND;
        if (meta.seq < seq) {
            *ret_pos = at;
            *ret_before_us = meta.time_us;
            return APR_SUCCESS;
        }
        next = meta.seq;
        at = pos;
    }
    if (next != seq)
        return APR_NOTFOUND;
    *ret_pos = at;
    *ret_before_us = 0;
    return APR_SUCCESS;
}

/* ---- State and numbers ------------------------------------------------------------------------*/

bool mrc_ring_is_superseded(const struct mrc_ring *ring)
{
    return atomic_load_explicit(&ring->header->state, memory_order_acquire) == MRC_RING_SUPERSEDED;
}

/* Its keys differ from the key of the ids, so the numbers reveal nothing about hashes of ids. */
uint64_t mrc_ring_secret_number(const struct mrc_ring *ring, const uint64_t of[2],
                                struct mrc_bytes bytes)
{
    const uint64_t key[2] = {~ring->hash_key[0] ^ of[0], ring->hash_key[1] ^ of[1]};

    return mrc_siphash(key, bytes);
}

void mrc_ring_stats(const struct mrc_ring *ring, struct mrc_ring_stats *ret_stats)
{
    const struct mrc_ring_header *header = ring->header;

    *ret_stats = (struct mrc_ring_stats){
        .capacity = ring->capacity,
        .tail = atomic_load(&header->tail),
        .history = atomic_load(&header->history),
        .records = atomic_load(&header->history_records),
        .bytes = atomic_load(&header->history_bytes),
        .last_seq = atomic_load(&header->last_seq),
        .recoveries = atomic_load(&header->recoveries),
        .resets = atomic_load(&header->resets),
        .superseded = mrc_ring_is_superseded(ring),
    };
    ret_stats->head = mrc_ring_head(ring); /* last, so that it is never before the others */
}
