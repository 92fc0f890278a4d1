/*
 * Every allocation of the core fails in turn: the call reports that or copes, frees what it has
 * allocated, and works again afterwards.
 */
#include "core/base/json.h"
#include "core/pattern/automaton.h"
#include "core/pattern/template.h"
#include "core/protocol/form.h"
#include "core/protocol/subscription_doc.h"
#include "core/protocol/update.h"
#include "core/token/cache.h"
#include "core/topic/matcher.h"
#include "core/topic/reserved.h"
#include "core/url/url.h"
#include "failing_alloc.h"
#include "mrc_config.h"
#include "tokens.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"1\"}"
#define JWKS                                                                                       \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"1\","                               \
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},{\"kty\":\"none\"}]}"

#ifdef HAVE_ICU
#define HOST "b\303\274cher.example"
#else
#define HOST "Books.Example"
#endif

static const struct mrc_grants_limits limits = {.details = 10, .topics = 10, .pattern_bytes = 1000};
static char *signed_token;
static struct mrc_keyset *secret_keys;

static void set_up(void)
{
    secret_keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    signed_token = token_sign(
        MRC_ALG_HS256, SECRET, HEADER,
        CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\",\"subscribe\"],\"topics\":[{\"match\":"
                               "\"https://example.com/:a/*\",\"match_type\":\"urlpattern\"},"
                               "{\"match\":\"b\"}],\"payload\":{\"c\":[1,\"d\"]}")));
}

static void tear_down(void)
{
    mrc_keyset_free(secret_keys);
    free(signed_token);
}

/* ---- what is done -----------------------------------------------------------------------------*/

static enum mrc_err parse_urls(void)
{
    static const char *const texts[] = {"https://us%20er:p%ff@" HOST ":81/a/../%zz?q#f",
                                        "mailto:a b", "http://[::ffff:1.2.3.4]/", "http://0x7f.1/"};
    struct mrc_url *base = NULL, *url = NULL;
    enum mrc_err err = mrc_url_parse(mrc_bytes_of(HUB), NULL, NULL, &base);

    for (size_t i = 0; !err && i < sizeof(texts) / sizeof(texts[0]); i++) {
        err = mrc_url_parse(mrc_bytes_of(texts[i]), base, NULL, &url);
        if (!err)
            mrc_url_free(url);
    }
    mrc_url_free(base);
    return err;
}

/* A matcher of TYPE for VALUE, asked about a topic. */
static enum mrc_err match(enum mrc_matcher_type type, const char *value)
{
    struct mrc_matcher *matcher = NULL;
    struct mrc_anchor_text anchor;
    struct mrc_topic topic;
    bool matches;
    enum mrc_err err = mrc_matcher_create(type, mrc_bytes_of(value), HUB, NULL, &matcher);

    if (err)
        return err;
    mrc_topic_init(&topic, mrc_bytes_of("https://example.com/a/b?c=d"), HUB);
    err = mrc_topic_get_anchor(&topic, MRC_ANCHOR_URL, &anchor);
    if (!err)
        err = mrc_matcher_match_topic(matcher, &topic, &matches);
    mrc_topic_clear(&topic);
    mrc_matcher_free(matcher);
    return err;
}

static enum mrc_err match_pattern(void)
{
    return match(MRC_MATCHER_URLPATTERN, "http{s}?://:sub.example.com/:a(\\d+|[a-z]+)/*\\?c=:d");
}

static enum mrc_err match_relative_pattern(void)
{
    return match(MRC_MATCHER_URLPATTERN, "/:a/{b/}?:c*");
}

static enum mrc_err match_template(void)
{
    return match(MRC_MATCHER_TEMPLATE, "https://example.com/{a}/{+b}{?c,d*}");
}

static enum mrc_err match_exact(void)
{
    return match(MRC_MATCHER_EXACT, "https://example.com/a/b?c=d");
}

static enum mrc_err read_jwks(void)
{
    struct mrc_keyset *keys = NULL;
    enum mrc_err err = mrc_keyset_parse(mrc_bytes_of(JWKS), MRC_ALG_SET_EDDSA, 0, NULL, &keys);

    mrc_keyset_free(keys);
    return err;
}

static enum mrc_err read_secret(void)
{
    struct mrc_keyset *keys = NULL;
    enum mrc_err err = mrc_keyset_parse(mrc_bytes_of(SECRET), MRC_ALG_SET_HMAC, 0, NULL, &keys);

    mrc_keyset_free(keys);
    return err;
}

static enum mrc_err sign(void)
{
    char *text = NULL;
    enum mrc_err err = mrc_sign_jws(MRC_ALG_HS256, mrc_bytes_of(SECRET), mrc_bytes_of(HEADER),
                                    mrc_bytes_of(CLAIMS "}"), NULL, &text);

    free(text);
    return err;
}

static const char *const audiences[] = {HUB};

static struct mrc_token_policy policy_of(const struct mrc_token_trust *trust)
{
    return (struct mrc_token_policy){.trust = trust,
                                     .trust_count = 1,
                                     .audiences = audiences,
                                     .audience_count = 1,
                                     .base = HUB,
                                     .limits = limits};
}

/* Verifies the token, and asks what it grants. */
static enum mrc_err verify(void)
{
    const struct mrc_token_trust trust = {ISSUER, MRC_ALG_SET_HMAC, secret_keys};
    const struct mrc_token_policy policy = policy_of(&trust);
    const struct mrc_bytes topic = mrc_bytes_of("https://example.com/a/b");
    struct mrc_token *token = NULL;
    struct mrc_topics topics;
    bool grants = false;
    enum mrc_err err = mrc_token_verify(mrc_bytes_of(signed_token), &policy, NOW_US, NULL, &token);

    if (err)
        return err;
    err = mrc_topics_init(&topics, &topic, 1);
    if (!err) {
        err = mrc_token_grants_any(token, MRC_ACTION_SUBSCRIBE, &topics, &grants);
        if (!err && !grants)
            err = MRC_EINVAL;
        mrc_topics_clear(&topics);
    }
    mrc_token_unref(token);
    return err;
}

static enum mrc_err verify_with_a_cache(void)
{
    const struct mrc_token_trust trust = {ISSUER, MRC_ALG_SET_HMAC, secret_keys};
    const struct mrc_token_policy policy = policy_of(&trust);
    struct mrc_token_cache *cache = NULL;
    struct mrc_token *token = NULL;
    enum mrc_err err = mrc_token_cache_create(2, &cache);

    for (int i = 0; !err && i < 2; i++) {
        err = mrc_token_cache_verify(cache, mrc_bytes_of("scope"), mrc_bytes_of(signed_token),
                                     &policy, NOW_US, NULL, &token);
        if (!err)
            mrc_token_unref(token);
    }
    mrc_token_cache_free(cache);
    return err;
}

static enum mrc_err peek(void)
{
    char *issuer = NULL, *audience = NULL;
    int64_t exp_us;
    enum mrc_err err = mrc_token_peek(mrc_bytes_of(signed_token), NULL, &issuer, &audience);

    if (!err) {
        free(issuer);
        free(audience);
        err = mrc_token_peek_exp_us(mrc_bytes_of(signed_token), &exp_us);
    }
    return err;
}

/* A publication from its form to its record and back. */
static enum mrc_err publish(void)
{
    const struct mrc_update_limits sizes = {
        .topics_max = 10, .field_max_bytes = 100, .id_max_bytes = 100};
    struct mrc_update update, again;
    struct mrc_form *form = NULL;
    struct mrc_buf buf;
    enum mrc_err err = mrc_form_parse(
        mrc_bytes_of("topic=a&topic=%62&topic=c&data=d%0Ae&id=f&type=g&retry=1&private=on"), 20,
        NULL, &form);

    if (!err)
        err = mrc_update_parse(form, &sizes, NULL, &update);
    if (!err) {
        mrc_buf_init(&buf, SIZE_MAX);
        mrc_update_encode(&update, &buf);
        err = mrc_buf_error(&buf);
        if (!err)
            err = mrc_update_decode(update.id, mrc_buf_bytes(&buf), &again);
        if (!err)
            mrc_update_clear(&again);
        mrc_buf_free(&buf);
        mrc_update_clear(&update);
    }
    mrc_form_free(form);
    return err;
}

static enum mrc_err document(void)
{
    const struct mrc_subscription_doc doc = {.ref = {.variables = 3,
                                                     .match_type = mrc_bytes_of("exact"),
                                                     .match = mrc_bytes_of("a/b\303\244"),
                                                     .subscriber = mrc_bytes_of("urn:uuid:1")},
                                             .payload = mrc_bytes_of("{}"),
                                             .active = true};
    struct mrc_buf buf, ended;
    enum mrc_err err;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_buf_init(&ended, SIZE_MAX);
    mrc_subscription_doc_add(&buf, "/hub", &doc);
    err = mrc_buf_error(&buf);
    if (!err && !mrc_subscription_doc_add_ended(&ended, mrc_buf_bytes(&buf)))
        err = mrc_buf_error(&ended) ? mrc_buf_error(&ended) : MRC_EINVAL;
    mrc_buf_free(&ended);
    mrc_buf_free(&buf);
    return err;
}

/* Without memory a topic counts as reserved. */
static enum mrc_err reserve(void)
{
    static const char *const paths[] = {"/.well-known/mercure"};

    return mrc_reserved_covers(mrc_bytes_of("https://example.com/b\303\274cher/./x"), HUB, paths, 1)
               ? MRC_ENOMEM
               : MRC_OK;
}

/* ---- the test ---------------------------------------------------------------------------------*/

static const struct {
    const char *name;
    enum mrc_err (*run)(void);
    long least; /* allocations */
} steps[] = {
    {"urls", parse_urls, 5},
    {"pattern", match_pattern, 10},
    {"relative pattern", match_relative_pattern, 10},
    {"template", match_template, 2},
    {"exact", match_exact, 1},
    {"jwks", read_jwks, 5},
    {"secret", read_secret, 2},
    {"sign", sign, 2},
    {"verify", verify, 10},
    {"cache", verify_with_a_cache, 10},
    {"peek", peek, 2},
    {"publish", publish, 4},
    {"document", document, 2},
    {"reserve", reserve, 1},
};

#define STEPS (int)(sizeof(steps) / sizeof(steps[0]))

START_TEST(each_allocation_may_fail)
{
    enum mrc_err err = steps[_i].run(); /* OpenSSL and PCRE2 now have what they allocate once */
    bool is_used;
    long i;

    ck_assert_msg(err == MRC_OK, "%s: %d", steps[_i].name, err);
    for (i = 0, is_used = true; is_used; i++) {
        long before = alloc_bytes, lost;

        alloc_left = i;
        err = steps[_i].run();
        is_used = alloc_left < 0;
        alloc_left = -1; /* before the checks, which also allocate */
        lost = alloc_bytes - before;
        ck_assert_msg(err == MRC_ENOMEM || err == MRC_OK, "%s: %ld: %d", steps[_i].name, i, err);
        ck_assert_msg(is_used || err == MRC_OK, "%s: %ld", steps[_i].name, i);
        /* Jansson has allocated the text of a payload, which the token frees. */
        ck_assert_msg(lost <= 0, "%s: %ld: %ld bytes are lost", steps[_i].name, i, lost);
    }
    ck_assert_msg(i > steps[_i].least, "%s: %ld", steps[_i].name, i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, each_allocation_may_fail, 0, STEPS);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
