/*
 * SipHash-2-4: a short keyed hash, for tables whose keys come from outside. Without the secret key
 * of the hash, nobody can choose strings that collide.
 */
#ifndef MRC_CORE_BASE_SIPHASH_H
#define MRC_CORE_BASE_SIPHASH_H

#include <stdint.h>

#include "core/base/bytes.h"

/* The hash of BYTES under the 128-bit KEY, the same on every machine. */
uint64_t mrc_siphash(const uint64_t key[2], struct mrc_bytes bytes);

#endif
