/*
 * The keeper: the one thread of a child that brings its keys up to date.
 *
 * In each child it takes over what is new in the shared documents. In one child of all, the leader,
 * it also looks at the key files and fetches the JWK Sets, and puts what is new and good into the
 * documents; when the leader dies or drains, another one follows within a second.
 *
 *     file    looked at twice a second; read when it has stayed the same from one look to the next
 *     URL     fetched at once, then every MRC_KEEPER_REFETCH_S; when a token of its issuer names an
 *             unknown key, once more, at most every MRC_KEEPER_ASKED_S; after a failure in 1, 2, 4
 *             ... MRC_KEEPER_RETRY_MAX_S
 *
 * What cannot be read, fetched or used leaves the keys in force that there are.
 */
#ifndef MRC_HUB_KEYS_KEEPER_H
#define MRC_HUB_KEYS_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "apr_pools.h"

struct mrc_keeper;
struct mrc_keyring;

#define MRC_KEEPER_LOOK_MS     500
#define MRC_KEEPER_REFETCH_S   300
#define MRC_KEEPER_ASKED_S     30
#define MRC_KEEPER_RETRY_MAX_S 60

/* Where a document comes from. */
struct mrc_key_source {
    const char *name; /* the path of a file, or the URL */
    bool is_url;
};

enum mrc_keeper_level { MRC_KEEPER_NOTICE, MRC_KEEPER_WARNING };

struct mrc_keeper_args {
    struct mrc_keyring *keyring;
    const struct mrc_key_source *sources; /* one for each document; they outlive the keeper */
    size_t count;
    const char *ca_file; /* who may vouch for the URLs' servers; NULL: whom the system trusts */
    /* Something that the administrator should know; in the keeper's thread. */
    void (*say)(void *ctx, enum mrc_keeper_level level, const char *text);
    void *ctx;
};

/* Starts the thread, in which all signals are blocked; while the process has one thread. The struct
 * lives in POOL. */
apr_status_t mrc_keeper_start(apr_pool_t *pool, const struct mrc_keeper_args *args,
                              struct mrc_keeper **ret_keeper);

/* The child is to end: it leads no more. Any thread, and a signal handler. Accepts NULL. */
void mrc_keeper_post_drain(struct mrc_keeper *keeper);

/*
 * Ends the thread and waits for it, some seconds at most. False: it has not ended, and then the
 * process has to end, or this to be called again. Accepts NULL.
 */
bool mrc_keeper_stop(struct mrc_keeper *keeper);

#endif
