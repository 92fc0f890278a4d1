#include "store/ring/ring.h"

#include <stdlib.h>

#include "apr_general.h"
#include "core/base/siphash.h"
#include "store/ring/internal.h"

/* More expired records than these between the history's mark and the first that is young enough:
 * whoever meets them moves the mark. */
#define MANY_EXPIRED 64

/* ---- Making -----------------------------------------------------------------------------------*/

#define PADDING_BYTES 14 /* id and payload, each filled to whole words */
#define FEW_RECORDS   16
#define MANY_BUCKETS  (UINT64_C(1) << 24)
#define FEW_BUCKETS   64

static uint64_t records_for(uint64_t payload_bytes, uint64_t count)
{
    uint64_t n = payload_bytes / MRC_RING_SMALL_RECORD_BYTES;

    if (count && count < n)
        n = count;
    return n < FEW_RECORDS ? FEW_RECORDS : n;
}

uint64_t mrc_ring_capacity_for(uint64_t payload_bytes, uint64_t count, uint64_t largest_bytes)
{
    uint64_t largest;
    uint64_t capacity;

    if (payload_bytes > MRC_RING_CAPACITY_MAX || largest_bytes > MRC_RING_RECORD_MAX)
        return 0;
    largest = mrc_ring_round_up(largest_bytes + MRC_RING_OVERHEAD_BYTES + PADDING_BYTES);
    if (largest > MRC_RING_RECORD_MAX)
        return 0;
    capacity = payload_bytes +
               records_for(payload_bytes, count) * (MRC_RING_OVERHEAD_BYTES + PADDING_BYTES) +
               largest;
    if (capacity < 4 * largest)
        capacity = 4 * largest;
    capacity = (capacity + 63) & ~UINT64_C(63);
    return capacity <= MRC_RING_CAPACITY_MAX ? capacity : 0;
}

uint64_t mrc_ring_buckets_for(uint64_t payload_bytes, uint64_t count)
{
    uint64_t n = records_for(payload_bytes, count);
    uint64_t buckets = FEW_BUCKETS;

    while (buckets < n && buckets < MANY_BUCKETS)
        buckets *= 2;
    return buckets;
}

uint64_t mrc_ring_region_bytes(uint64_t capacity)
{
    return sizeof(struct mrc_ring_header) + capacity;
}

uint64_t mrc_ring_index_bytes(uint64_t bucket_count)
{
    return bucket_count * sizeof(uint64_t);
}

static bool geometry_is_sound(uint64_t capacity, uint64_t bucket_count)
{
    return capacity >= 4 * MRC_RING_OVERHEAD_BYTES && capacity <= MRC_RING_CAPACITY_MAX &&
           capacity % 8 == 0 && bucket_count > 0 && bucket_count <= MANY_BUCKETS &&
           (bucket_count & (bucket_count - 1)) == 0;
}

static struct mrc_ring *attach(apr_pool_t *pool, struct mrc_ring_header *header, void *index)
{
    struct mrc_ring *ring = apr_pcalloc(pool, sizeof(*ring));

    ring->header = header;
    ring->words = (_Atomic uint64_t *)(void *)(header + 1);
    ring->buckets = index;
    ring->capacity = header->capacity;
    ring->bucket_mask = header->bucket_count - 1;
    ring->hash_key[0] = header->hash_key[0];
    ring->hash_key[1] = header->hash_key[1];
    return ring;
}

apr_status_t mrc_ring_create(apr_pool_t *pool, void *region, uint64_t capacity, void *index,
                             uint64_t bucket_count, const struct mrc_ring_bounds *bounds,
                             struct mrc_error *error, struct mrc_ring **ret_ring)
{
    struct mrc_ring_header *header = region;
    apr_status_t status;

    if (!geometry_is_sound(capacity, bucket_count))
        return mrc_status_set(error, APR_EINVAL, "a ring cannot have this size");
    header->magic = MRC_RING_MAGIC;
    header->version = MRC_RING_VERSION;
    header->header_bytes = sizeof(*header);
    header->capacity = capacity;
    header->bucket_count = bucket_count;
    status = apr_generate_random_bytes((unsigned char *)header->hash_key, sizeof(header->hash_key));
    if (status)
        return mrc_status_set(error, status, "the system gives no random bytes");
    status = mrc_lock_init(&header->lock);
    if (status)
        return mrc_status_set(error, status,
                              "the system has no robust locks that processes can share");
    atomic_store(&header->bound_count, bounds->count);
    atomic_store(&header->bound_bytes, bounds->bytes);
    atomic_store(&header->bound_age_us, bounds->age_us);
    atomic_store(&header->bound_off, bounds->off);
    atomic_store(&header->state, MRC_RING_OPEN);
    *ret_ring = attach(pool, header, index);
    return APR_SUCCESS;
}

apr_status_t mrc_ring_open(apr_pool_t *pool, const void *region, uint64_t region_bytes,
                           const void *index, uint64_t index_bytes, struct mrc_error *error,
                           struct mrc_ring **ret_ring)
{
    struct mrc_ring_header *header = (struct mrc_ring_header *)(uintptr_t)region;
    const char *why = NULL;

    if (region_bytes < sizeof(*header))
        why = "it is too short";
    else if (header->magic != MRC_RING_MAGIC)
        why = "it does not begin like one";
    else if (header->version != MRC_RING_VERSION || header->header_bytes != sizeof(*header))
        why = "its layout has another version";
    else if (!geometry_is_sound(header->capacity, header->bucket_count) ||
             mrc_ring_region_bytes(header->capacity) > region_bytes ||
             mrc_ring_index_bytes(header->bucket_count) > index_bytes)
        why = "its header contradicts itself or the size of its region";
    if (why)
        return mrc_status_set(error, MRC_STATUS_CORRUPT, "this is no ring: %s", why);
    *ret_ring = attach(pool, header, (void *)(uintptr_t)index);
    (*ret_ring)->read_only = true;
    return APR_SUCCESS;
}

/* ---- Copying out ------------------------------------------------------------------------------*/

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

/* Whether the LEN bytes at POS are those at SRC. */
static bool equals(const struct mrc_ring *ring, uint64_t pos, const char *src, size_t len)
{
    while (len) {
        uint64_t word = mrc_ring_load_word(ring, pos);
        size_t n = len < 8 ? len : 8;

        if (memcmp(src, &word, n) != 0)
            return false;
        src += n;
        pos += 8;
        len -= n;
    }
    return true;
}

/* After a copy: has the tail passed POS meanwhile? */
static bool is_overrun(const struct mrc_ring *ring, uint64_t pos)
{
    return pos < atomic_load_explicit(&ring->header->tail, memory_order_acquire);
}

apr_status_t mrc_ring_load_meta(const struct mrc_ring *ring, uint64_t pos, uint64_t head,
                                struct mrc_ring_meta *ret_meta)
{
    uint64_t word[MRC_RING_HEADER_WORDS];
    struct mrc_ring_meta meta;
    uint64_t at;
    int i;

    if (pos % 8 || pos >= head || head - pos < MRC_RING_OVERHEAD_BYTES)
        return is_overrun(ring, pos) ? MRC_STATUS_OVERRUN : MRC_STATUS_CORRUPT;
    at = pos % ring->capacity / 8;
    for (i = 0; i < MRC_RING_HEADER_WORDS; i++) {
        word[i] = atomic_load_explicit(&ring->words[at], memory_order_acquire);
        if (++at == ring->capacity / 8)
            at = 0;
    }
    if (is_overrun(ring, pos))
        return MRC_STATUS_OVERRUN;
    meta = (struct mrc_ring_meta){
        .seq = word[0],
        .time_us = (int64_t)word[1],
        .total_bytes = (uint32_t)word[2],
        .id_bytes = (uint32_t)(word[2] >> 32),
        .payload_bytes = (uint32_t)word[3],
        .stored_bytes = (uint32_t)(word[3] >> 32),
        .chain = word[4],
        .id_hash = word[5],
    };
    if (meta.total_bytes != mrc_ring_record_bytes(meta.id_bytes, meta.payload_bytes) ||
        meta.total_bytes > head - pos || meta.total_bytes > ring->capacity)
        return MRC_STATUS_CORRUPT;
    *ret_meta = meta;
    return APR_SUCCESS;
}

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
    uint64_t id_at;

    if (at == head)
        return APR_EOF;
    status = mrc_ring_load_meta(ring, at, head, &meta);
    if (status)
        return status;
    /* One byte more, so that an empty id and an empty payload have a pointer too. */
    if (!reserve(record, (size_t)meta.id_bytes + meta.payload_bytes + 1))
        return APR_ENOMEM;
    id_at = at + MRC_RING_HEADER_WORDS * 8;
    copy_out(ring, id_at, record->buf, meta.id_bytes);
    copy_out(ring, id_at + mrc_ring_round_up(meta.id_bytes), record->buf + meta.id_bytes,
             meta.payload_bytes);
    if (is_overrun(ring, at))
        return MRC_STATUS_OVERRUN;
    record->pos = at;
    record->seq = meta.seq;
    record->time_us = meta.time_us;
    record->stored_bytes = meta.stored_bytes;
    record->id = (struct mrc_bytes){record->buf, meta.id_bytes};
    record->payload = (struct mrc_bytes){record->buf + meta.id_bytes, meta.payload_bytes};
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
 * Where the record begins that ends at HEAD. APR_NOTFOUND: the ring is empty; MRC_STATUS_OVERRUN:
 * it has gone meanwhile, load the head again.
 */
static apr_status_t newest_before(const struct mrc_ring *ring, uint64_t head, uint64_t *ret_pos)
{
    uint64_t tail = atomic_load_explicit(&ring->header->tail, memory_order_acquire);
    uint64_t footer;
    uint64_t total;

    if (tail > head)
        return MRC_STATUS_OVERRUN;
    if (tail == head)
        return APR_NOTFOUND;
    footer = mrc_ring_footer(ring, head);
    total = footer & UINT32_MAX;
    /* The tail moves from record to record: once it is past the footer it is at the head or more.
     */
    if (is_overrun(ring, head - 8))
        return MRC_STATUS_OVERRUN;
    if (footer != mrc_ring_footer_of(total) || total % 8 || total > head ||
        total < MRC_RING_OVERHEAD_BYTES)
        return MRC_STATUS_CORRUPT;
    *ret_pos = head - total;
    return APR_SUCCESS;
}

apr_status_t mrc_ring_newest(const struct mrc_ring *ring, struct mrc_ring_record *record)
{
    apr_status_t status;
    uint64_t pos;

    do {
        status = newest_before(ring, mrc_ring_head(ring), &pos);
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
        status = newest_before(ring, head, &pos);
        if (!status)
            status = mrc_ring_load_meta(ring, pos, head, &meta);
    } while (status == MRC_STATUS_OVERRUN);
    *ret_pos = head;
    *ret_seq = status ? atomic_load(&ring->header->last_seq) : meta.seq;
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
        apr_status_t status = mrc_ring_load_meta(ring, pos, head, &meta);

        if (status == MRC_STATUS_OVERRUN) { /* then the history begins later than it did */
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
    if (expired > MANY_EXPIRED && !ring->read_only)
        mrc_ring_try_trim(ring, now_us);
    return pos;
}

/* What a lookup by id knows. */
struct search {
    struct mrc_bytes id;
    uint64_t hash;
    bool found;
    uint64_t end; /* of the earliest match so far */
};

/* Looks at the record at POS. Its chain comes back, 0 at the end. */
static apr_status_t search_at(const struct mrc_ring *ring, uint64_t pos, struct search *search,
                              uint64_t *ret_chain)
{
    struct mrc_ring_meta meta;
    apr_status_t status = mrc_ring_load_meta(ring, pos, mrc_ring_head(ring), &meta);
    bool same;

    if (status)
        return status;
    if (meta.id_hash == search->hash && meta.id_bytes == search->id.len) {
        same = equals(ring, pos + MRC_RING_HEADER_WORDS * 8, search->id.ptr, search->id.len);
        if (is_overrun(ring, pos))
            return MRC_STATUS_OVERRUN;
        if (same) {
            search->found = true;
            search->end = pos + meta.total_bytes;
        }
    }
    *ret_chain = meta.chain;
    return APR_SUCCESS;
}

apr_status_t mrc_ring_find(struct mrc_ring *ring, struct mrc_bytes id, int64_t now_us,
                           uint64_t *ret_pos)
{
    struct search search = {.id = id, .hash = mrc_siphash(ring->hash_key, id)};
    apr_status_t status;
    uint64_t limit = UINT64_MAX;
    uint64_t oldest;
    uint64_t link;
    uint64_t pos;

    if (atomic_load_explicit(&ring->header->bound_off, memory_order_relaxed))
        return APR_NOTFOUND;
    oldest = mrc_ring_oldest(ring, now_us);

    /* The newest record may not be in its bucket yet; every older one is. */
    do {
        status = newest_before(ring, mrc_ring_head(ring), &pos);
        if (!status && pos >= oldest)
            status = search_at(ring, pos, &search, &link);
    } while (status == MRC_STATUS_OVERRUN);

    /* From newer to older, so the last match is the earliest. A chain that leads to what is
     * overwritten ends there. */
    link =
        atomic_load_explicit(&ring->buckets[search.hash & ring->bucket_mask], memory_order_acquire);
    while (link && link - 1 >= oldest && link - 1 < limit) {
        limit = link - 1;
        if (search_at(ring, limit, &search, &link) != APR_SUCCESS)
            break;
    }
    if (!search.found)
        return APR_NOTFOUND;
    *ret_pos = search.end;
    return APR_SUCCESS;
}

bool mrc_ring_is_superseded(const struct mrc_ring *ring)
{
    return atomic_load_explicit(&ring->header->state, memory_order_acquire) == MRC_RING_SUPERSEDED;
}

/* ---- Numbers ----------------------------------------------------------------------------------*/

/* With a key of its own, each: what it shows says nothing of the hashes of ids. */
uint64_t mrc_ring_secret_number(const struct mrc_ring *ring, const uint64_t of[2],
                                struct mrc_bytes bytes)
{
    const uint64_t key[2] = {~ring->hash_key[0] ^ of[0], ring->hash_key[1] ^ of[1]};

    return mrc_siphash(key, bytes);
}

uint64_t mrc_ring_largest(const struct mrc_ring *ring)
{
    uint64_t largest = ring->capacity / 4;

    if (largest > MRC_RING_RECORD_MAX)
        largest = MRC_RING_RECORD_MAX;
    largest &= ~UINT64_C(7);
    return largest > MRC_RING_OVERHEAD_BYTES + PADDING_BYTES
               ? largest - MRC_RING_OVERHEAD_BYTES - PADDING_BYTES
               : 0;
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
    ret_stats->head = mrc_ring_head(ring); /* last: never before the others */
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
