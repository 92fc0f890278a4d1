/* Orders: their bytes, and the streams that they apply to. */
#include "core/base/buf.h"
#include "hub/control/order.h"
#include "hub/control/orders.h"
#include "store/ring/ring.h"
#include "store_unit.h"
#include "tokens.h"

#define SUBSCRIBER "urn:uuid:1"

static const unsigned char home[MRC_ORDER_ADDRESS_BYTES] = {[10] = 0xff, 0xff, 127, 0, 0, 1};

static struct mrc_token *verified(const char *claims)
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

static struct mrc_matcher *matcher_of(enum mrc_matcher_type type, const char *value)
{
    struct mrc_matcher *matcher = NULL;

    ck_assert_int_eq(mrc_matcher_create(type, mrc_bytes_of(value), HUB, NULL, &matcher), MRC_OK);
    return matcher;
}

/* Encodes ORDER and decodes it again; its views live in BUF. */
static struct mrc_order travel(const struct mrc_order *order, struct mrc_buf *buf)
{
    struct mrc_order copy;

    mrc_buf_init(buf, SIZE_MAX);
    mrc_order_encode(order, buf);
    ck_assert_int_eq(mrc_buf_error(buf), MRC_OK);
    ck_assert_int_eq(mrc_order_decode(mrc_buf_bytes(buf), &copy), MRC_OK);
    return copy;
}

static struct mrc_order full_order(void)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);

    order.subscriber = mrc_bytes_of(SUBSCRIBER);
    order.sub = mrc_bytes_of("alice");
    order.jti = mrc_bytes_of("1");
    order.iss = mrc_bytes_of(ISSUER);
    order.token = mrc_bytes_of("0123456789abcdef0123456789abcdef");
    order.match = mrc_bytes_of("https://example.com/a");
    order.match_type = mrc_bytes_of("exact");
    order.address = (struct mrc_bytes){(const char *)home, sizeof(home)};
    order.id = mrc_bytes_of("urn:uuid:2");
    order.issued_before_us = -5;
    order.until_us = INT64_C(0x0102030405060708);
    return order;
}

START_TEST(all_fields_travel)
{
    const struct mrc_order order = full_order();
    struct mrc_buf buf;
    struct mrc_order copy = travel(&order, &buf);

    ck_assert_int_eq(copy.kind, MRC_ORDER_REVOKE);
    ck_assert_bytes_eq(copy.subscriber, SUBSCRIBER);
    ck_assert_bytes_eq(copy.sub, "alice");
    ck_assert_bytes_eq(copy.jti, "1");
    ck_assert_bytes_eq(copy.iss, ISSUER);
    ck_assert_bytes_eq(copy.token, "0123456789abcdef0123456789abcdef");
    ck_assert_bytes_eq(copy.match, "https://example.com/a");
    ck_assert_bytes_eq(copy.match_type, "exact");
    ck_assert_uint_eq(copy.address.len, sizeof(home));
    ck_assert_bytes_eq(copy.id, "urn:uuid:2");
    ck_assert_int_eq(copy.issued_before_us, -5);
    ck_assert_int_eq(copy.until_us, INT64_C(0x0102030405060708));
    mrc_buf_free(&buf);
}
END_TEST

/*
 * No truncated or changed order is read past its end, and no order of a later version applies to
 * anything.
 */
START_TEST(broken_bytes_are_refused)
{
    const struct mrc_order order = full_order();
    struct mrc_order unused;
    struct mrc_buf buf;
    char *bytes;
    size_t len;

    travel(&order, &buf);
    len = mrc_buf_bytes(&buf).len;
    for (size_t cut = 0; cut < len; cut++) {
        bytes = malloc(cut ? cut : 1); /* of the exact size, for AddressSanitizer */
        memcpy(bytes, mrc_buf_bytes(&buf).ptr, cut);
        mrc_order_decode((struct mrc_bytes){bytes, cut}, &unused);
        free(bytes);
    }
    bytes = malloc(len);
    for (size_t i = 0; i < len * 256; i++) {
        memcpy(bytes, mrc_buf_bytes(&buf).ptr, len);
        bytes[i / 256] = (char)i;
        mrc_order_decode((struct mrc_bytes){bytes, len}, &unused);
    }
    free(bytes);
    ck_assert_int_eq(mrc_order_decode(mrc_bytes_of("\1"), &unused), MRC_EINVAL);
    ck_assert_int_eq(mrc_order_decode((struct mrc_bytes){"\2\0", 2}, &unused), MRC_EUNSUPPORTED);
    ck_assert_int_eq(mrc_order_decode((struct mrc_bytes){"\1\3", 2}, &unused), MRC_EUNSUPPORTED);
    ck_assert_int_eq(mrc_order_decode((struct mrc_bytes){"\1\0\x63\0\0\0\0", 7}, &unused),
                     MRC_EUNSUPPORTED); /* an unknown field */
    ck_assert_int_eq(
        mrc_order_decode((struct mrc_bytes){"\1\0\2\1\0\0\0a\2\1\0\0\0b", 14}, &unused),
        MRC_EINVAL); /* a field that is repeated */
    ck_assert_int_eq(mrc_order_decode((struct mrc_bytes){"\1\0\x5\1\0\0\0a", 8}, &unused),
                     MRC_EINVAL); /* a hash of one byte */
    mrc_buf_free(&buf);
}
END_TEST

START_TEST(every_field_must_fit)
{
    struct mrc_token *token = verified(CLAIMS_WITH(""));
    struct mrc_matcher *matchers[] = {matcher_of(MRC_MATCHER_EXACT, "https://example.com/a"),
                                      matcher_of(MRC_MATCHER_URLPATTERN, "https://example.com/*")};
    const struct mrc_order_target target = {token, SUBSCRIBER, home, matchers, 2};
    const struct mrc_order_target anonymous = {NULL, SUBSCRIBER, NULL, matchers, 2};
    const struct mrc_order all = mrc_order_init(MRC_ORDER_DISCONNECT);
    struct mrc_order order = full_order();

    ck_assert(mrc_order_applies(&all, &target));
    ck_assert(mrc_order_applies(&all, &anonymous));
    order.token = (struct mrc_bytes){(const char *)mrc_token_get_hash(token), MRC_ORDER_HASH_BYTES};
    order.issued_before_us = NOW_US + 1;
    ck_assert(mrc_order_applies(&order, &target));
    ck_assert(!mrc_order_applies(&order, &anonymous));

#define ck_assert_needs(field, other)                                                              \
    do {                                                                                           \
        struct mrc_order changed = order;                                                          \
                                                                                                   \
        changed.field = (other);                                                                   \
        ck_assert(!mrc_order_applies(&changed, &target));                                          \
    } while (0)
    ck_assert_needs(subscriber, mrc_bytes_of("urn:uuid:2"));
    ck_assert_needs(sub, mrc_bytes_of("bob"));
    ck_assert_needs(sub, mrc_bytes_of(""));
    ck_assert_needs(jti, mrc_bytes_of("2"));
    ck_assert_needs(iss, mrc_bytes_of("https://example.org"));
    ck_assert_needs(token, mrc_bytes_of("0123456789abcdef0123456789abcdef"));
    ck_assert_needs(match, mrc_bytes_of("https://example.com/b"));
    ck_assert_needs(match_type, mrc_bytes_of("urlpattern"));
    ck_assert_needs(address, mrc_bytes_of("0123456789abcdef"));
    ck_assert_needs(issued_before_us, NOW_US);
    for (int i = 0; i < 2; i++)
        mrc_matcher_free(matchers[i]);
    mrc_token_unref(token);
}
END_TEST

/* A claim that the protocol does not use may have any value; a value of another type counts as
 * missing. */
START_TEST(claims_may_be_missing)
{
    struct mrc_token *token = verified("{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB
                                       "\",\"exp\":1767225600,\"iat\":\"soon\",\"jti\":[1]}");
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);

    ck_assert_ptr_null(mrc_token_get_id(token));
    ck_assert_int_eq(mrc_token_get_issued_us(token), INT64_MIN);
    order.issued_before_us = 1;
    ck_assert(mrc_order_fits_token(&order, token)); /* a missing iat counts as older */
    ck_assert(!mrc_order_fits_token(&order, NULL));
    order.jti = mrc_bytes_of("1");
    ck_assert(!mrc_order_fits_token(&order, token));
    mrc_token_unref(token);
}
END_TEST

/* ---- in a ring --------------------------------------------------------------------------------*/

static void append(struct mrc_ring *ring, const char *sub)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_DISCONNECT);
    struct mrc_buf buf;
    uint64_t pos;

    order.sub = mrc_bytes_of(sub);
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_order_encode(&order, &buf);
    ck_assert_int_eq(mrc_ring_append_control(ring, mrc_buf_bytes(&buf), NOW_US, 0, &pos),
                     APR_SUCCESS);
    mrc_buf_free(&buf);
}

static void note(void *ctx, const struct mrc_order *order)
{
    mrc_buf_add_bytes(ctx, order->sub);
}

/* The subs of the orders between two marks. */
static apr_status_t read_between(struct mrc_ring *ring, uint64_t after, uint64_t until,
                                 struct mrc_buf *subs)
{
    mrc_buf_reset(subs);
    return mrc_orders_read(ring, after, until, note, subs);
}

START_TEST(orders_are_read_in_order)
{
    struct mrc_ring *ring = store_ring(store_pool(), 4096, (struct mrc_ring_bounds){.count = 0});
    uint64_t seq, pos, middle, opened;
    struct mrc_buf subs;

    mrc_buf_init(&subs, SIZE_MAX);
    ck_assert_int_eq(read_between(ring, 0, mrc_ring_control(ring), &subs), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&subs), "");
    append(ring, "a");
    ck_assert_int_eq(mrc_ring_append_control(ring, mrc_bytes_of("nonsense"), NOW_US, 0, &pos),
                     APR_SUCCESS);
    append(ring, "b");
    middle = mrc_ring_control(ring);
    ck_assert_int_eq(
        mrc_ring_append(ring, mrc_bytes_of("id"), mrc_bytes_of("x"), 1, NOW_US, 0, &seq, &pos),
        APR_SUCCESS);
    opened = mrc_ring_head(ring);
    append(ring, "c");
    append(ring, "d");
    ck_assert_int_eq(read_between(ring, 0, mrc_ring_control(ring), &subs), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&subs), "abcd");
    ck_assert_int_eq(read_between(ring, middle, mrc_ring_control(ring), &subs), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&subs), "cd");
    ck_assert_int_eq(read_between(ring, 0, middle, &subs), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&subs), "ab");
    ck_assert_int_eq(read_between(ring, opened, mrc_ring_control(ring), &subs), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&subs), "cd");
    for (int i = 0; i < 100; i++)
        append(ring, "e");
    ck_assert_int_eq(read_between(ring, middle, mrc_ring_control(ring), &subs), MRC_STATUS_OVERRUN);
    mrc_buf_free(&subs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("order");
    TCase *tcase = tcase_create("order");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, all_fields_travel);
    tcase_add_test(tcase, broken_bytes_are_refused);
    tcase_add_test(tcase, every_field_must_fit);
    tcase_add_test(tcase, claims_may_be_missing);
    tcase_add_test(tcase, orders_are_read_in_order);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
