/*
 * The dispatcher: how streams are spread over its threads, what each stream gets, and when the
 * dispatcher sleeps.
 */
#include <pthread.h>
#include <stdio.h>

#include "dispatcher_unit.h"

START_TEST(each_stream_gets_what_matches_in_order)
{
    static const char *const topics[] = {"https://example.com/a", "https://example.com/b",
                                         "https://other.example/c"};
    char id[32];

    start(4 << 20, 3, &patient);
    for (int i = 0; i < 40; i++) {
        if (i % 4 == 3)
            connect_all();
        else
            connect_with(i % 4 == 2 ? MRC_MATCHER_URLPATTERN : MRC_MATCHER_EXACT,
                         i % 4 == 2 ? "https://example.com/*" : topics[i % 4], NULL, NULL);
    }
    ck_assert_uint_eq(mrc_dispatcher_post_count(dispatcher), 40);
    for (unsigned i = 0; i < 600; i++) {
        snprintf(id, sizeof(id), "id-%u", i);
        ck_assert_int_eq(hub_publish_to(place.hub, id, topics + i % 2, 1 + i % 2,
                                        mrc_bytes_of("line\nanother"), false),
                         APR_SUCCESS);
    }
    ck_assert_all_delivered();
    finish();
}
END_TEST

/* Fails unless the open streams are spread evenly over THREADS threads. */
static void ck_assert_spread(unsigned threads)
{
    apr_thread_t *all[MRC_NUMBERS_LOOPS_MAX];
    unsigned counts[MRC_NUMBERS_LOOPS_MAX], found = 0, open = 0;

    for (size_t i = 0; i < clients_count; i++) {
        unsigned n = 0;

        if (atomic_load(&clients[i].end) != STILL_OPEN)
            continue;
        while (n < found && all[n] != atomic_load(&clients[i].thread))
            n++;
        if (n == found) {
            all[found] = atomic_load(&clients[i].thread);
            counts[found++] = 0;
        }
        counts[n]++;
        open++;
    }
    ck_assert_uint_eq(found, threads);
    for (unsigned i = 0; i < found; i++) {
        ck_assert_uint_ge(counts[i], open / threads);
        ck_assert_uint_le(counts[i], (open + threads - 1) / threads);
    }
}

/* Each thread has its share; when the streams of a thread leave, it gets the new ones. */
START_TEST(a_stream_goes_to_the_thread_with_the_fewest)
{
    apr_thread_t *thread;
    unsigned left = 42;

    start(1 << 20, 4, &patient);
    for (int i = 0; i < 42; i++)
        connect_all();
    publish(0, "https://example.com/a", 10);
    ck_assert_all_delivered();
    ck_assert_spread(4);
    thread = atomic_load(&clients[0].thread);
    for (size_t i = 0; i < 42; i++) {
        if (atomic_load(&clients[i].thread) != thread)
            continue;
        close(clients[i].fd);
        clients[i].is_closed = clients[i].is_paused = true;
        left--;
    }
    wait_until(mrc_dispatcher_post_count(dispatcher) == left);
    while (mrc_dispatcher_post_count(dispatcher) < 42)
        connect_all();
    publish(1, "https://example.com/a", 10);
    ck_assert_all_delivered();
    ck_assert_spread(4);
    finish();
}
END_TEST

static void *publish_on(void *arg)
{
    unsigned first = *(const unsigned *)arg;
    char topic[64];

    for (unsigned i = first; i < first + 2000; i++) {
        snprintf(topic, sizeof(topic), "https://example.com/%u", i % 5);
        publish(i, topic, i % 100);
        if (i % 100 == 0)
            poll(NULL, 0, 1);
    }
    return NULL;
}

/* A stream that begins while updates are published loses none, and gets none twice. */
START_TEST(nothing_is_lost_between_replay_and_live)
{
    unsigned firsts[] = {0, 10000};
    pthread_t threads[2];
    char cursor[32];

    start(16 << 20, 3, &patient);
    for (int t = 0; t < 2; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, publish_on, &firsts[t]), 0);
    for (unsigned i = 0; i < 120; i++) {
        snprintf(cursor, sizeof(cursor), "id-%u", i);
        connect_with(i % 2 ? MRC_MATCHER_EXACT : MRC_MATCHER_URLPATTERN,
                     i % 2 ? "https://example.com/3" : "https://*.com/:x([1-3])",
                     i % 4 == 0   ? NULL
                     : i % 4 == 1 ? "earliest"
                     : i % 4 == 2 ? ""
                                  : cursor,
                     NULL);
        read_all();
        poll(NULL, 0, 2);
    }
    for (int t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    ck_assert_all_delivered();
    finish();
}
END_TEST

/* Between two heartbeats no descriptor is ready: a wake-up is drained. */
START_TEST(it_sleeps_when_nothing_happens)
{
    struct mrc_hub_spec spec = patient;
    struct client *client;

    spec.limits.heartbeat_us = SECOND / 20;
    start(1 << 20, 1, &spec);
    client = connect_all();
    wait_until(mrc_buf_bytes(&client->in).len >= 6);
    ck_assert_uint_eq(atomic_load(&wakes), 0);
    publish(0, "https://example.com/a", 10);
    ck_assert_all_delivered();
    wait_until(mrc_buf_bytes(&client->in).len >= 40);
    ck_assert_uint_le(atomic_load(&wakes), 1);
    finish();
}
END_TEST

static uint64_t bit_of(const char *topic)
{
    return mrc_interests_tag(mrc_hub_segment_interests(place.segment), mrc_bytes_of(topic)) %
           mrc_interests_bits(HUB_SLOTS);
}

/* Updates that none of its streams listens to do not wake the child, and are skipped when another
 * one does. When a stream ends, its topic goes with it. */
START_TEST(it_sleeps_through_updates_for_others)
{
    static const char here[] = "https://example.com/a";
    struct client *client, *other;
    char there[40];
    unsigned n = 0;

    start(1 << 20, 1, &patient);
    do
        snprintf(there, sizeof(there), "https://example.com/b%u", n++);
    while (bit_of(there) == bit_of(here));
    client = connect_with(MRC_MATCHER_EXACT, here, NULL, NULL);
    other = connect_with(MRC_MATCHER_EXACT, there, NULL, NULL);
    publish(0, here, 10);
    publish(1, there, 10);
    wait_until(received(client) == 1 && received(other) == 1);
    other->is_closed = true;
    close(other->fd);
    wait_until(atomic_load(&other->end) == MRC_END_CLIENT);
    /* It gives back its seat in the hub right afterwards. */
    wait_until(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_SUBSCRIBERS) == 1);
    for (unsigned i = 2; i < 100; i++)
        publish(i, there, 10);
    publish(100, here, 10);
    wait_until(received(client) == 2);
    ck_assert_uint_le(atomic_load(&wakes),
                      3); /* at most one for each update that was for a stream */
    ck_assert_uint_eq(mrc_numbers_lag(mrc_hub_numbers(place.hub), HUB_SLOT), 0);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatcher");
    TCase *tcase = tcase_create("dispatcher");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, each_stream_gets_what_matches_in_order);
    tcase_add_test(tcase, a_stream_goes_to_the_thread_with_the_fewest);
    tcase_add_test(tcase, nothing_is_lost_between_replay_and_live);
    tcase_add_test(tcase, it_sleeps_when_nothing_happens);
    tcase_add_test(tcase, it_sleeps_through_updates_for_others);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
