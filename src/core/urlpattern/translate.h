/*
 * Translates the groups of a URL Pattern, which are ECMAScript regular expressions with the v flag,
 * for PCRE2.
 *
 * Each construct is translated to one that means the same in PCRE2; what PCRE2 runs is a small and
 * safe part of its language. Backreferences to groups that are repeated, whose meaning differs
 * there, and constructs that ECMAScript does not have are refused. Lookbehind is limited to what
 * PCRE2 can do.
 *
 * A component without backreferences needs no capturing groups. With backreferences it is
 * translated twice: the first time finds out how many groups there are, and which of them are
 * repeated.
 */
#ifndef MRC_CORE_URLPATTERN_TRANSLATE_H
#define MRC_CORE_URLPATTERN_TRANSLATE_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* The most alternatives of a group, including nested ones: PCRE2 tries them one after the other. */
#define MRC_URLPATTERN_TRANSLATE_MAX_ALTERNATIVES 100

/* The most lookaheads and lookbehinds in the groups of a component. */
#define MRC_URLPATTERN_TRANSLATE_MAX_LOOKAROUNDS 50

/* How deep groups and classes may be nested. */
#define MRC_URLPATTERN_TRANSLATE_MAX_DEPTH 50

/* The most named groups in the groups of a component. */
#define MRC_URLPATTERN_TRANSLATE_MAX_NAMES 50

/*
 * What the groups of one component have in common. A name, `(?<name>…)`, may be used again in
 * another alternative only.
 */
struct mrc_urlpattern_groups {
    struct mrc_buf text;     /* all names, in UTF-8 */
    struct mrc_buf paths;    /* for each name, the groups around it, from the outermost */
    struct mrc_buf repeated; /* for each capturing group, a byte: 1 if it may match several times */
    uint32_t groups;         /* the number of groups so far, which numbers them */
    size_t captures;    /* the number of capturing groups so far, which numbers them from 1 on */
    size_t lookarounds; /* the number of lookaheads and lookbehinds */
    size_t loops;       /* the number of quantifiers with many repetitions */
    bool has_nested_loops;
    bool has_backreferences;
    bool is_second; /* PCRE2 gets capturing groups and backreferences */
    size_t count;   /* of names */
    struct {
        size_t text_at, text_len, path_at, path_len;
        size_t capture;
    } all[MRC_URLPATTERN_TRANSLATE_MAX_NAMES];
};

/* Makes RET_GROUPS empty. The caller calls mrc_urlpattern_groups_clear() on it. */
void mrc_urlpattern_groups_init(struct mrc_urlpattern_groups *ret_groups);

/* Frees what GROUPS hold. */
void mrc_urlpattern_groups_clear(struct mrc_urlpattern_groups *groups);

/*
 * Begins the second translation of the component, whose first translation GROUPS has seen
 * completely.
 */
void mrc_urlpattern_groups_begin_again(struct mrc_urlpattern_groups *groups);

/* Counts a capturing group, and returns whether PCRE2 gets it as one. */
bool mrc_urlpattern_groups_capture(struct mrc_urlpattern_groups *groups);

/* Marks the capturing groups after the first COUNT as repeated. */
void mrc_urlpattern_groups_repeat(struct mrc_urlpattern_groups *groups, size_t count);

/*
 * Appends the PCRE2 pattern of SOURCE, the content of a group, in ASCII. GROUPS describes the
 * groups before it in the component, and SOURCE is added to it. MRC_EINVAL if SOURCE is not a
 * regular expression, or has a construct that is not supported, which ERROR names; MRC_ELIMIT past
 * one of the limits above, or past the number of repetitions that PCRE2 supports; MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_translate(struct mrc_bytes source, struct mrc_urlpattern_groups *groups,
                                      struct mrc_error *error, struct mrc_buf *out);

#endif
