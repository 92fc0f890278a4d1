/* Group commits: wherever the leading process dies, every update is stored once and in order. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>

#include <lmdb.h>

#include "apr_general.h"

#include "history_unit.h"
#include "store/history/check.h"

/* The points at which a leader dies. */
enum point {
    NOWHERE,
    BEFORE_COMMIT,
    WITHIN_COMMIT, /* in the file, but not yet visible to LMDB's readers */
    AFTER_COMMIT,
    BEFORE_RING,
    WITHIN_RING,
    BEFORE_FINISH,
    WITHIN_FINISH,
    POINTS
};

static enum point armed; /* in this process */
static unsigned passed;

static void die_at(enum point point, unsigned count)
{
    if (armed == point && passed++ == count)
        raise(SIGKILL);
}

/*
 * These functions replace those of the C library for LMDB: a write with O_DSYNC is the commit. They
 * have names of their own here, because headers may declare that the C library's are one.
 */
ssize_t write_at(int fd, const void *bytes, size_t size, long at) __asm__("pwrite")
    __attribute__((visibility("default")));
ssize_t write_at64(int fd, const void *bytes, size_t size, int64_t at) __asm__("pwrite64")
    __attribute__((visibility("default")));

ssize_t write_at64(int fd, const void *bytes, size_t size, int64_t at)
{
#if __SIZEOF_LONG__ == 4 /* the offset takes two arguments */
    const long low = (long)(at & 0xffffffff), high = (long)(at >> 32);
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, size, low, high);
#else
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, size, at);
#endif

    if (fcntl(fd, F_GETFL) & O_DSYNC)
        die_at(WITHIN_COMMIT, 0);
    return done;
}

ssize_t write_at(int fd, const void *bytes, size_t size, long at)
{
    return write_at64(fd, bytes, size, at);
}

#pragma GCC visibility push(default)
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
#pragma GCC visibility pop
apr_status_t __real_mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                       int64_t now_us, int64_t wait_us);
apr_status_t __wrap_mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                       int64_t now_us, int64_t wait_us);
void __real_mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update);
void __wrap_mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int rc;

    die_at(BEFORE_COMMIT, 0);
    rc = __real_mdb_txn_commit(txn);
    die_at(AFTER_COMMIT, 0);
    return rc;
}

apr_status_t __wrap_mrc_ring_append_as(struct mrc_ring *ring, const struct mrc_record *record,
                                       int64_t now_us, int64_t wait_us)
{
    die_at(BEFORE_RING, 0);
    die_at(WITHIN_RING, 1);
    return __real_mrc_ring_append_as(ring, record, now_us, wait_us);
}

void __wrap_mrc_staging_finish(struct mrc_staging *staging, const struct mrc_staged *update)
{
    die_at(BEFORE_FINISH, 0);
    die_at(WITHIN_FINISH, 1);
    __real_mrc_staging_finish(staging, update);
}

static pid_t publish_in_child(unsigned slot, const char *id, enum point point)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct mrc_history *history = open_as(slot, MRC_HISTORY_SYNC_GROUP);

        armed = point;
        _exit(append(history, id, 100) == APR_SUCCESS ? 0 : 1);
    }
    return pid;
}

/* The number of slots that are not free. */
static unsigned staged(void)
{
    return mrc_staging_count(mrc_hub_segment_staging(segment));
}

static void wait_staged(unsigned n)
{
    for (int i = 0; staged() < n; i++) {
        ck_assert_int_lt(i, 20000);
        usleep(1000);
    }
}

/*
 * Three processes publish at the same moment, and one of them dies at POINT if it leads. The
 * updates of the others are stored once, its own at most once, and the ring has what the file has.
 */
static void check_death(enum point point)
{
    pid_t leader, others[2];
    int status;
    char *all, *ring;
    struct mrc_history *history;
    struct mrc_place place = {.next = 0, .pos = 0};
    bool has_died;

    others[0] = publish_in_child(1, "other-a", NOWHERE);
    ck_assert_int_eq(waitpid(others[0], &status, 0), others[0]); /* now the file exists */
    ck_assert_int_eq(status, 0);
    leader = publish_in_child(0, "leader", point);
    others[0] = publish_in_child(1, "other-b", NOWHERE);
    others[1] = publish_in_child(2, "other-c", NOWHERE);
    ck_assert_int_eq(waitpid(leader, &status, 0), leader);
    has_died = WIFSIGNALED(status);
    if (!has_died)
        ck_assert_int_eq(status, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(waitpid(others[i], &status, 0), others[i]);
        ck_assert_int_eq(status, 0);
    }
    mrc_hub_segment_fold(segment,
                         0); /* what is left of the dead process waits for the next leader */

    history = open_as(3, MRC_HISTORY_SYNC_GROUP);
    append_ok(history, "last", 1);
    ck_assert_uint_eq(staged(), 0);
    all = read_all(history);
    ck_assert_uint_eq(times(all, "other-a"), 1);
    ck_assert_uint_eq(times(all, "other-b"), 1);
    ck_assert_uint_eq(times(all, "other-c"), 1);
    ck_assert_uint_le(times(all, "leader"), 1);
    if (!has_died)
        ck_assert_uint_eq(times(all, "leader"), 1);
    /* The ring alone, from its beginning. */
    place.next = mrc_history_number(history, 1);
    place.until = place.next;
    ring = read_from(history, place);
    ck_assert_str_eq(ring, all);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(pool, history_dir, NULL), APR_SUCCESS);
}

START_TEST(a_leader_dies_anywhere)
{
    check_death((enum point)_i);
}
END_TEST

/* A group is stored completely or not at all, wherever its publisher dies. */
START_TEST(the_publisher_of_a_group_dies_anywhere)
{
    pid_t pid;
    int status;
    bool has_died;
    struct mrc_history *history;
    struct mrc_place place = {.next = 0, .pos = 0};
    char *all;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file exists and is bound */
    pid = fork();
    if (pid == 0) {
        size_t done;

        history = open_as(0, MRC_HISTORY_SYNC_GROUP);
        armed = (enum point)_i;
        _exit(append_three(history, 10, &done) == APR_SUCCESS && done == 3 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    has_died = WIFSIGNALED(status);
    ck_assert_int_eq(has_died, _i != NOWHERE && _i < BEFORE_FINISH); /* groups use no slot */
    mrc_hub_segment_fold(segment, 0);
    history = open_as(3, MRC_HISTORY_SYNC_GROUP);
    append_ok(history, "last", 1);
    all = read_all(history);
    if (!has_died || _i > BEFORE_COMMIT)
        ck_assert_ptr_nonnull(strstr(all, " A B C last"));
    else
        ck_assert_uint_eq(times(all, "A") + times(all, "B") + times(all, "C"), 0);
    place.next = mrc_history_number(history, 1);
    place.until = place.next;
    ck_assert_str_eq(read_from(history, place), all);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(pool, history_dir, NULL), APR_SUCCESS);
}
END_TEST

static apr_status_t append_end(struct mrc_history *history)
{
    const struct mrc_record record = {.id = mrc_bytes_of("end"),
                                      .payload = mrc_bytes_of("x"),
                                      .mark = MRC_RECORD_ENDS,
                                      .subject = {{1, 2, 3}}};
    size_t done;

    return mrc_history_append_group(history, &record, 1, apr_time_now(), &done);
}

/* A child dies while storing that something has ended, and another child stores it in its place. */
START_TEST(an_end_is_stored_once_wherever_its_publisher_dies)
{
    struct mrc_history *history;
    struct mrc_place place = {.next = 0, .pos = 0};
    char *all;
    pid_t pid;
    int status;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file exists and is bound */
    pid = fork();
    if (pid == 0) {
        history = open_as(0, MRC_HISTORY_SYNC_GROUP);
        armed = (enum point)_i;
        _exit(append_end(history) == APR_SUCCESS ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    mrc_hub_segment_fold(segment, 0);
    history = open_as(3, MRC_HISTORY_SYNC_GROUP);
    ck_assert_int_eq(append_end(history), APR_SUCCESS);
    append_ok(history, "last", 1);
    ck_assert_uint_eq(staged(), 0);
    all = read_all(history);
    ck_assert_uint_eq(times(all, "end"), 1);
    place.next = mrc_history_number(history, 1);
    place.until = place.next;
    ck_assert_str_eq(read_from(history, place), all);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(pool, history_dir, NULL), APR_SUCCESS);
}
END_TEST

/* All stage while the lock is held, so that one batch has all of their updates. */
START_TEST(a_leader_dies_with_a_whole_batch)
{
    struct mrc_staging *staging = mrc_hub_segment_staging(segment);
    pid_t pids[4];
    int status;
    unsigned killed = 0;
    struct mrc_history *history;
    char *all;

    ck_assert_int_eq(in_child(publish_and_close), 0); /* the file exists and is bound */
    open_turns();
    for (unsigned i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct mrc_history *own = open_as(i, MRC_HISTORY_SYNC_GROUP);

            pass(to_parent);
            wait_pass(to_child);
            armed = (enum point)_i;
            /* The leader dies, and perhaps the next one too. */
            _exit(append(own, apr_psprintf(pool, "batch-%u", i), 50) == APR_SUCCESS ? 0 : 1);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        wait_pass(to_parent);
    ck_assert_int_eq(mrc_staging_lock(staging, 0), APR_SUCCESS);
    for (unsigned i = 0; i < 4; i++)
        pass(to_child);
    wait_staged(4);
    mrc_staging_unlock(staging);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        if (WIFSIGNALED(status)) {
            killed++;
            pids[i] = 0;
            mrc_hub_segment_fold(segment, i);
        } else {
            ck_assert_int_eq(status, 0);
        }
    }
    ck_assert_uint_ge(killed, 1);
    history = open_as(5, MRC_HISTORY_SYNC_GROUP);
    append_ok(history, "last", 1);
    all = read_all(history);
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = times(all, apr_psprintf(pool, "batch-%u", i));

        ck_assert_uint_le(n, 1);
        if (pids[i])
            ck_assert_uint_eq(n, 1);
    }
    ck_assert_uint_eq(times(all, "id-"), 20);
    mrc_history_close(history);
}
END_TEST

/* ---- Many publishers and SIGKILL --------------------------------------------------------------*/

#define KILL_SLOTS  4
#define KILL_MAX    4000
#define KILL_ROUNDS 25

struct acknowledged {
    _Atomic unsigned tried[KILL_SLOTS];
    _Atomic uint8_t is_acknowledged[KILL_SLOTS][KILL_MAX];
};

static void publish_for_ever(struct acknowledged *acks, unsigned slot)
{
    struct mrc_history *history = open_as(slot, MRC_HISTORY_SYNC_NONE);

    for (;;) {
        unsigned n = atomic_fetch_add(&acks->tried[slot], 1);
        char id[32];

        if (n >= KILL_MAX)
            _exit(0);
        snprintf(id, sizeof(id), "<%u-%u>", slot, n);
        if (append(history, id, 20 + n % 300) == APR_SUCCESS)
            atomic_store(&acks->is_acknowledged[slot][n], 1);
    }
}

static pid_t start_publisher(struct acknowledged *acks, unsigned slot)
{
    pid_t pid = fork();

    if (pid == 0)
        publish_for_ever(acks, slot);
    return pid;
}

START_TEST(publishers_are_killed_at_random)
{
    struct acknowledged *acks = store_shared(sizeof(*acks));
    pid_t pids[KILL_SLOTS];
    struct mrc_history *history;
    unsigned sum = 0;
    char *all;

    for (unsigned i = 0; i < KILL_SLOTS; i++)
        pids[i] = start_publisher(acks, i);
    for (unsigned round = 0; round < KILL_ROUNDS; round++) {
        unsigned short random[2] = {0, 0};
        unsigned victim;

        ck_assert_int_eq(apr_generate_random_bytes((unsigned char *)random, sizeof(random)),
                         APR_SUCCESS);
        victim = random[0] % KILL_SLOTS;
        usleep(random[1] % 20000U);
        kill(pids[victim], SIGKILL);
        ck_assert_int_eq(waitpid(pids[victim], NULL, 0), pids[victim]);
        mrc_hub_segment_fold(segment, victim);
        pids[victim] = start_publisher(acks, victim);
    }
    usleep(20000);
    for (unsigned i = 0; i < KILL_SLOTS; i++) {
        kill(pids[i], SIGKILL);
        ck_assert_int_eq(waitpid(pids[i], NULL, 0), pids[i]);
        mrc_hub_segment_fold(segment, i);
    }
    history = open_as(5, MRC_HISTORY_SYNC_NONE);
    append_ok(history, "last", 1);
    ck_assert_uint_eq(staged(), 0);
    all = read_all(history);
    for (unsigned i = 0; i < KILL_SLOTS; i++) {
        const char *at = all; /* in the order of each publisher */

        for (unsigned n = 0; n < KILL_MAX; n++) {
            char id[32];
            const char *found;

            snprintf(id, sizeof(id), "<%u-%u>", i, n);
            found = strstr(at, id);
            if (found)
                ck_assert_msg(!strstr(found + 1, id), "%s is there twice", id);
            if (atomic_load(&acks->is_acknowledged[i][n])) {
                ck_assert_msg(found != NULL, "%s is lost, or out of order", id);
                at = found;
                sum++;
            }
        }
    }
    ck_assert_uint_gt(sum, 100);
    mrc_history_close(history);
    ck_assert_int_eq(mrc_history_check(pool, history_dir, NULL), APR_SUCCESS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("commit");
    TCase *tcase = history_tcase(suite);

    tcase_add_loop_test(tcase, a_leader_dies_anywhere, NOWHERE, POINTS);
    tcase_add_loop_test(tcase, the_publisher_of_a_group_dies_anywhere, NOWHERE, POINTS);
    tcase_add_loop_test(tcase, an_end_is_stored_once_wherever_its_publisher_dies, NOWHERE, POINTS);
    tcase_add_loop_test(tcase, a_leader_dies_with_a_whole_batch, BEFORE_COMMIT, POINTS);
    tcase_add_test(tcase, publishers_are_killed_at_random);
    return unit_run(suite);
}
