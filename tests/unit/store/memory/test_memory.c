#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/base/status.h"
#include "store/memory/memory.h"
#include "store/regions/staging.h"
#include "store/ring/internal.h"
#include "store_unit.h"

#define NOW apr_time_now()

static struct mrc_hub_shape shape(const char *key, uint64_t ring_bytes)
{
    return (struct mrc_hub_shape){
        .key = key,
        .history = {.count = 1000},
        .ring_bytes = ring_bytes,
        .body_max_bytes = 1000,
    };
}

static struct mrc_memory *open_memory(const char *dir)
{
    struct mrc_memory *memory;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_memory_open(store_pool(), dir, 4, &error, &memory) == APR_SUCCESS, "%s",
                  error.text);
    return memory;
}

/* The addresses of the N SHAPES, which the next call overwrites. */
static const struct mrc_hub_shape *const *list(const struct mrc_hub_shape *shapes, size_t n)
{
    static const struct mrc_hub_shape *addresses[3];

    for (size_t i = 0; i < n; i++)
        addresses[i] = &shapes[i];
    return addresses;
}

static void fail_of_warning(void *unused, const char *text)
{
    ck_abort_msg("%s", text);
}

/* Reconciles; this must succeed without a warning. */
static void reconcile(struct mrc_memory *memory, const struct mrc_hub_shape *shapes, size_t n)
{
    struct mrc_error error = {""};
    apr_status_t status =
        mrc_memory_reconcile(memory, list(shapes, n), n, fail_of_warning, NULL, &error);

    ck_assert_msg(status == APR_SUCCESS, "%s", error.text);
}

/* The warnings of one call. */
struct warnings {
    struct mrc_error texts[3];
    size_t count;
};

static void add_warning(void *ctx, const char *text)
{
    struct warnings *warnings = ctx;

    ck_assert_uint_lt(warnings->count, 3);
    mrc_error_set(&warnings->texts[warnings->count++], MRC_OK, "%s", text);
}

static apr_status_t append(struct mrc_hub_segment *hub, const char *id)
{
    uint64_t seq;
    uint64_t pos;

    return mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of(id), mrc_bytes_of("x"), 10,
                           apr_time_now(), 0, &seq, &pos);
}

static uint64_t records(struct mrc_hub_segment *hub)
{
    struct mrc_ring_stats stats;

    mrc_ring_stats(mrc_hub_segment_ring(hub), &stats);
    return stats.records;
}

/* The counters of all children. */
static struct mrc_counters *begin_counters(struct mrc_hub_segment *hub)
{
    struct mrc_counters *counters = mrc_hub_segment_counters(hub);

    for (unsigned slot = 0; slot <= 4; slot++) /* slot 4 does not exist */
        mrc_counters_begin(counters, slot);
    return counters;
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static unsigned files_in(const char *dir, uint64_t *ret_bytes)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    unsigned n = 0;
    struct stat st;

    *ret_bytes = 0;
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.') {
            n++;
            ck_assert_int_eq(fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
            *ret_bytes += (uint64_t)st.st_size;
        }
    closedir(d);
    return n;
}

static void ck_assert_files(const char *dir, unsigned n)
{
    uint64_t bytes;

    ck_assert_uint_eq(files_in(dir, &bytes), n);
}

static unsigned open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

START_TEST(removes_everything_when_it_closes)
{
    const char *dir = store_dir();
    unsigned descriptors = open_descriptors();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 10000), shape("b", 20000)};
    struct mrc_error error = {""};
    uint64_t bytes;

    reconcile(memory, shapes, 2);
    ck_assert_str_eq(mrc_hub_segment_key(mrc_memory_hub(memory, "a")), "a");
    ck_assert_ptr_ne(mrc_memory_hub(memory, "a"), mrc_memory_hub(memory, "b"));
    ck_assert_ptr_null(mrc_memory_hub(memory, "c"));
    ck_assert_ptr_nonnull(mrc_memory_hub_at(memory, 1));
    ck_assert_ptr_null(mrc_memory_hub_at(memory, 2));
    ck_assert_uint_eq(files_in(dir, &bytes), 3);
    ck_assert_uint_eq(bytes, mrc_memory_size(list(shapes, 2), 2, 4, &error)); /* exactly */
    if (fork() == 0) { /* a child that ends removes nothing */
        mrc_memory_close(memory);
        _exit(0);
    }
    wait(NULL);
    ck_assert_files(dir, 3);
    mrc_memory_close(memory);
    mrc_memory_close(NULL);
    ck_assert_uint_eq(open_descriptors(), descriptors);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_reload_keeps_what_did_not_change)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 100000)};
    struct mrc_hub_segment *hub;
    struct mrc_ring_bounds bounds;
    int i;

    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    for (i = 0; i < 100; i++)
        ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    reconcile(memory, shapes, 1);
    ck_assert_ptr_eq(mrc_memory_hub(memory, "a"), hub);
    ck_assert_uint_eq(records(hub), 100);
    shapes[0].history.bytes = 500;
    reconcile(memory, shapes, 1);
    ck_assert_ptr_eq(mrc_memory_hub(memory, "a"), hub);
    ck_assert_uint_eq(records(hub), 50);
    shapes[0].history.age_us = 77;
    shapes[0].history.off = true;
    reconcile(memory, shapes, 1);
    ck_assert_uint_eq(records(hub), 0);
    mrc_ring_get_bounds(mrc_hub_segment_ring(hub), &bounds);
    ck_assert_uint_eq(bounds.age_us, 77);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_resize_moves_the_history)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 100000), shape("b", 100000)};
    struct mrc_hub_segment *other;
    struct mrc_hub_segment *hub;
    struct mrc_counters *counters;
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos;
    int to_child[2];
    int status;
    pid_t pid;
    int i;

    reconcile(memory, shapes, 2);
    hub = mrc_memory_hub(memory, "a");
    other = mrc_memory_hub(memory, "b");
    for (i = 0; i < 100; i++)
        ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    ck_assert_int_eq(append(hub, "last"), APR_SUCCESS);
    counters = begin_counters(hub);
    mrc_counters_add(counters, 1, 7, 11);
    mrc_counters_add(counters, 3, 7, 4);
    mrc_interests_add(mrc_hub_segment_interests(hub), 3);

    /* A child of the generation before the reload. */
    ck_assert_int_eq(pipe(to_child), 0);
    pid = fork();
    if (pid == 0) {
        char c;

        if (read(to_child[0], &c, 1) != 1)
            _exit(1);
        if (!is_readable(mrc_notify_fd(mrc_memory_notify(memory), 3)) ||
            is_readable(mrc_notify_fd(mrc_memory_notify(memory), 2)) ||
            !mrc_ring_is_superseded(mrc_hub_segment_ring(hub)))
            _exit(4);
        if (append(hub, "late") != MRC_STATUS_SUPERSEDED)
            _exit(2);
        if (records(hub) != 101) /* what the child has mapped is still there */
            _exit(3);
        _exit(0);
    }
    shapes[0].ring_bytes = 200000;
    reconcile(memory, shapes, 2);
    ck_assert_int_eq(write(to_child[1], "x", 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);

    hub = mrc_memory_hub(memory, "a");
    ck_assert_ptr_eq(mrc_memory_hub(memory, "b"), other);
    ck_assert_uint_eq(records(hub), 101);
    ck_assert_int_eq(mrc_ring_find(mrc_hub_segment_ring(hub), mrc_bytes_of("last"), NOW, &pos),
                     APR_SUCCESS);
    ck_assert_uint_eq(pos, mrc_ring_head(mrc_hub_segment_ring(hub)));
    ck_assert_int_eq(append(hub, "next"), APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_newest(mrc_hub_segment_ring(hub), &record), APR_SUCCESS);
    ck_assert_uint_eq(record.view.seq, 102);
    ck_assert_uint_eq(mrc_counters_sum(mrc_hub_segment_counters(hub), 7), 15);
    ck_assert_files(dir, 3);

    /* The hub moves to a smaller segment, with the newest records that fit. */
    shapes[0].ring_bytes = 1000;
    shapes[0].body_max_bytes = 100;
    reconcile(memory, shapes, 2);
    hub = mrc_memory_hub(memory, "a");
    ck_assert_uint_gt(records(hub), 5);
    ck_assert_uint_lt(records(hub), 101);
    ck_assert_int_eq(mrc_ring_find(mrc_hub_segment_ring(hub), mrc_bytes_of("next"), NOW, &pos),
                     APR_SUCCESS);
    ck_assert_uint_eq(mrc_counters_sum(mrc_hub_segment_counters(hub), 7), 15);
    ck_assert_files(dir, 3);
    mrc_ring_record_free(&record);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Publishers of the old and of the new generation run while the hub is resized again and again. In
 * the end, every successful publication is in the history, in order. */
START_TEST(the_key_of_positions_stays_with_its_hub)
{
    static const unsigned char zeros[MRC_HUB_POSITION_KEY_BYTES];
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 100000), shape("b", 100000)};
    unsigned char key[MRC_HUB_POSITION_KEY_BYTES];
    struct mrc_hub_segment *hub;

    reconcile(memory, shapes, 2);
    hub = mrc_memory_hub(memory, "a");
    memcpy(key, mrc_hub_segment_position_key(hub), sizeof(key));
    ck_assert_int_ne(memcmp(key, zeros, sizeof(key)), 0);
    ck_assert_int_ne(
        memcmp(key, mrc_hub_segment_position_key(mrc_memory_hub(memory, "b")), sizeof(key)), 0);
    shapes[0] = shape("a", 200000);
    reconcile(memory, shapes, 2);
    ck_assert_ptr_ne(mrc_memory_hub(memory, "a"), hub);
    hub = mrc_memory_hub(memory, "a");
    ck_assert_mem_eq(mrc_hub_segment_position_key(hub), key, sizeof(key));
    reconcile(memory, shapes + 1, 1);
    reconcile(memory, shapes, 2); /* another hub, although it has the same name */
    ck_assert_int_ne(
        memcmp(key, mrc_hub_segment_position_key(mrc_memory_hub(memory, "a")), sizeof(key)), 0);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(nothing_is_lost_while_a_hub_is_resized)
{
    enum { ROUNDS = 40 };
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 4000000)};
    _Atomic uint64_t *stored = store_shared(4096);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring *ring;
    uint64_t seq = 0;
    uint64_t pos;
    int i;

    shapes[0].history.count = 0;
    reconcile(memory, shapes, 1);
    for (i = 0; i < ROUNDS; i++) {
        uint64_t before = atomic_load(stored);
        pid_t pid = fork();
        int status;

        if (pid == 0) { /* publishes until its generation is over */
            struct mrc_hub_segment *hub = mrc_memory_hub(memory, "a");
            apr_status_t answer;

            while ((answer = append(hub, "id")) != MRC_STATUS_SUPERSEDED)
                if (answer == APR_SUCCESS)
                    atomic_fetch_add(stored, 1);
            _exit(0);
        }
        while (atomic_load(stored) < before + 2) /* the child may start late */
            usleep(100);
        shapes[0].ring_bytes += i % 2 ? 8000 : -4000;
        reconcile(memory, shapes, 1);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
    }
    ring = mrc_hub_segment_ring(mrc_memory_hub(memory, "a"));
    mrc_ring_newest(ring, &record);
    ck_assert_uint_eq(record.view.seq, atomic_load(stored));
    ck_assert_uint_gt(record.view.seq, ROUNDS);
    pos = mrc_ring_oldest(ring, NOW);
    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS) {
        ck_assert(seq == 0 || record.view.seq == seq + 1);
        seq = record.view.seq;
    }
    ck_assert_uint_eq(seq, atomic_load(stored));
    mrc_ring_record_free(&record);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_hub_without_a_shape_is_removed)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 1000), shape("b", 1000), shape("c", 1000)};
    struct mrc_hub_segment *hub;
    int to_child[2];
    int status;
    pid_t pid;

    reconcile(memory, shapes, 3);
    hub = mrc_memory_hub(memory, "b");
    ck_assert_int_eq(pipe(to_child), 0);
    pid = fork();
    if (pid == 0) {
        char c;

        _exit(read(to_child[0], &c, 1) != 1 || append(hub, "x") != MRC_STATUS_SUPERSEDED ||
              !is_readable(mrc_notify_fd(mrc_memory_notify(memory), 1)));
    }
    mrc_interests_add(mrc_hub_segment_interests(hub), 1);
    shapes[1] = shapes[2];
    reconcile(memory, shapes, 2);
    ck_assert_int_eq(write(to_child[1], "x", 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_null(mrc_memory_hub(memory, "b"));
    ck_assert_ptr_nonnull(mrc_memory_hub(memory, "a"));
    ck_assert_ptr_nonnull(mrc_memory_hub(memory, "c"));
    ck_assert_files(dir, 3);
    reconcile(memory, NULL, 0);
    ck_assert_files(dir, 1);
    reconcile(memory, shapes, 1);
    ck_assert_uint_eq(records(mrc_memory_hub(memory, "a")), 0);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(impossible_shapes_change_nothing)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    char key[MRC_HUB_KEY_MAX + 2];
    struct mrc_hub_shape shapes[] = {shape("a", 1000), shape("a", 1000)};
    struct mrc_error error = {""};

    reconcile(memory, shapes, 1);
    ck_assert_int_eq(mrc_memory_reconcile(memory, list(shapes, 2), 2, NULL, NULL, &error),
                     APR_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, "two hubs"));
    memset(key, 'k', sizeof(key));
    key[MRC_HUB_KEY_MAX + 1] = '\0';
    shapes[0].key = key;
    ck_assert_int_eq(mrc_memory_reconcile(memory, list(shapes, 1), 1, NULL, NULL, &error),
                     APR_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, "1024"));
    ck_assert_uint_eq(mrc_memory_size(list(shapes, 1), 1, 4, &error), 0);
    key[MRC_HUB_KEY_MAX] = '\0';
    ck_assert_uint_ne(mrc_memory_size(list(shapes, 1), 1, 4, &error), 0);
    shapes[0].key = "";
    ck_assert_int_eq(mrc_memory_reconcile(memory, list(shapes, 1), 1, NULL, NULL, &error),
                     APR_EINVAL);
    shapes[0] = shape("x", MRC_RING_CAPACITY_MAX + 1);
    ck_assert_int_eq(mrc_memory_reconcile(memory, list(shapes, 1), 1, NULL, NULL, &error),
                     APR_EINVAL);
    ck_assert_ptr_nonnull(mrc_memory_hub(memory, "a"));
    key[0] = 'K';
    shapes[0] = shape(key, 1000);
    reconcile(memory, shapes, 1);
    ck_assert_str_eq(mrc_hub_segment_key(mrc_memory_hub(memory, key)), key);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/*
 * A stopped process holds the locks: the hubs work as before, and the reload ends in bounded time.
 */
START_TEST(a_reload_does_not_hang_on_a_lock)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 1000), shape("b", 1000), shape("c", 1000)};
    struct warnings warnings = {.count = 0};
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;
    apr_time_t start;
    int ready[2];
    char c;
    pid_t pid;

    reconcile(memory, shapes, 3);
    hub = mrc_memory_hub(memory, "a");
    ck_assert_int_eq(append(hub, "x"), APR_SUCCESS);
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) { /* holds the locks of all hubs */
        size_t i;

        for (i = 0; i < 3; i++)
            pthread_mutex_lock(
                &mrc_hub_segment_ring(mrc_memory_hub(memory, shapes[i].key))->header->lock.mutex);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    shapes[0].ring_bytes = 5000;
    shapes[1].history.count = 5;
    start = apr_time_now();
    ck_assert_int_eq(
        mrc_memory_reconcile(memory, list(shapes, 2), 2, add_warning, &warnings, &error),
        APR_SUCCESS);
    ck_assert_int_lt(apr_time_now() - start, 10 * MRC_MEMORY_WAIT_US);
    ck_assert_uint_eq(warnings.count, 2);
    for (size_t i = 0; i < warnings.count; i++) {
        ck_assert_ptr_nonnull(strstr(warnings.texts[i].text, i ? "the hub b " : "the hub a "));
        ck_assert_ptr_nonnull(strstr(warnings.texts[i].text, "lock"));
    }
    ck_assert_ptr_eq(mrc_memory_hub(memory, "a"), hub);
    ck_assert_ptr_null(mrc_memory_hub(memory, "c"));
    ck_assert_files(dir, 3);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(append(hub, "y"), APR_SUCCESS);
    reconcile(memory, shapes, 2); /* the next reload moves it */
    ck_assert_ptr_ne(mrc_memory_hub(memory, "a"), hub);
    ck_assert_uint_eq(records(mrc_memory_hub(memory, "a")), 2);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* A lock that a thread holds until somebody waits for it. */
static struct {
    union mrc_lock *lock; /* NULL: there is none */
    pthread_t thread;
    pthread_barrier_t barrier;
} held;

static void *hold(void *unused)
{
    pthread_mutex_lock(&held.lock->mutex);
    pthread_barrier_wait(&held.barrier);
    pthread_barrier_wait(&held.barrier);
    pthread_mutex_unlock(&held.lock->mutex);
    return unused;
}

static void hold_until_awaited(union mrc_lock *lock)
{
    held.lock = lock;
    ck_assert_int_eq(pthread_barrier_init(&held.barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&held.thread, NULL, hold, NULL), 0);
    pthread_barrier_wait(&held.barrier);
}

static void let_go(void)
{
    pthread_barrier_wait(&held.barrier);
    pthread_join(held.thread, NULL);
    pthread_barrier_destroy(&held.barrier);
    held.lock = NULL;
}

#pragma GCC visibility push(default) /* as in failing_calls.h */
apr_status_t __real_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);
apr_status_t __wrap_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died);

apr_status_t __wrap_mrc_lock_acquire(union mrc_lock *lock, int64_t wait_us, bool *ret_owner_died)
{
    if (held.lock && lock == held.lock && wait_us > 0)
        let_go();
    return __real_mrc_lock_acquire(lock, wait_us, ret_owner_died);
}
#pragma GCC visibility pop

static union mrc_lock *lock_of(struct mrc_memory *memory, const char *key)
{
    return &mrc_hub_segment_ring(mrc_memory_hub(memory, key))->header->lock;
}

static uint64_t bound(struct mrc_memory *memory, const char *key)
{
    struct mrc_ring_bounds bounds;

    mrc_ring_get_bounds(mrc_hub_segment_ring(mrc_memory_hub(memory, key)), &bounds);
    return bounds.count;
}

/* The first hub uses up the time of the reload. */
START_TEST(a_slow_hub_does_not_keep_a_reload_from_others)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 1000), shape("b", 1000)};
    struct warnings warnings = {.count = 0};
    struct mrc_error error = {""};

    reconcile(memory, shapes, 2);
    pthread_mutex_lock(&lock_of(memory, "a")->mutex);
    hold_until_awaited(lock_of(memory, "b"));
    shapes[0].history.count = shapes[1].history.count = 5;
    ck_assert_int_eq(
        mrc_memory_reconcile(memory, list(shapes, 2), 2, add_warning, &warnings, &error),
        APR_SUCCESS);
    ck_assert_uint_eq(bound(memory, "a"), 1000);
    ck_assert_uint_eq(bound(memory, "b"), 5);
    ck_assert_uint_eq(warnings.count, 1);
    ck_assert_ptr_nonnull(strstr(warnings.texts[0].text, "the hub a "));
    pthread_mutex_unlock(&lock_of(memory, "a")->mutex);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(no_room_for_a_resize_keeps_the_hub)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    struct mrc_hub_shape shapes[] = {shape("a", 10000), shape("b", 4000000)};
    struct warnings warnings = {.count = 0};
    struct mrc_error error = {""};
    struct mrc_hub_segment *hub;

    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    shapes[0].ring_bytes = 4000000;
    ck_assert_int_eq(
        mrc_memory_reconcile(memory, list(shapes, 1), 1, add_warning, &warnings, &error),
        APR_SUCCESS);
    ck_assert_uint_eq(warnings.count, 1);
    ck_assert_ptr_nonnull(strstr(warnings.texts[0].text, "no room for"));
    ck_assert_ptr_eq(mrc_memory_hub(memory, "a"), hub);
    ck_assert_int_eq(append(hub, "x"), APR_SUCCESS);
    /* Without room for a new hub, the call fails, and the other hubs stay. */
    ck_assert_int_eq(
        mrc_memory_reconcile(memory, list(shapes, 2), 2, add_warning, &warnings, &error), EFBIG);
    ck_assert_ptr_nonnull(strstr(error.text, "no room for"));
    ck_assert_ptr_eq(mrc_memory_hub(memory, "a"), hub);
    ck_assert_ptr_null(mrc_memory_hub(memory, "b"));
    ck_assert_files(dir, 2);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(too_few_descriptors_are_an_error)
{
    const char *dir = store_dir();
    struct rlimit limit = {.rlim_cur = 40, .rlim_max = 40};
    struct mrc_memory *memory = NULL;
    struct mrc_error error = {""};
    unsigned descriptors = open_descriptors();

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(mrc_memory_open(store_pool(), dir, 100, &error, &memory), EMFILE);
    ck_assert_ptr_nonnull(strstr(error.text, "ulimit -n"));
    ck_assert_ptr_null(memory);
    ck_assert_uint_eq(open_descriptors(), descriptors);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_missing_directory_is_named)
{
    struct mrc_memory *memory = NULL;
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_memory_open(store_pool(), "/tmp/mrc-does-not-exist", 2, &error, &memory),
                     ENOENT);
    ck_assert_ptr_nonnull(strstr(error.text, "/tmp/mrc-does-not-exist"));
}
END_TEST

/* Starts a server in a process of its own, for kill_server(). Returns its pid. */
static pid_t start_server(const char *dir, int *ret_child_fd)
{
    int ready[2];
    int child_lives[2];
    char c;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(pipe(child_lives), 0);
    pid = fork();
    if (pid == 0) {
        struct mrc_memory *memory = open_memory(dir);
        struct mrc_hub_shape shapes[] = {shape("a", 1000), shape("b", 1000)};

        close(child_lives[1]);
        reconcile(memory, shapes, 2);
        if (ret_child_fd && fork() == 0) { /* a child that outlives its parent */
            if (read(child_lives[0], &c, 1) < 0)
                _exit(1);
            _exit(0);
        }
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(child_lives[0]);
    if (ret_child_fd)
        *ret_child_fd = child_lives[1];
    else
        close(child_lives[1]);
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void kill_server(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(two_servers_share_a_directory)
{
    const char *dir = store_dir();
    pid_t other = start_server(dir, NULL);
    struct mrc_memory *memory;
    struct mrc_hub_shape shapes[] = {shape("a", 1000)};

    ck_assert_files(dir, 3);
    kill_server(start_server(dir, NULL)); /* a third server, dead */
    ck_assert_files(dir, 6);
    memory = open_memory(dir);
    ck_assert_files(dir, 4);
    reconcile(memory, shapes, 1);
    ck_assert_files(dir, 5);
    kill_server(other);
    ck_assert_files(dir, 5);
    mrc_memory_close(memory); /* removes only its own files */
    ck_assert_files(dir, 3);
    memory = open_memory(dir); /* the next start removes the files of the dead */
    ck_assert_files(dir, 1);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(files_stay_as_long_as_a_child_lives)
{
    const char *dir = store_dir();
    struct mrc_memory *memory;
    int child_fd;
    pid_t pid = start_server(dir, &child_fd);
    int tries;
    uint64_t bytes;

    kill_server(pid);
    memory = open_memory(dir);
    ck_assert_files(dir, 4); /* its child still uses its segments */
    mrc_memory_close(memory);
    close(child_fd); /* the child ends, soon */
    for (tries = 0; tries < 5000; tries++) {
        memory = open_memory(dir);
        mrc_memory_close(memory);
        if (files_in(dir, &bytes) == 0)
            break;
        usleep(10000);
    }
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static void touch(const char *dir, const char *name)
{
    char path[200];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

#define KEY "0123456789abcdef01234567"

/* Files that only look like those of a server stay: other names, links, directories, fifos, files
 * of other users. */
START_TEST(other_files_are_not_touched)
{
    static const char *const names[] = {
        "mercure-" KEY ".control2",
        "mercure-" KEY "8.control",
        "mercure-" KEY ".hub-",
        "mercure-" KEY ".hub-1x",
        "mercure-" KEY ".hub-12345678901",
        "mercure.control",
        "xmercure-" KEY ".control",
        "mercure-0123456789ABCDEF01234567.control",
        "mercure-0123456789abcdef0123456.control",
        "another file", /* which has two names */
    };
    const size_t n = sizeof(names) / sizeof(names[0]);
    const char *dir = store_dir();
    struct mrc_memory *memory;
    char path[200];
    char other[200];
    size_t i;

    for (i = 0; i < n; i++)
        touch(dir, names[i]);
    snprintf(path, sizeof(path), "%s/%s", dir, "mercure-111111111111111111111111.control");
    snprintf(other, sizeof(other), "%s/%s", dir, names[n - 1]);
    ck_assert_int_eq(symlink(other, path), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, "mercure-222222222222222222222222.control");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, "mercure-333333333333333333333333.control");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, "mercure-444444444444444444444444.control");
    ck_assert_int_eq(link(other, path), 0);
    touch(dir, "mercure-555555555555555555555555.control");
    snprintf(path, sizeof(path), "%s/%s", dir, "mercure-555555555555555555555555.control");
    i = geteuid() == 0 && chown(path, 12345, 12345) == 0 ? 5 : 4;

    /* These are the files of dead servers. */
    touch(dir, "mercure-" KEY ".control");
    touch(dir, "mercure-" KEY ".hub-1");
    touch(dir, "mercure-" KEY ".hub-4294967295");
    touch(dir, "mercure-666666666666666666666666.hub-1"); /* without a control file */

    memory = open_memory(dir);
    mrc_memory_close(memory);
    ck_assert_files(dir, (unsigned)(n + i));
    ck_assert_int_eq(access(other, F_OK), 0);

    snprintf(path, sizeof(path), "rm -r %s", dir);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

/* Appends records of 4 KB to HUB until there is no room. Returns their number. */
static uint64_t append_until_full(struct mrc_hub_segment *hub)
{
    static char payload[4096];
    uint64_t before = records(hub), seq = 0, pos;
    apr_status_t status;

    memset(payload, 'x', sizeof(payload));
    do {
        status = mrc_ring_append(mrc_hub_segment_ring(hub), mrc_bytes_of("id"),
                                 (struct mrc_bytes){payload, sizeof(payload)}, sizeof(payload),
                                 apr_time_now(), 0, &seq, &pos);
    } while (status == APR_SUCCESS && seq < 10000);
    ck_assert_int_eq(status, MRC_STATUS_NO_ROOM);
    ck_assert_uint_eq(records(hub), before + (seq - before));
    return seq;
}

/* Fails unless HUB has COUNT records that can be read. */
static void ck_assert_readable(struct mrc_hub_segment *hub, uint64_t count)
{
    struct mrc_ring *ring = mrc_hub_segment_ring(hub);
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_oldest(ring, NOW), n = 0;

    while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS)
        n++;
    ck_assert_uint_eq(n, count);
    ck_assert_uint_eq(mrc_ring_check(ring, NULL, NULL), 0);
    mrc_ring_record_free(&record);
}

/* Mounts a file system of 1 MB in a mount namespace of its own; only root may do that. */
START_TEST(a_full_disk_is_an_error_of_one_publication)
{
    const char *dir = store_dir();
    struct mrc_hub_shape shapes[] = {shape("a", 10000), shape("b", 40000000)};
    struct mrc_memory *memory;
    struct mrc_hub_segment *hub;
    struct mrc_counters *counters;
    uint64_t count;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=1m") != 0) {
        fprintf(stderr, "# no mount is allowed here: not tested\n");
        rmdir(dir);
        return;
    }
    memory = open_memory(dir);
    shapes[1].history.count = 0;
    reconcile(memory, shapes, 2);
    hub = mrc_memory_hub(memory, "b");
    ck_assert_int_eq(append(mrc_memory_hub(memory, "a"), "x"), APR_SUCCESS);
    count = append_until_full(hub);
    ck_assert_uint_gt(count, 100);
    ck_assert_readable(hub, count);
    ck_assert_int_eq(append(mrc_memory_hub(memory, "a"), "y"), APR_SUCCESS); /* in its page */
    /* Without room, a child counts for itself. */
    counters = mrc_hub_segment_counters(hub);
    mrc_counters_begin(counters, 2);
    mrc_counters_add(counters, 2, 7, 3);
    mrc_counters_gauge_add(counters, 1, 2, 9);
    ck_assert(mrc_counters_gauge_take(counters, 2, 2, 1));
    ck_assert(!mrc_counters_gauge_take(counters, 2, 2, 1));
    ck_assert_uint_eq(mrc_counters_sum(counters, 7), 3);
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 2), 1);
    /* In another slot it counts anew. */
    mrc_counters_end(counters);
    ck_assert_uint_eq(mrc_counters_sum(counters, 7), 0);
    mrc_counters_begin(counters, 1);
    mrc_counters_add(counters, 1, 7, 2);
    ck_assert_uint_eq(mrc_counters_sum(counters, 7), 2);
    ck_assert(mrc_counters_gauge_take(counters, 1, 2, 1));
    /* What the other hub no longer needs is enough for this one. */
    shapes[0] = shapes[1];
    reconcile(memory, shapes, 1);
    ck_assert_readable(mrc_memory_hub(memory, "b"), count);
    ck_assert_uint_gt(append_until_full(mrc_memory_hub(memory, "b")), count);
    /* There is no room for the first pages of a hub. */
    shapes[0] = shape("c", 10000);
    for (int i = 0; i < 16; i++) {
        char name[20];
        int fd;

        snprintf(name, sizeof(name), "fill-%d", i);
        fd = openat(open(dir, O_RDONLY), name, O_WRONLY | O_CREAT, 0600);
        for (int n = 0; n < 100 && write(fd, name, sizeof(name)) > 0; n++)
            lseek(fd, 4096, SEEK_CUR);
    }
    {
        struct mrc_hub_shape both[] = {shapes[1], shapes[0]};
        struct warnings warnings = {.count = 0};
        struct mrc_error error = {""};

        ck_assert_int_eq(
            mrc_memory_reconcile(memory, list(both, 2), 2, add_warning, &warnings, &error),
            MRC_STATUS_NO_ROOM);
        ck_assert_ptr_nonnull(strstr(error.text, "MercureMemory"));
        ck_assert_ptr_nonnull(strstr(error.text, dir));
    }
    mrc_memory_close(memory);
    ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* The bound applies to all hubs together, and what a removed hub had allocated no longer counts. */
START_TEST(the_hubs_share_a_bound)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 40000000), shape("b", 40000000)};
    uint64_t a, b, again;

    shapes[0].history.count = shapes[1].history.count = 0;
    mrc_memory_set_limit(memory, 2 << 20);
    reconcile(memory, shapes, 2);
    a = append_until_full(mrc_memory_hub(memory, "a"));
    ck_assert_uint_gt(a, 300);
    ck_assert_uint_lt(a, 512);
    b = append_until_full(mrc_memory_hub(memory, "b"));
    ck_assert_uint_lt(b, 10);
    ck_assert_readable(mrc_memory_hub(memory, "a"), a);
    mrc_memory_set_limit(memory, 4 << 20);
    ck_assert_uint_gt(append_until_full(mrc_memory_hub(memory, "b")), 400);
    reconcile(memory, shapes, 1);
    reconcile(memory, shapes, 2);
    again = append_until_full(mrc_memory_hub(memory, "b"));
    ck_assert_uint_gt(again, 400);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* The hub has the default size and everything that a hub may have. */
START_TEST(an_idle_hub_takes_little)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 16 << 20)};
    struct mrc_hub_segment *hub;

    shapes[0].history.count = 100000;
    shapes[0].body_max_bytes = 1 << 20;
    shapes[0].staging_bytes =
        (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 1 << 20);
    shapes[0].staging_large = 1 << 20;
    shapes[0].roster_subscribers = 32768;
    shapes[0].census_streams = 65536;
    shapes[0].is_controlled = shapes[0].has_link = true;
    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    ck_assert_uint_gt(mrc_hub_segment_bytes(hub), 60 << 20);
    ck_assert_uint_le(mrc_hub_segment_taken(hub), 64 << 10);
    begin_counters(hub);
    ck_assert_int_eq(append(hub, "id"), APR_SUCCESS);
    ck_assert_uint_le(mrc_hub_segment_taken(hub), 128 << 10);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Each record is found, whichever table of the index has it. */
START_TEST(the_index_grows_with_the_ring)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 4 << 20)};
    struct mrc_hub_segment *hub;
    uint64_t pos, last = 0;
    char id[20];

    shapes[0].history.count = 0;
    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    for (int i = 0; i < 60000; i++) {
        snprintf(id, sizeof(id), "id-%d", i % 55000);
        ck_assert_int_eq(append(hub, id), APR_SUCCESS);
        if (i == 1000)
            ck_assert_uint_le(mrc_hub_segment_taken(hub), 256 << 10);
    }
    ck_assert_uint_eq(records(hub), 60000);
    for (int i = 0; i < 55000; i++) {
        snprintf(id, sizeof(id), "id-%d", i);
        ck_assert_int_eq(mrc_ring_find(mrc_hub_segment_ring(hub), mrc_bytes_of(id), NOW, &pos),
                         APR_SUCCESS);
        ck_assert_uint_gt(pos, last); /* the earlier one of two */
        last = pos;
    }
    ck_assert_int_eq(mrc_ring_find(mrc_hub_segment_ring(hub), mrc_bytes_of("id-55000"), NOW, &pos),
                     APR_NOTFOUND);
    ck_assert_uint_eq(mrc_ring_check(mrc_hub_segment_ring(hub), NULL, NULL), 0);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(wakes_children_with_subscribers)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 1000)};
    const struct mrc_notify *notify = mrc_memory_notify(memory);
    struct mrc_hub_segment *hub;
    int i;

    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    ck_assert_uint_eq(mrc_hub_segment_wake(hub, notify), 0);
    mrc_interests_add(mrc_hub_segment_interests(hub), 1);
    mrc_interests_add(mrc_hub_segment_interests(hub), 3);
    mrc_interests_add(mrc_hub_segment_interests(hub), 3);
    mrc_interests_add(mrc_hub_segment_interests(hub), 4); /* there is no such slot */
    if (fork() == 0) {
        for (i = 0; i < 1000; i++)
            mrc_hub_segment_wake(hub, notify);
        _exit(0);
    }
    wait(NULL);
    ck_assert(!is_readable(mrc_notify_fd(notify, 0)));
    ck_assert(is_readable(mrc_notify_fd(notify, 1)));
    ck_assert(is_readable(mrc_notify_fd(notify, 3)));
    ck_assert_int_eq(fcntl(mrc_notify_fd(notify, 3), F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(mrc_notify_fd(notify, 4), -1);
    mrc_notify_drain(notify, 3);
    ck_assert(!is_readable(mrc_notify_fd(notify, 3)));
    mrc_notify_drain(notify, 3); /* does not block */
    mrc_interests_sub(mrc_hub_segment_interests(hub), 3);
    ck_assert_uint_eq(mrc_hub_segment_wake(hub, notify), 2);
    mrc_interests_sub(mrc_hub_segment_interests(hub), 3);
    ck_assert_uint_eq(mrc_hub_segment_wake(hub, notify), 1);
    mrc_interests_fold(mrc_hub_segment_interests(hub), 1);
    ck_assert_uint_eq(mrc_hub_segment_wake(hub, notify), 0);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/*
 * A publisher never pauses, while a subscriber comes and goes, with the steps in the order of
 * interests.h: it must be woken for every record that it does not find in the history.
 */
START_TEST(no_wake_up_is_lost)
{
    enum { ROUNDS = 3000 };
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 1000000)};
    const struct mrc_notify *notify = mrc_memory_notify(memory);
    _Atomic uint64_t *round = store_shared(4096);
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_hub_segment *hub;
    struct mrc_ring *ring;
    uint64_t i;
    pid_t pid;

    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    ring = mrc_hub_segment_ring(hub);
    pid = fork();
    if (pid == 0) { /* one publication in each round, as close to the subscription as possible */
        for (i = 1; i <= ROUNDS; i++) {
            while (atomic_load(round) < i)
                sched_yield();
            if (append(hub, "id") != APR_SUCCESS)
                _exit(1);
            mrc_hub_segment_wake(hub, notify);
        }
        _exit(0);
    }
    for (i = 1; i <= ROUNDS; i++) {
        struct pollfd poll_fd = {.fd = mrc_notify_fd(notify, 2), .events = POLLIN};
        uint64_t pos;

        atomic_store(round, i);
        mrc_interests_add(mrc_hub_segment_interests(hub), 2);
        pos = mrc_ring_head(ring);
        /* A record that is not in the history comes live, with a wake-up. */
        mrc_ring_newest(ring, &record);
        if (pos == 0 || record.pos >= pos || record.view.seq < i)
            while (mrc_ring_read(ring, &pos, &record) == APR_EOF) {
                ck_assert_msg(poll(&poll_fd, 1, 30000) == 1, "round %u", (unsigned)i);
                mrc_notify_drain(notify, 2);
            }
        ck_assert_uint_eq(record.view.seq, i);
        mrc_interests_sub(mrc_hub_segment_interests(hub), 2);
        mrc_notify_drain(notify, 2);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    mrc_ring_record_free(&record);
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(counters_survive_their_children)
{
    const char *dir = store_dir();
    struct mrc_memory *memory = open_memory(dir);
    struct mrc_hub_shape shapes[] = {shape("a", 1000)};
    struct mrc_hub_segment *hub;
    struct mrc_counters *counters;
    uint32_t own, shared;
    uint64_t bytes = 0;

    mrc_roster_measure(1, &own, &shared);
    shapes[0].roster_subscribers = 1;
    reconcile(memory, shapes, 1);
    hub = mrc_memory_hub(memory, "a");
    counters = mrc_hub_segment_counters(hub);
    mrc_counters_add(counters, 0, 1, 5); /* not counted: this child has not begun */
    ck_assert_uint_eq(mrc_counters_sum(counters, 1), 0);
    begin_counters(hub);
    mrc_counters_add(counters, 0, 1, 5);
    mrc_counters_add(counters, 3, 1, 6);
    mrc_counters_add(counters, 4, 1, 100); /* there is no such slot */
    mrc_counters_add(counters, 3, MRC_COUNTERS_MAX, 100);
    mrc_counters_gauge_add(counters, 0, 2, 5);
    mrc_counters_gauge_add(counters, 3, 2, 7);
    mrc_counters_gauge_add(counters, 3, 2, -1);
    mrc_counters_gauge_add(counters, 1, 2,
                           -1); /* before the addition of another thread is visible */
    mrc_interests_add(mrc_hub_segment_interests(hub), 3);
    ck_assert_uint_eq(mrc_counters_sum(counters, 1), 11);
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 2), 11);
    mrc_hub_segment_fold(hub, 3);
    mrc_hub_segment_fold(hub, 3);
    ck_assert_uint_eq(mrc_counters_sum(counters, 1), 11);
    ck_assert_uint_eq(mrc_counters_gauge_sum(counters, 2), 5);
    ck_assert_uint_eq(mrc_interests_listeners(mrc_hub_segment_interests(hub), 3), 0);
    ck_assert_ptr_null(mrc_hub_segment_region(hub, MRC_HUB_REGION_STAGING, &bytes));
    ck_assert_ptr_nonnull(mrc_hub_segment_region(hub, MRC_HUB_REGION_PRESENCE, &bytes));
    ck_assert_uint_eq(bytes, mrc_roster_bytes(own, shared));
    mrc_memory_close(memory);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, removes_everything_when_it_closes);
    tcase_add_test(tcase, a_reload_keeps_what_did_not_change);
    tcase_add_test(tcase, a_resize_moves_the_history);
    tcase_add_test(tcase, the_key_of_positions_stays_with_its_hub);
    tcase_add_test(tcase, nothing_is_lost_while_a_hub_is_resized);
    tcase_add_test(tcase, a_hub_without_a_shape_is_removed);
    tcase_add_test(tcase, impossible_shapes_change_nothing);
    tcase_add_test(tcase, a_reload_does_not_hang_on_a_lock);
    tcase_add_test(tcase, a_slow_hub_does_not_keep_a_reload_from_others);
    tcase_add_test(tcase, no_room_for_a_resize_keeps_the_hub);
    tcase_add_test(tcase, too_few_descriptors_are_an_error);
    tcase_add_test(tcase, a_missing_directory_is_named);
    tcase_add_test(tcase, two_servers_share_a_directory);
    tcase_add_test(tcase, files_stay_as_long_as_a_child_lives);
    tcase_add_test(tcase, other_files_are_not_touched);
    tcase_add_test(tcase, a_full_disk_is_an_error_of_one_publication);
    tcase_add_test(tcase, the_hubs_share_a_bound);
    tcase_add_test(tcase, an_idle_hub_takes_little);
    tcase_add_test(tcase, the_index_grows_with_the_ring);
    tcase_add_test(tcase, wakes_children_with_subscribers);
    tcase_add_test(tcase, no_wake_up_is_lost);
    tcase_add_test(tcase, counters_survive_their_children);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
