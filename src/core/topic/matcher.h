/*
 * Topic matchers: one interface for exact topics, URL Patterns, URI templates and the wildcard `*`
 * (draft-dunglas-mercure-08, "Matcher Types").
 *
 * A subscription has matchers for the topics that it receives, and a token for the topics that it
 * grants. URI templates belong to protocol 0.x. A value of this type that has no expression, or is
 * not a template, is compared like an exact topic.
 */
#ifndef MRC_CORE_TOPIC_MATCHER_H
#define MRC_CORE_TOPIC_MATCHER_H

#include <stdbool.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/topic/anchor.h"
#include "core/topic/topic.h"

enum mrc_matcher_type { MRC_MATCHER_EXACT, MRC_MATCHER_URLPATTERN, MRC_MATCHER_TEMPLATE };

/* Immutable once created: any number of threads may match with it at the same time. */
struct mrc_matcher;

/*
 * Looks up the type called NAME (`exact` or `urlpattern`). MRC_OK or MRC_ENOTFOUND. URI templates
 * have no name that a client could use.
 */
enum mrc_err mrc_matcher_type_parse(struct mrc_bytes name, enum mrc_matcher_type *ret_type);

/* The canonical name of TYPE, a constant. For templates it is for display only. */
const char *mrc_matcher_type_name(enum mrc_matcher_type type);

/*
 * Compiles VALUE, which is copied. `*` matches every topic, whatever TYPE is. BASE is the base URL
 * of relative URL Patterns and topics; it is copied, and NULL if there is none. A pattern that has
 * a scheme is absolute and ignores BASE. MRC_EINVAL with the reason in ERROR if VALUE is not a
 * valid matcher of its type; MRC_ELIMIT if it exceeds a limit of the compiler; MRC_EUNSUPPORTED if
 * it needs a feature that this build does not have; MRC_ENOMEM.
 */
enum mrc_err mrc_matcher_create(enum mrc_matcher_type type, struct mrc_bytes value,
                                const char *base, struct mrc_error *error,
                                struct mrc_matcher **ret_matcher);

/* Accepts NULL. */
void mrc_matcher_free(struct mrc_matcher *matcher);

/*
 * Whether MATCHER matches TOPIC, resolved against the base of MATCHER. False when out of memory, so
 * that nothing is granted by mistake.
 */
bool mrc_matcher_matches(const struct mrc_matcher *matcher, struct mrc_bytes topic);

/*
 * The same for a topic that is matched by many matchers. Matchers with the base of the topic share
 * its parsed URL; any other matcher parses the topic for itself. On MRC_ENOMEM, RET_MATCHES is
 * untouched and the result is unknown.
 */
enum mrc_err mrc_matcher_match_topic(const struct mrc_matcher *matcher, struct mrc_topic *topic,
                                     bool *ret_matches);

/* The type and the value that the matcher was made from; the value lives as long as the matcher. */
enum mrc_matcher_type mrc_matcher_get_type(const struct mrc_matcher *matcher);
struct mrc_bytes mrc_matcher_get_value(const struct mrc_matcher *matcher);

/* The base, or NULL. Only URL Patterns have one. */
const char *mrc_matcher_get_base(const struct mrc_matcher *matcher);

/* Whether MATCHER is the wildcard. */
bool mrc_matcher_is_wildcard(const struct mrc_matcher *matcher);

/* Whether MATCHER matches only the topic that equals its value. */
bool mrc_matcher_is_literal(const struct mrc_matcher *matcher);

/*
 * Whether one match may take much longer than reading the topic, because the pattern has regular
 * expressions, or so many wildcards and modifiers that there are many ways to match.
 */
bool mrc_matcher_is_costly(const struct mrc_matcher *matcher);

/*
 * The literal text of MATCHER at ANCHOR: the text of each topic that it matches begins with it.
 * Empty: nothing is known. False: ANCHOR does not apply to MATCHER.
 */
bool mrc_matcher_get_anchor(const struct mrc_matcher *matcher, enum mrc_anchor anchor,
                            struct mrc_anchor_text *ret_text);

/*
 * Whether A and B have the same type, value and base, and so match the same topics. The types of
 * literal matchers do not matter.
 */
bool mrc_matcher_is_same(const struct mrc_matcher *a, const struct mrc_matcher *b);

/* The memory of the matcher, in bytes. The hub bounds what its subscribers may use. */
size_t mrc_matcher_size(const struct mrc_matcher *matcher);

#endif
