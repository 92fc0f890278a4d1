/* The handles of streams: orders find streams among many, and only those. */
#include "hub/control/order.h"
#include "hub/stream/carrier.h"
#include "hub/stream/handles.h"
#include "hub/stream/stream.h"
#include "hub_unit.h"
#include "tokens.h"

/* There are far more groups than buckets at first. */
#define TOKENS  1000
#define STREAMS (TOKENS * 2)

static const struct mrc_hub_spec spec = {.limits.backlog_bytes = 1000};

static struct mrc_carrier_ops ops = {.kind = MRC_CARRIER_DETACHED};
static struct mrc_carrier carrier = {.ops = &ops};
static struct hub_place place;
static struct mrc_handles *handles;
static struct mrc_token *tokens[TOKENS];
static struct mrc_stream *streams[STREAMS + 1]; /* the last one is anonymous */

static struct mrc_token *make_token(const struct mrc_keyset *keys, unsigned number)
{
    const struct mrc_token_trust trust = {ISSUER, MRC_ALG_SET_HMAC, keys};
    const char *const audiences[] = {HUB};
    const struct mrc_token_policy policy = {.trust = &trust,
                                            .trust_count = 1,
                                            .audiences = audiences,
                                            .audience_count = 1,
                                            .limits = {10, 10, 100}};
    struct mrc_error error = {""};
    struct mrc_token *token = NULL;
    char claims[200], *text;

    snprintf(claims, sizeof(claims),
             "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB
             "\",\"exp\":4000000000,\"sub\":\"user %u\",\"jti\":\"%u\"}",
             number % 100, number);
    text = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", claims);
    ck_assert_msg(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &error, &token) == MRC_OK,
                  "%s", error.text);
    free(text);
    return token;
}

static struct mrc_stream *make_stream(struct mrc_token *token)
{
    struct mrc_subscriber *subscriber = NULL;
    struct mrc_stream *stream;

    ck_assert_int_eq(hub_try_subscribe(place.hub, hub_matcher(MRC_MATCHER_EXACT, "t", NULL), NULL,
                                       token ? mrc_token_ref(token) : NULL, &subscriber),
                     APR_SUCCESS);
    stream = mrc_stream_create(subscriber, &carrier, 0);
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(mrc_handles_add(handles, stream), APR_SUCCESS);
    return stream;
}

static void setup(void)
{
    static const uint64_t key[2] = {1, 2};
    struct mrc_keyset *keys = keys_of(SECRET, MRC_ALG_SET_HMAC);

    place = hub_place_open(4 << 20, &spec);
    handles = mrc_handles_create(key);
    ck_assert_ptr_nonnull(handles);
    for (unsigned i = 0; i < TOKENS; i++)
        tokens[i] = make_token(keys, i);
    for (unsigned i = 0; i < STREAMS; i++)
        streams[i] = make_stream(tokens[i % TOKENS]);
    streams[STREAMS] = make_stream(NULL);
    mrc_keyset_free(keys);
}

static void drop(unsigned number)
{
    if (!streams[number])
        return;
    mrc_handles_remove(handles, streams[number]);
    ck_assert_ptr_null(streams[number]->handle);
    mrc_stream_discard(streams[number], MRC_END_CLIENT);
    streams[number] = NULL;
}

static void teardown(void)
{
    for (unsigned i = 0; i <= STREAMS; i++)
        drop(i);
    for (unsigned i = 0; i < TOKENS; i++)
        mrc_token_unref(tokens[i]);
    mrc_handles_free(handles);
    hub_place_close(&place);
}

/* The streams that were found, in an order without meaning. */
static unsigned found[STREAMS], found_count;

static void note(void *ctx, struct mrc_stream *stream)
{
    for (unsigned i = 0; i <= STREAMS; i++) {
        if (streams[i] == stream)
            found[found_count++] = i;
    }
}

/*
 * The number of streams that ORDER finds. Fails unless each has a number that is NUMBER modulo
 * EACH.
 */
static unsigned find(const struct mrc_order *order, unsigned number, unsigned each)
{
    found_count = 0;
    ck_assert(mrc_handles_find(handles, order, note, NULL));
    for (unsigned i = 0; i < found_count; i++)
        ck_assert_uint_eq(found[i] % each, number);
    return found_count;
}

static void check_all(void)
{
    char text[32];

    for (unsigned i = 0; i < TOKENS; i++) {
        struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);
        unsigned left = (streams[i] != NULL) + (streams[i + TOKENS] != NULL);

        order.token =
            (struct mrc_bytes){(const char *)mrc_token_get_hash(tokens[i]), MRC_ORDER_HASH_BYTES};
        ck_assert_uint_eq(find(&order, i, TOKENS), left);
        order = mrc_order_init(MRC_ORDER_DISCONNECT);
        snprintf(text, sizeof(text), "%u", i);
        order.jti = mrc_bytes_of(text);
        ck_assert_uint_eq(find(&order, i, TOKENS), left);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct mrc_order order = mrc_order_init(MRC_ORDER_DISCONNECT);
        unsigned left = 0;

        for (unsigned k = i; k < STREAMS; k += 100)
            left += streams[k] != NULL;
        snprintf(text, sizeof(text), "user %u", i);
        order.sub = mrc_bytes_of(text);
        ck_assert_uint_eq(find(&order, i, 100), left);
    }
}

START_TEST(many_groups)
{
    const struct mrc_order nobody = {.sub = mrc_bytes_of("nobody"), .issued_before_us = INT64_MAX};
    const struct mrc_order all = mrc_order_init(MRC_ORDER_DISCONNECT);

    check_all();
    ck_assert_uint_eq(find(&nobody, 0, 1), 0);
    ck_assert(!mrc_handles_find(handles, &all, note, NULL));
    for (unsigned i = 0; i < STREAMS; i += 3)
        drop(i);
    check_all();
    for (unsigned i = 0; i < TOKENS; i++) {
        drop(i);
        drop(i + TOKENS);
        if (i % 100 == 50)
            check_all();
    }
    check_all();
}
END_TEST

static void end(void *ctx, struct mrc_stream *stream)
{
    for (unsigned i = 0; i <= STREAMS; i++) {
        if (streams[i] == stream)
            drop(i);
    }
    found_count++;
}

/* Streams that an order ends leave while the order looks for others. */
START_TEST(removed_while_found)
{
    struct mrc_order order = mrc_order_init(MRC_ORDER_REVOKE);

    order.sub = mrc_bytes_of("user 7");
    found_count = 0;
    ck_assert(mrc_handles_find(handles, &order, end, NULL));
    ck_assert_uint_eq(found_count, STREAMS / 100);
    check_all();
}
END_TEST

/* Serial numbers grow, so that a list of streams can be continued. */
START_TEST(serials)
{
    for (unsigned i = 1; i <= STREAMS; i++)
        ck_assert_uint_eq(mrc_handle_get_serial(streams[i]->handle),
                          mrc_handle_get_serial(streams[i - 1]->handle) + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handles");
    TCase *tcase = tcase_create("handles");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, many_groups);
    tcase_add_test(tcase, removed_while_found);
    tcase_add_test(tcase, serials);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
