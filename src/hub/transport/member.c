#include "hub/transport/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "apr_time.h"

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/hub/hub.h"
#include "hub/lineage/lineage.h"
#include "hub/lineage/seen.h"
#include "hub/lineage/walk.h"
#include "hub/transport/listed.h"
#include "hub/transport/relay.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/engine/registry.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/roster.h"
#include "store/ring/ring.h"

/* The wait for the lock of the ring: its owner works for microseconds, unless it is stopped. */
#define RING_WAIT_US ((int64_t)5 * 1000 * 1000)

/* After a reset, other machines may take this many beats to say how far they had read. */
#define OLD_BEATS 2

#define KEY_BYTES 32

/* The log keeps at least this much for machines that lag behind, however short the history is. */
#define LOG_COUNT_LEAST 1000
#define LOG_BYTES_LEAST ((uint64_t)1024 * 1024)

void mrc_member_init(apr_pool_t *pool, struct mrc_member *member, struct mrc_hub *hub,
                     mrc_link_report_fn *report, void *report_ctx)
{
    const struct mrc_transport_spec *spec = mrc_hub_get_spec(hub)->transport;

    *member = (struct mrc_member){
        .hub = hub,
        .spec = spec,
        .link = mrc_hub_link(hub),
        .ring = mrc_hub_ring(hub),
        .history = mrc_hub_history(hub),
        .report = report,
        .report_ctx = report_ctx,
    };
    member->machine = apr_psprintf(pool, "%s.%016" APR_UINT64_T_HEX_FMT, spec->machine,
                                   mrc_link_writer(member->link));
    member->machines.own = member->machine;
    mrc_redis_keys_make(pool, spec->prefix, spec->name, member->machine, &member->keys);
}

void mrc_member_report(const struct mrc_member *member, enum mrc_link_event event, const char *text,
                       uint64_t a, uint64_t b)
{
    const struct mrc_link_report report = {
        .event = event,
        .hub = mrc_hub_get_index(member->hub),
        .hubs = 1,
        .text = text,
        .a = a,
        .b = b,
    };

    member->report(member->report_ctx, &report);
}

/* ---- leading ----------------------------------------------------------------------------------*/

/* What the ring has. */
struct adopting {
    struct mrc_member *member;
    struct mrc_link_position last; /* of its last record that is in the log; number 0: none */
};

static bool note_record(void *ctx, const struct mrc_ring_record *record,
                        const struct mrc_update_origin *origin, size_t len)
{
    struct adopting *adopting = ctx;
    const struct mrc_member *member = adopting->member;

    if (!record->view.is_control && record->view.seq > member->position.since_seq &&
        !mrc_link_is_dead(member->link, record->view.seq)) {
        adopting->last.number = origin->number;
        adopting->last.token_writer = origin->writer;
        adopting->last.token_counter = origin->counter;
        adopting->last.token_time_us = record->view.time_us;
    }
    return mrc_seen_note(member->seen, origin->writer, origin->counter);
}

/*
 * A leader that died may have appended the next entry without noting that. If the engine loses that
 * entry, a place before it would not show the loss, and nobody would put the entry back.
 */
static void advance_to(struct mrc_member *member, const struct mrc_link_position *last)
{
    struct mrc_link_position *position = &member->position;

    if (!position->generation || last->number != position->number + 1)
        return;
    mrc_link_advance(member->link, last->number, last->token_writer, last->token_counter,
                     last->token_time_us);
    mrc_link_get_position(member->link, position);
}

static void drop_state(struct mrc_member *member)
{
    mrc_outbox_free(member->outbox);
    mrc_seen_free(member->seen);
    mrc_machines_free(&member->machines);
    member->outbox = NULL;
    member->seen = NULL;
}

/* Notes the last entry that was taken, which may not be in the ring: it lifted a revocation, or was
 * passed over. */
static bool note_last(const struct mrc_member *member)
{
    const struct mrc_link_position *position = &member->position;

    return !position->token_writer ||
           mrc_seen_note(member->seen, position->token_writer, position->token_counter);
}

/* Takes over what an earlier leader left in the segment. False: out of memory. */
static bool adopt(struct mrc_member *member)
{
    struct adopting adopting = {.member = member};

    mrc_link_get_position(member->link, &member->position);
    member->seen = mrc_seen_create();
    member->outbox = mrc_outbox_create(mrc_hub_segment_staging(mrc_hub_segment(member->hub)),
                                       member->link, member->spec->replicas > 0);
    if (!member->seen || !member->outbox || !note_last(member) ||
        !mrc_walk_all(member->ring, note_record, &adopting))
        return false;
    advance_to(member, &adopting.last);
    mrc_unsettled_begin(&member->unsettled, member->link, member->ring);
    member->server[0] = '\0';
    return mrc_outbox_adopt(member->outbox,
                            mrc_seen_get(member->seen, mrc_link_writer(member->link)));
}

static void wake_now(const struct mrc_member *member)
{
    const struct mrc_tags all = {.is_any = true};

    mrc_history_wake(member->history, &all);
}

bool mrc_member_lead(struct mrc_member *member)
{
    if (mrc_ring_is_superseded(member->ring) || !mrc_link_lead(member->link))
        return false;
    if (!adopt(member)) {
        drop_state(member);
        mrc_link_resign(member->link);
        return false;
    }
    member->state = MRC_MEMBER_LED;
    member->join_at_us = 0;
    member->has_tags = member->is_asking = member->is_full = member->is_stuck = false;
    member->asked = 0;
    member->old_beats = member->position.old_generation ? OLD_BEATS : 0;
    member->send_at_us = member->beat_at_us = member->due_us = 0;
    wake_now(member); /* the leader before this one may have appended orders and not done so */
    return true;
}

void mrc_member_resign(struct mrc_member *member)
{
    if (member->state == MRC_MEMBER_OUT)
        return;
    mrc_link_set_napping(member->link, false);
    drop_state(member);
    member->state = MRC_MEMBER_OUT;
    mrc_link_resign(member->link);
}

void mrc_member_lose(struct mrc_member *member)
{
    if (member->state == MRC_MEMBER_OUT)
        return;
    mrc_outbox_lost(member->outbox);
    member->state = MRC_MEMBER_LED;
    member->is_asking = false;
    member->asked = 0;
    member->due_us = 0;
}

/* ---- what joining finds -----------------------------------------------------------------------*/

static bool out_of_memory(struct mrc_engine_error *error)
{
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_error_set(&error->text, MRC_ENOMEM, "out of memory");
    return false;
}

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
    member->old_beats = OLD_BEATS;
    mrc_link_clear_fork(member->link); /* nothing is put back */
    begin_generation(member, join->generation, join->oldest - 1);
}

/* The next announcement wakes every child. */
static void wake_all(struct mrc_member *member)
{
    if (!member->has_tags)
        mrc_tags_clear(&member->tags);
    member->has_tags = member->tags.is_any = true;
}

void mrc_member_tell_gap(struct mrc_member *member, uint64_t missed)
{
    mrc_link_count(member->link, MRC_LINK_MISSED, missed);
    mrc_ring_forget(member->ring, apr_time_now(), RING_WAIT_US);
    mrc_link_note_gap(member->link);
    wake_all(member); /* to end their streams */
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
        return out_of_memory(error);
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
    wake_all(member); /* some streams may have to end */
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

/* ---- joining ----------------------------------------------------------------------------------*/

static void bounds_text(const struct mrc_member *member, char *out, size_t bytes)
{
    struct mrc_ring_bounds bounds;

    mrc_ring_get_bounds(member->ring, &bounds);
    if (bounds.off)
        snprintf(out, bytes, "off");
    else
        snprintf(out, bytes,
                 "count=%" APR_UINT64_T_FMT " bytes=%" APR_UINT64_T_FMT " age=%" APR_UINT64_T_FMT,
                 bounds.count, bounds.bytes, bounds.age_us / 1000000);
}

void mrc_member_fill_bounds(const struct mrc_member *member, struct mrc_redis_publish *publish)
{
    struct mrc_ring_bounds bounds;

    mrc_ring_get_bounds(member->ring, &bounds);
    publish->bound_count = bounds.off ? 1 : bounds.count;
    publish->bound_bytes = bounds.off ? 0 : bounds.bytes;
    publish->bound_age_us = bounds.off ? 0 : bounds.age_us;
    publish->least_count = LOG_COUNT_LEAST;
    publish->least_bytes = LOG_BYTES_LEAST;
}

static bool make_random(uint32_t *ret_generation, char key[2 * KEY_BYTES + 1])
{
    unsigned char random[KEY_BYTES];

    if (apr_generate_random_bytes((unsigned char *)ret_generation, sizeof(*ret_generation)) ||
        apr_generate_random_bytes(random, sizeof(random)))
        return false;
    *ret_generation |= 1; /* not 0 */
    for (int i = 0; i < KEY_BYTES; i++)
        snprintf(key + 2 * i, 3, "%02x", random[i]);
    return true;
}

static bool ask_to_join(struct mrc_member *member, struct mrc_redis *redis,
                        struct mrc_redis_join *ret_join, struct mrc_engine_error *error)
{
    char key[2 * KEY_BYTES + 1], known_key[MRC_LINK_KEY_BYTES], bounds[80];
    struct mrc_redis_join_args args = {
        .generation = member->position.generation,
        .number = member->position.number,
        .token = {.writer = member->position.token_writer,
                  .counter = member->position.token_counter,
                  .time_us = member->position.token_time_us},
        .writer = mrc_link_writer(member->link),
        .identity = member->spec->identity,
        .bounds = bounds,
        .fresh_key = key,
    };

    if (!make_random(&args.fresh_generation, key)) {
        error->reason = MRC_ENGINE_PROTOCOL;
        mrc_error_set(&error->text, MRC_EINVAL, "the system has no random bytes");
        return false;
    }
    /* If the log begins anew, the first machine gives it the key of positions that all have. */
    if (mrc_link_get_key(member->link, known_key) == 2 * KEY_BYTES)
        memcpy(key, known_key, 2 * KEY_BYTES);
    bounds_text(member, bounds, sizeof(bounds));
    if (!mrc_redis_join(redis, &member->keys, &args, ret_join, error))
        return false;
    if (ret_join->has_other_bounds && !member->has_reported_bounds) {
        member->has_reported_bounds = true;
        mrc_member_report(member, MRC_LINK_EVENT_BOUNDS, NULL, 0, 0);
    }
    return true;
}

static bool follow_verdict(struct mrc_member *member, struct mrc_redis *redis,
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
        return out_of_memory(error);
    return true;
}

/* Enters the COUNT members in TEXT, which end at ENDS. */
static bool enter_some(struct mrc_member *member, struct mrc_redis *redis,
                       const struct mrc_buf *text, const size_t *ends, size_t count,
                       struct mrc_engine_error *error)
{
    if (mrc_buf_error(text))
        return out_of_memory(error);
    if (count == 0)
        return true;
    mrc_registry_begin(redis, &member->keys, MRC_REGISTRY_SUBSCRIBE, count);
    for (size_t i = 0, at = 0; i < count; at = ends[i++])
        mrc_registry_add(redis, (struct mrc_bytes){text->ptr + at, ends[i] - at});
    return mrc_registry_end(redis, error);
}

typedef apr_status_t read_entry_fn(const struct mrc_roster *roster, uint32_t cell,
                                   struct mrc_roster_entry *entry);

/* Enters the subscriptions of ROSTER that READ_ENTRY finds. */
static bool enter_all(struct mrc_member *member, struct mrc_redis *redis,
                      const struct mrc_roster *roster, read_entry_fn *read_entry,
                      struct mrc_engine_error *error)
{
    struct mrc_roster_entry entry = {.type = 0};
    size_t ends[MRC_REGISTRY_PIECE];
    struct mrc_buf text;
    bool is_good = true;
    size_t n = 0;

    mrc_buf_init(&text, SIZE_MAX);
    for (uint32_t cell = 0; cell < mrc_roster_count(roster) && is_good; cell++) {
        apr_status_t status = read_entry(roster, cell, &entry);

        if (status == APR_ENOMEM)
            is_good = out_of_memory(error);
        if (status != APR_SUCCESS)
            continue;
        mrc_listed_add(&text, &entry);
        ends[n++] = text.len;
        if (n < MRC_REGISTRY_PIECE)
            continue;
        is_good = enter_some(member, redis, &text, ends, n, error);
        mrc_buf_reset(&text);
        n = 0;
    }
    is_good = is_good && enter_some(member, redis, &text, ends, n, error);
    mrc_buf_free(&text);
    mrc_roster_entry_free(&entry);
    return is_good;
}

/* The engine lists those subscriptions of ROSTER that READ_ENTRY finds, and no others. */
static bool enter_only(struct mrc_member *member, struct mrc_redis *redis,
                       const struct mrc_roster *roster, read_entry_fn *read_entry,
                       struct mrc_engine_error *error)
{
    mrc_registry_begin(redis, &member->keys, MRC_REGISTRY_FORGET, 0);
    return mrc_registry_end(redis, error) && enter_all(member, redis, roster, read_entry, error);
}

/*
 * After a loss, the engine may list too many or too few subscriptions of this machine. If others
 * have removed them, the next beat learns that (beat.c), and the active ones are announced again,
 * which the engine stores only if it does not list them. It lists the ended ones, so that it stores
 * their ends: the updates that say that they began may have been put back. The question comes last,
 * so that nothing that others have removed before is listed again unnoticed.
 */
static bool enter_again(struct mrc_member *member, struct mrc_redis *redis,
                        struct mrc_engine_error *error)
{
    const struct mrc_roster *roster = mrc_hub_roster(member->hub);
    bool is_removed = false;

    if (!roster || !(mrc_link_get_debts(member->link) & MRC_LINK_OWES_ENTRIES))
        return true;
    if (!enter_only(member, redis, roster, mrc_roster_read_told, error))
        return false;
    if (mrc_link_has_beaten(member->link) &&
        !mrc_registry_is_removed(redis, &member->keys, member->machine, &is_removed, error))
        return false;
    return !is_removed || enter_only(member, redis, roster, mrc_roster_read_ending, error);
}

/* An engine that is full answers everything else, so the hub goes on with it and still owes them.
 */
static bool try_to_enter(struct mrc_member *member, struct mrc_redis *redis,
                         struct mrc_engine_error *error)
{
    member->must_list = false;
    if (!enter_again(member, redis, error))
        return error->reason == MRC_ENGINE_FULL;
    mrc_link_set_debts(member->link, mrc_link_get_debts(member->link) & ~MRC_LINK_OWES_ENTRIES);
    return true;
}

/* Notes what is to be done, because the connection or this leader may end before that. */
static void note_debts(struct mrc_member *member, enum mrc_redis_verdict verdict)
{
    if (verdict != MRC_REDIS_SAME && verdict != MRC_REDIS_GAP)
        mrc_link_set_debts(member->link, mrc_link_get_debts(member->link) | MRC_LINK_OWES_ENTRIES);
}

typedef bool relay_fn(struct mrc_hub *hub, struct mrc_redis *redis,
                      const struct mrc_redis_keys *keys, bool was_full,
                      struct mrc_relay_found *ret_found, struct mrc_engine_error *error);

/* The list of revocations has no room for one of BYTES. */
static void note_lack(struct mrc_member *member, size_t bytes)
{
    if (!member->lacks_bytes)
        mrc_member_report(member, MRC_LINK_EVENT_REVOCATIONS, NULL, 0, 0);
    if (!member->lacks_bytes || bytes < member->lacks_bytes)
        member->lacks_bytes = bytes;
}

/* Takes the revocations of the engine with RELAY. */
static bool take_revocations(struct mrc_member *member, struct mrc_redis *redis, relay_fn *relay,
                             struct mrc_engine_error *error)
{
    struct mrc_relay_found found;
    bool is_good = relay(member->hub, redis, &member->keys, member->lacks_bytes > 0, &found, error);

    if (found.has_orders)
        wake_now(member); /* even after a failure: the orders are there */
    if (found.lacks_bytes)
        note_lack(member, found.lacks_bytes);
    if (is_good || found.lacks_bytes) /* otherwise it is not known */
        member->lacks_bytes = found.lacks_bytes;
    member->must_enter = found.is_refused;
    member->is_blocked = found.is_stuck;
    return is_good;
}

/* False: something has failed. What is done before is not done again. */
static bool settle_with(struct mrc_member *member, struct mrc_redis *redis,
                        const struct mrc_redis_join *join, struct mrc_engine_error *error)
{
    note_debts(member, join->verdict);
    if (!follow_verdict(member, redis, join, error) || !try_to_enter(member, redis, error) ||
        !take_revocations(member, redis, mrc_relay_join, error))
        return false;
    mrc_link_set_debts(member->link, mrc_link_get_debts(member->link) & ~MRC_LINK_OWES_ORDER);
    /* The number is from before the revocations were read. */
    member->revocations = join->revocations;
    member->must_read = false;
    return true;
}

/* The machine has room for the next entry, as far as is known. */
static void get_going(struct mrc_member *member)
{
    member->is_stuck = member->has_reported_stuck = false;
    mrc_link_set_state(member->link, MRC_LINK_UP, apr_time_now());
}

bool mrc_member_join(struct mrc_member *member, struct mrc_redis *redis, int64_t now_us,
                     struct mrc_engine_error *error)
{
    struct mrc_link_status before;
    struct mrc_redis_join join;

    member->is_blocked = false;
    mrc_link_get_status(member->link, &before);
    if (!ask_to_join(member, redis, &join, error) || !settle_with(member, redis, &join, error))
        return false;
    mrc_unsettled_join(&member->unsettled);
    snprintf(member->server, sizeof(member->server), "%s", mrc_redis_server(redis));
    mrc_link_set_key(member->link, join.key);
    mrc_link_set_newest(member->link, join.newest);
    if (before.state == MRC_LINK_DOWN && before.has_joined &&
        (join.verdict == MRC_REDIS_SAME || join.verdict == MRC_REDIS_LOST))
        mrc_link_note_back(member->link, apr_time_now());
    if (join.newest <= member->position.number)
        member->is_stuck = false; /* the entry is not there any more */
    if (!member->is_stuck)
        get_going(member);
    member->first_newest = join.newest;
    member->state = MRC_MEMBER_IN;
    member->has_reported_refusal = false;
    mrc_member_announce(member, now_us);
    return true;
}

bool mrc_member_must_read(const struct mrc_member *member)
{
    return member->state == MRC_MEMBER_IN && member->must_read;
}

bool mrc_member_read_revocations(struct mrc_member *member, struct mrc_redis *redis,
                                 struct mrc_engine_error *error)
{
    relay_fn *relay = member->must_enter ? mrc_relay_join : mrc_relay_read;

    if (!take_revocations(member, redis, relay, error))
        return false;
    member->must_read = false;
    return true;
}

bool mrc_member_owes_list(const struct mrc_member *member)
{
    return member->state == MRC_MEMBER_IN &&
           mrc_link_get_debts(member->link) & MRC_LINK_OWES_ENTRIES;
}

bool mrc_member_must_list(const struct mrc_member *member)
{
    return member->state == MRC_MEMBER_IN && member->must_list;
}

bool mrc_member_list(struct mrc_member *member, struct mrc_redis *redis,
                     struct mrc_engine_error *error)
{
    return try_to_enter(member, redis, error);
}

/* ---- entries ----------------------------------------------------------------------------------*/

static void skip(struct mrc_member *member, const struct mrc_entry *entry, const char *why)
{
    mrc_link_count(member->link, MRC_LINK_SKIPPED, 1);
    if (!member->has_reported_skip)
        mrc_member_report(member, MRC_LINK_EVENT_SKIPPED, why, entry->number, 0);
    member->has_reported_skip = true;
}

/* The machine has no room for an entry, or none now: it stays the next one. */
static bool get_stuck(struct mrc_member *member, apr_status_t status, const char *what,
                      struct mrc_engine_error *error)
{
    member->is_stuck = true;
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_status_set(&error->text, status, "%s: %s", what,
                   mrc_status_text(status) ? mrc_status_text(status) : "the lock is held");
    return false;
}

static struct mrc_update_origin origin_of(const struct mrc_entry *entry)
{
    return (struct mrc_update_origin){entry->number, entry->head.token.writer,
                                      entry->head.token.counter};
}

/* Appends RECORD, which ENTRY holds, to the ring. An entry that the ring cannot take is passed
 * over. */
static bool append(struct mrc_member *member, const struct mrc_entry *entry,
                   const struct mrc_record *record, struct mrc_engine_error *error)
{
    apr_status_t status;

    if (!member->has_tags)
        mrc_tags_clear(&member->tags);
    member->has_tags = true;
    status = mrc_history_mirror(member->history, record, apr_time_now(), &member->tags);
    if (status == MRC_STATUS_TOO_LARGE) {
        skip(member, entry, "it is larger than MercureLimit body= of this machine allows");
        return true;
    }
    return status == APR_SUCCESS ||
           get_stuck(member, status, "an update cannot be stored in the shared memory", error);
}

/* Decodes ENTRY into RECORD, without its origin. MRC_ENOMEM; others: it is not an update of this
 * program. */
static enum mrc_err read_update(const struct mrc_entry *entry, struct mrc_record *ret_record)
{
    struct mrc_record record = {.time_us = entry->head.token.time_us};
    struct mrc_update update;
    enum mrc_err err;
    unsigned flags;

    if (!mrc_entry_parse_blob(entry->blob, &flags, &record.id, &record.payload) ||
        (flags & ~MRC_ENTRY_AGAIN) != 0)
        return MRC_EINVAL;
    err = mrc_update_decode(record.id, record.payload, &update);
    if (err)
        return err;
    record.stored_bytes = mrc_update_stored_bytes(&update);
    mrc_update_clear(&update);
    *ret_record = record;
    return MRC_OK;
}

static const char cannot_order[] = "an order cannot be given to the children";

/* An earlier leader has appended an order, and may not have woken any child. */
static bool take_order_again(struct mrc_member *member, struct mrc_engine_error *error)
{
    apr_status_t status = mrc_relay_take_again(member->hub);

    wake_all(member);
    return status == APR_SUCCESS || get_stuck(member, status, cannot_order, error);
}

/* Carries out an order of an operator. */
static bool take_order(struct mrc_member *member, const struct mrc_entry *entry,
                       struct mrc_bytes order, struct mrc_engine_error *error)
{
    const struct mrc_update_origin origin = origin_of(entry);
    apr_status_t status = mrc_relay_take(member->hub, order, &origin, entry->head.token.time_us);

    wake_all(member);
    if (status == APR_EINVAL || status == MRC_STATUS_TOO_LARGE) {
        skip(member, entry, "a later version of this program wrote it");
        return true;
    }
    if (status == APR_ENOSPC)
        note_lack(member, order.len);
    return status == APR_SUCCESS || status == APR_ENOSPC ||
           get_stuck(member, status, cannot_order, error);
}

/* Whether ENTRY is an order, which is then in RET_ORDER. */
static bool is_order(const struct mrc_entry *entry, struct mrc_bytes *ret_order)
{
    struct mrc_bytes id;
    unsigned flags;

    return mrc_entry_parse_blob(entry->blob, &flags, &id, ret_order) &&
           (flags & ~MRC_ENTRY_AGAIN) == MRC_ENTRY_CONTROL;
}

/* Takes an entry of this program into the ring. */
static bool take_update(struct mrc_member *member, const struct mrc_entry *entry,
                        struct mrc_engine_error *error)
{
    const struct mrc_update_origin origin = origin_of(entry);
    struct mrc_record record;
    struct mrc_buf buf;
    enum mrc_err err = read_update(entry, &record);
    bool is_good = true;

    mrc_buf_init(&buf, SIZE_MAX);
    if (!err)
        err = mrc_update_add_origin(record.payload, &origin, &buf) ? MRC_OK : MRC_EINVAL;
    if (mrc_buf_error(&buf))
        err = mrc_buf_error(&buf);
    if (err == MRC_ENOMEM) {
        is_good = out_of_memory(error);
    } else if (err) {
        skip(member, entry, "another program, or another version of this one, wrote it");
    } else {
        record.payload = mrc_buf_bytes(&buf);
        is_good = append(member, entry, &record, error);
    }
    mrc_buf_free(&buf);
    return is_good;
}

/* ENTRY may stand at another place in the rings of other machines. */
static void note_fork(struct mrc_member *member, const struct mrc_entry *entry, bool is_known)
{
    const struct mrc_update_origin origin = origin_of(entry);

    mrc_unsettled_note(&member->unsettled, entry->fork, member->position.since_seq, &origin,
                       is_known);
}

bool mrc_member_take(struct mrc_member *member, const struct mrc_entry *entry, int64_t now_us,
                     struct mrc_engine_error *error)
{
    const struct mrc_entry_token *token = &entry->head.token;
    struct mrc_bytes order;
    bool is_known = entry->is_ours && token->counter <= mrc_seen_get(member->seen, token->writer);

    if (entry->generation != member->position.generation ||
        entry->number != member->position.number + 1) {
        error->reason = MRC_ENGINE_RESET;
        mrc_error_set(&error->text, MRC_EINVAL,
                      "the log does not go on after the last entry that was read");
        return false;
    }
    if (entry->has_fork)
        note_fork(member, entry, is_known);
    if (!entry->is_ours) {
        skip(member, entry, "another program wrote it");
    } else if (!is_known) {
        /* Room for the counter first: an update that is in the ring must be known. */
        if (!mrc_seen_note(member->seen, token->writer, 0))
            return out_of_memory(error);
        if (!(is_order(entry, &order) ? take_order(member, entry, order, error)
                                      : take_update(member, entry, error)))
            return false;
        mrc_seen_note(member->seen, token->writer, token->counter);
    } else if (is_order(entry, &order) && !take_order_again(member, error)) {
        return false;
    }
    if (member->is_stuck)
        get_going(member);
    member->position.number = entry->number;
    member->position.token_writer = token->writer;
    member->position.token_counter = token->counter;
    member->position.token_time_us = token->time_us;
    mrc_unsettled_came(&member->unsettled, token->writer, token->counter);
    mrc_link_advance(member->link, entry->number, token->writer, token->counter, token->time_us);
    if (member->due_us) /* the next one may take as long again */
        member->due_us = now_us + member->spec->engine.timeout_us;
    if (token->writer == mrc_link_writer(member->link))
        mrc_outbox_arrived(member->outbox, token->counter, now_us);
    return true;
}

void mrc_member_announce(struct mrc_member *member, int64_t now_us)
{
    uint64_t number = member->position.number;

    if (member->has_tags)
        mrc_history_wake(member->history, &member->tags);
    member->has_tags = false;
    mrc_outbox_reached(member->outbox, number, now_us);
    mrc_unsettled_reached(&member->unsettled, number);
    if (number >= member->first_newest)
        mrc_link_set_joined(member->link);
    if (member->due_us && number >= member->due_number)
        member->due_us = 0;
    if (member->asked && !member->is_asking && number >= member->asked_number) {
        mrc_link_answer(member->link, member->asked);
        member->asked = 0;
    }
    mrc_link_count(member->link, MRC_LINK_RESTORED, mrc_outbox_take_restored(member->outbox));
}
