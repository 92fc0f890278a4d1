/*
 * The link of a hub to its engine, as all processes of a machine see it (link_layout.h).
 *
 * The leader is the one thread of the machine that speaks to the engine for this hub. It takes what
 * publishers stage (staging.h), sends it, and appends to the ring what comes back. Its functions
 * are marked; any thread may call the others.
 */
#ifndef MRC_STORE_REGIONS_LINK_H
#define MRC_STORE_REGIONS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

/* One process's view. */
struct mrc_link;

enum mrc_link_state {
    MRC_LINK_STARTING, /* it has not tried yet: publishers may wait */
    MRC_LINK_DOWN,     /* the engine cannot be reached */
    MRC_LINK_UP
};

/* The bytes of the region. */
uint64_t mrc_link_bytes(void);

/* Makes it in the zeroed REGION (64-byte aligned). Only the parent. Fails without random bytes. */
apr_status_t mrc_link_create(void *region);

/* A view of the created REGION; it lives in POOL. MRC_STATUS_CORRUPT: it is not a link. */
apr_status_t mrc_link_attach(apr_pool_t *pool, void *region, uint64_t bytes,
                             struct mrc_link **ret_link);

/*
 * Copies the state of FROM to TO. TO keeps its own writer: what the old segment has sent comes back
 * through the engine. Only the parent, after the ring has moved.
 */
void mrc_link_carry(const struct mrc_link *from, struct mrc_link *to);

/* The writer of this segment; never 0. */
uint64_t mrc_link_writer(const struct mrc_link *link);

/* ---- the leader -------------------------------------------------------------------------------*/

/* Makes the calling thread the leader, if there is none. It resigns before it ends. */
bool mrc_link_lead(struct mrc_link *link);
void mrc_link_resign(struct mrc_link *link);

/* Where the ring stands in the log of the engine. */
struct mrc_link_position {
    uint32_t generation; /* 0: nowhere */
    uint64_t number;
    uint64_t token_writer, token_counter;
    int64_t token_time_us;
    uint64_t since_seq;
    uint32_t old_generation;
    uint64_t old_number;
};

/* Exact for the leader; for others, the members may be from different moments. */
void mrc_link_get_position(const struct mrc_link *link, struct mrc_link_position *ret_position);

/* Leader. If it dies in between, the place is one of the same log, or nowhere (generation 0). */
void mrc_link_set_position(struct mrc_link *link, const struct mrc_link_position *position);

/* Leader: only the entry changes, not the generation. */
void mrc_link_advance(struct mrc_link *link, uint64_t number, uint64_t token_writer,
                      uint64_t token_counter, int64_t token_time_us);

/* Leader: the last counter given to an update of this writer. */
uint64_t mrc_link_counter(const struct mrc_link *link);
void mrc_link_set_counter(struct mrc_link *link, uint64_t counter);

/* Leader: sets STATE; if it differs, it holds since NOW_US (time of day). */
void mrc_link_set_state(struct mrc_link *link, enum mrc_link_state state, int64_t now_us);
/* Leader: the link was down, and is up again with the log that it had. */
void mrc_link_note_back(struct mrc_link *link, int64_t now_us);

/* Leader: the number of the newest entry that the engine is known to have, and the number of
 * machines that take part. */
void mrc_link_set_newest(struct mrc_link *link, uint64_t number);
void mrc_link_set_machines(struct mrc_link *link, uint64_t count);
/* Leader: KEY is the key for positions of the log, instead of that of a log before it. */
void mrc_link_set_key(struct mrc_link *link, const char *key);

/* Leader: the subscribers of the other machines. */
void mrc_link_set_others(struct mrc_link *link, uint64_t subscribers);

/* Leader: whether the engine lists this machine, as far as the machine knows. */
bool mrc_link_has_beaten(const struct mrc_link *link);
void mrc_link_set_beaten(struct mrc_link *link, bool has_beaten);

/*
 * Leader: other machines have declared this one dead, and have announced the ends of its
 * subscriptions; the roster says so already.
 */
void mrc_link_note_reaped(struct mrc_link *link);

/*
 * Leader: what joining still has to do. If the engine has another log than the machine had, the
 * leader notes that before it moves the place in the log, because the move hides the difference.
 */
enum mrc_link_debt {
    MRC_LINK_OWES_ENTRIES = 1, /* the engine may list other subscriptions of this machine */
    MRC_LINK_OWES_ORDER = 2    /* the children may not know of a revocation that it has */
};

/* Leader: a bit set of enum mrc_link_debt. */
unsigned mrc_link_get_debts(const struct mrc_link *link);
void mrc_link_set_debts(struct mrc_link *link, unsigned debts);

/* Leader: the ring has had everything that the engine has, at least once. */
void mrc_link_set_joined(struct mrc_link *link);

/*
 * Leader: the engine has lost entries that are in the ring after the record SEQ, which is entry
 * NUMBER of its log, and they may not be back yet. If an earlier place is noted already, it stays.
 */
void mrc_link_note_fork(struct mrc_link *link, uint64_t seq, uint64_t number);

/* Leader. False: there is none. */
bool mrc_link_get_fork(const struct mrc_link *link, uint64_t *ret_seq, uint64_t *ret_number);
void mrc_link_clear_fork(struct mrc_link *link);

/*
 * Leader: the ring has the records FIRST to LAST in an order that other machines may not have. LAST
 * may be the next one to be appended, or MRC_LINK_OPEN: all that will be appended, until
 * mrc_link_settle(). The ring has no record before OLDEST any more. There are few places: if all
 * are taken, the two oldest windows become one that covers both and what is between.
 */
#define MRC_LINK_OPEN UINT64_MAX
void mrc_link_unsettle(struct mrc_link *link, uint64_t first, uint64_t last, uint64_t oldest);

/* Leader: open windows end with the record LAST. */
void mrc_link_settle(struct mrc_link *link, uint64_t last);

/* Leader: whether a window is open. */
bool mrc_link_is_open(const struct mrc_link *link);

/* Leader: the records from FIRST on, where a window begins, up to LAST have numbers of a log that
 * is gone. */
void mrc_link_bury(struct mrc_link *link, uint64_t first, uint64_t last);

/* Whether the record SEQ may have a number of a log that is gone. */
bool mrc_link_is_dead(const struct mrc_link *link, uint64_t seq);

/* The next part of the ring with such records; AT is 0 at first. False: there is none. */
bool mrc_link_next_dead(const struct mrc_link *link, unsigned *at, uint64_t *ret_first,
                        uint64_t *ret_last);

/*
 * Leader: the engine has lost what the ring has after the record SEQ. Call it before the next entry
 * is appended.
 */
void mrc_link_note_loss(struct mrc_link *link, uint64_t seq);

/* Leader: entries are missing from here on. Call it before the next entry is appended. */
void mrc_link_note_gap(struct mrc_link *link);

/*
 * Leader: notes whether it is about to sleep. After that, it looks for staged updates and requests
 * once more.
 */
void mrc_link_set_napping(struct mrc_link *link, bool is_napping);

/* ---- everybody --------------------------------------------------------------------------------*/

struct mrc_link_status {
    enum mrc_link_state state;
    int64_t since_us; /* the time of day */
    int64_t back_us;  /* the time of day of the last mrc_link_note_back(); 0: none */
    bool has_joined;  /* at least once */
    uint64_t lag;     /* entries that the engine is known to have and the ring does not */
    uint64_t machines;
};

void mrc_link_get_status(const struct mrc_link *link, struct mrc_link_status *ret_status);

/* A value that changes when the ring begins to lack entries: a stream that began before has missed
 * some, and must end. Load it after a record was read. */
uint64_t mrc_link_get_gap(const struct mrc_link *link);

/*
 * A value that changes with each loss that is noted; RET_SEQ gets the record of the last one. A
 * stream that resumed after that record, before the loss was found, may have come from a machine
 * that already knew of the loss and has another order, and must end. Load it after a record was
 * read.
 */
uint64_t mrc_link_get_losses(const struct mrc_link *link, uint64_t *ret_seq);

/*
 * Whether the record SEQ is in a window (mrc_link_unsettle()); RET_FIRST gets where the window
 * begins. Other machines may have records after SEQ that this one has before it, but none before
 * RET_FIRST.
 */
bool mrc_link_find_window(const struct mrc_link *link, uint64_t seq, uint64_t *ret_first);

/* A value that changes when the subscriptions of this machine must be announced anew. */
uint64_t mrc_link_get_reaped(const struct mrc_link *link);

/* The subscribers of the other machines, as they reported last. */
uint64_t mrc_link_get_others(const struct mrc_link *link);

/* Whether the leader must be woken, because it sleeps. */
bool mrc_link_is_napping(const struct mrc_link *link);

/* Copies the key for positions, without a terminator, to KEY, which has MRC_LINK_KEY_BYTES bytes.
 * Returns its length; 0: not known yet. */
#define MRC_LINK_KEY_BYTES 64
size_t mrc_link_get_key(const struct mrc_link *link, char *key);

/*
 * Asks the leader to bring the ring to what the engine has now; the caller then wakes the leader.
 * Returns a ticket to wait with.
 */
uint32_t mrc_link_ask(struct mrc_link *link);

/* Waits until the ring has everything that the engine had when TICKET was made. APR_TIMEUP. */
apr_status_t mrc_link_wait(struct mrc_link *link, uint32_t ticket, int64_t wait_us);

/* Leader: the number of the last request, and of the last one that is answered. */
uint32_t mrc_link_asked(const struct mrc_link *link);
uint32_t mrc_link_answered(const struct mrc_link *link);
void mrc_link_answer(struct mrc_link *link, uint32_t ticket);

/* ---- numbers ----------------------------------------------------------------------------------*/

#define MRC_LINK_REASONS 12 /* places for reasons of a lost connection */
#define MRC_LINK_BOUNDS  15 /* of the histogram */

enum mrc_link_counter {
    MRC_LINK_BATCHES,
    MRC_LINK_LOST,     /* entries that the engine had lost, and this machine has */
    MRC_LINK_RESTORED, /* entries that were put back */
    MRC_LINK_SKIPPED,  /* entries that are not updates of this program, or too large */
    MRC_LINK_MISSED,   /* entries that subscribers were told to have missed */
    MRC_LINK_REFUSED,  /* publications: one for each enum mrc_link_refusal */
    MRC_LINK_RECONNECTS = MRC_LINK_REFUSED + 6, /* one for each enum mrc_engine_reason */
    MRC_LINK_COMMIT = MRC_LINK_RECONNECTS + MRC_LINK_REASONS, /* times: buckets */
    MRC_LINK_COMMIT_US = MRC_LINK_COMMIT + MRC_LINK_BOUNDS + 1,
    MRC_LINK_COUNTER_COUNT
};

/* Why a publication was refused. */
enum mrc_link_refusal {
    MRC_LINK_REFUSED_DOWN,
    MRC_LINK_REFUSED_TIMEOUT,
    MRC_LINK_REFUSED_FULL,
    MRC_LINK_REFUSED_READONLY,
    MRC_LINK_REFUSED_REPLICAS,
    MRC_LINK_REFUSALS
};

/* Leader: why publications are refused while the link is down. */
void mrc_link_set_refusal(struct mrc_link *link, enum mrc_link_refusal refusal);

/* Counts a publication that is refused because the link is down. */
void mrc_link_count_refused(struct mrc_link *link);

/* A constant. */
const char *mrc_link_refusal_text(enum mrc_link_refusal refusal);

/* COUNTER is an enum mrc_link_counter, or that plus a reason. */
void mrc_link_count(struct mrc_link *link, unsigned counter, uint64_t n);
uint64_t mrc_link_get_count(const struct mrc_link *link, unsigned counter);

#endif
