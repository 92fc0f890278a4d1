/*
 * The keys that count in this child, which may change while it runs: taken for one request, swapped
 * when the shared document that they come from has a new version.
 *
 * Any thread may take and give back; one thread, the keeper (keeper.h), swaps. Who has taken keys
 * verifies with them to the end, whatever is swapped meanwhile.
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

/* A row whose keys never change. */
#define MRC_KEY_ROW_FIXED SIZE_MAX

/* One row of the configuration. It belongs to that, and is constant. */
struct mrc_key_row {
    const char *issuer; /* NULL: for tokens of protocol 0.x */
    mrc_alg_set algs;
    unsigned flags;                /* of mrc_keyset_parse() */
    const struct mrc_keyset *keys; /* of the document's first version; NULL: it has none */
    size_t document;               /* where later versions come from, or MRC_KEY_ROW_FIXED */
    size_t index;                  /* its place among all rows */
};

/*
 * A keyring of the COUNT rows at ROWS (in the order of their indices), all of which outlive it,
 * with what DOCUMENTS holds now. Freed with POOL. APR_ENOMEM.
 */
apr_status_t mrc_keyring_create(apr_pool_t *pool, const struct mrc_key_row *const *rows,
                                size_t count, struct mrc_documents *documents,
                                struct mrc_keyring **ret_keyring);

struct mrc_documents *mrc_keyring_documents(const struct mrc_keyring *keyring);

/*
 * Takes over what is new in the documents; only the keeper. What mrc_keyring_check() has found good
 * is in force for all of its rows: one that it does not fit has no keys any more.
 */
void mrc_keyring_refresh(struct mrc_keyring *keyring);

/*
 * Whether CONTENT is good as the next version of document I: some row of it must be able to use it.
 * APR_SUCCESS; or the error of mrc_keyset_parse() as mrc_status_of() has it, with its words.
 */
apr_status_t mrc_keyring_check(const struct mrc_keyring *keyring, size_t i,
                               struct mrc_bytes content, struct mrc_error *error);

/* Keys that one thread has taken. */
struct mrc_keyring_hold {
    struct mrc_token_trust *trust; /* of as many rows as were taken, in their order */
    uint64_t *versions;            /* two that differ never have the same number */
    struct mrc_key_version **held; /* references */
    size_t count;
};

/* Takes the keys of COUNT rows, all as they are at one moment; the arrays live in POOL. */
void mrc_keyring_take(struct mrc_keyring *keyring, apr_pool_t *pool,
                      const struct mrc_key_row *const *rows, size_t count,
                      struct mrc_keyring_hold *ret_hold);
void mrc_keyring_give_back(struct mrc_keyring_hold *hold);

/*
 * Somebody has shown a token of ISSUER (NULL: of protocol 0.x), of which none of the keys at ROWS
 * knows anything: the documents of these rows may be out of date.
 */
void mrc_keyring_ask(const struct mrc_keyring *keyring, const struct mrc_key_row *const *rows,
                     size_t count, const char *issuer);

#endif
