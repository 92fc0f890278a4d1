/*
 * The keyring: the keys that are in force in this child. They are swapped when the shared document
 * that they come from has a new version.
 *
 * Any thread may take keys and give them back; one thread, the keeper's (keeper.h), swaps them. A
 * request verifies with the keys that it has taken, even if they are swapped in the meantime.
 */
#ifndef MRC_HUB_KEYS_KEYRING_H
#define MRC_HUB_KEYS_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/token/token.h"

struct mrc_documents;
struct mrc_keyring;

/* For mrc_key_row.document: the keys of the row never change. */
#define MRC_KEY_ROW_FIXED SIZE_MAX

/* For mrc_key_row.index: the row is in no keyring, and its keys live as long as the row. */
#define MRC_KEY_ROW_LOOSE SIZE_MAX

/* One row of keys in the configuration, which owns it. Constant. */
struct mrc_key_row {
    const char *issuer; /* NULL: the row is for tokens of protocol 0.x */
    mrc_alg_set algs;
    unsigned flags;                /* of mrc_keyset_parse() */
    const struct mrc_keyset *keys; /* from the first version of the document; NULL: none */
    size_t document;               /* the document with later versions, or MRC_KEY_ROW_FIXED */
    size_t index;                  /* its place among all rows, or MRC_KEY_ROW_LOOSE */
    uint64_t number;               /* the version of the keys of a loose row, unique in the child */
    unsigned char source[32];      /* SHA-256 of its first content, or of its URL; zeros: unknown */
};

/*
 * Makes a keyring of the COUNT rows at ROWS (in the order of their indices), with the current
 * versions of DOCUMENTS. The arguments must outlive it; POOL frees it. APR_ENOMEM.
 */
apr_status_t mrc_keyring_create(apr_pool_t *pool, const struct mrc_key_row *const *rows,
                                size_t count, struct mrc_documents *documents,
                                struct mrc_keyring **ret_keyring);

struct mrc_documents *mrc_keyring_documents(const struct mrc_keyring *keyring);

/*
 * Takes over the new versions of the documents; only the keeper. A version that passed
 * mrc_keyring_check() is in force for all rows of the document: a row that cannot use it has no
 * keys then.
 */
void mrc_keyring_refresh(struct mrc_keyring *keyring);

/*
 * Whether CONTENT can be the next version of document I: at least one row must be able to use it.
 * APR_SUCCESS, or the error of mrc_keyset_parse() as a status (mrc_status_of()), with its text in
 * ERROR.
 */
apr_status_t mrc_keyring_check(const struct mrc_keyring *keyring, size_t i,
                               struct mrc_bytes content, struct mrc_error *error);

/* Keys that one request has taken. */
struct mrc_keyring_hold {
    struct mrc_token_trust *trust; /* of the rows that were taken, in their order */
    uint64_t *versions;            /* of their keys: two versions never have the same number */
    struct mrc_key_version **held; /* references to them */
    size_t count;
};

/* Takes the keys of COUNT rows as they are at one moment. The arrays live in POOL. */
void mrc_keyring_take(struct mrc_keyring *keyring, apr_pool_t *pool,
                      const struct mrc_key_row *const *rows, size_t count,
                      struct mrc_keyring_hold *ret_hold);
void mrc_keyring_give_back(struct mrc_keyring_hold *hold);

/*
 * Call it when a client has sent a token of ISSUER (NULL: of protocol 0.x) that names a key which
 * ROWS do not have. The documents of this issuer's rows may be out of date, and are fetched soon.
 */
void mrc_keyring_ask(const struct mrc_keyring *keyring, const struct mrc_key_row *const *rows,
                     size_t count, const char *issuer);

#endif
