#include "hub/stream/sessions.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "hub/stream/session.h"

static struct mrc_session *of_link(struct mrc_list_link *link)
{
    return (struct mrc_session *)((char *)link - offsetof(struct mrc_session, link));
}

static struct mrc_session *take(struct mrc_list *list)
{
    struct mrc_list_link *link = mrc_list_take(list);

    return link ? of_link(link) : NULL;
}

/* ---- for the owners of sessions ---------------------------------------------------------------*/

bool mrc_sessions_post_call(struct mrc_sessions *sessions, struct mrc_call *call)
{
    return mrc_mailbox_post(&sessions->calls, &call->link);
}

static void take_events(struct mrc_source *source, struct mrc_loop *loop, uint32_t events)
{
    struct mrc_session *session =
        (struct mrc_session *)((char *)source - offsetof(struct mrc_session, source));

    (void)loop;
    if (!session->has_ended)
        session->ops->on_events(session, events);
}

apr_status_t mrc_session_begin(struct mrc_sessions *sessions, struct mrc_session *session,
                               uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = &session->source};

    session->source.on_events = take_events;
    session->sessions = sessions;
    session->timer = (struct mrc_timer){.due_us = 0};
    session->has_work = session->has_ended = false;
    session->prev = NULL;
    session->next = sessions->all;
    if (sessions->all)
        sessions->all->prev = session;
    sessions->all = session;
    atomic_fetch_add(&sessions->count, 1);
    if (epoll_ctl(sessions->epoll_fd, EPOLL_CTL_ADD, session->fd, &event) < 0)
        return APR_FROM_OS_ERROR(errno);
    if (sessions->is_draining)
        session->ops->drain(session, sessions->is_graceful);
    return APR_SUCCESS;
}

void *mrc_sessions_share(struct mrc_sessions *sessions, size_t size)
{
    if (!sessions->shared)
        sessions->shared = malloc(size);
    return sessions->shared;
}

void mrc_sessions_visit(struct mrc_sessions *sessions,
                        void (*visit)(struct mrc_session *session, void *ctx), void *ctx)
{
    struct mrc_session *session, *next;

    for (session = sessions->all; session; session = next) {
        next = session->next;
        if (!session->has_ended)
            visit(session, ctx);
    }
}

void mrc_session_watch(struct mrc_session *session, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = &session->source};

    if (!session->has_ended)
        epoll_ctl(session->sessions->epoll_fd, EPOLL_CTL_MOD, session->fd, &event);
}

void mrc_session_set_time(struct mrc_session *session, int64_t due_us)
{
    struct mrc_wheel *wheel = &session->sessions->wheel;

    if (session->has_ended)
        return;
    if (due_us == INT64_MAX)
        mrc_wheel_clear(wheel, &session->timer);
    else
        mrc_wheel_set(wheel, &session->timer, due_us);
}

void mrc_session_bring_forward(struct mrc_session *session, int64_t due_us)
{
    if (!mrc_timer_is_set(&session->timer) || session->timer.due_us > due_us)
        mrc_session_set_time(session, due_us);
}

void mrc_session_note_work(struct mrc_session *session)
{
    if (session->has_work || session->has_ended)
        return;
    session->has_work = true;
    mrc_list_append(&session->sessions->working, &session->link);
}

void mrc_session_end(struct mrc_session *session)
{
    struct mrc_sessions *sessions = session->sessions;

    if (session->has_ended)
        return;
    session->has_ended = true;
    mrc_wheel_clear(&sessions->wheel, &session->timer);
    epoll_ctl(sessions->epoll_fd, EPOLL_CTL_DEL, session->fd, NULL);
    if (!session->has_work) /* otherwise the link is in use until it is taken from that list */
        mrc_list_append(&sessions->ended, &session->link);
}

/* ---- for the loop -----------------------------------------------------------------------------*/

void mrc_sessions_init(struct mrc_sessions *sessions, int epoll_fd, const struct mrc_wake *wake,
                       int64_t now_us)
{
    sessions->epoll_fd = epoll_fd;
    mrc_mailbox_init(&sessions->calls, wake);
    mrc_wheel_init(&sessions->wheel, now_us);
}

void mrc_sessions_run_calls(struct mrc_sessions *sessions, bool last)
{
    struct mrc_list calls =
        last ? mrc_mailbox_close(&sessions->calls) : mrc_mailbox_take(&sessions->calls);
    struct mrc_list_link *link;

    while ((link = mrc_list_take(&calls))) {
        struct mrc_call *call = (struct mrc_call *)link;

        call->run(call);
    }
}

void mrc_sessions_expire(struct mrc_sessions *sessions, int64_t now_us)
{
    struct mrc_timer *timer;

    while ((timer = mrc_wheel_expire(&sessions->wheel, now_us))) {
        struct mrc_session *session =
            (struct mrc_session *)((char *)timer - offsetof(struct mrc_session, timer));

        session->ops->on_time(session, now_us);
    }
}

bool mrc_sessions_have_work(const struct mrc_sessions *sessions)
{
    return sessions->working.first != NULL;
}

void mrc_sessions_work(struct mrc_sessions *sessions)
{
    struct mrc_list working = sessions->working;
    struct mrc_session *session;

    sessions->working.first = NULL;
    while ((session = take(&working))) {
        session->has_work = false;
        if (session->has_ended)
            mrc_list_append(&sessions->ended, &session->link);
        else
            session->ops->work(session);
    }
}

static void forget(struct mrc_sessions *sessions, struct mrc_session *session)
{
    if (session->prev)
        session->prev->next = session->next;
    else
        sessions->all = session->next;
    if (session->next)
        session->next->prev = session->prev;
    atomic_fetch_sub(&sessions->count, 1);
}

/* Frees those of LIST that can be freed; the others wait. */
static void close_list(struct mrc_sessions *sessions, struct mrc_list *list, int64_t now_us,
                       bool force)
{
    struct mrc_list ended = *list;
    struct mrc_session *session, copy;

    list->first = NULL;
    while ((session = take(&ended))) {
        copy = *session; /* close() frees it */
        if (session->ops->close(session, now_us, force))
            forget(sessions, &copy);
        else if (!force)
            mrc_list_append(&sessions->waiting, &session->link);
    }
}

void mrc_sessions_close(struct mrc_sessions *sessions, int64_t now_us, bool force)
{
    if (force || now_us - sessions->tried_us >= MRC_SESSIONS_TRY_US) {
        sessions->tried_us = now_us;
        close_list(sessions, &sessions->waiting, now_us, force);
    }
    close_list(sessions, &sessions->ended, now_us, force);
}

int mrc_sessions_wait_ms(struct mrc_sessions *sessions, int64_t now_us)
{
    int timer_ms = mrc_wheel_wait_ms(&sessions->wheel, now_us);
    int64_t left_us = sessions->tried_us + MRC_SESSIONS_TRY_US - now_us;
    int try_ms = left_us > 0 ? (int)((left_us + 999) / 1000) : 0;

    return sessions->waiting.first && (timer_ms < 0 || try_ms < timer_ms) ? try_ms : timer_ms;
}

static void drain_one(struct mrc_session *session, void *ctx)
{
    (void)ctx;
    session->ops->drain(session, session->sessions->is_graceful);
}

void mrc_sessions_drain(struct mrc_sessions *sessions, bool graceful)
{
    sessions->is_draining = true;
    sessions->is_graceful = graceful;
    mrc_sessions_visit(sessions, drain_one, NULL);
}

void mrc_sessions_stop(struct mrc_sessions *sessions)
{
    struct mrc_session *session, *next;

    for (session = sessions->all; session; session = next) {
        next = session->next;
        if (!session->has_ended)
            session->ops->stop(session);
    }
    mrc_sessions_work(sessions); /* moves those that have noted work to those that have ended */
    mrc_sessions_close(sessions, 0, true);
}

void mrc_sessions_free(struct mrc_sessions *sessions)
{
    free(sessions->shared);
    sessions->shared = NULL;
}
