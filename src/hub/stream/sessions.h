/*
 * The sessions of one loop, for the loop itself (session.h is for their owners). Only the thread of
 * the loop calls these functions.
 */
#ifndef MRC_HUB_STREAM_SESSIONS_H
#define MRC_HUB_STREAM_SESSIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hub/base/list.h"
#include "hub/base/mailbox.h"
#include "hub/base/wheel.h"

struct mrc_session;
struct mrc_wake;

/* The time between two tries to free the sessions that have ended. There may be many of them, and
 * many turns in this time. */
#define MRC_SESSIONS_TRY_US ((int64_t)100 * 1000)

struct mrc_sessions {
    int epoll_fd;
    struct mrc_mailbox calls; /* from other threads */
    struct mrc_wheel wheel;
    struct mrc_session *all;
    struct mrc_list working;
    struct mrc_list ended;   /* in this turn */
    struct mrc_list waiting; /* that have ended, and could not be freed yet */
    int64_t tried_us;        /* when those were last tried */
    atomic_uint count; /* of sessions that have begun and are not freed; any thread may read it */
    bool is_draining, is_graceful;
    void *shared; /* by the sessions (session.h); NULL: not needed yet */
};

/* SESSIONS is zeroed. WAKE wakes the loop, and EPOLL_FD is what it waits for. */
void mrc_sessions_init(struct mrc_sessions *sessions, int epoll_fd, const struct mrc_wake *wake,
                       int64_t now_us);

/* Runs the calls that other threads have posted. LAST: none can be posted from now on. */
void mrc_sessions_run_calls(struct mrc_sessions *sessions, bool last);

/* Calls on_time() of the sessions whose time has come. */
void mrc_sessions_expire(struct mrc_sessions *sessions, int64_t now_us);

/* Calls work() of all sessions that have noted work. */
void mrc_sessions_work(struct mrc_sessions *sessions);

/* Whether a session has noted work. */
bool mrc_sessions_have_work(const struct mrc_sessions *sessions);

/* Frees those that have ended, or tries to: those that cannot be freed yet only after
 * MRC_SESSIONS_TRY_US. FORCE: the process ends, and there will be no other try. */
void mrc_sessions_close(struct mrc_sessions *sessions, int64_t now_us, bool force);

/* The milliseconds until the sessions need the loop again; -1: no time is set. */
int mrc_sessions_wait_ms(struct mrc_sessions *sessions, int64_t now_us);

/* Drains all sessions, and those that begin later. */
void mrc_sessions_drain(struct mrc_sessions *sessions, bool graceful);

/* Ends all sessions, and frees those that can be freed: the loop stops. */
void mrc_sessions_stop(struct mrc_sessions *sessions);

/* Frees what the sessions share. The sessions themselves may be freed later. */
void mrc_sessions_free(struct mrc_sessions *sessions);

#endif
