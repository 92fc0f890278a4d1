/*
 * The interests of a hub's children: who is woken for which records, so that one which nobody in a
 * child listens to costs that child nothing. In shared memory, without a lock.
 *
 * A record has tags (hashes of its topics), a child a set of those that its subscribers wait for,
 * and a count of subscribers whose wishes are no list of tags: who has one is woken for everything.
 * The sets are of one child, not of one of its dispatchers: there is one descriptor to wake it by,
 * and it has one dispatcher unless somebody asks for more.
 *
 * No wake-up is lost between a subscriber that comes and a publisher:
 *
 *     child                                        publisher
 *     1. add(), then set() or add_broad()          a. append: the ring's head moves
 *     2. takes the head                            b. wants(): reads listeners, broad, bits
 *     3. reads the history up to there             c. wakes
 *     4. waits, drains its descriptor, reads the ring until APR_EOF
 *
 * All of 1, 2, a and b are seq_cst, and so in one total order. Either all that 1 writes comes
 * before b reads it: the publisher wakes the child. Or b has read something before 1 wrote it: then
 * a was before 2, the head that the child takes lies behind the record, and it is in what the child
 * reads as history. This holds for each word by itself, since 2 follows all of them. And because a
 * child drains before it reads, a wake-up that comes while it reads wakes it again.
 *
 * A subscriber that goes: unset() may only follow when none is left that needs the bit. Who finds
 * out afterwards that one has come meanwhile does set() again and then wakes its own child: a
 * publisher that did not see the bit between has appended before it looked, and so before that
 * wake-up. A bit too many wakes for nothing; so do tags that share one, and whoever subscribes to
 * very much: that costs what every publication would cost without the sets.
 *
 * A child that is not woken does not read, and must not be overtaken by the ring, nor find a heap
 * of records when it is woken at last. So it is woken, whatever a record's tags are, when there are
 * MRC_INTERESTS_UNREAD_MAX records since its last wake-up, or 1/MRC_INTERESTS_RING_PART of the
 * ring. Each wake-up lets it read to the end: that is all a publisher has to know of where it
 * reads.
 */
#ifndef MRC_STORE_REGIONS_INTERESTS_H
#define MRC_STORE_REGIONS_INTERESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"

/* A process's view; all threads may use it at once. */
struct mrc_interests;

#define MRC_INTERESTS_UNREAD_MAX 256
#define MRC_INTERESTS_RING_PART  8

/* The set of a child has so many bits at most, and fewer where there are so many slots that all of
 * them would take more than MRC_INTERESTS_BYTES_MAX. With 10,000 tags in 65,536 bits every seventh
 * record that is not for the child wakes it. */
#define MRC_INTERESTS_BITS_MAX  65536
#define MRC_INTERESTS_BITS_MIN  512
#define MRC_INTERESTS_BYTES_MAX ((uint64_t)1 << 20)

/* What some records are about. */
#define MRC_TAGS_MAX 64
struct mrc_tags {
    size_t count;
    bool is_any; /* more than there is room for, or not known: it concerns everybody */
    uint64_t all[MRC_TAGS_MAX];
};

/* Adds the tags of a record with PAYLOAD to TAGS. */
typedef void mrc_tags_describe_fn(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags);

/* How far a ring is written. */
struct mrc_interests_mark {
    uint64_t seq;      /* of the newest record */
    uint64_t pos;      /* behind it */
    uint64_t capacity; /* of the ring, in bytes */
};

static inline void mrc_tags_clear(struct mrc_tags *tags)
{
    tags->count = 0;
    tags->is_any = false;
}

static inline void mrc_tags_add(struct mrc_tags *tags, uint64_t tag)
{
    if (tags->count < MRC_TAGS_MAX)
        tags->all[tags->count++] = tag;
    else
        tags->is_any = true;
}

/* The size of the region, and how many bits the set of each slot has. */
uint64_t mrc_interests_bytes(unsigned nslots);
uint64_t mrc_interests_bits(unsigned nslots);

/*
 * Lays them down in the zeroed REGION (64-byte aligned), which must outlive them. The struct lives
 * in POOL. Fails if the system gives no random bytes.
 */
apr_status_t mrc_interests_create(apr_pool_t *pool, void *region, unsigned nslots,
                                  struct mrc_interests **ret_interests);

/* A view of a REGION of mrc_interests_bytes(NSLOTS) that somebody else made, to be looked at. */
struct mrc_interests *mrc_interests_open(apr_pool_t *pool, void *region, unsigned nslots);

/* The tag of NAME, the same in all processes. */
uint64_t mrc_interests_tag(const struct mrc_interests *interests, struct mrc_bytes name);

/* ---- the child in SLOT; where there is no such slot nothing happens ---------------------------*/

/* One subscriber more, or fewer; and how many there are. */
void mrc_interests_add(struct mrc_interests *interests, unsigned slot);
void mrc_interests_sub(struct mrc_interests *interests, unsigned slot);
uint64_t mrc_interests_listeners(const struct mrc_interests *interests, unsigned slot);

/* One more, or fewer, that is to be woken for everything. */
void mrc_interests_add_broad(struct mrc_interests *interests, unsigned slot);
void mrc_interests_sub_broad(struct mrc_interests *interests, unsigned slot);

/* From now on it is woken for TAG, or not any more. */
void mrc_interests_set(struct mrc_interests *interests, unsigned slot, uint64_t tag);
void mrc_interests_unset(struct mrc_interests *interests, unsigned slot, uint64_t tag);

/* The child is no more, or another one begins. May be done twice. */
void mrc_interests_fold(struct mrc_interests *interests, unsigned slot);

/* ---- publishers -------------------------------------------------------------------------------*/

/* Whether the child in SLOT is to be woken for records with TAGS, which are in the ring, up to
 * MARK. */
bool mrc_interests_wants(const struct mrc_interests *interests, unsigned slot,
                         const struct mrc_tags *tags, const struct mrc_interests_mark *mark);

/* It was woken, and will read up to MARK at least; and the newest record for which it was woken. */
void mrc_interests_set_woken(struct mrc_interests *interests, unsigned slot,
                             const struct mrc_interests_mark *mark);
uint64_t mrc_interests_woken(const struct mrc_interests *interests, unsigned slot);

#endif
