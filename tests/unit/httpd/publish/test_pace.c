#include "httpd/publish/pace.h"

#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define NOW_US ((int64_t)1000000)

/*
 * A publication that the client sends GAP_US after the last answer, and that is answered at once.
 */
static bool publish(struct mrc_pace *pace, int64_t gap_us)
{
    int64_t arrived_us = (pace->answered_us ? pace->answered_us : NOW_US) + gap_us;
    bool waits = mrc_pace_is_quick(pace, arrived_us);

    mrc_pace_note_answer(pace, arrived_us + 20);
    return waits;
}

START_TEST(a_client_is_quick_after_a_short_gap)
{
    struct mrc_pace pace = {0};

    ck_assert(!publish(&pace, 0));
    ck_assert(publish(&pace, 0));
    ck_assert(publish(&pace, MRC_PACE_WAIT_MAX_US));
    ck_assert(!publish(&pace, MRC_PACE_WAIT_MAX_US + 1));
    ck_assert(publish(&pace, 1));
}
END_TEST

START_TEST(the_wait_ends_when_something_comes)
{
    int sockets[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    ck_assert_int_eq(write(sockets[1], "P", 1), 1);
    ck_assert(mrc_pace_wait(sockets[0]));
    close(sockets[0]);
    close(sockets[1]);
}
END_TEST

START_TEST(the_wait_ends_if_nothing_comes)
{
    int sockets[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    ck_assert(!mrc_pace_wait(sockets[0]));
    close(sockets[0]);
    close(sockets[1]);
}
END_TEST

START_TEST(half_of_the_threads_stay_idle)
{
    static const struct {
        int idle, threads;
        bool may;
    } rows[] = {
        {0, 0, false}, {0, 1, false}, {1, 2, true},   {0, 2, false},  {1, 3, false},
        {2, 3, true},  {8, 16, true}, {7, 16, false}, {13, 25, true}, {12, 25, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(mrc_pace_may_wait(rows[i].idle, rows[i].threads) == rows[i].may,
                      "%d of %d threads are idle", rows[i].idle, rows[i].threads);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pace");
    TCase *tcase = tcase_create("pace");

    tcase_add_test(tcase, a_client_is_quick_after_a_short_gap);
    tcase_add_test(tcase, the_wait_ends_when_something_comes);
    tcase_add_test(tcase, the_wait_ends_if_nothing_comes);
    tcase_add_test(tcase, half_of_the_threads_stay_idle);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
