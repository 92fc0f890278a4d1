#include "core/token/token.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/json_pick.h"
#include "core/base/quote.h"
#include "core/jose/jws.h"

/* The end of the year 9999. Later times count as this one, so that no sum overflows. */
#define TIME_MAX_S 253402300799LL
#define US_PER_S   1000000LL

/*
 * The claims that decide which keys and rules apply to a token. Of the others, only the presence
 * matters.
 */
static const struct mrc_json_pick detail_type_picks[] = {{.name = "type"}, {.name = NULL}};
static const struct mrc_json_pick first_picks[] = {
    {.name = "iss"},
    {.name = "authorization_details", .members = detail_type_picks, .type = MRC_GRANTS_DETAIL_TYPE},
    {.name = NULL}};

static const struct mrc_json_pick peek_picks[] = {{.name = "iss"}, {.name = "aud"}, {.name = NULL}};

static const struct mrc_json_pick exp_picks[] = {{.name = "exp"}, {.name = NULL}};

static const struct mrc_json_pick modern_picks[] = {
    {.name = "iss"},
    {.name = "aud"},
    {.name = "exp"},
    {.name = "nbf"},
    {.name = "sub"},
    {.name = "jti"},
    {.name = "iat"},
    {.name = "authorization_details", .members = mrc_grants_picks, .type = MRC_GRANTS_DETAIL_TYPE},
    {.name = NULL}};

static const struct mrc_json_pick legacy_picks[] = {
    {.name = "iss"},
    {.name = "exp"},
    {.name = "nbf"},
    {.name = "sub"},
    {.name = "jti"},
    {.name = "iat"},
    {.name = "mercure", .members = mrc_grants_legacy_picks},
    {.name = MRC_GRANTS_LEGACY_CLAIM, .members = mrc_grants_legacy_picks},
    {.name = NULL}};

struct mrc_token {
    atomic_uint refs;
    char *issuer;  /* empty: none */
    char *subject; /* NULL: none */
    char *id;      /* NULL: none */
    char *kid;     /* NULL: none */
    int64_t exp_us;
    int64_t issued_us; /* INT64_MIN: none */
    unsigned char hash[MRC_TOKEN_HASH_BYTES];
    bool is_legacy;
    struct mrc_grants *grants;
};

static bool eq_ignoring_case(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)a[i];

        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != (unsigned char)b[i])
            return false;
    }
    return true;
}

/* The prefix `application/` may be missing, and case does not matter (RFC 7515, 4.1.9). */
static bool is_access_token_type(const char *typ)
{
    static const char prefix[] = "application/", type[] = "at+jwt";
    size_t len = strlen(typ);

    if (len >= sizeof(prefix) - 1 && eq_ignoring_case(typ, prefix, sizeof(prefix) - 1)) {
        typ += sizeof(prefix) - 1;
        len -= sizeof(prefix) - 1;
    }
    return len == sizeof(type) - 1 && eq_ignoring_case(typ, type, len);
}

static enum mrc_err check_typ(const struct mrc_jws *jws, struct mrc_error *reason)
{
    const char *typ = mrc_jws_get_typ(jws);
    struct mrc_quote quote;

    if (!typ)
        return mrc_error_set(reason, MRC_EINVAL, "the header has no typ; at+jwt is expected");
    if (!is_access_token_type(typ))
        return mrc_error_set(reason, MRC_EINVAL, "typ is %s; at+jwt is expected",
                             mrc_quote(&quote, mrc_bytes_of(typ)));
    return MRC_OK;
}

/* Reads a NumericDate: seconds since 1970, perhaps with a fraction. */
static enum mrc_err get_time(const json_t *claims, const char *name, struct mrc_error *reason,
                             int64_t *ret_us)
{
    const json_t *value = json_object_get(claims, name);

    if (json_is_integer(value)) {
        json_int_t seconds = json_integer_value(value);

        if (seconds < 0)
            seconds = 0;
        else if (seconds > TIME_MAX_S)
            seconds = TIME_MAX_S;
        *ret_us = seconds * US_PER_S;
        return MRC_OK;
    }
    if (json_is_real(value)) {
        double seconds = json_real_value(value);

        if (!(seconds > 0))
            seconds = 0;
        else if (seconds > (double)TIME_MAX_S)
            seconds = (double)TIME_MAX_S;
        *ret_us = (int64_t)(seconds * (double)US_PER_S);
        return MRC_OK;
    }
    return mrc_error_set(reason, MRC_EINVAL, "%s must be a number of seconds", name);
}

static enum mrc_err check_times(const json_t *claims, int64_t now_us, bool must_expire,
                                struct mrc_error *reason, int64_t *ret_exp_us)
{
    int64_t exp_us = TIME_MAX_S * US_PER_S, nbf_us = 0;
    enum mrc_err err;

    if (must_expire && !json_object_get(claims, "exp"))
        return mrc_error_set(reason, MRC_EINVAL, "there is no exp; a token must expire");
    if (json_object_get(claims, "exp")) {
        err = get_time(claims, "exp", reason, &exp_us);
        if (err)
            return err;
    }
    if (exp_us <= now_us)
        return mrc_error_set(reason, MRC_EINVAL, "the token expired %lld seconds ago (exp)",
                             (long long)((now_us - exp_us) / US_PER_S));
    if (json_object_get(claims, "nbf")) {
        err = get_time(claims, "nbf", reason, &nbf_us);
        if (err)
            return err;
        if (nbf_us > now_us)
            return mrc_error_set(reason, MRC_EINVAL,
                                 "the token becomes valid in %lld seconds (nbf)",
                                 (long long)((nbf_us - now_us + US_PER_S - 1) / US_PER_S));
    }
    *ret_exp_us = exp_us;
    return MRC_OK;
}

static bool is_own_audience(const struct mrc_token_policy *policy, const json_t *audience)
{
    for (size_t i = 0; i < policy->audience_count; i++)
        if (strcmp(json_string_value(audience), policy->audiences[i]) == 0)
            return true;
    return false;
}

static enum mrc_err check_audience(const struct mrc_token_policy *policy, const json_t *claims,
                                   struct mrc_error *reason)
{
    const json_t *aud = json_object_get(claims, "aud"), *first = NULL;
    struct mrc_quote theirs, ours;
    bool own = false;

    if (!aud)
        return mrc_error_set(
            reason, MRC_EINVAL, "there is no aud; this hub expects %s",
            mrc_quote(&ours, mrc_bytes_of(policy->audience_count ? policy->audiences[0] : "")));
    if (json_is_string(aud)) {
        first = aud;
        own = is_own_audience(policy, aud);
    } else if (!json_is_array(aud)) {
        return mrc_error_set(reason, MRC_EINVAL, "aud must be a string or an array of strings");
    }
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const json_t *entry = json_array_get(aud, i);

        if (!json_is_string(entry))
            return mrc_error_set(reason, MRC_EINVAL, "aud[%zu] must be a string", i);
        if (!first)
            first = entry;
        own = own || is_own_audience(policy, entry);
    }
    if (own)
        return MRC_OK;
    return mrc_error_set(
        reason, MRC_EINVAL, "the audience (aud) is %s%s; this hub expects %s%s",
        mrc_quote(&theirs, mrc_bytes_of(first ? json_string_value(first) : "")),
        json_array_size(aud) > 1 ? " and others" : "",
        mrc_quote(&ours, mrc_bytes_of(policy->audience_count ? policy->audiences[0] : "")),
        policy->audience_count > 1 ? " or another of its names" : "");
}

/* ---- issuers ----------------------------------------------------------------------------------*/

static bool has_issuer(const struct mrc_token_trust *rows, size_t count, const char *issuer)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].issuer, issuer) == 0)
            return true;
    return false;
}

/* Whether a token of ISSUER (NULL: it has none) is one of protocol 0.x. */
static bool is_legacy_issuer(const struct mrc_token_policy *policy, const char *issuer)
{
    return policy->legacy_count > 0 &&
           (!issuer || (!has_issuer(policy->trust, policy->trust_count, issuer) &&
                        !has_issuer(policy->others, policy->others_count, issuer)));
}

/* Names a trusted issuer. */
static enum mrc_err explain_issuer(const struct mrc_token_policy *policy, struct mrc_error *reason)
{
    const char *first = policy->trust_count ? policy->trust[0].issuer : NULL;
    bool others = false;
    struct mrc_quote quote;

    if (!first)
        return mrc_error_set(reason, MRC_EINVAL,
                             "no issuer is trusted here: no key is configured for this role");
    for (size_t i = 1; i < policy->trust_count; i++)
        others = others || strcmp(policy->trust[i].issuer, first) != 0;
    return mrc_error_set(reason, MRC_EINVAL, "this issuer is not trusted here; %s%s",
                         mrc_quote(&quote, mrc_bytes_of(first)),
                         others ? " and others are" : " is");
}

/* Verifies the signature with the keys of ISSUER (NULL: of protocol 0.x) only. */
static enum mrc_err check_signature(const struct mrc_jws *jws, const char *issuer,
                                    const struct mrc_token_policy *policy, struct mrc_error *reason)
{
    const struct mrc_token_trust *trust = issuer ? policy->trust : policy->legacy;
    size_t trust_count = issuer ? policy->trust_count : policy->legacy_count;
    struct mrc_jws_keys rows[MRC_TOKEN_MAX_ROWS];
    bool pending = false;
    enum mrc_err err;
    size_t count = 0;

    for (size_t i = 0; i < trust_count; i++) {
        if (issuer && strcmp(trust[i].issuer, issuer) != 0)
            continue;
        if (count == MRC_TOKEN_MAX_ROWS)
            return mrc_error_set(reason, MRC_ELIMIT, "more than %d keys are configured",
                                 MRC_TOKEN_MAX_ROWS);
        pending = pending || (!trust[i].keys && (trust[i].algs & mrc_jws_get_algs(jws)));
        rows[count++] = (struct mrc_jws_keys){trust[i].algs, trust[i].keys};
    }
    if (!count)
        return explain_issuer(policy, reason);
    err = mrc_jws_verify(jws, rows, count, reason);
    if (err && err != MRC_ENOMEM && pending)
        return mrc_error_set(reason, MRC_EPENDING,
                             "the keys of this issuer have not been fetched yet");
    return err;
}

/* False: out of memory. */
static bool copy_kid(const struct mrc_jws *jws, struct mrc_token *token)
{
    const char *kid = mrc_jws_get_kid(jws);

    token->kid = kid ? strdup(kid) : NULL;
    return !kid || token->kid;
}

/*
 * Checks the claims of a token whose signature is valid. TOKEN owns what it gets, even on failure.
 */
static enum mrc_err read_claims(const json_t *claims, const struct mrc_token_policy *policy,
                                int64_t now_us, struct mrc_error *reason, struct mrc_token *token)
{
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    const char *jti = json_string_value(json_object_get(claims, "jti"));
    const json_t *sub = json_object_get(claims, "sub");
    enum mrc_err err;

    err = check_times(claims, now_us, !token->is_legacy, reason, &token->exp_us);
    if (!err && !token->is_legacy)
        err = check_audience(policy, claims, reason);
    if (err)
        return err;
    if (sub && !json_is_string(sub))
        return mrc_error_set(reason, MRC_EINVAL, "sub must be a string");
    token->issuer = strdup(issuer ? issuer : "");
    token->subject = sub ? strdup(json_string_value(sub)) : NULL;
    token->id = jti ? strdup(jti) : NULL;
    if (!token->issuer || (sub && !token->subject) || (jti && !token->id))
        return MRC_ENOMEM;
    /* The hub's rules do not need these two, so they may hold anything. */
    if (get_time(claims, "iat", NULL, &token->issued_us))
        token->issued_us = INT64_MIN;
    if (token->is_legacy)
        return mrc_grants_parse_legacy(claims, &policy->limits, policy->base, reason,
                                       &token->grants);
    return mrc_grants_parse(json_object_get(claims, "authorization_details"), &policy->limits,
                            policy->base, reason, &token->grants);
}

/* The claims of PICKS, not verified. */
static enum mrc_err parse_claims(const struct mrc_jws *jws, const struct mrc_json_pick *picks,
                                 struct mrc_error *reason, json_t **ret_claims)
{
    struct mrc_error inner = {""};
    enum mrc_err err = mrc_json_pick(mrc_jws_get_payload(jws), picks, &inner, ret_claims);

    if (err && err != MRC_ENOMEM)
        return mrc_error_set(reason, err, "the claims are %s", inner.text);
    return err;
}

/* Puts the issuer and the name of the key before the reason. */
static void add_origin(const char *issuer, const char *kid, const char *why,
                       struct mrc_error *reason)
{
    struct mrc_quote issuer_quote, kid_quote;

    mrc_error_set(reason, MRC_EINVAL, "issuer %s, kid %s: %s",
                  issuer ? mrc_quote(&issuer_quote, mrc_bytes_of(issuer)) : "unknown",
                  kid ? mrc_quote(&kid_quote, mrc_bytes_of(kid)) : "none", why);
}

/* Whether CLAIMS have a claim of protocol 0.x. */
static bool has_legacy_claim(const json_t *claims)
{
    return json_object_get(claims, "mercure") || json_object_get(claims, MRC_GRANTS_LEGACY_CLAIM);
}

/* Whether CLAIMS have an authorization detail for Mercure, well-formed or not. */
static bool has_detail(const json_t *claims)
{
    const json_t *details = json_object_get(claims, "authorization_details");

    for (size_t i = 0; i < json_array_size(details); i++) {
        const json_t *type = json_object_get(json_array_get(details, i), "type");

        if (json_is_string(type) && strcmp(json_string_value(type), MRC_GRANTS_DETAIL_TYPE) == 0)
            return true;
    }
    return false;
}

static enum mrc_err refuse_url(struct mrc_error *reason)
{
    return mrc_error_set(reason, MRC_EINVAL, "only tokens of protocol 0.x may come in a URL");
}

/*
 * Finds the kind of token and checks that the policy accepts it, before the signature is verified.
 */
static enum mrc_err check_kind(const struct mrc_jws *jws, const json_t *claims,
                               const struct mrc_token_policy *policy, struct mrc_error *reason,
                               bool *ret_legacy)
{
    const json_t *iss = json_object_get(claims, "iss");
    const char *issuer = json_string_value(iss);
    enum mrc_err err;

    *ret_legacy = is_legacy_issuer(policy, issuer);
    if (*ret_legacy && has_detail(claims) && !has_legacy_claim(claims))
        return policy->only_legacy ? refuse_url(reason) : explain_issuer(policy, reason);
    if (*ret_legacy && (!iss || issuer))
        return MRC_OK;
    if (policy->only_legacy)
        return refuse_url(reason);
    if (!policy->trust_count)
        return explain_issuer(policy, reason);
    err = check_typ(jws, reason);
    if (!err && !issuer)
        err = mrc_error_set(reason, MRC_EINVAL, "iss is missing, or not a string");
    return err;
}

enum mrc_err mrc_token_verify(struct mrc_bytes text, const struct mrc_token_policy *policy,
                              int64_t now_us, struct mrc_error *reason,
                              struct mrc_token **ret_token)
{
    struct mrc_token *token = NULL;
    struct mrc_error why = {""};
    struct mrc_jws *jws = NULL;
    json_t *first = NULL, *claims = NULL;
    const char *issuer = NULL;
    bool is_legacy = false;
    enum mrc_err err;

    err = mrc_jws_parse(text, &why, &jws);
    if (!err)
        err = parse_claims(jws, first_picks, &why, &first);
    if (err)
        goto leave;
    issuer = json_string_value(json_object_get(first, "iss"));
    err = check_kind(jws, first, policy, &why, &is_legacy);
    if (!err)
        err = check_signature(jws, is_legacy ? NULL : issuer, policy, &why);
    if (!err)
        err = parse_claims(jws, is_legacy ? legacy_picks : modern_picks, &why, &claims);
    if (err)
        goto leave;
    token = calloc(1, sizeof(*token));
    if (!token) {
        err = MRC_ENOMEM;
        goto leave;
    }
    atomic_init(&token->refs, 1);
    token->is_legacy = is_legacy;
    err = mrc_token_hash(text, token->hash) && copy_kid(jws, token) ? MRC_OK : MRC_ENOMEM;
    if (!err)
        err = read_claims(claims, policy, now_us, &why, token);
    if (err)
        goto leave;
    *ret_token = token;
    token = NULL;
leave:
    if (err && err != MRC_ENOMEM)
        add_origin(issuer, jws ? mrc_jws_get_kid(jws) : NULL, why.text, reason);
    mrc_token_unref(token);
    json_decref(claims);
    json_decref(first);
    mrc_jws_free(jws);
    return err;
}

enum mrc_token_mismatch mrc_token_find_mismatch(struct mrc_bytes text,
                                                const struct mrc_token_policy *policy)
{
    enum mrc_token_mismatch mismatch = MRC_TOKEN_MISMATCH_NONE;
    struct mrc_jws *jws = NULL;
    json_t *claims = NULL;
    const char *issuer, *typ;

    if (mrc_jws_parse(text, NULL, &jws) || parse_claims(jws, first_picks, NULL, &claims))
        goto leave;
    issuer = json_string_value(json_object_get(claims, "iss"));
    typ = mrc_jws_get_typ(jws);
    if (has_legacy_claim(claims)) {
        if (!has_detail(claims) && !policy->legacy_count)
            mismatch = MRC_TOKEN_MISMATCH_0X;
        else if (!has_detail(claims) && !is_legacy_issuer(policy, issuer))
            mismatch = MRC_TOKEN_MISMATCH_ISSUER;
    } else if (!policy->trust_count && policy->legacy_count &&
               (has_detail(claims) || (typ && is_access_token_type(typ)))) {
        mismatch = MRC_TOKEN_MISMATCH_MODERN;
    }
leave:
    json_decref(claims);
    mrc_jws_free(jws);
    return mismatch;
}

struct mrc_token *mrc_token_ref(struct mrc_token *token)
{
    atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed);
    return token;
}

void mrc_token_unref(struct mrc_token *token)
{
    if (!token || atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(token->issuer);
    free(token->subject);
    free(token->id);
    free(token->kid);
    mrc_grants_free(token->grants);
    free(token);
}

bool mrc_token_is_legacy(const struct mrc_token *token)
{
    return token->is_legacy;
}

const char *mrc_token_get_issuer(const struct mrc_token *token)
{
    return token->issuer;
}

const char *mrc_token_get_subject(const struct mrc_token *token)
{
    return token->subject;
}

const char *mrc_token_get_id(const struct mrc_token *token)
{
    return token->id;
}

const char *mrc_token_get_kid(const struct mrc_token *token)
{
    return token->kid;
}

int64_t mrc_token_get_issued_us(const struct mrc_token *token)
{
    return token->issued_us;
}

const unsigned char *mrc_token_get_hash(const struct mrc_token *token)
{
    return token->hash;
}

bool mrc_token_hash(struct mrc_bytes text, unsigned char ret_hash[MRC_TOKEN_HASH_BYTES])
{
    return EVP_Digest(text.ptr, text.len, ret_hash, NULL, EVP_sha256(), NULL) == 1;
}

int64_t mrc_token_get_exp_us(const struct mrc_token *token)
{
    return token->exp_us;
}

const struct mrc_grants *mrc_token_get_grants(const struct mrc_token *token)
{
    return token->grants;
}

bool mrc_token_grants(const struct mrc_token *token, enum mrc_action action, struct mrc_bytes topic)
{
    return mrc_grants_allow(token->grants, action, topic);
}

enum mrc_err mrc_token_grants_any(const struct mrc_token *token, enum mrc_action action,
                                  struct mrc_topics *topics, bool *ret_grants)
{
    bool grants = false;
    enum mrc_err err = MRC_OK;

    for (size_t i = 0; i < topics->count && !grants && !err; i++)
        err = mrc_grants_allow_topic(token->grants, action, &topics->all[i], &grants);
    if (!err)
        *ret_grants = grants;
    return err;
}

enum mrc_err mrc_token_peek(struct mrc_bytes text, struct mrc_error *error, char **ret_issuer,
                            char **ret_audience)
{
    char *issuer = NULL, *audience = NULL;
    struct mrc_jws *jws = NULL;
    json_t *claims = NULL;
    const json_t *iss, *aud;
    enum mrc_err err;

    err = mrc_jws_parse(text, error, &jws);
    if (!err)
        err = parse_claims(jws, peek_picks, error, &claims);
    if (err)
        goto leave;
    iss = json_object_get(claims, "iss");
    aud = json_object_get(claims, "aud");
    if (json_is_array(aud))
        aud = json_array_get(aud, 0);
    issuer = json_is_string(iss) ? strdup(json_string_value(iss)) : NULL;
    audience = json_is_string(aud) ? strdup(json_string_value(aud)) : NULL;
    if ((json_is_string(iss) && !issuer) || (json_is_string(aud) && !audience)) {
        free(issuer);
        free(audience);
        err = MRC_ENOMEM;
        goto leave;
    }
    *ret_issuer = issuer;
    *ret_audience = audience;
leave:
    json_decref(claims);
    mrc_jws_free(jws);
    return err;
}

enum mrc_err mrc_token_peek_exp_us(struct mrc_bytes text, int64_t *ret_exp_us)
{
    int64_t exp_us = INT64_MAX;
    struct mrc_jws *jws = NULL;
    json_t *claims = NULL;
    enum mrc_err err = mrc_jws_parse(text, NULL, &jws);

    if (!err)
        err = parse_claims(jws, exp_picks, NULL, &claims);
    if (!err && get_time(claims, "exp", NULL, &exp_us))
        exp_us = INT64_MAX;
    if (!err)
        *ret_exp_us = exp_us;
    json_decref(claims);
    mrc_jws_free(jws);
    return err;
}
