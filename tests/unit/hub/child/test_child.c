#include "hub/child/child.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/stream/carrier.h"
#include "hub/stream/dispatcher.h"
#include "hub/stream/stream.h"
#include "hub/stream/waiters.h"
#include "hub_unit.h"
#include "store/base/clock.h"
#include "store/memory/memory.h"

#define NSLOTS 4
#define DEADLINE_US                                                                                \
    INT64_C(60000000) /* far more than is needed: only a broken build waits that long */

static const char *dir;
static struct mrc_memory *memory;

static const struct mrc_hub_spec unknown = {
    .shape = {.key = "unknown"},
    .limits = {.dispatch_timeout_us = 1000000},
};
static const struct mrc_hub_spec a = {
    .shape = {.key = "a", .ring_bytes = 10000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 1000000, .subscribers_max = 3},
};
static const struct mrc_hub_spec b = {
    .shape = {.key = "b", .ring_bytes = 10000, .body_max_bytes = 1000},
    .limits = {.dispatch_timeout_us = 2000000},
};
static const struct mrc_hub_spec *const hubs[] = {&unknown, &a, &b};

#define A 1 /* index among the hubs of the child */
#define B 2

static void setup(void)
{
    const struct mrc_hub_shape *const shapes[] = {&a.shape, &b.shape};
    struct mrc_error error = {""};

    dir = store_dir();
    ck_assert_msg(mrc_memory_open(store_pool(), dir, NSLOTS, &error, &memory) == APR_SUCCESS, "%s",
                  error.text);
    ck_assert_msg(mrc_memory_reconcile(memory, shapes, 2, NULL, NULL, &error) == APR_SUCCESS, "%s",
                  error.text);
}

static void teardown(void)
{
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}

static apr_status_t start_in(apr_pool_t *pool, pid_t pid, struct mrc_child **ret_process)
{
    return mrc_child_start(pool, memory, hubs, 3, 2, pid, 7, ret_process);
}

static apr_status_t try_start(pid_t pid, struct mrc_child **ret_process)
{
    return start_in(store_pool(), pid, ret_process);
}

static struct mrc_child *start(pid_t pid)
{
    struct mrc_child *process = NULL;

    ck_assert_int_eq(try_start(pid, &process), APR_SUCCESS);
    return process;
}

static enum mrc_control_state state_of(unsigned slot)
{
    struct mrc_control_child child;

    ck_assert(mrc_control_get(mrc_memory_control(memory), slot, &child));
    return child.state;
}

static struct mrc_hub_segment *segment_of(size_t i)
{
    return mrc_memory_hub(memory, hubs[i]->shape.key);
}

static uint64_t counter_of(size_t i, unsigned counter)
{
    return mrc_counters_sum(mrc_hub_segment_counters(segment_of(i)), counter);
}

static uint64_t gauge_of(size_t i, unsigned gauge)
{
    return mrc_counters_gauge_sum(mrc_hub_segment_counters(segment_of(i)), gauge);
}

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        int64_t until_us_ = mrc_clock_us() + DEADLINE_US;                                          \
        while (!(condition)) {                                                                     \
            ck_assert_msg(mrc_clock_us() < until_us_, "never came true: %s", #condition);          \
            poll(NULL, 0, 2);                                                                      \
        }                                                                                          \
    } while (0)

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

/* ---- slots ------------------------------------------------------------------------------------*/

/* Makes HUB listen to all topics, or stop to. */
static void listen_to_all(struct mrc_hub *hub, bool on)
{
    struct mrc_matcher *all;

    ck_assert_int_eq(mrc_matcher_create(MRC_MATCHER_EXACT, mrc_bytes_of("*"), NULL, NULL, &all),
                     MRC_OK);
    if (on)
        mrc_hub_listen(hub, &all, 1);
    else
        mrc_hub_unlisten(hub, &all, 1);
    mrc_matcher_free(all);
}

/* Takes a seat that is counted for no client. */
static apr_status_t join(struct mrc_hub *hub)
{
    const struct mrc_hub_client client = {.address = {NULL, 0}, .token = {NULL, 0}};
    struct mrc_hub_seat seat;
    apr_status_t status = mrc_seats_take(mrc_hub_seats(hub), &client, &seat);

    if (status == APR_SUCCESS)
        listen_to_all(hub, true);
    return status;
}

static void leave(struct mrc_hub *hub, enum mrc_end end)
{
    const struct mrc_hub_seat seat = {0};

    listen_to_all(hub, false);
    mrc_seats_give_back(mrc_hub_seats(hub), &seat, end);
}

START_TEST(a_child_has_a_slot_and_its_hubs)
{
    struct mrc_child *process = start(101);
    struct mrc_control_child child;

    ck_assert(mrc_control_get(mrc_memory_control(memory), 0, &child));
    ck_assert_int_eq(child.state, MRC_CONTROL_LIVE);
    ck_assert_int_eq(child.pid, 101);
    ck_assert_uint_eq(child.generation, 7);
    ck_assert_ptr_null(mrc_child_hub(process, 0)); /* it has no shared memory */
    ck_assert_ptr_null(mrc_child_hub(process, 3));
    ck_assert_uint_eq(mrc_hub_get_index(mrc_child_hub(process, A)), A);
    ck_assert_int_eq(mrc_hub_get_limits(mrc_child_hub(process, B))->dispatch_timeout_us, 2000000);
    ck_assert_ptr_nonnull(mrc_child_dispatcher(process));
    mrc_child_stop(process);
    ck_assert_int_eq(state_of(0), MRC_CONTROL_FREE);
}
END_TEST

START_TEST(without_a_free_slot_nothing_is_served)
{
    struct mrc_child *processes[NSLOTS];
    struct mrc_child *none = NULL;

    for (unsigned i = 0; i < NSLOTS; i++)
        processes[i] = start((pid_t)(101 + i));
    ck_assert_int_eq(try_start(201, &none), APR_ENOSPC);
    ck_assert_ptr_null(none);
    mrc_child_stop(processes[2]);
    none = start(201);
    ck_assert_int_eq(state_of(2), MRC_CONTROL_LIVE);
    mrc_child_stop(none);
    for (unsigned i = 0; i < NSLOTS; i++) {
        if (i != 2)
            mrc_child_stop(processes[i]);
    }
}
END_TEST

static unsigned open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

START_TEST(a_child_leaves_nothing_open)
{
    unsigned before = open_descriptors();

    for (int i = 0; i < 5; i++) {
        apr_pool_t *pool = store_pool();
        struct mrc_child *process = NULL;

        ck_assert_int_eq(start_in(pool, 101, &process), APR_SUCCESS);
        mrc_child_stop(process);
        apr_pool_destroy(pool);
    }
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* ---- numbers ----------------------------------------------------------------------------------*/

START_TEST(subscribers_are_counted_in_all_children)
{
    struct mrc_child *first = start(101);
    struct mrc_child *second = start(102);
    struct mrc_hub *here = mrc_child_hub(first, A);
    struct mrc_hub *there = mrc_child_hub(second, A);

    ck_assert_int_eq(join(here), APR_SUCCESS);
    ck_assert_int_eq(join(there), APR_SUCCESS);
    ck_assert_int_eq(join(there), APR_SUCCESS);
    ck_assert_int_eq(join(here), MRC_STATUS_FULL);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(here), MRC_GAUGE_SUBSCRIBERS), 3);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(A)), 0), 1);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(A)), 1), 2);
    leave(there, MRC_END_SLOW);
    ck_assert_int_eq(join(here), APR_SUCCESS);
    ck_assert_uint_eq(counter_of(A, MRC_COUNTER_SUBSCRIBERS), 0);
    mrc_hub_begin(here);
    mrc_hub_begin(there);
    ck_assert_uint_eq(counter_of(A, MRC_COUNTER_SUBSCRIBERS), 2);
    ck_assert_uint_eq(counter_of(A, MRC_COUNTER_ENDED + MRC_END_SLOW), 1);
    leave(here, MRC_END_CLIENT);
    leave(here, MRC_END_CLIENT);
    leave(there, MRC_END_CLIENT);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(there), MRC_GAUGE_SUBSCRIBERS), 0);
    mrc_child_stop(first);
    mrc_child_stop(second);
}
END_TEST

/* Without room, a child counts in memory of its own until it is closed, and the next one of the
 * process counts anew in another slot. */
START_TEST(without_room_a_child_counts_for_itself)
{
    mrc_memory_set_limit(memory, 1);
    for (unsigned slot = 0; slot < 2; slot++) {
        struct mrc_child *process = start(101);

        ck_assert_uint_eq(mrc_hub_get_slot(mrc_child_hub(process, A)), slot);
        ck_assert_uint_eq(counter_of(A, MRC_COUNTER_UPDATES), 0);
        mrc_numbers_count(mrc_hub_numbers(mrc_child_hub(process, A)), MRC_COUNTER_UPDATES, 1);
        ck_assert_uint_eq(counter_of(A, MRC_COUNTER_UPDATES), 1);
        ck_assert(mrc_child_hold_thread(process, 1, 1));
        mrc_child_release_thread(process);
        ck_assert(mrc_child_stop(process));
        mrc_child_close(process);
        ck_assert_uint_eq(counter_of(A, MRC_COUNTER_UPDATES), 0);
        ck_assert_int_eq(mrc_control_claim(mrc_memory_control(memory), 201, 7), slot);
    }
}
END_TEST

START_TEST(threads_are_limited_per_child_and_in_total)
{
    struct mrc_child *first = start(101);
    struct mrc_child *second = start(102);

    ck_assert(mrc_child_hold_thread(first, 2, 3));
    ck_assert(mrc_child_hold_thread(first, 2, 3));
    ck_assert(!mrc_child_hold_thread(first, 2, 3)); /* its own limit */
    ck_assert(mrc_child_hold_thread(second, 2, 3));
    ck_assert(!mrc_child_hold_thread(second, 2, 3)); /* the limit for all children */
    ck_assert_uint_eq(gauge_of(A, MRC_GAUGE_THREADS), 3);
    mrc_child_release_thread(first);
    ck_assert(mrc_child_hold_thread(second, 2, 3));
    ck_assert(!mrc_child_hold_thread(first, 2, 3));
    mrc_child_release_thread(first);
    mrc_child_release_thread(second);
    mrc_child_release_thread(second);
    ck_assert_uint_eq(gauge_of(A, MRC_GAUGE_THREADS), 0);
    ck_assert(!mrc_child_hold_thread(first, 0, 3));
    ck_assert(!mrc_child_hold_thread(first, 3, 0));
    mrc_child_stop(first);
    mrc_child_stop(second);
}
END_TEST

START_TEST(suspended_streams_are_limited_per_child)
{
    struct mrc_child *first = start(101);
    struct mrc_child *second = start(102);

    ck_assert(!mrc_child_hold_suspended(first, 0));
    ck_assert(mrc_child_hold_suspended(first, 2));
    ck_assert(mrc_child_hold_suspended(first, 2));
    ck_assert(!mrc_child_hold_suspended(first, 2));
    ck_assert(mrc_child_hold_suspended(second, 2));
    mrc_child_release_suspended(first);
    ck_assert(mrc_child_hold_suspended(first, 2));
    ck_assert(!mrc_child_hold_suspended(first, 2));
    mrc_child_stop(first);
    mrc_child_stop(second);
}
END_TEST

#define RACERS 2
#define ROUNDS 20000

/* RACERS threads try to take the last place at the same time, ROUNDS times. */
struct race {
    struct mrc_child *children[RACERS]; /* each racer is in another child */
    atomic_uint turn;                   /* incremented by each racer that reaches a line */
    atomic_uint got;
};

/* Waits until all racers have reached line number LINE; spins at first. */
static void line_up(struct race *race, unsigned line)
{
    atomic_fetch_add(&race->turn, 1);
    for (unsigned i = 0; atomic_load(&race->turn) < line * RACERS; i++) {
        if (i > 1000)
            sched_yield();
    }
}

struct racer {
    struct race *race;
    unsigned number;
};

static void *run_race(void *arg)
{
    const struct racer *racer = arg;
    struct race *race = racer->race;
    struct mrc_hub *hub = mrc_child_hub(race->children[racer->number], A);
    unsigned line = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        bool joined, held;

        line_up(race, ++line);
        joined = join(hub) == APR_SUCCESS;
        held = mrc_child_hold_suspended(race->children[0], 1);
        atomic_fetch_add(&race->got, (joined ? 1 : 0) + (held ? 1000 : 0));
        line_up(race, ++line);
        if (atomic_load(&race->got) != 1001)
            return race;
        line_up(race, ++line);
        atomic_store(&race->got, 0);
        if (joined)
            leave(hub, MRC_END_CLIENT);
        if (held)
            mrc_child_release_suspended(race->children[0]);
    }
    return NULL;
}

/* Of several children that try to take the last place at the same time, exactly one gets it. */
START_TEST(the_last_place_goes_to_one)
{
    struct race race = {.children = {start(101), start(102)}};
    struct racer racers[RACERS];
    pthread_t threads[RACERS];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(join(mrc_child_hub(race.children[0], A)), APR_SUCCESS);
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){&race, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        void *problem;

        pthread_join(threads[i], &problem);
        ck_assert_msg(!problem, "the last place was taken by none, or by two");
    }
    mrc_child_stop(race.children[0]);
    mrc_child_stop(race.children[1]);
}
END_TEST

/* A new child does not inherit the numbers that a predecessor left in the slot. A child of the
 * previous generation may free a slot without folding hubs that came with a reload. */
START_TEST(a_slot_begins_empty)
{
    struct mrc_child *process = start(100);

    mrc_child_stop(process);
    mrc_interests_add(mrc_hub_segment_interests(segment_of(A)), 0);
    mrc_counters_gauge_add(mrc_hub_segment_counters(segment_of(A)), 0, MRC_GAUGE_SUBSCRIBERS, 3);
    mrc_notify_wake(mrc_memory_notify(memory), 0);
    process = start(101);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(A)), 0), 0);
    ck_assert_int_eq(join(mrc_child_hub(process, A)), APR_SUCCESS);
    leave(mrc_child_hub(process, A), MRC_END_CLIENT);
    mrc_child_stop(process);
}
END_TEST

/* A child that ends leaves nothing in the hubs that it has opened, and does not touch others. */
START_TEST(a_stop_folds_only_what_was_opened)
{
    struct mrc_child *process = start(100);

    ck_assert_int_eq(join(mrc_child_hub(process, A)), APR_SUCCESS);
    leave(mrc_child_hub(process, A), MRC_END_CLIENT);
    mrc_interests_add(mrc_hub_segment_interests(segment_of(A)), 0);
    mrc_interests_add(mrc_hub_segment_interests(segment_of(B)), 0);
    mrc_child_stop(process);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(A)), 0), 0);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(B)), 0), 1);
}
END_TEST

/* ---- a child that dies ------------------------------------------------------------------------*/

/* Starts a child in slot 0 that holds a thread and two subscribers, and dies after publishing and
 * before waking anybody. */
static pid_t start_child(void)
{
    int ready[2];
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        struct mrc_child *process = start(getpid());
        uint64_t seq, pos;

        join(mrc_child_hub(process, A));
        mrc_hub_begin(mrc_child_hub(process, A));
        join(mrc_child_hub(process, B));
        mrc_hub_begin(mrc_child_hub(process, B));
        mrc_child_hold_thread(process, 5, 5);
        mrc_ring_append(mrc_hub_segment_ring(segment_of(A)), mrc_bytes_of("id"),
                        mrc_bytes_of("payload"), 9, apr_time_now(), 0, &seq, &pos);
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void kill_child(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_eq(gauge_of(A, MRC_GAUGE_SUBSCRIBERS), 1);
    ck_assert_uint_eq(gauge_of(A, MRC_GAUGE_THREADS), 1);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(B)), 0), 1);
    ck_assert_uint_eq(mrc_control_mark_dead(mrc_memory_control(memory), pid), 1);
}

static void ck_assert_folded(void)
{
    for (size_t i = A; i <= B; i++) {
        ck_assert_uint_eq(gauge_of(i, MRC_GAUGE_SUBSCRIBERS), 0);
        ck_assert_uint_eq(gauge_of(i, MRC_GAUGE_THREADS), 0);
        ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(segment_of(i)), 0), 0);
        ck_assert_uint_eq(counter_of(i, MRC_COUNTER_SUBSCRIBERS), 1);
    }
}

START_TEST(the_next_child_folds_the_dead)
{
    struct mrc_child *process;

    kill_child(start_child());
    ck_assert_int_eq(state_of(0), MRC_CONTROL_DEAD);
    process = start(102);
    ck_assert_int_eq(state_of(0), MRC_CONTROL_LIVE);
    ck_assert_folded();
    mrc_child_stop(process);
}
END_TEST

/* A living child that the parent wakes folds the dead one, and wakes all children that listen: they
 * may have missed its last update. */
START_TEST(a_living_child_folds_the_dead)
{
    const struct mrc_notify *notify = mrc_memory_notify(memory);
    pid_t child = start_child();
    struct mrc_child *survivor = start(102);

    ck_assert_int_eq(mrc_control_claim(mrc_memory_control(memory), 103, 7), 2);
    mrc_interests_add(mrc_hub_segment_interests(segment_of(A)), 2);
    kill_child(child);
    ck_assert(!is_readable(mrc_notify_fd(notify, 2)));
    mrc_notify_wake(notify, 1);
    wait_until(state_of(0) == MRC_CONTROL_FREE);
    ck_assert_folded();
    ck_assert(is_readable(mrc_notify_fd(notify, 2)));
    mrc_child_stop(survivor);
}
END_TEST

/* ---- a thread that does not end ---------------------------------------------------------------*/

/* A carrier that blocks the dispatcher until it is released. */
static atomic_bool is_writing, released, is_closed;

static enum mrc_carrier_state slow_write(struct mrc_carrier *carrier,
                                         const struct mrc_piece *pieces, size_t count)
{
    (void)carrier, (void)pieces, (void)count;
    atomic_store(&is_writing, true);
    while (!atomic_load(&released))
        poll(NULL, 0, 2);
    return MRC_CARRIER_READY;
}

static enum mrc_carrier_state slow_flush(struct mrc_carrier *carrier)
{
    (void)carrier;
    return MRC_CARRIER_READY;
}

static bool slow_may_close(struct mrc_carrier *carrier, int64_t now_us)
{
    (void)carrier, (void)now_us;
    return true;
}

static void slow_close(struct mrc_carrier *carrier, enum mrc_end end)
{
    (void)carrier, (void)end;
    atomic_store(&is_closed, true);
}

/*
 * A thread that has not ended still counts in its slot after the stop, so no other child may have
 * the slot before this one is dead: otherwise the subscriber of another child would be lost here.
 */
START_TEST(a_slot_is_kept_while_a_thread_still_counts)
{
    static const struct mrc_carrier_ops ops = {
        .write = slow_write,
        .flush = slow_flush,
        .may_close = slow_may_close,
        .close = slow_close,
    };
    struct mrc_child *process = start(101), *next;
    struct mrc_hub *hub = mrc_child_hub(process, A);
    struct mrc_carrier carrier = {.ops = &ops};
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    carrier.fd = fds[0];
    hub_publish(hub, "id", "topic", "data");
    mrc_dispatcher_post(
        mrc_child_dispatcher(process),
        mrc_stream_create(
            hub_subscribe(hub, hub_matcher(MRC_MATCHER_EXACT, "topic", NULL), "earliest"), &carrier,
            mrc_clock_us()));
    wait_until(atomic_load(&is_writing));
    mrc_child_stop(process);
    ck_assert_int_eq(state_of(0), MRC_CONTROL_LIVE);
    next = start(102);
    ck_assert_int_eq(join(mrc_child_hub(next, A)), APR_SUCCESS);
    atomic_store(&released, true);
    while (!mrc_dispatcher_stop(
        mrc_child_dispatcher(process))) /* however late the thread is scheduled */
        ;
    ck_assert(atomic_load(&is_closed));
    ck_assert_uint_eq(gauge_of(A, MRC_GAUGE_SUBSCRIBERS), 1);
    leave(mrc_child_hub(next, A), MRC_END_CLIENT);
    ck_assert_uint_eq(mrc_control_mark_dead(mrc_memory_control(memory), 101), 1);
    mrc_child_stop(next);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static apr_status_t publish(struct mrc_child *process, size_t i)
{
    const char *topic = "topic";

    return hub_publish_to(mrc_child_hub(process, i), "id", &topic, 1, mrc_bytes_of("data"), false);
}

/* What a request may be in when the child stops. */
enum { PUBLICATION, SUBSCRIBER, HELD_THREAD, KNOWN_REQUEST, REQUESTS };

/*
 * A request that goes on after the stop of its child uses the slot, which no other child may have
 * before the process has ended.
 */
START_TEST(a_slot_is_kept_while_a_request_goes_on)
{
    struct mrc_child *process = start(101), *next;
    struct mrc_hub *hub = mrc_child_hub(process, B);
    struct mrc_subscriber *subscriber = NULL;

    if (_i == PUBLICATION)
        ck_assert(mrc_hub_enter(hub));
    else if (_i == SUBSCRIBER)
        subscriber = hub_subscribe(hub, hub_matcher(MRC_MATCHER_EXACT, "topic", NULL), NULL);
    else if (_i == HELD_THREAD)
        ck_assert(mrc_child_hold_thread(process, 1, 1));
    else
        mrc_child_expect_requests(process);
    ck_assert(mrc_child_stop(process));
    ck_assert_int_eq(state_of(0), MRC_CONTROL_LIVE);
    next = start(102);
    ck_assert_uint_eq(mrc_hub_get_slot(mrc_child_hub(next, A)), 1);
    ck_assert_int_eq(publish(process, B), APR_SUCCESS);
    ck_assert_uint_eq(gauge_of(B, MRC_GAUGE_SUBSCRIBERS), _i == SUBSCRIBER);
    if (_i == PUBLICATION)
        mrc_hub_leave(hub);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    ck_assert_uint_eq(gauge_of(B, MRC_GAUGE_SUBSCRIBERS), 0);
    if (_i == HELD_THREAD)
        mrc_child_release_thread(process);
    ck_assert(mrc_child_stop(next));
    ck_assert_int_eq(state_of(1), MRC_CONTROL_FREE);
    ck_assert_uint_eq(mrc_control_mark_dead(mrc_memory_control(memory), 101), 1);
}
END_TEST

/* A request that comes later finds that the hub is closed. */
START_TEST(a_child_without_a_slot_stores_nothing)
{
    struct mrc_child *process = start(101);
    struct mrc_hub *hub = mrc_child_hub(process, B);
    struct mrc_subscription subscription = {0};
    struct mrc_subscriber *subscriber = NULL;
    const struct mrc_record record = {.id = mrc_bytes_of("id"), .payload = mrc_bytes_of("data")};
    size_t done = 1;

    ck_assert_int_eq(publish(process, B), APR_SUCCESS);
    ck_assert(mrc_child_stop(process));
    ck_assert_int_eq(state_of(0), MRC_CONTROL_FREE);
    ck_assert_int_eq(publish(process, B), MRC_STATUS_SUPERSEDED);
    ck_assert_int_eq(mrc_hub_order(hub, mrc_bytes_of("order"), apr_time_now()),
                     MRC_STATUS_SUPERSEDED);
    ck_assert_int_eq(mrc_hub_publish_group(hub, &record, 1, apr_time_now(), &done),
                     MRC_STATUS_SUPERSEDED);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(mrc_subscriber_open(hub, &subscription, apr_time_now(), &subscriber),
                     MRC_STATUS_SUPERSEDED);
    ck_assert(!mrc_child_hold_thread(process, 1, 1));
    ck_assert_uint_eq(counter_of(B, MRC_COUNTER_UPDATES), 1);
}
END_TEST

/* ---- draining ---------------------------------------------------------------------------------*/

START_TEST(drains)
{
    struct mrc_child *process = start(101);
    struct mrc_waiter *waiter;

    ck_assert_int_eq(mrc_waiter_open(mrc_child_waiters(process), NULL, &waiter), APR_SUCCESS);
    ck_assert(!mrc_child_is_draining(process));
    mrc_child_drain(process, true);
    ck_assert(mrc_child_is_draining(process));
    wait_until(is_readable(mrc_waiter_fd(waiter))); /* the drain wakes threads that hold a stream */
    mrc_child_drain(process, false);
    mrc_waiter_close(waiter);
    mrc_child_stop(process);
    ck_assert(mrc_child_is_draining(process));
}
END_TEST

/* A publication wakes the waiters of every child that listens, and of no other. */
START_TEST(a_publication_wakes_the_waiters)
{
    struct mrc_child *first = start(101);
    struct mrc_child *second = start(102);
    struct mrc_waiter *hears[2], *deaf;

    join(mrc_child_hub(first, B));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(mrc_waiter_open(mrc_child_waiters(first), NULL, &hears[i]), APR_SUCCESS);
    ck_assert_int_eq(mrc_waiter_open(mrc_child_waiters(second), NULL, &deaf), APR_SUCCESS);
    for (int i = 0; i < 3; i++) {
        hub_publish(mrc_child_hub(second, B), "id", "topic", "data");
        for (int w = 0; w < 2; w++) {
            wait_until(is_readable(mrc_waiter_fd(hears[w])));
            mrc_waiter_drain(hears[w]);
        }
    }
    ck_assert(!is_readable(mrc_waiter_fd(deaf)));
    mrc_waiter_close(NULL);
    mrc_waiter_close(hears[1]);
    mrc_waiter_close(hears[0]);
    mrc_waiter_close(deaf);
    leave(mrc_child_hub(first, B), MRC_END_CLIENT);
    mrc_child_stop(first);
    mrc_child_stop(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("child");
    TCase *tcase = tcase_create("child");

    tcase_set_timeout(tcase, 90);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_child_has_a_slot_and_its_hubs);
    tcase_add_test(tcase, without_a_free_slot_nothing_is_served);
    tcase_add_test(tcase, a_child_leaves_nothing_open);
    tcase_add_test(tcase, subscribers_are_counted_in_all_children);
    tcase_add_test(tcase, without_room_a_child_counts_for_itself);
    tcase_add_test(tcase, threads_are_limited_per_child_and_in_total);
    tcase_add_test(tcase, suspended_streams_are_limited_per_child);
    tcase_add_test(tcase, the_last_place_goes_to_one);
    tcase_add_test(tcase, a_slot_begins_empty);
    tcase_add_test(tcase, a_stop_folds_only_what_was_opened);
    tcase_add_test(tcase, the_next_child_folds_the_dead);
    tcase_add_test(tcase, a_living_child_folds_the_dead);
    tcase_add_test(tcase, a_slot_is_kept_while_a_thread_still_counts);
    tcase_add_loop_test(tcase, a_slot_is_kept_while_a_request_goes_on, 0, REQUESTS);
    tcase_add_test(tcase, a_child_without_a_slot_stores_nothing);
    tcase_add_test(tcase, drains);
    tcase_add_test(tcase, a_publication_wakes_the_waiters);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
