/*
 * One child process: its slot, its hubs, its dispatcher.
 */
#ifndef MRC_HUB_PROCESS_H
#define MRC_HUB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "hub/hub.h"

struct mrc_dispatcher;
struct mrc_memory;
struct mrc_process;
struct mrc_waiters;

/* A hub that the child is to serve. */
struct mrc_process_hub {
    const char *key; /* of its shared memory */
    struct mrc_hub_policy policy;
};

/*
 * Joins the server, when a child starts: takes a slot of MEMORY, folds what dead children left,
 * opens the N HUBS, starts THREADS dispatcher threads. The struct lives in POOL. APR_ENOSPC: no
 * slot is free; the child serves no hub.
 */
apr_status_t mrc_process_start(apr_pool_t *pool, struct mrc_memory *memory,
                               const struct mrc_process_hub *hubs, size_t n, unsigned threads,
                               pid_t pid, uint64_t generation, struct mrc_process **ret_process);

/* Why some hub could not be opened, in words; NULL: none. */
const char *mrc_process_problem(const struct mrc_process *process);

/* Leaves it: ends the dispatcher, gives the slot back. No stream is left by then. */
void mrc_process_stop(struct mrc_process *process);

/* The hub number I; NULL: it has no shared memory or no history, or there are fewer hubs. */
struct mrc_hub *mrc_process_hub(const struct mrc_process *process, size_t i);

/* How many slots for children the server has, and whether a child lives in SLOT. */
unsigned mrc_process_slots(const struct mrc_process *process);
bool mrc_process_is_live(const struct mrc_process *process, unsigned slot);

struct mrc_dispatcher *mrc_process_dispatcher(const struct mrc_process *process);
struct mrc_waiters *mrc_process_waiters(const struct mrc_process *process);

/*
 * Takes one of the threads that streams may hold, PER_CHILD in this child and TOTAL in all of them;
 * false: they are all taken. Any thread.
 */
bool mrc_process_hold_thread(struct mrc_process *process, unsigned per_child, unsigned total);
void mrc_process_release_thread(struct mrc_process *process);

/*
 * Takes one of the PER_CHILD places that this child has for connections that were given away;
 * false: they are all taken. Any thread. It is released when the connection is closed.
 */
bool mrc_process_hold_suspended(struct mrc_process *process, unsigned per_child);
void mrc_process_release_suspended(struct mrc_process *process);

/*
 * The child is to end: every stream ends, soon if GRACEFUL and else at once, and none begins. Only
 * stores flags and writes to descriptors, so any thread may call it, and a signal handler.
 */
void mrc_process_drain(struct mrc_process *process, bool graceful);
bool mrc_process_is_draining(const struct mrc_process *process);

#endif
