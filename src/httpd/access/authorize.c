#include "httpd/access/authorize.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "core/token/cache.h"
#include "httpd/access/challenge.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/config/playground_key.h"
#include "httpd/route/claim.h"
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

static void take_keys(request_rec *r, const struct mrc_location_settings *settings,
                      enum mrc_role role, struct mrc_bytes token, struct keys *ret_keys)
{
    bool publishes = role == MRC_ROLE_PUBLISHER;
    const apr_array_header_t *playground = mrc_playground_key_rows(settings->playground, token);
    const apr_array_header_t *legacy =
        publishes ? settings->legacy_publisher_keys : settings->legacy_subscriber_keys;

    if (playground)
        take_list(r, playground, &ret_keys->trust);
    else
        take_list(r, publishes ? settings->publisher_keys : settings->subscriber_keys,
                  &ret_keys->trust);
    take_list(r, publishes ? settings->subscriber_keys : settings->publisher_keys,
              &ret_keys->others);
    take_list(r, settings->legacy ? legacy : NULL, &ret_keys->legacy);
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
    bool publishes = role == MRC_ROLE_PUBLISHER;
    char *issuer = NULL, *audience = NULL;

    if (mrc_token_peek(token, NULL, &issuer, &audience) != MRC_OK)
        return;
    if (issuer)
        ask_list(publishes ? settings->publisher_keys : settings->subscriber_keys, issuer);
    if (settings->legacy)
        ask_list(publishes ? settings->legacy_publisher_keys : settings->legacy_subscriber_keys,
                 NULL);
    free(issuer);
    free(audience);
}

static int refuse(request_rec *r, enum mrc_err err, const struct mrc_error *reason,
                  const struct mrc_claim *claim, const struct mrc_token_policy *policy)
{
    const char *legacy = policy->legacy_count
                             ? ". A token of protocol 0.x needs the signature of a key for that "
                               "protocol; its exp, if it has one, must not have passed"
                             : "";

    if (err == MRC_ENOMEM)
        return mrc_failure_answer_no_memory(r);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "MRC0601: hub %s refuses a token: %s",
                  claim->location->hub->label, reason->text);
    if (err == MRC_EPENDING)
        return mrc_answer_later(r, "the hub does not have the keys of the access token's issuer "
                                   "yet: try again");
    return mrc_challenge(
        r, MRC_CHALLENGE_TOKEN,
        apr_psprintf(r->pool,
                     "this hub does not accept the access token: it needs the type at+jwt, the "
                     "signature of an issuer that this hub trusts, the audience %s, and an exp "
                     "that has not passed%s. The server's error log (level info) says which of "
                     "these rules the token breaks",
                     policy->audiences[0], legacy));
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
    if (status != DECLINED || !found.token.ptr)
        return status;
    if (!mrc_this_child_get())
        return mrc_answer_later(r, "this server process serves no hub: try again");
    take_keys(r, settings, role, found.token, &keys);
    policy = make_policy(&keys, mrc_claim_hub_settings(claim),
                         mrc_identity_audiences(r, claim->location, settings), found.is_from_url);
    err = mrc_token_cache_verify(mrc_this_child_tokens(), cache_scope(r, &keys, &policy, hub, role),
                                 found.token, &policy, apr_time_now(), &reason, ret_token);
    if (err == MRC_ENOTFOUND)
        ask_for_keys(found.token, settings, role);
    if (err)
        status = refuse(r, err, &reason, claim, &policy);
    give_back_keys(&keys);
    if (!err)
        mrc_claim_set_token(r, found.token);
    return status;
}
