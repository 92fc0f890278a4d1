/*
 * Topic matchers: one interface over exact strings, URL Patterns and the wildcard `*`.
 *
 * A matcher decides routing (what a subscriber listens to) and authorization (what a token
 * grants); draft-dunglas-mercure-08, "Matcher Types".
 */
#ifndef MRC_CORE_MATCHER_H
#define MRC_CORE_MATCHER_H

#include <stdbool.h>

#include "core/bytes.h"
#include "core/err.h"

enum mrc_matcher_type { MRC_MATCHER_EXACT, MRC_MATCHER_URLPATTERN };

/* Immutable once created: any number of threads may match with it at the same time. */
struct mrc_matcher;

/* The type named NAME in its canonical form (`exact`, `urlpattern`): MRC_OK, or MRC_ENOTFOUND. */
enum mrc_err mrc_matcher_type_parse(struct mrc_bytes name, enum mrc_matcher_type *ret_type);

/* The canonical name of TYPE; a constant. */
const char *mrc_matcher_type_name(enum mrc_matcher_type type);

/*
 * Compiles VALUE, which is copied. The value `*` matches every topic whatever TYPE is. BASE is the
 * URL that relative URL Patterns and relative topics resolve against (copied; NULL if the caller
 * has none). MRC_EINVAL if VALUE is no valid matcher of its type, with the reason in ERROR;
 * MRC_EUNSUPPORTED if this build does not know the type; MRC_ENOMEM.
 */
enum mrc_err mrc_matcher_create(enum mrc_matcher_type type, struct mrc_bytes value,
                                const char *base, struct mrc_error *error,
                                struct mrc_matcher **ret_matcher);

/* Accepts NULL. */
void mrc_matcher_free(struct mrc_matcher *matcher);

bool mrc_matcher_matches(const struct mrc_matcher *matcher, struct mrc_bytes topic);

/* What the matcher was made of; the value lives as long as the matcher. */
enum mrc_matcher_type mrc_matcher_get_type(const struct mrc_matcher *matcher);
struct mrc_bytes mrc_matcher_get_value(const struct mrc_matcher *matcher);

#endif
