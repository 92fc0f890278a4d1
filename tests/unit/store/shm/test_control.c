#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "apr_time.h"
#include "store/base/sparse.h"
#include "store/shm/control.h"
#include "store/shm/control_layout.h"
#include "store/shm/segment.h"
#include "store_unit.h"

static struct mrc_control *make(const char *dir, unsigned nslots)
{
    struct mrc_control *control;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_control_create(store_pool(), dir, "c", nslots, &error, &control) ==
                      APR_SUCCESS,
                  "%s", error.text);
    return control;
}

static void unmake(const char *dir, struct mrc_control *control)
{
    mrc_control_close(control);
    mrc_control_close(NULL);
    mrc_segment_remove(dir, "c");
    ck_assert_int_eq(rmdir(dir), 0);
}

static enum mrc_control_state state_of(struct mrc_control *control, unsigned slot)
{
    struct mrc_control_child child;

    ck_assert(mrc_control_get(control, slot, &child));
    return child.state;
}

/* The calls of fold(). */
struct folded {
    unsigned n;
    unsigned slot;
    pid_t pid;
};

static void fold(unsigned slot, pid_t pid, void *ctx)
{
    struct folded *folded = ctx;

    folded->n++;
    folded->slot = slot;
    folded->pid = pid;
}

START_TEST(slots_are_claimed_and_released)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 3);
    struct mrc_control_child child;

    ck_assert_uint_eq(mrc_control_nslots(control), 3);
    ck_assert_int_eq(mrc_control_claim(control, 0, 1), -1);
    ck_assert_int_eq(mrc_control_claim(control, 1 << MRC_CONTROL_PID_BITS, 1), -1);
    ck_assert_int_eq(mrc_control_claim(control, (1 << MRC_CONTROL_PID_BITS) - 1, 1), 0);
    mrc_control_release(control, 0, (1 << MRC_CONTROL_PID_BITS) - 1);
    ck_assert_int_eq(mrc_control_claim(control, 101, 1), 0);
    ck_assert(!mrc_control_is_fresh(control, 0));
    ck_assert_int_eq(mrc_control_claim(control, 102, 1), 1);
    ck_assert(mrc_control_is_fresh(control, 1));
    ck_assert_int_eq(mrc_control_claim(control, 103, 2), 2);
    ck_assert_int_eq(mrc_control_claim(control, 104, 2), -1);
    ck_assert(mrc_control_get(control, 2, &child));
    ck_assert_int_eq(child.state, MRC_CONTROL_LIVE);
    ck_assert_int_eq(child.pid, 103);
    ck_assert_uint_eq(child.generation, 2);
    mrc_control_release(control, 1, 103); /* another child has it */
    ck_assert_int_eq(state_of(control, 1), MRC_CONTROL_LIVE);
    mrc_control_release(control, 1, 102);
    mrc_control_release(control, 1, 102);
    mrc_control_release(control, 99, 102);
    ck_assert(mrc_control_get(control, 1, &child));
    ck_assert_int_eq(child.state, MRC_CONTROL_FREE);
    ck_assert_uint_eq(child.generation, 0);
    ck_assert_int_eq(mrc_control_claim(control, 104, 2), 1);
    ck_assert(!mrc_control_get(control, 3, &child));
    unmake(dir, control);
}
END_TEST

/* Children that come later, and those that die, do not count. */
START_TEST(children_that_lived_may_still_live)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 3);
    struct folded folded = {.n = 0};
    uint64_t before[3], children[3];

    mrc_control_note_children(control, before);
    ck_assert(!mrc_control_any_lives(control, before));
    mrc_control_claim(control, 101, 1);
    mrc_control_claim(control, 102, 1);
    ck_assert(!mrc_control_any_lives(control, before));
    mrc_control_note_children(control, children);
    mrc_control_claim(control, 103, 1);
    ck_assert(mrc_control_any_lives(control, children));
    mrc_control_release(control, 0, 101);
    ck_assert(mrc_control_any_lives(control, children));
    mrc_control_mark_dead(control, 102);
    ck_assert(!mrc_control_any_lives(control, children));
    mrc_control_note_children(control, before); /* one is dead */
    mrc_control_mark_dead(control, 103);
    ck_assert(!mrc_control_any_lives(control, before));
    mrc_control_reap(control, 104, 1, fold, &folded);
    mrc_control_claim(control, 105, 1); /* in the slot of the first */
    ck_assert(!mrc_control_any_lives(control, children));
    unmake(dir, control);
}
END_TEST

START_TEST(dead_children_are_folded_once)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 3);
    struct folded folded = {.n = 0};
    struct mrc_control_child child;

    mrc_control_claim(control, 101, 1);
    mrc_control_claim(control, 102, 1);
    ck_assert_uint_eq(mrc_control_reap(control, 101, 1, fold, &folded), 0);
    ck_assert_uint_eq(mrc_control_mark_dead(control, 102), 1);
    ck_assert_uint_eq(mrc_control_mark_dead(control, 102), 0);
    ck_assert_uint_eq(mrc_control_mark_dead(control, 999), 0);
    ck_assert_int_eq(state_of(control, 1), MRC_CONTROL_DEAD);
    mrc_control_release(control, 1, 102); /* too late: it is dead */
    ck_assert_int_eq(state_of(control, 1), MRC_CONTROL_DEAD);
    ck_assert_int_eq(mrc_control_claim(control, 103, 1), 2); /* not before it is folded */
    ck_assert_uint_eq(mrc_control_reap(control, 101, 1, fold, &folded), 1);
    ck_assert_uint_eq(folded.n, 1);
    ck_assert_uint_eq(folded.slot, 1);
    ck_assert_int_eq(folded.pid, 102);
    ck_assert(mrc_control_get(control, 1, &child));
    ck_assert_int_eq(child.state, MRC_CONTROL_FREE);
    ck_assert_int_eq(child.pid, 0);
    ck_assert_uint_eq(child.generation, 0);
    ck_assert_uint_eq(mrc_control_reap(control, 101, 1, fold, &folded), 0);
    unmake(dir, control);
}
END_TEST

/* The dead child has hubs that children of earlier generations do not know. */
START_TEST(a_dead_child_is_left_to_its_own_generation)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 3);
    struct folded folded = {.n = 0};

    mrc_control_claim(control, 101, 1);
    mrc_control_claim(control, 102, 2);
    mrc_control_mark_dead(control, 102);
    ck_assert_uint_eq(mrc_control_reap(control, 101, 1, fold, &folded), 0);
    ck_assert_int_eq(state_of(control, 1), MRC_CONTROL_DEAD);
    mrc_control_mark_dead(control, 101);
    ck_assert_uint_eq(mrc_control_reap(control, 103, 2, fold, &folded), 2);
    ck_assert_uint_eq(folded.n, 2);
    unmake(dir, control);
}
END_TEST

static void fold_and_die(unsigned slot, pid_t pid, void *ctx)
{
    raise(SIGKILL);
}

START_TEST(a_reaper_that_dies_is_replaced)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 4);
    struct folded folded = {.n = 0};
    struct mrc_control_child child;
    pid_t reaper;
    int status;

    mrc_control_claim(control, 101, 1);
    mrc_control_mark_dead(control, 101);
    reaper = fork();
    if (reaper == 0) {
        mrc_control_claim(control, getpid(), 1);
        mrc_control_reap(control, getpid(), 1, fold_and_die, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(reaper, &status, 0), reaper);
    ck_assert(WIFSIGNALED(status));
    ck_assert(mrc_control_get(control, 0, &child));
    ck_assert_int_eq(child.state, MRC_CONTROL_REAPING);
    ck_assert_int_eq(child.pid, 101);
    ck_assert_int_eq(child.reaper, reaper);
    ck_assert_uint_eq(mrc_control_mark_dead(control, 102), 0);
    /* A slot that one process folds is not folded by another. */
    ck_assert_uint_eq(mrc_control_reap(control, 102, 1, fold, &folded), 0);
    /* Both its own slot and the slot that it was reaping are dead. */
    ck_assert_uint_eq(mrc_control_mark_dead(control, reaper), 2);
    ck_assert_uint_eq(mrc_control_reap(control, 102, 1, fold, &folded), 2);
    ck_assert_uint_eq(folded.n, 2);
    ck_assert_int_eq(state_of(control, 0), MRC_CONTROL_FREE);
    ck_assert_int_eq(state_of(control, 1), MRC_CONTROL_FREE);
    unmake(dir, control);
}
END_TEST

/* Children claim slots; some release them, some are killed. Every death is folded once. */
START_TEST(children_come_and_go)
{
    enum { CHILDREN = 200, SLOTS = 8 };
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, SLOTS);
    struct folded folded = {.n = 0};
    unsigned deaths = 0;
    unsigned freed = 0;
    unsigned i;

    for (i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            int slot = mrc_control_claim(control, getpid(), i);

            if (slot < 0)
                _exit(1);
            if (i % 3)
                raise(SIGKILL);
            mrc_control_release(control, (unsigned)slot, getpid());
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        deaths += mrc_control_mark_dead(control, pid);
        if (i % 5 == 0)
            freed += mrc_control_reap(control, getpid(), CHILDREN, fold, &folded);
    }
    freed += mrc_control_reap(control, getpid(), CHILDREN, fold, &folded);
    ck_assert_uint_eq(deaths, CHILDREN - (CHILDREN + 2) / 3);
    ck_assert_uint_eq(freed, deaths);
    ck_assert_uint_eq(folded.n, deaths);
    for (i = 0; i < SLOTS; i++)
        ck_assert_int_eq(state_of(control, i), MRC_CONTROL_FREE);
    unmake(dir, control);
}
END_TEST

/* Many children claim at the same time. */
START_TEST(no_slot_has_two_owners)
{
    enum { CHILDREN = 20 };
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, CHILDREN);
    unsigned i;

    for (i = 0; i < CHILDREN; i++)
        if (fork() == 0)
            _exit(mrc_control_claim(control, getpid(), 1) < 0);
    for (i = 0; i < CHILDREN; i++) {
        int status;

        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    for (i = 0; i < CHILDREN; i++)
        ck_assert_int_eq(state_of(control, i), MRC_CONTROL_LIVE);
    ck_assert_int_eq(mrc_control_claim(control, 1, 1), -1);
    unmake(dir, control);
}
END_TEST

/* A process may die with a lock. */
static void check_lock(union mrc_lock *lock)
{
    bool owner_died;
    pid_t pid = fork();

    if (pid == 0)
        _exit(mrc_lock_acquire(lock, 0, &owner_died) != APR_SUCCESS);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(mrc_lock_acquire(lock, 0, &owner_died), APR_SUCCESS);
    ck_assert(owner_died);
    mrc_lock_release(lock);
}

START_TEST(locks_survive_their_owners)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 2);

    ck_assert_ptr_ne(mrc_control_making(control), mrc_control_naming(control));
    check_lock(mrc_control_making(control));
    check_lock(mrc_control_naming(control));
    unmake(dir, control);
}
END_TEST

START_TEST(counts_for_the_whole_server)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 2);

    ck_assert_uint_eq(mrc_control_counter_add(control, 3, 5), 5);
    ck_assert_uint_eq(mrc_control_counter_add(control, 3, 2), 7);
    ck_assert_uint_eq(mrc_control_counter(control, 3), 7);
    ck_assert_uint_eq(mrc_control_counter(control, MRC_CONTROL_COUNTERS), 0);
    mrc_control_set_memory_limit(control, 4096);
    ck_assert_uint_eq(mrc_control_counter(control, MRC_CONTROL_MEMORY_LIMIT), 4096);
    ck_assert_uint_eq(atomic_load(mrc_control_budget(control)->limit), 4096);
    ck_assert_uint_eq(mrc_control_counter_add(control, MRC_CONTROL_COUNTERS, 1), 0);
    ck_assert_int_eq(state_of(control, 1), MRC_CONTROL_FREE);
    unmake(dir, control);
}
END_TEST

/* The file of this process at PATH has room for NSLOTS. */
static void check_header(const char *path, unsigned nslots)
{
    struct mrc_control_header header;
    int fd = open(path, O_RDONLY);

    ck_assert_int_eq(read(fd, &header, sizeof(header)), sizeof(header));
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)mrc_control_size(nslots));
    ck_assert_uint_eq(header.owner_pid, (uint64_t)getpid());
    ck_assert_int_gt(header.created_us, 0);
    ck_assert_int_le(header.created_us, apr_time_now());
    close(fd);
}

START_TEST(tools_check_the_header)
{
    const char *dir = store_dir();
    struct mrc_control *control = make(dir, 2);
    struct mrc_control *tool = NULL;
    struct mrc_error error = {""};
    apr_pool_t *pool = store_pool();
    char path[100];
    const uint32_t broken = 0xffffffff;
    uint32_t good;
    int at;
    int fd;

    snprintf(path, sizeof(path), "%s/c", dir);
    mrc_control_claim(control, 101, 5);
    ck_assert_int_eq(mrc_control_open(pool, path, &error, &tool), APR_SUCCESS);
    ck_assert_int_eq(state_of(tool, 0), MRC_CONTROL_LIVE);
    mrc_control_close(tool);
    check_header(path, 2);
    fd = open(path, O_RDWR);
    for (at = 0; at < 40; at += 4) { /* each word of the header up to counters_offset */
        ck_assert_int_eq(pread(fd, &good, 4, at), 4);
        ck_assert_int_eq(pwrite(fd, &broken, 4, at), 4);
        ck_assert_msg(mrc_control_open(pool, path, &error, &tool) == MRC_STATUS_CORRUPT,
                      "with a wrong word at %d", at);
        ck_assert_int_eq(pwrite(fd, &good, 4, at), 4);
    }
    ck_assert_int_eq(ftruncate(fd, (off_t)mrc_control_size(2) - 1), 0);
    ck_assert_int_eq(mrc_control_open(pool, path, &error, &tool), MRC_STATUS_CORRUPT);
    ck_assert_int_eq(ftruncate(fd, 10), 0);
    ck_assert_int_eq(mrc_control_open(pool, path, &error, &tool), MRC_STATUS_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "too short"));
    close(fd);
    unmake(dir, control);
}
END_TEST

START_TEST(refuses_impossible_numbers)
{
    const char *dir = store_dir();
    struct mrc_control *control = NULL, *tool;
    struct mrc_error error = {""};
    apr_pool_t *pool = store_pool();
    char path[100];

    ck_assert_int_eq(mrc_control_create(pool, dir, "c", 0, &error, &control), APR_EINVAL);
    ck_assert_int_eq(
        mrc_control_create(pool, dir, "c", MRC_CONTROL_SLOTS_MAX + 1, &error, &control),
        APR_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, "65537"));
    ck_assert_int_eq(mrc_control_create(pool, dir, "c", MRC_CONTROL_SLOTS_MAX, &error, &control),
                     APR_SUCCESS);
    snprintf(path, sizeof(path), "%s/c", dir);
    ck_assert_int_eq(mrc_control_open(pool, path, &error, &tool), APR_SUCCESS);
    mrc_control_close(tool);
    unmake(dir, control);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tcase = tcase_create("control");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, slots_are_claimed_and_released);
    tcase_add_test(tcase, children_that_lived_may_still_live);
    tcase_add_test(tcase, dead_children_are_folded_once);
    tcase_add_test(tcase, a_dead_child_is_left_to_its_own_generation);
    tcase_add_test(tcase, a_reaper_that_dies_is_replaced);
    tcase_add_test(tcase, children_come_and_go);
    tcase_add_test(tcase, no_slot_has_two_owners);
    tcase_add_test(tcase, locks_survive_their_owners);
    tcase_add_test(tcase, counts_for_the_whole_server);
    tcase_add_test(tcase, tools_check_the_header);
    tcase_add_test(tcase, refuses_impossible_numbers);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
