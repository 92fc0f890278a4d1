/*
 * Patterns, to be found by the topics that they may match: those whose literal text is in the topic
 * (core/topic/anchor.h), and those that have none.
 *
 *     base --> anchor --> radix tree (prefix_tree.h) --literal text--> spot: the patterns with it
 *
 * A pattern lies at one spot, wherever its literal text is long and few others have the same. So
 * thousands that have text of their own cost a topic no more than a few; those that share all of it
 * are all found together. Belongs to one thread.
 */
#ifndef MRC_HUB_INDEX_CANDIDATES_H
#define MRC_HUB_INDEX_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"

#include "core/topic/topic.h"

struct mrc_candidates_family;
struct mrc_candidates_spot;
struct mrc_matcher;

/* Zeroed, there are none; then it holds no memory. */
struct mrc_candidates {
    struct mrc_candidates_family *families;
};

/* Lies in a pattern. */
struct mrc_candidate {
    struct mrc_candidates_spot *spot;
    struct mrc_candidate *previous, *next; /* at the same spot */
};

/* Puts CANDIDATE in, whose pattern is MATCHER, which is not kept. APR_ENOMEM: it is not in. */
apr_status_t mrc_candidates_add(struct mrc_candidates *candidates, struct mrc_candidate *candidate,
                                const struct mrc_matcher *matcher);

/* Takes CANDIDATE, which is in, out. */
void mrc_candidates_remove(struct mrc_candidates *candidates, struct mrc_candidate *candidate);

/* How many are where one with MATCHER would be put. */
size_t mrc_candidates_count_like(const struct mrc_candidates *candidates,
                                 const struct mrc_matcher *matcher);

/*
 * A topic as the patterns of one base after the other read it: resolved against that base, once for
 * all that follow each other.
 */
struct mrc_candidates_reading {
    struct mrc_bytes text;
    const struct mrc_candidates_family *family; /* NULL: not read yet */
    struct mrc_topic topic;
};

void mrc_candidates_reading_init(struct mrc_candidates_reading *reading, struct mrc_bytes text);
void mrc_candidates_reading_clear(struct mrc_candidates_reading *reading);

/* The topic as CANDIDATE reads it; until it is asked for another one, or one is removed. */
struct mrc_topic *mrc_candidates_read(struct mrc_candidates_reading *reading,
                                      const struct mrc_candidate *candidate);

/*
 * Writes those that the topic of READING may match to RET_FOUND, which has room for all, those of
 * one base together. APR_ENOMEM.
 */
apr_status_t mrc_candidates_find(const struct mrc_candidates *candidates,
                                 struct mrc_candidates_reading *reading,
                                 struct mrc_candidate **ret_found, size_t *ret_count);

#endif
