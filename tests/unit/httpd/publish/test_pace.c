#include "httpd/publish/pace.h"

#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define NOW_US ((int64_t)1000000)

/* A publication that the client sent GAP_US after the last answer, and that is answered at once. */
static bool publish(struct mrc_pace *pace, int64_t gap_us, bool was_read)
{
    int64_t arrived_us = (pace->answered_us ? pace->answered_us : NOW_US) + gap_us;
    bool waits = mrc_pace_note_publication(pace, arrived_us, was_read);

    mrc_pace_note_answer(pace, arrived_us + 20);
    return waits;
}

START_TEST(a_client_is_quick_after_a_short_gap)
{
    struct mrc_pace pace = {0};

    ck_assert(!publish(&pace, 0, false));
    ck_assert(publish(&pace, 0, false));
    ck_assert(publish(&pace, MRC_PACE_WAIT_MAX_US, false));
    ck_assert(!publish(&pace, MRC_PACE_WAIT_MAX_US + 1, false));
    ck_assert(publish(&pace, 1, false));
}
END_TEST

START_TEST(a_client_that_pipelines_is_never_waited_for)
{
    struct mrc_pace pace = {0};

    publish(&pace, 10, false);
    ck_assert(publish(&pace, 10, false));
    ck_assert(!publish(&pace, 0, true));
    ck_assert(!publish(&pace, 10, false));
}
END_TEST

START_TEST(a_first_request_that_httpd_has_read_does_not_count)
{
    struct mrc_pace pace = {0};

    ck_assert(!publish(&pace, 0, true));
    ck_assert(publish(&pace, 10, false));
}
END_TEST

START_TEST(a_request_for_which_the_thread_has_waited_is_not_pipelined)
{
    struct mrc_pace pace = {0};
    int sockets[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    publish(&pace, 10, false);
    ck_assert(publish(&pace, 10, false));
    ck_assert_int_eq(write(sockets[1], "P", 1), 1);
    mrc_pace_wait(&pace, sockets[0]);
    ck_assert(pace.has_come);
    ck_assert(publish(&pace, 10, true));
    /* This one had come with the other. */
    ck_assert(!publish(&pace, 10, true));
    close(sockets[0]);
    close(sockets[1]);
}
END_TEST

START_TEST(the_wait_ends_if_nothing_comes)
{
    struct mrc_pace pace = {.has_come = true};
    int sockets[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    mrc_pace_wait(&pace, sockets[0]);
    ck_assert(!pace.has_come);
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
    tcase_add_test(tcase, a_client_that_pipelines_is_never_waited_for);
    tcase_add_test(tcase, a_first_request_that_httpd_has_read_does_not_count);
    tcase_add_test(tcase, a_request_for_which_the_thread_has_waited_is_not_pipelined);
    tcase_add_test(tcase, the_wait_ends_if_nothing_comes);
    tcase_add_test(tcase, half_of_the_threads_stay_idle);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
