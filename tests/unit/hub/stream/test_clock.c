/* Streams end when their tokens expire, even if the time of day is set meanwhile. */
#include "dispatcher_unit.h"
#include "tokens.h"

#define HOUR (3600 * SECOND)

/* What the time of day is ahead of store/base/clock.h. */
static _Atomic int64_t ahead_us;

apr_time_t apr_time_now(void)
{
    return mrc_clock_us() + atomic_load(&ahead_us);
}

static void set_clock(int64_t by_us)
{
    atomic_fetch_add(&ahead_us, by_us);
}

/* A token that expires at NOW_US and an hour. */
static struct mrc_token *make_token(void)
{
    static const char *const audiences[] = {HUB};
    struct mrc_keyset *keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    const struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(MRC_ALG_HS256), keys};
    const struct mrc_token_policy policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .base = HUB,
        .limits = {10, 10, 100},
    };
    struct mrc_error error = {""};
    struct mrc_token *token = NULL;
    char claims[200], *text;

    snprintf(claims, sizeof(claims),
             "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":%lld,\"sub\":\"alice\"}",
             NOW_S + 3600);
    text = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", claims);
    ck_assert_msg(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &error, &token) == MRC_OK,
                  "%s", error.text);
    mrc_keyset_free(keys);
    free(text);
    return token;
}

static void start_at(const struct mrc_hub_spec *spec)
{
    atomic_store(&ahead_us, NOW_US - mrc_clock_us());
    start(1 << 20, 1, spec);
}

static struct client *connect_for_an_hour(void)
{
    return connect_with(MRC_MATCHER_EXACT, "*", NULL, make_token());
}

/* Makes the loop look at the clock. */
static void wake(unsigned id)
{
    publish(id, "https://example.com/", 1);
}

START_TEST(the_clock_is_set_forward)
{
    struct client *anonymous, *alice;

    start_at(&patient);
    anonymous = connect_all();
    alice = connect_for_an_hour();
    wake(1);
    wait_until(received(alice) == 1 && received(anonymous) == 1);
    set_clock(HOUR / 2);
    wake(2);
    wait_until(received(alice) == 2 && received(anonymous) == 2);
    set_clock(HOUR / 2);
    wake(3);
    ck_assert_ended(alice, MRC_END_EXPIRED);
    wait_until(received(anonymous) == 3);
    ck_assert_int_eq(atomic_load(&anonymous->end), STILL_OPEN);
    finish();
}
END_TEST

/* The lifetime is a duration, and the token ends no later than it seemed at first. */
START_TEST(the_clock_is_set_back)
{
    struct mrc_hub_spec spec = patient;
    struct client *mortal, *alice;

    spec.limits.lifetime_us = 100 * HOUR;
    start_at(&spec);
    mortal = connect_all();
    alice = connect_for_an_hour();
    set_clock(-1000 * HOUR);
    wake(1);
    wait_until(received(alice) == 1 && received(mortal) == 1);
    set_clock(1000 * HOUR);
    wake(2);
    wait_until(received(alice) == 2 && received(mortal) == 2);
    set_clock(HOUR);
    wake(3);
    ck_assert_ended(alice, MRC_END_EXPIRED);
    set_clock(1000 * HOUR);
    wake(4);
    wait_until(received(mortal) == 4);
    ck_assert_int_eq(atomic_load(&mortal->end), STILL_OPEN);
    finish();
}
END_TEST

/* The stream begins before the clock is set, and comes to its loop later. */
START_TEST(the_clock_is_set_before_the_loop_has_the_stream)
{
    struct mrc_stream *stream;
    struct client *first;
    int fds[2];

    start_at(&patient);
    first = connect_all();
    wake(1);
    wait_until(received(first) == 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, make_token());
    set_clock(HOUR);
    wake(2);
    wait_until(received(first) == 2);
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[1], MRC_END_EXPIRED);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clock");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, the_clock_is_set_forward);
    tcase_add_test(tcase, the_clock_is_set_back);
    tcase_add_test(tcase, the_clock_is_set_before_the_loop_has_the_stream);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
