/*
 * A timer wheel: any number of timers, each set, moved and cleared at the cost of a few pointers.
 *
 *       now
 *        v
 *     +--+--+--+--+--   --+--+     Each slot has the timers of one tick. A timer that is due after
 *     |  |  |  |  |  ...  |  |     more than one turn of the wheel waits in the farthest slot, and
 *     +--+--+--+--+--   --+--+     moves on when the wheel gets there.
 *
 * A timer fires at most one tick late, and never early. A wheel belongs to one thread.
 */
#ifndef MRC_HUB_BASE_WHEEL_H
#define MRC_HUB_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define MRC_WHEEL_TICK_US ((int64_t)10 * 1000)
#define MRC_WHEEL_SLOTS   1024

/* Embedded in the object that it times. Zeroed: not set. */
struct mrc_timer {
    struct mrc_timer *prev, *next;
    int64_t due_us;
};

struct mrc_wheel {
    struct mrc_timer slots[MRC_WHEEL_SLOTS]; /* heads of circular lists */
    int64_t tick;                            /* the next one to look at */
    int64_t first;                           /* no timer is in a slot of an earlier tick */
    uint64_t count;                          /* of timers that are set */
};

/* Makes a wheel without timers that begins at NOW_US; all times are of one monotonic clock. */
void mrc_wheel_init(struct mrc_wheel *wheel, int64_t now_us);

/* Sets TIMER to DUE_US, or moves it there. */
void mrc_wheel_set(struct mrc_wheel *wheel, struct mrc_timer *timer, int64_t due_us);

/* Clears TIMER, if it is set. */
void mrc_wheel_clear(struct mrc_wheel *wheel, struct mrc_timer *timer);

bool mrc_timer_is_set(const struct mrc_timer *timer);

/*
 * Clears one timer that is due at NOW_US, and returns it; NULL: none is left. Call it until it
 * returns NULL.
 */
struct mrc_timer *mrc_wheel_expire(struct mrc_wheel *wheel, int64_t now_us);

/* The milliseconds from NOW_US until a timer may be due; -1: none is set. */
int mrc_wheel_wait_ms(struct mrc_wheel *wheel, int64_t now_us);

#endif
