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

#define MRC_PACE_WAIT_MAX_US 300

/* Zeros: no publication yet. */
struct mrc_pace {
    int64_t answered_us; /* when the last publication was answered; 0: none */
    bool has_come;       /* the last wait ended because the next request came */
    bool is_pipelined;   /* the client sends requests before it has the answers to others */
};

/*
 * Notes a publication that arrived at ARRIVED_US. WAS_READ: httpd had read the beginning of it
 * before the thread was done with the request before it. Returns whether to wait after its answer.
 *
 * A client that pipelines is never waited for: its next request may be in httpd's memory already,
 * where a look at the socket does not find it.
 */
bool mrc_pace_note_publication(struct mrc_pace *pace, int64_t arrived_us, bool was_read);

/* Notes that the publication was answered at NOW_US. */
void mrc_pace_note_answer(struct mrc_pace *pace, int64_t now_us);

/* Waits until the socket FD has something to read, at most MRC_PACE_WAIT_MAX_US. */
void mrc_pace_wait(struct mrc_pace *pace, int fd);

/*
 * Whether a thread of a child with THREADS threads, of which IDLE have nothing to do, may wait.
 * Half of them must be idle, so other requests find a thread, and the number of connections that
 * the MPM accepts, which depends on the idle threads, does not fall below the one that
 * httpd/config/sizing.h assumes.
 */
bool mrc_pace_may_wait(int idle, int threads);

#endif
