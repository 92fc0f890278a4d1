/*
 * The bytes of the mailbox for inquiries; a server has one, in a mapping without a file.
 *
 *     0       +-----------------------------------------------+
 *             | struct mrc_inquiry_header         (128 bytes) |
 *     128     +-----------------------------------------------+
 *             | the question         (MRC_INQUIRY_ASK_BYTES)  |
 *             +-----------------------------------------------+
 *             | the answer        (MRC_INQUIRY_ANSWER_BYTES)  |
 *             +-----------------------------------------------+
 *
 * The state says who may use all that is not atomic:
 *
 *     IDLE ------> ASKED ------> TAKEN ------> ANSWERED ------> IDLE
 *     the asker    the asker     the child     the asker
 *     writes       withdraws     writes        reads
 *
 * A page that was never written takes no memory.
 */
#ifndef MRC_STORE_SHM_INQUIRY_LAYOUT_H
#define MRC_STORE_SHM_INQUIRY_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

enum mrc_inquiry_state {
    MRC_INQUIRY_IDLE,    /* the holder of the lock owns everything */
    MRC_INQUIRY_ASKED,   /* nobody changes anything but the state */
    MRC_INQUIRY_TAKEN,   /* the child that was asked owns everything */
    MRC_INQUIRY_ANSWERED /* as IDLE */
};

struct mrc_inquiry_header {
    /* Held by the asker. */
    union mrc_lock lock;
    /* An enum mrc_inquiry_state in its two low bits, and the number of the question above them, so
     * that a child that comes late cannot take the next question; a futex. */
    _Atomic uint32_t state;
    /* Who is asked. Written by the asker before ASKED; children load them without owning them. */
    _Atomic uint32_t slot;
    _Atomic uint32_t part;
    /* Of the child in the slot, and the lengths of the two texts. */
    int32_t pid;
    uint32_t ask_bytes;
    uint32_t answer_bytes;
    uint8_t reserved[40];
};
_Static_assert(sizeof(struct mrc_inquiry_header) == 128, "the header is two cache lines");

#endif
