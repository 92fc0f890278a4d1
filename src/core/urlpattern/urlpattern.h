/*
 * URL Patterns (https://urlpattern.spec.whatwg.org/): compiled once, matched often, at a bounded
 * cost.
 *
 * A pattern has eight components. Those of fixed text and wildcards run in automaton.h,
 * those with regular expressions in urlpattern_regexp.h; both have limits for each match, and what
 * passes them does not match. Case is never ignored.
 */
#ifndef MRC_CORE_URLPATTERN_URLPATTERN_H
#define MRC_CORE_URLPATTERN_URLPATTERN_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/pattern/literal.h"
#include "core/url/url.h"
#include "core/urlpattern/types.h"

/* What a pattern is matched against: canonical, nothing missing. Views of what it was made of. */
struct mrc_urlpattern_input {
    struct mrc_bytes components[MRC_URLPATTERN_COMPONENTS];
};

/* Immutable once compiled: any number of threads may match with it at the same time. */
struct mrc_urlpattern;

/*
 * Compiles the constructor string PATTERN; what it does not say comes from BASE_URL (missing: it
 * has to be absolute). MRC_EINVAL with the reason in ERROR for what the standard refuses, and for
 * regular expressions that urlpattern_regexp.h refuses; MRC_ELIMIT past a limit; MRC_EUNSUPPORTED
 * for what needs ICU in a build without it; MRC_ENOMEM. The caller frees RET_PATTERN.
 */
enum mrc_err mrc_urlpattern_compile(struct mrc_bytes pattern, struct mrc_bytes base_url,
                                    enum mrc_urlpattern_mode mode, struct mrc_error *error,
                                    struct mrc_urlpattern **ret_pattern);

/* The same for a pattern given as a dictionary. */
enum mrc_err mrc_urlpattern_compile_init(const struct mrc_urlpattern_init *init,
                                         enum mrc_urlpattern_mode mode, struct mrc_error *error,
                                         struct mrc_urlpattern **ret_pattern);

/* Accepts NULL. */
void mrc_urlpattern_free(struct mrc_urlpattern *pattern);

/* Whether PATTERN matches URL, in RET_MATCHES, which is untouched if MRC_ENOMEM is returned. */
enum mrc_err mrc_urlpattern_match(const struct mrc_urlpattern *pattern, const struct mrc_url *url,
                                  bool *ret_matches);

/* The same; out of memory, it does not. */
bool mrc_urlpattern_matches(const struct mrc_urlpattern *pattern, const struct mrc_url *url);

/* What the compiled pattern occupies, in bytes: for caps on what subscribers may make a hub hold.
 */
size_t mrc_urlpattern_size(const struct mrc_urlpattern *pattern);

/* The literal text of each component; the views live as long as PATTERN. */
void mrc_urlpattern_get_literals(const struct mrc_urlpattern *pattern,
                                 struct mrc_literal ret_literals[MRC_URLPATTERN_COMPONENTS]);

/* Whether one match may take much longer than reading the URL. */
bool mrc_urlpattern_is_costly(const struct mrc_urlpattern *pattern);

bool mrc_urlpattern_has_regexp_groups(const struct mrc_urlpattern *pattern);

/* ---- the rest of the standard's interface, which routing does not need -------------------------
 */

/* The components of URL. */
struct mrc_urlpattern_input mrc_urlpattern_input_of_url(const struct mrc_url *url);

/*
 * Canonicalizes INIT into RET_INPUT, whose views are of STORAGE, a buffer without content.
 * MRC_EINVAL for what matches no pattern at all.
 */
enum mrc_err mrc_urlpattern_input_of_init(const struct mrc_urlpattern_init *init,
                                          struct mrc_error *error, struct mrc_buf *storage,
                                          struct mrc_urlpattern_input *ret_input);

/* Out of memory, it does not. */
bool mrc_urlpattern_matches_input(const struct mrc_urlpattern *pattern,
                                  const struct mrc_urlpattern_input *input);

/* Only of a pattern compiled with MRC_URLPATTERN_EXPLAIN; the views live as long as it. */
struct mrc_bytes mrc_urlpattern_get_string(const struct mrc_urlpattern *pattern,
                                           enum mrc_urlpattern_component_id component);
size_t mrc_urlpattern_count_groups(const struct mrc_urlpattern *pattern,
                                   enum mrc_urlpattern_component_id component);
struct mrc_bytes mrc_urlpattern_get_group_name(const struct mrc_urlpattern *pattern,
                                               enum mrc_urlpattern_component_id component,
                                               size_t i);

/*
 * Whether COMPONENT matches SUBJECT; RET_GROUPS takes what its groups caught, views of SUBJECT, as
 * many as they are counted, missing for a group that took no part.
 */
bool mrc_urlpattern_exec(const struct mrc_urlpattern *pattern,
                         enum mrc_urlpattern_component_id component, struct mrc_bytes subject,
                         struct mrc_bytes *ret_groups);

#endif
