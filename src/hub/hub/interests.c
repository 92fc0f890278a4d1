#include "hub/hub/interests.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/protocol/update.h"
#include "core/topic/matcher.h"
#include "store/regions/hub_segment.h"
#include "store/regions/interests.h"
#include "store/shm/notify.h"

/* So many users of one bit cannot be told from more, nor from fewer afterwards: the bit stays. */
#define USES_MAX UINT16_MAX

struct mrc_hub_interests {
    struct mrc_interests *interests;
    const struct mrc_notify *notify;
    unsigned slot;
    uint64_t mask; /* from a tag to its bit */

    /* Of each bit: matchers that need it. Nobody but this process has to know how many. */
    _Atomic uint16_t *uses;
};

static size_t uses_bytes(const struct mrc_hub_interests *listening)
{
    return (listening->mask + 1) * sizeof(*listening->uses);
}

static apr_status_t free_uses(void *data)
{
    const struct mrc_hub_interests *listening = data;

    munmap((void *)(uintptr_t)listening->uses, uses_bytes(listening));
    return APR_SUCCESS;
}

/* Of the system, not of the pool: pages that nobody touches take no memory. */
struct mrc_hub_interests *mrc_hub_interests_create(apr_pool_t *pool,
                                                   const struct mrc_hub_segment *segment,
                                                   const struct mrc_notify *notify, unsigned slot)
{
    struct mrc_hub_interests *listening = apr_pcalloc(pool, sizeof(*listening));
    void *uses;

    listening->interests = mrc_hub_segment_interests(segment);
    listening->notify = notify;
    listening->slot = slot;
    listening->mask = mrc_interests_bits(mrc_hub_segment_nslots(segment)) - 1;
    uses = mmap(NULL, uses_bytes(listening), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (uses == MAP_FAILED)
        return NULL;
    listening->uses = uses;
    apr_pool_cleanup_register(pool, listening, free_uses, apr_pool_cleanup_null);
    return listening;
}

/* ---- one bit ----------------------------------------------------------------------------------*/

static _Atomic uint16_t *uses_of(const struct mrc_hub_interests *listening, uint64_t tag)
{
    return &listening->uses[tag & listening->mask];
}

/* Counts first: whoever unsets the bit at the same time sees that. */
static void use(struct mrc_hub_interests *listening, uint64_t tag)
{
    _Atomic uint16_t *uses = uses_of(listening, tag);
    uint16_t count = atomic_load(uses);

    while (count < USES_MAX && !atomic_compare_exchange_weak(uses, &count, (uint16_t)(count + 1)))
        ;
    mrc_interests_set(listening->interests, listening->slot, tag);
}

/*
 * The last user unsets the bit, and looks then whether another one has come meanwhile. If that one
 * counted after the look, it finds the bit unset, and sets it. If before, the bit is set again
 * here; and publishers that have not seen it between have told nobody, so that is done for them.
 */
static void stop_using(struct mrc_hub_interests *listening, uint64_t tag)
{
    _Atomic uint16_t *uses = uses_of(listening, tag);
    uint16_t count = atomic_load(uses);

    do {
        if (count == USES_MAX)
            return;
    } while (!atomic_compare_exchange_weak(uses, &count, (uint16_t)(count - 1)));
    if (count > 1)
        return;
    mrc_interests_unset(listening->interests, listening->slot, tag);
    if (atomic_load(uses) == 0)
        return;
    mrc_interests_set(listening->interests, listening->slot, tag);
    mrc_notify_wake(listening->notify, listening->slot);
}

/* ---- subscribers ------------------------------------------------------------------------------*/

static bool are_literal(struct mrc_matcher *const *matchers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!mrc_matcher_is_literal(matchers[i]))
            return false;
    return true;
}

static uint64_t tag_of(const struct mrc_hub_interests *listening, const struct mrc_matcher *matcher)
{
    return mrc_interests_tag(listening->interests, mrc_matcher_get_value(matcher));
}

void mrc_hub_interests_begin(struct mrc_hub_interests *listening,
                             struct mrc_matcher *const *matchers, size_t count)
{
    mrc_interests_add(listening->interests, listening->slot);
    if (!are_literal(matchers, count)) {
        mrc_interests_add_broad(listening->interests, listening->slot);
        return;
    }
    for (size_t i = 0; i < count; i++)
        use(listening, tag_of(listening, matchers[i]));
}

void mrc_hub_interests_end(struct mrc_hub_interests *listening, struct mrc_matcher *const *matchers,
                           size_t count)
{
    if (are_literal(matchers, count)) {
        for (size_t i = 0; i < count; i++)
            stop_using(listening, tag_of(listening, matchers[i]));
    } else {
        mrc_interests_sub_broad(listening->interests, listening->slot);
    }
    mrc_interests_sub(listening->interests, listening->slot);
}

/* ---- publishers -------------------------------------------------------------------------------*/

void mrc_hub_interests_describe(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags)
{
    const struct mrc_hub_interests *listening = ctx;
    struct mrc_bytes topics[MRC_TAGS_MAX];
    size_t count;

    if (mrc_update_peek_topics(payload, topics, MRC_TAGS_MAX, &count)) {
        tags->is_any = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        mrc_tags_add(tags, mrc_interests_tag(listening->interests, topics[i]));
}
