/*
 * Measures the cost of durability: bench_history DIR [SECONDS [BYTES]]
 *
 * Publishers in four processes append updates of BYTES (300) for SECONDS (3) to a history in DIR,
 * which should be on the disk in question. They do so with each sync setting and, for comparison,
 * with a plain file and one fdatasync() for each update. Each line has the acknowledged updates per
 * second, and the median and the 99th percentile of the time that one took. This is not a test: it
 * always succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "apr_time.h"

#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/staging.h"
#include "store/shm/notify.h"
#include "store/shm/segment.h"

#define PROCESSES   4
#define THREADS_MAX 64
#define SAMPLES_MAX 200000 /* of one thread */

/* Shared by the processes. */
struct shared {
    _Atomic int go; /* 1: begin; 2: end */
    _Atomic int ready;
    _Atomic uint64_t taken, limit; /* of the shared memory of the hub */
    _Atomic uint32_t count[THREADS_MAX];
    uint32_t took_us[THREADS_MAX][SAMPLES_MAX];
};

enum mode { PLAIN, FULL, GROUP, NONE, MODES };

static const char *const names[MODES] = {"fdatasync", "full", "group", "none"};

struct worker {
    struct shared *shared;
    struct mrc_history *history; /* NULL for a plain file */
    int fd;
    unsigned number;
    size_t bytes;
    pthread_t thread;
};

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_history: %s\n", what);
    _exit(1);
}

/* Writes and flushes one update at a time, as a server with one file and no group commit would. */
static void append_plain(int fd, const char *payload, size_t bytes)
{
    if (flock(fd, LOCK_EX) != 0 || write(fd, payload, bytes) < 0 || fdatasync(fd) != 0 ||
        flock(fd, LOCK_UN) != 0)
        fail("the plain file cannot be written");
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct shared *shared = worker->shared;
    char *payload = calloc(1, worker->bytes + 1);
    uint32_t n = 0;

    while (atomic_load(&shared->go) == 0)
        usleep(1000);
    while (atomic_load(&shared->go) == 1) {
        int64_t start = now_us();
        char id[64];

        snprintf(id, sizeof(id), "urn:bench:%u-%" PRIu32, worker->number, n);
        if (!worker->history)
            append_plain(worker->fd, payload, worker->bytes);
        else if (mrc_history_append(worker->history, mrc_bytes_of(id),
                                    (struct mrc_bytes){payload, worker->bytes}, worker->bytes,
                                    apr_time_now()) != APR_SUCCESS)
            fail("an update was not stored");
        if (n < SAMPLES_MAX)
            shared->took_us[worker->number][n] = (uint32_t)(now_us() - start);
        n++;
    }
    atomic_store(&shared->count[worker->number], n);
    free(payload);
    return NULL;
}

/* One of the processes, with its share of the THREADS. */
static void run_process(struct shared *shared, struct mrc_hub_segment *segment,
                        struct mrc_notify *notify, apr_pool_t *pool, const char *dir,
                        enum mode mode, unsigned process, unsigned threads, size_t bytes)
{
    static const enum mrc_history_sync syncs[MODES] = {
        [FULL] = MRC_HISTORY_SYNC_FULL,
        [GROUP] = MRC_HISTORY_SYNC_GROUP,
        [NONE] = MRC_HISTORY_SYNC_NONE,
    };
    static struct worker workers[THREADS_MAX];
    struct mrc_history *history = NULL;
    struct mrc_error error = {""};

    if (mode != PLAIN &&
        mrc_history_open_lmdb(pool, segment, notify, process, dir, syncs[mode],
                              MRC_HISTORY_OPEN_WAIT_US, &error, &history) != APR_SUCCESS)
        fail(error.text);
    for (unsigned i = process; i < threads; i += PROCESSES) {
        /* One descriptor for each thread: flock() does not exclude threads that share one. */
        int fd = history ? -1
                         : open(apr_psprintf(pool, "%s/plain", dir),
                                O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

        workers[i] = (struct worker){shared, history, fd, i, bytes, 0};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            fail("a thread cannot be started");
    }
    atomic_fetch_add(&shared->ready, 1);
    for (unsigned i = process; i < threads; i += PROCESSES)
        pthread_join(workers[i].thread, NULL);
    _exit(0);
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report(struct shared *shared, enum mode mode, unsigned threads, int64_t took)
{
    uint32_t *all = malloc(sizeof(*all) * THREADS_MAX * SAMPLES_MAX);
    uint64_t sum = 0;
    size_t n = 0;

    if (!all)
        fail("out of memory");
    for (unsigned i = 0; i < threads; i++) {
        uint32_t count = atomic_load(&shared->count[i]);

        sum += count;
        if (count > SAMPLES_MAX)
            count = SAMPLES_MAX;
        memcpy(all + n, shared->took_us[i], count * sizeof(*all));
        n += count;
    }
    qsort(all, n, sizeof(*all), ascending);
    printf("%-9s %2u publishers  %8.0f/s  p50 %8.2f ms  p99 %8.2f ms\n", names[mode], threads,
           (double)sum * 1e6 / (double)took, n ? all[n / 2] / 1000.0 : 0.0,
           n ? all[n - 1 - n / 100] / 1000.0 : 0.0);
    fflush(stdout);
    free(all);
}

static void measure(const char *top, enum mode mode, unsigned threads, unsigned seconds,
                    size_t bytes)
{
    const struct mrc_hub_shape shape = {
        .key = "bench",
        .history = {.count = 100000, .bytes = 16 << 20},
        .ring_bytes = 4 << 20,
        .body_max_bytes = 1 << 20,
        .staging_bytes = (uint32_t)mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0),
    };
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct mrc_sparse_budget budget = {&shared->taken, &shared->limit, -1};
    struct mrc_hub_segment *segment;
    struct mrc_notify *notify;
    struct mrc_error error = {""};
    apr_pool_t *pool;
    char *dir;
    int64_t start;

    if (shared == MAP_FAILED)
        fail("out of memory");
    apr_pool_create(&pool, NULL);
    dir = apr_psprintf(pool, "%s/mrc-bench-XXXXXX", top);
    if (!mkdtemp(dir))
        fail("the directory cannot be written to");
    if (mrc_notify_create(pool, PROCESSES, &error, &notify) != APR_SUCCESS ||
        mrc_hub_segment_create(pool, dir, "segment", &shape, PROCESSES, &budget, &error,
                               &segment) != APR_SUCCESS)
        fail(error.text);
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() == 0)
            run_process(shared, segment, notify, pool, dir, mode, i, threads, bytes);
    }
    while (atomic_load(&shared->ready) < PROCESSES)
        usleep(1000);
    start = now_us();
    atomic_store(&shared->go, 1);
    sleep(seconds);
    atomic_store(&shared->go, 2);
    for (unsigned i = 0; i < PROCESSES; i++) {
        while (wait(NULL) < 0 && errno == EINTR)
            ;
    }
    report(shared, mode, threads, now_us() - start);
    mrc_hub_segment_close(segment);
    mrc_notify_close(notify);
    if (system(apr_psprintf(pool, "rm -rf '%s'", dir)) != 0)
        fail("the directory cannot be removed");
    munmap(shared, sizeof(*shared));
    apr_pool_destroy(pool);
}

int main(int argc, char **argv)
{
    static const unsigned publishers[] = {1, 8, 32, 64};
    unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
    size_t bytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 300;

    if (argc < 2 || argc > 4 || seconds == 0) {
        fprintf(stderr, "usage: bench_history DIR [SECONDS [BYTES]]\n");
        return 2;
    }
    apr_initialize();
    for (size_t i = 0; i < sizeof(publishers) / sizeof(publishers[0]); i++) {
        for (int mode = PLAIN; mode < MODES; mode++)
            measure(argv[1], (enum mode)mode, publishers[i], seconds, bytes);
    }
    return 0;
}
