/*
 * The shared memory of a server as its processes know it; for the files of this room.
 */
#ifndef MRC_STORE_MEMORY_INTERNAL_H
#define MRC_STORE_MEMORY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_hash.h"
#include "apr_pools.h"
#include "apr_time.h"
#include "store/memory/hub_file.h"
#include "store/shm/control.h"
#include "store/shm/runtime_dir.h"

struct mrc_documents;
struct mrc_inquiry;
struct mrc_notify;

/* A hub that a batch no longer has, but that children of an earlier generation may use. */
struct former {
    struct former *next;
    size_t place;
};

/*
 * The hubs that one reconcile has created. Their pool is below the process pool, with an allocator
 * of its own, because children attach hubs on demand in it. A pool for each of a thousand hubs
 * would double the time to create them.
 */
struct batch {
    struct batch *next;
    apr_pool_t *pool;
    size_t holders;            /* its hubs, and the reconcile */
    unsigned number;           /* of its file */
    struct mrc_hub_file *file; /* of hubs on demand; NULL: it has none */
    struct former *formers;    /* that have memory in the file */
    uint64_t *children;        /* that lived when the last of them was given up */
};

struct mrc_memory_hub {
    struct mrc_memory_hub *next, **link; /* in the list; LINK is the pointer to this one */
    struct batch *batch;
    const char *key;
    _Atomic(struct mrc_hub_segment *) segment; /* NULL: on demand, and not attached here */
    struct mrc_hub_shape shape;                /* when it was created */
    size_t place;    /* in the file of the batch, or MRC_MEMORY_OWN_FILE */
    unsigned number; /* of its own file */
    bool wanted;     /* while reconciling: it is in the new configuration */
    uint64_t passed; /* mrc_hub_segment_reclaim() */
    bool was_given;  /* a site has had a hub here: the search for a name continues (naming.h) */
    int64_t idle_since_us; /* 0: it is not idle (idle.h) */
    uint64_t idle_head;    /* of its ring at the last look */
};
#define MRC_MEMORY_OWN_FILE SIZE_MAX

struct mrc_memory {
    apr_pool_t *pool; /* the process pool */
    pid_t owner;
    unsigned nslots;
    unsigned last_number; /* of a file; no number is used twice */
    struct mrc_control *control;
    struct mrc_notify *notify;
    struct mrc_inquiry *inquiry;
    struct mrc_hub_file_args file_args;
    struct mrc_memory_hub *first;
    apr_hash_t *by_key;    /* struct mrc_memory_hub */
    struct batch *batches; /* all */
    struct batch *batch;   /* of the hubs that are created now; NULL: none yet */
    /* The hubs after the last reconcile, for mrc_memory_hub_at(). */
    apr_pool_t *list_pool; /* NULL: there are none */
    struct mrc_memory_hub **list;
    size_t list_count;
    apr_pool_t *documents_pool; /* NULL: there are no documents */
    struct mrc_documents *documents;
    apr_time_t reclaimed_at; /* the last time */
    const char *dir;
    char key[MRC_RUNTIME_DIR_KEY_BYTES + 1];
};

#endif
