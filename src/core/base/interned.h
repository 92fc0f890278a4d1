/*
 * Interned strings: stores equal strings, which many objects hold for a long time, only once.
 *
 * A string is immutable and shared by reference counting. Any thread may call any of the functions.
 */
#ifndef MRC_CORE_BASE_INTERNED_H
#define MRC_CORE_BASE_INTERNED_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_interned;
struct mrc_interned_table;

/*
 * Makes an empty table. KEY is random and secret, so that nobody can choose strings that collide.
 * MRC_ENOMEM.
 */
enum mrc_err mrc_interned_table_create(const uint64_t key[2],
                                       struct mrc_interned_table **ret_table);

/* Accepts NULL. All strings of TABLE must have been released. */
void mrc_interned_table_free(struct mrc_interned_table *table);

/* The number of different strings in TABLE. */
size_t mrc_interned_table_count(struct mrc_interned_table *table);

/*
 * Returns the string of TABLE that equals BYTES, with one reference for the caller. BYTES, at most
 * 4 GB, are copied if TABLE has no such string yet. NULL: out of memory.
 */
struct mrc_interned *mrc_interned_get(struct mrc_interned_table *table, struct mrc_bytes bytes);

/* Releases a reference; the last one frees the string. Accepts NULL. */
void mrc_interned_release(struct mrc_interned *interned);

/* The content; lives as long as the reference. */
struct mrc_bytes mrc_interned_bytes(const struct mrc_interned *interned);

#endif
