/*
 * One child process: its slot, its hubs, its dispatcher.
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

struct mrc_dispatcher;
struct mrc_memory;
struct mrc_child;
struct mrc_waiters;

/* A hub that the child is to serve. */
struct mrc_child_hub {
    const char *key; /* of its shared memory */
    struct mrc_hub_policy policy;
};

/*
 * Joins the server, when a child starts: takes a slot of MEMORY, folds what dead children left,
 * opens the N HUBS, starts THREADS dispatcher threads. The struct lives in POOL. APR_ENOSPC: no
 * slot is free; the child serves no hub.
 */
apr_status_t mrc_child_start(apr_pool_t *pool, struct mrc_memory *memory,
                             const struct mrc_child_hub *hubs, size_t n, unsigned threads,
                             pid_t pid, uint64_t generation, struct mrc_child **ret_process);

/* Why some hub could not be opened, in words; NULL: none. */
const char *mrc_child_problem(const struct mrc_child *process);

/* Leaves it: ends the dispatcher, gives the slot back. No stream is left by then. */
void mrc_child_stop(struct mrc_child *process);

/* The hub number I; NULL: it has no shared memory or no history, or there are fewer hubs. */
struct mrc_hub *mrc_child_hub(const struct mrc_child *process, size_t i);

/* How many slots for children the server has, and whether a child lives in SLOT. */
unsigned mrc_child_slots(const struct mrc_child *process);
bool mrc_child_is_live(const struct mrc_child *process, unsigned slot);

struct mrc_dispatcher *mrc_child_dispatcher(const struct mrc_child *process);
struct mrc_waiters *mrc_child_waiters(const struct mrc_child *process);

/*
 * Takes one of the threads that streams may hold, PER_CHILD in this child and TOTAL in all of them;
 * false: they are all taken. Any thread.
 */
bool mrc_child_hold_thread(struct mrc_child *process, unsigned per_child, unsigned total);
void mrc_child_release_thread(struct mrc_child *process);

/*
 * Takes one of the PER_CHILD places that this child has for connections that were given away;
 * false: they are all taken. Any thread. It is released when the connection is closed.
 */
bool mrc_child_hold_suspended(struct mrc_child *process, unsigned per_child);
void mrc_child_release_suspended(struct mrc_child *process);

/*
 * The child is to end: every stream ends, soon if GRACEFUL and else at once, and none begins. Only
 * stores flags and writes to descriptors, so any thread may call it, and a signal handler.
 */
void mrc_child_drain(struct mrc_child *process, bool graceful);
bool mrc_child_is_draining(const struct mrc_child *process);

#endif
