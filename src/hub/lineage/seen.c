#include "hub/lineage/seen.h"

#include <stdlib.h>

/* A hash table with open addresses. Writers are random numbers, so they are their own hash. */
struct pair {
    uint64_t writer; /* 0: free */
    uint64_t counter;
};

struct mrc_seen {
    struct pair *pairs;
    uint64_t mask; /* the number of places minus 1 */
    uint64_t count;
};

#define PLACES_MIN 16

struct mrc_seen *mrc_seen_create(void)
{
    struct mrc_seen *seen = calloc(1, sizeof(*seen));

    if (!seen)
        return NULL;
    seen->pairs = calloc(PLACES_MIN, sizeof(*seen->pairs));
    seen->mask = PLACES_MIN - 1;
    if (seen->pairs)
        return seen;
    free(seen);
    return NULL;
}

void mrc_seen_free(struct mrc_seen *seen)
{
    if (!seen)
        return;
    free(seen->pairs);
    free(seen);
}

/* The place of WRITER, or the free one where it belongs. */
static struct pair *find(struct pair *pairs, uint64_t mask, uint64_t writer)
{
    uint64_t i = (writer ^ writer >> 32) & mask;

    while (pairs[i].writer && pairs[i].writer != writer)
        i = (i + 1) & mask;
    return &pairs[i];
}

uint64_t mrc_seen_get(const struct mrc_seen *seen, uint64_t writer)
{
    const struct pair *pair = find(seen->pairs, seen->mask, writer);

    return pair->writer ? pair->counter : 0;
}

static bool grow(struct mrc_seen *seen)
{
    uint64_t mask = 2 * seen->mask + 1;
    struct pair *pairs = calloc(mask + 1, sizeof(*pairs));

    if (!pairs)
        return false;
    for (uint64_t i = 0; i <= seen->mask; i++) {
        if (seen->pairs[i].writer)
            *find(pairs, mask, seen->pairs[i].writer) = seen->pairs[i];
    }
    free(seen->pairs);
    seen->pairs = pairs;
    seen->mask = mask;
    return true;
}

bool mrc_seen_note(struct mrc_seen *seen, uint64_t writer, uint64_t counter)
{
    struct pair *pair = find(seen->pairs, seen->mask, writer);

    if (!pair->writer) {
        if (2 * (seen->count + 1) > seen->mask && !grow(seen))
            return false;
        pair = find(seen->pairs, seen->mask, writer);
        *pair = (struct pair){.writer = writer};
        seen->count++;
    }
    if (counter > pair->counter)
        pair->counter = counter;
    return true;
}
