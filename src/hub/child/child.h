/*
 * One child process of the server, as the hub sees it: its slot, its hubs, its dispatcher and its
 * announcer.
 */
#ifndef MRC_HUB_CHILD_CHILD_H
#define MRC_HUB_CHILD_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "hub/hub/hub.h"

struct mrc_child;
struct mrc_dispatcher;
struct mrc_memory;
struct mrc_waiters;

/*
 * Joins the server when a child starts: takes a slot of MEMORY, folds what dead children left,
 * opens those of the N hubs of SPECS that have work to do without requests, and starts THREADS
 * dispatcher threads. The struct lives in POOL; SPECS must outlive it. APR_ENOSPC: no slot is free,
 * and the child serves no hub. APR_INCOMPLETE: it could not start, and a thread has not ended, so
 * POOL must stay.
 */
apr_status_t mrc_child_start(apr_pool_t *pool, struct mrc_memory *memory,
                             const struct mrc_hub_spec *const *specs, size_t n, unsigned threads,
                             pid_t pid, uint64_t generation, struct mrc_child **ret_child);

/* Why some hub could not be opened at the start, in words; NULL: there is no such hub. */
const char *mrc_child_problem(const struct mrc_child *child);

/* What the caller wants to know about hubs that are opened. Any thread may call the functions. */
struct mrc_child_watch {
    void (*on_open)(void *ctx, struct mrc_hub *hub, size_t i);
    /* Why hub I could not be opened; at most once a minute. */
    void (*on_problem)(void *ctx, size_t i, const char *why);
    void *ctx;
};

/* Sets WATCH, and calls on_open for hubs that are open. Before the first request. */
void mrc_child_watch(struct mrc_child *child, const struct mrc_child_watch *watch);

/* Requests go on after mrc_child_stop(), which then leaves the slot and the hubs to them. */
void mrc_child_expect_requests(struct mrc_child *child);

/*
 * Leaves the server: ends the dispatcher with its streams, then the announcer, and releases the
 * slot. While another thread publishes, subscribes or opens a hub, the child keeps its slot, which
 * is folded after the process has ended (mrc_control_mark_dead()). False: a thread of the child has
 * not ended within some seconds, and the process must end without waiting for it.
 */
bool mrc_child_stop(struct mrc_child *child);

/* Closes the hubs of a child that has stopped, when no other thread uses them: POOL may be
 * destroyed, and the process may start another child. */
void mrc_child_close(struct mrc_child *child);

/* Hub number I, which this call may open; NULL: it has no shared memory or no history, or there are
 * fewer hubs. A hub that could not be opened at the start is tried again at most once a second,
 * unless it has a transport. Any thread. */
struct mrc_hub *mrc_child_hub(struct mrc_child *child, size_t i);

/* The same, to read its numbers. Instead of a hub that its first request will open, a view is made
 * in POOL, which serves nothing, and the memory of the hub stays as it is. Any other hub may be
 * opened. */
struct mrc_hub *mrc_child_view_hub(struct mrc_child *child, apr_pool_t *pool, size_t i);

/* Finds the hub of the site NAME among the COUNT hubs from FIRST on, or claims one for it.
 * APR_ENOSPC: all have other sites; or another error, which is reported. Any thread. */
apr_status_t mrc_child_obtain_site(struct mrc_child *child, size_t first, size_t count,
                                   const char *name, size_t *ret_place);

/* The name of the site that has hub I; NULL: no site has it. Any thread. */
const char *mrc_child_site_name(struct mrc_child *child, size_t i);

/* The number of slots for children in the server, and whether a child lives in SLOT. */
unsigned mrc_child_slots(const struct mrc_child *child);
bool mrc_child_is_live(const struct mrc_child *child, unsigned slot);

/* Its parts, which live as long as the child. */
struct mrc_memory *mrc_child_memory(const struct mrc_child *child);
struct mrc_dispatcher *mrc_child_dispatcher(const struct mrc_child *child);
struct mrc_waiters *mrc_child_waiters(const struct mrc_child *child);

/*
 * Takes one of the request threads that streams may hold: PER_CHILD in this child, and TOTAL in all
 * children. False: none is left. Any thread.
 */
bool mrc_child_hold_thread(struct mrc_child *child, unsigned per_child, unsigned total);
void mrc_child_release_thread(struct mrc_child *child);

/*
 * Takes one of the PER_CHILD places for connections that httpd has suspended for a stream. False:
 * none is left. Any thread. Release the place when the connection is closed.
 */
bool mrc_child_hold_suspended(struct mrc_child *child, unsigned per_child);
void mrc_child_release_suspended(struct mrc_child *child);

/* Whether to report at NOW_US (store/base/clock.h) that a stream was refused for a temporary
 * reason: for the first one of this child, and then once a minute. Any thread. */
bool mrc_child_should_report_refusal(struct mrc_child *child, int64_t now_us);

/* The same for a site that has no hub, because other sites have all of them. */
bool mrc_child_should_report_full_sites(struct mrc_child *child, int64_t now_us);

/*
 * Call it when the child ends: all streams end, over some seconds if GRACEFUL, otherwise at once,
 * and no stream begins. It only stores flags and writes to descriptors, so any thread and a signal
 * handler may call it.
 */
void mrc_child_drain(struct mrc_child *child, bool graceful);
bool mrc_child_is_draining(const struct mrc_child *child);

#endif
