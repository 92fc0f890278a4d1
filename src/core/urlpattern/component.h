/*
 * One component of a URL Pattern, compiled (https://urlpattern.spec.whatwg.org/#component).
 */
#ifndef MRC_CORE_URLPATTERN_COMPONENT_H
#define MRC_CORE_URLPATTERN_COMPONENT_H

#include "core/urlpattern/canon.h"
#include "core/urlpattern/part.h"
#include "core/urlpattern/program.h"
#include "core/urlpattern/regexp.h"
#include "core/urlpattern/types.h"

struct mrc_urlpattern_component {
    struct mrc_automaton *program; /* one of these two is there */
    struct mrc_regexp *regexp;
    bool has_regexp_groups;
    char *ends; /* of a regular expression: the literal text at its beginning and at its end */
    size_t prefix_len, suffix_len;
    char *string; /* the rest only with MRC_URLPATTERN_EXPLAIN */
    size_t string_len;
    struct mrc_urlpattern_part_list parts;
};

/*
 * Compiles PATTERN, a pattern string in valid UTF-8, as COMPONENT; CANON says how its fixed text is
 * canonicalized. On failure RET_COMPONENT is untouched; else the caller clears it.
 */
enum mrc_err mrc_urlpattern_component_compile(enum mrc_urlpattern_component_id component,
                                              struct mrc_bytes pattern,
                                              enum mrc_urlpattern_canon canon,
                                              enum mrc_urlpattern_mode mode,
                                              struct mrc_error *error,
                                              struct mrc_urlpattern_component *ret_component);

/* Frees what COMPONENT holds; one that was never compiled is all zero. */
void mrc_urlpattern_component_clear(struct mrc_urlpattern_component *component);

/* Whether COMPONENT matches the whole of SUBJECT, in RET_MATCHES, which means nothing on
 * MRC_ENOMEM. */
enum mrc_err mrc_urlpattern_component_match(const struct mrc_urlpattern_component *component,
                                            struct mrc_bytes subject, bool *ret_matches);

/* Whether COMPONENT, of protocols, matches one of the special schemes; in MRC_ENOMEM, not. */
bool mrc_urlpattern_component_matches_special_scheme(
    const struct mrc_urlpattern_component *component);

/* What is literal at the ends of all that COMPONENT matches; lives as long as it. */
struct mrc_literal mrc_urlpattern_component_get_literal(
    const struct mrc_urlpattern_component *component);

/* Whether one match may take much longer than reading the subject. */
bool mrc_urlpattern_component_is_costly(const struct mrc_urlpattern_component *component);

size_t mrc_urlpattern_component_size(const struct mrc_urlpattern_component *component);

#endif
