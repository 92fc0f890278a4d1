/*
 * The grants of a token: a list of details, each with actions, topic matchers and a payload
 * (draft-dunglas-mercure-08, "Authorization Details", "Topic Matcher List", "Payloads"). A token of
 * protocol 0.x has two lists of topic selectors and one payload instead.
 *
 * Immutable once made: any number of threads may read them at the same time.
 */
#ifndef MRC_CORE_TOKEN_GRANTS_H
#define MRC_CORE_TOKEN_GRANTS_H

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/json_pick.h"

struct mrc_matcher;
struct mrc_grants;
struct mrc_topic;

enum mrc_action { MRC_ACTION_PUBLISH, MRC_ACTION_SUBSCRIBE };

#define MRC_GRANTS_DETAIL_TYPE "https://mercure.rocks/authorization-detail"

/* Limits for one token (MercureLimit). A token that exceeds one is refused with MRC_ELIMIT. */
struct mrc_grants_limits {
    size_t details;       /* number of Mercure details */
    size_t topics;        /* number of topic entries, of all details together */
    size_t pattern_bytes; /* length of the match of each topic entry */
};

#define MRC_GRANTS_DETAILS_DEFAULT       100
#define MRC_GRANTS_TOPICS_DEFAULT        1000
#define MRC_GRANTS_PATTERN_BYTES_DEFAULT 4096

/*
 * The members of the claim `authorization_details`, and of a claim of protocol 0.x, that are used.
 */
extern const struct mrc_json_pick mrc_grants_picks[];
extern const struct mrc_json_pick mrc_grants_legacy_picks[];

/*
 * Parses the claim `authorization_details`. NULL is a missing claim, which grants nothing. BASE is
 * the base of relative URL Patterns (NULL: none). One bad detail refuses the whole claim:
 * MRC_EINVAL, MRC_EUNSUPPORTED or MRC_ELIMIT, and ERROR names the place and the rule; MRC_ENOMEM.
 */
enum mrc_err mrc_grants_parse(const json_t *details, const struct mrc_grants_limits *limits,
                              const char *base, struct mrc_error *error,
                              struct mrc_grants **ret_grants);

#define MRC_GRANTS_LEGACY_CLAIM "https://mercure.rocks/"

/*
 * Parses the grants of a token of protocol 0.x from all its CLAIMS: from the claim
 * MRC_GRANTS_LEGACY_CLAIM or, without it, `mercure`. Without both, the token grants nothing.
 * `publish` and `subscribe` are lists of selectors: strings (a URI template, an exact topic, or
 * `*`), or objects as in `topics` of the modern claim, which may have a payload of their own.
 * `payload` may be any value. Limits and errors are as above; both lists count together.
 */
enum mrc_err mrc_grants_parse_legacy(const json_t *claims, const struct mrc_grants_limits *limits,
                                     const char *base, struct mrc_error *error,
                                     struct mrc_grants **ret_grants);

/* Accepts NULL. */
void mrc_grants_free(struct mrc_grants *grants);

/* Whether a detail grants ACTION on TOPIC. False when out of memory. */
bool mrc_grants_allow(const struct mrc_grants *grants, enum mrc_action action,
                      struct mrc_bytes topic);

/* The same for a topic that is checked many times. On MRC_ENOMEM, RET_ALLOW is untouched. */
enum mrc_err mrc_grants_allow_topic(const struct mrc_grants *grants, enum mrc_action action,
                                    struct mrc_topic *topic, bool *ret_allow);

/*
 * Whether checking a topic may take long: GRANTS have a pattern that is costly
 * (mrc_matcher_is_costly()), or more than MRC_GRANTS_FEW_PATTERNS of them.
 */
#define MRC_GRANTS_FEW_PATTERNS 64
bool mrc_grants_are_costly(const struct mrc_grants *grants);

/* Whether GRANTS have ACTION on any topic at all, and on every topic (a wildcard). */
bool mrc_grants_allow_some(const struct mrc_grants *grants, enum mrc_action action);
bool mrc_grants_allow_every(const struct mrc_grants *grants, enum mrc_action action);

/*
 * The payload for a subscription with the matcher string MATCHER: that of the first subscribe
 * detail that matches it, as JSON text that lives as long as GRANTS. NULL: there is no such detail,
 * or it has no payload. With protocol 0.x it is the payload of the selector, or else that of the
 * token for any MATCHER.
 */
const char *mrc_grants_find_payload(const struct mrc_grants *grants, struct mrc_bytes matcher);

/* One topic entry of a detail; its pointers live as long as the grants. */
struct mrc_grant {
    bool publish, subscribe;
    const struct mrc_matcher *matcher;
    const char *payload; /* JSON text of the detail, or NULL */
};

/* The topic entries one by one, in the order of the token. */
size_t mrc_grants_get_count(const struct mrc_grants *grants);
struct mrc_grant mrc_grants_get(const struct mrc_grants *grants, size_t index);

#endif
