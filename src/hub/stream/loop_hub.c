#include "hub/stream/loop_hub.h"

#include <stdlib.h>

#include "apr_time.h"

#include "hub/base/wake.h"
#include "hub/control/order.h"
#include "hub/control/orders.h"
#include "hub/hub/hub.h"
#include "hub/hub/revocation.h"
#include "hub/stream/ending.h"
#include "hub/stream/handles.h"
#include "hub/stream/loop_state.h"
#include "hub/subscriber/pages.h"
#include "hub/subscriber/subscriber.h"
#include "store/base/clock.h"
#include "store/ring/ring.h"

/* Pages are kept this long after the last replay: after a restart many clients come back within
 * seconds, and replay the same updates. */
#define PAGES_KEPT_US ((int64_t)2000 * 1000)

/* ---- pages ------------------------------------------------------------------------------------*/

static void wake_for_reading(void *ctx)
{
    const struct mrc_loop *loop = ctx;

    mrc_wake_post(&loop->wake);
}

/* Remembers HUB, whose first stream has come. The orders so far concern no stream but that one, for
 * which mrc_loop_hub_take_old_orders() reads them. NULL: out of memory. */
static struct mrc_loop_hub *add_hub(struct mrc_loop *loop, struct mrc_hub *hub)
{
    struct mrc_loop_hub *added = calloc(1, sizeof(*added));

    if (!added)
        return NULL;
    added->hub = hub;
    added->seen = mrc_ring_control(mrc_hub_ring(hub));
    added->next = loop->hubs;
    loop->hubs = added;
    loop->by_index[mrc_hub_get_index(hub)] = added;
    return added;
}

bool mrc_loop_hub_share_pages(struct mrc_loop *loop, struct mrc_stream *stream)
{
    struct mrc_loop_hub *hub = mrc_loop_hub_of(loop, stream);

    if (!hub)
        hub = add_hub(loop, mrc_subscriber_get_hub(stream->subscriber));
    if (hub && !hub->pages) {
        hub->pages = mrc_pages_create(hub->hub, loop->args.reader, wake_for_reading, loop);
        if (hub->pages)
            mrc_pages_set_orders(hub->pages, hub->seen);
    }
    mrc_subscriber_read_with(stream->subscriber, hub ? hub->pages : NULL);
    return hub && hub->pages;
}

void mrc_loop_hub_forget_pages(struct mrc_loop *loop)
{
    int64_t now_us = mrc_clock_us();

    if (mrc_shares_get(&loop->replaying) || loop->reading.first)
        loop->replayed_us = now_us;
    if (now_us - loop->replayed_us < PAGES_KEPT_US)
        return;
    for (struct mrc_loop_hub *hub = loop->hubs; hub; hub = hub->next) {
        if (hub->pages)
            mrc_pages_forget(hub->pages);
    }
}

/* ---- orders -----------------------------------------------------------------------------------*/

/* One order that is being carried out. */
struct task {
    struct mrc_loop *loop;
    const struct mrc_loop_hub *hub;
    const struct mrc_order *order;
    struct mrc_stream *only; /* NULL: it is for all streams of the hub */
};

static void obey(void *ctx, struct mrc_stream *stream)
{
    const struct task *task = ctx;

    if (stream->state != MRC_STREAM_ENDING &&
        mrc_subscriber_get_hub(stream->subscriber) == task->hub->hub &&
        mrc_subscriber_obeys(stream->subscriber, task->order))
        mrc_ending_begin(task->loop, stream, mrc_order_end(task->order));
}

/* An order that the handles do not cover is rare, so it may look at each stream. */
static void carry_out(void *ctx, const struct mrc_order *order)
{
    struct task *task = ctx;
    struct mrc_handles *handles = task->hub->handles;

    task->order = order;
    if (task->only) {
        obey(task, task->only);
        return;
    }
    if (handles && mrc_handles_find(handles, order, obey, task))
        return;
    for (struct mrc_stream *stream = task->loop->all; stream; stream = stream->all_next)
        obey(task, stream);
}

/* Ends the streams for which some orders are lost. */
static void end_uncertain(const struct task *task)
{
    static const struct mrc_order everything = {.kind = MRC_ORDER_DISCONNECT,
                                                .issued_before_us = INT64_MAX};

    carry_out((void *)(uintptr_t)task, &everything);
}

static void take_orders_of(struct mrc_loop *loop, struct mrc_loop_hub *hub)
{
    const struct mrc_ring *ring = mrc_hub_ring(hub->hub);
    uint64_t mark = mrc_ring_control(ring);
    struct task task = {.loop = loop, .hub = hub};

    if (mark == hub->seen)
        return;
    if (mrc_orders_read(ring, hub->seen, mark, carry_out, &task) != APR_SUCCESS)
        end_uncertain(&task);
    hub->seen = mark;
    if (hub->pages)
        mrc_pages_set_orders(hub->pages, mark);
}

void mrc_loop_hub_take_orders(struct mrc_loop *loop)
{
    for (struct mrc_loop_hub *hub = loop->hubs; hub; hub = hub->next)
        take_orders_of(loop, hub);
}

bool mrc_loop_hub_take_old_orders(struct mrc_loop *loop, struct mrc_stream *stream)
{
    struct mrc_loop_hub *hub = mrc_loop_hub_of(loop, stream);
    struct task task = {.loop = loop, .hub = hub, .only = stream};

    if (mrc_hub_get_spec(hub->hub)->is_controlled) {
        if (!hub->handles)
            hub->handles = mrc_handles_create(loop->key);
        if (!hub->handles || mrc_handles_add(hub->handles, stream) != APR_SUCCESS)
            return false;
    }
    if (mrc_orders_read(mrc_hub_ring(hub->hub), mrc_subscriber_get_opened(stream->subscriber),
                        hub->seen, carry_out, &task) != APR_SUCCESS)
        end_uncertain(&task);
    if (stream->state != MRC_STREAM_ENDING &&
        mrc_revocation_has(hub->hub, mrc_subscriber_get_token(stream->subscriber), apr_time_now()))
        mrc_ending_begin(loop, stream, MRC_END_REVOKED);
    return true;
}

/* ---- close ------------------------------------------------------------------------------------*/

void mrc_loop_hub_free_all(struct mrc_loop *loop)
{
    while (loop->hubs) {
        struct mrc_loop_hub *hub = loop->hubs;

        loop->hubs = hub->next;
        mrc_pages_free(hub->pages);
        mrc_handles_free(hub->handles);
        free(hub);
    }
}
