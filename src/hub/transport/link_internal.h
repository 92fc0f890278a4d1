/*
 * The thread behind link.h, for the files that share it: link.c, connection.c and traffic.c.
 *
 * One thread, that of the link; mrc_link_thread_watch() also before it starts.
 */
#ifndef MRC_HUB_TRANSPORT_LINK_INTERNAL_H
#define MRC_HUB_TRANSPORT_LINK_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_thread_proc.h"

#include "hub/base/wake.h"
#include "hub/transport/report.h"
#include "store/engine/redis.h"

struct mrc_lookups;
struct mrc_member;
struct mrc_notify;
struct mrc_query_line;
struct mrc_respond;

#define MRC_LINK_EXPECTED_MAX     256  /* replies on W */
#define MRC_LINK_READ_ENTRIES_MAX 1024 /* of one log in one answer on R */

/* What the next reply on W answers. */
enum mrc_link_expected_kind {
    MRC_LINK_EXPECT_PUBLISH,
    MRC_LINK_EXPECT_WAIT,
    MRC_LINK_EXPECT_HEAD,
    MRC_LINK_EXPECT_BEAT,
    MRC_LINK_EXPECT_REAP
};

struct mrc_link_expected {
    enum mrc_link_expected_kind kind;
    struct mrc_member *member;
    int64_t until_us;
};

struct mrc_link_thread {
    apr_thread_t *thread;
    const struct mrc_notify *notify;
    mrc_link_report_fn *report;
    void *report_ctx;
    struct mrc_member *members;
    size_t count;
    const struct mrc_engine_spec *spec;
    struct mrc_query_line *line;
    struct mrc_respond *respond; /* NULL: no operator controls any of the hubs */
    struct mrc_wake wake;
    int epoll_fd;
    atomic_bool draining, stopping;

    /* The thread's own. */
    struct mrc_lookups *lookups;
    struct mrc_redis *redis; /* NULL: not connected */
    bool has_reported_up, has_reported_policy;
    enum mrc_engine_reason reported; /* the last reason; MRC_ENGINE_REASONS: none */
    int64_t connect_at_us, pause_us, lead_at_us;
    unsigned lead_tries;
    int64_t reset_us; /* when the log last had another generation; 0: never */
    struct mrc_link_expected expected[MRC_LINK_EXPECTED_MAX]; /* a ring */
    unsigned first, expected_count;
    bool is_reading;
    int64_t read_until_us;            /* when more of its answer must have come */
    unsigned read_entries;            /* it gets at most so many entries of each log */
    size_t entry_bytes;               /* the mean size of an entry */
    uint32_t events[MRC_REDIS_SIDES]; /* for which they are registered */
    int64_t sentinel_at_us;           /* when it is asked next, or must have answered */
    bool is_asking_sentinel;
    unsigned random;
};

/* ---- connection.c -----------------------------------------------------------------------------*/

/* Connects. If that fails, the thread tries again later. */
void mrc_link_thread_connect(struct mrc_link_thread *link);

/* Closes the connection, if there is one: its hubs have to join again. */
void mrc_link_thread_disconnect(struct mrc_link_thread *link);

/* The connection has failed, or could not be made: closes it, and decides when to connect again. */
void mrc_link_thread_fail(struct mrc_link_thread *link, const struct mrc_engine_error *error);

/* The hubs have joined: reports that the link is up, unless that was reported last. */
void mrc_link_thread_report_up(struct mrc_link_thread *link);

/* The thread waits for EVENTS of FD, too; epoll calls it WHICH. False: errno says why. */
bool mrc_link_thread_watch(struct mrc_link_thread *link, int fd, uint32_t events, uint32_t which);

/* Whether there is a Sentinel that is asked for the primary, and asking it when it is time. */
bool mrc_link_thread_has_sentinel(const struct mrc_link_thread *link);
void mrc_link_thread_ask_sentinel(struct mrc_link_thread *link, int64_t now_us);

/* Reads what the Sentinel has answered. False: the primary is another server now. */
bool mrc_link_thread_receive_s(struct mrc_link_thread *link, struct mrc_engine_error *error);

/* ---- traffic.c --------------------------------------------------------------------------------*/

/* Does what can be done with the connection. False: it has failed. */
bool mrc_link_thread_work(struct mrc_link_thread *link, int64_t now_us,
                          struct mrc_engine_error *error);

/* Reads what has come on W, and on R. False: the connection has failed. */
bool mrc_link_thread_receive_w(struct mrc_link_thread *link, int64_t now_us,
                               struct mrc_engine_error *error);
bool mrc_link_thread_receive_r(struct mrc_link_thread *link, int64_t now_us,
                               struct mrc_engine_error *error);

/* Forgets the replies for MEMBER; they still come. */
void mrc_link_thread_forget_expected(struct mrc_link_thread *link, const struct mrc_member *member);

#endif
