/*
 * The cost of a wake-up between processes: bench_notify [SECONDS [WRITERS]]
 *
 * Compares an eventfd, which store/shm/notify uses, with socket pairs. A reader waits in poll() and
 * takes all wake-ups at once; 1 and WRITERS (8) processes wake it, in three ways:
 *
 *     sleep   a writer wakes the reader and waits until it has run: every wake-up meets a sleeper
 *     flood   writers wake as fast as they can: wake-ups that are not taken yet coalesce
 *     busy    writers wake once per 20 us of work, the reader works for 100 us each time that it
 *             runs: about what a publication and a dispatcher cost
 *
 * The kinds take turns in short slices, so that a busy machine slows all of them alike; SECONDS (2)
 * is the time of each line. "ns" is CPU time, without that work: of the writers for each wake-up,
 * of the reader for each time that it runs and for each wake-up. In brackets: compared with
 * eventfd. Not a test: it always succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WRITERS_MAX    64
#define SLICE_US       100000
#define WRITER_WORK_US 20
#define READER_WORK_US 100

enum kind { EVENTFD, STREAM, DATAGRAM, KINDS };
enum way { SLEEP, FLOOD, BUSY, WAYS };

static const char *const kind_names[KINDS] = {"eventfd", "stream pair", "datagram pair"};
static const char *const way_names[WAYS] = {"sleep", "flood", "busy"};

/* Shared by the processes of one slice. */
struct shared {
    _Atomic int go;
    _Atomic uint64_t runs; /* of the reader: how often it has taken wake-ups */
    struct {
        uint64_t wakes;
        int64_t cpu_ns;
    } writer[WRITERS_MAX];
};

struct result {
    uint64_t wakes, runs;
    int64_t took_us, writer_ns, reader_ns;
};

static struct shared *shared;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t now_us(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- The kinds --------------------------------------------------------------------------------*/

static void open_kind(enum kind kind, int ret_fds[2])
{
    int type = kind == STREAM ? SOCK_STREAM : SOCK_DGRAM;

    if (kind == EVENTFD) {
        ret_fds[0] = ret_fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (ret_fds[0] < 0)
            fail("eventfd");
    } else if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) != 0) {
        fail("socketpair");
    }
}

static void wake(enum kind kind, int fd)
{
    const uint64_t one = 1;

    /* EAGAIN: a wake-up is already waiting to be taken. */
    if (write(fd, &one, kind == EVENTFD ? sizeof(one) : 1) < 0 && errno != EAGAIN)
        fail("write");
}

static void drain(enum kind kind, int fd)
{
    char bytes[4096];
    ssize_t got;

    do {
        got = read(fd, bytes, kind == EVENTFD ? sizeof(uint64_t) : sizeof(bytes));
        /* A datagram comes alone; of a stream, one read takes all that is there. */
    } while (got > 0 && (kind == DATAGRAM || got == (ssize_t)sizeof(bytes)));
}

/* ---- One slice --------------------------------------------------------------------------------*/

/* Uses US of this process's CPU time. */
static void work(int64_t us)
{
    int64_t until = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + us * 1000;

    while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
        ;
}

static void run_writer(enum kind kind, enum way way, int fd, unsigned writer)
{
    int64_t start;
    uint64_t wakes = 0;

    while (atomic_load(&shared->go) == 0)
        ;
    start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (atomic_load(&shared->go) == 1) {
        uint64_t runs = atomic_load(&shared->runs);

        wake(kind, fd);
        wakes++;
        if (way == BUSY)
            work(WRITER_WORK_US);
        while (way == SLEEP && atomic_load(&shared->runs) == runs && atomic_load(&shared->go) == 1)
            poll(NULL, 0, 0); /* lets the reader have the processor */
    }
    shared->writer[writer].wakes = wakes;
    shared->writer[writer].cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
    _exit(0);
}

static void run_slice(enum kind kind, enum way way, unsigned writers, struct result *sum)
{
    struct pollfd poll_fd = {.events = POLLIN};
    int64_t start, cpu, until;
    int fds[2];

    open_kind(kind, fds);
    poll_fd.fd = fds[0];
    atomic_store(&shared->go, 0);
    atomic_store(&shared->runs, 0);
    for (unsigned i = 0; i < writers; i++) {
        pid_t pid = fork();

        if (pid < 0)
            fail("fork");
        if (pid == 0)
            run_writer(kind, way, fds[1], i);
    }
    start = now_us();
    until = start + SLICE_US;
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    atomic_store(&shared->go, 1);
    while (now_us() < until) {
        if (poll(&poll_fd, 1, 10) < 1)
            continue;
        drain(kind, fds[0]);
        if (way == BUSY)
            work(READER_WORK_US);
        atomic_fetch_add(&shared->runs, 1);
    }
    sum->reader_ns += clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    sum->took_us += now_us() - start;
    sum->runs += atomic_load(&shared->runs);
    atomic_store(&shared->go, 2);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    for (unsigned i = 0; i < writers; i++) {
        sum->wakes += shared->writer[i].wakes;
        sum->writer_ns += shared->writer[i].cpu_ns;
    }
    close(fds[0]);
    if (fds[1] != fds[0])
        close(fds[1]);
}

/* ---- The report -------------------------------------------------------------------------------*/

/* CPU time without the work that a slice adds on purpose. */
static double net_ns(int64_t cpu_ns, uint64_t times, int work_us)
{
    return times ? (double)cpu_ns / (double)times - work_us * 1000.0 : 0;
}

static void report(enum way way, unsigned writers, const struct result results[KINDS])
{
    double base[3] = {1, 1, 1};

    for (int kind = 0; kind < KINDS; kind++) {
        const struct result *result = &results[kind];
        double seconds = (double)result->took_us / 1e6;
        double ns[3] = {
            net_ns(result->writer_ns, result->wakes, way == BUSY ? WRITER_WORK_US : 0),
            net_ns(result->reader_ns, result->runs, way == BUSY ? READER_WORK_US : 0),
        };

        ns[2] = result->wakes ? ns[1] * (double)result->runs / (double)result->wakes : 0;
        if (kind == EVENTFD)
            memcpy(base, ns, sizeof(base));
        printf("%-5s %2u  %-13s %8.0f wakes/s %7.0f runs/s", way_names[way], writers,
               kind_names[kind], (double)result->wakes / seconds, (double)result->runs / seconds);
        if (way != SLEEP) /* there, a writer spends its time waiting */
            printf("  writer %4.0f ns/wake (%.2f)", ns[0], ns[0] / base[0]);
        printf("  reader %6.0f ns/run (%.2f) %5.0f ns/wake (%.2f)\n", ns[1], ns[1] / base[1], ns[2],
               ns[2] / base[2]);
    }
    fflush(stdout);
}

/* How many wake-ups fit before a write says EAGAIN, and the descriptors that a slot takes. */
static void report_limits(void)
{
    for (int kind = 0; kind < KINDS; kind++) {
        const uint64_t one = 1;
        uint64_t held = 0;
        int fds[2];

        open_kind((enum kind)kind, fds);
        while (held < 1000000 && write(fds[1], &one, kind == EVENTFD ? sizeof(one) : 1) > 0)
            held++;
        printf("# %-13s  %d descriptor(s) for each child slot; %s%" PRIu64
               " wake-ups are kept unread\n",
               kind_names[kind], fds[0] == fds[1] ? 1 : 2, held == 1000000 ? "more than " : "",
               held);
        close(fds[0]);
        if (fds[1] != fds[0])
            close(fds[1]);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int64_t us = (argc > 1 ? strtol(argv[1], NULL, 10) : 2) * INT64_C(1000000);
    unsigned many = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 8;

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (us <= 0 || many == 0 || many > WRITERS_MAX || shared == MAP_FAILED) {
        fprintf(stderr, "usage: bench_notify [SECONDS [WRITERS]]\n");
        return 2;
    }
    report_limits();
    for (int way = 0; way < WAYS; way++) {
        for (unsigned writers = 1; writers; writers = writers == 1 && many > 1 ? many : 0) {
            struct result results[KINDS] = {{0}};

            for (int64_t spent = 0; spent < us; spent += SLICE_US)
                for (int kind = 0; kind < KINDS; kind++)
                    run_slice((enum kind)kind, (enum way)way, writers, &results[kind]);
            report((enum way)way, writers, results);
        }
    }
    return 0;
}
