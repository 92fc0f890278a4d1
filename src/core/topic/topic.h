/*
 * A topic that is about to meet many matchers: it is parsed as a URL once, when the first of them
 * asks for that.
 */
#ifndef MRC_CORE_TOPIC_TOPIC_H
#define MRC_CORE_TOPIC_TOPIC_H

#include "core/base/bytes.h"
#include "core/topic/anchor.h"
#include "core/url/url.h"

/*
 * TEXT and BASE belong to the caller and outlive the topic; the rest is for the functions below.
 * One thread at a time.
 */
struct mrc_topic {
    struct mrc_bytes text;
    const char *base;
    bool is_parsed;
    struct mrc_url *url; /* owned; NULL while not parsed, and if it is no URL */
};

/*
 * Prepares TEXT, which is relative to the URL BASE (NULL: to that of the first matcher that it
 * meets, which then has to live as long). Parses and allocates nothing.
 */
void mrc_topic_init(struct mrc_topic *topic, struct mrc_bytes text, const char *base);

/* Frees what TOPIC holds of its own. */
void mrc_topic_clear(struct mrc_topic *topic);

/*
 * The topic as a URL, which lives as long as TOPIC. MRC_EINVAL if it, or its base, is no URL: such
 * a topic matches no URL Pattern. MRC_ENOMEM says nothing about the topic; asked again, it is
 * parsed again.
 */
enum mrc_err mrc_topic_get_url(struct mrc_topic *topic, const struct mrc_url **ret_url);

/*
 * What the topic shows at ANCHOR. MRC_EINVAL: nothing there may match it; the other errors as of
 * mrc_topic_get_url().
 */
enum mrc_err mrc_topic_get_anchor(struct mrc_topic *topic, enum mrc_anchor anchor,
                                  struct mrc_anchor_text *ret_text);

/* As many topics as most updates have need no memory of their own. */
#define MRC_TOPICS_FEW 4

/* The topics of one update, each of which is parsed once, whoever asks. */
struct mrc_topics {
    struct mrc_topic *all; /* COUNT of them: FEW, or malloc()ed */
    size_t count;
    struct mrc_topic few[MRC_TOPICS_FEW];
};

/*
 * Prepares the COUNT TEXTS, which belong to the caller; they are relative to the base of the first
 * matcher that parses them. MRC_ENOMEM. TOPICS stays where it is until mrc_topics_clear().
 */
enum mrc_err mrc_topics_init(struct mrc_topics *topics, const struct mrc_bytes *texts,
                             size_t count);

/*
 * Forgets what was parsed, and the base: the matchers that TOPICS have met may go from here on.
 * They can be asked again.
 */
void mrc_topics_forget(struct mrc_topics *topics);

/* Frees what TOPICS hold; those that are all zero, too. */
void mrc_topics_clear(struct mrc_topics *topics);

#endif
