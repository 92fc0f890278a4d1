#include "hub/keys/keyring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "hub/base/status.h"
#include "store/base/status.h"
#include "store/documents/documents.h"

/* One version of the keys of a row, shared by a reference count. */
struct mrc_key_version {
    atomic_uint refs;
    uint64_t number;               /* unique in this child */
    const struct mrc_keyset *keys; /* NULL: not fetched yet */
    struct mrc_keyset *own;        /* KEYS if they are freed with the version; otherwise NULL */
};

struct place {
    const struct mrc_key_row *row;
    struct mrc_key_version *version; /* under the lock */
    uint64_t generation;             /* of the document that it was made of; only the keeper */
};

struct mrc_keyring {
    pthread_mutex_t lock; /* of all PLACES[].version; held for a few instructions */
    struct mrc_documents *documents;
    uint64_t last_number; /* only the keeper */
    size_t count;
    struct place places[];
};

static struct mrc_key_version *make_version(struct mrc_keyring *keyring,
                                            const struct mrc_keyset *keys, struct mrc_keyset *own)
{
    struct mrc_key_version *version = malloc(sizeof(*version));

    if (!version)
        return NULL;
    atomic_init(&version->refs, 1);
    version->number = ++keyring->last_number;
    version->keys = keys;
    version->own = own;
    return version;
}

static void unref_version(struct mrc_key_version *version)
{
    if (!version || atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) != 1)
        return;
    mrc_keyset_free(version->own);
    free(version);
}

static apr_status_t free_keyring(void *data)
{
    struct mrc_keyring *keyring = data;

    for (size_t i = 0; i < keyring->count; i++)
        unref_version(keyring->places[i].version);
    pthread_mutex_destroy(&keyring->lock);
    return APR_SUCCESS;
}

apr_status_t mrc_keyring_create(apr_pool_t *pool, const struct mrc_key_row *const *rows,
                                size_t count, struct mrc_documents *documents,
                                struct mrc_keyring **ret_keyring)
{
    struct mrc_keyring *keyring =
        apr_pcalloc(pool, sizeof(*keyring) + count * sizeof(keyring->places[0]));

    pthread_mutex_init(&keyring->lock, NULL);
    keyring->documents = documents;
    apr_pool_cleanup_register(pool, keyring, free_keyring, apr_pool_cleanup_null);
    for (size_t i = 0; i < count; i++) {
        struct place *place = &keyring->places[i];

        place->row = rows[i];
        place->generation = rows[i]->keys ? 1 : 0;
        place->version = make_version(keyring, rows[i]->keys, NULL);
        keyring->count++;
        if (!place->version)
            return APR_ENOMEM;
    }
    mrc_keyring_refresh(keyring);
    *ret_keyring = keyring;
    return APR_SUCCESS;
}

struct mrc_documents *mrc_keyring_documents(const struct mrc_keyring *keyring)
{
    return keyring->documents;
}

static void swap(struct mrc_keyring *keyring, struct place *place, struct mrc_key_version *version)
{
    struct mrc_key_version *old;

    pthread_mutex_lock(&keyring->lock);
    old = place->version;
    place->version = version;
    pthread_mutex_unlock(&keyring->lock);
    unref_version(old);
}

/* Puts the keys of CONTENT, which has GENERATION, into PLACE. If there is no memory, the next
 * refresh tries again. */
static void renew(struct mrc_keyring *keyring, struct place *place, struct mrc_bytes content,
                  uint64_t generation)
{
    struct mrc_key_version *version;
    struct mrc_keyset *keys = NULL;
    enum mrc_err err = mrc_keyset_parse(content, place->row->algs, place->row->flags, NULL, &keys);

    if (err && err != MRC_ENOMEM)
        err = mrc_keyset_create_empty(&keys);
    version = err ? NULL : make_version(keyring, keys, keys);
    if (!version) {
        mrc_keyset_free(keys);
        return;
    }
    swap(keyring, place, version);
    place->generation = generation;
}

static void refresh_place(struct mrc_keyring *keyring, struct place *place)
{
    size_t document = place->row->document;
    struct mrc_buf content;
    uint64_t generation;

    if (document == MRC_KEY_ROW_FIXED ||
        mrc_documents_generation(keyring->documents, document) == place->generation)
        return;
    mrc_buf_init(&content, MRC_KEYSET_MAX_BYTES);
    if (mrc_documents_read(keyring->documents, document, &content, &generation))
        renew(keyring, place, mrc_buf_bytes(&content), generation);
    if (content.ptr)
        OPENSSL_cleanse(content.ptr, content.cap);
    mrc_buf_free(&content);
}

void mrc_keyring_refresh(struct mrc_keyring *keyring)
{
    for (size_t i = 0; i < keyring->count; i++)
        refresh_place(keyring, &keyring->places[i]);
}

apr_status_t mrc_keyring_check(const struct mrc_keyring *keyring, size_t i,
                               struct mrc_bytes content, struct mrc_error *error)
{
    struct mrc_error first = {"nothing uses it"};
    enum mrc_err result = MRC_EINVAL;
    bool failed = false;

    for (size_t p = 0; p < keyring->count; p++) {
        const struct mrc_key_row *row = keyring->places[p].row;
        struct mrc_keyset *keys = NULL;
        enum mrc_err err;

        if (row->document != i)
            continue;
        err = mrc_keyset_parse(content, row->algs, row->flags, failed ? NULL : &first, &keys);
        mrc_keyset_free(keys);
        if (!err)
            return APR_SUCCESS;
        if (!failed)
            result = err;
        failed = true;
    }
    return mrc_status_set(error, mrc_status_of(result), "%s",
                          result == MRC_ENOMEM ? mrc_strerror(result) : first.text);
}

void mrc_keyring_take(struct mrc_keyring *keyring, apr_pool_t *pool,
                      const struct mrc_key_row *const *rows, size_t count,
                      struct mrc_keyring_hold *ret_hold)
{
    struct mrc_keyring_hold hold = {
        .trust = apr_palloc(pool, sizeof(*hold.trust) * (count + 1)),
        .versions = apr_palloc(pool, sizeof(*hold.versions) * (count + 1)),
        .held = apr_palloc(pool, sizeof(*hold.held) * (count + 1)),
        .count = count,
    };

    pthread_mutex_lock(&keyring->lock);
    for (size_t i = 0; i < count; i++) {
        hold.held[i] = NULL;
        if (rows[i]->index == MRC_KEY_ROW_LOOSE)
            continue;
        hold.held[i] = keyring->places[rows[i]->index].version;
        atomic_fetch_add_explicit(&hold.held[i]->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&keyring->lock);
    for (size_t i = 0; i < count; i++) {
        hold.versions[i] = hold.held[i] ? hold.held[i]->number : rows[i]->number;
        hold.trust[i] = (struct mrc_token_trust){
            .issuer = rows[i]->issuer,
            .algs = rows[i]->algs,
            .keys = hold.held[i] ? hold.held[i]->keys : rows[i]->keys,
        };
    }
    *ret_hold = hold;
}

void mrc_keyring_give_back(struct mrc_keyring_hold *hold)
{
    for (size_t i = 0; i < hold->count; i++)
        unref_version(hold->held[i]);
    hold->count = 0;
}

static bool is_of(const struct mrc_key_row *row, const char *issuer)
{
    return row->issuer && issuer ? strcmp(row->issuer, issuer) == 0 : row->issuer == issuer;
}

void mrc_keyring_ask(const struct mrc_keyring *keyring, const struct mrc_key_row *const *rows,
                     size_t count, const char *issuer)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i]->document != MRC_KEY_ROW_FIXED && is_of(rows[i], issuer))
            mrc_documents_ask(keyring->documents, rows[i]->document);
    }
}
