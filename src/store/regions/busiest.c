#include "store/regions/busiest.h"

#include <stdbool.h>
#include <string.h>

#include "apr_general.h"

#include "core/base/siphash.h"
#include "store/regions/busiest_layout.h"

#define MINUTE_US    ((int64_t)60 * 1000 * 1000)
#define READ_WAIT_US ((int64_t)1000 * 1000)

#define CELLS        (MRC_BUSIEST_BUCKETS * MRC_BUSIEST_WAYS) /* of one kind */
#define BUCKET_BYTES (MRC_BUSIEST_WAYS * sizeof(struct mrc_busiest_cell))

_Static_assert(sizeof(((struct mrc_busiest_cell *)0)->text) == MRC_BUSIEST_TEXT_BYTES,
               "a topic is cut where its cell ends");

struct mrc_busiest {
    struct mrc_busiest_header *header;
    struct mrc_busiest_cell *cells;
    uint64_t key[2];
    struct mrc_sparse *pages; /* NULL: the cells are allocated */
};

uint64_t mrc_busiest_bytes(void)
{
    return sizeof(struct mrc_busiest_header) +
           (uint64_t)MRC_BUSIEST_KINDS * CELLS * sizeof(struct mrc_busiest_cell);
}

uint64_t mrc_busiest_head_bytes(void)
{
    return sizeof(struct mrc_busiest_header);
}

void mrc_busiest_use_sparse(struct mrc_busiest *busiest, struct mrc_sparse *pages)
{
    busiest->pages = pages;
}

struct mrc_busiest *mrc_busiest_attach(apr_pool_t *pool, void *region)
{
    struct mrc_busiest_header *header = region;
    struct mrc_busiest *busiest = apr_pcalloc(pool, sizeof(*busiest));

    busiest->header = header;
    busiest->cells = (struct mrc_busiest_cell *)(header + 1);
    memcpy(busiest->key, header->key, sizeof(busiest->key));
    return busiest;
}

apr_status_t mrc_busiest_create(apr_pool_t *pool, void *region, struct mrc_busiest **ret_busiest)
{
    struct mrc_busiest_header *header = region;
    apr_status_t status =
        apr_generate_random_bytes((unsigned char *)header->key, sizeof(header->key));

    if (status == APR_SUCCESS)
        status = mrc_lock_init(&header->lock);
    if (status != APR_SUCCESS)
        return status;
    header->magic = MRC_BUSIEST_MAGIC;
    *ret_busiest = mrc_busiest_attach(pool, region);
    return APR_SUCCESS;
}

/* Whether CELL was used before; otherwise it is free, and perhaps not allocated. */
static bool has_cell(const struct mrc_busiest *busiest, const struct mrc_busiest_cell *cell)
{
    return mrc_sparse_have(busiest->pages, cell, sizeof(*cell));
}

static void clear(struct mrc_busiest *busiest)
{
    for (size_t i = 0; i < (size_t)MRC_BUSIEST_KINDS * CELLS; i++)
        if (has_cell(busiest, &busiest->cells[i]))
            memset(&busiest->cells[i], 0, sizeof(*busiest->cells));
}

static bool lock(struct mrc_busiest *busiest, int64_t wait_us)
{
    bool owner_died;

    if (mrc_lock_acquire(&busiest->header->lock, wait_us, &owner_died) != APR_SUCCESS)
        return false;
    if (owner_died)
        clear(busiest);
    return true;
}

/* ---- under the lock ---------------------------------------------------------------------------*/

/*
 * The count of CELL in the minute that ends at NOW_US, with the part of the minute before that
 * falls into it.
 */
static uint64_t estimate(const struct mrc_busiest_cell *cell, int64_t now_us)
{
    uint64_t minute = (uint64_t)(now_us / MINUTE_US);
    double left = 1.0 - (double)(now_us % MINUTE_US) / (double)MINUTE_US;

    if (cell->minute == minute)
        return cell->count + (uint64_t)((double)cell->before * left);
    return cell->minute + 1 == minute ? (uint64_t)((double)cell->count * left) : 0;
}

/* Makes the count of CELL one of the minute of NOW_US. */
static void turn(struct mrc_busiest_cell *cell, int64_t now_us)
{
    uint64_t minute = (uint64_t)(now_us / MINUTE_US);

    if (cell->minute == minute)
        return;
    cell->before = cell->minute + 1 == minute ? cell->count : 0;
    cell->count = 0;
    cell->minute = minute;
}

/* Cuts TEXT between two characters. */
static size_t cut(struct mrc_bytes text)
{
    size_t len = text.len;

    if (len <= MRC_BUSIEST_TEXT_BYTES)
        return len;
    for (len = MRC_BUSIEST_TEXT_BYTES; len > 0 && (text.ptr[len] & 0xc0) == 0x80; len--)
        ;
    return len;
}

static struct mrc_busiest_cell *find(struct mrc_busiest_cell *bucket, uint64_t hash, int64_t now_us)
{
    struct mrc_busiest_cell *least = bucket;
    uint64_t least_count = UINT64_MAX;

    for (int way = 0; way < MRC_BUSIEST_WAYS; way++) {
        if (bucket[way].hash == hash)
            return &bucket[way];
    }
    for (int way = 0; way < MRC_BUSIEST_WAYS; way++) {
        uint64_t count = estimate(&bucket[way], now_us);

        if (count < least_count)
            least = &bucket[way];
        if (count < least_count)
            least_count = count;
    }
    return least;
}

static uint64_t hash_of(const struct mrc_busiest *busiest, struct mrc_bytes topic)
{
    return mrc_siphash(busiest->key, topic) | 1; /* 0 is a free cell */
}

/* The cells of KIND that may count a topic with HASH. */
static struct mrc_busiest_cell *bucket_at(const struct mrc_busiest *busiest,
                                          enum mrc_busiest_kind kind, uint64_t hash)
{
    return &busiest->cells[(size_t)kind * CELLS +
                           (hash >> 8) % MRC_BUSIEST_BUCKETS * MRC_BUSIEST_WAYS];
}

static void count_one(const struct mrc_busiest *busiest, enum mrc_busiest_kind kind,
                      struct mrc_bytes topic, uint64_t count, int64_t now_us)
{
    uint64_t hash = hash_of(busiest, topic);
    struct mrc_busiest_cell *bucket = bucket_at(busiest, kind, hash), *cell;

    if (!mrc_sparse_have(busiest->pages, bucket, BUCKET_BYTES))
        return; /* without room, the topic is not counted */
    cell = find(bucket, hash, now_us);
    turn(cell, now_us);
    if (cell->hash != hash) {
        cell->hash = hash;
        cell->text_bytes = (uint32_t)cut(topic);
        memcpy(cell->text, topic.ptr, cell->text_bytes);
    }
    cell->count += count;
}

/* Pages are allocated before the lock is held: the kernel takes long to make one, and meanwhile
 * the counts of others would be lost. */
void mrc_busiest_count(struct mrc_busiest *busiest, enum mrc_busiest_kind kind,
                       const struct mrc_bytes *topics, size_t n, uint64_t count, int64_t now_us)
{
    for (size_t i = 0; i < n && busiest->pages; i++)
        (void)mrc_sparse_take(busiest->pages, bucket_at(busiest, kind, hash_of(busiest, topics[i])),
                              BUCKET_BYTES);
    if (!lock(busiest, 0))
        return;
    for (size_t i = 0; i < n; i++)
        count_one(busiest, kind, topics[i], count, now_us);
    mrc_lock_release(&busiest->header->lock);
}

/* ---- reading ----------------------------------------------------------------------------------*/

/*
 * Puts CELL, which counts COUNT, in its place among the USED topics of LIST. Returns their number.
 */
static size_t insert(struct mrc_busiest_topic *list, size_t used, size_t max,
                     const struct mrc_busiest_cell *cell, uint64_t count)
{
    size_t at = used;

    while (at > 0 && list[at - 1].count < count)
        at--;
    if (at == max)
        return used;
    if (used < max)
        used++;
    memmove(&list[at + 1], &list[at], (used - at - 1) * sizeof(*list));
    list[at].count = count;
    list[at].text_bytes =
        cell->text_bytes < MRC_BUSIEST_TEXT_BYTES ? cell->text_bytes : MRC_BUSIEST_TEXT_BYTES;
    memcpy(list[at].text, cell->text, list[at].text_bytes);
    return used;
}

size_t mrc_busiest_read(struct mrc_busiest *busiest, enum mrc_busiest_kind kind, int64_t now_us,
                        struct mrc_busiest_topic *ret_topics, size_t max)
{
    const struct mrc_busiest_cell *cells = busiest->cells + (size_t)kind * CELLS;
    size_t used = 0;

    if (!lock(busiest, READ_WAIT_US))
        return 0;
    for (size_t i = 0; i < CELLS; i++) {
        uint64_t count =
            has_cell(busiest, &cells[i]) && cells[i].hash ? estimate(&cells[i], now_us) : 0;

        if (count > 0)
            used = insert(ret_topics, used, max, &cells[i], count);
    }
    mrc_lock_release(&busiest->header->lock);
    return used;
}
