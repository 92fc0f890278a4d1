/* The sessions of a loop: their end. */
#include "hub/stream/sessions.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "hub/base/wake.h"
#include "hub/stream/session.h"
#include "unit.h"

#define NOW_US ((int64_t)10 * 1000 * 1000)
#define TURNS  1000

static struct mrc_sessions sessions;
static struct mrc_wake wake, client;
static unsigned tries;
static bool may_close;

static bool try_to_close(struct mrc_session *session, int64_t now_us, bool force)
{
    (void)session, (void)now_us, (void)force;
    tries++;
    return may_close;
}

static void open_sessions(void)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

    ck_assert(epoll_fd >= 0 && mrc_wake_open(&wake, NULL) == APR_SUCCESS &&
              mrc_wake_open(&client, NULL) == APR_SUCCESS);
    mrc_sessions_init(&sessions, epoll_fd, &wake, NOW_US);
}

static void close_sessions(void)
{
    close(sessions.epoll_fd);
    mrc_wake_close(&wake);
    mrc_wake_close(&client);
}

/*
 * Each attempt looks at the memory of a connection, and a flood of short connections causes many
 * turns.
 */
START_TEST(a_session_that_cannot_be_freed_is_not_tried_in_each_turn)
{
    static const struct mrc_session_ops ops = {.close = try_to_close};
    struct mrc_session session = {.ops = &ops, .fd = client.fd};
    int64_t now_us = NOW_US;

    ck_assert_int_eq(mrc_session_begin(&sessions, &session, EPOLLIN), APR_SUCCESS);
    mrc_session_end(&session);
    for (int turn = 0; turn < TURNS; turn++)
        mrc_sessions_close(&sessions, now_us, false);
    ck_assert_uint_eq(tries, 1);
    ck_assert_int_eq(mrc_sessions_wait_ms(&sessions, now_us), MRC_SESSIONS_TRY_US / 1000);
    now_us += MRC_SESSIONS_TRY_US;
    ck_assert_int_eq(mrc_sessions_wait_ms(&sessions, now_us), 0);
    mrc_sessions_close(&sessions, now_us, false);
    ck_assert_uint_eq(tries, 2);
    may_close = true;
    mrc_sessions_close(&sessions, now_us, false);
    ck_assert_uint_eq(sessions.count, 1);
    mrc_sessions_close(&sessions, now_us + MRC_SESSIONS_TRY_US, false);
    ck_assert_uint_eq(tries, 3);
    ck_assert_uint_eq(sessions.count, 0);
    ck_assert_int_eq(mrc_sessions_wait_ms(&sessions, now_us), -1);
}
END_TEST

START_TEST(a_session_that_can_be_freed_is_freed_in_the_turn_of_its_end)
{
    static const struct mrc_session_ops ops = {.close = try_to_close};
    struct mrc_session session = {.ops = &ops, .fd = client.fd};

    ck_assert_int_eq(mrc_session_begin(&sessions, &session, EPOLLIN), APR_SUCCESS);
    mrc_sessions_close(&sessions, NOW_US, false);
    ck_assert_uint_eq(tries, 0);
    may_close = true;
    mrc_session_end(&session);
    mrc_sessions_close(&sessions, NOW_US, false);
    ck_assert_uint_eq(sessions.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sessions");
    TCase *tcase = tcase_create("sessions");

    tcase_add_checked_fixture(tcase, open_sessions, close_sessions);
    tcase_add_test(tcase, a_session_that_cannot_be_freed_is_not_tried_in_each_turn);
    tcase_add_test(tcase, a_session_that_can_be_freed_is_freed_in_the_turn_of_its_end);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
