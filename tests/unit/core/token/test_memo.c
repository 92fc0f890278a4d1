#include "core/token/memo.h"

#include "tokens.h"

#define SCOPE "scope"

static struct mrc_token *token;
static char *text;
static struct mrc_token_memo *memo;

static void setup(void)
{
    static const char *const audiences[] = {HUB};
    struct mrc_keyset *keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    const struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(MRC_ALG_HS256), keys};
    const struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .limits = {9, 9, 99},
    };

    text = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", CLAIMS "}");
    ck_assert_int_eq(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, NULL, &token), MRC_OK);
    mrc_keyset_free(keys);
    memo = mrc_token_memo_create(mrc_bytes_of(SCOPE), mrc_bytes_of(text), token);
    ck_assert_ptr_nonnull(memo);
}

static void teardown(void)
{
    mrc_token_memo_free(memo);
    mrc_token_unref(token);
    free(text);
}

static bool is_found(const char *scope, struct mrc_bytes presented, int64_t now_us)
{
    struct mrc_token *found = mrc_token_memo_find(memo, mrc_bytes_of(scope), presented, now_us);

    if (found)
        ck_assert_ptr_eq(found, token);
    mrc_token_unref(found);
    return found != NULL;
}

START_TEST(finds_the_same_text_in_the_same_scope)
{
    struct mrc_bytes whole = mrc_bytes_of(text);

    ck_assert(is_found(SCOPE, whole, NOW_US));
    ck_assert(!is_found("Scope", whole, NOW_US));
    ck_assert(!is_found("scop", whole, NOW_US));
    ck_assert(!is_found("scopes", whole, NOW_US));
    ck_assert(!is_found(SCOPE, (struct mrc_bytes){whole.ptr, whole.len - 1}, NOW_US));
    ck_assert(!is_found(SCOPE, mrc_bytes_of(""), NOW_US));
}
END_TEST

START_TEST(each_byte_of_the_text_counts)
{
    struct mrc_bytes whole = mrc_bytes_of(text);

    for (size_t i = 0; i < whole.len; i++) {
        text[i] ^= 1;
        ck_assert_msg(!is_found(SCOPE, whole, NOW_US), "byte %zu", i);
        text[i] ^= 1;
    }
    ck_assert(is_found(SCOPE, whole, NOW_US));
}
END_TEST

START_TEST(an_expired_token_is_not_found)
{
    int64_t exp_us = mrc_token_get_exp_us(token);

    ck_assert(is_found(SCOPE, mrc_bytes_of(text), exp_us - 1));
    ck_assert(!is_found(SCOPE, mrc_bytes_of(text), exp_us));
}
END_TEST

START_TEST(no_memo_finds_nothing)
{
    ck_assert_ptr_null(mrc_token_memo_find(NULL, mrc_bytes_of(SCOPE), mrc_bytes_of(text), NOW_US));
    mrc_token_memo_free(NULL);
}
END_TEST

START_TEST(the_room_is_limited)
{
    static char long_text[MRC_TOKEN_MEMO_MAX_BYTES];
    struct mrc_bytes scope = mrc_bytes_of(SCOPE);
    struct mrc_bytes most = {long_text, sizeof(long_text) - scope.len};
    struct mrc_bytes too_long = {long_text, most.len + 1};
    struct mrc_token_memo *full = mrc_token_memo_create(scope, most, token);

    ck_assert_ptr_nonnull(full);
    mrc_token_memo_free(full);
    ck_assert_ptr_null(mrc_token_memo_create(scope, too_long, token));
    full = mrc_token_memo_create((struct mrc_bytes){long_text, sizeof(long_text)}, mrc_bytes_of(""),
                                 token);
    ck_assert_ptr_nonnull(full);
    mrc_token_memo_free(full);
    ck_assert_ptr_null(
        mrc_token_memo_create((struct mrc_bytes){long_text, SIZE_MAX}, scope, token));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memo");
    TCase *tcase = tcase_create("memo");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, finds_the_same_text_in_the_same_scope);
    tcase_add_test(tcase, each_byte_of_the_text_counts);
    tcase_add_test(tcase, an_expired_token_is_not_found);
    tcase_add_test(tcase, no_memo_finds_nothing);
    tcase_add_test(tcase, the_room_is_limited);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
