#include "httpd/htaccess/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/siphash.h"

#define BUCKETS   4096
#define REPORT_US ((int64_t)60 * 1000 * 1000)

/* A reading and the number of its holders, of which the cache is one. */
struct mrc_htaccess_hold {
    atomic_uint refs;
    void *reading;
    mrc_htaccess_free_fn *free_fn;
};

struct entry {
    struct entry *next; /* in its bucket */
    struct mrc_htaccess_hold *last;
    int64_t checked_us, used_us;
    bool is_being_read; /* by one thread, which holds no lock; then the entry stays */
    char key[];
};

struct mrc_htaccess_cache {
    pthread_mutex_t lock; /* of everything below that is not atomic; held for a few instructions,
                           * or a sweep */
    _Atomic uint64_t numbers;
    _Atomic int64_t reported_us; /* 0: never */
    size_t count, max;
    int64_t swept_us;
    mrc_htaccess_free_fn *free_fn;
    struct entry *buckets[BUCKETS];
};

struct mrc_htaccess_cache *mrc_htaccess_cache_create(size_t max, mrc_htaccess_free_fn *free_fn)
{
    struct mrc_htaccess_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->max = max;
    cache->free_fn = free_fn;
    return cache;
}

uint64_t mrc_htaccess_cache_number(struct mrc_htaccess_cache *cache, uint64_t count)
{
    return atomic_fetch_add(&cache->numbers, count) | UINT64_C(1) << 63;
}

bool mrc_htaccess_cache_should_report(struct mrc_htaccess_cache *cache, int64_t now_us)
{
    int64_t before_us = atomic_load(&cache->reported_us);

    return (!before_us || now_us - before_us >= REPORT_US) &&
           atomic_compare_exchange_strong(&cache->reported_us, &before_us, now_us);
}

void *mrc_htaccess_hold_reading(const struct mrc_htaccess_hold *hold)
{
    return hold->reading;
}

void mrc_htaccess_cache_give_back(struct mrc_htaccess_hold *hold)
{
    if (!hold || atomic_fetch_sub(&hold->refs, 1) != 1)
        return;
    hold->free_fn(hold->reading);
    free(hold);
}

static struct mrc_htaccess_hold *hold_again(struct mrc_htaccess_hold *hold)
{
    if (hold)
        atomic_fetch_add(&hold->refs, 1);
    return hold;
}

/* Removes the entries that nobody has used since BEFORE_US. */
static void sweep(struct mrc_htaccess_cache *cache, int64_t before_us)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct entry **place = &cache->buckets[i];

        while (*place) {
            struct entry *entry = *place;

            if (entry->is_being_read || entry->used_us >= before_us) {
                place = &entry->next;
                continue;
            }
            *place = entry->next;
            mrc_htaccess_cache_give_back(entry->last);
            free(entry);
            cache->count--;
        }
    }
}

void mrc_htaccess_cache_free(struct mrc_htaccess_cache *cache)
{
    if (!cache)
        return;
    sweep(cache, INT64_MAX);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/*
 * Makes room for one more entry: first those that are idle, then all that were not used just now.
 */
static void make_room(struct mrc_htaccess_cache *cache, int64_t now_us)
{
    if (cache->count >= cache->max || now_us - cache->swept_us >= MRC_HTACCESS_CACHE_IDLE_US / 10) {
        sweep(cache, now_us - MRC_HTACCESS_CACHE_IDLE_US);
        cache->swept_us = now_us;
    }
    for (int64_t idle = MRC_HTACCESS_CACHE_IDLE_US / 2; cache->count >= cache->max && idle > 0;
         idle /= 8)
        sweep(cache, now_us - idle);
}

/* The entry of KEY, which is made unless it exists. NULL: there is no room for one. */
static struct entry *find(struct mrc_htaccess_cache *cache, const char *key, int64_t now_us)
{
    static const uint64_t no_secret[2] = {0, 0}; /* the keys are names of the configuration */
    struct entry **place = &cache->buckets[mrc_siphash(no_secret, mrc_bytes_of(key)) % BUCKETS];
    size_t bytes = strlen(key) + 1;
    struct entry *entry = *place;

    while (entry && strcmp(entry->key, key) != 0)
        entry = entry->next;
    if (entry)
        return entry;
    make_room(cache, now_us);
    entry = cache->count < cache->max ? calloc(1, sizeof(*entry) + bytes) : NULL;
    if (!entry)
        return NULL;
    memcpy(entry->key, key, bytes);
    entry->next = *place;
    *place = entry;
    cache->count++;
    return entry;
}

static struct mrc_htaccess_hold *make_hold(struct mrc_htaccess_cache *cache, void *reading)
{
    struct mrc_htaccess_hold *hold = reading ? malloc(sizeof(*hold)) : NULL;

    if (!hold) {
        if (reading)
            cache->free_fn(reading);
        return NULL;
    }
    atomic_init(&hold->refs, 1);
    hold->reading = reading;
    hold->free_fn = cache->free_fn;
    return hold;
}

/* Reads ENTRY, whose last reading is LAST, without the lock. Returns a hold for the caller. */
static struct mrc_htaccess_hold *renew(struct mrc_htaccess_cache *cache, struct entry *entry,
                                       struct mrc_htaccess_hold *last, mrc_htaccess_read_fn *read,
                                       void *ctx, int64_t now_us)
{
    void *old = last ? last->reading : NULL;
    void *reading = read(ctx, old);
    struct mrc_htaccess_hold *fresh =
        reading && reading == old ? hold_again(last) : make_hold(cache, reading);

    pthread_mutex_lock(&cache->lock);
    entry->is_being_read = false;
    entry->checked_us = now_us;
    if (fresh != last) {
        mrc_htaccess_cache_give_back(entry->last);
        entry->last = hold_again(fresh);
    }
    pthread_mutex_unlock(&cache->lock);
    /* NOLINTBEGIN(clang-analyzer-unix.Malloc): the cache and the caller have a reference each */
    mrc_htaccess_cache_give_back(last);
    return fresh;
    /* NOLINTEND(clang-analyzer-unix.Malloc) */
}

struct mrc_htaccess_hold *mrc_htaccess_cache_take(struct mrc_htaccess_cache *cache, const char *key,
                                                  mrc_htaccess_read_fn *read, void *ctx,
                                                  int64_t now_us)
{
    struct mrc_htaccess_hold *last = NULL;
    struct entry *entry;
    bool is_due = false;

    pthread_mutex_lock(&cache->lock);
    entry = find(cache, key, now_us);
    if (entry) {
        last = hold_again(entry->last);
        is_due = !entry->is_being_read &&
                 (!last || now_us - entry->checked_us >= MRC_HTACCESS_CACHE_CHECK_US);
        entry->is_being_read |= is_due;
        entry->used_us = now_us;
    }
    pthread_mutex_unlock(&cache->lock);
    return is_due ? renew(cache, entry, last, read, ctx, now_us) : last;
}
