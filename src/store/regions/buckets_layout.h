/*
 * The bytes of the token buckets of a hub.
 *
 *     0    +------------------------------------------+
 *          | struct mrc_buckets_header     (64 bytes) |
 *          +------------------------------------------+
 *
 *     and in a region of their own, those of clients:
 *
 *     0    +------------------------------------------+
 *          | struct mrc_bucket [MRC_BUCKETS_CLIENTS]  |
 *          +------------------------------------------+
 *
 * A bucket is the moment at which it is full again, in nanoseconds of the monotonic clock. A moment
 * in the past is a full bucket, so zeroed memory is a set of full buckets, and a bucket of a client
 * that has been silent may be given to another client.
 *
 * The low bits of the key of a client select the MRC_BUCKETS_WAYS buckets that it may have. Every
 * change is one compare-and-swap of one word, by any thread of any process. A process may die at
 * any instruction.
 */
#ifndef MRC_STORE_REGIONS_BUCKETS_LAYOUT_H
#define MRC_STORE_REGIONS_BUCKETS_LAYOUT_H

#include <stdint.h>

#define MRC_BUCKETS_WAYS    8
#define MRC_BUCKETS_CLIENTS 512

struct mrc_bucket {
    _Atomic uint64_t key; /* of the client; 0: free */
    _Atomic int64_t full_ns;
};
_Static_assert(sizeof(struct mrc_bucket) == 16, "a bucket is two words");

struct mrc_buckets_header {
    uint64_t hash_key[2];  /* random and constant: nobody can choose clients that share a bucket */
    struct mrc_bucket hub; /* of all publishers together; its key is not used */
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct mrc_buckets_header) == 64, "the header is a cache line");

#endif
