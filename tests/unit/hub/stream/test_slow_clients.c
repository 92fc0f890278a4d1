/* Clients that read little or nothing, for a while or for ever. */
#include <sys/ioctl.h>

#include "dispatcher_unit.h"

/* Publishes until the stream of the paused client ends; three others get everything. */
static void outrun(struct client *slow)
{
    const struct client *others[3];
    unsigned id = 0;

    for (int i = 0; i < 3; i++)
        others[i] = connect_all();
    slow->is_paused = true;
    while (atomic_load(&slow->end) == STILL_OPEN) {
        ck_assert_uint_lt(id, 20000);
        for (int i = 0; i < 10; i++)
            publish(id++, "https://example.com/a", 4000);
        wait_until(all_have(others, 3, id)); /* so they never fall behind */
    }
    ck_assert_ended(slow, MRC_END_SLOW);
    publish(id, "https://example.com/a", 1);
    ck_assert_all_delivered();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(atomic_load(&others[i]->end), STILL_OPEN);
    slow->is_paused = false;
    wait_until(slow->is_closed);
    ck_assert_uint_lt(received(slow), id);
}

START_TEST(a_full_backlog_ends_only_its_stream)
{
    struct mrc_hub_spec spec = patient;

    spec.limits.backlog_bytes = 100000;
    start(64 << 20, 2, &spec);
    outrun(connect_all());
    finish();
}
END_TEST

START_TEST(a_client_that_takes_nothing_ends_in_time)
{
    struct mrc_hub_spec spec = patient;
    struct client *slow;

    spec.limits.dispatch_timeout_us = SECOND / 2;
    start(64 << 20, 2, &spec);
    slow = connect_all();
    slow->is_paused = true;
    for (unsigned i = 0; i < 200; i++) /* more than any socket buffer holds */
        publish(i, "https://example.com/a", 10000);
    ck_assert_ended(slow, MRC_END_SLOW);
    finish();
}
END_TEST

/* A client that pauses while its stream is LIVE gets everything. */
START_TEST(a_client_that_pauses_goes_on)
{
    struct mrc_hub_spec spec = patient;
    struct client *client;

    spec.limits.heartbeat_us = SECOND / 20;
    start(64 << 20, 1, &spec);
    client = connect_all();
    wait_until(mrc_buf_bytes(&client->in).len > 0); /* a heartbeat, so it has caught up */
    client->is_paused = true;
    for (unsigned i = 0; i < 300; i++)
        publish(i, "https://example.com/a", 10000);
    wait_until(hub_counter(&place, MRC_COUNTER_DELIVERIES) == 300);
    client->is_paused = false;
    ck_assert_all_delivered();
    finish();
}
END_TEST

/* So does a client that pauses in its REPLAY: the stream reads nothing more meanwhile. */
START_TEST(a_client_that_pauses_in_its_replay_goes_on)
{
    struct mrc_stream *stream;
    int fds[2], taken = 0;

    start(64 << 20, 1, &patient);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL);
    clients[0].is_paused = true;
    for (unsigned i = 0; i < 300; i++)
        publish(i, "https://example.com/a", 10000);
    mrc_dispatcher_post(dispatcher, stream);
    wait_until(ioctl(fds[0], FIONREAD, &taken) == 0 && taken > 0);
    ck_assert_uint_lt(hub_counter(&place, MRC_COUNTER_DELIVERIES), 300);
    clients[0].is_paused = false;
    ck_assert_all_delivered();
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_DELIVERIES), 300);
    finish();
}
END_TEST

static unsigned heartbeats(const struct client *client)
{
    struct mrc_bytes in = mrc_buf_bytes(&client->in);
    unsigned n = 0;

    for (size_t i = 0; i + 1 < in.len; i++)
        n += in.ptr[i] == ':' && in.ptr[i + 1] == '\n';
    return n;
}

/* While the stream is pending it waits for the client, and afterwards for the heartbeat. */
START_TEST(a_client_that_has_paused_gets_heartbeats_again)
{
    struct mrc_hub_spec spec = patient;
    struct client *client, *other;
    unsigned before;

    spec.limits.heartbeat_us = SECOND / 20;
    start(64 << 20, 1, &spec);
    client = connect_all();
    other = connect_all();
    wait_until(heartbeats(client) > 0 && heartbeats(other) > 0);
    client->is_paused = true;
    for (unsigned i = 0; i < 300; i++)
        publish(i, "https://example.com/a", 10000);
    wait_until(received(other) == 300);
    before = heartbeats(other);
    wait_until(heartbeats(other) >= before + 3); /* its own heartbeats would also have come */
    client->is_paused = false;
    ck_assert_all_delivered();
    before = heartbeats(client);
    wait_until(heartbeats(client) > before);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slow_clients");
    TCase *tcase = tcase_create("slow_clients");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, a_full_backlog_ends_only_its_stream);
    tcase_add_test(tcase, a_client_that_takes_nothing_ends_in_time);
    tcase_add_test(tcase, a_client_that_pauses_goes_on);
    tcase_add_test(tcase, a_client_that_pauses_in_its_replay_goes_on);
    tcase_add_test(tcase, a_client_that_has_paused_gets_heartbeats_again);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
