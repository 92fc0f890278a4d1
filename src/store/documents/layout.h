/*
 * The bytes of the shared documents; every configuration has one mapping, without a file.
 *
 *     0                  +-----------------------------------------------+
 *                        | struct mrc_documents_header       (128 bytes) |
 *                        +-----------------------------------------------+
 *                        | struct mrc_document [count]        (64 each)  |
 *                        +-----------------------------------------------+
 *                        | copies of document 0: two of MRC_DOCUMENT_MAX |
 *                        | copies of document 1                          |
 *                        | ...                                           |
 *                        +-----------------------------------------------+
 *
 * Of the two copies of a document, number `generation % 2` is the current one. The next version
 * goes to the other copy:
 *
 *     write the other copy, then its length, then generation + 1 (release)
 *     read generation (acquire), the current copy, generation again: it must be the same
 *
 * So a writer that dies halfway leaves nothing visible. There is one writer at a time, the leader:
 * the holder of the lock. A page that was never written takes no memory.
 */
#ifndef MRC_STORE_DOCUMENTS_LAYOUT_H
#define MRC_STORE_DOCUMENTS_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

/* The longest document: a multiple of 8. */
#define MRC_DOCUMENT_MAX_BYTES (256 * 1024)

struct mrc_documents_header {
    /* Held by the leader as long as it leads. Created by the parent before any child. */
    union mrc_lock leader;
    /* Counts changes; waiting processes sleep on it (futex). Written by any process. */
    _Atomic uint32_t news;
    uint8_t reserved[60];
};
_Static_assert(sizeof(struct mrc_documents_header) == 128, "the header is two cache lines");

struct mrc_document {
    /* The number of versions so far; 0: none yet. Written by the parent before any child, then by
     * the leader (release). */
    _Atomic uint64_t generation;
    /* The lengths of the two copies. Written by the leader (release), read with acquire order. */
    _Atomic uint64_t bytes[2];
    /* When the last attempt to fetch it began, and the last requested one, in microseconds of the
     * monotonic clock; 0: never. Written by the leader. */
    _Atomic int64_t tried_us;
    _Atomic int64_t answered_us;
    /* Failed attempts since the last success. Written by the leader. */
    _Atomic uint64_t failures;
    /* 1: a refresh is requested. Set by any thread of any child, cleared by the leader. */
    _Atomic uint64_t asked;
    /* The hash of the last text that was logged about it; 0: none. Exchanged by any child. */
    _Atomic uint64_t said;
};
_Static_assert(sizeof(struct mrc_document) == 64, "a document's record is a cache line");

#endif
