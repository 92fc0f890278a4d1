/*
 * Tokens of protocol 0.x: which of them a hub accepts besides modern tokens, and what they grant.
 */
#include "core/token/token.h"

#include "tokens.h"

#define OLD       "an old secret that is long enough to be used with HS256"
#define PUBLISHER "https://publisher.example"
#define AT        "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"
#define JWT       "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static const char *const audiences[] = {HUB};

static struct mrc_keyset *modern, *old;

static void setup(void)
{
    modern = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    old = keys_of(OLD, mrc_alg_set_of(MRC_ALG_HS256));
}

/* The claim of a modern token that may publish everything. */
#define EVERYTHING                                                                                 \
    "\"authorization_details\":[" ONE_DETAIL(                                                      \
        "\"actions\":[\"publish\"],\"topics\":[{\"match\":\"*\"}]") "]"

static void teardown(void)
{
    mrc_keyset_free(modern);
    mrc_keyset_free(old);
}

/*
 * Verifies TOKEN for a hub that trusts ISSUER in this role, PUBLISHER in the other one, and one
 * legacy key.
 */
static enum mrc_err verify_as(const char *token, bool with_legacy, bool only_legacy,
                              struct mrc_error *reason, struct mrc_token **ret_token)
{
    struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(MRC_ALG_HS256), modern};
    struct mrc_token_trust other = {PUBLISHER, mrc_alg_set_of(MRC_ALG_HS256), modern};
    struct mrc_token_trust legacy = {NULL, mrc_alg_set_of(MRC_ALG_HS256), old};
    struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .others = &other,
        .others_count = 1,
        .legacy = &legacy,
        .legacy_count = with_legacy ? 1 : 0,
        .only_legacy = only_legacy,
        .audiences = audiences,
        .audience_count = 1,
        .base = HUB,
        .limits = {3, 4, 32},
    };

    return mrc_token_verify(mrc_bytes_of(token), &policy, NOW_US, reason, ret_token);
}

static struct mrc_token *accept(const char *header, const char *secret, const char *claims)
{
    char *text = token_sign(MRC_ALG_HS256, secret, header, claims);
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_msg(verify_as(text, true, false, &reason, &token) == MRC_OK, "refused %s: %s", claims,
                  reason.text);
    free(text);
    return token;
}

static void refuse(const char *header, const char *secret, const char *claims, const char *words)
{
    char *text = token_sign(MRC_ALG_HS256, secret, header, claims);
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_msg(verify_as(text, true, false, &reason, &token) != MRC_OK, "accepted %s", claims);
    ck_assert_ptr_null(token);
    ck_assert_words(reason, words);
    free(text);
}

static bool may_publish(const struct mrc_token *token, const char *topic)
{
    return mrc_token_grants(token, MRC_ACTION_PUBLISH, mrc_bytes_of(topic));
}

static bool may_subscribe(const struct mrc_token *token, const char *topic)
{
    return mrc_token_grants(token, MRC_ACTION_SUBSCRIBE, mrc_bytes_of(topic));
}

static const char *payload_for(const struct mrc_token *token, const char *matcher)
{
    const char *payload =
        mrc_grants_find_payload(mrc_token_get_grants(token), mrc_bytes_of(matcher));

    return payload ? payload : "";
}

/* ---- acceptance -------------------------------------------------------------------------------*/

START_TEST(requires_only_a_valid_signature)
{
    static const char *const headers[] = {JWT, "{\"alg\":\"HS256\"}"};
    static const char *const claims[] = {
        "{}",
        "{\"mercure\":{\"publish\":[\"*\"]}}",
        "{\"iss\":\"https://nobody.example\",\"aud\":\"elsewhere\"}",
        "{\"aud\":7}",
        "{\"exp\":1767225301,\"nbf\":1767225299.5}",
        "{\"aud\":\"\\u0000\",\"name\":\"\\ud83d\",\"mercure\":{\"x\":\"a\\u0000b\"}}",
    };

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        for (size_t k = 0; k < sizeof(claims) / sizeof(claims[0]); k++) {
            struct mrc_token *token = accept(headers[i], OLD, claims[k]);

            ck_assert(mrc_token_is_legacy(token));
            mrc_token_unref(token);
        }
    }
}
END_TEST

START_TEST(checks_times_if_present)
{
    struct mrc_token *token = accept(JWT, OLD, "{}");

    ck_assert_int_eq(mrc_token_get_exp_us(token), 253402300799LL * 1000000);
    ck_assert_str_eq(mrc_token_get_issuer(token), "");
    ck_assert_ptr_null(mrc_token_get_subject(token));
    mrc_token_unref(token);
    token = accept(JWT, OLD, "{\"exp\":1767225301.25,\"iss\":\"x\",\"sub\":\"y\"}");
    ck_assert_int_eq(mrc_token_get_exp_us(token), 1767225301250000LL);
    ck_assert_str_eq(mrc_token_get_issuer(token), "x");
    ck_assert_str_eq(mrc_token_get_subject(token), "y");
    mrc_token_unref(token);
    refuse(JWT, OLD, "{\"exp\":1767225300}", "the token expired 0 seconds ago");
    refuse(JWT, OLD, "{\"exp\":\"1767225301\"}", "exp must be a number");
    refuse(JWT, OLD, "{\"nbf\":1767225301}", "becomes valid in 1 seconds");
    refuse(JWT, OLD, "{\"sub\":1}", "sub must be a string");
    refuse(JWT, OLD, "{\"iss\":1}", "at+jwt is expected");
    refuse(AT, OLD, "{\"iss\":1}", "iss is missing, or not a string");
}
END_TEST

/* A token of a trusted issuer, in either role, is modern, whichever key has signed it. */
START_TEST(a_modern_issuer_keeps_every_check)
{
    struct mrc_token *token = accept(AT, SECRET, CLAIMS "}");

    ck_assert(!mrc_token_is_legacy(token));
    mrc_token_unref(token);
    refuse(JWT, SECRET, CLAIMS "}", "at+jwt is expected");
    refuse(AT, SECRET, "{\"iss\":\"" ISSUER "\",\"exp\":1767225600}", "no aud");
    refuse(AT, SECRET, "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\"}", "no exp");
    refuse(AT, OLD, CLAIMS "}", "signature");
    refuse(JWT, OLD, CLAIMS ",\"mercure\":{\"publish\":[\"*\"]}}", "at+jwt is expected");
    refuse(JWT, OLD, "{\"iss\":\"" PUBLISHER "\",\"mercure\":{}}", "at+jwt is expected");
    refuse(AT, OLD, "{\"iss\":\"" PUBLISHER "\"}", "not trusted here");
}
END_TEST

START_TEST(modern_keys_do_not_verify_legacy_tokens)
{
    refuse(JWT, SECRET, "{\"mercure\":{\"publish\":[\"*\"]}}", "signature");
    refuse(AT, SECRET, "{\"iss\":\"https://nobody.example\",\"aud\":\"" HUB "\"}", "signature");
}
END_TEST

START_TEST(modern_tokens_ignore_the_legacy_claim)
{
    struct mrc_token *token = accept(AT, SECRET, CLAIMS ",\"mercure\":{\"publish\":[\"*\"]}}");

    ck_assert(!may_publish(token, "a"));
    mrc_token_unref(token);
    token = accept(JWT, OLD, "{\"authorization_details\":[{\"type\":\"other\"}]}");
    ck_assert(!may_publish(token, "a"));
    mrc_token_unref(token);
    token = accept(JWT, OLD, "{\"mercure\":{}," EVERYTHING "}");
    ck_assert(!may_publish(token, "a"));
    mrc_token_unref(token);
}
END_TEST

/* Its details would grant nothing there, and nobody would know why. */
START_TEST(legacy_keys_do_not_verify_modern_tokens)
{
    refuse(JWT, OLD, "{" EVERYTHING "}", "this issuer is not trusted here; \"" ISSUER "\" is");
    refuse(AT, OLD, "{\"iss\":\"https://nobody.example\"," EVERYTHING "}",
           "this issuer is not trusted here");
}
END_TEST

START_TEST(a_mismatch_of_protocols_is_found)
{
    enum { NONE, MODERN = 1, LEGACY = 2, BOTH = 3 };
    static const struct {
        const char *header, *claims;
        int keys;
        enum mrc_token_mismatch want;
    } cases[] = {
        {JWT, "{\"mercure\":{\"publish\":[\"*\"]}}", MODERN, MRC_TOKEN_MISMATCH_0X},
        {JWT, "{\"https://mercure.rocks/\":{}}", NONE, MRC_TOKEN_MISMATCH_0X},
        {JWT, "{\"mercure\":\"\\u0000\",\"iss\":\"" ISSUER "\"}", MODERN, MRC_TOKEN_MISMATCH_0X},
        {JWT, "{\"mercure\":{}}", BOTH, MRC_TOKEN_MISMATCH_NONE},
        {JWT, "{\"mercure\":{}}", LEGACY, MRC_TOKEN_MISMATCH_NONE},
        {JWT, "{\"mercure\":{},\"iss\":\"" ISSUER "\"}", BOTH, MRC_TOKEN_MISMATCH_ISSUER},
        {JWT, "{\"mercure\":{},\"iss\":\"" PUBLISHER "\"}", BOTH, MRC_TOKEN_MISMATCH_ISSUER},
        {JWT, "{\"mercure\":{},\"iss\":\"https://nobody.example\"}", BOTH, MRC_TOKEN_MISMATCH_NONE},
        {JWT, "{\"mercure\":{},\"iss\":\"" ISSUER "\"}", LEGACY, MRC_TOKEN_MISMATCH_NONE},
        {AT, "{\"mercure\":{}," EVERYTHING "}", MODERN, MRC_TOKEN_MISMATCH_NONE},
        {AT, "{" EVERYTHING "}", LEGACY, MRC_TOKEN_MISMATCH_MODERN},
        {JWT, "{" EVERYTHING "}", LEGACY, MRC_TOKEN_MISMATCH_MODERN},
        {AT, "{}", LEGACY, MRC_TOKEN_MISMATCH_MODERN},
        {AT, "{" EVERYTHING "}", BOTH, MRC_TOKEN_MISMATCH_NONE},
        {AT, "{" EVERYTHING "}", NONE, MRC_TOKEN_MISMATCH_NONE},
        {JWT, "{}", LEGACY, MRC_TOKEN_MISMATCH_NONE},
        {JWT, "[]", LEGACY, MRC_TOKEN_MISMATCH_NONE},
    };
    const struct mrc_token_trust trust = {ISSUER, 0, NULL}, other = {PUBLISHER, 0, NULL};
    const struct mrc_token_trust legacy = {NULL, 0, NULL};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool has_modern = cases[i].keys & MODERN;
        const struct mrc_token_policy policy = {
            .trust = &trust,
            .trust_count = has_modern,
            .others = &other,
            .others_count = has_modern,
            .legacy = &legacy,
            .legacy_count = (cases[i].keys & LEGACY) != 0,
        };
        char *text = token_sign(MRC_ALG_HS256, "x", cases[i].header, cases[i].claims);

        ck_assert_msg(mrc_token_find_mismatch(mrc_bytes_of(text), &policy) == cases[i].want,
                      "case %zu: %s", i, cases[i].claims);
        free(text);
    }
    ck_assert_int_eq(mrc_token_find_mismatch(mrc_bytes_of("x"), &(struct mrc_token_policy){0}),
                     MRC_TOKEN_MISMATCH_NONE);
}
END_TEST

START_TEST(without_legacy_keys_there_are_no_legacy_tokens)
{
    char *text = token_sign(MRC_ALG_HS256, OLD, JWT, "{\"mercure\":{}}");
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_int_eq(verify_as(text, false, false, &reason, &token), MRC_EINVAL);
    ck_assert_words(reason, "at+jwt is expected");
    ck_assert_int_eq(verify_as(text, false, true, &reason, &token), MRC_EINVAL);
    ck_assert_int_eq(verify_as(text, true, true, &reason, &token), MRC_OK);
    mrc_token_unref(token);
    free(text);
}
END_TEST

START_TEST(only_legacy_refuses_modern_tokens)
{
    char *text = token_sign(MRC_ALG_HS256, SECRET, AT, CLAIMS "}");
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_int_eq(verify_as(text, true, true, &reason, &token), MRC_EINVAL);
    ck_assert_words(reason, "only tokens of protocol 0.x");
    ck_assert_ptr_null(token);
    free(text);
}
END_TEST

/* ---- grants -----------------------------------------------------------------------------------*/

START_TEST(the_claim_has_two_lists)
{
    struct mrc_token *token = accept(
        JWT, OLD,
        "{\"mercure\":{\"publish\":[\"a\",\"/p/{id}\"],\"subscribe\":[\"*\"],\"payload\":[1]}}");

    ck_assert(may_publish(token, "a"));
    ck_assert(may_publish(token, "/p/1"));
    ck_assert(may_publish(token, "/p/{id}"));
    ck_assert(!may_publish(token, "/p/1/2"));
    ck_assert(!may_publish(token, "b"));
    ck_assert(may_subscribe(token, "anything"));
    ck_assert(mrc_grants_allow_every(mrc_token_get_grants(token), MRC_ACTION_SUBSCRIBE));
    ck_assert(!mrc_grants_allow_every(mrc_token_get_grants(token), MRC_ACTION_PUBLISH));
    mrc_token_unref(token);
}
END_TEST

START_TEST(the_namespaced_claim_comes_first)
{
    struct mrc_token *token =
        accept(JWT, OLD,
               "{\"mercure\":{\"publish\":[\"a\"]},"
               "\"https://mercure.rocks/\":{\"publish\":[\"b\"],\"payload\":\"p\"}}");

    ck_assert(may_publish(token, "b"));
    ck_assert(!may_publish(token, "a"));
    ck_assert_str_eq(payload_for(token, "b"), "\"p\"");
    mrc_token_unref(token);
}
END_TEST

START_TEST(missing_lists_grant_nothing)
{
    static const char *const claims[] = {"{}", "{\"mercure\":{}}",
                                         "{\"mercure\":{\"publish\":[],\"subscribe\":null}}",
                                         "{\"mercure\":{\"publish\":null,\"payload\":null}}"};

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        struct mrc_token *token = accept(JWT, OLD, claims[i]);

        ck_assert(!mrc_grants_allow_some(mrc_token_get_grants(token), MRC_ACTION_PUBLISH));
        ck_assert(!mrc_grants_allow_some(mrc_token_get_grants(token), MRC_ACTION_SUBSCRIBE));
        ck_assert_str_eq(payload_for(token, "a"), "");
        mrc_token_unref(token);
    }
}
END_TEST

/* The payload may be any value, and applies to each subscription of the token. */
START_TEST(one_payload_for_the_whole_token)
{
    struct mrc_token *token =
        accept(JWT, OLD, "{\"mercure\":{\"subscribe\":[\"a\"],\"payload\":{\"user\":\"u\"}}}");

    ck_assert_str_eq(payload_for(token, "a"), "{\"user\":\"u\"}");
    ck_assert_str_eq(payload_for(token, "b"), "{\"user\":\"u\"}");
    mrc_token_unref(token);
    token = accept(JWT, OLD, "{\"mercure\":{\"payload\":1.5}}");
    ck_assert_str_eq(payload_for(token, "a"), "1.5");
    mrc_token_unref(token);
    token = accept(
        JWT, OLD, "{\"mercure\":{\"payload\":[9223372036854775807,-98765432109876543210,-1e400]}}");
    ck_assert_str_eq(payload_for(token, "a"),
                     "[9223372036854775807,-9.8765432109876543e19,-1.7976931348623157e308]");
    mrc_token_unref(token);
}
END_TEST

START_TEST(selectors_may_be_objects)
{
    struct mrc_token *token =
        accept(JWT, OLD,
               "{\"mercure\":{\"payload\":1,\"publish\":[{\"match\":\"/{x}\"}],\"subscribe\":["
               "{\"match\":\"https://example.com/:x\",\"match_type\":\"urlpattern\",\"payload\":2},"
               "\"b\"]}}");

    ck_assert(may_publish(token, "/{x}"));
    ck_assert(!may_publish(token, "/1"));
    ck_assert(may_subscribe(token, "https://example.com/1"));
    ck_assert(!may_publish(token, "https://example.com/1"));
    ck_assert_str_eq(payload_for(token, "https://example.com/1"), "2");
    ck_assert_str_eq(payload_for(token, "b"), "1");
    mrc_token_unref(token);
}
END_TEST

START_TEST(a_bad_claim_refuses_the_token)
{
    refuse(JWT, OLD, "{\"mercure\":[]}", "mercure must be an object");
    refuse(JWT, OLD, "{\"https://mercure.rocks/\":\"*\",\"mercure\":{}}",
           "https://mercure.rocks/ must be an object");
    refuse(JWT, OLD, "{\"mercure\":{\"publish\":\"*\"}}", "mercure.publish must be an array");
    refuse(JWT, OLD, "{\"mercure\":{\"subscribe\":[\"a\",7]}}",
           "mercure.subscribe[1] must be a string");
    refuse(JWT, OLD, "{\"mercure\":{\"subscribe\":[\"a\\u0007\"]}}", "mercure.subscribe[0]: ");
    refuse(JWT, OLD, "{\"mercure\":{\"subscribe\":[{\"match\":7}]}}",
           "mercure.subscribe[0].match must be a string");
    refuse(JWT, OLD, "{\"mercure\":{\"publish\":[{\"match\":\"a\",\"match_type\":\"template\"}]}}",
           "match_type \"template\" is not supported");
}
END_TEST

START_TEST(refuses_claims_past_the_limits)
{
    struct mrc_token *token = accept(
        JWT, OLD,
        "{\"mercure\":{\"publish\":[\"12345678901234567890123456789012\",\"b\"],\"subscribe\":["
        "\"c\",{\"match\":\"d\",\"payload\":1}]}}");

    ck_assert(may_subscribe(token, "d"));
    mrc_token_unref(token);
    refuse(JWT, OLD, "{\"mercure\":{\"publish\":[\"a\",\"b\"],\"subscribe\":[\"c\",\"d\",\"e\"]}}",
           "more than 4 topics");
    refuse(JWT, OLD, "{\"mercure\":{\"publish\":[\"123456789012345678901234567890123\"]}}",
           "has 33 bytes; the maximum is 32");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_legacy");
    TCase *tcase = tcase_create("token_legacy");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, requires_only_a_valid_signature);
    tcase_add_test(tcase, checks_times_if_present);
    tcase_add_test(tcase, a_modern_issuer_keeps_every_check);
    tcase_add_test(tcase, modern_keys_do_not_verify_legacy_tokens);
    tcase_add_test(tcase, modern_tokens_ignore_the_legacy_claim);
    tcase_add_test(tcase, legacy_keys_do_not_verify_modern_tokens);
    tcase_add_test(tcase, a_mismatch_of_protocols_is_found);
    tcase_add_test(tcase, without_legacy_keys_there_are_no_legacy_tokens);
    tcase_add_test(tcase, only_legacy_refuses_modern_tokens);
    tcase_add_test(tcase, the_claim_has_two_lists);
    tcase_add_test(tcase, the_namespaced_claim_comes_first);
    tcase_add_test(tcase, missing_lists_grant_nothing);
    tcase_add_test(tcase, one_payload_for_the_whole_token);
    tcase_add_test(tcase, selectors_may_be_objects);
    tcase_add_test(tcase, a_bad_claim_refuses_the_token);
    tcase_add_test(tcase, refuses_claims_past_the_limits);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
