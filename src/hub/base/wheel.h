/*
 * A timer wheel: any number of timers that are set and moved at the cost of a few pointers.
 *
 *       now
 *        v
 *     +--+--+--+--+--   --+--+     each slot: the timers of one tick; a timer that is farther away
 *     |  |  |  |  |  ...  |  |     than the wheel is round waits in the farthest slot, and is put
 *     +--+--+--+--+--   --+--+     where it belongs when the wheel gets there
 *
 * A timer never fires late by more than a tick, and never early. One thread.
 */
#ifndef MRC_HUB_BASE_WHEEL_H
#define MRC_HUB_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define MRC_WHEEL_TICK_US ((int64_t)100 * 1000)
#define MRC_WHEEL_SLOTS   1024

/* Lies in what it times. Zeroed: not set. */
struct mrc_timer {
    struct mrc_timer *prev, *next;
    int64_t due_us;
};

struct mrc_wheel {
    struct mrc_timer slots[MRC_WHEEL_SLOTS]; /* heads of rings */
    int64_t tick;                            /* the next one that has not been looked at */
    uint64_t count;
};

void mrc_wheel_init(struct mrc_wheel *wheel, int64_t now_us);

/* Sets TIMER to DUE_US, or moves it there. */
void mrc_wheel_set(struct mrc_wheel *wheel, struct mrc_timer *timer, int64_t due_us);

/* Takes it out; nothing happens if it is not set. */
void mrc_wheel_clear(struct mrc_wheel *wheel, struct mrc_timer *timer);

bool mrc_timer_is_set(const struct mrc_timer *timer);

/*
 * Takes out one timer that is due at NOW_US, and returns it; NULL: there is none (left). Call it
 * until then.
 */
struct mrc_timer *mrc_wheel_expire(struct mrc_wheel *wheel, int64_t now_us);

/* How long from NOW_US nothing is due, in milliseconds; -1: no timer is set. */
int mrc_wheel_wait_ms(const struct mrc_wheel *wheel, int64_t now_us);

#endif
