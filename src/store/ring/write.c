#include "core/base/siphash.h"
#include "store/ring/internal.h"

/*
 * What moves in the header, as the holder of the lock sees it: nobody else writes it, so relaxed
 * loads read the truth.
 */
static uint64_t held(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void publish(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/* ---- The history window, under the lock -------------------------------------------------------*/

/* Drops everything: only after a contradiction that no death of a writer explains. */
static void reset(struct mrc_ring_header *header)
{
    uint64_t head = held(&header->head);

    publish(&header->history, head);
    publish(&header->history_records, 0);
    publish(&header->history_bytes, 0);
    publish(&header->tail, head);
    publish(&header->resets, held(&header->resets) + 1);
}

/* The history begins one record later; META is the record that it begins with. */
static void drop_oldest(struct mrc_ring_header *header, const struct mrc_ring_meta *meta)
{
    publish(&header->history, held(&header->history) + meta->total_bytes);
    publish(&header->history_records, held(&header->history_records) - 1);
    publish(&header->history_bytes, held(&header->history_bytes) - meta->stored_bytes);
}

/* Makes the history obey its bounds. */
static void trim(struct mrc_ring *ring, int64_t now_us)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = held(&header->head);
    uint64_t count = held(&header->bound_count);
    uint64_t bytes = held(&header->bound_bytes);
    uint64_t age_us = held(&header->bound_age_us);

    if (held(&header->bound_off)) {
        publish(&header->history, head);
        publish(&header->history_records, 0);
        publish(&header->history_bytes, 0);
        return;
    }
    while (held(&header->history) < head) {
        struct mrc_ring_meta meta;

        if (mrc_ring_load_meta(ring, held(&header->history), head, &meta) != APR_SUCCESS) {
            reset(header);
            return;
        }
        if (!(count && held(&header->history_records) > count) &&
            !(bytes && held(&header->history_bytes) > bytes) &&
            !mrc_ring_is_older(meta.time_us, age_us, now_us))
            return;
        drop_oldest(header, &meta);
    }
}

/* ---- The lock ---------------------------------------------------------------------------------*/

/*
 * A writer has died with the lock. Whatever it did before it moved the head is invisible; what it
 * did not do after that, is done here.
 */
static void recover(struct mrc_ring *ring, int64_t now_us)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = held(&header->head);
    uint64_t pos = held(&header->history);
    struct mrc_ring_meta meta = {.seq = 0};
    uint64_t newest = UINT64_MAX;
    uint64_t records = 0;
    uint64_t bytes = 0;

    publish(&header->recoveries, held(&header->recoveries) + 1);
    for (; pos < head; pos += meta.total_bytes) {
        if (mrc_ring_load_meta(ring, pos, head, &meta) != APR_SUCCESS) {
            reset(header);
            return;
        }
        newest = pos;
        records++;
        bytes += meta.stored_bytes;
    }
    publish(&header->history_records, records);
    publish(&header->history_bytes, bytes);

    /* The history may be empty while the ring is not. */
    if (newest == UINT64_MAX && held(&header->tail) < head) {
        uint64_t total = mrc_ring_footer(ring, head) & UINT32_MAX;

        if (total > head - held(&header->tail) ||
            mrc_ring_load_meta(ring, head - total, head, &meta) != APR_SUCCESS) {
            reset(header);
            return;
        }
        newest = head - total;
    }
    if (newest != UINT64_MAX) {
        /* If it was linked already, this changes nothing. */
        publish(&ring->buckets[meta.id_hash & ring->bucket_mask], newest + 1);
        publish(&header->last_seq, meta.seq);
    }
    trim(ring, now_us);
}

/* Takes the lock, and mends what a dead owner left. */
static apr_status_t lock(struct mrc_ring *ring, int64_t now_us, int64_t wait_us)
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

static void unlock(struct mrc_ring *ring)
{
    mrc_lock_release(&ring->header->lock);
}

/* ---- Appending --------------------------------------------------------------------------------*/

/* Moves history and tail until TOTAL more bytes after the head overwrite nothing that they keep. */
static void make_room(struct mrc_ring *ring, uint64_t total)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t head = held(&header->head);
    uint64_t tail = held(&header->tail);
    struct mrc_ring_meta meta;

    while (head + total - tail > ring->capacity) {
        if (mrc_ring_load_meta(ring, tail, head, &meta) != APR_SUCCESS) {
            reset(header);
            return;
        }
        if (tail == held(&header->history))
            drop_oldest(header, &meta);
        tail += meta.total_bytes;
    }
    publish(&header->tail, tail);
}

/* A place in the data that moves on from word to word. */
struct cursor {
    _Atomic uint64_t *words;
    uint64_t i;
    uint64_t end;
};

static void put_word(struct cursor *cursor, uint64_t word)
{
    publish(&cursor->words[cursor->i], word);
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

/* Under the lock: the five steps of ring_layout.h. TOTAL is the record's size and fits. */
static void put(struct mrc_ring *ring, uint64_t total, uint64_t seq, int64_t time_us,
                uint64_t stored_bytes, struct mrc_bytes id, struct mrc_bytes payload)
{
    struct mrc_ring_header *header = ring->header;
    uint64_t hash = mrc_siphash(ring->hash_key, id);
    _Atomic uint64_t *bucket = &ring->buckets[hash & ring->bucket_mask];
    uint64_t pos = held(&header->head);
    struct cursor cursor = {
        .words = ring->words,
        .i = pos % ring->capacity / 8,
        .end = ring->capacity / 8,
    };

    make_room(ring, total);

    put_word(&cursor, seq);
    put_word(&cursor, (uint64_t)time_us);
    put_word(&cursor, (uint64_t)id.len << 32 | total);
    put_word(&cursor, stored_bytes << 32 | payload.len);
    put_word(&cursor, held(bucket));
    put_word(&cursor, hash);
    put_bytes(&cursor, id);
    put_bytes(&cursor, payload);
    put_word(&cursor, mrc_ring_footer_of(total));

    atomic_store(&header->head, pos + total);

    publish(bucket, pos + 1);

    publish(&header->last_seq, seq);
    publish(&header->history_records, held(&header->history_records) + 1);
    publish(&header->history_bytes, held(&header->history_bytes) + stored_bytes);
}

static bool fits(const struct mrc_ring *ring, struct mrc_bytes id, struct mrc_bytes payload,
                 uint64_t *ret_total)
{
    uint64_t total;

    if (id.len > MRC_RING_RECORD_MAX || payload.len > MRC_RING_RECORD_MAX)
        return false;
    total = mrc_ring_record_bytes(id.len, payload.len);
    if (total > ring->capacity / 4 || total > MRC_RING_RECORD_MAX)
        return false;
    *ret_total = total;
    return true;
}

apr_status_t mrc_ring_append(struct mrc_ring *ring, struct mrc_bytes id, struct mrc_bytes payload,
                             uint64_t stored_bytes, int64_t now_us, int64_t wait_us,
                             uint64_t *ret_seq, uint64_t *ret_pos)
{
    struct mrc_ring_header *header = ring->header;
    apr_status_t status;
    uint64_t total;
    uint64_t seq;

    if (!fits(ring, id, payload, &total) || stored_bytes > UINT32_MAX)
        return MRC_STATUS_TOO_LARGE;
    status = lock(ring, now_us, wait_us);
    if (status)
        return status;
    if (held(&header->state) != MRC_RING_OPEN) {
        unlock(ring);
        return MRC_STATUS_SUPERSEDED;
    }
    seq = held(&header->last_seq) + 1;
    put(ring, total, seq, now_us, stored_bytes, id, payload);
    trim(ring, now_us);
    *ret_seq = seq;
    *ret_pos = held(&header->head);
    unlock(ring);
    return APR_SUCCESS;
}

apr_status_t mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_ring_record *record,
                                int64_t now_us, int64_t wait_us)
{
    struct mrc_ring_header *header = ring->header;
    apr_status_t status;
    uint64_t total;

    if (!fits(ring, record->id, record->payload, &total) || record->stored_bytes > UINT32_MAX)
        return MRC_STATUS_TOO_LARGE;
    status = lock(ring, now_us, wait_us);
    if (status)
        return status;
    if (held(&header->state) != MRC_RING_OPEN)
        status = MRC_STATUS_SUPERSEDED;
    else if (record->seq <= held(&header->last_seq))
        status = APR_EINVAL;
    if (!status) {
        put(ring, total, record->seq, record->time_us, record->stored_bytes, record->id,
            record->payload);
        trim(ring, now_us);
    }
    unlock(ring);
    return status;
}

void mrc_ring_try_trim(struct mrc_ring *ring, int64_t now_us)
{
    if (lock(ring, now_us, 0) != APR_SUCCESS)
        return;
    trim(ring, now_us);
    unlock(ring);
}

/* ---- What the parent does at a reload ---------------------------------------------------------*/

apr_status_t mrc_ring_set_bounds(struct mrc_ring *ring, const struct mrc_ring_bounds *bounds,
                                 int64_t now_us, int64_t wait_us)
{
    struct mrc_ring_header *header = ring->header;
    apr_status_t status = lock(ring, now_us, wait_us);

    if (status)
        return status;
    publish(&header->bound_count, bounds->count);
    publish(&header->bound_bytes, bounds->bytes);
    publish(&header->bound_age_us, bounds->age_us);
    publish(&header->bound_off, bounds->off);
    trim(ring, now_us);
    unlock(ring);
    return APR_SUCCESS;
}

/*
 * Copies the records of FROM between POS and HEAD; those that cannot fit are left out. A
 * contradiction ends the copy and is no failure: what lies behind it cannot be had.
 */
static apr_status_t copy_records(const struct mrc_ring *from, uint64_t pos, uint64_t head,
                                 struct mrc_ring *to)
{
    struct mrc_ring_record record = {.buf = NULL};
    apr_status_t status = APR_SUCCESS;
    uint64_t total;

    while (pos < head) {
        status = mrc_ring_read(from, &pos, &record);
        if (status)
            break;
        if (fits(to, record.id, record.payload, &total))
            put(to, total, record.seq, record.time_us, record.stored_bytes, record.id,
                record.payload);
    }
    mrc_ring_record_free(&record);
    return status == APR_ENOMEM ? status : APR_SUCCESS;
}

apr_status_t mrc_ring_move(struct mrc_ring *from, struct mrc_ring *to, int64_t now_us,
                           int64_t wait_us)
{
    apr_status_t status = lock(from, now_us, wait_us);
    struct mrc_ring_record newest = {.buf = NULL};
    uint64_t history;
    uint64_t head;
    bool empty;

    if (status)
        return status;
    if (held(&from->header->state) != MRC_RING_OPEN) {
        unlock(from);
        return MRC_STATUS_SUPERSEDED;
    }
    trim(from, now_us);
    head = held(&from->header->head);
    history = held(&from->header->history);
    empty = history == head;
    /* The newest record goes along even where there is no history: subscribers are told its id. */
    if (empty && mrc_ring_newest(from, &newest) == APR_SUCCESS)
        history = newest.pos;
    mrc_ring_record_free(&newest);
    status = copy_records(from, history, head, to);
    if (!status) {
        if (empty) {
            publish(&to->header->history, held(&to->header->head));
            publish(&to->header->history_records, 0);
            publish(&to->header->history_bytes, 0);
        }
        publish(&to->header->last_seq, held(&from->header->last_seq));
        trim(to, now_us);
        publish(&from->header->state, MRC_RING_SUPERSEDED);
    }
    unlock(from);
    return status;
}

void mrc_ring_supersede(struct mrc_ring *ring, int64_t wait_us)
{
    apr_status_t status = lock(ring, 0, wait_us);

    publish(&ring->header->state, MRC_RING_SUPERSEDED);
    if (!status)
        unlock(ring);
}
