/*
 * The bytes of the shared documents: one mapping for each configuration, without a file.
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
 * Of the two copies of a document, the one of number `generation % 2` counts, the other one is
 * where the next is written:
 *
 *     write the other copy, then its length, then generation + 1 (release)
 *     read generation (acquire), the copy that counts, generation again: it must be the same
 *
 * So a writer that dies half-way leaves nothing visible. There is one writer at a time, the
 * leader: whoever holds the robust mutex. A page that nobody has written takes no memory.
 */
#ifndef MRC_STORE_DOCUMENTS_LAYOUT_H
#define MRC_STORE_DOCUMENTS_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

/* The longest document: a multiple of 8. */
#define MRC_DOCUMENT_MAX_BYTES (256 * 1024)

struct mrc_documents_header {
    /* The leader holds it as long as it leads. Made by the parent before any child. */
    union mrc_lock leader;
    /* Counts what may concern those who wait, and is what they wait on (futex). Any process. */
    _Atomic uint32_t news;
    uint8_t reserved[60];
};
_Static_assert(sizeof(struct mrc_documents_header) == 128, "the header is two cache lines");

struct mrc_document {
    /* How many versions there have been; 0: none yet. Written by the parent before any child, then
     * by the leader (release). */
    _Atomic uint64_t generation;
    /* The lengths of the two copies; written and read as their words: release, acquire. */
    _Atomic uint64_t bytes[2];
    /* When the leader last began to fetch it, and when it did so because somebody had asked, in
     * microseconds of the monotonic clock; 0: never. Leader. */
    _Atomic int64_t tried_us;
    _Atomic int64_t answered_us;
    /* Failed attempts since the last good one. Leader. */
    _Atomic uint64_t failures;
    /* Whether somebody wants it anew: set by any thread of any child, taken back by the leader. */
    _Atomic uint64_t asked;
    /* The hash of what was last logged of it; 0: nothing. Any child, by exchange. */
    _Atomic uint64_t said;
};
_Static_assert(sizeof(struct mrc_document) == 64, "a document's record is a cache line");

#endif
