/*
 * A writer dies after each single instruction of an append, of one record or of a group. The next
 * writer always finds a ring without contradictions, with every record that was there before, and
 * all new records or none. In the second half, the ring is in a sparse file, and the append needs
 * new pages.
 *
 * The writer is single-stepped with ptrace; on a system that forbids ptrace, nothing is tested.
 * MRC_CRASH_STRIDE=1 tests every instruction (a quarter of an hour); the default is every 61st,
 * with another start in each run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "store/base/sparse.h"
#include "store/ring/internal.h"
#include "store/ring/ring.h"
#include "store_unit.h"

#define NOW      INT64_C(1700000000000000)
#define CAPACITY 1024
#define BUCKETS  4
#define GROUP    5

/* The sparse file. */
#define WIDE_CAPACITY 131072
#define WIDE_BUCKETS  1024
#define LAYOUT_AT     2048
#define GROUPS_AT     4096
#define RING_AT       8192
#define INDEX_AT      ((uint64_t)RING_AT + WIDE_CAPACITY + 4096)
#define FILE_BYTES    (INDEX_AT + 65536)
#define WIDE_FILL     30000 /* bytes */

static struct {
    int fd;
    char *file;
    struct mrc_sparse *sparse;
    void *region;
    void *index;
    struct mrc_ring *ring;
    unsigned said;
} crash;

static void say(void *ctx, const char *text)
{
    fprintf(stderr, "%s\n", text);
    crash.said++;
}

static apr_status_t append(const char *id, uint64_t *ret_seq)
{
    uint64_t pos;

    return mrc_ring_append(crash.ring, mrc_bytes_of(id), mrc_bytes_of("a payload of some bytes"),
                           30, NOW, 1000000, ret_seq, &pos);
}

static const char *const group_ids[GROUP] = {"new", "new-1", "new-2", "new", "new-4"};

/* Appends COUNT new records: one, or a group in which some share a bucket. 0: a control record. */
static apr_status_t append_new(size_t count)
{
    struct mrc_record records[GROUP];
    uint64_t unused;

    if (count == 0)
        return mrc_ring_append_control(crash.ring, mrc_bytes_of("an order of some bytes"), NOW,
                                       1000000, &unused);
    if (count == 1)
        return append("new", &unused);
    for (size_t i = 0; i < count; i++)
        records[i] = (struct mrc_record){
            .id = mrc_bytes_of(group_ids[i]), .payload = mrc_bytes_of("x"), .stored_bytes = 10 + i};
    return mrc_ring_append_group(crash.ring, records, count, NOW, 1000000, &unused);
}

/* Fills the ring: an append then moves history and tail, and its record wraps at the end. */
static void fill(void)
{
    uint64_t seq;
    int i;

    memset(crash.index, 0, mrc_ring_index_bytes(BUCKETS));
    for (i = 0; i < 9; i++)
        ck_assert_int_eq(append("old", &seq), APR_SUCCESS);
}

static void make_ring(apr_pool_t *pool, const struct mrc_ring_bounds *bounds)
{
    memset(crash.region, 0, mrc_ring_region_bytes(CAPACITY));
    ck_assert_int_eq(mrc_ring_create(pool, crash.region, CAPACITY, crash.index, BUCKETS, bounds,
                                     NULL, &crash.ring),
                     APR_SUCCESS);
    fill();
}

/* An empty sparse file. */
static void open_file(void)
{
    char path[] = "/tmp/mrc-crash-XXXXXX";

    crash.fd = mkstemp(path);
    ck_assert_int_ge(crash.fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ftruncate(crash.fd, (off_t)FILE_BYTES), 0);
    crash.file = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, crash.fd, 0);
    ck_assert_ptr_ne(crash.file, MAP_FAILED);
}

/* A ring in the sparse file, in which the next append needs a new page. Returns its records. */
static uint64_t make_growing_ring(apr_pool_t *pool, const struct mrc_ring_bounds *bounds)
{
    uint64_t seq = 0;

    ck_assert_int_eq(ftruncate(crash.fd, 0), 0);
    ck_assert_int_eq(ftruncate(crash.fd, (off_t)FILE_BYTES), 0);
    ck_assert_int_eq(mrc_sparse_create(pool, crash.file, FILE_BYTES, LAYOUT_AT, GROUPS_AT, RING_AT,
                                       store_budget(), &crash.sparse),
                     APR_SUCCESS);
    ck_assert_int_eq(mrc_sparse_take(crash.sparse, crash.file + RING_AT, MRC_RING_HEAD_BYTES),
                     APR_SUCCESS);
    ck_assert_int_eq(mrc_ring_create(pool, crash.file + RING_AT, WIDE_CAPACITY,
                                     crash.file + INDEX_AT, WIDE_BUCKETS, bounds, NULL,
                                     &crash.ring),
                     APR_SUCCESS);
    mrc_ring_use_sparse(crash.ring, crash.sparse);
    do {
        ck_assert_int_eq(append("old", &seq), APR_SUCCESS);
    } while (
        mrc_ring_head(crash.ring) < WIDE_FILL ||
        mrc_sparse_have(crash.sparse, (char *)crash.ring->words + mrc_ring_head(crash.ring), 96));
    return seq;
}

/*
 * Makes a child append COUNT records and kills it after STEPS instructions. 1: it was killed; 0: it
 * had ended before; -1: the system forbids ptrace.
 */
static int die_after(size_t count, unsigned steps)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        _exit(append_new(count) == APR_SUCCESS ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return -1;
    while (steps--) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            return -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            return 0;
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 1;
}

/* The id of each of the COUNT new records must lead to the place after it, or be unknown. */
static void check_found(size_t count, bool is_there, unsigned steps)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t found;
        apr_status_t status = mrc_ring_find(crash.ring, mrc_bytes_of(group_ids[i]), NOW, &found);

        ck_assert_msg(status == (is_there ? APR_SUCCESS : APR_NOTFOUND), "after %u steps: %s %d",
                      steps, group_ids[i], status);
    }
}

/* Checks the ring, whether it has the child's COUNT records or not. KEPT: the older ones that an
 * append leaves. */
static void judge(size_t count, unsigned steps, uint64_t seq_before, uint64_t kept)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_ring_stats stats;
    uint64_t found;
    uint64_t seq;
    uint64_t pos;
    uint64_t last = 0;
    bool is_there;

    /* Readers, before a writer repairs it. */
    ck_assert_int_eq(mrc_ring_newest(crash.ring, &record), APR_SUCCESS);
    is_there = record.view.seq == seq_before + count;
    ck_assert_msg(is_there || record.view.seq == seq_before, "after %u steps: seq %" PRIu64, steps,
                  record.view.seq);
    check_found(count, is_there, steps);

    ck_assert_int_eq(append("next", &seq), APR_SUCCESS);
    ck_assert_uint_eq(seq, seq_before + (is_there ? count + 1 : 1));
    crash.said = 0;
    ck_assert_msg(mrc_ring_check(crash.ring, say, NULL) == 0, "after %u steps", steps);
    ck_assert_int_eq(mrc_ring_find(crash.ring, mrc_bytes_of("next"), NOW, &found), APR_SUCCESS);
    ck_assert_uint_eq(found, mrc_ring_head(crash.ring));
    check_found(count, is_there, steps);
    mrc_ring_stats(crash.ring, &stats);
    ck_assert_uint_eq(stats.resets, 0);
    /* The append gives up no more of the records than it needs. */
    for (pos = mrc_ring_oldest(crash.ring, NOW);
         mrc_ring_read(crash.ring, &pos, &record) == APR_SUCCESS; last = record.view.seq)
        ck_assert(last == 0 || record.view.seq == last + 1);
    ck_assert_uint_eq(last, seq);
    ck_assert_uint_ge(stats.records, kept);
    mrc_ring_record_free(&record);
}

/* The same for a control record, which does not change the updates. END: of the ring before it. */
static void judge_order(unsigned steps, uint64_t seq_before, uint64_t end)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t mark, before = 0, seq, pos;
    bool is_there = mrc_ring_read(crash.ring, &end, &record) == APR_SUCCESS;

    ck_assert(!is_there || record.view.is_control);
    ck_assert_int_eq(mrc_ring_newest(crash.ring, &record), APR_SUCCESS);
    ck_assert_uint_eq(record.view.seq, seq_before);
    ck_assert_int_eq(append("next", &seq), APR_SUCCESS);
    ck_assert_uint_eq(seq, seq_before + 1);
    crash.said = 0;
    ck_assert_msg(mrc_ring_check(crash.ring, say, NULL) == 0, "after %u steps", steps);
    mark = mrc_ring_control(crash.ring);
    ck_assert_msg((mark != 0) == is_there, "after %u steps: mark %" PRIu64, steps, mark);
    if (is_there) {
        pos = mark - 1;
        ck_assert_int_eq(mrc_ring_read(crash.ring, &pos, &record), APR_SUCCESS);
        ck_assert_bytes_eq(record.view.payload, "an order of some bytes");
        ck_assert_int_eq(mrc_ring_control_before(crash.ring, mark, &before), APR_SUCCESS);
        ck_assert_uint_eq(before, 0);
    }
    mrc_ring_record_free(&record);
}

/* COUNT: the records of an append; KEPT: the least that is there afterwards. */
static const struct {
    size_t count;
    uint64_t kept;
    bool grows;
} appends[] = {
    {1, 9, false}, {GROUP, 5, false}, {0, 9, false}, {1, 0, true}, {GROUP, 0, true}, {0, 0, true},
};

START_TEST(dies_at_every_instruction)
{
    apr_pool_t *pool = store_pool();
    const struct mrc_ring_bounds bounds = {.count = 0};
    unsigned stride = unit_crash_stride(61), steps = (unsigned)getpid() % stride;
    int killed = 1;

    crash.region = store_shared(mrc_ring_region_bytes(CAPACITY));
    crash.index = store_shared(mrc_ring_index_bytes(BUCKETS));
    open_file();
    for (; killed == 1; steps += stride) {
        uint64_t seq, end, kept = appends[_i].kept;

        if (appends[_i].grows) {
            kept = seq = make_growing_ring(pool, &bounds);
        } else {
            make_ring(pool, &bounds);
            ck_assert_int_eq(append("old", &seq), APR_SUCCESS);
        }
        end = mrc_ring_head(crash.ring);
        killed = die_after(appends[_i].count, steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        if (appends[_i].count)
            judge(appends[_i].count, steps, seq, kept);
        else
            judge_order(steps, seq, end);
    }
    fprintf(stderr, "# %u instructions, every %uth\n", steps, stride);
    ck_assert_uint_gt(steps, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring_crash");
    TCase *tcase = tcase_create("ring_crash");

    tcase_set_timeout(tcase, 3000);
    tcase_add_loop_test(tcase, dies_at_every_instruction, 0, sizeof(appends) / sizeof(appends[0]));
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
