#include "hub/base/wheel.h"

#include <stddef.h>

static struct mrc_timer *slot_of(struct mrc_wheel *wheel, int64_t tick)
{
    return &wheel->slots[tick % MRC_WHEEL_SLOTS];
}

/* The first tick that is not before DUE_US: a timer fires late, never early. */
static int64_t tick_of(int64_t due_us)
{
    return due_us <= 0 ? 0 : (due_us - 1) / MRC_WHEEL_TICK_US + 1;
}

void mrc_wheel_init(struct mrc_wheel *wheel, int64_t now_us)
{
    for (int i = 0; i < MRC_WHEEL_SLOTS; i++)
        wheel->slots[i] = (struct mrc_timer){.prev = &wheel->slots[i], .next = &wheel->slots[i]};
    wheel->tick = wheel->first = now_us / MRC_WHEEL_TICK_US;
    wheel->count = 0;
}

static void insert(struct mrc_wheel *wheel, struct mrc_timer *timer)
{
    int64_t tick = tick_of(timer->due_us);
    struct mrc_timer *head;

    if (tick < wheel->tick)
        tick = wheel->tick;
    /* Not the very last slot: at the next tick it is the current one. */
    if (tick - wheel->tick > MRC_WHEEL_SLOTS - 2)
        tick = wheel->tick + MRC_WHEEL_SLOTS - 2;
    if (tick < wheel->first)
        wheel->first = tick;
    head = slot_of(wheel, tick);
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

static void unlink_timer(struct mrc_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

bool mrc_timer_is_set(const struct mrc_timer *timer)
{
    return timer->next != NULL;
}

void mrc_wheel_set(struct mrc_wheel *wheel, struct mrc_timer *timer, int64_t due_us)
{
    mrc_wheel_clear(wheel, timer);
    timer->due_us = due_us;
    insert(wheel, timer);
    wheel->count++;
}

void mrc_wheel_clear(struct mrc_wheel *wheel, struct mrc_timer *timer)
{
    if (!mrc_timer_is_set(timer))
        return;
    unlink_timer(timer);
    wheel->count--;
}

struct mrc_timer *mrc_wheel_expire(struct mrc_wheel *wheel, int64_t now_us)
{
    int64_t now_tick = now_us / MRC_WHEEL_TICK_US;

    /* After a long sleep, one turn of the wheel reaches every timer. */
    if (now_tick - wheel->tick > MRC_WHEEL_SLOTS)
        wheel->tick = now_tick - MRC_WHEEL_SLOTS;
    while (wheel->tick <= now_tick) {
        struct mrc_timer *head = slot_of(wheel, wheel->tick);
        struct mrc_timer *timer = head->next;

        if (timer == head) {
            wheel->tick++;
            continue;
        }
        unlink_timer(timer);
        if (timer->due_us <= now_us) {
            wheel->count--;
            return timer;
        }
        /*
         * It is due in a later turn. It is inserted as seen from the next tick, so not here again.
         */
        wheel->tick++;
        insert(wheel, timer);
        wheel->tick--;
    }
    return NULL;
}

int mrc_wheel_wait_ms(struct mrc_wheel *wheel, int64_t now_us)
{
    int64_t wait_us;

    if (wheel->count == 0)
        return -1;
    if (wheel->first < wheel->tick)
        wheel->first = wheel->tick;
    /* Each slot is looked at once as time advances, not in each call. */
    while (slot_of(wheel, wheel->first)->next == slot_of(wheel, wheel->first))
        wheel->first++;
    wait_us = wheel->first * MRC_WHEEL_TICK_US - now_us;
    return wait_us <= 0 ? 0 : (int)((wait_us + 999) / 1000);
}
