/*
 * Topic matchers: one interface over exact strings, URL Patterns, URI templates and the wildcard
 * `*`.
 *
 * A matcher decides routing (what a subscriber listens to) and authorization (what a token
 * grants); draft-dunglas-mercure-08, "Matcher Types". URI templates are of protocol 0.x: a value
 * of that type without an expression, or that is no template, is compared as an exact one is.
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
 * The type named NAME in its canonical form (`exact`, `urlpattern`): MRC_OK, or MRC_ENOTFOUND. URI
 * templates have no name by which a client could ask for them.
 */
enum mrc_err mrc_matcher_type_parse(struct mrc_bytes name, enum mrc_matcher_type *ret_type);

/* The canonical name of TYPE, for templates one that is only for people; a constant. */
const char *mrc_matcher_type_name(enum mrc_matcher_type type);

/*
 * Compiles VALUE, which is copied. The value `*` matches every topic whatever TYPE is. BASE is the
 * URL that relative URL Patterns and relative topics resolve against (copied; NULL if the caller
 * has none). A pattern that gives its own scheme is absolute: nothing of BASE enters it. MRC_EINVAL
 * if VALUE is no valid matcher of its type, with the reason in ERROR; MRC_ELIMIT if it is more than
 * this library compiles; MRC_EUNSUPPORTED if it needs what this build has not; MRC_ENOMEM.
 */
enum mrc_err mrc_matcher_create(enum mrc_matcher_type type, struct mrc_bytes value,
                                const char *base, struct mrc_error *error,
                                struct mrc_matcher **ret_matcher);

/* Accepts NULL. */
void mrc_matcher_free(struct mrc_matcher *matcher);

/*
 * Whether MATCHER matches TOPIC, which it resolves against its own base. Out of memory, it does
 * not: for whoever asks whether something is allowed.
 */
bool mrc_matcher_matches(const struct mrc_matcher *matcher, struct mrc_bytes topic);

/*
 * The same for a topic that many matchers meet: those whose base is the topic's share what it is
 * parsed to; any other parses it for itself. RET_MATCHES is set unless MRC_ENOMEM is returned,
 * which is no verdict.
 */
enum mrc_err mrc_matcher_match_topic(const struct mrc_matcher *matcher, struct mrc_topic *topic,
                                     bool *ret_matches);

/* What the matcher was made of; the value lives as long as the matcher. */
enum mrc_matcher_type mrc_matcher_get_type(const struct mrc_matcher *matcher);
struct mrc_bytes mrc_matcher_get_value(const struct mrc_matcher *matcher);

/* The base, or NULL; only URL Patterns keep one. */
const char *mrc_matcher_get_base(const struct mrc_matcher *matcher);

/* Whether it is the wildcard. */
bool mrc_matcher_is_wildcard(const struct mrc_matcher *matcher);

/* Whether it matches the topic that equals its value, and no other. */
bool mrc_matcher_is_literal(const struct mrc_matcher *matcher);

/*
 * Whether one match may take much longer than reading the topic: a pattern with regular
 * expressions, or with so many wildcards and modifiers that there are many ways to match.
 */
bool mrc_matcher_is_costly(const struct mrc_matcher *matcher);

/*
 * The literal text at ANCHOR of the topics that MATCHER matches, resolved against its base; empty
 * if nothing is known there. False: MATCHER does not look at topics from ANCHOR.
 */
bool mrc_matcher_get_anchor(const struct mrc_matcher *matcher, enum mrc_anchor anchor,
                            struct mrc_anchor_text *ret_text);

/* Whether both were made of the same, and so match the same; literals of whatever type are. */
bool mrc_matcher_is_same(const struct mrc_matcher *a, const struct mrc_matcher *b);

/* What the matcher occupies, in bytes: for caps on what subscribers may make a hub hold. */
size_t mrc_matcher_size(const struct mrc_matcher *matcher);

#endif
