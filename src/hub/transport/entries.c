#include "apr_time.h"

#include "core/base/buf.h"
#include "core/protocol/update.h"
#include "hub/hub/hub.h"
#include "hub/lineage/seen.h"
#include "hub/transport/member.h"
#include "hub/transport/relay.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/history/history.h"

void mrc_member_wake_all(struct mrc_member *member)
{
    if (!member->has_tags)
        mrc_tags_clear(&member->tags);
    member->has_tags = member->tags.is_any = true;
}

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

    mrc_member_wake_all(member);
    return status == APR_SUCCESS || get_stuck(member, status, cannot_order, error);
}

/* Carries out an order of an operator. */
static bool take_order(struct mrc_member *member, const struct mrc_entry *entry,
                       struct mrc_bytes order, struct mrc_engine_error *error)
{
    const struct mrc_update_origin origin = origin_of(entry);
    apr_status_t status = mrc_relay_take(member->hub, order, &origin, entry->head.token.time_us);

    mrc_member_wake_all(member);
    if (status == APR_EINVAL || status == MRC_STATUS_TOO_LARGE) {
        skip(member, entry, "a later version of this program wrote it");
        return true;
    }
    if (status == APR_ENOSPC)
        mrc_member_note_lack(member, order.len);
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
        is_good = mrc_member_out_of_memory(error);
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
            return mrc_member_out_of_memory(error);
        if (!(is_order(entry, &order) ? take_order(member, entry, order, error)
                                      : take_update(member, entry, error)))
            return false;
        mrc_seen_note(member->seen, token->writer, token->counter);
    } else if (is_order(entry, &order) && !take_order_again(member, error)) {
        return false;
    }
    if (member->is_stuck)
        mrc_member_get_going(member);
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
