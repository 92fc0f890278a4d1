/* The link of a hub: the windows in which the order of the updates may differ between machines, and
 * the key for positions. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "apr_thread_proc.h"

#include "store/regions/link.h"
#include "store_unit.h"

static struct mrc_link *make(void)
{
    void *region = store_shared(mrc_link_bytes());
    struct mrc_link *link;

    ck_assert_int_eq(mrc_link_create(region), APR_SUCCESS);
    ck_assert_int_eq(mrc_link_attach(store_pool(), region, mrc_link_bytes(), &link), APR_SUCCESS);
    return link;
}

/* Where the window of SEQ begins; 0 if it is in none. */
static uint64_t window_of(const struct mrc_link *link, uint64_t seq)
{
    uint64_t first;

    return mrc_link_find_window(link, seq, &first) ? first : 0;
}

START_TEST(a_record_is_in_a_window_or_not)
{
    struct mrc_link *link = make();

    ck_assert_uint_eq(window_of(link, 0), 0);
    ck_assert_uint_eq(window_of(link, 1), 0);
    mrc_link_unsettle(link, 10, 20, 1);
    ck_assert_uint_eq(window_of(link, 9), 0);
    ck_assert_uint_eq(window_of(link, 10), 10);
    ck_assert_uint_eq(window_of(link, 20), 10);
    ck_assert_uint_eq(window_of(link, 21), 0);
    mrc_link_unsettle(link, 40, 40, 1);
    ck_assert_uint_eq(window_of(link, 40), 40);
    ck_assert_uint_eq(window_of(link, 20), 10);
    mrc_link_unsettle(link, 60, 59, 1); /* it has no record */
    ck_assert_uint_eq(window_of(link, 59), 0);
    ck_assert_uint_eq(window_of(link, 60), 0);
}
END_TEST

START_TEST(windows_that_meet_are_one)
{
    struct mrc_link *link = make();

    mrc_link_unsettle(link, 10, 20, 1);
    for (uint64_t last = 21; last < 1000; last++)
        mrc_link_unsettle(link, 10, last, 1);
    mrc_link_unsettle(link, 1000, 1001, 1); /* it follows */
    ck_assert_uint_eq(window_of(link, 1001), 10);
    mrc_link_unsettle(link, 5, 12, 1);
    ck_assert_uint_eq(window_of(link, 5), 5);
    ck_assert_uint_eq(window_of(link, 1001), 5);
    mrc_link_unsettle(link, 0, 7, 1); /* from the first record on */
    ck_assert_uint_eq(window_of(link, 1001), 1);
    ck_assert_uint_eq(window_of(link, 1002), 0);
}
END_TEST

START_TEST(an_open_window_ends_when_it_is_settled)
{
    struct mrc_link *link = make();

    ck_assert(!mrc_link_is_open(link));
    mrc_link_unsettle(link, 10, 20, 1);
    mrc_link_settle(link, 15);
    ck_assert_uint_eq(window_of(link, 20), 10); /* it was not open */
    mrc_link_unsettle(link, 30, MRC_LINK_OPEN, 1);
    ck_assert(mrc_link_is_open(link));
    ck_assert_uint_eq(window_of(link, 1000000), 30);
    mrc_link_unsettle(link, 25, 1000, 1);
    ck_assert_uint_eq(window_of(link, 1000000), 25);
    mrc_link_settle(link, 50);
    ck_assert(!mrc_link_is_open(link));
    ck_assert_uint_eq(window_of(link, 50), 25);
    ck_assert_uint_eq(window_of(link, 51), 0);
}
END_TEST

START_TEST(the_two_oldest_are_joined_when_the_places_are_taken)
{
    struct mrc_link *link = make();

    for (uint64_t first = 10; first <= 70; first += 20)
        mrc_link_unsettle(link, first, first + 5, 1);
    ck_assert_uint_eq(window_of(link, 20), 0);
    mrc_link_unsettle(link, 90, 95, 1);
    ck_assert_uint_eq(window_of(link, 10), 10);
    ck_assert_uint_eq(window_of(link, 20), 10); /* between the two */
    ck_assert_uint_eq(window_of(link, 35), 10);
    ck_assert_uint_eq(window_of(link, 36), 0);
    ck_assert_uint_eq(window_of(link, 50), 50);
    ck_assert_uint_eq(window_of(link, 70), 70);
    ck_assert_uint_eq(window_of(link, 95), 90);
    /* A window that the ring no longer reaches gives up its place. */
    mrc_link_unsettle(link, 110, 115, 36);
    ck_assert_uint_eq(window_of(link, 10), 0);
    ck_assert_uint_eq(window_of(link, 60), 0);
    ck_assert_uint_eq(window_of(link, 50), 50);
    ck_assert_uint_eq(window_of(link, 115), 110);
}
END_TEST

START_TEST(a_reload_carries_windows_and_fork)
{
    const struct mrc_link_position position = {
        .generation = 7,
        .number = 100,
        .token_writer = 1,
        .token_counter = 2,
        .token_time_us = 3,
        .since_seq = 4,
    };
    struct mrc_link *from = make(), *to = make();
    struct mrc_link_position got;
    uint64_t seq, number;

    mrc_link_set_position(from, &position);
    mrc_link_unsettle(from, 10, 20, 1);
    mrc_link_unsettle(from, 30, MRC_LINK_OPEN, 1);
    mrc_link_bury(from, 10, 15);
    mrc_link_set_debts(from, MRC_LINK_OWES_ORDER);
    mrc_link_carry(from, to);
    ck_assert_uint_eq(mrc_link_get_debts(to), MRC_LINK_OWES_ORDER);
    ck_assert(mrc_link_is_dead(to, 10) && mrc_link_is_dead(to, 15) && !mrc_link_is_dead(to, 16));
    ck_assert(!mrc_link_is_dead(to, 9) && !mrc_link_is_dead(to, 30));
    ck_assert_uint_eq(window_of(to, 20), 10);
    ck_assert_uint_eq(window_of(to, 25), 0);
    ck_assert_uint_eq(window_of(to, 1000), 30);
    ck_assert(mrc_link_is_open(to));
    ck_assert(!mrc_link_get_fork(to, &seq, &number));
    mrc_link_get_position(to, &got);
    ck_assert_int_eq(got.token_time_us, 3);
    ck_assert_uint_eq(got.since_seq, 4); /* earlier records belong to a log that is gone */
    mrc_link_note_fork(from, 29, 90);
    mrc_link_note_fork(from, 35, 80); /* the earlier one of each */
    mrc_link_carry(from, to);
    ck_assert(mrc_link_get_fork(to, &seq, &number));
    ck_assert_uint_eq(seq, 29);
    ck_assert_uint_eq(number, 80);
    ck_assert(mrc_link_get_fork(from, &seq, &number));
    ck_assert_uint_eq(seq, 29);
    ck_assert_uint_eq(number, 80);
    mrc_link_clear_fork(from);
    mrc_link_note_fork(from, 50, 95);
    ck_assert(mrc_link_get_fork(from, &seq, &number));
    ck_assert_uint_eq(number, 95);
}
END_TEST

/* ---- others read meanwhile --------------------------------------------------------------------*/

static _Atomic int is_over;
static _Atomic uint64_t newest_window;

static void *APR_THREAD_FUNC join_many(apr_thread_t *thread, void *data)
{
    struct mrc_link *link = data;

    for (uint64_t first = 100; first < 10000000; first += 20) {
        mrc_link_unsettle(link, first, first + 5, 1);
        atomic_store(&newest_window, first);
    }
    atomic_store(&is_over, 1);
    return NULL;
}

START_TEST(no_window_is_overlooked_while_two_are_joined)
{
    struct mrc_link *link = make();
    apr_thread_t *thread;
    apr_status_t status;
    uint64_t first;

    mrc_link_unsettle(link, 10, 20, 1);
    mrc_link_unsettle(link, 40, 50, 1);
    ck_assert_int_eq(apr_thread_create(&thread, NULL, join_many, link, store_pool()), APR_SUCCESS);
    while (!atomic_load(&is_over)) {
        ck_assert_uint_ne(window_of(link, 15), 0);
        ck_assert_uint_ne(window_of(link, 45), 0);
        ck_assert_uint_eq(window_of(link, 9), 0);
        first = atomic_load(&newest_window);
        for (uint64_t back = 0; back <= 100 && first >= 100 + back; back += 20)
            ck_assert_uint_ne(window_of(link, first - back), 0);
    }
    apr_thread_join(&status, thread);
}
END_TEST

/* ---- the key for positions --------------------------------------------------------------------*/

static void check_key(const struct mrc_link *link, const char *want)
{
    char key[MRC_LINK_KEY_BYTES];
    size_t len = mrc_link_get_key(link, key);

    ck_assert_bytes_eq(((struct mrc_bytes){key, len}), want);
}

START_TEST(the_key_is_that_of_the_log)
{
    struct mrc_link *link = make();

    check_key(link, "");
    mrc_link_set_key(link, "a key");
    check_key(link, "a key");
    mrc_link_set_key(link, ""); /* an engine that has none */
    check_key(link, "a key");
    mrc_link_set_key(link, "the key of another log");
    check_key(link, "the key of another log");
}
END_TEST

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void *APR_THREAD_FUNC change_keys(apr_thread_t *thread, void *data)
{
    struct mrc_link *link = data;

    for (unsigned i = 0; i < 1000000; i++)
        mrc_link_set_key(link, i % 2 ? KEY_A : KEY_B);
    atomic_store(&is_over, 1);
    return NULL;
}

START_TEST(nobody_sees_half_a_key)
{
    struct mrc_link *link = make();
    char key[MRC_LINK_KEY_BYTES];
    apr_thread_t *thread;
    apr_status_t status;

    ck_assert_int_eq(apr_thread_create(&thread, NULL, change_keys, link, store_pool()),
                     APR_SUCCESS);
    while (!atomic_load(&is_over)) {
        size_t len = mrc_link_get_key(link, key);

        ck_assert(len == 0 || len == sizeof(key));
        ck_assert(len == 0 || !memcmp(key, KEY_A, len) || !memcmp(key, KEY_B, len));
    }
    apr_thread_join(&status, thread);
    check_key(link, KEY_A);
}
END_TEST

/* ---- a leader dies ----------------------------------------------------------------------------*/

typedef void work_fn(struct mrc_link *link);

static void work(struct mrc_link *link)
{
    mrc_link_unsettle(link, 90, 95, 1); /* takes the place of a window that is joined */
    mrc_link_unsettle(link, 85, MRC_LINK_OPEN, 1);
    mrc_link_settle(link, 99);
}

/* Runs DO_WORK in a process that dies after STEPS instructions. 1: it was killed; 0: it had ended
 * before; -1: the system forbids ptrace. */
static int die_after(work_fn *do_work, struct mrc_link *link, unsigned steps)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        do_work(link);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return -1;
    while (steps--) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            return -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status))
            return 0;
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 1;
}

static void judge(struct mrc_link *link, unsigned steps)
{
    for (uint64_t first = 10; first <= 70; first += 20) {
        for (uint64_t seq = first; seq <= first + 5; seq++) {
            uint64_t found = window_of(link, seq);

            ck_assert_msg(found && found <= first, "after %u steps: a window is gone", steps);
        }
    }
    /* The next leader does the same again. */
    work(link);
    ck_assert_uint_eq(window_of(link, 9), 0);
    ck_assert_uint_eq(window_of(link, 10), 10);
    ck_assert_uint_eq(window_of(link, 35), 10);
    ck_assert_uint_eq(window_of(link, 45), 0);
    ck_assert_uint_eq(window_of(link, 50), 50);
    ck_assert_uint_eq(window_of(link, 60), 0);
    ck_assert_uint_eq(window_of(link, 70), 70);
    ck_assert_uint_eq(window_of(link, 80), 0);
    ck_assert_uint_eq(window_of(link, 99), 85);
    ck_assert_uint_eq(window_of(link, 100), 0);
}

START_TEST(a_leader_dies_at_every_instruction)
{
    unsigned step = unit_crash_stride(13), steps = (unsigned)getpid() % step;
    int killed = 1;

    for (; killed == 1; steps += step) {
        struct mrc_link *link = make();

        for (uint64_t first = 10; first <= 70; first += 20)
            mrc_link_unsettle(link, first, first + 5, 1);
        killed = die_after(work, link, steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        judge(link, steps);
    }
    fprintf(stderr, "# %u instructions, every %uth\n", steps, step);
    ck_assert_uint_gt(steps, 100);
}
END_TEST

static const struct mrc_link_position before = {
    .generation = 7,
    .number = 100,
    .token_writer = 1,
    .token_counter = 100,
    .token_time_us = 100,
    .since_seq = 10,
    .old_generation = 5,
    .old_number = 50,
};

/* As after a loss, the place becomes another one in the same log. */
static void go_back(struct mrc_link *link)
{
    struct mrc_link_position position = before;

    position.number = position.token_counter = 90;
    position.token_time_us = 90;
    position.old_generation = 0;
    mrc_link_set_position(link, &position);
}

static void begin_anew(struct mrc_link *link)
{
    struct mrc_link_position position = before;

    position.generation = 8;
    position.number = position.token_counter = 0;
    position.token_writer = 0;
    position.token_time_us = 0;
    position.since_seq = 200;
    position.old_generation = before.generation;
    position.old_number = before.number;
    mrc_link_set_position(link, &position);
}

/* A word that is being changed may have either value, but the place is in the log. */
static void judge_going_back(const struct mrc_link_position *got, unsigned steps)
{
    ck_assert_msg(got->generation == before.generation, "after %u steps: no generation", steps);
    ck_assert_msg(got->number == 90 || got->number == 100, "after %u steps: another number", steps);
    ck_assert_msg(got->since_seq == before.since_seq, "after %u steps: another ring", steps);
    ck_assert_msg(got->number == 100 || (got->token_counter == 90 && got->token_time_us == 90),
                  "after %u steps: the number comes before its token", steps);
}

/* A known generation is that of everything else. */
static void judge_beginning(const struct mrc_link_position *got, unsigned steps)
{
    if (got->generation == before.generation)
        ck_assert_msg(got->number == before.number && got->since_seq == before.since_seq,
                      "after %u steps: a place in another log", steps);
    else if (got->generation)
        ck_assert_msg(got->generation == 8 && got->number == 0 && got->since_seq == 200 &&
                          got->old_generation == 7 && got->old_number == 100,
                      "after %u steps: a place in another log", steps);
    else
        ck_assert_msg(got->old_generation == 7 && got->old_number == 100,
                      "after %u steps: what was read before is forgotten", steps);
}

START_TEST(a_leader_dies_while_it_moves)
{
    static const struct {
        work_fn *work;
        void (*judge)(const struct mrc_link_position *got, unsigned steps);
    } moves[] = {{go_back, judge_going_back}, {begin_anew, judge_beginning}};
    unsigned step = unit_crash_stride(1);
    int killed = 1;

    for (unsigned steps = 0; killed == 1; steps += step) {
        struct mrc_link *link = make();
        struct mrc_link_position got;

        mrc_link_set_position(link, &before);
        killed = die_after(moves[_i].work, link, steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        mrc_link_get_position(link, &got);
        moves[_i].judge(&got, steps);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *tcase = tcase_create("link");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, a_record_is_in_a_window_or_not);
    tcase_add_test(tcase, windows_that_meet_are_one);
    tcase_add_test(tcase, an_open_window_ends_when_it_is_settled);
    tcase_add_test(tcase, the_two_oldest_are_joined_when_the_places_are_taken);
    tcase_add_test(tcase, a_reload_carries_windows_and_fork);
    tcase_add_test(tcase, no_window_is_overlooked_while_two_are_joined);
    tcase_add_test(tcase, the_key_is_that_of_the_log);
    tcase_add_test(tcase, nobody_sees_half_a_key);
    tcase_add_test(tcase, a_leader_dies_at_every_instruction);
    tcase_add_loop_test(tcase, a_leader_dies_while_it_moves, 0, 2);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
