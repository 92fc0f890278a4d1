/*
 * A record: one published update, as the store sees it. It holds views and owns nothing.
 *
 * Records are stored in four places. Each place has its own layout, one function that writes a
 * record there and one that reads it:
 *
 *     the ring       words in shared memory                    ring/codec.h
 *     staging        a slot in shared memory                   regions/staging.c
 *     the file       bytes in the memory map of LMDB           lmdb/table.c
 *     a slice        copies in the memory of one process       history/slice.c
 */
#ifndef MRC_STORE_BASE_RECORD_H
#define MRC_STORE_BASE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

/* The largest stored_bytes: every layout has 32 bits for it. */
#define MRC_RECORD_STORED_BYTES_MAX UINT32_MAX

/*
 * What a record says about its subject. A durable history remembers the subjects that have begun
 * and not ended yet (history/begun.h); otherwise the mark means nothing to the store.
 */
enum mrc_record_mark {
    MRC_RECORD_PLAIN,  /* nothing: the record has no subject */
    MRC_RECORD_BEGINS, /* the subject has begun */
    MRC_RECORD_ENDS    /* the subject has ended; all records that say so have the same id */
};

/* The name of a subject; opaque to the store. */
struct mrc_record_subject {
    uint64_t word[3];
};

/*
 * A revocation: opaque DATA that is in force until UNTIL_US (time of day). It is not a record, but
 * is kept separately.
 */
#define MRC_REVOCATION_ID_BYTES 16
struct mrc_revocation {
    unsigned char id[MRC_REVOCATION_ID_BYTES];
    int64_t until_us;
    struct mrc_bytes data;
};

/* Receives a revocation, which lives until the function returns. */
typedef apr_status_t mrc_revocation_fn(void *ctx, const struct mrc_revocation *entry);

struct mrc_record {
    uint64_t seq;          /* grows by one per record of a ring or a history; 0: none yet */
    int64_t time_us;       /* the time of day when it was published */
    uint64_t stored_bytes; /* its size for MercureHistory bytes=N */
    struct mrc_bytes id;
    struct mrc_bytes payload; /* opaque to the store */
    enum mrc_record_mark mark;
    struct mrc_record_subject subject;
    struct mrc_bytes operation; /* with a transport: what the engine does in the same step
                                 * (engine/entry.h); empty: nothing */
    bool is_control; /* an order to the children, not an update: only rings have such records
                      * (ring.h) */
};

#endif
