/* The loop: long replays along with live streams, several hubs, and clients that hang up. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "dispatcher_unit.h"

static atomic_bool is_enough;

static void publish_one_more(struct client *client)
{
    if (!atomic_load(&is_enough))
        publish(1000, "https://example.com/endless", 1);
}

/* A replay that never ends, because there is always more to replay, does not delay live streams. */
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

#define CROWD      100
#define LARGE_DATA (120 * 1024)

static atomic_uint crowd_writes, seen_writes;
static atomic_bool must_block; /* in the next write */

static void count_write(struct client *client)
{
    if (atomic_exchange(&must_block, false))
        block_once(client);
    client->on_write = count_write;
    atomic_fetch_add(&crowd_writes, 1);
}

static void see_writes(struct client *client)
{
    client->on_write = NULL;
    atomic_store(&seen_writes, atomic_load(&crowd_writes));
}

/* A second hub in the same child. */
static struct mrc_hub *open_other(struct mrc_hub_segment **ret_segment)
{
    struct mrc_error error = {""};
    struct mrc_hub *hub;

    ck_assert_int_eq(mrc_hub_segment_create(place.pool, place.dir, "other",
                                            &mrc_hub_get_spec(place.hub)->shape, HUB_SLOTS,
                                            store_budget(), &error, ret_segment),
                     APR_SUCCESS);
    hub = mrc_hub_open(place.pool, *ret_segment, place.notify, HUB_SLOT, 1,
                       mrc_hub_get_spec(place.hub), MRC_HISTORY_OPEN_WAIT_US, &error);
    ck_assert_msg(hub != NULL, "%s", error.text);
    return hub;
}

static void finish_with(struct mrc_hub *other, struct mrc_hub_segment *segment)
{
    mrc_dispatcher_stop(dispatcher);
    dispatcher = NULL;
    mrc_hub_close(other);
    mrc_hub_segment_close(segment);
    mrc_segment_remove(place.dir, "other");
    finish();
}

/* Publishes until each stream of the crowd has received an update from the feed. */
static void wait_until_all_listen(void)
{
    uint64_t before;
    unsigned id = 0;

    do {
        before = hub_counter(&place, MRC_COUNTER_DELIVERIES);
        publish(id++, "https://example.com/a", 1);
        wait_until(atomic_load(&crowd_writes) >= id * CROWD);
    } while (hub_counter(&place, MRC_COUNTER_DELIVERIES) - before < CROWD);
    atomic_store(&crowd_writes, 0);
}

/* An update of one hub does not wait until the streams of another hub have written the much that
 * they have. */
START_TEST(a_large_fan_out_delays_no_other_hub)
{
    struct mrc_hub_segment *segment;
    struct mrc_hub *other;
    struct client *quiet;
    int fds[2];

    start(1 << 20, 1, &patient);
    other = open_other(&segment);
    for (int i = 0; i < CROWD; i++) {
        struct mrc_stream *stream;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        stream = make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL);
        clients[i].swallows = true;
        clients[i].on_write = count_write;
        mrc_dispatcher_post(dispatcher, stream);
    }
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    mrc_dispatcher_post(dispatcher, make_stream_of(other, fds, MRC_MATCHER_EXACT, "*", NULL, NULL));
    quiet = &clients[CROWD];
    hub_publish(other, "id-1", "https://example.com/b", "x");
    wait_until(received(quiet) == 1);
    wait_until_all_listen();

    ck_assert_int_eq(sem_init(&entered, 0, 0), 0);
    ck_assert_int_eq(sem_init(&released, 0, 0), 0);
    quiet->on_write = see_writes;
    atomic_store(&must_block, true);
    publish(1000, "https://example.com/a", LARGE_DATA);
    while (sem_wait(&entered) < 0)
        ;
    hub_publish(other, "id-2", "https://example.com/b", "x");
    sem_post(&released);
    wait_until(received(quiet) == 2);
    wait_until(atomic_load(&crowd_writes) >= CROWD * (LARGE_DATA / MRC_CARRIER_WRITE_BYTES + 1));
    ck_assert_uint_gt(atomic_load(&seen_writes), 0);
    ck_assert_uint_lt(atomic_load(&seen_writes), atomic_load(&crowd_writes) / 2);
    finish_with(other, segment);
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
    tcase_add_test(tcase, a_large_fan_out_delays_no_other_hub);
    tcase_add_test(tcase, a_client_hangs_up);
    tcase_add_test(tcase, a_client_may_be_gone_before_the_first_write);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
