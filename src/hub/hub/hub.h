/*
 * One hub in one child process: takes the updates of publishers, and provides them to subscribers.
 *
 *     publisher -> mrc_hub_publish() -> history and ring -> subscribers of all children
 *
 * Other headers have its parts: its numbers (numbers.h), the seats of its subscribers (seats.h)
 * and their patterns (patterns.h), and the rate of its publishers (rate.h).
 */
#ifndef MRC_HUB_HUB_HUB_H
#define MRC_HUB_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/err.h"
#include "hub/hub/spec.h"

struct mrc_activity;
struct mrc_history_item;
struct mrc_hub;
struct mrc_hub_segment;
struct mrc_link;
struct mrc_matcher;
struct mrc_notify;
struct mrc_numbers;
struct mrc_patterns;
struct mrc_presence_queue;
struct mrc_query;
struct mrc_rate;
struct mrc_revocations;
struct mrc_revoked;
struct mrc_ring;
struct mrc_roster;
struct mrc_seats;
struct mrc_update;

/*
 * Opens the hub whose shared memory is SEGMENT, for the child that owns SLOT. INDEX is its place
 * among the hubs of the child. Waits at most WAIT_US for a child that commits to its history. The
 * struct lives in POOL; the other arguments must outlive it. Any thread may use it afterwards.
 * NULL: out of memory, or the history cannot be opened; ERROR says why.
 */
struct mrc_hub *mrc_hub_open(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_spec *spec, int64_t wait_us,
                             struct mrc_error *error);

/* A hub that can only be asked for its numbers, for a child that has not opened it. */
struct mrc_hub *mrc_hub_view(apr_pool_t *pool, struct mrc_hub_segment *segment,
                             const struct mrc_notify *notify, unsigned slot, size_t index,
                             const struct mrc_hub_spec *spec);

/* Closes the hub when the child ends normally, and none of its threads uses the hub any more.
 * Accepts NULL. */
void mrc_hub_close(struct mrc_hub *hub);

/*
 * A subscriber enters the hub, and a publication does while it is stored: the child must keep its
 * slot meanwhile. False: the hub has retired.
 */
bool mrc_hub_enter(struct mrc_hub *hub);
void mrc_hub_leave(struct mrc_hub *hub);

/* From now on, the hub stores nothing and has no subscribers, so the child may give up its slot.
 * False: somebody is in it, and nothing changes. */
bool mrc_hub_retire(struct mrc_hub *hub);

/* What mrc_hub_open() was given, and the limits in the spec. */
const struct mrc_hub_spec *mrc_hub_get_spec(const struct mrc_hub *hub);
const struct mrc_hub_limits *mrc_hub_get_limits(const struct mrc_hub *hub);
size_t mrc_hub_get_index(const struct mrc_hub *hub);
unsigned mrc_hub_get_slot(const struct mrc_hub *hub);

/* Its parts, which live as long as the hub. */
struct mrc_history *mrc_hub_history(const struct mrc_hub *hub);
struct mrc_numbers *mrc_hub_numbers(const struct mrc_hub *hub);
struct mrc_patterns *mrc_hub_patterns(const struct mrc_hub *hub);
struct mrc_rate *mrc_hub_rate(const struct mrc_hub *hub);
struct mrc_ring *mrc_hub_ring(const struct mrc_hub *hub);
struct mrc_seats *mrc_hub_seats(const struct mrc_hub *hub);

/* The revoked tokens (revocation.h), and their list in shared memory; NULL: no operator controls
 * the hub. */
struct mrc_revoked *mrc_hub_revoked(const struct mrc_hub *hub);
struct mrc_revocations *mrc_hub_revocations(const struct mrc_hub *hub);

/* What happens in it (activity.h), and the bytes of its shared memory. */
struct mrc_activity *mrc_hub_activity(const struct mrc_hub *hub);
uint64_t mrc_hub_memory_bytes(const struct mrc_hub *hub);

struct mrc_hub_segment *mrc_hub_segment(const struct mrc_hub *hub);

/* Its link to the engine; NULL: the hub is on one machine. */
struct mrc_link *mrc_hub_link(const struct mrc_hub *hub);

/* The active subscriptions; NULL: the hub does not list them. */
struct mrc_roster *mrc_hub_roster(const struct mrc_hub *hub);

/* ---- publishing -------------------------------------------------------------------------------*/

/*
 * Stores COUNT (at least one) UPDATES, which have ids: all or none, and side by side in the order
 * that all subscribers of the hub see. Wakes the children that may have subscribers for them. It
 * may wait for the disk, so a dispatcher thread must not call it.
 *
 * APR_SUCCESS: they are stored. MRC_STATUS_SUPERSEDED: the hub has moved to another segment, or
 * the child has ended; the client should try again. MRC_STATUS_TOO_LARGE (one of them, or all
 * together), APR_ENOMEM: none is stored. MRC_STATUS_UNREACHABLE: none is stored, because the engine
 * cannot be reached. MRC_STATUS_UNCONFIRMED: they may be stored or not. APR_TIMEUP: most likely
 * none is stored. Others, such as APR_ENOSPC: the disk refuses them.
 */
apr_status_t mrc_hub_publish(struct mrc_hub *hub, const struct mrc_update *updates, size_t count,
                             int64_t now_us);

/*
 * Stores COUNT (at least one) records that the hub itself made, in this order, at the cost of one
 * update. RET_DONE is always set: the first RET_DONE of them are stored.
 */
apr_status_t mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                   size_t count, int64_t now_us, size_t *ret_done);

/* Gives the order PAYLOAD (hub/control/order.h) to all children of all machines, as
 * mrc_history_append_control() does. */
apr_status_t mrc_hub_order(struct mrc_hub *hub, struct mrc_bytes payload, int64_t now_us);

/* The same. With a transport, the engine carries out OPERATION in the same step
 * (store/engine/entry.h). */
apr_status_t mrc_hub_order_with(struct mrc_hub *hub, struct mrc_bytes payload,
                                struct mrc_bytes operation, int64_t now_us);

/* Writes a new id, of MRC_UPDATE_ID_BYTES, to RET_ID. Errors are those of the kernel. */
apr_status_t mrc_hub_make_id(struct mrc_hub *hub, char *ret_id);

/* Fills the LEN bytes at OUT, at most MRC_ENTROPY_MAX_BYTES (entropy.h), with random bytes. */
apr_status_t mrc_hub_random(struct mrc_hub *hub, void *out, size_t len);

/* ---- for subscribers --------------------------------------------------------------------------*/

/*
 * Adds the COUNT MATCHERS of a new subscriber to the interests for which the child is woken. Call
 * it before the subscriber takes its position, so no update is lost in between
 * (store/regions/interests.h).
 */
void mrc_hub_listen(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count);

/* Removes the same MATCHERS, before the subscriber gives its seat back. */
void mrc_hub_unlisten(struct mrc_hub *hub, struct mrc_matcher *const *matchers, size_t count);

/* Counts that the stream of a subscriber begins. */
void mrc_hub_begin(struct mrc_hub *hub);

/* The queue for presences that end; NULL: no thread reads it, and they are announced where they
 * end. Set it before there is a subscriber. */
void mrc_hub_set_presence_queue(struct mrc_hub *hub, struct mrc_presence_queue *queue);
struct mrc_presence_queue *mrc_hub_get_presence_queue(const struct mrc_hub *hub);

/* The connection for questions to the engine (transport/query.h); NULL: the hub has no transport,
 * or this process has no link. */
void mrc_hub_set_query(struct mrc_hub *hub, struct mrc_query *query);
struct mrc_query *mrc_hub_get_query(const struct mrc_hub *hub);

/* Whether updates travel to and from the other machines of the hub; true for a local hub. */
bool mrc_hub_transport_is_up(const struct mrc_hub *hub);

/* Whether the hub may have subscribers: not before a machine has read the history of the hub from
 * the engine once. Otherwise they would get old updates as new ones. */
bool mrc_hub_has_history(const struct mrc_hub *hub);

/* A value that changes when the ring begins to lack updates of other machines: a stream that began
 * before has missed some, and must end. Load it after a record was read. */
uint64_t mrc_hub_get_gap(const struct mrc_hub *hub);

/*
 * A value that changes when it turns out that the engine has lost what the ring has after the
 * record RET_SEQ: a stream that has resumed after that record must end. Load it after a record was
 * read.
 */
uint64_t mrc_hub_get_losses(const struct mrc_hub *hub, uint64_t *ret_seq);

/* Whether a load balancer may send clients here at NOW_US, the time of day. */
bool mrc_hub_is_ready(const struct mrc_hub *hub, int64_t now_us);

/* ---- reports to the administrator -------------------------------------------------------------*/

/* Whether to log at NOW_US (store/base/clock.h) that the roster is full: true once a minute in this
 * child. */
bool mrc_hub_should_report_full(struct mrc_hub *hub, int64_t now_us);

/* The same for an update for which there was no room in shared memory. */
bool mrc_hub_should_report_no_room(struct mrc_hub *hub, int64_t now_us);

/*
 * Live delivery and replay skip a record that this build cannot decode, because another version
 * wrote it or its memory is damaged. REPORT is called for the first one only, in the thread that
 * found it; SEQ is its number. Set it before other threads use the hub.
 */
void mrc_hub_on_unreadable(struct mrc_hub *hub, void (*report)(void *ctx, uint64_t seq), void *ctx);
void mrc_hub_report_unreadable(struct mrc_hub *hub, uint64_t seq);

#endif
