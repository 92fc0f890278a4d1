#include "hub/control/revoked.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"

#include "core/base/siphash.h"
#include "core/token/token.h"
#include "hub/base/thread.h"
#include "hub/control/order.h"
#include "store/regions/revocations.h"

/* An entry is found by the one of these that its order names. */
enum name { BY_TOKEN, BY_JTI, BY_SUB, NAMES };

/* NEXT + 1 is the next entry in the same bucket; 0: the end. */
struct entry {
    struct mrc_order order; /* its views point into the copy */
    int64_t until_us;
    size_t next;
};

struct mrc_revoked {
    const struct mrc_revocations *list;
    uint64_t key[2]; /* random, so that nobody can choose names that share a bucket */
    pthread_mutex_t mutex;

    /* Under the mutex. */
    uint64_t generation; /* of the list that the index was made from */
    bool is_made;
    struct mrc_buf copy;
    struct entry *entries;
    size_t count;
    size_t *buckets; /* number of an entry + 1; 0: none */
    size_t mask;
};

/* ---- the index --------------------------------------------------------------------------------*/

static void forget(struct mrc_revoked *revoked)
{
    free(revoked->entries);
    free(revoked->buckets);
    revoked->entries = NULL;
    revoked->buckets = NULL;
    revoked->count = 0;
    revoked->is_made = false;
}

static apr_status_t free_all(void *data)
{
    struct mrc_revoked *revoked = data;

    forget(revoked);
    mrc_buf_free(&revoked->copy);
    pthread_mutex_destroy(&revoked->mutex);
    return APR_SUCCESS;
}

struct mrc_revoked *mrc_revoked_create(apr_pool_t *pool, const struct mrc_revocations *list)
{
    struct mrc_revoked *revoked = apr_pcalloc(pool, sizeof(*revoked));

    if (apr_generate_random_bytes((unsigned char *)revoked->key, sizeof(revoked->key)) !=
            APR_SUCCESS ||
        pthread_mutex_init(&revoked->mutex, NULL))
        return NULL;
    revoked->list = list;
    mrc_buf_init(&revoked->copy, SIZE_MAX);
    apr_pool_cleanup_register(pool, revoked, free_all, apr_pool_cleanup_null);
    return revoked;
}

static size_t *bucket_of(const struct mrc_revoked *revoked, enum name name, struct mrc_bytes bytes)
{
    const uint64_t key[2] = {revoked->key[0] ^ (uint64_t)name, revoked->key[1]};

    return &revoked->buckets[mrc_siphash(key, bytes) & revoked->mask];
}

static size_t count_entries(struct mrc_bytes copy)
{
    struct mrc_revocation entry;
    size_t count = 0, at = 0;

    while (mrc_revocations_next(copy, &at, &entry))
        count++;
    return count;
}

/* Puts the entry number I into the bucket of its name. */
static void link_entry(struct mrc_revoked *revoked, size_t i)
{
    struct entry *entry = &revoked->entries[i];
    const struct mrc_bytes names[NAMES] = {
        [BY_TOKEN] = entry->order.token, [BY_JTI] = entry->order.jti, [BY_SUB] = entry->order.sub};

    for (enum name name = 0; name < NAMES; name++) {
        size_t *bucket;

        if (!names[name].ptr)
            continue;
        bucket = bucket_of(revoked, name, names[name]);
        entry->next = *bucket;
        *bucket = i + 1;
        return;
    }
}

/* An entry of a later version cannot be read, and is left out. */
static void link_all(struct mrc_revoked *revoked)
{
    struct mrc_revocation stored;
    size_t at = 0;

    while (mrc_revocations_next(mrc_buf_bytes(&revoked->copy), &at, &stored)) {
        struct entry *entry = &revoked->entries[revoked->count];

        if (mrc_order_decode(stored.data, &entry->order) != MRC_OK)
            continue;
        entry->until_us = stored.until_us;
        link_entry(revoked, revoked->count++);
    }
}

/* Makes the index, if the list has changed. False: out of memory. */
static bool refresh(struct mrc_revoked *revoked)
{
    size_t count, buckets = 16;

    if (revoked->is_made && revoked->generation == mrc_revocations_generation(revoked->list))
        return true;
    forget(revoked);
    mrc_buf_reset(&revoked->copy);
    revoked->generation = mrc_revocations_copy(revoked->list, &revoked->copy);
    if (mrc_buf_error(&revoked->copy))
        return false;
    count = count_entries(mrc_buf_bytes(&revoked->copy));
    while (buckets < 2 * count)
        buckets *= 2;
    revoked->entries = calloc(count + 1, sizeof(*revoked->entries));
    revoked->buckets = calloc(buckets, sizeof(*revoked->buckets));
    revoked->mask = buckets - 1;
    if (!revoked->entries || !revoked->buckets) {
        forget(revoked);
        return false;
    }
    link_all(revoked);
    revoked->is_made = true;
    return true;
}

/* ---- looking ----------------------------------------------------------------------------------*/

static bool find(const struct mrc_revoked *revoked, enum name name, struct mrc_bytes bytes,
                 const struct mrc_token *token, int64_t now_us)
{
    size_t i = bytes.ptr ? *bucket_of(revoked, name, bytes) : 0;

    while (i > 0) {
        const struct entry *entry = &revoked->entries[i - 1];

        if (entry->until_us > now_us && mrc_order_fits_token(&entry->order, token))
            return true;
        i = entry->next;
    }
    return false;
}

static struct mrc_bytes text_of(const char *text)
{
    return text ? mrc_bytes_of(text) : (struct mrc_bytes){NULL, 0};
}

bool mrc_revoked_has(struct mrc_revoked *revoked, const struct mrc_token *token, int64_t now_us)
{
    const struct mrc_bytes hash = {(const char *)mrc_token_get_hash(token), MRC_TOKEN_HASH_BYTES};
    bool has = true;
    sigset_t mask;

    if (mrc_revocations_is_empty(revoked->list))
        return false;
    mrc_thread_lock(&revoked->mutex, &mask); /* the dispatcher calls it, too */
    if (refresh(revoked))
        has = find(revoked, BY_TOKEN, hash, token, now_us) ||
              find(revoked, BY_JTI, text_of(mrc_token_get_id(token)), token, now_us) ||
              find(revoked, BY_SUB, text_of(mrc_token_get_subject(token)), token, now_us);
    mrc_thread_unlock(&revoked->mutex, &mask);
    return has;
}
