/*
 * The control segment: the children of the server, and numbers that belong to no hub.
 */
#ifndef MRC_STORE_SHM_CONTROL_H
#define MRC_STORE_SHM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"
#include "store/base/sparse.h"

struct mrc_control;

enum mrc_control_state {
    MRC_CONTROL_FREE = 0,
    MRC_CONTROL_LIVE,
    MRC_CONTROL_DEAD,
    MRC_CONTROL_REAPING
};

/* A slot at one moment, for status tools. */
struct mrc_control_child {
    enum mrc_control_state state;
    pid_t pid;           /* 0 while FREE */
    pid_t reaper;        /* 0 unless REAPING */
    uint64_t generation; /* 0: unknown */
};

/* The exact size of the segment. */
uint64_t mrc_control_size(unsigned nslots);

/*
 * Creates the segment as the file NAME in DIR; the struct and the mapping live in POOL. APR_EINVAL
 * if NSLOTS is 0 or above MRC_CONTROL_SLOTS_MAX. Only the parent, before any child.
 */
apr_status_t mrc_control_create(apr_pool_t *pool, const char *dir, const char *name,
                                unsigned nslots, struct mrc_error *error,
                                struct mrc_control **ret_control);

/* Opens a file of another server read-only, for tools; checks its header. Close it with
 * mrc_control_close(). */
apr_status_t mrc_control_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                              struct mrc_control **ret_control);

/* Unmaps and closes, in this process only; the file stays. Accepts NULL. */
void mrc_control_close(struct mrc_control *control);

/* The descriptor of the file, on which the server holds flock(). */
int mrc_control_fd(const struct mrc_control *control);

unsigned mrc_control_nslots(const struct mrc_control *control);

/* Claims a slot for a child that starts. Returns its number, or -1: no slot is free. */
int mrc_control_claim(struct mrc_control *control, pid_t pid, uint64_t generation);

/*
 * Whether the child that has SLOT is the first to have it, so that nothing of another child can be
 * left.
 */
bool mrc_control_is_fresh(const struct mrc_control *control, unsigned slot);

/*
 * Releases the slot of the child PID, which ends normally. The child has folded its own state
 * before: its interests, gauges and presence in every hub. Nothing happens if PID is not the child
 * that lives in SLOT.
 */
void mrc_control_release(struct mrc_control *control, unsigned slot, pid_t pid);

/*
 * Marks the slot of the child PID as DEAD, after the parent has seen it end; a slot that it was
 * reaping becomes DEAD again. Changes nothing if the child has released its slot before. Returns
 * the number of slots that now wait for a reaper. Takes no lock and calls nothing, so it is safe in
 * the child_status hook.
 */
unsigned mrc_control_mark_dead(struct mrc_control *control, pid_t pid);

/*
 * The same for all children whose processes no longer exist, when the parent may not have seen them
 * end. Only the parent.
 */
unsigned mrc_control_mark_ended(struct mrc_control *control);

/* Folds the state that the dead child PID left in SLOT. It runs twice for one child if the first
 * reaper dies in it, so it must be repeatable: it sets values instead of adding to them. */
typedef void mrc_control_fold_fn(unsigned slot, pid_t pid, void *ctx);

/*
 * Folds and frees the DEAD slots; MY_PID and MY_GENERATION are those of the caller, which does not
 * know the hubs of later generations and leaves their children to others. Any child, at any time;
 * simultaneous callers share the work. Returns the number of slots that this call has freed.
 */
unsigned mrc_control_reap(struct mrc_control *control, pid_t my_pid, uint64_t my_generation,
                          mrc_control_fold_fn *fold, void *ctx);

/*
 * Notes which children live now, in RET_CHILDREN, which has a word for each slot.
 * mrc_control_any_lives() says whether one of these children may still live. A process that stores
 * something in shared memory first, and then notes the children, knows that every other child finds
 * it.
 */
void mrc_control_note_children(const struct mrc_control *control, uint64_t *ret_children);
bool mrc_control_any_lives(const struct mrc_control *control, const uint64_t *children);

/* The state of SLOT now. False: there is no such slot. */
bool mrc_control_get(const struct mrc_control *control, unsigned slot,
                     struct mrc_control_child *ret_child);

/* Server-wide counters; INDEX < MRC_CONTROL_COUNTERS. Any process. Both return the sum so far. */
uint64_t mrc_control_counter_add(struct mrc_control *control, unsigned index, uint64_t n);
uint64_t mrc_control_counter(const struct mrc_control *control, unsigned index);

/* The locks of hubs on demand (memory/memory.h). */
union mrc_lock *mrc_control_making(const struct mrc_control *control);
union mrc_lock *mrc_control_naming(const struct mrc_control *control);

/* What the hubs have taken and may take together, for their segments. Lives as long as CONTROL. */
const struct mrc_sparse_budget *mrc_control_budget(const struct mrc_control *control);

/* Sets what the hubs may take together; 0: no limit. */
void mrc_control_set_memory_limit(struct mrc_control *control, uint64_t bytes);

#endif
