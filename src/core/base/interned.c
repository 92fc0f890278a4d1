#include "core/base/interned.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/siphash.h"

#define FIRST_BUCKETS 64

/* A string, which is in the chain of its bucket. */
struct mrc_interned {
    struct mrc_interned *next;
    struct mrc_interned_table *table;
    uint32_t hash;
    uint32_t references; /* under the table's mutex */
    uint32_t len;
    char bytes[];
};

struct mrc_interned_table {
    uint64_t key[2];
    pthread_mutex_t mutex; /* guards the members below */
    struct mrc_interned **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

enum mrc_err mrc_interned_table_create(const uint64_t key[2], struct mrc_interned_table **ret_table)
{
    struct mrc_interned_table *table = malloc(sizeof(*table));
    struct mrc_interned **buckets = calloc(FIRST_BUCKETS, sizeof(struct mrc_interned *));

    if (!table || !buckets) {
        free(table);
        free(buckets);
        return MRC_ENOMEM;
    }
    *table = (struct mrc_interned_table){
        .key = {key[0], key[1]},
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .buckets = buckets,
        .bucket_count = FIRST_BUCKETS,
    };
    *ret_table = table;
    return MRC_OK;
}

void mrc_interned_table_free(struct mrc_interned_table *table)
{
    if (!table)
        return;
    free(table->buckets);
    free(table);
}

/* ---- under the mutex --------------------------------------------------------------------------*/

static struct mrc_interned **bucket_of(const struct mrc_interned_table *table, uint32_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

/*
 * Doubles the number of buckets when there are as many strings. Without memory the chains grow
 * instead.
 */
static void grow(struct mrc_interned_table *table)
{
    struct mrc_interned_table grown = {.bucket_count = table->bucket_count * 2};

    if (table->count < table->bucket_count)
        return;
    grown.buckets = calloc(grown.bucket_count, sizeof(*grown.buckets));
    if (!grown.buckets)
        return;
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct mrc_interned *interned = table->buckets[i], *next; interned; interned = next) {
            struct mrc_interned **bucket = bucket_of(&grown, interned->hash);

            next = interned->next;
            interned->next = *bucket;
            *bucket = interned;
        }
    }
    free(table->buckets);
    table->buckets = grown.buckets;
    table->bucket_count = grown.bucket_count;
}

static struct mrc_interned *find(const struct mrc_interned_table *table, uint32_t hash,
                                 struct mrc_bytes bytes)
{
    struct mrc_interned *interned = *bucket_of(table, hash);

    while (interned &&
           (interned->hash != hash || !mrc_bytes_eq(mrc_interned_bytes(interned), bytes)))
        interned = interned->next;
    return interned;
}

/* Adds a copy of BYTES without any reference. NULL: out of memory. */
static struct mrc_interned *add(struct mrc_interned_table *table, uint32_t hash,
                                struct mrc_bytes bytes)
{
    struct mrc_interned *interned;

    if (bytes.len > UINT32_MAX)
        return NULL;
    interned = malloc(offsetof(struct mrc_interned, bytes) + bytes.len);
    if (!interned)
        return NULL;
    grow(table);
    interned->next = *bucket_of(table, hash);
    interned->table = table;
    interned->hash = hash;
    interned->references = 0;
    interned->len = (uint32_t)bytes.len;
    if (bytes.len)
        memcpy(interned->bytes, bytes.ptr, bytes.len);
    *bucket_of(table, hash) = interned;
    table->count++;
    return interned;
}

static void take_out(struct mrc_interned_table *table, struct mrc_interned *interned)
{
    struct mrc_interned **link = bucket_of(table, interned->hash);

    while (*link != interned)
        link = &(*link)->next;
    *link = interned->next;
    table->count--;
    free(interned);
}

/* ---- interface --------------------------------------------------------------------------------*/

struct mrc_interned *mrc_interned_get(struct mrc_interned_table *table, struct mrc_bytes bytes)
{
    uint32_t hash = (uint32_t)mrc_siphash(table->key, bytes);
    struct mrc_interned *interned;

    pthread_mutex_lock(&table->mutex);
    interned = find(table, hash, bytes);
    if (!interned)
        interned = add(table, hash, bytes);
    if (interned)
        interned->references++;
    pthread_mutex_unlock(&table->mutex);
    return interned;
}

void mrc_interned_release(struct mrc_interned *interned)
{
    struct mrc_interned_table *table;

    if (!interned)
        return;
    table = interned->table;
    pthread_mutex_lock(&table->mutex);
    if (--interned->references == 0)
        take_out(table, interned);
    pthread_mutex_unlock(&table->mutex);
}

struct mrc_bytes mrc_interned_bytes(const struct mrc_interned *interned)
{
    return (struct mrc_bytes){interned->bytes, interned->len};
}

size_t mrc_interned_table_count(struct mrc_interned_table *table)
{
    size_t count;

    pthread_mutex_lock(&table->mutex);
    count = table->count;
    pthread_mutex_unlock(&table->mutex);
    return count;
}
