/* clang-format off */
/*
 * Anchors: the points of a topic from which an index of patterns compares text.
 *
 * A topic has a text at each anchor. A pattern has literal text at some anchors: the text of each
 * topic that it matches begins with it. Two examples, each with a topic and a pattern:
 *
 *     anchor URL
 *                                          scheme  host          port path       query fragment
 *     https://example.com/orders/7?a=1     https 0 example.com 0    0 /orders/7 0  a=1 0 0
 *     https://example.com/orders/:id       https 0 example.com 0    0 /orders/
 *
 *     anchor HOST_END
 *                                          host, backwards
 *     https://api.example.com/             moc.elpmaxe.ipa 0
 *     https://:name.example.com/:id        moc.elpmaxe.
 *
 * A component ends with a NUL byte (0 above). So the literal text of a pattern shows where a
 * literal component ends, and continues with the next one. A NUL byte within a topic is harmless:
 * the topic may only be compared with more patterns. Literal text may be short or missing. It shows
 * which patterns need not be tried, but never that a pattern matches.
 */
/* clang-format on */
#ifndef MRC_CORE_TOPIC_ANCHOR_H
#define MRC_CORE_TOPIC_ANCHOR_H

#include <stddef.h>

#include "core/base/bytes.h"

struct mrc_literal;
struct mrc_url;

enum mrc_anchor {
    MRC_ANCHOR_URL,      /* scheme, host, port, path, query, fragment */
    MRC_ANCHOR_PATH,     /* path, query, fragment */
    MRC_ANCHOR_QUERY,    /* query, fragment */
    MRC_ANCHOR_FRAGMENT, /* fragment */
    MRC_ANCHOR_HOST_END, /* host, backwards */
    MRC_ANCHOR_PATH_END, /* path, backwards */
    MRC_ANCHOR_TEXT,     /* the topic as it was published, for matchers that are not URL Patterns */
    MRC_ANCHOR_TEXT_END, /* the same, backwards */
    MRC_ANCHORS
};

/* The texts of topics and patterns are cut off at this length. */
#define MRC_ANCHOR_MAX_BYTES 512

struct mrc_anchor_text {
    size_t len;
    char bytes[MRC_ANCHOR_MAX_BYTES];
};

static inline struct mrc_bytes mrc_anchor_text_bytes(const struct mrc_anchor_text *text)
{
    return (struct mrc_bytes){text->bytes, text->len};
}

/* Whether ANCHOR is one of the anchors of URLs. */
static inline bool mrc_anchor_is_of_url(enum mrc_anchor anchor)
{
    return anchor < MRC_ANCHOR_TEXT;
}

/*
 * The literal text at ANCHOR, one of URLs, of a URL Pattern. LITERALS are those of its components,
 * MRC_URLPATTERN_COMPONENTS of them.
 */
void mrc_anchor_of_pattern(enum mrc_anchor anchor, const struct mrc_literal *literals,
                           struct mrc_anchor_text *ret_text);

/* The text of URL at ANCHOR, one of URLs. */
void mrc_anchor_of_url(enum mrc_anchor anchor, const struct mrc_url *url,
                       struct mrc_anchor_text *ret_text);

/*
 * The literal text at ANCHOR, which is not one of URLs, of a matcher with the literal text LITERAL.
 */
void mrc_anchor_of_literal(enum mrc_anchor anchor, const struct mrc_literal *literal,
                           struct mrc_anchor_text *ret_text);

/* The text of the topic TEXT at ANCHOR, which is not one of URLs. */
void mrc_anchor_of_text(enum mrc_anchor anchor, struct mrc_bytes text,
                        struct mrc_anchor_text *ret_text);

#endif
