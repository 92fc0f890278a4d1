#include "core/token/cache.h"

#include <pthread.h>

#include "core/jose/jws.h"
#include "tokens.h"

#define AT "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"

static const char *const audiences[] = {HUB};

/* A policy with one secret. */
struct world {
    struct mrc_keyset *keys;
    struct mrc_token_trust trust;
    struct mrc_token_policy policy;
    struct mrc_token_cache *cache;
};

static struct world world;

static void setup(void)
{
    world.keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    world.trust = (struct mrc_token_trust){ISSUER, MRC_ALG_SET_HMAC, world.keys};
    world.policy = (struct mrc_token_policy){
        .trust = &world.trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .limits = {9, 9, 99},
    };
    ck_assert_int_eq(mrc_token_cache_create(3, &world.cache), MRC_OK);
}

static void teardown(void)
{
    mrc_token_cache_free(world.cache);
    mrc_keyset_free(world.keys);
}

static char *make(int number)
{
    char claims[512];

    snprintf(claims, sizeof(claims), CLAIMS ",\"number\":%d}", number);
    return token_sign(MRC_ALG_HS256, SECRET, AT, claims);
}

static enum mrc_err ask(const char *scope, const char *token, int64_t now_us,
                        struct mrc_token **ret_token)
{
    return mrc_token_cache_verify(world.cache, mrc_bytes_of(scope), mrc_bytes_of(token),
                                  &world.policy, now_us, NULL, ret_token);
}

/* Removes all trust: a token that is still accepted comes from the cache. */
static bool is_cached(const char *scope, const char *token)
{
    struct mrc_token_policy nothing = world.policy;
    struct mrc_token *found = NULL;
    enum mrc_err err;

    nothing.trust_count = 0;
    err = mrc_token_cache_verify(world.cache, mrc_bytes_of(scope), mrc_bytes_of(token), &nothing,
                                 NOW_US, NULL, &found);
    mrc_token_unref(found);
    return err == MRC_OK;
}

START_TEST(caches_tokens_per_scope)
{
    struct mrc_token *first = NULL, *again = NULL;
    char *token = make(1);

    ck_assert(!is_cached("a", token));
    ck_assert_int_eq(ask("a", token, NOW_US, &first), MRC_OK);
    ck_assert(is_cached("a", token));
    ck_assert(!is_cached("b", token));
    ck_assert(!is_cached("", token));
    ck_assert_int_eq(ask("a", token, NOW_US, &again), MRC_OK);
    ck_assert_ptr_eq(first, again);
    ck_assert_int_eq(ask("b", token, NOW_US, &again), MRC_OK);
    ck_assert_ptr_ne(first, again);
    mrc_token_unref(first);
    mrc_token_unref(first); /* both for "a" */
    mrc_token_unref(again);
    free(token);
}
END_TEST

START_TEST(scope_and_token_do_not_run_together)
{
    struct mrc_token *found = NULL;
    char *token = make(1), scope[8];

    ck_assert_int_eq(ask("a", token, NOW_US, &found), MRC_OK);
    mrc_token_unref(found);
    snprintf(scope, sizeof(scope), "a%c", token[0]);
    ck_assert(!is_cached(scope, token + 1));
    free(token);
}
END_TEST

START_TEST(refusals_are_not_cached)
{
    struct mrc_token *found = NULL;
    char *token = token_sign(MRC_ALG_HS256, "x" SECRET, AT, CLAIMS "}");

    ck_assert_int_eq(ask("a", token, NOW_US, &found), MRC_EINVAL);
    ck_assert_ptr_null(found);
    ck_assert_uint_eq(mrc_token_cache_get_count(world.cache), 0);
    free(token);
}
END_TEST

START_TEST(entries_expire_with_their_token)
{
    int64_t exp_us = 1767225600LL * 1000000;
    struct mrc_token *found = NULL;
    char *token = make(1);

    ck_assert_int_eq(ask("a", token, NOW_US, &found), MRC_OK);
    mrc_token_unref(found);
    ck_assert_int_eq(ask("a", token, exp_us - 1, &found), MRC_OK);
    mrc_token_unref(found);
    ck_assert_uint_eq(mrc_token_cache_get_count(world.cache), 1);
    ck_assert_int_eq(ask("a", token, exp_us, &found), MRC_EINVAL);
    ck_assert_uint_eq(mrc_token_cache_get_count(world.cache), 0);
    ck_assert(!is_cached("a", token));
    free(token);
}
END_TEST

START_TEST(evicts_the_least_recently_used)
{
    struct mrc_token *found = NULL;
    char *tokens[4];

    for (int i = 0; i < 3; i++) {
        tokens[i] = make(i);
        ck_assert_int_eq(ask("a", tokens[i], NOW_US, &found), MRC_OK);
        mrc_token_unref(found);
    }
    ck_assert(is_cached("a", tokens[0])); /* used again, so 1 is now the oldest */
    tokens[3] = make(3);
    ck_assert_int_eq(ask("a", tokens[3], NOW_US, &found), MRC_OK);
    mrc_token_unref(found);
    ck_assert_uint_eq(mrc_token_cache_get_count(world.cache), 3);
    ck_assert(!is_cached("a", tokens[1]));
    ck_assert(is_cached("a", tokens[0]));
    ck_assert(is_cached("a", tokens[2]));
    ck_assert(is_cached("a", tokens[3]));
    for (int i = 0; i < 4; i++)
        free(tokens[i]);
}
END_TEST

START_TEST(an_evicted_token_lives_while_it_is_used)
{
    struct mrc_token *held = NULL, *found = NULL;
    char *token = make(0);

    ck_assert_int_eq(ask("a", token, NOW_US, &held), MRC_OK);
    free(token);
    for (int i = 1; i < 10; i++) {
        token = make(i);
        ck_assert_int_eq(ask("a", token, NOW_US, &found), MRC_OK);
        mrc_token_unref(found);
        free(token);
    }
    ck_assert_str_eq(mrc_token_get_subject(held), "alice");
    mrc_token_unref(held);
}
END_TEST

START_TEST(sizes_are_bounded)
{
    char *text = malloc(MRC_JWS_MAX_BYTES + 2);
    struct mrc_token_cache *cache = NULL;
    struct mrc_token *found = NULL;

    ck_assert_int_eq(mrc_token_cache_create(0, &cache), MRC_EINVAL);
    ck_assert_int_eq(mrc_token_cache_create(((size_t)1 << 24) + 1, &cache), MRC_EINVAL);
    ck_assert_ptr_null(cache);
    mrc_token_cache_free(NULL);
    memset(text, 'A', MRC_JWS_MAX_BYTES + 1);
    text[MRC_JWS_MAX_BYTES + 1] = '\0';
    ck_assert_int_eq(ask("a", text, NOW_US, &found), MRC_ELIMIT);
    text[MRC_JWS_MAX_BYTES] = '\0';
    ck_assert_int_eq(ask("a", text, NOW_US, &found), MRC_EINVAL);
    free(text);
}
END_TEST

START_TEST(caches_the_longest_token)
{
    char *padding = calloc(1, MRC_JWS_MAX_BYTES), *claims = calloc(1, MRC_JWS_MAX_BYTES);
    struct mrc_token *found = NULL;
    char *token = NULL;

    /*
     * A byte of padding is four thirds of a character: one of four headers gives the exact length.
     */
    for (size_t n = 48000, kid = 0; kid < 4 && !token; n++) {
        char header[64];

        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"%.*s\"}",
                 (int)kid, "xxxx");
        memset(padding, 'x', n);
        padding[n] = '\0';
        snprintf(claims, MRC_JWS_MAX_BYTES, CLAIMS ",\"x\":\"%s\"}", padding);
        token = token_sign(MRC_ALG_HS256, SECRET, header, claims);
        if (strlen(token) != MRC_JWS_MAX_BYTES) {
            if (strlen(token) > MRC_JWS_MAX_BYTES) {
                n = 48000;
                kid++;
            }
            free(token);
            token = NULL;
        }
    }
    ck_assert_ptr_nonnull(token);
    ck_assert_int_eq(ask("a", token, NOW_US, &found), MRC_OK);
    mrc_token_unref(found);
    ck_assert(is_cached("a", token));
    free(padding);
    free(claims);
    free(token);
}
END_TEST

static void *hammer(void *arg)
{
    char *tokens[6];
    bool ok = true;

    for (int i = 0; i < 6; i++)
        tokens[i] = make(i);
    for (int i = 0; i < 600; i++) {
        struct mrc_token *found = NULL;

        ok = ok && ask("a", tokens[i * 7 % 6], NOW_US, &found) == MRC_OK &&
             strcmp(mrc_token_get_subject(found), "alice") == 0;
        mrc_token_unref(found);
    }
    for (int i = 0; i < 6; i++)
        free(tokens[i]);
    return ok ? arg : NULL;
}

START_TEST(threads_share_the_cache)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, &world), 0);
    for (int i = 0; i < 4; i++) {
        void *result;

        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_nonnull(result);
    }
    ck_assert_uint_eq(mrc_token_cache_get_count(world.cache), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_cache");
    TCase *tcase = tcase_create("token_cache");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, caches_tokens_per_scope);
    tcase_add_test(tcase, scope_and_token_do_not_run_together);
    tcase_add_test(tcase, refusals_are_not_cached);
    tcase_add_test(tcase, entries_expire_with_their_token);
    tcase_add_test(tcase, evicts_the_least_recently_used);
    tcase_add_test(tcase, an_evicted_token_lives_while_it_is_used);
    tcase_add_test(tcase, sizes_are_bounded);
    tcase_add_test(tcase, caches_the_longest_token);
    tcase_add_test(tcase, threads_share_the_cache);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
