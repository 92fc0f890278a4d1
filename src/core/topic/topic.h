/*
 * A topic that is matched by many matchers. It is parsed as a URL only once, when the first matcher
 * needs the URL.
 */
#ifndef MRC_CORE_TOPIC_TOPIC_H
#define MRC_CORE_TOPIC_TOPIC_H

#include "core/base/bytes.h"
#include "core/topic/anchor.h"
#include "core/url/url.h"

/*
 * TEXT and BASE belong to the caller and outlive the topic. The other members are for the functions
 * below. One thread at a time.
 */
struct mrc_topic {
    struct mrc_bytes text;
    const char *base;
    bool is_parsed;
    struct mrc_url *url; /* owned; NULL: not parsed yet, or not a URL */
};

/*
 * Prepares TEXT, whose base is the URL BASE. NULL: the base is that of the first matcher that the
 * topic is matched with, which then has to outlive the topic. Parses and allocates nothing.
 */
void mrc_topic_init(struct mrc_topic *topic, struct mrc_bytes text, const char *base);

/* Frees the memory that TOPIC owns. */
void mrc_topic_clear(struct mrc_topic *topic);

/*
 * The topic as a URL, which lives as long as TOPIC. MRC_EINVAL if the topic or its base is not a
 * URL: it then matches no URL Pattern. MRC_ENOMEM: the next call parses the topic again.
 */
enum mrc_err mrc_topic_get_url(struct mrc_topic *topic, const struct mrc_url **ret_url);

/*
 * The text of the topic at ANCHOR. MRC_EINVAL: no matcher with this anchor matches it. MRC_ENOMEM
 * as for mrc_topic_get_url().
 */
enum mrc_err mrc_topic_get_anchor(struct mrc_topic *topic, enum mrc_anchor anchor,
                                  struct mrc_anchor_text *ret_text);

/* Most updates have no more topics than this, and need no allocation. */
#define MRC_TOPICS_FEW 4

/* The topics of one update. Each one is parsed at most once. */
struct mrc_topics {
    struct mrc_topic *all; /* count of them: few, or malloc()ed */
    size_t count;
    struct mrc_topic few[MRC_TOPICS_FEW];
};

/*
 * Prepares the COUNT TEXTS, which belong to the caller. Their base is that of the first matcher
 * that parses them. MRC_ENOMEM. TOPICS must not be moved until mrc_topics_clear().
 */
enum mrc_err mrc_topics_init(struct mrc_topics *topics, const struct mrc_bytes *texts,
                             size_t count);

/*
 * Drops the parsed URLs and the base, so that the matchers that have been used may be freed. TOPICS
 * remain usable.
 */
void mrc_topics_forget(struct mrc_topics *topics);

/* Frees the memory that TOPICS own. Accepts topics that are all zero. */
void mrc_topics_clear(struct mrc_topics *topics);

#endif
