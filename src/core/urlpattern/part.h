/*
 * The parts of one component of a URL Pattern, parsed from its pattern string
 * (https://urlpattern.spec.whatwg.org/#parsing-pattern-strings).
 *
 *     /books/:id.json     FIXED "/books"   SEGMENT prefix "/", name "id"   FIXED ".json"
 *     {v(\d+)-}?*         REGEXP prefix "v", value "\d+", suffix "-", optional   FULL
 */
#ifndef MRC_CORE_URLPATTERN_PART_H
#define MRC_CORE_URLPATTERN_PART_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/urlpattern/canon.h"

enum mrc_urlpattern_part_type {
    MRC_URLPATTERN_PART_FIXED,   /* the text VALUE */
    MRC_URLPATTERN_PART_REGEXP,  /* the regular expression VALUE */
    MRC_URLPATTERN_PART_SEGMENT, /* a wildcard for one or more bytes up to the delimiter */
    MRC_URLPATTERN_PART_FULL     /* a wildcard for any text */
};

enum mrc_urlpattern_part_modifier {
    MRC_URLPATTERN_PART_ONCE,
    MRC_URLPATTERN_PART_OPTIONAL,
    MRC_URLPATTERN_PART_ZERO_OR_MORE,
    MRC_URLPATTERN_PART_ONE_OR_MORE
};

/* A piece of the text of the list of parts. */
struct mrc_urlpattern_part_text {
    size_t at;
    size_t len;
};

struct mrc_urlpattern_part {
    enum mrc_urlpattern_part_type type;
    enum mrc_urlpattern_part_modifier modifier;
    struct mrc_urlpattern_part_text name; /* of a group; a decimal number if it has no name */
    struct mrc_urlpattern_part_text prefix;
    struct mrc_urlpattern_part_text value; /* empty for the wildcards */
    struct mrc_urlpattern_part_text suffix;
};

struct mrc_urlpattern_part_list {
    struct mrc_urlpattern_part *parts;
    size_t count;
    size_t capacity;
    struct mrc_buf text;
    char delimiter; /* ends a MRC_URLPATTERN_PART_SEGMENT; 0: none */
    char prefix;    /* becomes the prefix of a group after it; 0: none */
};

static inline struct mrc_bytes mrc_urlpattern_part_text(const struct mrc_urlpattern_part_list *list,
                                                        struct mrc_urlpattern_part_text text)
{
    return (struct mrc_bytes){list->text.ptr + text.at, text.len};
}

/*
 * Parses PATTERN, a pattern string in valid UTF-8; CANON is how its fixed text is canonicalized.
 * The caller frees RET_LIST, even on failure. MRC_EINVAL with the reason in ERROR;
 * MRC_EUNSUPPORTED; MRC_ELIMIT; MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_part_list_parse(struct mrc_bytes pattern,
                                            enum mrc_urlpattern_canon canon, char delimiter,
                                            char prefix, struct mrc_error *error,
                                            struct mrc_urlpattern_part_list *ret_list);

/*
 * Frees what LIST holds. Accepts a list that mrc_urlpattern_part_list_parse() has failed to fill.
 */
void mrc_urlpattern_part_list_free(struct mrc_urlpattern_part_list *list);

/* Appends the literal text with which everything that LIST matches begins, or ends. */
void mrc_urlpattern_part_list_write_prefix(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_buf *out);
void mrc_urlpattern_part_list_write_suffix(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_buf *out);

/* Appends TEXT with a backslash before each character that has a meaning in a pattern string. */
void mrc_urlpattern_part_escape(struct mrc_buf *out, struct mrc_bytes text);

#endif
