/* clang-format off */
/*
 * Sessions of a dispatcher loop: connections that carry several streams and other messages
 * (HTTP/2). A session watches its own descriptor; the carriers of its streams have none. The layer
 * of httpd has the implementation (httpd/http2).
 *
 *     any thread                        the loop's thread
 *       |
 *       +- mrc_sessions_post_call() -->+ the call runs
 *                                      |   mrc_session_begin()
 *                                      | on_events(), on_time(): the session reads and notes work
 *                                      | streams write into the session, which notes its work
 *                                      | work(), once at the end of the turn: all that is due goes
 *                                      |   out in few writes
 *                                      |   mrc_session_end()
 *                                      | close(), again until it returns true: the session is freed
 *                                      v
 */
/* clang-format on */
#ifndef MRC_HUB_STREAM_SESSION_H
#define MRC_HUB_STREAM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "hub/base/list.h"
#include "hub/base/wheel.h"
#include "hub/stream/source.h"

struct mrc_session;
struct mrc_sessions;

/* The loop calls these, in its thread. None of them blocks. */
struct mrc_session_ops {
    /* EVENTS of epoll(7) for the descriptor. */
    void (*on_events)(struct mrc_session *session, uint32_t events);

    /* The time of mrc_session_set_time() has come; no time is set any more. */
    void (*on_time)(struct mrc_session *session, int64_t now_us);

    /* The end of a turn in which mrc_session_note_work() was called. */
    void (*work)(struct mrc_session *session);

    /* The child ends. GRACEFUL: streams and requests may still end in order. May be called twice,
     * first with GRACEFUL. */
    void (*drain)(struct mrc_session *session, bool graceful);

    /* The loop stops: ends the session now. */
    void (*stop)(struct mrc_session *session);

    /* After mrc_session_end(): frees the session. False: it cannot be freed yet; FORCE: the process
     * ends, and the loop will not ask again. */
    bool (*close)(struct mrc_session *session, int64_t now_us, bool force);
};

/* Every session begins with this. */
struct mrc_session {
    const struct mrc_session_ops *ops;
    int fd; /* of its connection */

    /* The rest belongs to sessions.c. */
    struct mrc_sessions *sessions;
    struct mrc_source source;
    struct mrc_timer timer;
    struct mrc_list_link link; /* among those that work, and later among those that have ended */
    struct mrc_session *prev, *next;
    bool has_work, has_ended;
};

/* A function that the loop calls for another thread. It is embedded in the object that it is about,
 * which must live until then. */
struct mrc_call {
    struct mrc_list_link link;
    void (*run)(struct mrc_call *call);
};

/* Makes the loop run CALL. Any thread. False: the loop has ended, and will not run it. */
bool mrc_sessions_post_call(struct mrc_sessions *sessions, struct mrc_call *call);

/* The functions below are for the thread of the loop. */

/* Calls VISIT for each session that has not ended, the newest first. */
void mrc_sessions_visit(struct mrc_sessions *sessions,
                        void (*visit)(struct mrc_session *session, void *ctx), void *ctx);

/* SIZE bytes, always the same number, that all sessions of the loop share: another session may have
 * written to them since the last turn. They live as long as the loop. NULL: out of memory. */
void *mrc_sessions_share(struct mrc_sessions *sessions, size_t size);

/* Begins SESSION, whose ops and fd are set, and watches its descriptor for EVENTS of epoll(7). If
 * that fails, the caller ends it. */
apr_status_t mrc_session_begin(struct mrc_sessions *sessions, struct mrc_session *session,
                               uint32_t events);

/* Watches the descriptor for other EVENTS. */
void mrc_session_watch(struct mrc_session *session, uint32_t events);

/* Sets the time of the next on_time(), of store/base/clock.h; INT64_MAX: never. */
void mrc_session_set_time(struct mrc_session *session, int64_t due_us);

/* Sets it to DUE_US, unless it is set to an earlier time. */
void mrc_session_bring_forward(struct mrc_session *session, int64_t due_us);

/*
 * Makes the loop call work() at the end of this turn, or of the next one if the session works now.
 */
void mrc_session_note_work(struct mrc_session *session);

/* Ends SESSION: of its ops, only close() is called from now on, first at the end of this turn. */
void mrc_session_end(struct mrc_session *session);

#endif
