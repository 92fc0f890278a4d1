/*
 * The bytes of a roster: the active subscriptions of all children of a hub.
 *
 *     0                 +---------------------------------------------------+
 *                       | struct mrc_roster_header               (64 bytes) |
 *     64                +---------------------------------------------------+
 *                       | u64 word [cell_count]                             |  state and owner
 *     (multiple of 64)  +---------------------------------------------------+
 *                       | struct mrc_roster_cell [cell_count]    (128 each) |
 *                       |   0 … own_count - 1             for small entries |
 *                       |   own_count … cell_count - 1    for the others    |
 *                       +---------------------------------------------------+
 *
 * An entry is a chain of cells: a head, and as many parts as its bytes need:
 *
 *     head  next + 1 | subscriber (16 bytes) | lengths and type | 96 bytes ──> part ──> part
 *     part  next + 1 | 120 bytes
 *
 * next + 1 is 0 at the end of the chain. The bytes are the matcher, then the payload.
 *
 * The state of a cell is in one word, so no change can be half done:
 *
 *          claim              activate              end               release
 *     FREE -----> CLAIMED(slot) -----> ACTIVE(slot) ---> ENDING(slot) -------> CLAIMED(slot)
 *      ^             |    a part stays CLAIMED              ^     |               |
 *      |             |                                adopt |     | fold          |
 *      |             |                                      |     v               |
 *      |             |                               ENDING(ORPHAN)               |
 *      +-------------+--------------------- freed --------------------------------+
 *
 *      63   61 60                   41 40                                        0
 *     +-------+-----------------------+-------------------------------------------+
 *     | state |  slot of the owner    |  how often the word has changed           |
 *     +-------+-----------------------+-------------------------------------------+
 *
 * With a transport an ACTIVE entry becomes TOLD when the engine lists it, and ACTIVE again when the
 * engine no longer does. Both are listed.
 *
 * Only the owner of a cell changes its word: the child in the slot or, after its death, the process
 * that folds it; for an orphan, the child whose compare-and-swap adopts it. Any process changes
 * ACTIVE to TOLD and back, with a compare-and-swap.
 *
 * A child may die at any instruction. Its CLAIMED cells then belong to no complete entry, because a
 * chain is taken apart only while its head is CLAIMED; they are freed one by one. Its ACTIVE and
 * ENDING entries become orphans with their whole chains, the parts first, so that an interrupted
 * fold still finds the head. The end of an orphan has not been announced yet.
 *
 * A reader takes no lock: it loads the word of the head, copies the chain, and loads the word
 * again. If the word has not changed, neither has the chain: words of cells are stored with release
 * order after the head has left FREE, and loaded with acquire order before the second load of the
 * word.
 */
#ifndef MRC_STORE_REGIONS_ROSTER_LAYOUT_H
#define MRC_STORE_REGIONS_ROSTER_LAYOUT_H

#include <stdint.h>

#define MRC_ROSTER_MAGIC   UINT64_C(0x3154534f5243524d) /* "MRCROST1", little endian */
#define MRC_ROSTER_VERSION 2

#define MRC_ROSTER_FREE    0
#define MRC_ROSTER_CLAIMED 1
#define MRC_ROSTER_ACTIVE  2
#define MRC_ROSTER_ENDING  3
#define MRC_ROSTER_TOLD    4 /* ACTIVE, and the other machines know it; only with a transport */

#define MRC_ROSTER_STATE_SHIFT 61
#define MRC_ROSTER_OWNER_SHIFT 41
#define MRC_ROSTER_ORPHAN      UINT64_C(0xfffff) /* in place of a slot */

#define MRC_ROSTER_CELL_WORDS 16
#define MRC_ROSTER_HEAD_WORDS 4 /* before the bytes in a head */
#define MRC_ROSTER_PART_WORDS 1 /* before the bytes in a part */

struct mrc_roster_header {
    /* Constant: written by the parent before any child exists. Each process makes a copy when it
     * attaches, and uses only that. */
    uint64_t magic;
    uint32_t version;
    uint32_t cell_count;
    uint32_t own_count;
    uint8_t reserved0[4];
    /* 1: there may be orphans. Stored by the parent in a new roster, and by the process that made
     * them, after them; exchanged for 0 by the child that then looks for them. All are seq_cst. */
    _Atomic uint64_t orphans;
    /* How often the list has changed. Added to after an entry was listed, or left the list: a
     * reader that loads it before it reads the list knows at least what has changed since. */
    _Atomic uint64_t changes;
    /* The small cells, and the shared ones, that are allocated: the first ones. Only grow, by any
     * process, after the cells and their words were allocated. */
    _Atomic uint32_t own_ready;
    _Atomic uint32_t shared_ready;
    uint8_t reserved1[16];
};
_Static_assert(sizeof(struct mrc_roster_header) == 64, "the header is a cache line");

/* Written by the owner while CLAIMED, word by word; then constant until FREE. */
struct mrc_roster_cell {
    _Atomic uint64_t word[MRC_ROSTER_CELL_WORDS];
};
_Static_assert(sizeof(struct mrc_roster_cell) == 128, "a cell is two cache lines");

#endif
