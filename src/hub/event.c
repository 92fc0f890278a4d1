#include "hub/event.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct mrc_event {
    atomic_uint refs;
    size_t len;
    int64_t accepted_us;
    char bytes[];
};

struct mrc_event *mrc_event_create(struct mrc_bytes bytes)
{
    struct mrc_event *event = malloc(sizeof(*event) + bytes.len);

    if (!event)
        return NULL;
    atomic_init(&event->refs, 1);
    event->len = bytes.len;
    event->accepted_us = 0;
    if (bytes.len)
        memcpy(event->bytes, bytes.ptr, bytes.len);
    return event;
}

void mrc_event_set_accepted(struct mrc_event *event, int64_t accepted_us)
{
    event->accepted_us = accepted_us;
}

int64_t mrc_event_accepted_us(const struct mrc_event *event)
{
    return event->accepted_us;
}

struct mrc_event *mrc_event_ref(struct mrc_event *event)
{
    atomic_fetch_add_explicit(&event->refs, 1, memory_order_relaxed);
    return event;
}

void mrc_event_unref(struct mrc_event *event)
{
    if (event && atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) == 1)
        free(event);
}

struct mrc_bytes mrc_event_bytes(const struct mrc_event *event)
{
    return (struct mrc_bytes){event->bytes, event->len};
}
