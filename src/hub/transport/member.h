/*
 * A hub that is a member of a link: how it joins its log in the engine, and how entries get from
 * there into the ring.
 *
 *     OUT --lead--> LED --join--> IN
 *      ^             ^             |
 *      |             +-----lost----+
 *      +---resign----+
 *
 * One thread, that of the link.
 */
#ifndef MRC_HUB_TRANSPORT_MEMBER_H
#define MRC_HUB_TRANSPORT_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_pools.h"

#include "hub/lineage/unsettled.h"
#include "hub/transport/machines.h"
#include "hub/transport/outbox.h"
#include "hub/transport/query.h"
#include "hub/transport/report.h"
#include "store/engine/asks.h"
#include "store/engine/redis.h"
#include "store/regions/interests.h"
#include "store/regions/link.h"

struct mrc_history;
struct mrc_hub;
struct mrc_ring;
struct mrc_seen;
struct mrc_transport_spec;

/* After a reset, other machines may take this many beats to say how far they had read. */
#define MRC_MEMBER_OLD_BEATS 2

enum mrc_member_state { MRC_MEMBER_OUT, MRC_MEMBER_LED, MRC_MEMBER_IN };

struct mrc_member {
    struct mrc_hub *hub;
    const struct mrc_transport_spec *spec;
    const char *machine; /* its name, and the writer */
    struct mrc_redis_keys keys;
    struct mrc_link *link;
    struct mrc_ring *ring;
    struct mrc_history *history;
    mrc_link_report_fn *report;
    void *report_ctx;

    enum mrc_member_state state;
    bool has_left;             /* the child ends, and has left the hub to others once */
    int64_t join_at_us;        /* not before */
    struct mrc_outbox *outbox; /* this and the rest: undefined while OUT */
    struct mrc_seen *seen;
    struct mrc_link_position position;
    uint64_t first_newest;               /* the newest entry when it joined */
    char server[MRC_REDIS_SERVER_BYTES]; /* that it joined last; empty: not known */
    struct mrc_unsettled unsettled;
    struct mrc_tags tags; /* of what was appended and not announced yet */
    bool has_tags;
    bool has_reported_skip, has_reported_refusal, has_reported_bounds, has_reported_stuck, is_full;
    size_t lacks_bytes; /* of the smallest revocation that the list has no room for; 0: none */
    bool is_stuck;   /* the ring has not taken the next entry; publishers are refused meanwhile */
    bool is_blocked; /* the last attempt to join, or to read revocations, has failed here: the ring
                      * or the list has not taken one */
    int64_t send_at_us; /* not before: the engine has refused an update */

    uint32_t asked;        /* the request that is being answered; 0: none */
    bool is_asking;        /* its question is on its way */
    uint64_t asked_number; /* answered when the ring has this entry */

    bool reads_asks; /* whether questions of other machines are read, after this id */
    char asks_after[MRC_ASKS_ID_BYTES];

    uint64_t revocations; /* the number in the last beat (redis.h) */
    bool must_read;       /* the engine may have revocations that were not read yet */
    bool must_enter;      /* it may lack some, because it was full */
    bool must_list;       /* it is to list the subscriptions now, and was full before */

    int64_t beat_at_us;
    uint64_t beats;
    uint64_t due_number; /* the reader must have this entry... */
    int64_t due_us;      /* ...by then, unless others arrive; 0: nothing is due */
    struct mrc_machines machines;
    struct mrc_query_dead dead; /* that the link tries to remove */
    bool has_dead;
    char reported_dead[MRC_QUERY_TEXT_BYTES];
    int64_t restore_at_us; /* when to put back what other machines have not; 0: nothing */
    unsigned old_beats;    /* until a reset is compared with what other machines had read */
};

/* Initializes MEMBER; POOL and the arguments outlive it. */
void mrc_member_init(apr_pool_t *pool, struct mrc_member *member, struct mrc_hub *hub,
                     mrc_link_report_fn *report, void *report_ctx);

/* Becomes the leader of the hub, if there is none. */
bool mrc_member_lead(struct mrc_member *member);
void mrc_member_resign(struct mrc_member *member);

/* Joins the log; the hub is then IN. False: it has not joined. ERROR says why; the connection is
 * still good if the reason is MRC_ENGINE_IDENTITY or MRC_ENGINE_FULL, or if the member is blocked.
 */
bool mrc_member_join(struct mrc_member *member, struct mrc_redis *redis, int64_t now_us,
                     struct mrc_engine_error *error);

/* Whether a hub that has joined must read the revocations again, and reading them. False: ERROR
 * says why; the connection is still good if the member is blocked. */
bool mrc_member_must_read(const struct mrc_member *member);
bool mrc_member_read_revocations(struct mrc_member *member, struct mrc_redis *redis,
                                 struct mrc_engine_error *error);

/*
 * Whether a hub that has joined owes the engine the list of its subscriptions, because the engine
 * was full. Then no batch is sent, which could change the list that the engine has. Whether it is
 * time to enter the list again, and doing that: afterwards the hub owes it still if the engine is
 * full, and ERROR says so. False: the connection has failed.
 */
bool mrc_member_owes_list(const struct mrc_member *member);
bool mrc_member_must_list(const struct mrc_member *member);
bool mrc_member_list(struct mrc_member *member, struct mrc_redis *redis,
                     struct mrc_engine_error *error);

/* The connection is lost. */
void mrc_member_lose(struct mrc_member *member);

/* Takes the next entry of the log. False: ERROR says why; the connection is still good if the
 * member is stuck. */
bool mrc_member_take(struct mrc_member *member, const struct mrc_entry *entry, int64_t now_us,
                     struct mrc_engine_error *error);

/* After the entries of one reply: wakes the children, answers requests. */
void mrc_member_announce(struct mrc_member *member, int64_t now_us);

/* Entries are missing: ends the streams that would skip them, and empties the history. */
void mrc_member_tell_gap(struct mrc_member *member, uint64_t missed);

/* Fills in the bounds of the history. */
void mrc_member_fill_bounds(const struct mrc_member *member, struct mrc_redis_publish *publish);

/* Calls its report function. */
void mrc_member_report(const struct mrc_member *member, enum mrc_link_event event, const char *text,
                       uint64_t a, uint64_t b);

/* ---- for member.c, verdict.c and entries.c ----------------------------------------------------*/

/* The engine has answered with JOIN: moves to the place in its log after which the machine reads,
 * and puts back what the engine has lost. False: ERROR says why. */
bool mrc_member_follow_verdict(struct mrc_member *member, struct mrc_redis *redis,
                               const struct mrc_redis_join *join, struct mrc_engine_error *error);

/* The next announcement wakes every child. */
void mrc_member_wake_all(struct mrc_member *member);

/* The list of revocations has no room for one of BYTES. */
void mrc_member_note_lack(struct mrc_member *member, size_t bytes);

/* The machine has room for the next entry, as far as is known. */
void mrc_member_get_going(struct mrc_member *member);

/* False, and ERROR says that there is no memory. */
bool mrc_member_out_of_memory(struct mrc_engine_error *error);

#endif
