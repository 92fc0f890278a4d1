/*
 * Access tokens: verifies the text that a client presents, and says what it grants, or why it is
 * refused (draft-dunglas-mercure-08, "Token Validation"; RFC 9068, 4; RFC 8725).
 *
 * There are two kinds. A modern token is a JWT access token with an issuer that the hub trusts and
 * with `authorization_details`. A token of protocol 0.x has the claim `mercure` and is verified
 * with keys for such tokens only. The issuer decides: a token of an issuer that the hub trusts, in
 * any role, is modern and has to meet all rules for modern tokens. A token with a Mercure detail
 * and without a claim of protocol 0.x is not of protocol 0.x, whatever its issuer.
 */
#ifndef MRC_CORE_TOKEN_TOKEN_H
#define MRC_CORE_TOKEN_TOKEN_H

#include <stdint.h>

#include "core/jose/keyset.h"
#include "core/token/grants.h"
#include "core/topic/topic.h"

/* A trusted issuer and its keys: one row of the configuration. An issuer may have several rows. */
struct mrc_token_trust {
    const char *issuer; /* NULL: for tokens of protocol 0.x */
    mrc_alg_set algs;
    const struct mrc_keyset *keys; /* NULL: not fetched yet */
};

/* The most rows of one issuer. */
#define MRC_TOKEN_MAX_ROWS 16

/* The tokens that a hub accepts in one role. Everything in it belongs to the caller. */
struct mrc_token_policy {
    const struct mrc_token_trust *trust;
    size_t trust_count;
    const struct mrc_token_trust *others; /* of the other role, whose issuers are modern, too */
    size_t others_count;
    const struct mrc_token_trust *legacy; /* for tokens of protocol 0.x; none: they are refused */
    size_t legacy_count;
    bool only_legacy;             /* modern tokens are refused, whatever their issuer */
    const char *const *audiences; /* the hub's resource identifiers */
    size_t audience_count;
    const char *base; /* the base of relative URL Patterns; NULL: none */
    struct mrc_grants_limits limits;
};

/* A verified token: immutable and reference-counted. Any thread may take and drop references. */
struct mrc_token;

/*
 * Verifies TOKEN, the text without `Bearer`, at NOW_US (microseconds since 1970). On success the
 * caller owns one reference.
 *
 * Errors that all mean invalid_token to the client: MRC_EINVAL, MRC_ELIMIT, MRC_EUNSUPPORTED, and
 * MRC_ENOTFOUND if no key of the issuer has the token's `kid` or fits its algorithm, because the
 * keys may be out of date. Then REASON tells the administrator which rule the token breaks, with
 * the issuer and the name of the key, but never the token. MRC_EPENDING, with a REASON: a key that
 * might verify the token has not been fetched yet. MRC_ENOMEM.
 */
enum mrc_err mrc_token_verify(struct mrc_bytes token, const struct mrc_token_policy *policy,
                              int64_t now_us, struct mrc_error *reason,
                              struct mrc_token **ret_token);

/* Why a token is not of the protocol that its keys are for. */
enum mrc_token_mismatch {
    MRC_TOKEN_MISMATCH_NONE,
    MRC_TOKEN_MISMATCH_0X,     /* it is of protocol 0.x, and there are no keys for that */
    MRC_TOKEN_MISMATCH_ISSUER, /* it is of protocol 0.x, and its issuer is that of modern keys */
    MRC_TOKEN_MISMATCH_MODERN  /* it is modern, and there are keys for protocol 0.x only */
};

/*
 * Says whether TOKEN, which POLICY refuses, is of another protocol than the keys of POLICY are for.
 * The answer depends on unverified claims, so it may only be used for a message.
 */
enum mrc_token_mismatch mrc_token_find_mismatch(struct mrc_bytes token,
                                                const struct mrc_token_policy *policy);

/* Takes a reference and returns TOKEN. */
struct mrc_token *mrc_token_ref(struct mrc_token *token);

/* Drops a reference; the last one frees the token. Accepts NULL. */
void mrc_token_unref(struct mrc_token *token);

/* Whether it is a token of protocol 0.x. */
bool mrc_token_is_legacy(const struct mrc_token *token);

/*
 * The claims `iss` (empty if a token of protocol 0.x has none) and `sub` (NULL: none). They live as
 * long as the token.
 */
const char *mrc_token_get_issuer(const struct mrc_token *token);
const char *mrc_token_get_subject(const struct mrc_token *token);

/* The claim `jti`, which lives as long as the token; NULL: there is none that is a string. */
const char *mrc_token_get_id(const struct mrc_token *token);

/* The name of the key in its header, which lives as long as the token; NULL: there is none. */
const char *mrc_token_get_kid(const struct mrc_token *token);

/* The claim `iat` in microseconds since 1970; INT64_MIN: there is none that is a number. */
int64_t mrc_token_get_issued_us(const struct mrc_token *token);

/*
 * The SHA-256 of the token's text, MRC_TOKEN_HASH_BYTES long, and that of any TEXT. False: OpenSSL
 * failed.
 */
#define MRC_TOKEN_HASH_BYTES 32
const unsigned char *mrc_token_get_hash(const struct mrc_token *token);
bool mrc_token_hash(struct mrc_bytes text, unsigned char ret_hash[MRC_TOKEN_HASH_BYTES]);

/*
 * The expiry of the token in microseconds since 1970. The streams that it opened end then. A later
 * time counts as the end of the year 9999, and so does a missing `exp` of protocol 0.x.
 */
int64_t mrc_token_get_exp_us(const struct mrc_token *token);

/* The grants of the token; they live as long as the token. */
const struct mrc_grants *mrc_token_get_grants(const struct mrc_token *token);

/* Whether the token grants ACTION on TOPIC. */
bool mrc_token_grants(const struct mrc_token *token, enum mrc_action action,
                      struct mrc_bytes topic);

/*
 * Whether the token grants ACTION on one of TOPICS, as receiving a private update requires
 * ("Subscribers"). On MRC_ENOMEM, RET_GRANTS is untouched.
 */
enum mrc_err mrc_token_grants_any(const struct mrc_token *token, enum mrc_action action,
                                  struct mrc_topics *topics, bool *ret_grants);

/*
 * The claim `exp` of TOKEN, not verified, in microseconds since 1970. It may only decide how long a
 * refused token is remembered. INT64_MAX: it has none. MRC_EINVAL or MRC_ELIMIT if TOKEN cannot be
 * parsed; MRC_ENOMEM.
 */
enum mrc_err mrc_token_peek_exp_us(struct mrc_bytes token, int64_t *ret_exp_us);

/*
 * The claim `iss` and the first `aud` of TOKEN, not verified, for mercure-token to show: no
 * decision may depend on them. The caller free()s both; NULL: missing, or not a string. MRC_EINVAL
 * or MRC_ELIMIT if TOKEN cannot be parsed; MRC_ENOMEM.
 */
enum mrc_err mrc_token_peek(struct mrc_bytes token, struct mrc_error *error, char **ret_issuer,
                            char **ret_audience);

#endif
