/*
 * Orders and revocations are read with each allocation failing in turn: no revoked token is
 * accepted, and no order is skipped silently.
 */
#include "core/base/buf.h"
#include "failing_calls.h"
#include "hub/control/order.h"
#include "hub/control/orders.h"
#include "hub/control/revoked.h"
#include "store/regions/revocations.h"
#include "store/ring/ring.h"
#include "store_unit.h"
#include "tokens.h"

#define ORDERS 40

static apr_pool_t *pool;
static struct mrc_revocations *list;
static struct mrc_ring *ring;
static struct mrc_token *bad, *good;

static struct mrc_token *token_of(const char *claims)
{
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);
    const struct mrc_token_trust trust = {ISSUER, MRC_ALG_SET_HMAC, keys};
    const char *const audiences[] = {HUB};
    const struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .limits = {.details = 10, .topics = 10, .pattern_bytes = 100},
    };
    char *text =
        token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", claims);
    struct mrc_error error = {""};
    struct mrc_token *token = NULL;

    ck_assert_msg(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &error, &token) == MRC_OK,
                  "%s", error.text);
    free(text);
    mrc_keyset_free(keys);
    return token;
}

static struct mrc_bytes encode(const struct mrc_order *order, struct mrc_buf *buf)
{
    mrc_buf_init(buf, SIZE_MAX);
    mrc_order_encode(order, buf);
    ck_assert_int_eq(mrc_buf_error(buf), MRC_OK);
    return mrc_buf_bytes(buf);
}

/* Adds the revocation of the token with this jti, or removes it. */
static void set_revoked(const char *jti, bool is_on)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
    struct mrc_revocation entry = {.id = {(unsigned char)jti[0]}, .until_us = INT64_MAX};
    struct mrc_buf buf;

    order.jti = mrc_bytes_of(jti);
    entry.data = encode(&order, &buf);
    ck_assert_int_eq(is_on ? mrc_revocations_add(list, &entry, NOW_US)
                           : mrc_revocations_remove(list, entry.id, NOW_US),
                     APR_SUCCESS);
    mrc_buf_free(&buf);
}

static void set_up(void)
{
    pool = store_pool();
    ck_assert_int_eq(mrc_revocations_create(pool, store_shared(mrc_revocations_bytes()), &list),
                     APR_SUCCESS);
    ring = store_ring(pool, 1 << 20, (struct mrc_ring_bounds){.count = 0});
    bad = token_of(CLAIMS "}");
    good = token_of("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":1767225600,"
                    "\"sub\":\"bob\",\"client_id\":\"" ISSUER "\",\"iat\":1767225300,"
                    "\"jti\":\"2\"}");
    set_revoked("1", true);
}

static void tear_down(void)
{
    mrc_token_unref(bad);
    mrc_token_unref(good);
    apr_pool_destroy(pool);
}

/* Without an index no token is accepted; the next look makes one. Returns whether TOKEN gets the
 * answer that it would get with memory. */
static bool look_at(struct mrc_revoked *revoked, const struct mrc_token *token)
{
    bool has = mrc_revoked_has(revoked, token, NOW_US);
    long left = fail_later();

    ck_assert(has || token == good);
    ck_assert(!mrc_revoked_has(revoked, good, NOW_US));
    ck_assert(mrc_revoked_has(revoked, bad, NOW_US));
    fail_again(left);
    return has == (token == bad);
}

static bool look_first(const struct mrc_token *token)
{
    long left = fail_later();
    struct mrc_revoked *revoked;
    apr_pool_t *own;
    bool is_done;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    revoked = mrc_revoked_create(own, list);
    fail_again(left);
    is_done = look_at(revoked, token);
    left = fail_later();
    apr_pool_destroy(own);
    fail_again(left);
    return is_done;
}

/* Looks again after the list has changed: the index is made anew, in the memory of the previous
 * one, which is too small. */
static bool look_again(const struct mrc_token *token)
{
    long left = fail_later();
    struct mrc_revoked *revoked;
    char jti[] = "A";
    apr_pool_t *own;
    bool is_done;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    revoked = mrc_revoked_create(own, list);
    ck_assert(!mrc_revoked_has(revoked, good, NOW_US));
    for (; *jti <= 'Z'; ++*jti)
        set_revoked(jti, true);
    fail_again(left);
    is_done = look_at(revoked, token);
    left = fail_later();
    while (--*jti >= 'A')
        set_revoked(jti, false);
    apr_pool_destroy(own);
    fail_again(left);
    return is_done;
}

static bool refuse_first(void)
{
    return look_first(bad);
}

static bool accept_first(void)
{
    return look_first(good);
}

static bool refuse_again(void)
{
    return look_again(bad);
}

static bool accept_again(void)
{
    return look_again(good);
}

static void count_order(void *ctx, const struct mrc_order *order)
{
    (*(unsigned *)ctx)++;
}

static bool read_orders(void)
{
    unsigned count = 0;
    apr_status_t status = mrc_orders_read(ring, 0, mrc_ring_control(ring), count_order, &count);

    ck_assert(!status || status == APR_ENOMEM);
    ck_assert(status || count == ORDERS);
    return status == APR_SUCCESS;
}

START_TEST(revoked_tokens)
{
    fail_in_turn("refuse", refuse_first, 3);
    fail_in_turn_strictly("accept", accept_first, 3, 0);
    fail_in_turn("refuse again", refuse_again, 3);
    fail_in_turn_strictly("accept again", accept_again, 3, 0);
}
END_TEST

START_TEST(orders)
{
    const struct mrc_order order = mrc_order_init(MRC_ORDER_DISCONNECT);
    struct mrc_buf buf;
    struct mrc_bytes bytes = encode(&order, &buf);
    uint64_t pos;

    for (int i = 0; i < ORDERS; i++)
        ck_assert_int_eq(mrc_ring_append_control(ring, bytes, 1, 1000, &pos), APR_SUCCESS);
    mrc_buf_free(&buf);
    fail_in_turn("read", read_orders, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, revoked_tokens);
    tcase_add_test(tcase, orders);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
