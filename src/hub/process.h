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

struct mrc_dispatcher;
struct mrc_hub;
struct mrc_memory;
struct mrc_process;

/*
 * Joins the server, when a child starts: takes a slot of MEMORY, folds what dead children left,
 * opens the hubs named by KEYS (a NULL hub is one that MEMORY does not have), starts the
 * dispatcher. The struct lives in POOL. APR_ENOSPC: no slot is free; the child serves no hub.
 */
apr_status_t mrc_process_start(apr_pool_t *pool, struct mrc_memory *memory, const char *const *keys,
                               size_t n, pid_t pid, uint64_t generation,
                               struct mrc_process **ret_process);

/* Leaves it: ends the dispatcher, gives the slot back. No stream is left by then. */
void mrc_process_stop(struct mrc_process *process);

/* The hub number I of the KEYS; NULL: there is none. */
struct mrc_hub *mrc_process_hub(const struct mrc_process *process, size_t i);

struct mrc_dispatcher *mrc_process_dispatcher(const struct mrc_process *process);

/*
 * The child is to end: every stream ends as soon as it sees it, and none begins. Only stores a flag
 * and writes to a descriptor, so any thread may call it, and a signal handler.
 */
void mrc_process_drain(struct mrc_process *process);
bool mrc_process_is_draining(const struct mrc_process *process);

#endif
