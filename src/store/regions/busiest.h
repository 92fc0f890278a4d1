/*
 * The busiest topics of a hub in the last minute, in all children together, counted approximately
 * in a table of bounded size (busiest_layout.h). Counting never waits: an update that finds the
 * table locked is not counted. Any thread of any child.
 */
#ifndef MRC_STORE_REGIONS_BUSIEST_H
#define MRC_STORE_REGIONS_BUSIEST_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/bytes.h"
#include "store/base/sparse.h"

struct mrc_busiest;

enum mrc_busiest_kind {
    MRC_BUSIEST_UPDATES,  /* updates of a topic */
    MRC_BUSIEST_RECEIVERS /* streams that got an update of a topic */
};

/* One topic; longer ones are cut. */
#define MRC_BUSIEST_TEXT_BYTES 220
struct mrc_busiest_topic {
    uint64_t count;
    size_t text_bytes;
    char text[MRC_BUSIEST_TEXT_BYTES];
};

/* The bytes of the region, and those that must be allocated when the tables are made. */
uint64_t mrc_busiest_bytes(void);
uint64_t mrc_busiest_head_bytes(void);

/* Makes empty tables in the zeroed REGION (64-byte aligned), which must outlive them. The struct
 * lives in POOL. Fails if the system has no random bytes. */
apr_status_t mrc_busiest_create(apr_pool_t *pool, void *region, struct mrc_busiest **ret_busiest);

/* Attaches to tables that another process has made in memory that this process has inherited. */
struct mrc_busiest *mrc_busiest_attach(apr_pool_t *pool, void *region);

/* The cells are allocated page by page, when topics are counted. NULL: all are. */
void mrc_busiest_use_sparse(struct mrc_busiest *busiest, struct mrc_sparse *pages);

/* Counts COUNT for each of the N TOPICS at NOW_US of the monotonic clock. */
void mrc_busiest_count(struct mrc_busiest *busiest, enum mrc_busiest_kind kind,
                       const struct mrc_bytes *topics, size_t n, uint64_t count, int64_t now_us);

/* Fills RET_TOPICS with at most MAX topics, the busiest first. Returns their number; 0 if the table
 * is locked for long. */
size_t mrc_busiest_read(struct mrc_busiest *busiest, enum mrc_busiest_kind kind, int64_t now_us,
                        struct mrc_busiest_topic *ret_topics, size_t max);

#endif
