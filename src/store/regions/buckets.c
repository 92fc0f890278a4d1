#include "store/regions/buckets.h"

#include <stdatomic.h>
#include <stddef.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "core/base/siphash.h"
#include "store/regions/buckets_layout.h"

#define SECOND_NS ((int64_t)1000 * 1000 * 1000)

/* A client for which there is no memory waits like one with an empty bucket. */
#define NO_MEMORY_WAIT_US ((int64_t)1000 * 1000)

struct mrc_buckets {
    struct mrc_buckets_header *header;
    struct mrc_bucket *clients;
    uint64_t hash_key[2];
    struct mrc_sparse *pages; /* NULL: all buckets are allocated */
};

uint64_t mrc_buckets_head_bytes(void)
{
    return sizeof(struct mrc_buckets_header);
}

uint64_t mrc_buckets_clients_bytes(void)
{
    return MRC_BUCKETS_CLIENTS * sizeof(struct mrc_bucket);
}

void mrc_buckets_use_sparse(struct mrc_buckets *buckets, struct mrc_sparse *pages)
{
    buckets->pages = pages;
}

struct mrc_buckets *mrc_buckets_attach(apr_pool_t *pool, void *head, void *clients)
{
    struct mrc_buckets *buckets = apr_pcalloc(pool, sizeof(*buckets));

    buckets->header = head;
    buckets->clients = clients;
    buckets->hash_key[0] = buckets->header->hash_key[0];
    buckets->hash_key[1] = buckets->header->hash_key[1];
    return buckets;
}

apr_status_t mrc_buckets_create(apr_pool_t *pool, void *head, void *clients,
                                struct mrc_buckets **ret_buckets)
{
    struct mrc_buckets_header *header = head;
    apr_status_t status =
        apr_generate_random_bytes((unsigned char *)header->hash_key, sizeof(header->hash_key));

    if (status == APR_SUCCESS)
        *ret_buckets = mrc_buckets_attach(pool, head, clients);
    return status;
}

uint64_t mrc_buckets_key(const struct mrc_buckets *buckets, struct mrc_bytes name)
{
    uint64_t hash = mrc_siphash(buckets->hash_key, name);

    return hash ? hash : 1;
}

static struct mrc_bucket *set_of(struct mrc_buckets *buckets, uint64_t key)
{
    return &buckets->clients[key % (MRC_BUCKETS_CLIENTS / MRC_BUCKETS_WAYS) * MRC_BUCKETS_WAYS];
}

/* The bucket of KEY; NULL: it has none. */
static struct mrc_bucket *find(struct mrc_buckets *buckets, uint64_t key)
{
    struct mrc_bucket *set = set_of(buckets, key);

    if (key == 0)
        return &buckets->header->hub;
    if (!mrc_sparse_have(buckets->pages, set, MRC_BUCKETS_WAYS * sizeof(*set)))
        return NULL;
    for (size_t i = 0; i < MRC_BUCKETS_WAYS; i++) {
        if (atomic_load(&set[i].key) == key)
            return &set[i];
    }
    return NULL;
}

/*
 * The bucket of KEY. If it has none, takes the fullest one of its set. Two threads may each take
 * one for the same new client; later calls use only the first of the two. NULL: there is no memory
 * for it.
 */
static struct mrc_bucket *obtain(struct mrc_buckets *buckets, uint64_t key, int64_t now_ns)
{
    for (;;) {
        struct mrc_bucket *set = set_of(buckets, key);
        struct mrc_bucket *fullest = set, *bucket = find(buckets, key);
        uint64_t owner;
        int64_t full_ns;

        if (bucket)
            return bucket;
        if (mrc_sparse_take(buckets->pages, set, MRC_BUCKETS_WAYS * sizeof(*set)))
            return NULL;
        for (size_t i = 1; i < MRC_BUCKETS_WAYS; i++) {
            if (atomic_load(&set[i].full_ns) < atomic_load(&fullest->full_ns))
                fullest = &set[i];
        }
        owner = atomic_load(&fullest->key);
        full_ns = atomic_load(&fullest->full_ns);
        if (!atomic_compare_exchange_strong(&fullest->key, &owner, key))
            continue;
        /*
         * What the last client has taken does not count. This fails if the new one has already
         * taken.
         */
        atomic_compare_exchange_strong(&fullest->full_ns, &full_ns,
                                       full_ns < now_ns ? full_ns : now_ns);
        return fullest;
    }
}

static int64_t ns_for(const struct mrc_bucket_rule *rule, uint64_t count)
{
    return (int64_t)(count * (uint64_t)SECOND_NS / rule->rate);
}

int64_t mrc_buckets_take(struct mrc_buckets *buckets, uint64_t key,
                         const struct mrc_bucket_rule *rule, uint64_t count, int64_t now_us)
{
    int64_t now_ns = now_us * 1000, cost = ns_for(rule, count), room = ns_for(rule, rule->burst);
    struct mrc_bucket *bucket = obtain(buckets, key, now_ns);
    int64_t full_ns, next;

    if (!bucket)
        return NO_MEMORY_WAIT_US;
    full_ns = atomic_load(&bucket->full_ns);
    do {
        next = full_ns < now_ns ? now_ns : full_ns;
        /* It may have been emptied under another rule; no bucket is emptier than empty. */
        if (next > now_ns + room)
            next = now_ns + room;
        next += cost;
        if (next > now_ns + room)
            return (next - now_ns - room + 999) / 1000;
    } while (!atomic_compare_exchange_weak(&bucket->full_ns, &full_ns, next));
    return 0;
}

void mrc_buckets_give_back(struct mrc_buckets *buckets, uint64_t key,
                           const struct mrc_bucket_rule *rule, uint64_t count)
{
    struct mrc_bucket *bucket = find(buckets, key);

    if (bucket)
        atomic_fetch_sub(&bucket->full_ns, ns_for(rule, count));
}
