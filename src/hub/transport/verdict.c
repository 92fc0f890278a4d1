#include <string.h>

#include "apr_time.h"

#include "core/protocol/update.h"
#include "hub/lineage/lineage.h"
#include "hub/lineage/seen.h"
#include "hub/lineage/walk.h"
#include "hub/transport/member.h"
#include "store/engine/entry.h"
#include "store/ring/ring.h"

/* The wait for the lock of the ring: its owner works for microseconds, unless it is stopped. */
#define RING_WAIT_US ((int64_t)5 * 1000 * 1000)

static void set_position(struct mrc_member *member)
{
    mrc_link_set_position(member->link, &member->position);
}

/* The machine begins to mirror the log of GENERATION after NUMBER. */
static void begin_generation(struct mrc_member *member, uint32_t generation, uint64_t number)
{
    uint64_t unused;

    mrc_ring_end(member->ring, &unused, &member->position.since_seq);
    member->position.generation = generation;
    member->position.number = number;
    member->position.token_writer = member->position.token_counter = 0;
    member->position.token_time_us = 0;
    mrc_unsettled_forget(&member->unsettled);
    set_position(member);
}

static void take_new(struct mrc_member *member, const struct mrc_redis_join *join)
{
    struct mrc_ring_bounds bounds;
    uint64_t number = join->oldest - 1;

    mrc_ring_get_bounds(member->ring, &bounds);
    if (bounds.off && join->newest > number + 1)
        number = join->newest - 1; /* only the newest one, whose id new subscribers get */
    begin_generation(member, join->generation, number);
}

static void take_reset(struct mrc_member *member, const struct mrc_redis_join *join)
{
    mrc_member_report(member, MRC_LINK_EVENT_RESET, NULL, member->position.number, 0);
    member->position.old_generation = member->position.generation;
    member->position.old_number = member->position.number;
    member->old_beats = MRC_MEMBER_OLD_BEATS;
    mrc_link_clear_fork(member->link); /* nothing is put back */
    begin_generation(member, join->generation, join->oldest - 1);
}

void mrc_member_tell_gap(struct mrc_member *member, uint64_t missed)
{
    mrc_link_count(member->link, MRC_LINK_MISSED, missed);
    mrc_ring_forget(member->ring, apr_time_now(), RING_WAIT_US);
    mrc_link_note_gap(member->link);
    mrc_member_wake_all(member); /* to end their streams */
    mrc_member_report(member, MRC_LINK_EVENT_GAP, NULL, missed, 0);
}

static void take_gap(struct mrc_member *member, const struct mrc_redis_join *join)
{
    uint64_t missed = join->oldest - 1 - member->position.number;

    /* 0: the log has removed another entry than the last one of this machine, so others are
     * missing, too. */
    mrc_member_tell_gap(member, missed ? missed : 1);
    begin_generation(member, join->generation, join->oldest - 1);
}

struct tracing {
    const struct mrc_link *link;
    uint64_t first; /* the number of the first record; 0: there is none */
    struct mrc_lineage lineage;
};

static bool trace(void *ctx, const struct mrc_ring_record *record,
                  const struct mrc_update_origin *origin, size_t len)
{
    struct tracing *tracing = ctx;
    const struct mrc_lineage_entry entry = {
        .number = origin->number,
        .writer = origin->writer,
        .counter = origin->counter,
        .time_us = record->view.time_us,
        .seq = record->view.seq,
    };

    if (tracing->first == 0)
        tracing->first = origin->number;
    if (mrc_link_is_dead(tracing->link, record->view.seq)) /* it has come back elsewhere */
        return true;
    return mrc_lineage_add(&tracing->lineage, &entry);
}

/* Finds how many entries of LINEAGE the engine has. */
static bool find_fork(struct mrc_member *member, struct mrc_redis *redis,
                      const struct mrc_lineage *lineage, const struct mrc_redis_join *join,
                      struct mrc_lineage_search *ret_search, struct mrc_engine_error *error)
{
    struct mrc_lineage_search search;
    size_t i;

    mrc_lineage_begin(lineage, join->oldest, join->newest, &search);
    while (mrc_lineage_next(&search, &i)) {
        const struct mrc_lineage_entry *entry = &lineage->entries[i];
        struct mrc_entry_token token;

        if (!mrc_redis_token_at(redis, &member->keys, entry->number, &token, error))
            return false;
        mrc_lineage_answer(&search, i,
                           token.writer == entry->writer && token.counter == entry->counter &&
                               token.time_us == entry->time_us);
    }
    *ret_search = search;
    return true;
}

/*
 * The number of updates that this machine may have missed, or 1 if that is not known. 0: none,
 * because it is known where the logs part. It is not if others have put some updates at the numbers
 * that the engine had lost, and it has removed the first of these since, as the log has grown; or
 * if the log has nothing of what the ring has, and one of them does not reach back to entry 1. A
 * leader that died before it had moved on has noted where the logs part, and has buried all that
 * the ring has after that.
 */
static uint64_t count_missed(const struct tracing *tracing, const struct mrc_lineage_search *search,
                             const struct mrc_redis_join *join)
{
    const struct mrc_lineage *lineage = &tracing->lineage;
    size_t i = search->trimmed;
    uint64_t unused, fork;

    if (search->shared == 0 && lineage->count > 0 && join->newest >= join->oldest &&
        (tracing->first > 1 || join->oldest > 1))
        return 1;
    if (i == lineage->count)
        return mrc_link_get_fork(tracing->link, &unused, &fork) && fork + 1 < join->oldest
                   ? join->oldest - 1 - fork
                   : 0;
    if (i == 0 || search->shared > i || lineage->entries[i].number > join->newest)
        return 0;
    return join->oldest - lineage->entries[i - 1].number; /* at least 1 */
}

/* The engine has lost entries: goes back to the last one that both have. */
static bool take_lost(struct mrc_member *member, struct mrc_redis *redis,
                      const struct mrc_redis_join *join, struct mrc_engine_error *error)
{
    uint64_t own = mrc_seen_get(member->seen, mrc_link_writer(member->link));
    struct tracing tracing = {.link = member->link};
    const struct mrc_lineage_entry *last = NULL;
    struct mrc_lineage_search search;
    uint64_t lost, missed, fork_seq;
    bool has_last;

    if (!mrc_walk(member->ring, member->position.since_seq, trace, &tracing)) {
        mrc_lineage_free(&tracing.lineage);
        return mrc_member_out_of_memory(error);
    }
    mrc_lineage_close(&tracing.lineage);
    if (!find_fork(member, redis, &tracing.lineage, join, &search, error)) {
        mrc_lineage_free(&tracing.lineage);
        return false;
    }
    if (search.shared > 0)
        last = &tracing.lineage.entries[search.shared - 1];
    lost = tracing.lineage.count - search.shared;
    missed = count_missed(&tracing, &search, join);
    fork_seq = last ? last->seq : member->position.since_seq;
    /* First, because the next leader would not look for it among the records that are buried. */
    if (missed)
        mrc_member_tell_gap(member, missed);
    member->position.number =
        last && last->number >= join->oldest ? last->number : join->oldest - 1;
    has_last = !missed && last && last->number == member->position.number;
    member->position.token_writer = has_last ? last->writer : 0;
    member->position.token_counter = has_last ? last->counter : 0;
    member->position.token_time_us = has_last ? last->time_us : 0;
    /* If this leader dies here, the next one finds the same. */
    mrc_link_note_fork(member->link, fork_seq, last ? last->number : 0);
    mrc_unsettled_lose(&member->unsettled, fork_seq);
    mrc_member_wake_all(member); /* some streams may have to end */
    set_position(member);
    mrc_lineage_free(&tracing.lineage);
    mrc_link_count(member->link, MRC_LINK_LOST, lost);
    mrc_member_report(member, MRC_LINK_EVENT_FORK, NULL, lost,
                      own > join->last ? own - join->last : 0);
    return true;
}

struct putting_back {
    struct mrc_member *member;
    uint64_t last; /* counter */
    uint64_t fork;
};

/* Puts back an update of this machine that the engine no longer has. */
static bool put_back(void *ctx, const struct mrc_ring_record *record,
                     const struct mrc_update_origin *origin, size_t len)
{
    struct putting_back *putting = ctx;
    struct mrc_bytes payload = {record->view.payload.ptr, len};

    if (origin->writer != mrc_link_writer(putting->member->link) ||
        origin->counter <= putting->last)
        return true;
    mrc_update_clear_origin((char *)(uintptr_t)payload.ptr); /* in the copy of the record */
    return mrc_outbox_put_back(putting->member->outbox, origin->counter, record->view.stored_bytes,
                               record->view.id, payload, putting->fork);
}

/* The number of the entry after which the engine has lost entries, if it has. */
static uint64_t fork_of(const struct mrc_member *member, enum mrc_redis_verdict verdict)
{
    uint64_t number = member->position.number, unused;

    if (verdict != MRC_REDIS_SAME && verdict != MRC_REDIS_LOST)
        return 0;
    /* Some of an earlier loss may not be back yet. */
    mrc_link_get_fork(member->link, &unused, &number);
    return number < member->position.number ? number : member->position.number;
}

/*
 * Puts back what the engine has lost after the place that putting->last says. An engine that knows
 * no counter of this machine may have forgotten it, because the machine was away for a month: then
 * only what is after a fork is lost.
 */
static bool put_all_back(struct putting_back *putting)
{
    const struct mrc_member *member = putting->member;
    uint64_t since_seq = member->position.since_seq, unused;

    if (putting->last == 0 && !mrc_link_get_fork(member->link, &since_seq, &unused))
        return true;
    return mrc_walk(member->ring, since_seq, put_back, putting);
}

/* Whether the engine cannot have lost anything since the machine joined it before. */
static bool is_same_server(const struct mrc_member *member, const struct mrc_redis *redis)
{
    return *member->server && !strcmp(member->server, mrc_redis_server(redis));
}

bool mrc_member_follow_verdict(struct mrc_member *member, struct mrc_redis *redis,
                               const struct mrc_redis_join *join, struct mrc_engine_error *error)
{
    struct putting_back putting = {.member = member, .last = join->last};
    uint64_t seen = mrc_seen_get(member->seen, mrc_link_writer(member->link));

    switch (join->verdict) {
    case MRC_REDIS_NEW:
        take_new(member, join);
        break;
    case MRC_REDIS_SAME:
        break;
    case MRC_REDIS_LOST:
        if (!take_lost(member, redis, join, error))
            return false;
        break;
    case MRC_REDIS_GAP:
        take_gap(member, join);
        break;
    case MRC_REDIS_RESET:
        take_reset(member, join);
        break;
    }
    mrc_outbox_settle(member->outbox, join->last, join->newest, join->verdict != MRC_REDIS_GAP);
    putting.fork = fork_of(member, join->verdict);
    if (join->verdict != MRC_REDIS_SAME || !is_same_server(member, redis))
        mrc_outbox_doubt(member->outbox, putting.fork);
    /* After a reset, updates may have been removed on purpose. */
    if ((join->verdict == MRC_REDIS_SAME || join->verdict == MRC_REDIS_LOST) && seen > join->last &&
        !put_all_back(&putting))
        return mrc_member_out_of_memory(error);
    return true;
}
