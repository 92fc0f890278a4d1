/*
 * The loop: long replays beside live streams, and clients that hang up.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "dispatcher_unit.h"

static atomic_bool is_enough;

static void publish_one_more(struct client *client)
{
    if (!atomic_load(&is_enough))
        publish(1000, "https://example.com/endless", 1);
}

/* A replay that never ends, because there is always more, does not delay live streams. */
START_TEST(a_long_replay_delays_no_live_stream)
{
    struct mrc_stream *stream;
    struct client *live;
    int fds[2];

    start(1 << 20, 1, &patient);
    live = connect_with(MRC_MATCHER_EXACT, "https://example.com/live", NULL, NULL);
    publish(1, "https://example.com/live", 1);
    wait_until(received(live) == 1);
    publish(2, "https://example.com/endless", 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "https://example.com/endless", "earliest", NULL);
    clients[1].swallows = true;
    clients[1].on_write = publish_one_more;
    mrc_dispatcher_post(dispatcher, stream);
    wait_until(hub_counter(&place, MRC_COUNTER_UPDATES) > 10);
    publish(3, "https://example.com/live", 1);
    wait_until(received(live) == 2 || atomic_load(&live->end) != STILL_OPEN);
    ck_assert_uint_eq(received(live), 2);
    atomic_store(&is_enough, true);
    finish();
}
END_TEST

/* A stream that always has something to write ends, too. */
START_TEST(a_long_replay_ends_after_its_lifetime)
{
    struct mrc_hub_spec spec = patient;
    struct mrc_stream *stream;
    int fds[2];

    spec.limits.lifetime_us = SECOND;
    start(1 << 20, 1, &spec);
    publish(1, "https://example.com/endless", 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", "earliest", NULL);
    clients[0].swallows = true;
    clients[0].on_write = publish_one_more;
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[0], MRC_END_LIFETIME);
    finish();
}
END_TEST

/* The two ends of a TCP connection. */
static void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, len), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
}

START_TEST(a_client_hangs_up)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct client *closes, *half, *resets, *stays;
    int fds[2];

    start(1 << 20, 1, &patient);
    closes = connect_all();
    half = connect_all();
    stays = connect_all();
    tcp_pair(fds);
    mrc_dispatcher_post(dispatcher, make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL));
    resets = &clients[clients_count - 1];
    publish(0, "https://example.com/a", 10);
    ck_assert_all_delivered();
    close(closes->fd);
    closes->is_closed = true;
    shutdown(half->fd, SHUT_WR);
    setsockopt(resets->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(resets->fd);
    resets->is_closed = true;
    ck_assert_ended(closes, MRC_END_CLIENT);
    ck_assert_ended(half, MRC_END_CLIENT);
    ck_assert_ended(resets, MRC_END_CLIENT);
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 1);
    publish(1, "https://example.com/a", 10);
    wait_until(received(stays) == 2);
    finish();
}
END_TEST

/* The client is gone before the dispatcher adopts the stream. */
START_TEST(a_client_may_be_gone_before_the_first_write)
{
    struct mrc_stream *stream;
    int fds[2];

    start(1 << 20, 1, &patient);
    publish(0, "https://example.com/a", 10);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", "earliest", NULL);
    close(clients[0].fd);
    clients[0].is_closed = true;
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[0], MRC_END_CLIENT);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *tcase = tcase_create("loop");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, a_long_replay_delays_no_live_stream);
    tcase_add_test(tcase, a_long_replay_ends_after_its_lifetime);
    tcase_add_test(tcase, a_client_hangs_up);
    tcase_add_test(tcase, a_client_may_be_gone_before_the_first_write);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
