#include "core/topic/anchor.h"

#include "core/pattern/literal.h"
#include "core/urlpattern/urlpattern.h"

#define END (-1)

/* The components of the text at each anchor of URLs. */
static const signed char orders[][MRC_URLPATTERN_COMPONENTS] = {
    [MRC_ANCHOR_URL] = {MRC_URLPATTERN_PROTOCOL, MRC_URLPATTERN_HOSTNAME, MRC_URLPATTERN_PORT,
                        MRC_URLPATTERN_PATHNAME, MRC_URLPATTERN_SEARCH, MRC_URLPATTERN_HASH, END},
    [MRC_ANCHOR_PATH] = {MRC_URLPATTERN_PATHNAME, MRC_URLPATTERN_SEARCH, MRC_URLPATTERN_HASH, END},
    [MRC_ANCHOR_QUERY] = {MRC_URLPATTERN_SEARCH, MRC_URLPATTERN_HASH, END},
    [MRC_ANCHOR_FRAGMENT] = {MRC_URLPATTERN_HASH, END},
    [MRC_ANCHOR_HOST_END] = {MRC_URLPATTERN_HOSTNAME, END},
    [MRC_ANCHOR_PATH_END] = {MRC_URLPATTERN_PATHNAME, END},
};

static bool is_backwards(enum mrc_anchor anchor)
{
    return anchor == MRC_ANCHOR_HOST_END || anchor == MRC_ANCHOR_PATH_END ||
           anchor == MRC_ANCHOR_TEXT_END;
}

static void add(struct mrc_anchor_text *text, struct mrc_bytes bytes, bool backwards)
{
    size_t room = MRC_ANCHOR_MAX_BYTES - text->len;
    size_t len = bytes.len < room ? bytes.len : room;

    if (!len)
        return;
    if (!backwards)
        memcpy(text->bytes + text->len, bytes.ptr, len);
    for (size_t i = 0; backwards && i < len; i++)
        text->bytes[text->len + i] = bytes.ptr[bytes.len - 1 - i];
    text->len += len;
}

/* Adds LITERAL. False: it is not the whole component, so no other one may follow. */
static bool add_literal(struct mrc_anchor_text *text, const struct mrc_literal *literal,
                        bool backwards)
{
    add(text, backwards ? literal->suffix : literal->prefix, backwards);
    if (literal->is_whole)
        add(text, (struct mrc_bytes){"", 1}, false);
    return literal->is_whole;
}

void mrc_anchor_of_pattern(enum mrc_anchor anchor, const struct mrc_literal *literals,
                           struct mrc_anchor_text *ret_text)
{
    const signed char *component = orders[anchor];

    ret_text->len = 0;
    while (*component != END && add_literal(ret_text, &literals[*component], is_backwards(anchor)))
        component++;
}

void mrc_anchor_of_url(enum mrc_anchor anchor, const struct mrc_url *url,
                       struct mrc_anchor_text *ret_text)
{
    struct mrc_bytes components[MRC_URLPATTERN_COMPONENTS];

    mrc_urlpattern_get_components(url, components);
    ret_text->len = 0;
    for (const signed char *component = orders[anchor]; *component != END; component++) {
        add(ret_text, components[*component], is_backwards(anchor));
        add(ret_text, (struct mrc_bytes){"", 1}, false);
    }
}

void mrc_anchor_of_literal(enum mrc_anchor anchor, const struct mrc_literal *literal,
                           struct mrc_anchor_text *ret_text)
{
    ret_text->len = 0;
    add_literal(ret_text, literal, is_backwards(anchor));
}

void mrc_anchor_of_text(enum mrc_anchor anchor, struct mrc_bytes text,
                        struct mrc_anchor_text *ret_text)
{
    ret_text->len = 0;
    add(ret_text, text, is_backwards(anchor));
    add(ret_text, (struct mrc_bytes){"", 1}, false);
}
