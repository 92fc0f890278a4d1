/*
 * Anchors: from where a topic is looked at to find the patterns that may match it.
 *
 * From each anchor a topic shows a text. A pattern has, at some of them, literal text with which
 * the text of every topic that it matches begins:
 *
 *     https://example.com/orders/:id      URL       https NUL example.com NUL NUL /orders/
 *     https://example.com/orders/7?a=1    URL       https NUL example.com NUL NUL /orders/7 NUL a=1
 *
 * A component ends with a NUL, so that the literal text of a pattern says where a whole one ends,
 * and goes on in the next one; NULs within a topic only let it meet more patterns. Literal text may
 * be short or missing, and says nothing about the rest: it tells which patterns need not be tried,
 * never which ones match.
 */
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
    MRC_ANCHOR_HOST_END, /* the host backwards */
    MRC_ANCHOR_PATH_END, /* the path backwards */
    MRC_ANCHOR_TEXT,     /* the topic as it was published, for what does not read it as a URL */
    MRC_ANCHOR_TEXT_END, /* the same backwards */
    MRC_ANCHORS
};

/* More than this of a text is not looked at, on neither side. */
#define MRC_ANCHOR_MAX_BYTES 512

struct mrc_anchor_text {
    size_t len;
    char bytes[MRC_ANCHOR_MAX_BYTES];
};

static inline struct mrc_bytes mrc_anchor_text_bytes(const struct mrc_anchor_text *text)
{
    return (struct mrc_bytes){text->bytes, text->len};
}

/* Whether ANCHOR looks at a topic as a URL. */
static inline bool mrc_anchor_is_of_url(enum mrc_anchor anchor)
{
    return anchor < MRC_ANCHOR_TEXT;
}

/*
 * The literal text at ANCHOR of a URL Pattern whose components, as many as
 * MRC_URLPATTERN_COMPONENTS, are LITERALS. ANCHOR is one of URLs.
 */
void mrc_anchor_of_pattern(enum mrc_anchor anchor, const struct mrc_literal *literals,
                           struct mrc_anchor_text *ret_text);

/* What URL shows at ANCHOR, which is one of URLs. */
void mrc_anchor_of_url(enum mrc_anchor anchor, const struct mrc_url *url,
                       struct mrc_anchor_text *ret_text);

/* The literal text at ANCHOR of what matches a topic as it is; ANCHOR is none of URLs. */
void mrc_anchor_of_literal(enum mrc_anchor anchor, const struct mrc_literal *literal,
                           struct mrc_anchor_text *ret_text);

/* What the topic TEXT shows at ANCHOR, which is none of URLs. */
void mrc_anchor_of_text(enum mrc_anchor anchor, struct mrc_bytes text,
                        struct mrc_anchor_text *ret_text);

#endif
