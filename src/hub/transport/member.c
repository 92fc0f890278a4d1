#include "hub/transport/member.h"

#include <stdio.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "apr_time.h"

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/hub/hub.h"
#include "hub/lineage/seen.h"
#include "hub/lineage/walk.h"
#include "hub/transport/listed.h"
#include "hub/transport/relay.h"
#include "store/engine/registry.h"
#include "store/history/history.h"
#include "store/hub/segment.h"
#include "store/regions/roster.h"
#include "store/ring/ring.h"

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

bool mrc_member_out_of_memory(struct mrc_engine_error *error)
{
    error->reason = MRC_ENGINE_PROTOCOL;
    mrc_error_set(&error->text, MRC_ENOMEM, "out of memory");
    return false;
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
    member->old_beats = member->position.old_generation ? MRC_MEMBER_OLD_BEATS : 0;
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

/* Enters the COUNT members in TEXT, which end at ENDS. */
static bool enter_some(struct mrc_member *member, struct mrc_redis *redis,
                       const struct mrc_buf *text, const size_t *ends, size_t count,
                       struct mrc_engine_error *error)
{
    if (mrc_buf_error(text))
        return mrc_member_out_of_memory(error);
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
            is_good = mrc_member_out_of_memory(error);
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

void mrc_member_note_lack(struct mrc_member *member, size_t bytes)
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
        mrc_member_note_lack(member, found.lacks_bytes);
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
    if (!mrc_member_follow_verdict(member, redis, join, error) ||
        !try_to_enter(member, redis, error) ||
        !take_revocations(member, redis, mrc_relay_join, error))
        return false;
    mrc_link_set_debts(member->link, mrc_link_get_debts(member->link) & ~MRC_LINK_OWES_ORDER);
    /* The number is from before the revocations were read. */
    member->revocations = join->revocations;
    member->must_read = false;
    return true;
}

void mrc_member_get_going(struct mrc_member *member)
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
        mrc_member_get_going(member);
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
