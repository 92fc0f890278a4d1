/*
 * Measures the speed of the ring: bench_ring [SECONDS [BYTES]]
 *
 * Covers appends from one and from two processes, reads of a reader that never waits, and lookups
 * of ids. Each line has the rate per second of wall-clock time and of CPU time; the latter counts
 * on a busy machine. This is not a test: it always succeeds.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_pools.h"
#include "store/ring/ring.h"

#define HISTORY_BYTES (UINT64_C(16) << 20)
#define HISTORY_COUNT 100000
#define WRITERS_MAX   2

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static int64_t cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static void report(const char *what, unsigned processes, uint64_t n, int64_t took, int64_t cpu)
{
    printf("%-7s %u  %10.0f/s  %10.0f per second of cpu\n", what, processes,
           (double)n * 1e6 / (double)took, (double)n * 1e6 / (double)cpu);
    fflush(stdout);
}

static void *map(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        exit(99);
    return base;
}

static uint64_t append_for(struct mrc_ring *ring, int64_t us, size_t bytes)
{
    char *payload = calloc(1, bytes);
    int64_t until = now_us() + us;
    uint64_t n = 0;
    uint64_t seq;
    uint64_t pos;
    char id[46];

    while (now_us() < until) {
        snprintf(id, sizeof(id), "urn:uuid:%012u-%022" PRIu64, (unsigned)getpid(), n);
        if (mrc_ring_append(ring, mrc_bytes_of(id), (struct mrc_bytes){payload, bytes}, bytes,
                            now_us(), MRC_RING_WAIT_FOREVER, &seq, &pos) != APR_SUCCESS)
            exit(1);
        n++;
    }
    free(payload);
    return n;
}

static void bench_append(struct mrc_ring *ring, unsigned writers, int64_t us, size_t bytes)
{
    struct {
        uint64_t n;
        int64_t cpu;
    } *done = map(4096);
    uint64_t n = 0;
    int64_t cpu = 0;
    unsigned i;

    for (i = 0; i < writers; i++)
        if (fork() == 0) {
            done[i].n = append_for(ring, us, bytes);
            done[i].cpu = cpu_us();
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    for (i = 0; i < writers; i++) {
        n += done[i].n;
        cpu += done[i].cpu;
    }
    report("append", writers, n, us, cpu);
    munmap(done, 4096);
}

static void bench_read(struct mrc_ring *ring, int64_t us)
{
    struct mrc_ring_record record = {.buf = NULL};
    int64_t start = now_us();
    int64_t cpu = cpu_us();
    int64_t took;
    uint64_t n = 0;

    do {
        uint64_t pos = mrc_ring_oldest(ring, 0);

        while (mrc_ring_read(ring, &pos, &record) == APR_SUCCESS)
            n++;
        took = now_us() - start;
    } while (took < us);
    report("read", 1, n, took, cpu_us() - cpu);
    mrc_ring_record_free(&record);
}

/* Each lookup includes the read that gives the id. */
static void bench_find(struct mrc_ring *ring, int64_t us)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = mrc_ring_oldest(ring, 0);
    int64_t start = now_us();
    int64_t cpu = cpu_us();
    int64_t took;
    uint64_t n = 0;

    do {
        uint64_t found;

        if (mrc_ring_read(ring, &pos, &record) != APR_SUCCESS)
            pos = mrc_ring_oldest(ring, 0);
        else if (mrc_ring_find(ring, record.view.id, 0, &found) != APR_SUCCESS || found != pos)
            exit(1);
        n++;
        took = now_us() - start;
    } while (took < us);
    report("find", 1, n, took, cpu_us() - cpu);
    mrc_ring_record_free(&record);
}

int main(int argc, char **argv)
{
    int64_t us = (argc > 1 ? strtol(argv[1], NULL, 10) : 3) * 1000000;
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
    uint64_t capacity = mrc_ring_capacity_for(HISTORY_BYTES, HISTORY_COUNT, 1 << 20);
    uint64_t buckets = mrc_ring_buckets_for(HISTORY_BYTES, HISTORY_COUNT);
    const struct mrc_ring_bounds bounds = {.count = HISTORY_COUNT, .bytes = HISTORY_BYTES};
    struct mrc_ring *ring;
    apr_pool_t *pool;
    unsigned writers;

    if (us <= 0 || apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS ||
        mrc_ring_create(pool, map(mrc_ring_region_bytes(capacity)), capacity,
                        map(mrc_ring_index_bytes(buckets)), buckets, &bounds, NULL,
                        &ring) != APR_SUCCESS)
        return 99;
    printf("# payloads of %zu bytes, ids of 45, %" PRIu64 " bytes of ring, %" PRIu64 " buckets\n",
           bytes, capacity, buckets);
    fflush(stdout);
    for (writers = 1; writers <= WRITERS_MAX; writers++)
        bench_append(ring, writers, us, bytes);
    bench_read(ring, us);
    bench_find(ring, us);
    return 0;
}
