/*
 * Generates random patterns and topics from pieces that often match: all features of URL Patterns
 * and URI templates, and many spellings of topics.
 */
#ifndef MRC_TESTS_PATTERN_GEN_H
#define MRC_TESTS_PATTERN_GEN_H

#include <stdio.h>

#include "core/topic/matcher.h"
#include "unit.h"

#define GEN_BYTES 512

struct gen {
    uint64_t random; /* the seed; not 0 */
    unsigned names;  /* the number of names of groups so far, so that each name is new */
};

static inline unsigned gen_below(struct gen *gen, unsigned bound)
{
    gen->random ^= gen->random >> 12;
    gen->random ^= gen->random << 25;
    gen->random ^= gen->random >> 27;
    return (unsigned)((gen->random * UINT64_C(0x2545f4914f6cdd1d) >> 32) % bound);
}

/* Appends PIECE. A @ in it becomes the name of a new group. */
static inline void gen_add(struct gen *gen, char *out, const char *piece)
{
    size_t len = strlen(out);

    for (; *piece && len < GEN_BYTES - 16; piece++) {
        if (*piece == '@')
            len += (size_t)snprintf(out + len, GEN_BYTES - len, ":g%u", gen->names++);
        else
            out[len++] = *piece;
    }
    out[len] = '\0';
}

#define GEN_ADD_ONE(gen, out, ...)                                                                 \
    do {                                                                                           \
        static const char *const pieces_[] = {__VA_ARGS__};                                        \
                                                                                                   \
        gen_add(gen, out, pieces_[gen_below(gen, sizeof(pieces_) / sizeof(pieces_[0]))]);          \
    } while (0)

static inline void gen_pattern_path(struct gen *gen, char *out)
{
    for (unsigned i = gen_below(gen, 4); i > 0; i--)
        GEN_ADD_ONE(gen, out, "/a", "/a", "/b", "/42", "/@", "/@", "/@?", "/@+", "/@*", "/*",
                    "/(\\d+)", "/@(\\d+)?", "/a(b|c)*d", "/(a)+b", "{/a}?", "{/a}+", "{/a}*",
                    "{/@/b}?", "{/a@(\\d)z}+", "{a@z}*", "/\xc3\xa9", "/%41", "/A", "/a b", "/..",
                    "/./a", "/{a}{b}", "/pre@-suf", "/@.json", "/\\*", "*", "/x@(.*)y", "/");
}

static inline void gen_pattern_end(struct gen *gen, char *out)
{
    GEN_ADD_ONE(gen, out, "", "", "", "", "?*", "?a=1", "\\?a=@", "?{a=1}?", "?a=(\\d)&b=2",
                "?\xc3\xa9", "?");
    GEN_ADD_ONE(gen, out, "", "", "", "", "", "#*", "#h", "#@", "#(h|i)", "#{h}?j", "#");
}

/* A URL Pattern, which sometimes is not valid. */
static inline void gen_urlpattern(struct gen *gen, char *out)
{
    *out = '\0';
    switch (gen_below(gen, 8)) {
    case 0:
        GEN_ADD_ONE(gen, out, "urn\\:isbn\\:", "urn:isbn\\:", "data\\:text,", "u@\\:isbn\\:");
        GEN_ADD_ONE(gen, out, "*", "@", "(\\d+)", "1", "{1}?", "a b", "1{2}*@");
        break;
    case 1:
        gen_pattern_path(gen, out);
        gen_pattern_end(gen, out);
        break;
    case 2:
        gen_pattern_end(gen, out);
        break;
    default:
        GEN_ADD_ONE(gen, out, "https", "https", "https", "http", "http{s}?", "(http|wss)", "*", "@",
                    "HTTPS", "ht*");
        gen_add(gen, out, "://");
        GEN_ADD_ONE(gen, out, "", "", "", "", "", "", "me!", "u\\:p!", "*\\:*!");
        if (out[strlen(out) - 1] == '!') /* an at sign, not a group */
            out[strlen(out) - 1] = '@';
        GEN_ADD_ONE(gen, out, "example.com", "example.com", "example.com", "*.example.com",
                    "{*.}?example.com", "@.example.com", "@", "*", "EXAMPLE.com",
                    "b\xc3\xbc"
                    "cher.example",
                    "(a|b).example.com", "[\\:\\:1]", "127.0.0.1", "{a.}*example.com");
        GEN_ADD_ONE(gen, out, "", "", "", "", ":8080", ":80", ":443", ":*", ":(80\\d*)", ":@",
                    ":8{0}+");
        gen_pattern_path(gen, out);
        gen_pattern_end(gen, out);
    }
}

/* A URI template, or text that looks like one. */
static inline void gen_template(struct gen *gen, char *out)
{
    *out = '\0';
    GEN_ADD_ONE(gen, out, "https://example.com", "https://example.com", "{x}://example.com",
                "https://{x}", "urn:isbn:", "", "https:{+x}");
    for (unsigned i = gen_below(gen, 4); i > 0; i--)
        GEN_ADD_ONE(gen, out, "/a", "/b", "/42", "/{x}", "{/x}", "{/x,y}", "{/x*}", "/{+x}",
                    "/pre{x}-suf", "\xc3\xa9", "{x:3}", "/%41", "/a{;x}", "/");
    GEN_ADD_ONE(gen, out, "", "", "", "{?a}", "?a={a}", "{#h}", "?a=1", "{x", ".json");
}

/* A topic that some of these patterns may match. */
static inline void gen_topic(struct gen *gen, char *out)
{
    *out = '\0';
    switch (gen_below(gen, 8)) {
    case 0:
        GEN_ADD_ONE(gen, out, "urn:isbn:", "URN:isbn:", "data:text,", "ux:isbn:");
        GEN_ADD_ONE(gen, out, "1", "12", "122", "", "a b", "1/2");
        break;
    case 1:
        break; /* relative */
    default:
        GEN_ADD_ONE(gen, out, "https", "https", "https", "http", "wss", "HTTPS", "x");
        gen_add(gen, out, "://");
        if (gen_below(gen, 8) == 0)
            memcpy(out + strlen(out), "me:p@", 6);
        GEN_ADD_ONE(gen, out, "example.com", "example.com", "example.com", "a.example.com",
                    "a.a.example.com", "EXAMPLE.com",
                    "b\xc3\xbc"
                    "cher.example",
                    "xn--bcher-kva.example", "[::1]", "[0:0::1]", "127.0.0.1", "0x7f.1", "h");
        GEN_ADD_ONE(gen, out, "", "", "", "", ":8080", ":80", ":443", ":0080", ":800");
    }
    for (unsigned i = gen_below(gen, 4); i > 0; i--)
        GEN_ADD_ONE(gen, out, "/a", "/a", "/b", "/42", "/42", "/abcd", "/ad", "/aab", "/a1z",
                    "/\xc3\xa9", "/%c3%a9", "/%C3%A9", "/A", "/%41", "/a%20b", "/a b", "/..",
                    "/./a", "/ab", "/pre1-suf", "/x.json", "/*", "/x12y", "/", "a1z", "/a\tb");
    GEN_ADD_ONE(gen, out, "", "", "", "", "?", "?a=1", "?a=1&b=2", "?\xc3\xa9", "?%c3%a9");
    GEN_ADD_ONE(gen, out, "", "", "", "", "", "#", "#h", "#j", "#hj");
}

/* A matcher of any type; NULL: the value is not valid. */
static inline struct mrc_matcher *gen_matcher(struct gen *gen, const char *base)
{
    bool is_template = gen_below(gen, 4) == 0;
    struct mrc_matcher *matcher = NULL;
    char value[GEN_BYTES];

    if (is_template)
        gen_template(gen, value);
    else
        gen_urlpattern(gen, value);
    mrc_matcher_create(is_template ? MRC_MATCHER_TEMPLATE : MRC_MATCHER_URLPATTERN,
                       mrc_bytes_of(value), base, NULL, &matcher);
    return matcher;
}

#endif
