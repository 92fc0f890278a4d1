/*
 * Access tokens: from the text that a client presents to what it may do here, or to the reason
 * why not (draft-dunglas-mercure-08, "Token Validation"; RFC 9068, 4; RFC 8725).
 *
 * There are two dialects. A JWT access token has an issuer that the hub trusts, and
 * `authorization_details`. A token of protocol 0.x has the claim `mercure`, and is verified by keys
 * that count for nothing else. The issuer decides: if it is one of those that the hub trusts, in
 * whatever role, the token is of the first kind and meets all of its rules.
 */
#ifndef MRC_CORE_TOKEN_TOKEN_H
#define MRC_CORE_TOKEN_TOKEN_H

#include <stdint.h>

#include "core/jose/keyset.h"
#include "core/token/grants.h"
#include "core/topic/topic.h"

/* Whose tokens are trusted, and by which keys: one configured row. An issuer may have several. */
struct mrc_token_trust {
    const char *issuer; /* NULL: for tokens of protocol 0.x */
    mrc_alg_set algs;
    const struct mrc_keyset *keys; /* NULL: they are on their way */
};

/* The most rows of one issuer that one token is verified with. */
#define MRC_TOKEN_MAX_ROWS 16

/* What a hub accepts in one role. All of it belongs to the caller. */
struct mrc_token_policy {
    const struct mrc_token_trust *trust;
    size_t trust_count;
    const struct mrc_token_trust *others; /* of the other role: their issuers are modern, too */
    size_t others_count;
    const struct mrc_token_trust *legacy; /* for tokens of protocol 0.x; none: no such tokens */
    size_t legacy_count;
    bool only_legacy;             /* no token of an issuer, of whatever role, is accepted */
    const char *const *audiences; /* the hub's resource identifiers */
    size_t audience_count;
    const char *base; /* what relative URL Patterns resolve against; NULL: none */
    struct mrc_grants_limits limits;
};

/* A verified token. Immutable, shared by a reference count that any thread may change. */
struct mrc_token;

/*
 * Verifies TOKEN, the text without `Bearer`, at NOW_US (microseconds since 1970). On success the
 * caller owns one reference. Otherwise MRC_EINVAL, MRC_ELIMIT, MRC_EUNSUPPORTED or MRC_ENOTFOUND
 * (no key of its issuer has the token's `kid` or fits its algorithm: the keys may be out of date),
 * which all mean the same to the client, invalid_token; REASON then tells the administrator which
 * rule was broken, with the issuer and the key's name, never the token. MRC_EPENDING: keys that
 * might verify it are on their way, so nobody knows yet; with REASON. MRC_ENOMEM is the server's
 * own trouble.
 */
enum mrc_err mrc_token_verify(struct mrc_bytes token, const struct mrc_token_policy *policy,
                              int64_t now_us, struct mrc_error *reason,
                              struct mrc_token **ret_token);

/* One more reference; returns TOKEN. */
struct mrc_token *mrc_token_ref(struct mrc_token *token);

/* One reference less; the last one frees. Accepts NULL. */
void mrc_token_unref(struct mrc_token *token);

/* Whether it is a token of protocol 0.x. */
bool mrc_token_is_legacy(const struct mrc_token *token);

/*
 * The claims `iss` (empty for a token of protocol 0.x without one) and `sub` (NULL if the token has
 * none); they live as long as the token.
 */
const char *mrc_token_get_issuer(const struct mrc_token *token);
const char *mrc_token_get_subject(const struct mrc_token *token);

/*
 * The end of the token's life in microseconds since 1970; streams that it opened end then. Times
 * past the year 9999 count as its end, and so does a token of protocol 0.x without `exp`.
 */
int64_t mrc_token_get_exp_us(const struct mrc_token *token);

/* What the token allows; lives as long as the token. */
const struct mrc_grants *mrc_token_get_grants(const struct mrc_token *token);

/* Whether the token grants ACTION on TOPIC. */
bool mrc_token_grants(const struct mrc_token *token, enum mrc_action action,
                      struct mrc_bytes topic);

/*
 * On one of TOPICS, as receiving a private update asks for ("Subscribers"). RET_GRANTS is untouched
 * if MRC_ENOMEM is returned.
 */
enum mrc_err mrc_token_grants_any(const struct mrc_token *token, enum mrc_action action,
                                  struct mrc_topics *topics, bool *ret_grants);

/*
 * What mercure-token shows before anything is verified: `iss` and the first `aud` of TOKEN, which
 * the caller free()s; NULL where missing or no string. Nothing may be decided by them. MRC_EINVAL
 * or MRC_ELIMIT if TOKEN cannot be taken apart; MRC_ENOMEM.
 */
enum mrc_err mrc_token_peek(struct mrc_bytes token, struct mrc_error *error, char **ret_issuer,
                            char **ret_audience);

#endif
