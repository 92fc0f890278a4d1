#include "httpd/operator/measure.h"

#include "httpd/child/this_child.h"
#include "hub/child/child.h"
#include "hub/hub/activity.h"
#include "hub/hub/hub.h"

#define SECOND_US ((int64_t)1000 * 1000)

/* A thread that waits checks this often whether the server ends, or the client is gone. */
#define LOOK_US (SECOND_US / 10)

/* Only a thread of httpd asks about the generation: the child may not be set in others yet. */
static bool may_wait(const struct mrc_child *child, const request_rec *r)
{
    if (!r)
        return !mrc_child_is_draining(child);
    return mrc_this_child_is_serving() && !r->connection->aborted;
}

bool mrc_measure_wait(const struct mrc_child *child, const request_rec *r)
{
    for (int64_t left_us = SECOND_US; left_us > 0; left_us -= LOOK_US) {
        if (!may_wait(child, r))
            return false;
        apr_sleep(LOOK_US);
    }
    return true;
}

bool mrc_measure(const struct mrc_child *child, const struct mrc_hub *hub, const request_rec *r,
                 struct mrc_activity_rates *ret_rates)
{
    const struct mrc_activity *activity = mrc_hub_activity(hub);

    if (mrc_activity_measure(activity, ret_rates))
        return true;
    if (!mrc_measure_wait(child, r))
        return false;
    mrc_activity_measure(activity, ret_rates);
    return true;
}

unsigned mrc_measure_children(const struct mrc_child *child)
{
    unsigned count = 0;

    for (unsigned slot = 0; slot < mrc_child_slots(child); slot++)
        count += mrc_child_is_live(child, slot);
    return count;
}
