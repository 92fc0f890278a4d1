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

/* What the administrator should know about a source. */
enum mrc_keeper_event {
    MRC_KEEPER_FILE_TAKEN,      /* its new keys are in force */
    MRC_KEEPER_FILE_UNWATCHED,  /* the user of the children may not read it */
    MRC_KEEPER_FILE_UNREADABLE, /* it cannot be read any more */
    MRC_KEEPER_FILE_UNUSABLE,   /* its new content is not a key, or not one for its rows */
    MRC_KEEPER_URL_TAKEN,       /* its keys are in force */
    MRC_KEEPER_URL_UNREACHABLE, /* it cannot be fetched */
    MRC_KEEPER_URL_UNUSABLE     /* its content is not a JWK Set, or not one for its rows */
};

struct mrc_keeper_report {
    enum mrc_keeper_event event;
    const char *name;   /* of the source */
    const char *reason; /* in words; NULL if the keys are in force */
    bool has_keys;      /* keys of this source that were read before stay in force */
};

struct mrc_keeper_args {
    struct mrc_keyring *keyring;
    const struct mrc_key_source *sources; /* one for each document; they must outlive the keeper */
    size_t count;
    const char *ca_file; /* the CA certificates for the URLs; NULL: those that the system trusts */
    /* Reports something that the administrator should know. In the keeper's thread. */
    void (*report)(void *ctx, const struct mrc_keeper_report *report);
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
