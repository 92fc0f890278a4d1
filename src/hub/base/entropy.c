#include "hub/base/entropy.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include <openssl/crypto.h>

#include "apr_general.h"

/* Linux returns this many bytes in one system call, even if a signal comes. */
#define PIECE_BYTES 256

struct mrc_entropy {
    pthread_mutex_t lock;

    /* Under the lock. */
    size_t left; /* of the bytes, from the beginning, that were not handed out yet */
    unsigned char bytes[PIECE_BYTES];
};

static apr_status_t destroy(void *data)
{
    struct mrc_entropy *entropy = data;

    OPENSSL_cleanse(entropy->bytes, sizeof(entropy->bytes));
    pthread_mutex_destroy(&entropy->lock);
    return APR_SUCCESS;
}

struct mrc_entropy *mrc_entropy_create(apr_pool_t *pool)
{
    struct mrc_entropy *entropy = apr_pcalloc(pool, sizeof(*entropy));

    pthread_mutex_init(&entropy->lock, NULL);
    apr_pool_cleanup_register(pool, entropy, destroy, apr_pool_cleanup_null);
    return entropy;
}

apr_status_t mrc_entropy_get(struct mrc_entropy *entropy, void *out, size_t len)
{
    apr_status_t status = APR_SUCCESS;

    assert(len <= MRC_ENTROPY_MAX_BYTES);
    if (pthread_mutex_trylock(&entropy->lock) != 0)
        return apr_generate_random_bytes(out, len);
    if (entropy->left < len) {
        status = apr_generate_random_bytes(entropy->bytes, sizeof(entropy->bytes));
        entropy->left = status == APR_SUCCESS ? sizeof(entropy->bytes) : 0;
    }
    if (status == APR_SUCCESS) {
        entropy->left -= len;
        memcpy(out, entropy->bytes + entropy->left, len);
        memset(entropy->bytes + entropy->left, 0, len);
    }
    pthread_mutex_unlock(&entropy->lock);
    return status;
}
