/*
 * The control segment: which children live, and what belongs to the server rather than to a hub.
 */
#ifndef MRC_STORE_SHM_CONTROL_H
#define MRC_STORE_SHM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/err.h"

struct mrc_control;

enum mrc_control_state {
    MRC_CONTROL_FREE = 0,
    MRC_CONTROL_LIVE,
    MRC_CONTROL_DEAD,
    MRC_CONTROL_REAPING
};

/* One slot at one moment, for status tools. */
struct mrc_control_child {
    enum mrc_control_state state;
    pid_t pid;           /* 0 while FREE */
    pid_t reaper;        /* 0 unless REAPING */
    uint64_t generation; /* 0: not told */
};

/* The exact size of the segment. */
uint64_t mrc_control_size(unsigned nslots);

/*
 * Makes the segment as the file NAME in DIR; the struct lives in POOL. APR_EINVAL if NSLOTS is 0
 * or past MRC_CONTROL_SLOTS_MAX. Only the parent, before any child.
 */
apr_status_t mrc_control_create(apr_pool_t *pool, const char *dir, const char *name,
                                unsigned nslots, struct mrc_error *error,
                                struct mrc_control **ret_control);

/* Reads a file of another server, for tools: checked, read-only. Close with mrc_control_close(). */
apr_status_t mrc_control_open(apr_pool_t *pool, const char *path, struct mrc_error *error,
                              struct mrc_control **ret_control);

/* Unmaps and closes, in this process; the file stays. Accepts NULL. */
void mrc_control_close(struct mrc_control *control);

/* The descriptor of the file, on which its creator holds flock(). */
int mrc_control_fd(const struct mrc_control *control);

unsigned mrc_control_nslots(const struct mrc_control *control);

/* A child takes a slot, when it starts. The slot's number, or -1 when none is free. */
int mrc_control_claim(struct mrc_control *control, pid_t pid, uint64_t generation);

/*
 * A child gives its slot back, when it ends in order: it has folded its own state before (the
 * interests, gauges and presence of every hub).
 */
void mrc_control_release(struct mrc_control *control, unsigned slot);

/*
 * The parent has seen the child PID end: its slot becomes DEAD, and a slot that it was reaping
 * becomes DEAD again. A child that released its slot before changes nothing. Returns how many
 * slots wait for a reaper now because of it. Takes no lock, calls nothing: safe in child_status.
 */
unsigned mrc_control_mark_dead(struct mrc_control *control, pid_t pid);

/* Folds what the dead child PID left behind in SLOT. May run twice for one child, when the first
 * reaper dies in it: what it does must allow that (set, do not add). */
typedef void mrc_control_fold_fn(unsigned slot, pid_t pid, void *ctx);

/*
 * Folds every DEAD slot and frees it; MY_PID is the caller's. Any child, at any time; two at once
 * share the work. Returns how many slots this call has freed.
 */
unsigned mrc_control_reap(struct mrc_control *control, pid_t my_pid, mrc_control_fold_fn *fold,
                          void *ctx);

/* What SLOT holds now. False: there is no such slot. */
bool mrc_control_get(const struct mrc_control *control, unsigned slot,
                     struct mrc_control_child *ret_child);

/* Server-wide numbers; INDEX < MRC_CONTROL_COUNTERS. Any process; the sum so far is returned. */
uint64_t mrc_control_counter_add(struct mrc_control *control, unsigned index, uint64_t n);
uint64_t mrc_control_counter(const struct mrc_control *control, unsigned index);

#endif
