#include "core/token/cache.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/jose/jws.h"

/*
 *   buckets            entries
 *   [ ] -> 3 -> 0      0 | key, token, next in its bucket, newer, older | 1 | 2 | 3 | ...
 *   [ ]                    newest .. oldest: one chain by last use; unused ones: the free chain
 *   [ ] -> 1
 *
 * An index of NONE ends a chain. The mutex guards everything but sha256.
 */
#define NONE        UINT32_MAX
#define MAX_ENTRIES ((size_t)1 << 24)

struct entry {
    unsigned char key[SHA256_DIGEST_LENGTH];
    struct mrc_token *token; /* one reference; NULL: free */
    uint32_t next;           /* in the bucket, or in the free chain */
    uint32_t newer, older;
};

struct mrc_token_cache {
    EVP_MD *sha256; /* fetched once: fetching costs more than hashing a token */
    pthread_mutex_t mutex;
    uint32_t bucket_mask;
    uint32_t newest, oldest, free;
    size_t count;
    uint32_t *buckets;
    struct entry *entries;
};

enum mrc_err mrc_token_cache_create(size_t max_entries, struct mrc_token_cache **ret_cache)
{
    struct mrc_token_cache *cache;
    size_t buckets = 1;

    if (!max_entries || max_entries > MAX_ENTRIES)
        return MRC_EINVAL;
    while (buckets < max_entries)
        buckets *= 2;
    cache = calloc(1, sizeof(*cache));
    if (!cache)
        return MRC_ENOMEM;
    cache->buckets = malloc(buckets * sizeof(*cache->buckets));
    cache->entries = calloc(max_entries, sizeof(*cache->entries));
    cache->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!cache->buckets || !cache->entries || !cache->sha256 ||
        pthread_mutex_init(&cache->mutex, NULL)) {
        EVP_MD_free(cache->sha256);
        free(cache->buckets);
        free(cache->entries);
        free(cache);
        return MRC_ENOMEM;
    }
    cache->bucket_mask = (uint32_t)buckets - 1;
    cache->newest = cache->oldest = NONE;
    for (size_t i = 0; i < buckets; i++)
        cache->buckets[i] = NONE;
    for (size_t i = 0; i < max_entries; i++)
        cache->entries[i].next = i + 1 < max_entries ? (uint32_t)(i + 1) : NONE;
    *ret_cache = cache;
    return MRC_OK;
}

void mrc_token_cache_free(struct mrc_token_cache *cache)
{
    if (!cache)
        return;
    for (uint32_t i = cache->newest; i != NONE; i = cache->entries[i].older)
        mrc_token_unref(cache->entries[i].token);
    pthread_mutex_destroy(&cache->mutex);
    EVP_MD_free(cache->sha256);
    free(cache->buckets);
    free(cache->entries);
    free(cache);
}

/* The bucket of KEY, a SHA-256: nobody can choose tokens for one bucket. */
static uint32_t *bucket_of(struct mrc_token_cache *cache, const unsigned char *key)
{
    uint32_t hash;

    memcpy(&hash, key, sizeof(hash));
    return &cache->buckets[hash & cache->bucket_mask];
}

static uint32_t find(struct mrc_token_cache *cache, const unsigned char *key)
{
    uint32_t i = *bucket_of(cache, key);

    while (i != NONE && memcmp(cache->entries[i].key, key, SHA256_DIGEST_LENGTH) != 0)
        i = cache->entries[i].next;
    return i;
}

static void chain_remove(struct mrc_token_cache *cache, uint32_t i)
{
    struct entry *entry = &cache->entries[i];

    *(entry->newer == NONE ? &cache->newest : &cache->entries[entry->newer].older) = entry->older;
    *(entry->older == NONE ? &cache->oldest : &cache->entries[entry->older].newer) = entry->newer;
}

static void chain_push(struct mrc_token_cache *cache, uint32_t i)
{
    struct entry *entry = &cache->entries[i];

    entry->newer = NONE;
    entry->older = cache->newest;
    *(cache->newest == NONE ? &cache->oldest : &cache->entries[cache->newest].newer) = i;
    cache->newest = i;
}

/* Removes entry I. Returns its reference, which the caller drops after it has left the mutex. */
static struct mrc_token *take(struct mrc_token_cache *cache, uint32_t i)
{
    struct entry *entry = &cache->entries[i];
    uint32_t *link = bucket_of(cache, entry->key);
    struct mrc_token *token = entry->token;

    while (*link != i)
        link = &cache->entries[*link].next;
    *link = entry->next;
    chain_remove(cache, i);
    entry->token = NULL;
    entry->next = cache->free;
    cache->free = i;
    cache->count--;
    return token;
}

/* A new reference to the cached token, or NULL: there is none, or it has expired. */
static struct mrc_token *lookup(struct mrc_token_cache *cache, const unsigned char *key,
                                int64_t now_us)
{
    struct mrc_token *found = NULL, *dead = NULL;
    uint32_t i;

    pthread_mutex_lock(&cache->mutex);
    i = find(cache, key);
    if (i != NONE && mrc_token_get_exp_us(cache->entries[i].token) <= now_us) {
        dead = take(cache, i);
    } else if (i != NONE) {
        found = mrc_token_ref(cache->entries[i].token);
        chain_remove(cache, i);
        chain_push(cache, i);
    }
    pthread_mutex_unlock(&cache->mutex);
    mrc_token_unref(dead);
    return found;
}

/* Adds TOKEN; the cache takes a reference of its own. */
static void store(struct mrc_token_cache *cache, const unsigned char *key, struct mrc_token *token)
{
    struct mrc_token *evicted = NULL;
    struct entry *entry;
    uint32_t i, *bucket;

    pthread_mutex_lock(&cache->mutex);
    if (find(cache, key) == NONE) { /* otherwise another thread was faster */
        if (cache->free == NONE)
            evicted = take(cache, cache->oldest);
        i = cache->free;
        entry = &cache->entries[i];
        cache->free = entry->next;
        memcpy(entry->key, key, SHA256_DIGEST_LENGTH);
        entry->token = mrc_token_ref(token);
        bucket = bucket_of(cache, key);
        entry->next = *bucket;
        *bucket = i;
        chain_push(cache, i);
        cache->count++;
    }
    pthread_mutex_unlock(&cache->mutex);
    mrc_token_unref(evicted);
}

/*
 * SHA-256 of the length of the scope, the scope and the token. The length keeps different pairs of
 * scope and token apart. False: out of memory.
 */
static bool make_key(const struct mrc_token_cache *cache, struct mrc_bytes scope,
                     struct mrc_bytes token, unsigned char key[SHA256_DIGEST_LENGTH])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint64_t scope_len = scope.len;
    bool made = ctx && EVP_DigestInit_ex(ctx, cache->sha256, NULL) &&
                EVP_DigestUpdate(ctx, &scope_len, sizeof(scope_len)) &&
                EVP_DigestUpdate(ctx, scope.ptr, scope.len) &&
                EVP_DigestUpdate(ctx, token.ptr, token.len) && EVP_DigestFinal_ex(ctx, key, NULL);

    EVP_MD_CTX_free(ctx);
    return made;
}

enum mrc_err mrc_token_cache_verify(struct mrc_token_cache *cache, struct mrc_bytes scope,
                                    struct mrc_bytes token, const struct mrc_token_policy *policy,
                                    int64_t now_us, struct mrc_error *reason,
                                    struct mrc_token **ret_token)
{
    unsigned char key[SHA256_DIGEST_LENGTH];
    struct mrc_token *verified;
    enum mrc_err err;

    if (token.len > MRC_JWS_MAX_BYTES) /* such a token is always refused */
        return mrc_token_verify(token, policy, now_us, reason, ret_token);
    if (!make_key(cache, scope, token, key))
        return MRC_ENOMEM;
    verified = lookup(cache, key, now_us);
    if (!verified) {
        err = mrc_token_verify(token, policy, now_us, reason, &verified);
        if (err)
            return err;
        store(cache, key, verified);
    }
    *ret_token = verified;
    return MRC_OK;
}

size_t mrc_token_cache_get_count(struct mrc_token_cache *cache)
{
    size_t count;

    pthread_mutex_lock(&cache->mutex);
    count = cache->count;
    pthread_mutex_unlock(&cache->mutex);
    return count;
}
