#include "hub/transport/beat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apr_time.h"

#include "hub/hub/hub.h"
#include "hub/hub/numbers.h"
#include "hub/transport/member.h"
#include "hub/transport/query.h"
#include "store/engine/registry.h"
#include "store/regions/revocations.h"
#include "store/regions/roster.h"

/*
 * The longest time between two beats: what a machine knows about the others' subscribers is no
 * older.
 */
#define BEAT_MAX_US ((int64_t)3 * 1000 * 1000)

void mrc_beat_begin(struct mrc_member *member, int64_t now_us)
{
    member->beat_at_us = now_us;
    member->has_dead = false;
    mrc_machines_forgive(&member->machines, now_us);
}

/* ---- beats ------------------------------------------------------------------------------------*/

bool mrc_beat_send(struct mrc_member *member, struct mrc_redis *redis, int64_t now_us)
{
    int64_t between_us = member->spec->lease_us / 5;
    char value[MRC_MACHINES_TEXT_BYTES];

    if (now_us < member->beat_at_us)
        return false;
    member->beat_at_us = now_us + (between_us < BEAT_MAX_US ? between_us : BEAT_MAX_US);
    snprintf(value, sizeof(value), "%" PRIu64 " %016" PRIx64 " %" PRIu64 " %" PRIu64 " 1",
             ++member->beats, mrc_link_writer(member->link), member->position.number,
             mrc_numbers_gauge(mrc_hub_numbers(member->hub), MRC_GAUGE_SUBSCRIBERS));
    mrc_redis_beat_add(redis, &member->keys, member->position.generation, member->machine, value,
                       member->position.old_generation, mrc_link_has_beaten(member->link));
    return true;
}

/* After a reset, a machine that had read less than another may have missed something. */
static void compare_old(struct mrc_member *member, uint64_t old_number, int64_t now_us)
{
    struct mrc_link_position *position = &member->position;

    if (!position->old_generation || member->old_beats-- > 1)
        return;
    if (old_number > position->old_number) {
        mrc_member_tell_gap(member, old_number - position->old_number);
        mrc_member_announce(member, now_us);
    }
    position->old_generation = 0;
    mrc_link_set_position(member->link, position);
}

/* Other machines have declared this one dead: for them, its subscriptions begin again. */
static void come_back(struct mrc_member *member, int64_t now_us)
{
    struct mrc_roster *roster = mrc_hub_roster(member->hub);

    if (roster)
        mrc_roster_untell(roster);
    mrc_link_note_reaped(member->link);
    member->beat_at_us = now_us; /* the next one enters the machine again */
    mrc_member_report(member, MRC_LINK_EVENT_REAPED, NULL, 0, 0);
}

struct seeing {
    struct mrc_member *member;
    int64_t now_us;
};

static void see(void *ctx, struct mrc_bytes machine, struct mrc_bytes value)
{
    const struct seeing *seeing = ctx;

    mrc_machines_see(&seeing->member->machines, machine, value, seeing->now_us);
}

static void look_at_machines(struct mrc_member *member, int64_t now_us)
{
    int64_t lease_us = member->spec->lease_us;
    const struct mrc_machine *dead;

    mrc_link_set_machines(member->link, mrc_machines_end(&member->machines, lease_us, now_us));
    mrc_link_set_others(member->link,
                        mrc_machines_subscribers(&member->machines, lease_us, now_us));
    dead = mrc_machines_find_dead(&member->machines, lease_us, now_us);
    member->has_dead = dead != NULL;
    if (!dead)
        return;
    snprintf(member->dead.machine, sizeof(member->dead.machine), "%s", dead->name);
    snprintf(member->dead.value, sizeof(member->dead.value), "%s", dead->value);
}

/* Whether the list of revocations lacks one that now has room. */
static bool has_room_now(const struct mrc_member *member)
{
    return member->lacks_bytes && mrc_revocations_fits(mrc_hub_revocations(member->hub),
                                                       member->lacks_bytes, apr_time_now());
}

bool mrc_beat_take(struct mrc_member *member, const struct redisReply *reply, int64_t now_us,
                   struct mrc_engine_error *error)
{
    struct seeing seeing = {member, now_us};
    struct mrc_redis_beat beat;

    mrc_machines_begin(&member->machines);
    member->must_list = mrc_member_owes_list(member);
    if (!mrc_redis_beat_reply(reply, &beat, see, &seeing, error)) {
        if (error->reason != MRC_ENGINE_FULL)
            return false;
        /* The server answers everything else, but none of the others can beat either. Before, they
         * may have entered revocations again. */
        mrc_machines_forgive(&member->machines, now_us);
        member->must_read = true;
        return true;
    }
    if (beat.revocations != member->revocations || member->must_enter || has_room_now(member))
        member->must_read = true;
    member->revocations = beat.revocations;
    look_at_machines(member, now_us);
    /* This comes first: if the leader dies in between, the next one learns it again. */
    if (beat.is_removed)
        come_back(member, now_us);
    mrc_link_set_beaten(member->link, !beat.is_removed);
    mrc_link_set_newest(member->link, beat.newest);
    mrc_unsettled_take_newest(&member->unsettled, beat.newest);
    mrc_unsettled_reached(&member->unsettled, member->position.number);
    compare_old(member, beat.old_number, now_us);
    if (!member->due_us && beat.newest > member->position.number) {
        member->due_number = beat.newest;
        member->due_us = now_us + member->spec->engine.timeout_us;
    }
    return true;
}

/* ---- the dead ---------------------------------------------------------------------------------*/

bool mrc_beat_send_reap(struct mrc_member *member, struct mrc_redis *redis)
{
    const struct mrc_registry_reap reap = {
        .generation = member->position.generation,
        .machine = member->dead.machine,
        .value = member->dead.value,
        .writer = mrc_link_writer(member->link), /* of no entry: there are no ends */
    };

    if (!member->has_dead)
        return false;
    member->has_dead = false;
    mrc_registry_reap_add(redis, &member->keys, &reap);
    return true;
}

static void report_death(struct mrc_member *member)
{
    if (!strcmp(member->reported_dead, member->dead.machine))
        return;
    memcpy(member->reported_dead, member->dead.machine, sizeof(member->reported_dead));
    mrc_member_report(member, MRC_LINK_EVENT_DIED, member->dead.machine, 0, 0);
}

bool mrc_beat_take_reap(struct mrc_member *member, const struct redisReply *reply,
                        struct mrc_engine_error *error)
{
    struct mrc_query *query = mrc_hub_get_query(member->hub);
    int64_t left;

    if (!mrc_registry_reap_reply(reply, &left, error))
        return error->reason == MRC_ENGINE_FULL;
    if (left >= 0)
        report_death(member);
    if (left > 0 && query && mrc_hub_roster(member->hub))
        mrc_query_post_dead(query, member->dead.machine, member->dead.value);
    else if (left > 0) /* no ends are announced here, and another one may be dead, too */
        mrc_machines_leave(&member->machines, member->dead.machine);
    return true;
}
