/*
 * A place: the position of a reader in a history.
 *
 *     records that the reader takes from the history             from the ring
 *     [next                         … until)                     [pos … head)
 *
 * The reader takes the records NEXT to UNTIL from the history, and everything from POS on from the
 * ring. The record at POS has the number UNTIL. In a history in memory, only the ring is read.
 */
#ifndef MRC_STORE_HISTORY_PLACE_H
#define MRC_STORE_HISTORY_PLACE_H

#include <stdint.h>

struct mrc_place {
    uint64_t next;  /* number of the next record to take from the history */
    uint64_t until; /* number of the first record not to take from it; none if not above NEXT */
    uint64_t pos;   /* position in the ring */
};

#endif
