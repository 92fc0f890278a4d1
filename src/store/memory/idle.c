#include "store/memory/idle.h"

#include "store/memory/hub.h"
#include "store/memory/internal.h"
#include "store/memory/naming.h"

static bool has_listeners(const struct mrc_hub_segment *segment)
{
    const struct mrc_interests *interests = mrc_hub_segment_interests(segment);

    for (unsigned slot = 0; slot < mrc_hub_segment_nslots(segment); slot++)
        if (mrc_interests_listeners(interests, slot))
            return true;
    return false;
}

/* The segment of HUB, if a site has it and does not use it now; or NULL. RET_HEAD is that of its
 * ring. */
static struct mrc_hub_segment *find_idle(struct mrc_memory_hub *hub, uint64_t *ret_head)
{
    struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);
    const struct mrc_revocations *revoked;
    struct mrc_ring_stats stats;

    if (!segment || hub->place == MRC_MEMORY_OWN_FILE || !mrc_naming_name_of(hub))
        return NULL;
    revoked = mrc_hub_segment_revocations(segment);
    mrc_ring_stats(mrc_hub_segment_ring(segment), &stats);
    *ret_head = stats.head;
    return stats.records == 0 && !has_listeners(segment) &&
                   (!revoked || mrc_revocations_is_empty(revoked))
               ? segment
               : NULL;
}

void mrc_memory_idle_look(struct mrc_memory_hub *hub, int64_t now_us)
{
    uint64_t head = 0;

    if (!find_idle(hub, &head))
        hub->idle_since_us = 0;
    else if (!hub->idle_since_us || head != hub->idle_head || now_us < hub->idle_since_us)
        hub->idle_since_us = now_us;
    hub->idle_head = head;
}

bool mrc_memory_idle_is_long(struct mrc_memory_hub *hub, int64_t now_us)
{
    uint64_t head;

    return hub->idle_since_us && now_us - hub->idle_since_us >= MRC_MEMORY_IDLE_US &&
           find_idle(hub, &head) && head == hub->idle_head;
}

bool mrc_memory_idle_end(struct mrc_memory_hub *hub, int64_t now_us, int64_t wait_us)
{
    struct mrc_hub_segment *segment = mrc_memory_hub_segment(hub);

    return mrc_ring_supersede_unused(mrc_hub_segment_ring(segment), hub->idle_head, now_us,
                                     wait_us);
}
