/*
 * The patterns of an index, arranged by their literal text. For a topic, a search finds the
 * patterns that may match it: those whose literal text the topic has (core/topic/anchor.h), and
 * those without literal text.
 *
 *     base --> family --anchor--> radix tree (prefix_tree.h) --literal text--> spot --> patterns
 *
 * A pattern is at one spot: at the one of its anchors where its literal text is long and few other
 * patterns have the same text. So a topic is compared with few of thousands of patterns that differ
 * in their text; patterns that share all of their text are found together. Belongs to one thread.
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

/* Zeroed: empty, without memory. */
struct mrc_candidates {
    struct mrc_candidates_family *families;
};

/* Embedded in a pattern. */
struct mrc_candidate {
    struct mrc_candidates_spot *spot;
    struct mrc_candidate *previous, *next; /* at the same spot */
};

/* Adds CANDIDATE for the pattern MATCHER, which is not kept. APR_ENOMEM: it is not added. */
apr_status_t mrc_candidates_add(struct mrc_candidates *candidates, struct mrc_candidate *candidate,
                                const struct mrc_matcher *matcher);

/* Removes CANDIDATE, which was added. */
void mrc_candidates_remove(struct mrc_candidates *candidates, struct mrc_candidate *candidate);

/* How many patterns are at the spot where MATCHER would be added. */
size_t mrc_candidates_count_like(const struct mrc_candidates *candidates,
                                 const struct mrc_matcher *matcher);

/* A topic, resolved against the base of one family at a time. Patterns of the same family that
 * follow each other share the result. */
struct mrc_candidates_reading {
    struct mrc_bytes text;
    const struct mrc_candidates_family *family; /* NULL: not resolved yet */
    struct mrc_topic topic;
};

/* Begins with the topic TEXT, which must outlive READING; the caller clears READING. */
void mrc_candidates_reading_init(struct mrc_candidates_reading *reading, struct mrc_bytes text);
void mrc_candidates_reading_clear(struct mrc_candidates_reading *reading);

/* The topic, resolved for CANDIDATE; valid until the next call, or until a candidate is removed. */
struct mrc_topic *mrc_candidates_read(struct mrc_candidates_reading *reading,
                                      const struct mrc_candidate *candidate);

/* Writes the candidates that may match the topic of READING to RET_FOUND, which has room for all
 * candidates. Those of one family are consecutive. APR_ENOMEM. */
apr_status_t mrc_candidates_find(const struct mrc_candidates *candidates,
                                 struct mrc_candidates_reading *reading,
                                 struct mrc_candidate **ret_found, size_t *ret_count);

#endif
