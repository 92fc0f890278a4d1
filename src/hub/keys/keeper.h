/*
 * The keeper: the thread of a child that keeps its keys up to date.
 *
 * In each child it takes over new versions of the shared documents. In one child, the leader, it
 * also watches the key files and fetches the JWK Sets, and writes each new, usable version to its
 * document. When the leader dies or drains, another child takes the lead within a second.
 *
 *     file    checked twice a second; read when it is unchanged from one check to the next
 *     URL     fetched at once, then every MRC_KEEPER_REFETCH_S; earlier, but at most every
 *             MRC_KEEPER_ASKED_S, when a token of its issuer names an unknown key; after a failure
 *             in 1, 2, 4 ... MRC_KEEPER_RETRY_MAX_S seconds
 *
 * If a file or a JWK Set cannot be read, fetched or used, the keys in force stay in force.
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

/* The source of a document. */
struct mrc_key_source {
    const char *name; /* the path of a file, or the URL */
    bool is_url;
};

enum mrc_keeper_level { MRC_KEEPER_NOTICE, MRC_KEEPER_WARNING };

struct mrc_keeper_args {
    struct mrc_keyring *keyring;
    const struct mrc_key_source *sources; /* one for each document; they must outlive the keeper */
    size_t count;
    const char *ca_file; /* the CA certificates for the URLs; NULL: those that the system trusts */
    /* Reports an event to the administrator. Called in the keeper's thread. */
    void (*report)(void *ctx, enum mrc_keeper_level level, const char *text);
    void *ctx;
};

/* Starts the thread, while the process has no other; all signals are blocked in it. The struct
 * lives in POOL. */
apr_status_t mrc_keeper_start(apr_pool_t *pool, const struct mrc_keeper_args *args,
                              struct mrc_keeper **ret_keeper);

/* Makes the keeper give up the lead, because the child ends. Any thread, and a signal handler.
 * Accepts NULL. */
void mrc_keeper_post_drain(struct mrc_keeper *keeper);

/*
 * Ends the thread and waits for it, at most some seconds. False: it has not ended, and the process
 * must end without waiting for it, or call this again. Accepts NULL.
 */
bool mrc_keeper_stop(struct mrc_keeper *keeper);

#endif
