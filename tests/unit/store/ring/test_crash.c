/*
 * A writer dies after each single instruction of an append. The next writer always finds a ring
 * without contradictions, with every record that was there before.
 *
 * The writer is single-stepped with ptrace; on a system that forbids ptrace, nothing is tested.
 * MRC_CRASH_STRIDE=1 tests every instruction (a minute); the default is every 29th, with another
 * start in each run.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "store/ring/ring.h"
#include "store_unit.h"

#define NOW      INT64_C(1700000000000000)
#define CAPACITY 1024
#define BUCKETS  4

static struct {
    apr_status_t (*write)(void); /* of the writer that dies */
    void *region;
    void *index;
    struct mrc_ring *ring;
    uint64_t end; /* of the ring before the writer */
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

static apr_status_t append_new(void)
{
    uint64_t seq;

    return append("new", &seq);
}

static apr_status_t append_order(void)
{
    uint64_t pos;

    return mrc_ring_append_control(crash.ring, mrc_bytes_of("an order of some bytes"), NOW, 1000000,
                                   &pos);
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

/*
 * Lets a child append and kills it after STEPS instructions. 1: it was killed; 0: it had ended
 * before; -1: the system forbids ptrace.
 */
static int die_after(unsigned steps)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        _exit(crash.write() == APR_SUCCESS ? 0 : 1);
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

/* Checks the ring, whether it has the child's record or not. */
static void judge(unsigned steps, uint64_t seq_before)
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
    is_there = record.view.seq == seq_before + 1;
    ck_assert_msg(is_there || record.view.seq == seq_before, "after %u steps: seq %" PRIu64, steps,
                  record.view.seq);
    ck_assert_int_eq(mrc_ring_find(crash.ring, mrc_bytes_of("new"), NOW, &found),
                     is_there ? APR_SUCCESS : APR_NOTFOUND);

    ck_assert_int_eq(append("next", &seq), APR_SUCCESS);
    ck_assert_uint_eq(seq, seq_before + (is_there ? 2 : 1));
    crash.said = 0;
    ck_assert_msg(mrc_ring_check(crash.ring, say, NULL) == 0, "after %u steps", steps);
    ck_assert_int_eq(mrc_ring_find(crash.ring, mrc_bytes_of("next"), NOW, &found), APR_SUCCESS);
    ck_assert_uint_eq(found, mrc_ring_head(crash.ring));
    ck_assert_int_eq(mrc_ring_find(crash.ring, mrc_bytes_of("new"), NOW, &found),
                     is_there ? APR_SUCCESS : APR_NOTFOUND);
    mrc_ring_stats(crash.ring, &stats);
    ck_assert_uint_eq(stats.resets, 0);
    /* The append gives up no more of the nine records than it needs. */
    for (pos = mrc_ring_oldest(crash.ring, NOW);
         mrc_ring_read(crash.ring, &pos, &record) == APR_SUCCESS; last = record.view.seq)
        ck_assert(last == 0 || record.view.seq == last + 1);
    ck_assert_uint_eq(last, seq);
    ck_assert_uint_ge(stats.records, 9);
    mrc_ring_record_free(&record);
}

/* The same for a writer of a control record, which changes nothing of the updates. */
static void judge_order(unsigned steps, uint64_t seq_before)
{
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t mark, before = 0, seq, pos;
    bool is_there = mrc_ring_read(crash.ring, &crash.end, &record) == APR_SUCCESS;

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

static void die_everywhere(apr_status_t (*write)(void), void (*judge_it)(unsigned, uint64_t))
{
    apr_pool_t *pool = store_pool();
    const struct mrc_ring_bounds bounds = {.count = 0};
    const char *env = getenv("MRC_CRASH_STRIDE");
    unsigned stride = env && *env ? (unsigned)strtoul(env, NULL, 10) : 29;
    unsigned steps;
    int killed = 1;

#ifdef __SANITIZE_ADDRESS__
    stride *= 7; /* an append has many more instructions */
#endif
#ifdef __SANITIZE_THREAD__
    stride *= 37;
#endif
    crash.write = write;
    ck_assert_uint_gt(stride, 0);
    steps = (unsigned)getpid() % stride;
    crash.region = store_shared(mrc_ring_region_bytes(CAPACITY));
    crash.index = store_shared(mrc_ring_index_bytes(BUCKETS));
    for (; killed == 1; steps += stride) {
        uint64_t seq;

        memset(crash.region, 0, mrc_ring_region_bytes(CAPACITY));
        ck_assert_int_eq(mrc_ring_create(pool, crash.region, CAPACITY, crash.index, BUCKETS,
                                         &bounds, NULL, &crash.ring),
                         APR_SUCCESS);
        fill();
        ck_assert_int_eq(append("old", &seq), APR_SUCCESS);
        crash.end = mrc_ring_head(crash.ring);
        killed = die_after(steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        judge_it(steps, seq);
    }
    fprintf(stderr, "# %u instructions, every %uth\n", steps, stride);
    ck_assert_uint_gt(steps, 100);
}

START_TEST(dies_at_every_instruction)
{
    die_everywhere(append_new, judge);
}
END_TEST

START_TEST(dies_at_every_instruction_of_an_order)
{
    die_everywhere(append_order, judge_order);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring_crash");
    TCase *tcase = tcase_create("ring_crash");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, dies_at_every_instruction);
    tcase_add_test(tcase, dies_at_every_instruction_of_an_order);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
