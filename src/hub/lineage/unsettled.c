#include "hub/lineage/unsettled.h"

#include "apr_time.h"

#include "core/protocol/update.h"
#include "hub/lineage/walk.h"
#include "store/regions/link.h"
#include "store/ring/ring.h"

/* Only this thread appends to this ring; a dead leader may have appended without counting. */
static uint64_t last_of(const struct mrc_unsettled *unsettled)
{
    uint64_t unused, seq;

    mrc_ring_end(unsettled->ring, &unused, &seq);
    return seq;
}

static void unsettle(struct mrc_unsettled *unsettled, uint64_t first, uint64_t last)
{
    uint64_t pos = mrc_ring_oldest(unsettled->ring, apr_time_now());

    mrc_link_unsettle(unsettled->link, first, last, mrc_ring_seq_at(unsettled->ring, pos));
}

void mrc_unsettled_begin(struct mrc_unsettled *unsettled, struct mrc_link *link,
                         struct mrc_ring *ring)
{
    *unsettled = (struct mrc_unsettled){.link = link, .ring = ring};
    /* What an earlier leader waited for is not known. */
    unsettled->is_untracked = mrc_link_is_open(link);
}

void mrc_unsettled_join(struct mrc_unsettled *unsettled)
{
    uint64_t unused, number;

    unsettled->has_end = false;
    unsettled->asks_end = false;
    if (!mrc_link_get_fork(unsettled->link, &unused, &number))
        mrc_unsettled_restored(
            unsettled); /* it was, before an earlier leader or connection ended */
}

static void settle(struct mrc_unsettled *unsettled)
{
    mrc_link_settle(unsettled->link, last_of(unsettled));
    unsettled->count = 0;
    unsettled->is_untracked = unsettled->asks_end = unsettled->has_end = false;
}

void mrc_unsettled_forget(struct mrc_unsettled *unsettled)
{
    settle(unsettled);
    unsettled->has_fork = false;
}

/* ---- what is lost, and comes back -------------------------------------------------------------*/

static void await(struct mrc_unsettled *unsettled, uint64_t writer, uint64_t counter)
{
    for (size_t i = 0; i < unsettled->count; i++) {
        if (unsettled->awaited[i].writer != writer)
            continue;
        if (counter > unsettled->awaited[i].counter)
            unsettled->awaited[i].counter = counter;
        return;
    }
    if (unsettled->count == MRC_UNSETTLED_WRITERS) {
        unsettled->is_untracked = true;
        return;
    }
    unsettled->awaited[unsettled->count].writer = writer;
    unsettled->awaited[unsettled->count++].counter = counter;
}

static bool await_record(void *ctx, const struct mrc_ring_record *record,
                         const struct mrc_update_origin *origin, size_t len)
{
    await(ctx, origin->writer, origin->counter);
    return true;
}

void mrc_unsettled_lose(struct mrc_unsettled *unsettled, uint64_t seq)
{
    uint64_t last = last_of(unsettled);

    if (last == seq)
        return;
    unsettle(unsettled, seq + 1, MRC_LINK_OPEN);
    mrc_link_bury(unsettled->link, seq + 1, last);
    mrc_link_note_loss(unsettled->link, seq);
    if (!mrc_walk(unsettled->ring, seq, await_record, unsettled))
        unsettled->is_untracked = true;
}

struct looking {
    uint64_t fork;
    uint64_t first; /* 0: not found */
};

static bool is_before(void *ctx, const struct mrc_ring_record *record,
                      const struct mrc_update_origin *origin, size_t len)
{
    struct looking *looking = ctx;

    if (origin->number > looking->fork)
        looking->first = record->view.seq;
    return looking->first == 0;
}

/* The first record after the entry FORK: whatever comes later, it stays the first one. */
static uint64_t find_first(struct mrc_unsettled *unsettled, uint64_t fork, uint64_t since_seq)
{
    struct looking looking = {.fork = fork};

    if (mrc_walk(unsettled->ring, since_seq, is_before, &looking))
        return last_of(unsettled) + 1;
    return looking.first ? looking.first
                         : 1; /* out of memory: a window that is too large does no harm */
}

struct finding {
    const struct mrc_update_origin *origin;
    uint64_t since_seq;
    uint64_t seq; /* 0: not found */
    bool is_over;
};

static bool is_same(void *ctx, const struct mrc_ring_record *record,
                    const struct mrc_update_origin *origin, size_t len)
{
    struct finding *finding = ctx;

    finding->is_over = record->view.seq > finding->since_seq;
    if (!finding->is_over && origin->writer == finding->origin->writer &&
        origin->counter == finding->origin->counter)
        finding->seq = record->view.seq;
    return !finding->is_over && finding->seq == 0;
}

/*
 * The ring has the entry of ORIGIN, which was on its way when the log began anew, perhaps among the
 * records of the log before: then the window begins with it. Later ones of its writer are after it.
 */
static void find_before(struct mrc_unsettled *unsettled, const struct mrc_update_origin *origin,
                        uint64_t since_seq)
{
    struct finding finding = {.origin = origin, .since_seq = since_seq};

    if (since_seq == 0 || unsettled->sought == origin->writer)
        return;
    unsettled->sought = origin->writer;
    if (!mrc_walk(unsettled->ring, 0, is_same, &finding) && !finding.is_over && finding.seq == 0)
        finding.seq = 1; /* out of memory */
    if (finding.seq && finding.seq < unsettled->first)
        unsettled->first = finding.seq;
}

void mrc_unsettled_note(struct mrc_unsettled *unsettled, uint64_t fork, uint64_t since_seq,
                        const struct mrc_update_origin *origin, bool is_known)
{
    if (!unsettled->has_fork || unsettled->fork != fork) {
        unsettled->first = find_first(unsettled, fork, since_seq);
        unsettled->fork = fork;
        unsettled->has_fork = true;
        unsettled->sought = 0;
    }
    if (is_known && fork == 0)
        find_before(unsettled, origin, since_seq);
    unsettle(unsettled, unsettled->first, last_of(unsettled) + !is_known);
}

void mrc_unsettled_came(struct mrc_unsettled *unsettled, uint64_t writer, uint64_t counter)
{
    size_t i = 0;

    while (i < unsettled->count &&
           (unsettled->awaited[i].writer != writer || unsettled->awaited[i].counter > counter))
        i++;
    if (i == unsettled->count)
        return;
    unsettled->awaited[i] = unsettled->awaited[--unsettled->count];
    if (unsettled->count == 0 && !unsettled->is_untracked)
        settle(unsettled);
}

/* ---- what does not come back ------------------------------------------------------------------*/

void mrc_unsettled_restored(struct mrc_unsettled *unsettled)
{
    unsettled->asks_end = mrc_link_is_open(unsettled->link);
}

void mrc_unsettled_take_newest(struct mrc_unsettled *unsettled, uint64_t newest)
{
    if (!unsettled->asks_end)
        return;
    unsettled->asks_end = false;
    unsettled->has_end = true;
    unsettled->end = newest;
}

void mrc_unsettled_reached(struct mrc_unsettled *unsettled, uint64_t number)
{
    if (unsettled->has_end && number >= unsettled->end)
        settle(unsettled);
}
