/*
 * Interned bytes: what many hold for long, and often the same, is kept once, however many hold it.
 *
 * A string of bytes is immutable and shared by a reference count. Any thread may call any of the
 * functions.
 */
#ifndef MRC_CORE_BASE_INTERNED_H
#define MRC_CORE_BASE_INTERNED_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_interned;
struct mrc_interned_table;

/* KEY is random, so that nobody can choose strings that collide. MRC_ENOMEM. */
enum mrc_err mrc_interned_table_create(const uint64_t key[2],
                                       struct mrc_interned_table **ret_table);

/* Accepts NULL. Nobody holds anything of it. */
void mrc_interned_table_free(struct mrc_interned_table *table);

/* How many different strings it holds. */
size_t mrc_interned_table_count(struct mrc_interned_table *table);

/*
 * The string of TABLE that equals BYTES, copied if there is none yet: one reference. NULL: out of
 * memory. At most 4 GB.
 */
struct mrc_interned *mrc_interned_get(struct mrc_interned_table *table, struct mrc_bytes bytes);

/* Gives a reference back; the last one frees. Accepts NULL. */
void mrc_interned_release(struct mrc_interned *interned);

/* What was given; lives as long as the reference. */
struct mrc_bytes mrc_interned_bytes(const struct mrc_interned *interned);

#endif
