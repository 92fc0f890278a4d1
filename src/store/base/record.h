/*
 * A record: one published update, as the store sees it. It holds views and owns nothing.
 *
 * Records lie in four places. Each place has its own layout, one function that writes a record
 * there and one that reads it:
 *
 *     the ring       words in shared memory                    ring/codec.h
 *     staging        a slot in shared memory                   regions/staging.c
 *     the file       bytes in the memory map of LMDB           history/table.c
 *     a slice        copies in the memory of one process       history/slice.c
 */
#ifndef MRC_STORE_BASE_RECORD_H
#define MRC_STORE_BASE_RECORD_H

#include <stdint.h>

#include "core/base/bytes.h"

/* The largest stored_bytes: every layout has 32 bits for it. */
#define MRC_RECORD_STORED_BYTES_MAX UINT32_MAX

struct mrc_record {
    uint64_t seq;          /* grows by one per record of a ring or a history; 0: none yet */
    int64_t time_us;       /* the time of day when it was published */
    uint64_t stored_bytes; /* its size for MercureHistory bytes=N */
    struct mrc_bytes id;
    struct mrc_bytes payload; /* opaque to the store */
};

#endif
