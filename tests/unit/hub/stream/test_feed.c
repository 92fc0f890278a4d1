/*
 * The feed: costly patterns, private updates, records that cannot be decoded, rings that overwrite
 * or move, and lack of memory.
 */
#include <stdio.h>

#include "dispatcher_unit.h"
#include "failing_alloc.h"
#include "store/regions/link.h"
#include "tokens.h"

static atomic_uint costly_writes, quick_writes;

/* The number of writes to the costly client before the second write to the quick one. */
static atomic_int costly_before;

static void note_costly(struct client *client)
{
    atomic_fetch_add(&costly_writes, 1);
}

static void publish_third(struct client *client)
{
    switch (atomic_fetch_add(&quick_writes, 1)) {
    case 0:
        publish(3, "https://example.com/1/last", 1);
        break;
    case 1:
        atomic_store(&costly_before, (int)atomic_load(&costly_writes));
        break;
    default:
        break;
    }
}

/*
 * While costly patterns are matched with one update, other streams get this update and later ones.
 */
START_TEST(costly_patterns_delay_no_other_stream)
{
    enum { COSTLY = 180, TOPICS = 8 };
    struct client *quick, *costly;
    char texts[TOPICS][256], value[128];
    const char *topics[TOPICS];

    start(4 << 20, 1, &patient);
    for (unsigned i = 0; i < COSTLY; i++) {
        snprintf(value, sizeof(value), "https://example.com/:x/{x%u}?y/((?:a|aa)*b|(?:a|aa)*c)", i);
        connect_with(MRC_MATCHER_URLPATTERN, value, NULL, NULL);
    }
    for (unsigned i = 0; i < TOPICS; i++) {
        memset(texts[i], 'a', sizeof(texts[i]));
        snprintf(texts[i] + 120, sizeof(texts[i]) - 120, "!");
        memcpy(texts[i], "https://example.com/", 20);
        memcpy(texts[i] + 20, (char[]){(char)('a' + (int)i), '/', 'y', '/'}, 4);
        topics[i] = texts[i];
    }
    costly = connect_costly(NULL);
    quick = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/:x/:y+", NULL, NULL);
    publish(0, "https://example.com/a", 1);
    publish(0, "https://example.com/a/b", 1);
    wait_until(received(costly) == 1 && received(quick) == 1);
    atomic_store(&costly_before, -1);
    costly->on_write = note_costly;
    quick->on_write = publish_third;
    ck_assert_int_eq(hub_publish_to(place.hub, "id-1", topics, TOPICS, mrc_bytes_of("x"), false),
                     APR_SUCCESS);
    publish(2, "https://example.com/a", 1);
    wait_until(received(quick) == 3 && atomic_load(&costly_before) >= 0);
    ck_assert_int_eq(atomic_load(&costly_before), 0);
    wait_until(received(costly) == 2);
    ck_assert_all_delivered();
    finish();
}
END_TEST

/* A token with a grant to subscribe with MATCHER, which is a JSON object without its braces. */
static struct mrc_token *make_token(const char *matcher)
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
    struct mrc_error reason = {""};
    struct mrc_token *token = NULL;
    char claims[1024];
    char *text;

    snprintf(claims, sizeof(claims),
             "{\"iss\":\"" ISSUER "\",\"aud\":\"" HUB "\",\"exp\":4102444800,\"sub\":\"alice\","
             "\"client_id\":\"" ISSUER "\",\"iat\":1767225300,\"jti\":\"1\","
             "\"authorization_details\":[" ONE_DETAIL(
                 "\"actions\":[\"subscribe\"],\"topics\":[{%s}]") "]}",
             matcher);
    text = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", claims);
    ck_assert_msg(mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, &reason, &token) == MRC_OK,
                  "%s", reason.text);
    mrc_keyset_free(keys);
    free(text);
    return token;
}

START_TEST(private_updates_need_a_grant)
{
    static const char *const mine[] = {"https://example.com/mine", "https://example.com/other"};
    struct client *granted, *costly, *replayed, *anonymous;
    struct mrc_token *token = make_token("\"match\":\"https://example.com/mine\"");

    start(1 << 20, 2, &patient);
    granted = connect_with(MRC_MATCHER_EXACT, "*", NULL, mrc_token_ref(token));
    costly = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/(mine|other)", NULL,
                          mrc_token_ref(token));
    anonymous = connect_all();
    for (unsigned i = 0; i < 40; i++) {
        const struct mrc_bytes data = mrc_bytes_of("secret");
        char id[32];

        /* One grant is enough for an update with both topics. Every eighth is public. */
        snprintf(id, sizeof(id), "id-%u", i);
        ck_assert_int_eq(hub_publish_to(place.hub, id, mine + i % 2, 1 + (i % 4 == 0), data, i % 8),
                         APR_SUCCESS);
    }
    replayed = connect_with(MRC_MATCHER_EXACT, "*", "earliest", mrc_token_ref(token));
    publish(40, "https://example.com/other", 1); /* public, so all get it: the last one */
    wait_until(has_id(granted, 40) && has_id(costly, 40) && has_id(anonymous, 40) &&
               has_id(replayed, 40));
    ck_assert_uint_eq(received(costly), received(granted));
    ck_assert_uint_eq(received(anonymous), 5 + 1);
    ck_assert_uint_eq(received(granted), 5 + 5 + 10 + 1);
    ck_assert_uint_eq(received(replayed), received(granted));
    finish();
    mrc_token_unref(token);
}
END_TEST

/* An on_write function: the write finds that the client is gone. */
static void hang_up(struct client *client)
{
    client->on_write = NULL;
    shutdown(client->fd, SHUT_RDWR);
}

/* The first stream that gets an update ends, and frees its token, before the others are found. */
START_TEST(a_token_is_freed_while_its_update_is_delivered)
{
    enum { COSTLY = 180, TOPICS = 8 };
    static const char grant[] =
        "\"match\":\"https://example.com/:x\",\"match_type\":\"urlpattern\"";
    char texts[TOPICS][256], value[128];
    const char *topics[TOPICS];
    struct client *first, *last;

    start(4 << 20, 1, &patient);
    for (unsigned i = 0; i < COSTLY; i++) {
        snprintf(value, sizeof(value), "https://example.com/:x/{x%u}?y/((?:a|aa)*b|(?:a|aa)*c)", i);
        connect_with(MRC_MATCHER_URLPATTERN, value, NULL, NULL);
    }
    first = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/(first|(?:b+)+c)", NULL,
                         make_token(grant));
    last = connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/(last|(?:b+)+c)", NULL,
                        make_token(grant));
    for (unsigned i = 0; i < TOPICS; i++) {
        memset(texts[i], 'a', 120);
        memcpy(texts[i], "https://example.com/", 20);
        memcpy(texts[i] + 20, (char[]){(char)('a' + (int)i), '/', 'y', '/'}, 4);
        memcpy(texts[i] + 120, "!", 2);
        topics[i] = texts[i];
    }
    topics[0] = "https://example.com/first";
    topics[TOPICS - 1] = "https://example.com/last";
    publish(0, topics[0], 1);
    publish(0, topics[TOPICS - 1], 1);
    wait_until(received(first) == 1 && received(last) == 1);
    first->on_write = hang_up;
    ck_assert_int_eq(hub_publish_to(place.hub, "id-1", topics, TOPICS, mrc_bytes_of("x"), true),
                     APR_SUCCESS);
    wait_until(received(last) == 2);
    ck_assert_ended(first, MRC_END_CLIENT);
    finish();
}
END_TEST

static void report_unreadable(void *ctx, uint64_t seq)
{
    _Atomic uint64_t *reported = ctx;

    reported[0]++;
    reported[1] = seq;
}

static void publish_unreadable(void)
{
    uint64_t seq, pos;

    ck_assert_int_eq(mrc_ring_append(mrc_hub_ring(place.hub), mrc_bytes_of("strange"),
                                     mrc_bytes_of("\377\377\377\377"), 4, apr_time_now(), 0, &seq,
                                     &pos),
                     APR_SUCCESS);
    mrc_hub_segment_wake(place.segment, place.notify);
}

/* A record that this build cannot decode is skipped, live and in a replay, and reported once. */
START_TEST(an_unreadable_record_is_skipped)
{
    _Atomic uint64_t reported[2] = {0, 0};
    struct client *live, *replays;

    start(1 << 20, 1, &patient);
    mrc_hub_on_unreadable(place.hub, report_unreadable, reported);
    live = connect_all();
    publish(0, "https://example.com/a", 10);
    wait_until(received(live) == 1);
    publish_unreadable();
    publish_unreadable();
    publish(1, "https://example.com/a", 10);
    wait_until(received(live) == 2);
    ck_assert_uint_eq(reported[0], 1);
    replays = connect_with(MRC_MATCHER_EXACT, "*", "earliest", NULL);
    wait_until(received(replays) == 2);
    ck_assert_int_eq(atomic_load(&live->end), STILL_OPEN);
    mrc_dispatcher_stop(dispatcher);
    ck_assert_int_eq(atomic_load(&replays->end), MRC_END_DRAINING);
    ck_assert_uint_eq(reported[0], 1);
    ck_assert_uint_eq(reported[1], 2);
}
END_TEST

START_TEST(an_overrun_ends_the_streams_that_missed_something)
{
    struct client *blocked, *other, *costly;

    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    start(64 << 10, 1, &patient);
    blocked = connect_all();
    other = connect_with(MRC_MATCHER_EXACT, "https://example.com/never", NULL, NULL);
    costly = connect_costly(NULL);
    publish(0, "https://example.com/a", 10);
    wait_until(received(blocked) == 1);
    blocked->on_write = block_once;
    publish(1, "https://example.com/a", 10);
    while (sem_wait(&entered) < 0)
        ;
    for (unsigned i = 2; i < 200; i++)
        publish(i, "https://example.com/a", 5000);
    sem_post(&released);
    ck_assert_ended(blocked, MRC_END_OVERRUN);
    ck_assert_ended(costly, MRC_END_OVERRUN);
    ck_assert_ended(other, MRC_END_OVERRUN); /* it may have missed something */
    ck_assert_uint_eq(received(blocked), 2);
    connect_all(); /* the hub still works */
    publish(200, "https://example.com/a", 10);
    wait_until(received(&clients[3]) == 1);
    finish();
}
END_TEST

/* Appends the update of another machine, as the link of a hub with a transport does. */
static void mirror(unsigned id)
{
    struct mrc_bytes topic = mrc_bytes_of("https://example.com/a");
    const struct mrc_update update = {.topics = &topic, .topics_count = 1};
    char text[32];
    struct mrc_buf buf;
    uint64_t seq, pos;

    snprintf(text, sizeof(text), "id-%u", id);
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_update_encode(&update, &buf);
    ck_assert_int_eq(mrc_ring_append(mrc_hub_ring(place.hub), mrc_bytes_of(text),
                                     mrc_buf_bytes(&buf), 1, apr_time_now(), SECOND, &seq, &pos),
                     APR_SUCCESS);
    mrc_buf_free(&buf);
    mrc_hub_segment_wake(place.segment, place.notify);
}

/*
 * Streams that begin after the gap have missed nothing, and may have no cursor to come back with.
 */
START_TEST(a_gap_ends_the_streams_that_began_before)
{
    static const struct mrc_transport_spec transport = {.machine = "m", .name = "hub"};
    struct mrc_hub_spec spec = patient;
    struct client *before, *after;
    struct mrc_link *link;

    spec.transport = &transport;
    start(1 << 20, 1, &spec);
    link = mrc_hub_link(place.hub);
    mrc_link_set_joined(link);
    mrc_link_note_gap(link);
    before = connect_all();
    mirror(0);
    wait_until(received(before) == 1);
    mrc_link_note_gap(link);
    after = connect_all();
    mirror(1);
    wait_until(received(after) == 1);
    ck_assert_ended(before, MRC_END_OVERRUN);
    ck_assert_uint_eq(received(before), 1);
    mirror(2);
    wait_until(received(after) == 2);
    ck_assert_int_eq(atomic_load(&after->end), STILL_OPEN);
    finish();
}
END_TEST

/* Fails unless CLIENT has received the ids FIRST to END - 1, each once and in order. */
static void ck_assert_in_order(const struct client *client, long first, long end)
{
    size_t from = 0;

    for (long id = first; id < end; id++)
        ck_assert_int_eq(next_id(client, &from), id);
    ck_assert_int_eq(next_id(client, &from), -1);
}

/* Updates that the ring has overwritten come from the history on the disk, for live streams and for
 * one that replays. */
START_TEST(after_an_overrun_streams_read_from_the_disk)
{
    const struct mrc_hub_spec spec = {
        .limits.dispatch_timeout_us = 600 * SECOND,
        .limits.backlog_bytes = SIZE_MAX / 2,
        .history_dir = store_dir(),
        .history_sync = MRC_HISTORY_SYNC_NONE,
    };
    struct client *blocked, *other, *none, *costly;

    if (!mrc_history_has_lmdb())
        return;
    sem_init(&entered, 0, 0);
    sem_init(&released, 0, 0);
    start(64 << 10, 1, &spec);
    blocked = connect_all();
    none = connect_with(MRC_MATCHER_EXACT, "https://example.com/never", NULL, NULL);
    costly = connect_costly(NULL);
    publish(0, "https://example.com/a", 10);
    wait_until(received(blocked) == 1 && received(costly) == 1);
    blocked->on_write = block_once;
    publish(1, "https://example.com/a", 10);
    while (sem_wait(&entered) < 0)
        ;
    for (unsigned i = 2; i < 200; i++)
        publish(i, "https://example.com/a", 5000);
    other = connect_with(MRC_MATCHER_EXACT, "*", "id-0", NULL);
    sem_post(&released);
    wait_until(received(blocked) == 200 && received(other) == 199);
    publish(200, "https://example.com/a", 10); /* all streams are live again */
    wait_until(received(blocked) == 201 && received(other) == 200 && received(costly) == 201);
    ck_assert_in_order(blocked, 0, 201);
    ck_assert_in_order(costly, 0, 201);
    ck_assert_in_order(other, 1, 201);
    ck_assert_uint_eq(received(none), 0);
    ck_assert_int_eq(atomic_load(&none->end), STILL_OPEN);
    finish();
}
END_TEST

/* When a hub moves to another segment, its streams get all updates of this one, and end. */
START_TEST(a_hub_that_has_moved_ends_its_streams)
{
    start(1 << 20, 2, &patient);
    for (int i = 0; i < 10; i++) {
        if (i % 2)
            connect_costly(NULL);
        else
            connect_all();
    }
    publish(0, "https://example.com/a", 10);
    mrc_ring_supersede(mrc_hub_ring(place.hub), SECOND);
    mrc_hub_segment_wake(place.segment, place.notify);
    connect_all(); /* too late: it only ends */
    for (size_t i = 0; i < 11; i++) {
        ck_assert_ended(&clients[i], MRC_END_DRAINING);
        wait_until(clients[i].is_closed);
        ck_assert_uint_eq(received(&clients[i]), i < 10);
    }
    finish();
}
END_TEST

/* ---- no memory --------------------------------------------------------------------------------*/

static void no_more_memory(struct client *client)
{
    client->on_write = NULL;
    alloc_left = 0; /* in the loop's thread */
}

/* Without memory for the index the stream ends, and leaves no timer behind. */
START_TEST(no_memory_to_listen)
{
    struct mrc_hub_spec spec = patient;
    struct mrc_stream *stream;
    struct client *other;
    int fds[2];

    spec.limits.heartbeat_us = SECOND / 5;
    start(1 << 20, 1, &spec);
    publish(0, "https://example.com/a", 10);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream = make_stream(fds, MRC_MATCHER_EXACT, "*", "earliest", NULL);
    clients[0].on_write = no_more_memory; /* after the replay */
    mrc_dispatcher_post(dispatcher, stream);
    ck_assert_ended(&clients[0], MRC_END_ERROR);
    ck_assert_uint_eq(received(&clients[0]), 1);
    other = connect_all();
    wait_until(mrc_buf_bytes(&other->in).len >= 6); /* three heartbeats: the wheel has turned */
    publish(1, "https://example.com/a", 10);
    wait_until(received(other) == 1);
    finish();
}
END_TEST

/* Without memory for an update, the stream ends before it: there is no gap in what it sent. */
START_TEST(no_memory_to_deliver)
{
    struct client *client;

    start(1 << 20, 1, &patient);
    client = connect_all();
    publish(0, "https://example.com/a", 10);
    wait_until(received(client) == 1);
    client->on_write = no_more_memory;
    publish(1, "https://example.com/a", 10);
    wait_until(received(client) == 2);
    publish(2, "https://example.com/a", 10);
    publish(3, "https://example.com/a", 10);
    ck_assert_ended(client, MRC_END_ERROR);
    wait_until(client->is_closed);
    ck_assert_uint_eq(received(client), 2);
    finish();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("feed");
    TCase *tcase = tcase_create("feed");

    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, costly_patterns_delay_no_other_stream);
    tcase_add_test(tcase, private_updates_need_a_grant);
    tcase_add_test(tcase, a_token_is_freed_while_its_update_is_delivered);
    tcase_add_test(tcase, an_unreadable_record_is_skipped);
    tcase_add_test(tcase, an_overrun_ends_the_streams_that_missed_something);
    tcase_add_test(tcase, a_gap_ends_the_streams_that_began_before);
    tcase_add_test(tcase, after_an_overrun_streams_read_from_the_disk);
    tcase_add_test(tcase, a_hub_that_has_moved_ends_its_streams);
    tcase_add_test(tcase, no_memory_to_listen);
    tcase_add_test(tcase, no_memory_to_deliver);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
