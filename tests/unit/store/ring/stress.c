/*
 * Many writers and readers on one small ring, and a killer.
 *
 *     stress [--seconds N] [--seed N] [--threads] [--writers N] [--readers N]
 *
 * By default writers and readers are processes; random writers are killed at random moments and
 * replaced. With --threads nothing is killed, and the program can run under TSan.
 * MRC_STRESS_SECONDS also sets the length.
 *
 * It checks while it runs:
 *   - Writers append single records, and groups of records with consecutive numbers.
 *   - An auditor reads every record (writers wait for it). seq grows by exactly one, no record is
 *     torn, and the numbers of each writer grow. Every record that was acknowledged to its
 *     writer is there once, with the seq that the writer noted in a page that survives it. Only
 *     a record whose writer died before the acknowledgment may be missing.
 *   - Readers lag, are overrun and start again at the history. Their records are complete and in
 *     order, and the id of a record leads to the position after it.
 *   - At the end the ring has no contradictions, and it was never reset.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
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

#define CAPACITY      16384
#define BUCKETS       16
#define LARGEST       (CAPACITY / 16) /* payload */
#define MAX_LAG       (CAPACITY / 4)  /* of the auditor; then writers wait */
#define WRITERS_MAX   8
#define READERS_MAX   8
#define NOTES         4096 /* more than the records in the ring */
#define GROUP_MAX     6    /* records of a group */
#define FIRST_PAYLOAD 24   /* writer, number, length */

/* The notes of a writer, which survive it. */
struct page {
    _Atomic uint64_t attempt; /* the number of the last record, appended or about to be */
    struct {
        _Atomic uint64_t seq;    /* first */
        _Atomic uint64_t number; /* then: the number that was acknowledged with this seq */
    } note[NOTES];
};

struct shared {
    _Atomic int stop;          /* writers and readers end */
    _Atomic int writers_ended; /* the auditor ends at the head */
    _Atomic int failures;
    _Atomic uint64_t audited; /* the auditor's position */
    _Atomic uint64_t records, overruns, finds, kills;
    struct page page[WRITERS_MAX];
};

static struct stress {
    struct shared *shared;
    struct mrc_ring *ring;
    unsigned writers, readers;
    uint64_t seed;
    bool threads;
} stress;

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    fprintf(stderr, "# FAILED: %s\n", text);
    atomic_fetch_add(&stress.shared->failures, 1);
    atomic_store(&stress.shared->stop, 1);
}

static void nap(uint64_t us)
{
    struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)us * 1000};

    nanosleep(&ts, NULL);
}

/* ---- The content of a record ------------------------------------------------------------------*/

static void fill(char *payload, uint64_t writer, uint64_t number, uint64_t len)
{
    uint64_t i;

    memcpy(payload, &writer, 8);
    memcpy(payload + 8, &number, 8);
    memcpy(payload + 16, &len, 8);
    for (i = FIRST_PAYLOAD; i < len; i++)
        payload[i] = (char)(writer * 131 + number * 31 + i * 7);
}

/* Whether RECORD is complete; returns its writer and number. */
static bool understand(const struct mrc_ring_record *record, uint64_t *ret_writer,
                       uint64_t *ret_number)
{
    char expected[LARGEST];
    char id[48];
    uint64_t writer;
    uint64_t number;

    if (record->view.payload.len < FIRST_PAYLOAD || record->view.payload.len > LARGEST)
        return false;
    memcpy(&writer, record->view.payload.ptr, 8);
    memcpy(&number, record->view.payload.ptr + 8, 8);
    fill(expected, writer, number, record->view.payload.len);
    snprintf(id, sizeof(id), "%" PRIu64 "-%" PRIu64, writer, number);
    if (writer >= stress.writers || record->view.stored_bytes != record->view.payload.len ||
        memcmp(expected, record->view.payload.ptr, record->view.payload.len) != 0 ||
        !mrc_bytes_eq_str(record->view.id, id))
        return false;
    *ret_writer = writer;
    *ret_number = number;
    return true;
}

/* ---- The parts --------------------------------------------------------------------------------*/

/* What a writer appends at once: one record, or a group. */
struct pack {
    size_t count;
    struct mrc_record records[GROUP_MAX];
    char payloads[GROUP_MAX][LARGEST];
    char ids[GROUP_MAX][48];
};

/* Makes the records of WRITER from NUMBER on. */
static void make_pack(struct pack *pack, unsigned writer, uint64_t number, uint64_t *random)
{
    pack->count = next_random(random) % 4 ? 1 : 2 + next_random(random) % (GROUP_MAX - 1);
    for (size_t i = 0; i < pack->count; i++) {
        uint64_t len = FIRST_PAYLOAD + next_random(random) % 200;

        if (pack->count == 1 && next_random(random) % 32 == 0)
            len = FIRST_PAYLOAD + next_random(random) % (LARGEST - 200);
        fill(pack->payloads[i], writer, number + i, len);
        snprintf(pack->ids[i], sizeof(pack->ids[i]), "%u-%" PRIu64, writer, number + i);
        pack->records[i] = (struct mrc_record){
            .id = mrc_bytes_of(pack->ids[i]),
            .payload = {pack->payloads[i], len},
            .stored_bytes = len,
        };
    }
}

static apr_status_t append(const struct pack *pack, int64_t wait_us, uint64_t *ret_seq)
{
    const struct mrc_record *record = &pack->records[0];
    uint64_t pos;

    if (pack->count > 1)
        return mrc_ring_append_group(stress.ring, record, pack->count, now_us(), wait_us, ret_seq);
    return mrc_ring_append(stress.ring, record->id, record->payload, record->stored_bytes, now_us(),
                           wait_us, ret_seq, &pos);
}

static void run_writer(unsigned writer, uint64_t random)
{
    struct shared *shared = stress.shared;
    struct page *page = &shared->page[writer];
    static _Thread_local struct pack pack;

    while (!atomic_load(&shared->stop)) {
        uint64_t number = atomic_load(&page->attempt) + 1;
        apr_status_t status;
        uint64_t seq;

        make_pack(&pack, writer, number, &random);
        while (mrc_ring_head(stress.ring) - atomic_load(&shared->audited) > MAX_LAG) {
            if (atomic_load(&shared->stop))
                return;
            sched_yield();
        }
        atomic_store(&page->attempt, number + pack.count - 1);
        status =
            append(&pack, next_random(&random) % 8 == 0 ? 5000000 : MRC_RING_WAIT_FOREVER, &seq);
        if (status == APR_TIMEUP)
            continue;
        if (status) {
            fail("append: %d", status);
            return;
        }
        for (size_t i = 0; i < pack.count; i++) {
            atomic_store(&page->note[(number + i) % NOTES].seq, seq + i);
            atomic_store(&page->note[(number + i) % NOTES].number, number + i);
        }
    }
}

/* What the auditor knows about a writer. */
struct audit {
    uint64_t number; /* of its last record */
    uint64_t seq;
};

/* WRITER has reached NUMBER: checks its notes about the records before that. */
static void settle(unsigned writer, struct audit *audit, uint64_t number)
{
    struct page *page = &stress.shared->page[writer];
    uint64_t n;

    for (n = audit->number; n < number; n++) {
        bool acknowledged = n > 0 && atomic_load(&page->note[n % NOTES].number) == n;
        uint64_t seq = atomic_load(&page->note[n % NOTES].seq);

        if (!acknowledged)
            continue;
        if (n != audit->number)
            fail("lost: writer %u got seq %" PRIu64 " for %" PRIu64, writer, seq, n);
        else if (seq != audit->seq)
            fail("writer %u got seq %" PRIu64 " for %" PRIu64 ", which has %" PRIu64, writer, seq,
                 n, audit->seq);
    }
}

static void run_auditor(void)
{
    struct shared *shared = stress.shared;
    struct mrc_ring_record record = {.buf = NULL};
    struct audit audit[WRITERS_MAX] = {{0}};
    uint64_t pos = 0;
    uint64_t seq = 0;
    unsigned i;

    while (!atomic_load(&shared->failures)) {
        int ended = atomic_load(&shared->writers_ended);
        apr_status_t status = mrc_ring_read(stress.ring, &pos, &record);
        uint64_t writer;
        uint64_t number;

        if (status == APR_EOF) {
            if (ended)
                break;
            sched_yield();
            continue;
        }
        if (status) {
            fail("auditor: %d at %" PRIu64, status, pos);
            break;
        }
        if (record.view.seq != ++seq) {
            fail("auditor: seq %" PRIu64 " instead of %" PRIu64, record.view.seq, seq);
            break;
        }
        if (!understand(&record, &writer, &number)) {
            fail("auditor: the record with seq %" PRIu64 " is torn", seq);
            break;
        }
        if (number <= audit[writer].number) {
            fail("writer %" PRIu64 ": %" PRIu64 " after %" PRIu64, writer, number,
                 audit[writer].number);
            break;
        }
        settle((unsigned)writer, &audit[writer], number);
        audit[writer].number = number;
        audit[writer].seq = seq;
        atomic_store(&shared->audited, pos);
    }
    for (i = 0; i < stress.writers && !atomic_load(&shared->failures); i++)
        settle(i, &audit[i], atomic_load(&shared->page[i].attempt) + 1);
    atomic_store(&shared->records, seq);
    mrc_ring_record_free(&record);
}

/*
 * The id of RECORD, just read, must lead to END, unless the record has left the history meanwhile.
 */
static void look_up(const struct mrc_ring_record *record, uint64_t end)
{
    uint64_t found;
    apr_status_t status = mrc_ring_find(stress.ring, record->view.id, now_us(), &found);

    atomic_fetch_add(&stress.shared->finds, 1);
    if (status == APR_SUCCESS && found != end)
        fail("find: %.*s leads to %" PRIu64 " instead of %" PRIu64, (int)record->view.id.len,
             record->view.id.ptr, found, end);
    else if (status == APR_NOTFOUND && record->pos >= mrc_ring_oldest(stress.ring, now_us()))
        fail("find: %.*s was not found", (int)record->view.id.len, record->view.id.ptr);
    else if (status && status != APR_NOTFOUND)
        fail("find: %d", status);
}

static void run_reader(uint64_t random)
{
    struct shared *shared = stress.shared;
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_record newest = {.buf = NULL};
    uint64_t pos = mrc_ring_head(stress.ring);
    uint64_t last_seq = 0; /* 0: any seq may follow */

    while (!atomic_load(&shared->stop)) {
        apr_status_t status = mrc_ring_read(stress.ring, &pos, &record);
        uint64_t writer;
        uint64_t number;

        if (status == MRC_STATUS_OVERRUN) {
            atomic_fetch_add(&shared->overruns, 1);
            pos = mrc_ring_oldest(stress.ring, now_us());
            last_seq = 0;
            continue;
        }
        if (status == APR_EOF) {
            if (mrc_ring_newest(stress.ring, &newest) == APR_SUCCESS &&
                !understand(&newest, &writer, &number))
                fail("reader: the newest record is torn");
            sched_yield();
            continue;
        }
        if (status) {
            fail("reader: %d at %" PRIu64, status, pos);
            break;
        }
        if (last_seq && record.view.seq != last_seq + 1)
            fail("reader: seq %" PRIu64 " after %" PRIu64, record.view.seq, last_seq);
        last_seq = record.view.seq;
        if (!understand(&record, &writer, &number))
            fail("reader: the record with seq %" PRIu64 " is torn", record.view.seq);
        if (next_random(&random) % 16 == 0)
            look_up(&record, pos);
        if (next_random(&random) % 512 == 0)
            nap(next_random(&random) % 2000);
    }
    mrc_ring_record_free(&record);
    mrc_ring_record_free(&newest);
}

/* ---- Processes --------------------------------------------------------------------------------*/

enum part { WRITER, READER, AUDITOR };

struct task {
    enum part part;
    unsigned index;
    uint64_t random;
};

static void run_task(const struct task *task)
{
    switch (task->part) {
    case WRITER:
        run_writer(task->index, task->random);
        break;
    case READER:
        run_reader(task->random);
        break;
    case AUDITOR:
        run_auditor();
        break;
    }
}

static pid_t spawn(enum part part, unsigned index, uint64_t random)
{
    struct task task = {.part = part, .index = index, .random = random | 1};
    pid_t pid = fork();

    if (pid == 0) {
        run_task(&task);
        _exit(0);
    }
    if (pid < 0) {
        perror("fork");
        exit(99);
    }
    return pid;
}

/* Waits for PID, which must end with status 0. */
static void reap(pid_t pid, const char *name)
{
    int status;

    if (waitpid(pid, &status, 0) != pid || status != 0)
        fail("%s ended with status %d", name, status);
}

static void run_processes(int64_t until_us)
{
    struct shared *shared = stress.shared;
    uint64_t random = stress.seed;
    pid_t writer[WRITERS_MAX];
    pid_t reader[READERS_MAX];
    pid_t auditor = spawn(AUDITOR, 0, 1);
    unsigned i;

    for (i = 0; i < stress.readers; i++)
        reader[i] = spawn(READER, i, next_random(&random));
    for (i = 0; i < stress.writers; i++)
        writer[i] = spawn(WRITER, i, next_random(&random));
    while (now_us() < until_us && !atomic_load(&shared->stop)) {
        int status;

        nap(next_random(&random) % 3000);
        i = (unsigned)(next_random(&random) % stress.writers);
        kill(writer[i], SIGKILL);
        waitpid(writer[i], &status, 0);
        atomic_fetch_add(&shared->kills, 1);
        writer[i] = spawn(WRITER, i, next_random(&random));
    }
    atomic_store(&shared->stop, 1);
    for (i = 0; i < stress.writers; i++)
        reap(writer[i], "a writer");
    atomic_store(&shared->writers_ended, 1);
    reap(auditor, "the auditor");
    for (i = 0; i < stress.readers; i++)
        reap(reader[i], "a reader");
}

/* ---- Threads ----------------------------------------------------------------------------------*/

static void *thread_main(void *arg)
{
    run_task(arg);
    return NULL;
}

static void start(pthread_t *thread, struct task *task)
{
    if (pthread_create(thread, NULL, thread_main, task) != 0) {
        perror("pthread_create");
        exit(99);
    }
}

static void run_threads(int64_t until_us)
{
    struct shared *shared = stress.shared;
    uint64_t random = stress.seed;
    pthread_t thread[WRITERS_MAX + READERS_MAX + 1];
    struct task task[WRITERS_MAX + READERS_MAX + 1];
    unsigned n = stress.writers + stress.readers;
    unsigned i;

    for (i = 0; i <= n; i++)
        task[i] = (struct task){
            .part = i < stress.writers ? WRITER
                    : i < n            ? READER
                                       : AUDITOR,
            .index = i,
            .random = next_random(&random) | 1,
        };
    for (i = 0; i <= n; i++)
        start(&thread[i], &task[i]);
    while (now_us() < until_us && !atomic_load(&shared->stop))
        nap(10000);
    atomic_store(&shared->stop, 1);
    for (i = 0; i < stress.writers; i++)
        pthread_join(thread[i], NULL);
    atomic_store(&shared->writers_ended, 1);
    for (; i <= n; i++)
        pthread_join(thread[i], NULL);
}

/* ---- The program ------------------------------------------------------------------------------*/

static void *map(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED) {
        perror("mmap");
        exit(99);
    }
    return base;
}

static void say(void *ctx, const char *text)
{
    fail("%s", text);
}

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t n = strtoull(text ? text : "", &end, 10);

    if (!text || *text == '\0' || *end) {
        fprintf(stderr, "not a number: %s\n", text ? text : "nothing");
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    const char *env = getenv("MRC_STRESS_SECONDS");
    uint64_t seconds = env && *env ? number_of(env) : 3;
    struct mrc_ring_bounds bounds = {.count = 0};
    struct mrc_ring_stats stats;
    apr_pool_t *pool;
    int i;

    stress.seed = (uint64_t)now_us() ^ (uint64_t)getpid() << 32;
    stress.writers = 4;
    stress.readers = 3;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--threads") == 0) {
            stress.threads = true;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = number_of(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0) {
            stress.seed = number_of(argv[++i]);
        } else if (strcmp(argv[i], "--writers") == 0) {
            stress.writers = (unsigned)number_of(argv[++i]);
        } else if (strcmp(argv[i], "--readers") == 0) {
            stress.readers = (unsigned)number_of(argv[++i]);
        } else {
            fprintf(stderr, "usage: stress [--seconds N] [--seed N] [--threads] "
                            "[--writers N] [--readers N]\n");
            return 2;
        }
    }
    if (stress.seed == 0 || stress.writers == 0 || stress.writers > WRITERS_MAX ||
        stress.readers > READERS_MAX) {
        fprintf(stderr, "1 to %d writers, 0 to %d readers, a seed that is not 0\n", WRITERS_MAX,
                READERS_MAX);
        return 2;
    }
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return 99;
    printf("1..1\n# seed %" PRIu64 ", %" PRIu64 " s, %u writers, %u readers, %s\n", stress.seed,
           seconds, stress.writers, stress.readers, stress.threads ? "threads" : "processes");
    fflush(stdout);

    /* The history is as long as the ring, or bounded by count or by age. */
    if (stress.seed % 3 == 1)
        bounds.count = 30;
    else if (stress.seed % 3 == 2)
        bounds.age_us = 300;
    stress.shared = map(sizeof(*stress.shared));
    if (mrc_ring_create(pool, map(mrc_ring_region_bytes(CAPACITY)), CAPACITY,
                        map(mrc_ring_index_bytes(BUCKETS)), BUCKETS, &bounds, NULL,
                        &stress.ring) != APR_SUCCESS)
        return 99;
    if (stress.threads)
        run_threads(now_us() + (int64_t)seconds * 1000000);
    else
        run_processes(now_us() + (int64_t)seconds * 1000000);

    /* A final record, so that a death just before the end is also repaired. */
    if (!atomic_load(&stress.shared->failures)) {
        uint64_t seq;
        uint64_t pos;

        if (mrc_ring_append(stress.ring, mrc_bytes_of("end"), mrc_bytes_of("end"), 3, now_us(),
                            1000000, &seq, &pos) != APR_SUCCESS ||
            seq != atomic_load(&stress.shared->records) + 1)
            fail("the last append");
        mrc_ring_check(stress.ring, say, NULL);
    }
    mrc_ring_stats(stress.ring, &stats);
    if (stats.resets)
        fail("the ring was reset %" PRIu64 " times", stats.resets);
    printf("# %" PRIu64 " records, %" PRIu64 " overruns, %" PRIu64 " lookups, %" PRIu64
           " kills, %" PRIu64 " of them with the lock\n",
           atomic_load(&stress.shared->records), atomic_load(&stress.shared->overruns),
           atomic_load(&stress.shared->finds), atomic_load(&stress.shared->kills),
           stats.recoveries);
    printf("%s 1 - no lost, doubled, torn or reordered record\n",
           atomic_load(&stress.shared->failures) ? "not ok" : "ok");
    return atomic_load(&stress.shared->failures) ? 1 : 0;
}
