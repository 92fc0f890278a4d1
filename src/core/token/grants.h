/*
 * What a token allows: a list of details, each with actions, topic matchers and a payload
 * (draft-dunglas-mercure-08, "Authorization Details", "Topic Matcher List", "Payloads"); or, of a
 * token of protocol 0.x, two lists of topic selectors and one payload.
 *
 * Immutable once made: any number of threads may ask at the same time.
 */
#ifndef MRC_CORE_TOKEN_GRANTS_H
#define MRC_CORE_TOKEN_GRANTS_H

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_matcher;
struct mrc_grants;
struct mrc_topic;

enum mrc_action { MRC_ACTION_PUBLISH, MRC_ACTION_SUBSCRIBE };

#define MRC_GRANTS_DETAIL_TYPE "https://mercure.rocks/authorization-detail"

/* Named limits on what one token may carry (MercureLimit); past one: MRC_ELIMIT. */
struct mrc_grants_limits {
    size_t details;       /* Mercure details */
    size_t topics;        /* topic entries of all its details together */
    size_t pattern_bytes; /* each topic entry's match */
};

#define MRC_GRANTS_DETAILS_DEFAULT       100
#define MRC_GRANTS_TOPICS_DEFAULT        1000
#define MRC_GRANTS_PATTERN_BYTES_DEFAULT 4096

/*
 * Reads the claim `authorization_details`; NULL stands for a missing claim and grants nothing.
 * BASE is what relative URL Patterns resolve against (NULL: none). One bad detail refuses all of
 * them: MRC_EINVAL, MRC_EUNSUPPORTED or MRC_ELIMIT, with words in ERROR that name the place and the
 * rule; MRC_ENOMEM.
 */
enum mrc_err mrc_grants_parse(const json_t *details, const struct mrc_grants_limits *limits,
                              const char *base, struct mrc_error *error,
                              struct mrc_grants **ret_grants);

#define MRC_GRANTS_LEGACY_CLAIM "https://mercure.rocks/"

/*
 * Reads what a token of protocol 0.x grants out of all its CLAIMS: the claim
 * MRC_GRANTS_LEGACY_CLAIM or, without it, `mercure`; without both it grants nothing. `publish` and
 * `subscribe` list selectors: strings that are URI templates, exact or `*`, or objects as in
 * `topics` of the modern claim, with a payload of their own. `payload` may be any value. Limits
 * count as above, lists together; errors too.
 */
enum mrc_err mrc_grants_parse_legacy(const json_t *claims, const struct mrc_grants_limits *limits,
                                     const char *base, struct mrc_error *error,
                                     struct mrc_grants **ret_grants);

/* Accepts NULL. */
void mrc_grants_free(struct mrc_grants *grants);

/* Whether some detail grants ACTION on TOPIC; out of memory, none does. */
bool mrc_grants_allow(const struct mrc_grants *grants, enum mrc_action action,
                      struct mrc_bytes topic);

/* The same for a topic that many grants meet. RET_ALLOW is untouched if MRC_ENOMEM is returned. */
enum mrc_err mrc_grants_allow_topic(const struct mrc_grants *grants, enum mrc_action action,
                                    struct mrc_topic *topic, bool *ret_allow);

/*
 * Whether it may take long to tell if they allow something: they hold a pattern that is costly
 * (mrc_matcher_is_costly()), or more than MRC_GRANTS_FEW_PATTERNS.
 */
#define MRC_GRANTS_FEW_PATTERNS 64
bool mrc_grants_are_costly(const struct mrc_grants *grants);

/* Whether ACTION is granted on anything at all, and on everything (a wildcard). */
bool mrc_grants_allow_some(const struct mrc_grants *grants, enum mrc_action action);
bool mrc_grants_allow_every(const struct mrc_grants *grants, enum mrc_action action);

/*
 * The payload of the first subscribe detail that matches MATCHER, a subscription's own matcher
 * string: a JSON text that lives as long as GRANTS, or NULL if there is no such detail or it has
 * no payload. Of a token of protocol 0.x: that of the selector, or else that of the token, whatever
 * MATCHER is.
 */
const char *mrc_grants_find_payload(const struct mrc_grants *grants, struct mrc_bytes matcher);

/* One topic entry of a detail that grants something; its pointers live as long as the grants. */
struct mrc_grant {
    bool publish, subscribe;
    const struct mrc_matcher *matcher;
    const char *payload; /* JSON text of the detail, or NULL */
};

/* The topic entries one by one, in the order of the token. */
size_t mrc_grants_get_count(const struct mrc_grants *grants);
struct mrc_grant mrc_grants_get(const struct mrc_grants *grants, size_t index);

#endif
