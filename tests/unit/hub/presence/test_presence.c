#include "hub/presence/presence.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "apr_strings.h"

#include "core/base/json.h"
#include "hub/child/child.h"
#include "hub/presence/events.h"
#include "hub_unit.h"
#include "interrupted.h"
#include "store/base/clock.h"
#include "store/memory/memory.h"
#include "store/regions/roster.h"
#include "store/ring/layout.h"

#define NSLOTS      4
#define SUBSCRIBERS 10
#define DEADLINE_US                                                                                \
    INT64_C(60000000) /* far more than is needed: only a broken build waits that long */

static const char *dir;
static struct mrc_memory *memory;
static uint64_t seen; /* the position in the ring of the next event for take() */

static const char *const paths[] = {"/h", "/other"};

static struct mrc_hub_spec h = {
    .shape = {.key = "h", .ring_bytes = 100000, .body_max_bytes = 20000},
    .limits = {.dispatch_timeout_us = 1000000},
    .paths = paths,
    .paths_count = 2,
};
static const struct mrc_hub_spec quiet = {
    .shape = {.key = "quiet", .ring_bytes = 10000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 1000000},
};
static const struct mrc_hub_spec *const hubs[] = {&h, &quiet};

static void reconcile(uint64_t subscribers)
{
    const struct mrc_hub_shape *const shapes[] = {&h.shape, &quiet.shape};
    struct mrc_error error = {""};

    h.shape.roster_subscribers = subscribers;
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 2, NULL, NULL, &error) == APR_SUCCESS, "%s",
                  error.text);
    ck_assert_str_eq(error.text, "");
}

static void open_memory(void)
{
    struct mrc_error error = {""};

    ck_assert_msg(mrc_memory_open(store_pool(), dir, NSLOTS, &error, &memory) == APR_SUCCESS, "%s",
                  error.text);
}

static void setup(void)
{
    dir = store_dir();
    open_memory();
    reconcile(SUBSCRIBERS);
    seen = 0;
}

static struct mrc_roster *roster(void)
{
    return mrc_hub_segment_roster(mrc_memory_hub(memory, "h"));
}

static struct mrc_ring *ring(void)
{
    return mrc_hub_segment_ring(mrc_memory_hub(memory, "h"));
}

static void teardown(void)
{
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

static struct mrc_child *start(pid_t pid)
{
    struct mrc_child *process = NULL;

    ck_assert_int_eq(mrc_child_start(store_pool(), memory, hubs, 2, 1, pid, 7, &process),
                     APR_SUCCESS);
    return process;
}

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (!(condition)) {                                                                     \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            poll(NULL, 0, 2);                                                                      \
        }                                                                                          \
    } while (0)

/* Checks the next event, whose matcher is MATCH; waits until there is one. */
static void take(const char *match, bool active, const char *payload)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_error error = {""};
    struct mrc_update update;
    json_t *document;
    char *text = NULL;
    const char *id;

    wait_until(mrc_ring_read(ring(), &seen, &record) == APR_SUCCESS);
    ck_assert_int_eq(mrc_update_decode(record.view.id, record.view.payload, &update), MRC_OK);
    ck_assert(update.is_private);
    ck_assert_bytes_eq(update.type, "mercure");
    ck_assert_msg(mrc_json_parse_object(update.data, &error, &document) == MRC_OK, "%s",
                  error.text);
    id = json_string_value(json_object_get(document, "id"));
    ck_assert_uint_eq(update.topics_count, 2);
    ck_assert_bytes_eq(update.topics[0], id);
    ck_assert(mrc_bytes_starts_with(update.topics[0], mrc_bytes_of("/h/subscriptions/")));
    ck_assert(mrc_bytes_starts_with(update.topics[1], mrc_bytes_of("/other/subscriptions/")));
    ck_assert_str_eq(json_string_value(json_object_get(document, "match")), match);
    ck_assert(json_is_true(json_object_get(document, "active")) == active);
    if (json_object_get(document, "payload"))
        ck_assert_int_eq(mrc_json_print(json_object_get(document, "payload"), &text), MRC_OK);
    ck_assert_str_eq(text ? text : "", payload);
    free(text);
    json_decref(document);
    mrc_update_clear(&update);
    mrc_ring_record_free(&record);
}

static bool has_no_more_events(void)
{
    return seen == mrc_ring_head(ring());
}

static unsigned listed(void)
{
    struct mrc_roster_entry entry = {.type = 0};
    unsigned count = 0;

    for (uint32_t cell = 0; cell < mrc_roster_count(roster()); cell++)
        count += mrc_roster_read(roster(), cell, &entry) == APR_SUCCESS;
    mrc_roster_entry_free(&entry);
    return count;
}

/* A subscriber of COUNT matchers, not announced yet. */
static struct mrc_subscriber *open_subscriber(struct mrc_hub *hub, const char *const *matches,
                                              size_t count, struct mrc_token *token)
{
    struct mrc_subscription subscription = {
        .matchers = calloc(count, sizeof(struct mrc_matcher *)),
        .matchers_count = count,
        .token = token,
    };
    struct mrc_subscriber *subscriber = NULL;

    for (size_t i = 0; i < count; i++)
        subscription.matchers[i] = hub_matcher(MRC_MATCHER_EXACT, matches[i], NULL);
    ck_assert_int_eq(mrc_subscriber_open(hub, &subscription, apr_time_now(), &subscriber),
                     APR_SUCCESS);
    return subscriber;
}

static struct mrc_subscriber *subscribe(struct mrc_child *process, const char *match)
{
    struct mrc_subscriber *subscriber = open_subscriber(mrc_child_hub(process, 0), &match, 1, NULL);

    ck_assert_int_eq(mrc_subscriber_announce(subscriber), APR_SUCCESS);
    return subscriber;
}

/* ---- announcing -------------------------------------------------------------------------------*/

START_TEST(begins_and_ends_are_announced_in_order)
{
    static const char *const matches[] = {"one", "two", "one", "three"};
    struct mrc_child *process = start(101);
    struct mrc_subscriber *subscriber =
        open_subscriber(mrc_child_hub(process, 0), matches, 4, NULL);
    struct mrc_subscriber *silent;

    ck_assert(has_no_more_events());
    ck_assert_int_eq(mrc_subscriber_announce(subscriber), APR_SUCCESS);
    ck_assert_uint_eq(listed(), 3);
    take("one", true, "");
    take("two", true, "");
    take("three", true, "");
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    ck_assert_uint_eq(listed(), 0); /* delisted at once, before the end is announced */
    take("one", false, "");
    take("two", false, "");
    take("three", false, "");
    wait_until(mrc_roster_used(roster()) == 0);
    /* A subscriber that was never served is not announced; nor is one of a hub without a roster. */
    mrc_subscriber_close(open_subscriber(mrc_child_hub(process, 0), matches, 1, NULL),
                         MRC_END_REFUSED);
    silent = open_subscriber(mrc_child_hub(process, 1), matches, 1, NULL);
    ck_assert_int_eq(mrc_subscriber_announce(silent), APR_SUCCESS);
    mrc_subscriber_close(silent, MRC_END_CLIENT);
    mrc_child_stop(process);
    ck_assert(has_no_more_events());
}
END_TEST

START_TEST(a_full_roster_lists_no_part_of_a_subscriber)
{
    struct mrc_child *process = start(101);
    struct mrc_hub *hub = mrc_child_hub(process, 0);
    char *match = calloc(1, 4000001);
    const char *const both[] = {"small", match};
    struct mrc_subscriber *subscriber;

    memset(match, 'x', 4000000); /* occupies nearly all shared cells, of 120 bytes each */
    subscriber = open_subscriber(hub, both, 2, NULL);
    ck_assert_int_eq(mrc_subscriber_announce(subscriber), APR_ENOSPC);
    mrc_subscriber_close(subscriber, MRC_END_REFUSED);
    ck_assert_uint_eq(mrc_roster_used(roster()), 0);
    ck_assert(has_no_more_events());
    /* A matcher that is too long for an announcement is not listed either. */
    match[50000] = '\0';
    subscriber = open_subscriber(hub, both, 2, NULL);
    ck_assert_int_eq(mrc_subscriber_announce(subscriber), MRC_STATUS_TOO_LARGE);
    mrc_subscriber_close(subscriber, MRC_END_REFUSED);
    take("small", true, "");
    take("small", false, "");
    wait_until(mrc_roster_used(roster()) == 0);
    mrc_child_stop(process);
    ck_assert(has_no_more_events());
    free(match);
    ck_assert(mrc_hub_should_report_full(hub, 1000000));
    ck_assert(!mrc_hub_should_report_full(hub, 60999999));
    ck_assert(mrc_hub_should_report_full(hub, 61000000));
}
END_TEST

/* Closing a stream never waits, even while the ring's lock is held. */
START_TEST(an_end_never_blocks)
{
    struct mrc_child *process = start(101);
    struct mrc_subscriber *subscriber = subscribe(process, "a");
    uint64_t bytes;
    struct mrc_ring_header *header =
        mrc_hub_segment_region(mrc_memory_hub(memory, "h"), MRC_HUB_REGION_RING, &bytes);

    take("a", true, "");
    ck_assert_int_eq(pthread_mutex_lock(&header->lock.mutex), 0);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    ck_assert(has_no_more_events());
    ck_assert_int_eq(pthread_mutex_unlock(&header->lock.mutex), 0);
    take("a", false, "");
    mrc_child_stop(process);
}
END_TEST

/* ---- children that end ------------------------------------------------------------------------*/

/* Forks a child to be killed, with a subscriber to "a" and one to "b", before this process has
 * threads. */
static pid_t make_victim(void)
{
    int ready[2];
    pid_t pid;
    char c;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        struct mrc_child *process = start(getpid());

        subscribe(process, "a");
        subscribe(process, "b");
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    take("a", true, "");
    take("b", true, "");
    return pid;
}

static void kill_victim(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_eq(mrc_control_mark_dead(mrc_memory_control(memory), pid), 1);
}

/* Announces the end of the entry with MATCH without removing the entry. */
static void announce_end_of(struct mrc_child *process, const char *match)
{
    struct mrc_presence_events *events = mrc_presence_events_open(mrc_child_hub(process, 0));
    struct mrc_roster_entry entry = {.type = 0};
    uint32_t cell = 0;
    size_t done;

    while (mrc_roster_read(roster(), cell, &entry) != APR_SUCCESS ||
           !mrc_bytes_eq_str(entry.match, match))
        cell++;
    mrc_roster_end(roster(), cell);
    if (mrc_presence_events_add(events, cell, &entry, false) ||
        mrc_presence_events_publish(events, &done) || done != 1)
        _exit(1);
}

/* A child dies after announcing an end and before removing the entry: the end is announced once. */
START_TEST(an_end_that_a_dead_child_announced_is_not_repeated)
{
    struct mrc_child *survivor;
    int ready[2];
    pid_t victim;
    char c;

    ck_assert_int_eq(pipe(ready), 0);
    victim = fork();
    if (victim == 0) {
        struct mrc_child *process = start(getpid());

        subscribe(process, "a");
        subscribe(process, "b");
        announce_end_of(process, "a");
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    take("a", true, "");
    take("b", true, "");
    take("a", false, "");
    ck_assert_uint_eq(listed(), 1);
    kill_victim(victim);
    survivor = start(102);
    take("b", false, "");
    wait_until(mrc_roster_used(roster()) == 0);
    ck_assert(has_no_more_events());
    mrc_child_stop(survivor);
}
END_TEST

static bool publish_one(void *hub)
{
    static const struct mrc_record item = {
        .id = {"id", 2}, .payload = {"payload", 7}, .stored_bytes = 9};
    size_t done = 0;

    return mrc_hub_publish_group(hub, &item, 1, 1, &done) == APR_SUCCESS && done == 1;
}

/* Prefork stops the announcer in a signal handler, which may have interrupted a publication. */
START_TEST(no_thread_waits_for_an_interrupted_one)
{
    struct mrc_child *process = start(101);

    interrupted_run(publish_one, mrc_child_hub(process, 0));
    mrc_child_stop(process);
}
END_TEST

START_TEST(another_child_announces_the_ends_of_a_dead_one)
{
    pid_t victim = make_victim();
    struct mrc_child *survivor = start(102);
    struct mrc_subscriber *mine = subscribe(survivor, "mine");

    take("mine", true, "");
    kill_victim(victim);
    mrc_notify_wake(mrc_memory_notify(memory), 1);
    take("a", false, "");
    take("b", false, "");
    ck_assert_uint_eq(listed(), 1);
    wait_until(mrc_roster_used(roster()) == 1);
    ck_assert(has_no_more_events());
    mrc_subscriber_close(mine, MRC_END_CLIENT);
    mrc_child_stop(survivor);
}
END_TEST

START_TEST(the_next_child_announces_the_ends_if_none_was_left)
{
    struct mrc_child *process;

    kill_victim(make_victim());
    process = start(102);
    take("a", false, "");
    take("b", false, "");
    wait_until(mrc_roster_used(roster()) == 0);
    mrc_child_stop(process);
}
END_TEST

/* The old child, in its own process because it needs its own mapping: it subscribes, waits until
 * the hub has moved, and continues as before. */
static void be_old(int ready_fd, int go_fd)
{
    struct mrc_child *process = start(101);
    struct mrc_subscriber *first = subscribe(process, "a"), *late;
    const char *match = "late";
    char c;

    subscribe(process, "b");
    if (write(ready_fd, "x", 1) != 1 || read(go_fd, &c, 1) != 1)
        _exit(1);
    mrc_subscriber_close(first, MRC_END_DRAINING);
    late = open_subscriber(mrc_child_hub(process, 0), &match, 1, NULL);
    if (mrc_subscriber_announce(late) != MRC_STATUS_SUPERSEDED)
        _exit(2);
    mrc_subscriber_close(late, MRC_END_REFUSED);
    mrc_child_stop(process);
    _exit(0);
}

START_TEST(a_hub_that_moves_takes_its_subscriptions_along)
{
    struct mrc_child *new;
    int ready[2], go[2], status;
    pid_t pid;
    char c;

    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(go), 0);
    pid = fork();
    if (pid == 0)
        be_old(ready[1], go[0]);
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_uint_eq(listed(), 2);
    reconcile(SUBSCRIBERS + 50000);
    ck_assert_uint_eq(listed(), 0);
    new = start(102);
    seen = mrc_ring_oldest(ring(), apr_time_now());
    take("a", true, "");
    take("b", true, "");
    take("a", false, "");
    take("b", false, "");
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    mrc_child_stop(new);
    ck_assert(has_no_more_events());
    ck_assert_uint_eq(mrc_roster_used(roster()), 0);
}
END_TEST

/* ---- many at once -----------------------------------------------------------------------------*/

#define MANY_SUBSCRIBERS 60
#define MATCHERS_EACH    90 /* together far more than one commit announces */

static struct mrc_hub_spec durable = {
    .shape =
        {
            .key = "durable",
            .ring_bytes = 8 << 20,
            .body_max_bytes = 20000,
            .roster_subscribers = MANY_SUBSCRIBERS * MATCHERS_EACH,
        },
    .limits = {.dispatch_timeout_us = 1000000},
    .paths = paths,
    .paths_count = 1,
    .history_sync = MRC_HISTORY_SYNC_NONE,
};

/* A hub whose history, of COUNT updates (0: of any number), is on disk. */
static void reconcile_durable(uint64_t count)
{
    const struct mrc_hub_shape *const shapes[] = {&durable.shape};
    struct mrc_error error = {""};

    durable.shape.history.count = count;
    durable.shape.staging_bytes =
        (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 1, NULL, NULL, &error) == APR_SUCCESS, "%s",
                  error.text);
}

static struct mrc_child *start_durable(pid_t pid, const char *history_dir)
{
    static const struct mrc_hub_spec *const specs[] = {&durable};
    struct mrc_child *process = NULL;

    durable.history_dir = history_dir;
    ck_assert_int_eq(mrc_child_start(store_pool(), memory, specs, 1, 1, pid, 7, &process),
                     APR_SUCCESS);
    return process;
}

/* Subscribers to the matchers "0 0", "0 1" and so on. */
static void open_many(struct mrc_child *process, struct mrc_subscriber **ret_subscribers)
{
    char text[MATCHERS_EACH][16];
    const char *matches[MATCHERS_EACH];

    for (unsigned i = 0; i < MANY_SUBSCRIBERS; i++) {
        for (unsigned j = 0; j < MATCHERS_EACH; j++) {
            snprintf(text[j], sizeof(text[j]), "%u %u", i, j);
            matches[j] = text[j];
        }
        ret_subscribers[i] =
            open_subscriber(mrc_child_hub(process, 0), matches, MATCHERS_EACH, NULL);
        ck_assert_int_eq(mrc_subscriber_announce(ret_subscribers[i]), APR_SUCCESS);
    }
}

/* The events since POS announce each matcher once, and those of one subscriber in order. */
static void check_announced(uint64_t pos, bool active)
{
    struct mrc_ring *ring = mrc_hub_segment_ring(mrc_memory_hub(memory, "durable"));
    struct mrc_ring_record record = {.buf = NULL};
    unsigned next[MANY_SUBSCRIBERS] = {0};
    unsigned count = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS) {
        struct mrc_error error = {""};
        struct mrc_update update;
        json_t *document;
        unsigned i, j;

        ck_assert_int_eq(mrc_update_decode(record.view.id, record.view.payload, &update), MRC_OK);
        ck_assert_int_eq(mrc_json_parse_object(update.data, &error, &document), MRC_OK);
        ck_assert(json_is_true(json_object_get(document, "active")) == active);
        ck_assert_int_eq(
            sscanf(json_string_value(json_object_get(document, "match")), "%u %u", &i, &j), 2);
        ck_assert_uint_eq(next[i]++, j);
        count++;
        json_decref(document);
        mrc_update_clear(&update);
    }
    mrc_ring_record_free(&record);
    ck_assert_uint_eq(count, MANY_SUBSCRIBERS * MATCHERS_EACH);
}

static uint64_t commits(void)
{
    return mrc_staging_commits(mrc_hub_segment_staging(mrc_memory_hub(memory, "durable")));
}

/* A commit may wait for the disk, so many ends share few commits. */
START_TEST(many_ends_take_few_commits)
{
    const char *history_dir = store_dir();
    struct mrc_subscriber *subscribers[MANY_SUBSCRIBERS];
    struct mrc_child *process;
    struct mrc_ring *ring;
    struct mrc_roster *list;
    uint64_t before, pos;
    int ready[2];
    pid_t pid;
    char c;

    reconcile_durable(0);
    ring = mrc_hub_segment_ring(mrc_memory_hub(memory, "durable"));
    list = mrc_hub_segment_roster(mrc_memory_hub(memory, "durable"));

    /* A child is killed, and the next one announces the ends. */
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        open_many(start_durable(getpid(), history_dir), subscribers);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    check_announced(0, true);
    ck_assert_uint_le(commits(), MANY_SUBSCRIBERS);
    kill_victim(pid);
    before = commits();
    pos = mrc_ring_head(ring);
    process = start_durable(102, history_dir);
    wait_until(mrc_roster_used(list) == 0);
    ck_assert_uint_le(commits() - before, MANY_SUBSCRIBERS / 4);
    check_announced(pos, false);

    /* A child ends in order. */
    open_many(process, subscribers);
    before = commits();
    pos = mrc_ring_head(ring);
    for (unsigned i = 0; i < MANY_SUBSCRIBERS; i++)
        mrc_subscriber_close(subscribers[i], MRC_END_DRAINING);
    mrc_child_stop(process);
    ck_assert_uint_eq(mrc_roster_used(list), 0);
    ck_assert_uint_le(commits() - before, MANY_SUBSCRIBERS);
    check_announced(pos, false);
    mrc_hub_close(mrc_child_hub(process, 0));
}
END_TEST

/* ---- after a crash of all processes -----------------------------------------------------------*/

/* All processes are dead, and their shared memory is gone: a new server starts. */
static void restart_server(uint64_t count)
{
    mrc_memory_close(memory);
    open_memory();
    reconcile_durable(count);
}

/* Runs RUN(CTX) in a child process with a durable hub, until it returns or is killed. */
static pid_t fork_durable(const char *history_dir, void (*run)(struct mrc_child *, int),
                          int *ret_ready_fd)
{
    int ready[2];
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        run(start_durable(getpid(), history_dir), ready[1]);
        pause();
    }
    close(ready[1]);
    *ret_ready_fd = ready[0];
    return pid;
}

static void crash(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void wait_ready(int ready_fd)
{
    char c;

    ck_assert_int_eq(read(ready_fd, &c, 1), 1);
    close(ready_fd);
}

static struct mrc_staging *staging(void)
{
    return mrc_hub_segment_staging(mrc_memory_hub(memory, "durable"));
}

/* Starts a child, and waits until it has announced what is left. */
static struct mrc_child *start_successor(const char *history_dir)
{
    struct mrc_child *process = start_durable(getpid(), history_dir);

    wait_until(mrc_staging_horizon(staging()) == 0);
    return process;
}

static void stop_successor(struct mrc_child *process)
{
    mrc_child_stop(process);
    mrc_hub_close(mrc_child_hub(process, 0));
}

/*
 * Calls FN with each event in the history of PROCESS, the oldest first, and returns their number.
 */
static unsigned each_event(struct mrc_child *process,
                           void (*fn)(const char *match, bool active, void *ctx), void *ctx)
{
    struct mrc_history *history = mrc_hub_history(mrc_child_hub(process, 0));
    struct mrc_history_slice slice;
    struct mrc_record record;
    struct mrc_place place;
    unsigned count = 0;

    ck_assert_int_eq(mrc_history_oldest(history, apr_time_now(), &place), APR_SUCCESS);
    ck_assert_int_eq(mrc_history_read(history, &place, SIZE_MAX, &slice), APR_SUCCESS);
    for (; mrc_history_slice_next(&slice, &record); count++) {
        struct mrc_error error = {""};
        struct mrc_update update;
        json_t *document;

        ck_assert_int_eq(mrc_update_decode(record.id, record.payload, &update), MRC_OK);
        ck_assert(update.is_private);
        ck_assert_bytes_eq(update.type, "mercure");
        ck_assert_int_eq(mrc_json_parse_object(update.data, &error, &document), MRC_OK);
        ck_assert_bytes_eq(update.topics[0], json_string_value(json_object_get(document, "id")));
        fn(json_string_value(json_object_get(document, "match")),
           json_is_true(json_object_get(document, "active")), ctx);
        json_decref(document);
        mrc_update_clear(&update);
    }
    mrc_history_slice_free(&slice);
    return count;
}

static void print_event(const char *match, bool active, void *ctx)
{
    mrc_buf_printf(ctx, "%s%s ", active ? "+" : "-", match);
}

/* The events in the history: "+a -a " for a subscription that has begun and ended. */
static void ck_assert_events(struct mrc_child *process, const char *want)
{
    struct mrc_buf text;

    mrc_buf_init(&text, SIZE_MAX);
    each_event(process, print_event, &text);
    ck_assert_bytes_eq(mrc_buf_bytes(&text), want);
    mrc_buf_free(&text);
}

static void begin_two_and_end_one(struct mrc_child *process, int ready_fd)
{
    struct mrc_subscriber *ended = subscribe(process, "ended");

    subscribe(process, "left");
    mrc_subscriber_close(ended, MRC_END_CLIENT);
    wait_until(mrc_roster_used(mrc_hub_roster(mrc_child_hub(process, 0))) == 1);
    if (write(ready_fd, "x", 1) != 1)
        _exit(1);
}

/*
 * Its subscription stays while others begin and end, until the file has trimmed the event of its
 * begin.
 */
static void begin_one_and_many_updates(struct mrc_child *process, int ready_fd)
{
    subscribe(process, "left");
    for (int i = 0; i < 100; i++) {
        mrc_subscriber_close(subscribe(process, "x"), MRC_END_CLIENT);
        wait_until(mrc_roster_used(mrc_hub_roster(mrc_child_hub(process, 0))) == 1);
    }
    if (write(ready_fd, "x", 1) != 1)
        _exit(1);
}

/* All processes are killed: the next server announces exactly the ends that nobody has announced,
 * and the server after that announces nothing. */
START_TEST(a_new_server_announces_what_a_crash_left)
{
    const char *history_dir = store_dir();
    int ready_fd;
    pid_t pid;

    reconcile_durable(0);
    pid = fork_durable(history_dir, begin_two_and_end_one, &ready_fd);
    wait_ready(ready_fd);
    crash(pid);
    for (int i = 0; i < 2; i++) {
        struct mrc_child *process;

        restart_server(0);
        process = start_successor(history_dir);
        ck_assert_events(process, "+ended +left -ended -left ");
        stop_successor(process);
    }
}
END_TEST

/* Other updates have displaced the event with which the subscription began. */
START_TEST(a_trimmed_history_knows_what_has_begun)
{
    const char *history_dir = store_dir();
    struct mrc_child *process;
    int ready_fd;
    pid_t pid;

    reconcile_durable(3);
    pid = fork_durable(history_dir, begin_one_and_many_updates, &ready_fd);
    wait_ready(ready_fd);
    crash(pid);
    restart_server(3);
    process = start_successor(history_dir);
    ck_assert_events(process, "+x -x -left ");
    stop_successor(process);
}
END_TEST

static void begin_many(struct mrc_child *process, int ready_fd)
{
    struct mrc_subscriber *subscribers[MANY_SUBSCRIBERS];

    open_many(process, subscribers);
    if (write(ready_fd, "x", 1) != 1)
        _exit(1);
}

static void do_nothing(struct mrc_child *process, int ready_fd)
{
}

/* The publication of events that kills its process, counted from 0 (-1: none), and whether it does
 * so before the commit or after it. */
static int deadly_publication = -1;
static bool dies_before;

/* This many publications fail before others succeed. */
static atomic_int failing_publications;

apr_status_t __real_mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                          size_t count, int64_t now_us, size_t *ret_done);
apr_status_t __wrap_mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                          size_t count, int64_t now_us, size_t *ret_done);

apr_status_t __wrap_mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                          size_t count, int64_t now_us, size_t *ret_done)
{
    bool is_deadly = deadly_publication == 0;
    apr_status_t status;

    if (atomic_load(&failing_publications) > 0) {
        atomic_fetch_sub(&failing_publications, 1);
        *ret_done = 0;
        return APR_ENOSPC;
    }
    if (deadly_publication > 0)
        deadly_publication--;
    if (is_deadly && dies_before)
        raise(SIGKILL);
    status = __real_mrc_hub_publish_group(hub, items, count, now_us, ret_done);
    if (is_deadly)
        raise(SIGKILL);
    return status;
}

static void count_end(const char *match, bool active, void *ctx)
{
    unsigned(*ends)[MATCHERS_EACH] = ctx;
    unsigned i, j;

    ck_assert_int_eq(sscanf(match, "%u %u", &i, &j), 2);
    ends[i][j] += !active;
}

/* The servers that announce the ends are killed in the middle of it. */
START_TEST(a_crash_while_announcing_repeats_no_end)
{
    static unsigned ends[MANY_SUBSCRIBERS][MATCHERS_EACH];
    const char *history_dir = store_dir();
    struct mrc_child *process;
    int ready_fd;
    pid_t pid;

    reconcile_durable(0);
    pid = fork_durable(history_dir, begin_many, &ready_fd);
    wait_ready(ready_fd);
    crash(pid);
    for (int i = 0; i < 4; i++) { /* dies with 0, 1, 2 and 4 commits done */
        restart_server(0);
        deadly_publication = i / 2;
        dies_before = i % 2 == 0;
        pid = fork_durable(history_dir, do_nothing, &ready_fd);
        deadly_publication = -1;
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        close(ready_fd);
    }
    restart_server(0);
    process = start_successor(history_dir);
    ck_assert_uint_eq(each_event(process, count_end, ends), 2 * MANY_SUBSCRIBERS * MATCHERS_EACH);
    stop_successor(process);
    for (unsigned i = 0; i < MANY_SUBSCRIBERS; i++) {
        for (unsigned j = 0; j < MATCHERS_EACH; j++)
            ck_assert_uint_eq(ends[i][j], 1);
    }
}
END_TEST

/* The disk is full at first. */
START_TEST(what_was_left_is_announced_once_there_is_room)
{
    const char *history_dir = store_dir();
    struct mrc_child *process;
    int ready_fd;
    pid_t pid;

    reconcile_durable(0);
    pid = fork_durable(history_dir, begin_two_and_end_one, &ready_fd);
    wait_ready(ready_fd);
    crash(pid);
    restart_server(0);
    atomic_store(&failing_publications, 2);
    process = start_successor(history_dir);
    ck_assert_int_eq(atomic_load(&failing_publications), 0);
    ck_assert_events(process, "+ended +left -ended -left ");
    stop_successor(process);
}
END_TEST

/* A reload gives the hub another segment before anybody has announced what was left. */
START_TEST(a_hub_that_moves_takes_along_what_was_left)
{
    const char *history_dir = store_dir();
    struct mrc_history *history;
    struct mrc_child *process;
    int ready_fd;
    pid_t pid;

    reconcile_durable(0);
    pid = fork_durable(history_dir, begin_two_and_end_one, &ready_fd);
    wait_ready(ready_fd);
    crash(pid);
    restart_server(0);
    /* A child that has no announcer yet. */
    ck_assert_int_eq(mrc_history_open_lmdb(store_pool(), mrc_memory_hub(memory, "durable"),
                                           mrc_memory_notify(memory), 0, history_dir,
                                           MRC_HISTORY_SYNC_NONE, MRC_HISTORY_OPEN_WAIT_US, NULL,
                                           &history),
                     APR_SUCCESS);
    ck_assert_uint_gt(mrc_staging_horizon(staging()), 0);
    mrc_history_close(history);
    durable.shape.roster_subscribers *= 4;
    reconcile_durable(0);
    process = start_successor(history_dir);
    ck_assert_events(process, "+ended +left -ended -left ");
    stop_successor(process);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("presence");
    TCase *tcase = tcase_create("presence");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, begins_and_ends_are_announced_in_order);
    tcase_add_test(tcase, a_full_roster_lists_no_part_of_a_subscriber);
    tcase_add_test(tcase, an_end_never_blocks);
    tcase_add_test(tcase, no_thread_waits_for_an_interrupted_one);
    tcase_add_test(tcase, another_child_announces_the_ends_of_a_dead_one);
    tcase_add_test(tcase, an_end_that_a_dead_child_announced_is_not_repeated);
    tcase_add_test(tcase, the_next_child_announces_the_ends_if_none_was_left);
    tcase_add_test(tcase, a_hub_that_moves_takes_its_subscriptions_along);
    if (mrc_history_has_lmdb()) {
        tcase_add_test(tcase, many_ends_take_few_commits);
        tcase_add_test(tcase, a_new_server_announces_what_a_crash_left);
        tcase_add_test(tcase, a_trimmed_history_knows_what_has_begun);
        tcase_add_test(tcase, a_crash_while_announcing_repeats_no_end);
        tcase_add_test(tcase, what_was_left_is_announced_once_there_is_room);
        tcase_add_test(tcase, a_hub_that_moves_takes_along_what_was_left);
    }
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
