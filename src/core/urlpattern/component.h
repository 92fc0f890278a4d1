/*
 * One component of a URL Pattern, compiled (https://urlpattern.spec.whatwg.org/#component).
 */
#ifndef MRC_CORE_URLPATTERN_COMPONENT_H
#define MRC_CORE_URLPATTERN_COMPONENT_H

#include "core/pattern/literal.h"
#include "core/urlpattern/part.h"
#include "core/urlpattern/types.h"

struct mrc_automaton;
struct mrc_urlpattern_regexp;

struct mrc_urlpattern_component {
    struct mrc_automaton *program; /* exactly one of these two is set */
    struct mrc_urlpattern_regexp *regexp;
    char *ends; /* with a regular expression: its literal prefix, then its literal suffix */
    size_t prefix_len, suffix_len;
};

/*
 * Parses STRING, the pattern string of the component ID in valid UTF-8. IS_SPECIAL: the protocol
 * of the pattern matches a special scheme, which only the pathname depends on. RET_LIST and errors
 * as for mrc_urlpattern_part_list_parse().
 */
enum mrc_err mrc_urlpattern_component_parse(enum mrc_urlpattern_component_id id,
                                            struct mrc_bytes string, bool is_special,
                                            struct mrc_error *error,
                                            struct mrc_urlpattern_part_list *ret_list);

/*
 * Parses and compiles STRING. The caller clears RET_COMPONENT. On failure it is untouched, and the
 * errors are those of mrc_urlpattern_compile().
 */
enum mrc_err mrc_urlpattern_component_compile(enum mrc_urlpattern_component_id id,
                                              struct mrc_bytes string, bool is_special,
                                              struct mrc_error *error,
                                              struct mrc_urlpattern_component *ret_component);

/* Frees what COMPONENT holds. A component that was never compiled is all zero. */
void mrc_urlpattern_component_clear(struct mrc_urlpattern_component *component);

/* Whether COMPONENT matches the whole of SUBJECT. On MRC_ENOMEM, RET_MATCHES has no meaning. */
enum mrc_err mrc_urlpattern_component_match(const struct mrc_urlpattern_component *component,
                                            struct mrc_bytes subject, bool *ret_matches);

/* Whether COMPONENT, a protocol, matches one of the special schemes. False when out of memory. */
bool mrc_urlpattern_component_matches_special_scheme(
    const struct mrc_urlpattern_component *component);

/* The literal text at the ends of everything that COMPONENT matches; views of COMPONENT. */
struct mrc_literal mrc_urlpattern_component_get_literal(
    const struct mrc_urlpattern_component *component);

/* Whether one match may take much longer than reading the subject. */
bool mrc_urlpattern_component_is_costly(const struct mrc_urlpattern_component *component);

/* The memory that COMPONENT points to, in bytes. */
size_t mrc_urlpattern_component_size(const struct mrc_urlpattern_component *component);

#endif
