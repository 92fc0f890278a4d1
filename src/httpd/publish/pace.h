/*
 * The pace of a publisher: whether the thread that has answered a publication should wait for the
 * next request of the same connection.
 *
 *     publication ---> answer . . gap . . publication ---> answer . . gap . . publication
 *                             |<------->|                         |<--->|
 *                             short: the client is quick          so the thread waits here
 *
 * Only a client whose last gap was at most MRC_PACE_WAIT_MAX_US is waited for, and not for longer:
 * a client that has become slow costs its thread one such wait.
 *
 * A pace belongs to the thread that handles the connection.
 */
#ifndef MRC_HTTPD_PUBLISH_PACE_H
#define MRC_HTTPD_PUBLISH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define MRC_PACE_WAIT_MAX_US 1000

/* Zeros: no publication yet. */
struct mrc_pace {
    int64_t answered_us; /* when the last publication was answered; 0: none */
};

/* Whether to wait after the answer to a publication that arrived at ARRIVED_US. */
bool mrc_pace_is_quick(const struct mrc_pace *pace, int64_t arrived_us);

/* Notes that the publication was answered at NOW_US. */
void mrc_pace_note_answer(struct mrc_pace *pace, int64_t now_us);

/*
 * Waits until the socket FD has something to read, at most MRC_PACE_WAIT_MAX_US. False: it has not.
 */
bool mrc_pace_wait(int fd);

/*
 * Whether a thread of a child with THREADS threads, of which IDLE have nothing to do, may wait.
 * Half of them must be idle, so other requests find a thread, and the number of connections that
 * the MPM accepts, which depends on the idle threads, does not fall below the one that
 * httpd/config/sizing.h assumes.
 */
bool mrc_pace_may_wait(int idle, int threads);

#endif
