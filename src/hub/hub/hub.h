/*
 * One hub in one child process: the place where updates go in and come out.
 */
#ifndef MRC_HUB_HUB_HUB_H
#define MRC_HUB_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "hub/hub/numbers.h"
#include "store/history/history.h"

struct mrc_announcer;
struct mrc_hub;
struct mrc_hub_segment;
struct mrc_matcher;
struct mrc_notify;
struct mrc_patterns;
struct mrc_ring;
struct mrc_roster;
struct mrc_update;

/* What the configuration says of a hub. */
struct mrc_hub_policy {
    int64_t heartbeat_us;        /* a comment on a stream that is silent so long; 0: never */
    int64_t lifetime_us;         /* a stream ends at 80 to 100 % of it; 0: never */
    int64_t dispatch_timeout_us; /* a client that takes nothing for so long is cut */
    size_t backlog_bytes;        /* what may wait for one client beside the update in flight */
    uint64_t subscribers_max;    /* in all children together; 0: no limit */
    const char *const *paths;    /* of the hub's URLs, as URLs write them, without a slash at the */
    size_t paths_count;          /* end; at least one where there is a roster */
    uint64_t patterns_max;       /* that the children hold, counted in each; 0: no limit */
    uint64_t pattern_bytes_max;  /* what they occupy together; 0: no limit */
    uint64_t per_address_max;    /* of one client's address, in all children; 0: no limit */
    uint64_t per_token_max;      /* with one token; 0: no limit */
    const char *history_dir;     /* where its durable history is; NULL: it is in memory */
    enum mrc_history_sync history_sync;
};

/* Whom the places in a hub are counted for. */
struct mrc_hub_client {
    struct mrc_bytes address;
    struct mrc_bytes token; /* the token's text; { NULL, 0 }: none */
};

/* A place in a hub: for whom it is counted. */
struct mrc_hub_seat {
    uint64_t address; /* a key of the census; 0: not counted */
    uint64_t token;   /* the same */
};

/*
 * Opens the hub whose shared memory is SEGMENT for the child that owns SLOT. INDEX is its place
 * among the child's hubs. The struct lives in POOL; the other arguments must outlive it (POLICY is
 * copied, but not its paths). Any thread may use it afterwards. NULL: out of memory, or its history
 * cannot be opened; ERROR says why.
 */
struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_policy *policy, struct mrc_error *error);

/* The child ends in order, and no thread of it uses the hub any more. Accepts NULL. */
void mrc_hub_close(struct mrc_hub *hub);

const struct mrc_hub_policy *mrc_hub_get_policy(const struct mrc_hub *hub);
size_t mrc_hub_get_index(const struct mrc_hub *hub);
unsigned mrc_hub_get_slot(const struct mrc_hub *hub);

/*
 * Stores UPDATE, which has an id, in the order that all subscribers of the hub see, and wakes the
 * children that may have some for it. It may wait for the disk: any thread but a dispatcher's.
 * APR_SUCCESS: it is stored. MRC_STATUS_SUPERSEDED: this child is of the past, the client should
 * try again. MRC_STATUS_TOO_LARGE, APR_ENOMEM: it is not stored. APR_TIMEUP: most likely not.
 * Others, such as APR_ENOSPC: the disk refuses it.
 */
apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *update, int64_t now_us);

/*
 * The same for COUNT updates of the hub's own, one at least, in this order and at one cost.
 * RET_DONE: so many of them, from the first on, are stored; also when it fails.
 */
apr_status_t mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                   size_t count, int64_t now_us, size_t *ret_done);

/* Writes a new id, of MRC_UPDATE_ID_BYTES, to RET_ID. Any thread. An error of the kernel's. */
apr_status_t mrc_hub_make_id(struct mrc_hub *hub, char *ret_id);

/* Fills the LEN bytes at OUT, MRC_ENTROPY_MAX_BYTES at most (entropy.h). Any thread. */
apr_status_t mrc_hub_random(struct mrc_hub *hub, void *out, size_t len);

/* ---- for subscribers --------------------------------------------------------------------------*/

struct mrc_history *mrc_hub_history(const struct mrc_hub *hub);
struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub);

/* The active subscriptions; NULL: the hub keeps none. */
struct mrc_roster *mrc_hub_roster(const struct mrc_hub *hub);

/* Who tells of those that end: set once, before there are any. */
void mrc_hub_set_announcer(struct mrc_hub *hub, struct mrc_announcer *announcer);
struct mrc_announcer *mrc_hub_get_announcer(const struct mrc_hub *hub);

/* Whether to log now that the roster is full: true once a minute in this child. */
bool mrc_hub_full_is_news(struct mrc_hub *hub, int64_t now_us);

/* What its subscribers in this child listen with. */
struct mrc_patterns *mrc_hub_patterns(const struct mrc_hub *hub);

/* Whether updates get from and to the other machines of this hub; a local hub has none. */
bool mrc_hub_transport_is_up(const struct mrc_hub *hub);

/*
 * One more subscriber in this child: counted in all children together. MRC_STATUS_FULL,
 * …_ADDRESS_FULL, …_TOKEN_FULL: there are as many as the policy allows already, in the hub, from
 * this address, with this token.
 */
apr_status_t mrc_hub_join(struct mrc_hub *hub, const struct mrc_hub_client *client,
                          struct mrc_hub_seat *ret_seat);

/*
 * One that has joined listens with the COUNT MATCHERS from now on, and the child is woken for what
 * they match: to be called before it takes its position, so that nothing falls between
 * (store/regions/interests.h). And not any more, before it leaves; the same matchers. Any thread.
 */
void mrc_hub_listen(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count);
void mrc_hub_unlisten(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count);

/* The stream of one that has joined begins: it is counted from now on. */
void mrc_hub_begin(struct mrc_hub *hub);

/* One fewer, which had SEAT and ended for the reason END; MRC_END_REFUSED: it never began. */
void mrc_hub_leave(struct mrc_hub *hub, const struct mrc_hub_seat *seat, enum mrc_end end);

/*
 * A record that is no update of this build's (another version wrote it, or its memory is damaged)
 * is passed over by whoever meets it, live and in a replay. TELL is called for the first one only,
 * in the thread that met it; SEQ is its number. To be set before other threads use the hub.
 */
void mrc_hub_on_unreadable(struct mrc_hub *hub, void (*tell)(void *ctx, uint64_t seq), void *ctx);
void mrc_hub_tell_unreadable(struct mrc_hub *hub, uint64_t seq);

/* N more, or fewer, of what GAUGE tells, in this child; and the sum over all children. */
void mrc_hub_gauge_add(struct mrc_hub *hub, enum mrc_gauge gauge, int64_t n);
uint64_t mrc_hub_gauge(const struct mrc_hub *hub, enum mrc_gauge gauge);

/* One more, unless the sum over all children is MAX already; undone by adding -1. Any thread. */
bool mrc_hub_gauge_take(struct mrc_hub *hub, enum mrc_gauge gauge, uint64_t max);

/* N more of what COUNTER counts; and the sum over all children. */
void mrc_hub_count(struct mrc_hub *hub, enum mrc_counter counter, uint64_t n);
uint64_t mrc_hub_counter(const struct mrc_hub *hub, enum mrc_counter counter);

/* N updates were written to a subscriber US microseconds after the hub had accepted them. */
void mrc_hub_observe_dispatch(struct mrc_hub *hub, int64_t us, uint64_t n);

/* The same for all of TIMES at once; they are none afterwards. */
void mrc_hub_observe_dispatches(struct mrc_hub *hub, struct mrc_numbers_times *times);

/*
 * The dispatcher loop number LOOP (below MRC_HUB_LOOPS_MAX) of this child has taken all updates
 * before number NEXT from the ring; 0: it takes none, since nobody listens. And how many the
 * slowest loop of the child in SLOT has not taken; 0 as long as it has taken all for which the
 * child was woken, for what comes after that is not for it.
 */
#define MRC_HUB_LOOPS_MAX 64
void mrc_hub_set_taken(struct mrc_hub *hub, unsigned loop, uint64_t next);
uint64_t mrc_hub_lag(const struct mrc_hub *hub, unsigned slot);

/* As many subscribers as the policy allows are there already. In the range of store/base/status.h.
 */
#define MRC_STATUS_FULL         (APR_OS_START_USERERR + 7320)
#define MRC_STATUS_ADDRESS_FULL (APR_OS_START_USERERR + 7321)
#define MRC_STATUS_TOKEN_FULL   (APR_OS_START_USERERR + 7322)

#endif
