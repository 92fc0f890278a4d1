/*
 * The interests of a hub's children: which child is woken for which records, so a record costs
 * nothing in a child without a subscriber for it. In shared memory, without a lock.
 *
 * A record has tags (hashes of its topics). A child has a set of tags that its subscribers wait
 * for, and a count of broad subscribers, which no list of tags can describe: a child that has one
 * is woken for every record. The set belongs to a child and not to one of its dispatchers, because
 * a child has only one descriptor for wake-ups, and normally one dispatcher.
 *
 * No wake-up is lost between a publisher and a child that gets a new subscriber:
 *
 *     child                                        publisher
 *     1. add(), then set() or add_broad()          a. append: the ring's head moves
 *     2. takes the head                            b. wants(): reads listeners, broad, bits
 *     3. reads the history up to there             c. wakes
 *     4. waits, drains its descriptor, reads the ring until APR_EOF
 *
 * Steps 1, 2, a and b are seq_cst, and so have one total order. Either every write of 1 comes
 * before b reads it: then the publisher wakes the child. Or b has read a word before 1 wrote it:
 * then a came before 2, so the head that the child takes is past the record, and the child reads
 * the record as history. This holds for each word by itself, because 2 follows all of them. And
 * because a child drains its descriptor before it reads the ring, a wake-up during the reading
 * wakes it again.
 *
 * A subscriber that leaves: unset() may follow only when no other subscriber needs the bit. If a
 * thread finds afterwards that one came in the meantime, it calls set() again and then wakes its
 * own child. A publisher that did not see the bit in between has appended before it looked, and so
 * before that wake-up. A bit too many only causes a needless wake-up. So do two tags that share a
 * bit, and subscribers of very many topics: a publication then costs what it would cost without the
 * sets.
 *
 * A child that is not woken does not read. The ring must not overtake it, and it must not find a
 * large backlog at its next wake-up. Therefore it is woken for any record once
 * MRC_INTERESTS_UNREAD_MAX records, or 1/MRC_INTERESTS_RING_PART of the ring, were appended since
 * its last wake-up. At each wake-up it reads to the end, so a publisher need not know its position.
 */
#ifndef MRC_STORE_REGIONS_INTERESTS_H
#define MRC_STORE_REGIONS_INTERESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/bytes.h"
#include "store/base/sparse.h"

/* One process's view; all of its threads may use it at once. */
struct mrc_interests;

#define MRC_INTERESTS_UNREAD_MAX 256
#define MRC_INTERESTS_RING_PART  8

/* A child's set has at most MRC_INTERESTS_BITS_MAX bits, and fewer if the sets of all slots would
 * take more than MRC_INTERESTS_BYTES_MAX. With 10,000 tags in 65,536 bits, one in seven records
 * that are not for the child wakes it. */
#define MRC_INTERESTS_BITS_MAX  65536
#define MRC_INTERESTS_BITS_MIN  512
#define MRC_INTERESTS_BYTES_MAX ((uint64_t)1 << 20)

/* The tags of some records. */
#define MRC_TAGS_MAX 64
struct mrc_tags {
    size_t count;
    bool is_any; /* too many tags, or unknown: the records concern every child */
    uint64_t all[MRC_TAGS_MAX];
};

/* Adds the tags of a record with PAYLOAD to TAGS. */
typedef void mrc_tags_describe_fn(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags);

/* The end of a ring at one moment. */
struct mrc_interests_mark {
    uint64_t seq;      /* of the newest record */
    uint64_t pos;      /* the position after it */
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

/* The bytes of the two regions: the head, which must be allocated from the beginning, and the sets;
 * and the bits in each slot's set. */
uint64_t mrc_interests_head_bytes(unsigned nslots);
uint64_t mrc_interests_sets_bytes(unsigned nslots);
uint64_t mrc_interests_bits(unsigned nslots);

/*
 * Makes the interests in the zeroed regions HEAD and SETS (64-byte aligned), which must outlive
 * them. The struct lives in POOL. Fails if the system has no random bytes.
 */
apr_status_t mrc_interests_create(apr_pool_t *pool, void *head, void *sets, unsigned nslots,
                                  struct mrc_interests **ret_interests);

/* A read-only view of regions for NSLOTS that another process made. */
struct mrc_interests *mrc_interests_open(apr_pool_t *pool, void *head, void *sets, unsigned nslots);

/* The sets are allocated page by page, when bits are set. NULL: all are allocated. */
void mrc_interests_use_sparse(struct mrc_interests *interests, struct mrc_sparse *pages);

/* The tag of NAME; it is the same in all processes. */
uint64_t mrc_interests_tag(const struct mrc_interests *interests, struct mrc_bytes name);

/* ---- The child in SLOT. A slot that does not exist is ignored. --------------------------------*/

/* Adds a subscriber, removes one, and returns their number. */
void mrc_interests_add(struct mrc_interests *interests, unsigned slot);
void mrc_interests_sub(struct mrc_interests *interests, unsigned slot);
uint64_t mrc_interests_listeners(const struct mrc_interests *interests, unsigned slot);

/* Adds or removes a broad subscriber, which is woken for every record. */
void mrc_interests_add_broad(struct mrc_interests *interests, unsigned slot);
void mrc_interests_sub_broad(struct mrc_interests *interests, unsigned slot);

/* The child is woken for TAG from now on, or is no longer woken for it. */
void mrc_interests_set(struct mrc_interests *interests, unsigned slot, uint64_t tag);
void mrc_interests_unset(struct mrc_interests *interests, unsigned slot, uint64_t tag);

/* Clears the slot: its child has ended, or a new one begins. May run twice. */
void mrc_interests_fold(struct mrc_interests *interests, unsigned slot);

/* ---- Publishers -------------------------------------------------------------------------------*/

/*
 * Whether to wake the child in SLOT for records with TAGS; the ring already has them, up to MARK.
 */
bool mrc_interests_wants(const struct mrc_interests *interests, unsigned slot,
                         const struct mrc_tags *tags, const struct mrc_interests_mark *mark);

/* Notes that the child was woken and will read at least up to MARK; returns the number of the
 * newest record for which it was woken. */
void mrc_interests_set_woken(struct mrc_interests *interests, unsigned slot,
                             const struct mrc_interests_mark *mark);
uint64_t mrc_interests_woken(const struct mrc_interests *interests, unsigned slot);

#endif
