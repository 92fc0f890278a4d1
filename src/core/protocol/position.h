/*
 * A position: a cursor that the hub makes itself, for a client that has received no event yet. It
 * names a place in the hub's own order of updates, and reveals nothing about the updates there.
 *
 *     #  base64url( nonce (13) | number, made_us encrypted (16) | tag (16) )
 *
 * The cipher is AES-256 in CCM mode (RFC 3610) under a key of the hub. A nonce is random: two
 * positions at the same place differ, so a subscriber does not learn from them whether there were
 * updates in between that it may not receive. All positions have the same length. A publisher
 * cannot give an update such an id, because ids that begin with `#` belong to the hub
 * (draft-dunglas-mercure-08, "Publication").
 */
#ifndef MRC_CORE_PROTOCOL_POSITION_H
#define MRC_CORE_PROTOCOL_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"

#define MRC_POSITION_KEY_BYTES   32
#define MRC_POSITION_NONCE_BYTES 13

/* The characters of a position, with the terminator. */
#define MRC_POSITION_TEXT_BYTES 62

/* If several machines are one hub, the members have another meaning (store/history/engine.c). */
struct mrc_position {
    uint64_t number; /* of the first update after it, in the order of the hub */
    int64_t made_us; /* the time of day when the position was made */
};

/*
 * Writes POSITION to RET_TEXT, with a NONCE of random bytes that is used only once. False: OpenSSL
 * has no memory, or its configuration forbids the cipher.
 */
bool mrc_position_write(const unsigned char key[MRC_POSITION_KEY_BYTES],
                        const unsigned char nonce[MRC_POSITION_NONCE_BYTES],
                        const struct mrc_position *position,
                        char ret_text[MRC_POSITION_TEXT_BYTES]);

/* Reads TEXT. False: it is not a position that was written with KEY. */
bool mrc_position_read(const unsigned char key[MRC_POSITION_KEY_BYTES], struct mrc_bytes text,
                       struct mrc_position *ret_position);

#endif
