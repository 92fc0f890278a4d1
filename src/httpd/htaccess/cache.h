/*
 * What a child process has read of the .htaccess files of its sites.
 *
 * A reading is checked again at most once a second, and forgotten after ten minutes without use.
 * One thread reads a file; others use the last reading meanwhile, or learn that there is none yet.
 * So a file system that hangs holds up one thread for each site. A file that cannot be read now has
 * no reading: the next caller tries again. Any thread.
 */
#ifndef MRC_HTTPD_HTACCESS_CACHE_H
#define MRC_HTTPD_HTACCESS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

struct mrc_htaccess_cache;

/* The most files that a child remembers, and the times above. */
#define MRC_HTACCESS_CACHE_MAX      10000
#define MRC_HTACCESS_CACHE_CHECK_US ((int64_t)1000 * 1000)
#define MRC_HTACCESS_CACHE_IDLE_US  ((int64_t)600 * 1000 * 1000)

/*
 * Reads, or checks OLD (NULL: there is none). Returns OLD if it is still valid, or a new reading;
 * NULL: OLD is out of date, and nothing can be read now.
 */
typedef void *mrc_htaccess_read_fn(void *ctx, void *old);

/* Frees a reading that nobody uses any more. */
typedef void mrc_htaccess_free_fn(void *reading);

/* NULL: out of memory. */
struct mrc_htaccess_cache *mrc_htaccess_cache_create(size_t max, mrc_htaccess_free_fn *free_fn);

/*
 * Frees the cache, which no thread uses any more, and all readings that are not held. Accepts NULL.
 */
void mrc_htaccess_cache_free(struct mrc_htaccess_cache *cache);

/* The first of COUNT numbers that no other caller gets. They have the highest bit, unlike those of
 * the keyring. */
uint64_t mrc_htaccess_cache_number(struct mrc_htaccess_cache *cache, uint64_t count);

/*
 * Whether to report at NOW_US of the monotonic clock that a file cannot be read now: once a minute.
 */
bool mrc_htaccess_cache_should_report(struct mrc_htaccess_cache *cache, int64_t now_us);

/* A reading that a caller holds. */
struct mrc_htaccess_hold;
void *mrc_htaccess_hold_reading(const struct mrc_htaccess_hold *hold);

/*
 * Takes the reading of KEY at NOW_US of the monotonic clock. READ is called with CTX if there is
 * none or it is due to be checked. NULL: another thread reads it for the first time, or READ has
 * none, or there is no memory.
 */
struct mrc_htaccess_hold *mrc_htaccess_cache_take(struct mrc_htaccess_cache *cache, const char *key,
                                                  mrc_htaccess_read_fn *read, void *ctx,
                                                  int64_t now_us);

/* Any thread may give back what another one has taken. */
void mrc_htaccess_cache_give_back(struct mrc_htaccess_hold *hold);

#endif
