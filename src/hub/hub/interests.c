#include "hub/hub/interests.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/protocol/update.h"
#include "core/topic/matcher.h"
#include "store/hub/segment.h"
#include "store/regions/interests.h"
#include "store/shm/notify.h"

/* A count that has reached this never falls again, because it may stand for more users. Its bit
 * stays set. */
#define USES_MAX UINT16_MAX

struct mrc_hub_interests {
    struct mrc_interests *shared;
    const struct mrc_notify *notify;
    unsigned slot;
    uint64_t mask; /* from a tag to its bit */

    /* For each bit, how many matchers of this child need it. Other processes only see the bit. */
    _Atomic uint16_t *uses;
};

static size_t uses_bytes(const struct mrc_hub_interests *interests)
{
    return (interests->mask + 1) * sizeof(*interests->uses);
}

static apr_status_t free_uses(void *data)
{
    const struct mrc_hub_interests *interests = data;

    munmap((void *)(uintptr_t)interests->uses, uses_bytes(interests));
    return APR_SUCCESS;
}

/* The counts are mapped and not from the pool: pages that are never touched take no memory. */
struct mrc_hub_interests *mrc_hub_interests_create(apr_pool_t *pool,
                                                   const struct mrc_hub_segment *segment,
                                                   const struct mrc_notify *notify, unsigned slot)
{
    struct mrc_hub_interests *interests = apr_pcalloc(pool, sizeof(*interests));
    void *uses;

    interests->shared = mrc_hub_segment_interests(segment);
    interests->notify = notify;
    interests->slot = slot;
    interests->mask = mrc_interests_bits(mrc_hub_segment_nslots(segment)) - 1;
    uses = mmap(NULL, uses_bytes(interests), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (uses == MAP_FAILED)
        return NULL;
    interests->uses = uses;
    apr_pool_cleanup_register(pool, interests, free_uses, apr_pool_cleanup_null);
    return interests;
}

/* ---- one bit ----------------------------------------------------------------------------------*/

static _Atomic uint16_t *uses_of(const struct mrc_hub_interests *interests, uint64_t tag)
{
    return &interests->uses[tag & interests->mask];
}

/* Counts first, so a thread that clears the bit at the same time sees the count. */
static void use(struct mrc_hub_interests *interests, uint64_t tag)
{
    _Atomic uint16_t *uses = uses_of(interests, tag);
    uint16_t count = atomic_load(uses);

    while (count < USES_MAX && !atomic_compare_exchange_weak(uses, &count, (uint16_t)(count + 1)))
        ;
    mrc_interests_set(interests->shared, interests->slot, tag);
}

/*
 * The last user clears the bit, and then checks whether a new user has come in the meantime. If the
 * new user counts after the check, it finds the bit cleared, and sets it. If it counts before the
 * check, the bit is set again here. Publishers that looked in between saw no bit and did not wake
 * the child, so this function wakes it.
 */
static void stop_using(struct mrc_hub_interests *interests, uint64_t tag)
{
    _Atomic uint16_t *uses = uses_of(interests, tag);
    uint16_t count = atomic_load(uses);

    do {
        if (count == USES_MAX)
            return;
    } while (!atomic_compare_exchange_weak(uses, &count, (uint16_t)(count - 1)));
    if (count > 1)
        return;
    mrc_interests_unset(interests->shared, interests->slot, tag);
    if (atomic_load(uses) == 0)
        return;
    mrc_interests_set(interests->shared, interests->slot, tag);
    mrc_notify_wake(interests->notify, interests->slot);
}

/* ---- subscribers ------------------------------------------------------------------------------*/

static bool are_literal(struct mrc_matcher *const *matchers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!mrc_matcher_is_literal(matchers[i]))
            return false;
    return true;
}

static uint64_t tag_of(const struct mrc_hub_interests *interests, const struct mrc_matcher *matcher)
{
    return mrc_interests_tag(interests->shared, mrc_matcher_get_value(matcher));
}

void mrc_hub_interests_begin(struct mrc_hub_interests *interests,
                             struct mrc_matcher *const *matchers, size_t count)
{
    mrc_interests_add(interests->shared, interests->slot);
    if (!are_literal(matchers, count)) {
        mrc_interests_add_broad(interests->shared, interests->slot);
        return;
    }
    for (size_t i = 0; i < count; i++)
        use(interests, tag_of(interests, matchers[i]));
}

void mrc_hub_interests_end(struct mrc_hub_interests *interests, struct mrc_matcher *const *matchers,
                           size_t count)
{
    if (are_literal(matchers, count)) {
        for (size_t i = 0; i < count; i++)
            stop_using(interests, tag_of(interests, matchers[i]));
    } else {
        mrc_interests_sub_broad(interests->shared, interests->slot);
    }
    mrc_interests_sub(interests->shared, interests->slot);
}

/* ---- publishers -------------------------------------------------------------------------------*/

void mrc_hub_interests_describe(void *ctx, struct mrc_bytes payload, struct mrc_tags *tags)
{
    const struct mrc_hub_interests *interests = ctx;
    struct mrc_bytes topics[MRC_TAGS_MAX];
    size_t count;

    if (mrc_update_peek_topics(payload, topics, MRC_TAGS_MAX, &count)) {
        tags->is_any = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        mrc_tags_add(tags, mrc_interests_tag(interests->shared, topics[i]));
}
