/*
 * The databases in the file of a durable history, and the properties of the file.
 */
#ifndef MRC_STORE_LMDB_DBS_H
#define MRC_STORE_LMDB_DBS_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/hub/layout.h"

#define MRC_HISTORY_DBS_COUNT 5 /* databases in a file */

/* The databases in the file, and its properties. */
struct mrc_history_dbs {
    MDB_dbi records; /* number (native, 8 bytes) -> record; table.h */
    MDB_dbi ids;     /* keyed hash of the id -> numbers */
    MDB_dbi about;   /* "format", "epoch", "hash", "key", "positions" */
    MDB_dbi begun;   /* subjects; history/begun.h. 0: the file has none, and gets none */
    MDB_dbi revoked; /* revocations; revoked.h. 0: the same */
    uint64_t epoch;  /* random: differs from any other history in the same place. Never 0 */
    uint64_t hash_key[2];
    unsigned char position_key[MRC_HUB_POSITION_KEY_BYTES];
};

/*
 * Opens the databases of ENV, and creates what is missing for the hub with HUB_KEY; without a key,
 * or with READ_ONLY, it creates nothing. Returns 0, LMDB's code or an errno. MDB_VERSION_MISMATCH:
 * the file has another format. MDB_CORRUPTED: it is damaged or not a history. DBS is undefined
 * after a failure.
 */
int mrc_history_dbs_open(MDB_env *env, const char *hub_key, bool read_only,
                         struct mrc_history_dbs *dbs);

#endif
