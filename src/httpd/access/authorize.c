#include "httpd/access/authorize.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "core/base/quote.h"
#include "core/token/cache.h"
#include "core/token/memo.h"
#include "httpd/access/challenge.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/failure.h"
#include "httpd/base/connection.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/config/playground_key.h"
#include "httpd/route/claim.h"
#include "hub/hub/revocation.h"
#include "hub/keys/keyring.h"

APLOG_USE_MODULE(mercure);

/*
 * The keys that one request is verified with, in one version from beginning to end. OTHERS are the
 * keys of the other role: tokens of their issuers are not of protocol 0.x either.
 */
struct keys {
    struct mrc_keyring_hold trust, others, legacy;
};

static void take_list(request_rec *r, const apr_array_header_t *rows,
                      struct mrc_keyring_hold *ret_hold)
{
    mrc_keyring_take(mrc_this_child_keyring(), r->pool,
                     rows ? (const struct mrc_key_row *const *)rows->elts : NULL,
                     rows ? (size_t)rows->nelts : 0, ret_hold);
}

/* The keys of ROLE for modern tokens; NULL: none. */
static const apr_array_header_t *rows_of(const struct mrc_location_settings *settings,
                                         enum mrc_role role)
{
    const apr_array_header_t *const rows[] = {
        [MRC_ROLE_PUBLISHER] = settings->publisher_keys,
        [MRC_ROLE_SUBSCRIBER] = settings->subscriber_keys,
        [MRC_ROLE_OPERATOR] = settings->control_keys,
    };

    return rows[role];
}

/* The same for tokens of protocol 0.x, in which there are no operators. */
static const apr_array_header_t *legacy_rows_of(const struct mrc_location_settings *settings,
                                                enum mrc_role role)
{
    if (!settings->legacy || role == MRC_ROLE_OPERATOR)
        return NULL;
    return role == MRC_ROLE_PUBLISHER ? settings->legacy_publisher_keys
                                      : settings->legacy_subscriber_keys;
}

static void take_keys(request_rec *r, const struct mrc_location_settings *settings,
                      enum mrc_role role, struct mrc_bytes token, struct keys *ret_keys)
{
    const apr_array_header_t *playground = mrc_playground_key_rows(settings->playground, token);
    enum mrc_role other = role == MRC_ROLE_PUBLISHER ? MRC_ROLE_SUBSCRIBER : MRC_ROLE_PUBLISHER;

    take_list(r, playground && role != MRC_ROLE_OPERATOR ? playground : rows_of(settings, role),
              &ret_keys->trust);
    take_list(r, rows_of(settings, other), &ret_keys->others);
    take_list(r, legacy_rows_of(settings, role), &ret_keys->legacy);
}

static void give_back_keys(struct keys *keys)
{
    mrc_keyring_give_back(&keys->trust);
    mrc_keyring_give_back(&keys->others);
    mrc_keyring_give_back(&keys->legacy);
}

static struct mrc_token_policy make_policy(const struct keys *keys,
                                           const struct mrc_hub_settings *limits,
                                           const apr_array_header_t *audiences, bool only_legacy)
{
    return (struct mrc_token_policy){
        .trust = keys->trust.trust,
        .trust_count = keys->trust.count,
        .others = keys->others.trust,
        .others_count = keys->others.count,
        .legacy = keys->legacy.trust,
        .legacy_count = keys->legacy.count,
        .only_legacy = only_legacy,
        .audiences = (const char *const *)audiences->elts,
        .audience_count = (size_t)audiences->nelts,
        .base = APR_ARRAY_IDX(audiences, 0, const char *),
        .limits =
            {
                .details = (size_t)limits->limit_details,
                .topics = (size_t)limits->limit_topics,
                .pattern_bytes = (size_t)limits->limit_pattern_bytes,
            },
    };
}

/* The part of a scope of fixed size. It has no padding. */
struct scope_head {
    int32_t hub;
    int32_t role;
    int32_t only_legacy;
    uint32_t audiences;
    uint32_t trust, others, legacy; /* the number of versions of each that follow */
    uint32_t unused;
};

static size_t add_versions(uint64_t *words, size_t n, const struct mrc_keyring_hold *hold)
{
    memcpy(words + n, hold->versions, hold->count * sizeof(*words));
    return n + hold->count;
}

/*
 * Everything on which the verdict on a token depends, except its text: the head, the versions of
 * the keys, and the audiences with a NUL after each.
 */
static struct mrc_bytes cache_scope(request_rec *r, const struct keys *keys,
                                    const struct mrc_token_policy *policy,
                                    const struct mrc_hub_conf *hub, enum mrc_role role)
{
    const struct scope_head head = {
        .hub = hub->index,
        .role = role,
        .only_legacy = policy->only_legacy,
        .audiences = (uint32_t)policy->audience_count,
        .trust = (uint32_t)keys->trust.count,
        .others = (uint32_t)keys->others.count,
        .legacy = (uint32_t)keys->legacy.count,
    };
    size_t versions = keys->trust.count + keys->others.count + keys->legacy.count;
    size_t len = sizeof(head) + versions * sizeof(uint64_t), n = 0;
    uint64_t *words;
    char *scope, *at;

    for (size_t i = 0; i < policy->audience_count; i++)
        len += strlen(policy->audiences[i]) + 1;
    scope = apr_palloc(r->pool, len);
    memcpy(scope, &head, sizeof(head));
    words = (uint64_t *)(void *)(scope + sizeof(head));
    n = add_versions(words, n, &keys->trust);
    n = add_versions(words, n, &keys->others);
    n = add_versions(words, n, &keys->legacy);
    at = (char *)(words + n);
    for (size_t i = 0; i < policy->audience_count; i++) {
        size_t bytes = strlen(policy->audiences[i]) + 1;

        memcpy(at, policy->audiences[i], bytes);
        at += bytes;
    }
    return (struct mrc_bytes){scope, len};
}

static apr_status_t free_memo(void *c)
{
    mrc_token_memo_free(mrc_connection_get_memo(c));
    return APR_SUCCESS;
}

/* Keeps TOKEN for the next request of the connection, which has had several: a client that uses a
 * connection once needs no memo. */
static void keep_memo(conn_rec *c, struct mrc_bytes scope, struct mrc_bytes text,
                      struct mrc_token *token)
{
    struct mrc_token_memo *old, *memo;

    if (c->master || c->keepalives == 0)
        return;
    memo = mrc_token_memo_create(scope, text, token);
    if (!memo)
        return;
    old = mrc_connection_get_memo(c);
    mrc_connection_set_memo(c, memo);
    if (!old)
        apr_pool_cleanup_register(c->pool, c, free_memo, apr_pool_cleanup_null);
    mrc_token_memo_free(old);
}

/*
 * Verifies the token TEXT of R. Subscribers send their token once, so only other tokens are kept.
 */
static enum mrc_err verify(request_rec *r, enum mrc_role role, struct mrc_bytes scope,
                           struct mrc_bytes text, const struct mrc_token_policy *policy,
                           struct mrc_error *reason, struct mrc_token **ret_token)
{
    conn_rec *c = r->connection;
    apr_time_t now = apr_time_now();
    enum mrc_err err;

    *ret_token = mrc_token_memo_find(mrc_connection_get_memo(c), scope, text, now);
    if (*ret_token)
        return MRC_OK;
    err = mrc_token_cache_verify(mrc_this_child_tokens(), scope, text, policy, now, reason,
                                 ret_token);
    if (!err && role != MRC_ROLE_SUBSCRIBER)
        keep_memo(c, scope, text, *ret_token);
    return err;
}

/* Asks for newer keys of the ROWS, which may be NULL. ISSUER is NULL for keys of protocol 0.x. */
static void ask_list(const apr_array_header_t *rows, const char *issuer)
{
    if (rows)
        mrc_keyring_ask(mrc_this_child_keyring(), (const struct mrc_key_row *const *)rows->elts,
                        (size_t)rows->nelts, issuer);
}

/* Asks for newer keys, because the key of TOKEN is unknown: the hub's keys may be out of date. */
static void ask_for_keys(struct mrc_bytes token, const struct mrc_location_settings *settings,
                         enum mrc_role role)
{
    char *issuer = NULL, *audience = NULL;

    if (mrc_token_peek(token, NULL, &issuer, &audience) != MRC_OK)
        return;
    if (issuer)
        ask_list(rows_of(settings, role), issuer);
    ask_list(legacy_rows_of(settings, role), NULL);
    free(issuer);
    free(audience);
}

/* ---- refusals ---------------------------------------------------------------------------------*/

/* The names of the directives with the keys of ROLE. */
static const char *key_of(enum mrc_role role)
{
    static const char *const names[] = {
        [MRC_ROLE_PUBLISHER] = "MercurePublisherKey",
        [MRC_ROLE_SUBSCRIBER] = "MercureSubscriberKey",
        [MRC_ROLE_OPERATOR] = "MercureControlKey",
    };

    return names[role];
}

static const char *legacy_key_of(enum mrc_role role)
{
    return role == MRC_ROLE_PUBLISHER ? "MercureLegacyPublisherKey" : "MercureLegacySubscriberKey";
}

/* Names the directive for tokens of another protocol than the keys are for; NULL: there is none. */
static const char *explain_mismatch(apr_pool_t *pool, struct mrc_bytes token,
                                    const struct mrc_token_policy *policy, enum mrc_role role)
{
    switch (mrc_token_find_mismatch(token, policy)) {
    case MRC_TOKEN_MISMATCH_0X:
        return apr_psprintf(pool, "this is a token of protocol 0.x: %s accepts it",
                            legacy_key_of(role));
    case MRC_TOKEN_MISMATCH_ISSUER:
        return apr_psprintf(pool,
                            "this is a token of protocol 0.x, but its issuer (iss) has keys for "
                            "version 1: %s accepts it without iss",
                            legacy_key_of(role));
    case MRC_TOKEN_MISMATCH_MODERN:
        return apr_psprintf(pool, "this is a token of version 1: %s accepts it", key_of(role));
    case MRC_TOKEN_MISMATCH_NONE:
        break;
    }
    return NULL;
}

/* The rules for a token, as far as POLICY has keys for one. */
static const char *list_rules(apr_pool_t *pool, const struct mrc_token_policy *policy,
                              enum mrc_role role)
{
    static const char legacy[] = "the signature of a key for that protocol; its exp, if it has "
                                 "one, must not have passed";

    if (policy->only_legacy && policy->legacy_count)
        return apr_psprintf(pool,
                            "a token in the URL has to be of protocol 0.x and needs %s. Send any "
                            "other token in an Authorization field, after Bearer",
                            legacy);
    if (!policy->trust_count && !policy->legacy_count)
        return apr_psprintf(pool, "it has no %s, so it trusts no issuer", key_of(role));
    if (!policy->trust_count)
        return apr_psprintf(pool, "it accepts tokens of protocol 0.x (%s), which need %s",
                            legacy_key_of(role), legacy);
    return apr_psprintf(pool,
                        "it needs the type at+jwt, the signature of an issuer that this hub "
                        "trusts, the audience %s, and an exp that has not passed%s%s",
                        policy->audiences[0],
                        policy->legacy_count ? ". A token of protocol 0.x needs " : "",
                        policy->legacy_count ? legacy : "");
}

static int refuse(request_rec *r, enum mrc_err err, const struct mrc_error *reason,
                  const struct mrc_claim *claim, const struct mrc_token_policy *policy,
                  struct mrc_bytes token, enum mrc_role role)
{
    const char *mismatch;

    if (err == MRC_ENOMEM)
        return mrc_failure_answer_no_memory(r);
    mismatch = role == MRC_ROLE_OPERATOR ? NULL : explain_mismatch(r->pool, token, policy, role);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "MRC0601: hub %s refuses a token: %s",
                  claim->location->hub->label,
                  mismatch ? apr_pstrcat(r->pool, reason->text, "; ", mismatch, NULL)
                           : reason->text);
    if (err == MRC_EPENDING)
        return mrc_answer_later(r, "the hub does not have the keys of the access token's issuer "
                                   "yet: try again");
    return mrc_challenge(
        r, MRC_CHALLENGE_TOKEN,
        apr_psprintf(r->pool,
                     "this hub does not accept the access token: %s. The server's error log (level "
                     "info) says which rule the token breaks",
                     mismatch ? mismatch : list_rules(r->pool, policy, role)));
}

/* Answers with a text of its own, because an operator can send a token in one way only. */
static int answer_no_operator(request_rec *r)
{
    return mrc_challenge(r, MRC_CHALLENGE_MISSING,
                         "controlling the hub needs an access token of a MercureControlKey: send "
                         "it in an Authorization field, after Bearer");
}

int mrc_authorize_missing(request_rec *r, const struct mrc_claim *claim, enum mrc_role role)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, claim);
    const char *ignored = mrc_credentials_ignored_place(r, claim, settings);
    bool publishes = role == MRC_ROLE_PUBLISHER;
    const char *cookie = settings->cookie_name, *kind = "";

    if (role == MRC_ROLE_OPERATOR)
        return answer_no_operator(r);
    if (settings->legacy && !(publishes ? settings->publisher_keys : settings->subscriber_keys) &&
        !settings->playground) {
        cookie = MRC_CREDENTIALS_LEGACY_COOKIE;
        kind = " of protocol 0.x";
    }
    return mrc_challenge(
        r, MRC_CHALLENGE_MISSING,
        apr_psprintf(r->pool,
                     "%s needs an access token%s: send it in an Authorization field, after Bearer, "
                     "or in the cookie %s%s%s%s%s",
                     publishes ? "publishing" : "subscribing to this hub", kind, cookie,
                     ignored ? ". A token in " : "", ignored ? ignored : "",
                     ignored ? " is of protocol 0.x: the hub looks there only with a " : "",
                     ignored ? legacy_key_of(role) : ""));
}

/* Logs a token that the hub does not look at, because the client may miss private updates. */
static void log_ignored(request_rec *r, const struct mrc_claim *claim,
                        const struct mrc_location_settings *settings, enum mrc_role role)
{
    const char *place = mrc_credentials_ignored_place(r, claim, settings);

    if (place)
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "MRC0604: hub %s ignores a token in %s, a place of protocol 0.x: it looks "
                      "there only with a %s",
                      claim->location->hub->label, place, legacy_key_of(role));
}

/* What the client learns of its token, which the hub has accepted before; NULL: it still does. The
 * log says why. */
static const char *refuse_later(request_rec *r, const struct mrc_claim *claim,
                                const struct mrc_hub *hub, const struct mrc_token *token)
{
    const char *subject = mrc_token_get_subject(token), *kid = mrc_token_get_kid(token);
    struct mrc_quote issuer_quote, kid_quote, subject_quote;
    int64_t now_us = apr_time_now(), exp_us = mrc_token_get_exp_us(token);

    if (exp_us <= now_us) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "MRC0606: hub %s refuses a token: it expired %" APR_INT64_T_FMT
                      " seconds ago (exp), while the request was being read",
                      claim->location->hub->label, apr_time_sec(now_us - exp_us));
        return "the access token has expired while the request was being read: ask its issuer for "
               "a new one";
    }
    if (!mrc_revocation_has(hub, token, now_us))
        return NULL;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "MRC0605: hub %s refuses a token: issuer %s, kid %s, sub %s: an operator has "
                  "revoked it",
                  claim->location->hub->label,
                  mrc_quote(&issuer_quote, mrc_bytes_of(mrc_token_get_issuer(token))),
                  kid ? mrc_quote(&kid_quote, mrc_bytes_of(kid)) : "none",
                  subject ? mrc_quote(&subject_quote, mrc_bytes_of(subject)) : "none");
    return "this hub does not accept the access token any more, because it was revoked: ask its "
           "issuer for a new one";
}

int mrc_authorize_again(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                        struct mrc_token **token)
{
    struct mrc_hub *hub = mrc_this_child_hub(claim->location->hub->index);
    const char *why;

    /* A hub that is opened a moment later may have revoked the token. */
    if (!hub) {
        mrc_token_unref(*token);
        *token = NULL;
        return mrc_answer_later(r, "this server process does not serve the hub now: try again");
    }
    if (role == MRC_ROLE_PUBLISHER && !mrc_revocation_wait(hub)) {
        mrc_token_unref(*token);
        *token = NULL;
        return mrc_answer_later(r,
                                "this server does not know yet which tokens are revoked, because "
                                "it has no connection with its Redis server: try again");
    }
    why = refuse_later(r, claim, hub, *token);
    if (!why)
        return DECLINED;
    mrc_token_unref(*token);
    *token = NULL;
    return mrc_challenge(r, MRC_CHALLENGE_TOKEN, why);
}

int mrc_authorize(request_rec *r, const struct mrc_claim *claim, enum mrc_role role,
                  struct mrc_token **ret_token)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, claim);
    const struct mrc_hub_conf *hub = claim->location->hub;
    struct mrc_error reason = {""};
    struct mrc_token_policy policy;
    struct mrc_credentials found;
    struct keys keys;
    enum mrc_err err;
    int status = mrc_credentials_find(r, claim, settings, role, &found);

    *ret_token = NULL;
    if (status == DECLINED && !found.token.ptr && role != MRC_ROLE_OPERATOR)
        log_ignored(r, claim, settings, role);
    if (status != DECLINED || !found.token.ptr)
        return status;
    if (!mrc_this_child_get())
        return mrc_answer_later(r, "this server process serves no hub: try again");
    take_keys(r, settings, role, found.token, &keys);
    policy = make_policy(&keys, mrc_claim_hub_settings(claim),
                         mrc_identity_audiences(r, claim->location, settings), found.is_from_url);
    err = verify(r, role, cache_scope(r, &keys, &policy, hub, role), found.token, &policy, &reason,
                 ret_token);
    if (err == MRC_ENOTFOUND)
        ask_for_keys(found.token, settings, role);
    if (err)
        status = refuse(r, err, &reason, claim, &policy, found.token, role);
    give_back_keys(&keys);
    if (err)
        return status;
    mrc_claim_set_token(r, found.token);
    return mrc_authorize_again(r, claim, role, ret_token);
}
