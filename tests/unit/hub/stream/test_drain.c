/*
 * The end: draining, carriers that may not be closed yet, and stopping.
 */
#include <pthread.h>

#include "dispatcher_unit.h"

/* The reconnection time that CLIENT has received. Fails if it has received anything else. */
static unsigned retry_of(struct client *client)
{
    struct mrc_bytes in;
    char text[64];
    char *end;
    unsigned long ms;

    wait_until(client->is_closed);
    in = mrc_buf_bytes(&client->in);
    ck_assert_uint_lt(in.len, sizeof(text));
    ck_assert(mrc_bytes_starts_with(in, mrc_bytes_of("retry: ")));
    memcpy(text, in.ptr, in.len);
    text[in.len] = '\0';
    ms = strtoul(text + 7, &end, 10);
    ck_assert_str_eq(end, "\n\n");
    ck_assert_uint_ge(ms, 500);
    ck_assert_uint_le(ms, 3000);
    return (unsigned)ms;
}

static void drain(bool graceful)
{
    int64_t first_us = INT64_MAX, last_us = 0;
    bool differ = false;

    start(1 << 20, 3, &patient);
    for (int i = 0; i < 60; i++)
        connect_all();
    mrc_dispatcher_post_drain(dispatcher, graceful);
    for (size_t i = 0; i < 60; i++) {
        int64_t closed_us;

        ck_assert_ended(&clients[i], MRC_END_DRAINING);
        differ |= retry_of(&clients[i]) != retry_of(&clients[0]);
        closed_us = atomic_load(&clients[i].closed_us);
        first_us = closed_us < first_us ? closed_us : first_us;
        last_us = closed_us > last_us ? closed_us : last_us;
    }
    ck_assert(differ); /* the clients do not all come back at the same time */
    if (graceful)
        ck_assert_int_gt(last_us - first_us, MRC_LOOP_DRAIN_US / 10);
    connect_all(); /* too late */
    ck_assert_ended(&clients[60], MRC_END_DRAINING);
    retry_of(&clients[60]);
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 0);
    finish();
}

START_TEST(drains_gracefully)
{
    drain(true);
}
END_TEST

START_TEST(drains_at_once)
{
    drain(false);
}
END_TEST

START_TEST(a_drain_at_once_overtakes_a_graceful_one)
{
    start(1 << 20, 2, &patient);
    for (int i = 0; i < 20; i++)
        connect_all();
    mrc_dispatcher_post_drain(dispatcher, true);
    mrc_dispatcher_post_drain(dispatcher, false);
    for (size_t i = 0; i < 20; i++)
        ck_assert_ended(&clients[i], MRC_END_DRAINING);
    finish();
}
END_TEST

START_TEST(stops_with_streams_left)
{
    start(1 << 20, 3, &patient);
    mrc_dispatcher_stop(NULL);
    for (int i = 0; i < 50; i++) {
        connect_all();
        publish((unsigned)i, "https://example.com/a", 100);
    }
    mrc_dispatcher_stop(dispatcher); /* some are just posted, some write, some wait */
    for (size_t i = 0; i < 50; i++) {
        ck_assert_int_eq(atomic_load(&clients[i].end), MRC_END_DRAINING);
        ck_assert(!atomic_load(&clients[i].was_forced));
    }
    for (size_t i = 0; i < 50; i++) {
        read_some(&clients[i]);
        mrc_buf_free(&clients[i].in);
        mrc_matcher_free(clients[i].wants);
    }
    hub_place_close(&place);
}
END_TEST

START_TEST(a_carrier_is_closed_when_it_allows)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_all();
    atomic_store(&client->gate_shut, true);
    publish(0, "https://example.com/a", 10);
    wait_until(received(client) == 1);
    close(client->fd);
    client->is_closed = true;
    wait_until(atomic_load(&client->refused) >= 3);
    ck_assert_int_eq(atomic_load(&client->end), STILL_OPEN);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_SUBSCRIBERS),
                      0); /* its seat is free */
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 1);
    atomic_store(&client->gate_shut, false);
    ck_assert_ended(client, MRC_END_CLIENT);
    ck_assert(!atomic_load(&client->was_forced));
    finish();
}
END_TEST

/* Clients do not wait for carriers that may not be closed yet. */
START_TEST(a_stream_ends_before_its_carrier_is_closed)
{
    start(1 << 20, 1, &patient);
    for (int i = 0; i < 100; i++)
        atomic_store(&connect_all()->gate_shut, true);
    mrc_dispatcher_post_drain(dispatcher, false);
    for (size_t i = 0; i < 100; i++)
        retry_of(&clients[i]); /* and the end of the stream */
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 100);
    wait_until(atomic_load(&clients[0].refused) >= 3);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_int_eq(atomic_load(&clients[i].end), STILL_OPEN);
        ck_assert_uint_eq(atomic_load(&clients[i].finishes), 1);
        atomic_store(&clients[i].gate_shut, false);
        ck_assert_ended(&clients[i], MRC_END_DRAINING);
    }
    finish();
}
END_TEST

/* A stream that waits for its carrier is in no other list: no timer finds it later. */
static sem_t has_written;

static void note_write(struct client *client)
{
    sem_post(&has_written);
}

/* A client that reads nothing yet, and whose carrier holds a part of the first write. */
static struct client *connect_behind(void)
{
    int fds[2], bytes = 1;

    sem_init(&has_written, 0, 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    mrc_dispatcher_post(dispatcher, make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL));
    clients[clients_count - 1].is_paused = true;
    clients[clients_count - 1].on_write = note_write;
    publish(1, "https://example.com/a", 4 * MRC_CARRIER_WRITE_BYTES);
    sem_wait(&has_written);
    return &clients[clients_count - 1];
}

/* The response does not break off inside a write, and nothing follows this part of an event. */
START_TEST(a_drain_waits_for_the_rest_of_a_write)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_behind();
    mrc_dispatcher_post_drain(dispatcher, false);
    client->is_paused = false;
    wait_until(client->is_closed);
    ck_assert_ended(client, MRC_END_DRAINING);
    ck_assert_uint_eq(mrc_buf_bytes(&client->in).len, MRC_CARRIER_WRITE_BYTES);
    ck_assert_uint_eq(atomic_load(&client->finishes), 1);
    finish();
}
END_TEST

START_TEST(a_drain_does_not_wait_for_ever)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_behind();
    mrc_dispatcher_post_drain(dispatcher, false);
    ck_assert_ended(client, MRC_END_DRAINING);
    ck_assert_uint_eq(atomic_load(&client->finishes), 0);
    client->is_paused = false;
    finish();
}
END_TEST

START_TEST(a_drain_does_not_touch_ended_streams)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_all();
    atomic_store(&client->gate_shut, true);
    publish(0, "https://example.com/a", 10);
    wait_until(received(client) == 1);
    close(client->fd);
    client->is_closed = true;
    wait_until(atomic_load(&client->refused) >= 1);
    mrc_dispatcher_post_drain(dispatcher, true);
    wait_until(atomic_load(&client->refused) >= 3);
    atomic_store(&client->gate_shut, false);
    ck_assert_ended(client, MRC_END_CLIENT);
    /* The timers of these streams are in the slots where the timer of that stream was. */
    for (int i = 0; i < 20; i++)
        ck_assert_ended(connect_all(), MRC_END_DRAINING);
    poll(NULL, 0, (int)(MRC_LOOP_DRAIN_US / 1000) + 200); /* until that timer would have fired */
    finish();
}
END_TEST

static void *stop(void *arg)
{
    mrc_dispatcher_stop(dispatcher);
    return NULL;
}

/* The stop also waits for the carrier of a stream that was posted just before. */
START_TEST(a_stop_waits_for_streams_just_posted)
{
    struct client *blocked, *posted;
    pthread_t stopper;

    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    start(1 << 20, 1, &patient);
    blocked = connect_all();
    blocked->on_write = block_once;
    mrc_dispatcher_post_drain(dispatcher, false); /* closing writes a farewell */
    while (sem_wait(&entered) < 0)
        ;
    posted = connect_all();
    atomic_store(&posted->gate_shut, true);
    ck_assert_int_eq(pthread_create(&stopper, NULL, stop, NULL), 0);
    poll(NULL, 0, 100); /* the loop is stopping by now; if not, the test is weaker */
    sem_post(&released);
    wait_until(atomic_load(&posted->refused) >= 1);
    ck_assert_int_eq(atomic_load(&posted->end), STILL_OPEN);
    atomic_store(&posted->gate_shut, false);
    pthread_join(stopper, NULL);
    ck_assert_int_eq(atomic_load(&posted->end), MRC_END_DRAINING);
    ck_assert(!atomic_load(&posted->was_forced));
}
END_TEST

/* Nothing happens to a stream that is posted after the stop. */
START_TEST(a_stream_posted_after_the_stop_is_left_alone)
{
    struct mrc_stream *stream;
    int fds[2];

    start(1 << 20, 2, &patient);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", NULL, NULL);
    mrc_dispatcher_stop(dispatcher);
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 0);
    ck_assert_int_eq(atomic_load(&clients[0].end), STILL_OPEN);
    pipe_close(stream->carrier, MRC_END_DRAINING);
    mrc_stream_discard(stream, MRC_END_DRAINING);
}
END_TEST

/* A carrier that never allows to be closed is closed in the end. */
START_TEST(a_stop_has_a_time_limit)
{
    start(1 << 20, 1, &patient);
    atomic_store(&connect_all()->gate_shut, true);
    finish();
    ck_assert(atomic_load(&clients[0].was_forced));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drain");
    TCase *tcase = tcase_create("drain");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, drains_gracefully);
    tcase_add_test(tcase, drains_at_once);
    tcase_add_test(tcase, a_drain_at_once_overtakes_a_graceful_one);
    tcase_add_test(tcase, stops_with_streams_left);
    tcase_add_test(tcase, a_carrier_is_closed_when_it_allows);
    tcase_add_test(tcase, a_stream_ends_before_its_carrier_is_closed);
    tcase_add_test(tcase, a_drain_waits_for_the_rest_of_a_write);
    tcase_add_test(tcase, a_drain_does_not_wait_for_ever);
    tcase_add_test(tcase, a_drain_does_not_touch_ended_streams);
    tcase_add_test(tcase, a_stop_waits_for_streams_just_posted);
    tcase_add_test(tcase, a_stream_posted_after_the_stop_is_left_alone);
    tcase_add_test(tcase, a_stop_has_a_time_limit);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
