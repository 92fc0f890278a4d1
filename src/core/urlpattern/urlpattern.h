/* clang-format off */
/*
 * URL Patterns (https://urlpattern.spec.whatwg.org/): compiled once, matched often, at a bounded
 * cost.
 *
 * A pattern has eight components, each of which has to match its part of the URL. The stages of
 * compiling /books/:id with the base https://hub.example/x are:
 *
 *     constructor    splits the string         pathname /books/:id
 *         |
 *     init           adds the base             protocol https, hostname hub.example, port "",
 *         |                                    pathname /books/:id, all others *
 *     part           parses each component     FIXED "/books", SEGMENT with prefix "/" and name id
 *         |
 *     component      compiles each component
 *         |--- program    text and wildcards: an automaton (core/pattern)
 *         '--- regexp     regular expressions: PCRE2
 *
 * Both engines have limits for each match; a match that would cost more fails. Case always matters.
 */
/* clang-format on */
#ifndef MRC_CORE_URLPATTERN_URLPATTERN_H
#define MRC_CORE_URLPATTERN_URLPATTERN_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/pattern/literal.h"
#include "core/url/url.h"
#include "core/urlpattern/types.h"

/* Immutable once compiled: any number of threads may match with it at the same time. */
struct mrc_urlpattern;

/*
 * Compiles the constructor string PATTERN. BASE_URL gives what it does not say; without a base,
 * { NULL, 0 }, the pattern has to be absolute. MRC_EINVAL with the reason in ERROR for a pattern
 * that the standard refuses, and for a regular expression that regexp.h does not support;
 * MRC_ELIMIT past a limit; MRC_EUNSUPPORTED for a pattern that needs ICU in a build without it;
 * MRC_ENOMEM. The caller frees RET_PATTERN.
 */
enum mrc_err mrc_urlpattern_compile(struct mrc_bytes pattern, struct mrc_bytes base_url,
                                    struct mrc_error *error, struct mrc_urlpattern **ret_pattern);

/* The same for a pattern that is given as a dictionary. */
enum mrc_err mrc_urlpattern_compile_init(const struct mrc_urlpattern_init *init,
                                         struct mrc_error *error,
                                         struct mrc_urlpattern **ret_pattern);

/* Accepts NULL. */
void mrc_urlpattern_free(struct mrc_urlpattern *pattern);

/* Whether PATTERN matches URL. On MRC_ENOMEM, RET_MATCHES is untouched. */
enum mrc_err mrc_urlpattern_match(const struct mrc_urlpattern *pattern, const struct mrc_url *url,
                                  bool *ret_matches);

/* The memory of the compiled pattern, in bytes. The hub limits the memory of its patterns. */
size_t mrc_urlpattern_size(const struct mrc_urlpattern *pattern);

/* The literal text of each component; views of PATTERN. */
void mrc_urlpattern_get_literals(const struct mrc_urlpattern *pattern,
                                 struct mrc_literal ret_literals[MRC_URLPATTERN_COMPONENTS]);

/* Whether one match may take much longer than reading the URL. */
bool mrc_urlpattern_is_costly(const struct mrc_urlpattern *pattern);

/* The text of each component of URL, empty where URL has none; views of URL. */
void mrc_urlpattern_get_components(const struct mrc_url *url,
                                   struct mrc_bytes ret_components[MRC_URLPATTERN_COMPONENTS]);

#endif
