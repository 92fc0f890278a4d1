#include "core/token/token.h"

#include "core/base/json.h"
#include "tokens.h"

#define AT "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"

static struct mrc_keyset *keys;

static const char *const audiences[] = {HUB, "https://other.example/hub"};

static void setup(void)
{
    keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
}

static void teardown(void)
{
    mrc_keyset_free(keys);
}

/* Verifies TOKEN with the standard policy. */
static enum mrc_err verify(const char *token, int64_t now_us, struct mrc_error *reason,
                           struct mrc_token **ret_token)
{
    struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(MRC_ALG_HS256), keys};
    struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 2,
        .base = HUB,
        .limits = {3, 4, 32},
    };

    return mrc_token_verify(mrc_bytes_of(token), &policy, now_us, reason, ret_token);
}

/* The verified token with CLAIMS. */
static struct mrc_token *accept(const char *claims)
{
    char *text = token_sign(MRC_ALG_HS256, SECRET, AT, claims);
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_msg(verify(text, NOW_US, &reason, &token) == MRC_OK, "refused: %s", reason.text);
    ck_assert_ptr_nonnull(token);
    free(text);
    return token;
}

/* Fails unless a token with HEADER and CLAIMS is refused for a reason that holds WORDS. */
static void refuse_with(const char *header, const char *claims, const char *words)
{
    char *text = token_sign(MRC_ALG_HS256, SECRET, header, claims);
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_int_ne(verify(text, NOW_US, &reason, &token), MRC_OK);
    ck_assert_ptr_null(token);
    ck_assert_words(reason, words);
    free(text);
}

static void refuse(const char *claims, const char *words)
{
    refuse_with(AT, claims, words);
}

START_TEST(valid_tokens_grant_their_details)
{
    struct mrc_token *token =
        accept(CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"}]")));

    ck_assert_str_eq(mrc_token_get_issuer(token), ISSUER);
    ck_assert_str_eq(mrc_token_get_subject(token), "alice");
    ck_assert_int_eq(mrc_token_get_exp_us(token), 1767225600LL * 1000000);
    ck_assert(mrc_token_grants(token, MRC_ACTION_PUBLISH, mrc_bytes_of("a")));
    ck_assert(!mrc_token_grants(token, MRC_ACTION_PUBLISH, mrc_bytes_of("b")));
    ck_assert(!mrc_token_grants(token, MRC_ACTION_SUBSCRIBE, mrc_bytes_of("a")));
    mrc_token_unref(token);
}
END_TEST

START_TEST(typ_is_access_token)
{
    static const char *const good[] = {"at+jwt", "AT+JWT", "application/at+jwt",
                                       "Application/At+Jwt"};
    static const char *const bad[] = {"JWT",   "at+jwt ",     "application/",
                                      "at+jw", "text/at+jwt", "application/application/at+jwt",
                                      ""};
    struct mrc_token *token;
    char header[128];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char *text;

        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":\"%s\"}", good[i]);
        text = token_sign(MRC_ALG_HS256, SECRET, header, CLAIMS "}");
        ck_assert_int_eq(verify(text, NOW_US, NULL, &token), MRC_OK);
        mrc_token_unref(token);
        free(text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":\"%s\"}", bad[i]);
        refuse_with(header, CLAIMS "}", "at+jwt is expected");
    }
    refuse_with("{\"alg\":\"HS256\"}", CLAIMS "}", "no typ");
    refuse_with("{\"alg\":\"HS256\",\"typ\":7}", CLAIMS "}", "typ is not a string");
}
END_TEST

START_TEST(exp_is_required_and_enforced)
{
    struct mrc_token *token;

    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\"}", "no exp");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225299}",
           "expired 1 seconds ago");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225300}",
           "expired 0 seconds ago");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":\"1767225600\"}", "exp must be");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":null}", "exp must be");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":true}", "exp must be");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":-1}", "expired");
    /* A million times this number overflows to a time in the future. */
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":-9223372034854775808}", "expired");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":-1e300}", "expired");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":-1e400}", "expired");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":-98765432109876543210}", "expired");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1e-400}", "expired");
    token = accept("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225300.5}");
    ck_assert_int_eq(mrc_token_get_exp_us(token), NOW_US + 500000);
    ck_assert_ptr_null(mrc_token_get_subject(token));
    mrc_token_unref(token);
}
END_TEST

START_TEST(far_times_are_clamped)
{
    static const char *const far[] = {"253402300800",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "98765432109876543210",
                                      "1e300",
                                      "1e400",
                                      "17E+999999999999"};
    char claims[256];

    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        struct mrc_token *token;

        snprintf(claims, sizeof(claims), "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":%s}",
                 far[i]);
        token = accept(claims);
        ck_assert_int_eq(mrc_token_get_exp_us(token), 253402300799LL * 1000000);
        mrc_token_unref(token);
    }
    refuse(CLAIMS ",\"nbf\":9223372036854775807}", "(nbf)");
    refuse(CLAIMS ",\"nbf\":9223372036854775808}", "(nbf)");
    refuse(CLAIMS ",\"nbf\":1e400}", "(nbf)");
    mrc_token_unref(accept(CLAIMS ",\"nbf\":-1e400}"));
}
END_TEST

START_TEST(nbf_is_enforced_if_present)
{
    mrc_token_unref(accept(CLAIMS ",\"nbf\":1767225300}"));
    mrc_token_unref(accept(CLAIMS ",\"nbf\":1767225299.9}"));
    mrc_token_unref(accept(CLAIMS ",\"nbf\":0}"));
    refuse(CLAIMS ",\"nbf\":1767225301}", "becomes valid in 1 seconds (nbf)");
    refuse(CLAIMS ",\"nbf\":1767225300.5}", "(nbf)");
    refuse(CLAIMS ",\"nbf\":\"0\"}", "nbf must be");
    refuse(CLAIMS ",\"nbf\":null}", "nbf must be");
}
END_TEST

#define NO_AUD "{\"iss\":\"" ISSUER "\",\"exp\":1767225600"

START_TEST(aud_names_this_hub)
{
    mrc_token_unref(accept(NO_AUD ",\"aud\":\"https://other.example/hub\"}"));
    mrc_token_unref(accept(NO_AUD ",\"aud\":[\"x\",\"" HUB "\"]}"));
    refuse(NO_AUD "}", "there is no aud; this hub expects \"" HUB "\"");
    refuse(NO_AUD ",\"aud\":\"https://x.example\"}",
           "(aud) is \"https://x.example\"; this hub expects \"" HUB "\" or another");
    refuse(NO_AUD ",\"aud\":\"" HUB "/\"}", "this hub expects");
    refuse(NO_AUD ",\"aud\":[]}", "this hub expects");
    refuse(NO_AUD ",\"aud\":[\"a\",\"b\"]}", "\"a\" and others");
    refuse(NO_AUD ",\"aud\":[\"" HUB "\",1]}", "aud[1] must be a string");
    refuse(NO_AUD ",\"aud\":{\"" HUB "\":1}}", "aud must be");
    refuse(NO_AUD ",\"aud\":null}", "aud must be");
}
END_TEST

START_TEST(iss_is_trusted_and_exact)
{
    refuse("{\"aud\":\"" HUB "\",\"exp\":1767225600}", "iss is missing");
    refuse("{\"iss\":7,\"aud\":\"" HUB "\",\"exp\":1767225600}", "iss is missing, or not a string");
    refuse("{\"iss\":\"" ISSUER "/\",\"aud\":\"" HUB "\",\"exp\":1767225600}",
           "issuer \"" ISSUER "/\", kid none: this issuer is not trusted here");
    refuse("{\"iss\":\"https://EXAMPLE.com\",\"aud\":\"" HUB "\",\"exp\":1767225600}",
           "not trusted");
    refuse("{\"iss\":\"" ISSUER "\\u0000\",\"aud\":\"" HUB "\",\"exp\":1767225600}", "NUL");
}
END_TEST

/* Two issuers with a secret each, and a second secret of the first one. */
START_TEST(keys_of_issuers_are_never_pooled)
{
    struct mrc_keyset *other = keys_of("other" SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    struct mrc_keyset *rotated = keys_of("rotated" SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    struct mrc_token_trust trust[] = {
        {"https://other.example", MRC_ALG_SET_HMAC, other},
        {ISSUER, MRC_ALG_SET_HMAC, keys},
        {ISSUER, MRC_ALG_SET_HMAC, rotated},
    };
    struct mrc_token_policy policy = {
        .trust = trust,
        .trust_count = 3,
        .audiences = audiences,
        .audience_count = 2,
        .limits = {3, 4, 32},
    };
    static const struct {
        const char *secret, *issuer;
        enum mrc_err err;
    } cases[] = {
        {SECRET, ISSUER, MRC_OK},
        {"rotated" SECRET, ISSUER, MRC_OK},
        {"other" SECRET, ISSUER, MRC_EINVAL},
        {"other" SECRET, "https://other.example", MRC_OK},
        {SECRET, "https://other.example", MRC_EINVAL},
        {"rotated" SECRET, "https://other.example", MRC_EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_token *token = NULL;
        char claims[256], *text;

        snprintf(claims, sizeof(claims), "{\"iss\":\"%s\",\"aud\":\"" HUB "\",\"exp\":1767225600}",
                 cases[i].issuer);
        text = token_sign(MRC_ALG_HS256, cases[i].secret, AT, claims);
        ck_assert_int_eq(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, NULL, &token),
                         cases[i].err);
        mrc_token_unref(token);
        free(text);
    }
    mrc_keyset_free(other);
    mrc_keyset_free(rotated);
}
END_TEST

START_TEST(rows_of_one_issuer_are_bounded)
{
    struct mrc_token_trust trust[MRC_TOKEN_MAX_ROWS + 1];
    struct mrc_token_policy policy = {
        .trust = trust,
        .trust_count = MRC_TOKEN_MAX_ROWS,
        .audiences = audiences,
        .audience_count = 2,
        .limits = {3, 4, 32},
    };
    char *text = token_sign(MRC_ALG_HS256, SECRET, AT, CLAIMS "}");
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    for (size_t i = 0; i < MRC_TOKEN_MAX_ROWS + 1; i++)
        trust[i] = (struct mrc_token_trust){ISSUER, MRC_ALG_SET_HMAC, keys};
    ck_assert_int_eq(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &reason, &token),
                     MRC_OK);
    mrc_token_unref(token);
    policy.trust_count++;
    ck_assert_int_eq(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &reason, &token),
                     MRC_ELIMIT);
    free(text);
}
END_TEST

/* Keys that are not fetched yet might verify the token; other rules are checked first. */
START_TEST(keys_may_be_pending)
{
    const mrc_alg_set hs256 = mrc_alg_set_of(MRC_ALG_HS256), es256 = mrc_alg_set_of(MRC_ALG_ES256);
    char *good = token_sign(MRC_ALG_HS256, SECRET, AT, CLAIMS "}");
    char *wrong = token_sign(MRC_ALG_HS256, "x" SECRET, AT, CLAIMS "}");
    struct mrc_keyset *empty = NULL;
    const struct mrc_token_trust trust[] = {
        {ISSUER, hs256, keys},      {ISSUER, hs256, NULL}, {ISSUER, es256, NULL},
        {"https://x", hs256, NULL}, {ISSUER, hs256, keys},
    };
    const struct {
        const char *token;
        size_t first, count;
        enum mrc_err err;
    } cases[] = {
        {good, 0, 1, MRC_OK},       {good, 0, 2, MRC_OK},
        {wrong, 0, 1, MRC_EINVAL},  {wrong, 0, 2, MRC_EPENDING},
        {good, 1, 1, MRC_EPENDING}, {good, 2, 1, MRC_EINVAL}, /* not for this algorithm */
        {good, 3, 1, MRC_EINVAL},                             /* of another issuer */
        {wrong, 2, 3, MRC_EINVAL},  {"nonsense", 1, 1, MRC_EINVAL},
    };

    ck_assert_int_eq(mrc_keyset_create_empty(&empty), MRC_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mrc_token_policy policy = {
            .trust = trust + cases[i].first,
            .trust_count = cases[i].count,
            .audiences = audiences,
            .audience_count = 2,
            .limits = {3, 4, 32},
        };
        struct mrc_error reason = {""};
        struct mrc_token *token = NULL;

        ck_assert_int_eq(
            mrc_token_verify(mrc_bytes_of(cases[i].token), &policy, NOW_US, &reason, &token),
            cases[i].err);
        if (cases[i].err == MRC_EPENDING)
            ck_assert_str_eq(reason.text,
                             "issuer \"" ISSUER "\", kid none: the keys of this issuer "
                             "have not been fetched yet");
        mrc_token_unref(token);
    }
    {
        const struct mrc_token_trust none = {ISSUER, hs256, empty};
        struct mrc_token_policy policy = {
            .trust = &none,
            .trust_count = 1,
            .audiences = audiences,
            .audience_count = 2,
            .limits = {3, 4, 32},
        };
        struct mrc_token *token = NULL;

        ck_assert_int_eq(mrc_token_verify(mrc_bytes_of(good), &policy, NOW_US, NULL, &token),
                         MRC_ENOTFOUND);
    }
    mrc_keyset_free(empty);
    free(good);
    free(wrong);
}
END_TEST

START_TEST(claims_are_one_json_object)
{
    refuse("[]", "not an object");
    refuse("", "not valid JSON");
    refuse("nonsense", "not valid JSON");
    refuse(CLAIMS "} {}", "text after the value");
    refuse(CLAIMS ",\"exp\":1767225600}", "a duplicate member");
    refuse(CLAIMS ",\"x\":1,\"\\u0078\":1}", "a duplicate member");
    refuse(CLAIMS ",\"\\u0069ss\":\"" ISSUER "\"}", "a duplicate member");
    refuse(CLAIMS ",\"x\":\"\xff\"}", "invalid UTF-8");
    refuse("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225600,\"sub\":5}",
           "sub must be a string");
}
END_TEST

/* RFC 8259, 6, does not limit numbers, and RFC 7519, 4, says that unknown claims are ignored. */
START_TEST(numbers_may_be_of_any_size)
{
    static const char *const numbers[] = {
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "[1e400,-1e400,1E+400]",
        "{\"a\\\"1e400\":123456789012345678901234567890}",
        "1e309",
        "\"1e400\",\"y\\\\\":1e400",
        "[0,-0,0.5,1e2,1e400,-7]",
        "0.12345678901234567890123456789e400",
    };
    static const char *const wrong[] = {
        "1e400x",
        "1e400.0",
        "0123456789012345678901234567890",
        "+123456789012345678901234567890",
        "123456789012345678901234567890.",
        "123456789012345678901234567890e",
        "123456789012345678901234567890e+",
        "--123456789012345678901234567890",
        "[1e400",
        "[1e400,]",
        "[1e400,\"",
        "[1e400,\"\\",
        "[1e400 1]",
    };
    char *claims = malloc(4096), *digits = malloc(1001);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        snprintf(claims, 4096, CLAIMS ",\"x\":%s}", numbers[i]);
        mrc_token_unref(accept(claims));
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(claims, 4096, CLAIMS ",\"x\":%s}", wrong[i]);
        refuse(claims, "not valid JSON");
    }
    memset(digits, '9', 1000);
    digits[1000] = '\0';
    snprintf(claims, 4096, CLAIMS ",\"x\":[%s,-%s]}", digits, digits);
    mrc_token_unref(accept(claims));
    refuse(CLAIMS ",\"x\":1e400,\"exp\":1767225600}", "a duplicate member");
    refuse(NO_AUD ",\"aud\":\"" HUB "\",\"sub\":98765432109876543210}", "sub must be a string");
    mrc_token_unref(accept(NO_AUD ",\"aud\":\"" HUB "\",\"iat\":1e400}"));
    free(claims);
    free(digits);
}
END_TEST

/* RFC 7519, 4.3: private claims may hold anything. */
START_TEST(claims_that_are_not_used_hold_any_value)
{
    static const char *const claims[] = {
        CLAIMS ",\"name\":\"a\\u0000b\"}",
        CLAIMS ",\"name\":\"\\ud83d\"}",
        CLAIMS ",\"\\u0000\":1,\"\\udc00\":2}",
        CLAIMS ",\"x\":{\"a\":1,\"a\":1}}",
        CLAIMS
        ",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
        /* The claim of protocol 0.x, a detail for another API, and members that no detail has. */
        CLAIMS ",\"mercure\":{\"publish\":[\"\\u0000\"],\"payload\":\"\\ud800\"}}",
        CLAIMS_WITH("{\"type\":\"other\",\"actions\":\"\\u0000\",\"payload\":{\"\\ud800\":1}}"),
        CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\"],\"x\":\"\\u0000\",\"topics\":"
                               "[{\"match\":\"a\",\"y\":\"\\ud800\"}]")),
    };

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
        mrc_token_unref(accept(claims[i]));
}
END_TEST

START_TEST(claims_that_are_used_are_strict)
{
    static const char deep[] = CLAIMS_WITH(
        ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"}],\"payload\":"
                   "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"));
    static const struct {
        const char *claims, *words;
    } cases[] = {
        {"{\"iss\":\"" ISSUER "\\u0000\",\"aud\":\"" HUB "\",\"exp\":1767225600}",
         "the claims are not valid JSON: a NUL character"},
        {"{\"iss\":\"" ISSUER "\\ud800\",\"aud\":\"" HUB "\",\"exp\":1767225600}",
         "half of a surrogate pair"},
        {"{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\\u0000\",\"exp\":1767225600}",
         "a NUL character"},
        {"{\"iss\":\"" ISSUER "\",\"aud\":[\"" HUB "\",\"\\ud800\"],\"exp\":1767225600}",
         "half of a surrogate pair"},
        {"{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225600,\"sub\":\"a\\u0000\"}",
         "a NUL character"},
        {"{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225600,\"sub\":\"\\ud800\"}",
         "half of a surrogate pair"},
        {CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\\u0000\"}]")),
         "a NUL character"},
        {CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"}],"
                                "\"payload\":{\"a\":\"\\ud800\"}")),
         "half of a surrogate pair"},
        {deep, "more than 32 levels"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(cases[i].claims, cases[i].words);
}
END_TEST

START_TEST(the_reason_names_issuer_and_key_but_holds_no_token)
{
    char *text = token_sign(MRC_ALG_HS256, "another secret of sufficient length",
                            "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k\\n1\"}", CLAIMS "}");
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    ck_assert_int_eq(verify(text, NOW_US, &reason, &token), MRC_EINVAL);
    ck_assert_words(reason,
                    "issuer \"" ISSUER "\", kid \"k?1\": the HS256 signature does not match");
    ck_assert_ptr_null(strstr(reason.text, "eyJ"));
    free(text);
}
END_TEST

/* The longest quoted names leave room for the rest of the reason. */
START_TEST(long_names_do_not_cut_the_reason)
{
    char header[256], claims[512], name[101], *text;
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", name);
    snprintf(claims, sizeof(claims),
             "{\"iss\":\"" ISSUER "\",\"aud\":[\"%s\",\"b\"],\"exp\":1767225600}", name);
    text = token_sign(MRC_ALG_HS256, SECRET, header, claims);
    ck_assert_int_eq(verify(text, NOW_US, &reason, &token), MRC_EINVAL);
    ck_assert_words(reason, "and others; this hub expects \"" HUB "\" or another of its names");
    free(text);
}
END_TEST

START_TEST(references_are_counted)
{
    struct mrc_token *token = accept(CLAIMS "}");

    ck_assert_ptr_eq(mrc_token_ref(token), token);
    mrc_token_unref(token);
    ck_assert_str_eq(mrc_token_get_issuer(token), ISSUER);
    mrc_token_unref(token);
    mrc_token_unref(NULL);
}
END_TEST

static bool grants_any(const struct mrc_token *token, const struct mrc_bytes *texts, size_t count)
{
    struct mrc_topics topics;
    bool grants;

    ck_assert_int_eq(mrc_topics_init(&topics, texts, count), MRC_OK);
    ck_assert_int_eq(mrc_token_grants_any(token, MRC_ACTION_SUBSCRIBE, &topics, &grants), MRC_OK);
    mrc_topics_clear(&topics);
    mrc_topics_clear(&topics);
    return grants;
}

START_TEST(all_topics_to_publish_any_topic_to_receive)
{
    struct mrc_token *token =
        accept(CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\",\"subscribe\"],\"topics\":[{"
                                      "\"match\":\"a\"},{\"match\":\"b\"}]")));
    struct mrc_bytes topics[] = {mrc_bytes_of("a"), mrc_bytes_of("b"), mrc_bytes_of("c"),
                                 mrc_bytes_of("d"), mrc_bytes_of("e"), mrc_bytes_of("b")};

    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(mrc_token_grants(token, MRC_ACTION_PUBLISH, topics[i]), i < 2 || i == 5);
    ck_assert(grants_any(token, topics, 3));
    ck_assert(!grants_any(token, topics + 2, 1));
    ck_assert(!grants_any(token, topics + 2, 3));
    ck_assert(grants_any(token, topics + 1, 5)); /* more than a few */
    ck_assert(!grants_any(token, topics, 0));
    mrc_token_unref(token);
}
END_TEST

/* Anybody may send such a token, so the time must not be quadratic in the number of digits. */
START_TEST(long_numbers_take_linear_time)
{
    static const char begin[] = "{\"a\":1e999,\"b\":";
    size_t len = 2 << 20;
    char *text = malloc(len);
    json_t *value = NULL;

    memset(text, '0', len);
    memcpy(text, begin, sizeof(begin) - 1);
    text[len - 1] = '}';
    ck_assert_int_eq(mrc_json_parse((struct mrc_bytes){text, len}, NULL, &value), MRC_EINVAL);
    free(text);
}
END_TEST

START_TEST(peek_reads_unverified_claims)
{
    char *text = token_sign(MRC_ALG_HS256, "x", AT, "{\"iss\":\"i\",\"aud\":[\"a\",\"b\"]}");
    char *issuer = NULL, *audience = NULL;

    ck_assert_int_eq(mrc_token_peek(mrc_bytes_of(text), NULL, &issuer, &audience), MRC_OK);
    ck_assert_str_eq(issuer, "i");
    ck_assert_str_eq(audience, "a");
    free(issuer);
    free(audience);
    free(text);
    text = token_sign(MRC_ALG_HS256, "x", AT, "{\"iss\":1,\"aud\":[]}");
    ck_assert_int_eq(mrc_token_peek(mrc_bytes_of(text), NULL, &issuer, &audience), MRC_OK);
    ck_assert_ptr_null(issuer);
    ck_assert_ptr_null(audience);
    free(text);
    ck_assert_int_eq(mrc_token_peek(mrc_bytes_of("x"), NULL, &issuer, &audience), MRC_EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token");
    TCase *tcase = tcase_create("token");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, valid_tokens_grant_their_details);
    tcase_add_test(tcase, typ_is_access_token);
    tcase_add_test(tcase, exp_is_required_and_enforced);
    tcase_add_test(tcase, far_times_are_clamped);
    tcase_add_test(tcase, nbf_is_enforced_if_present);
    tcase_add_test(tcase, aud_names_this_hub);
    tcase_add_test(tcase, iss_is_trusted_and_exact);
    tcase_add_test(tcase, keys_of_issuers_are_never_pooled);
    tcase_add_test(tcase, rows_of_one_issuer_are_bounded);
    tcase_add_test(tcase, keys_may_be_pending);
    tcase_add_test(tcase, claims_are_one_json_object);
    tcase_add_test(tcase, numbers_may_be_of_any_size);
    tcase_add_test(tcase, long_numbers_take_linear_time);
    tcase_add_test(tcase, claims_that_are_not_used_hold_any_value);
    tcase_add_test(tcase, claims_that_are_used_are_strict);
    tcase_add_test(tcase, the_reason_names_issuer_and_key_but_holds_no_token);
    tcase_add_test(tcase, long_names_do_not_cut_the_reason);
    tcase_add_test(tcase, references_are_counted);
    tcase_add_test(tcase, all_topics_to_publish_any_topic_to_receive);
    tcase_add_test(tcase, peek_reads_unverified_claims);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
