/*
 * The parts of one component of a URL Pattern: parsed from its pattern string, and written back
 * (https://urlpattern.spec.whatwg.org/#parsing-pattern-strings).
 */
#ifndef MRC_CORE_URLPATTERN_PART_H
#define MRC_CORE_URLPATTERN_PART_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/urlpattern/canon.h"

enum mrc_urlpattern_part_type {
    MRC_URLPATTERN_PART_FIXED,   /* VALUE, as it is */
    MRC_URLPATTERN_PART_REGEXP,  /* VALUE is a regular expression */
    MRC_URLPATTERN_PART_SEGMENT, /* as little as possible, one byte at least, no delimiter */
    MRC_URLPATTERN_PART_FULL     /* anything */
};

enum mrc_urlpattern_part_modifier {
    MRC_URLPATTERN_PART_ONCE,
    MRC_URLPATTERN_PART_OPTIONAL,
    MRC_URLPATTERN_PART_ZERO_OR_MORE,
    MRC_URLPATTERN_PART_ONE_OR_MORE
};

/* A piece of the text that the list of parts owns. */
struct mrc_urlpattern_part_text {
    size_t at;
    size_t len;
};

struct mrc_urlpattern_part {
    enum mrc_urlpattern_part_type type;
    enum mrc_urlpattern_part_modifier modifier;
    struct mrc_urlpattern_part_text
        name; /* decimal if the pattern gives none; empty for MRC_URLPATTERN_PART_FIXED */
    struct mrc_urlpattern_part_text prefix;
    struct mrc_urlpattern_part_text value; /* empty for the wildcards */
    struct mrc_urlpattern_part_text suffix;
};

struct mrc_urlpattern_part_list {
    struct mrc_urlpattern_part *parts;
    size_t count;
    size_t capacity;
    struct mrc_buf text;
    char delimiter; /* what MRC_URLPATTERN_PART_SEGMENT ends before; 0 for none */
    char prefix;    /* what belongs to the group behind it; 0 for none */
};

static inline struct mrc_bytes mrc_urlpattern_part_text(const struct mrc_urlpattern_part_list *list,
                                                        struct mrc_urlpattern_part_text text)
{
    return (struct mrc_bytes){list->text.ptr + text.at, text.len};
}

/*
 * Parses PATTERN, valid UTF-8, of a component whose fixed text CANON canonicalizes. RET_LIST is
 * filled even on failure, and mrc_urlpattern_part_list_free() has to see it. MRC_EINVAL with the
 * reason in ERROR; MRC_EUNSUPPORTED; MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_part_list_parse(struct mrc_bytes pattern,
                                            enum mrc_urlpattern_canon canon, char delimiter,
                                            char prefix, struct mrc_error *error,
                                            struct mrc_urlpattern_part_list *ret_list);

void mrc_urlpattern_part_list_free(struct mrc_urlpattern_part_list *list);

/* Appends the literal text that everything that LIST matches begins, or ends, with. */
void mrc_urlpattern_part_list_write_prefix(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_buf *out);
void mrc_urlpattern_part_list_write_suffix(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_buf *out);

/* Appends TEXT with a backslash before each character that has a meaning in a pattern string. */
void mrc_urlpattern_part_escape(struct mrc_buf *out, struct mrc_bytes text);

#endif
