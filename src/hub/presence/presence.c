#include "hub/presence/presence.h"

#include <stdlib.h>
#include <string.h>

#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "hub/hub/hub.h"
#include "hub/presence/events.h"
#include "hub/presence/left.h"
#include "hub/presence/queue.h"
#include "store/base/status.h"
#include "store/regions/roster.h"

/* ---- beginning --------------------------------------------------------------------------------*/

/* The entries of a subscriber before they are in the roster. */
struct request {
    struct mrc_roster_entry *entries;
    size_t count;
    uint64_t cells; /* of the roster, that all of them need */
};

static bool is_repeated(const struct request *request, const struct mrc_roster_entry *entry)
{
    for (size_t i = 0; i < request->count; i++) {
        if (request->entries[i].type == entry->type &&
            mrc_bytes_eq(request->entries[i].match, entry->match))
            return true;
    }
    return false;
}

static apr_status_t collect(struct request *request, const unsigned char subscriber[16],
                            struct mrc_matcher *const *matchers, size_t count,
                            const struct mrc_token *token)
{
    for (size_t i = 0; i < count; i++) {
        struct mrc_roster_entry entry = {
            .type = mrc_matcher_get_type(matchers[i]),
            .match = mrc_matcher_get_value(matchers[i]),
        };
        const char *payload;

        if (is_repeated(request, &entry))
            continue;
        payload = token ? mrc_grants_find_payload(mrc_token_get_grants(token), entry.match) : NULL;
        if (payload)
            entry.payload = mrc_bytes_of(payload);
        if (entry.match.len > MRC_ROSTER_MATCH_MAX || entry.payload.len > MRC_ROSTER_PAYLOAD_MAX)
            return MRC_STATUS_TOO_LARGE;
        memcpy(entry.subscriber, subscriber, sizeof(entry.subscriber));
        request->cells += mrc_roster_cells(entry.match.len, entry.payload.len);
        request->entries[request->count++] = entry;
    }
    return APR_SUCCESS;
}

/* Removes the entries from FIRST on, which were not announced. */
static void remove_from(struct mrc_presence *presence, size_t first)
{
    for (size_t i = first; i < presence->count; i++)
        mrc_roster_release(mrc_hub_roster(presence->hub), presence->id[i]);
    presence->count = first;
}

static apr_status_t add(struct mrc_presence *presence, const struct request *request)
{
    bool is_small = request->cells <= MRC_ROSTER_OWN_CELLS;

    for (size_t i = 0; i < request->count; i++) {
        apr_status_t status =
            mrc_roster_add(mrc_hub_roster(presence->hub), mrc_hub_get_slot(presence->hub),
                           &request->entries[i], is_small, &presence->id[i]);

        if (status != APR_SUCCESS) {
            remove_from(presence, 0);
            return status;
        }
        presence->count = i + 1;
    }
    return APR_SUCCESS;
}

/* Lists and announces the entries from *FIRST on, as many as fit into one announcement, and moves
 * *FIRST past those that are announced. */
static apr_status_t announce_some(struct mrc_presence *presence, const struct request *request,
                                  struct mrc_presence_events *events, size_t *first)
{
    apr_status_t status = APR_SUCCESS;
    apr_status_t published;
    size_t done;

    mrc_presence_events_reset(events);
    for (size_t i = *first; i < request->count && !mrc_presence_events_is_full(events) && !status;
         i++) {
        status = mrc_presence_events_add(events, presence->id[i], &request->entries[i], true);
        if (!status)
            mrc_roster_activate(mrc_hub_roster(presence->hub), presence->id[i]);
    }
    published = mrc_presence_events_publish(events, &done);
    *first += done;
    return published ? published : status;
}

/* Notes that the engine lists the entries of PRESENCE up to the one before END. */
static void note_told(const struct mrc_presence *presence, size_t end)
{
    for (size_t i = 0; i < end && mrc_hub_link(presence->hub); i++)
        mrc_roster_set_told(mrc_hub_roster(presence->hub), presence->id[i]);
}

/* Whether STATUS says that the engine could not be asked: the announcer announces the rest. */
static bool is_late(const struct mrc_presence *presence, apr_status_t status)
{
    return mrc_hub_link(presence->hub) && mrc_hub_get_presence_queue(presence->hub) &&
           (status == MRC_STATUS_UNREACHABLE || status == MRC_STATUS_UNCONFIRMED ||
            status == APR_TIMEUP);
}

/* Lists the entries of PRESENCE from FIRST on, and leaves their announcement to the announcer. */
static void leave_late(struct mrc_presence *presence, size_t first)
{
    for (size_t i = first; i < presence->count; i++)
        mrc_roster_activate(mrc_hub_roster(presence->hub), presence->id[i]);
    mrc_presence_queue_post_late(mrc_hub_get_presence_queue(presence->hub));
}

static apr_status_t announce_begin(struct mrc_presence *presence, const struct request *request)
{
    struct mrc_presence_events *events = mrc_presence_events_open(presence->hub);
    apr_status_t status = events ? APR_SUCCESS : APR_ENOMEM;
    size_t announced = 0;

    while (announced < request->count && !status)
        status = announce_some(presence, request, events, &announced);
    mrc_presence_events_close(events);
    note_told(presence, announced);
    if (is_late(presence, status)) {
        leave_late(presence, announced);
        status = APR_SUCCESS;
    }
    if (status)
        remove_from(presence, announced);
    return status;
}

static apr_status_t begin(struct mrc_hub *hub, const struct request *request,
                          struct mrc_presence **ret_presence)
{
    struct mrc_presence *presence =
        malloc(sizeof(*presence) + request->count * sizeof(presence->id[0]));
    apr_status_t status;

    if (!presence)
        return APR_ENOMEM;
    *presence = (struct mrc_presence){.hub = hub};
    status = add(presence, request);
    if (status == APR_SUCCESS)
        status = announce_begin(presence, request);
    if (status == APR_SUCCESS)
        *ret_presence = presence;
    else
        mrc_presence_end(presence);
    return status;
}

apr_status_t mrc_presence_begin(struct mrc_hub *hub, const unsigned char subscriber[16],
                                struct mrc_matcher *const *matchers, size_t count,
                                const struct mrc_token *token, struct mrc_presence **ret_presence)
{
    struct request request = {.count = 0};
    apr_status_t status;

    if (!mrc_hub_roster(hub)) {
        *ret_presence = NULL;
        return APR_SUCCESS;
    }
    request.entries = calloc(count, sizeof(*request.entries));
    if (!request.entries)
        return APR_ENOMEM;
    status = collect(&request, subscriber, matchers, count, token);
    if (status == APR_SUCCESS)
        status = begin(hub, &request, ret_presence);
    free(request.entries);
    return status;
}

/* ---- later ------------------------------------------------------------------------------------*/

/* Announces some entries of this child from the cell *CELL on that are not told, and moves *CELL
 * past them. */
static apr_status_t announce_some_late(struct mrc_hub *hub, struct mrc_presence_events *events,
                                       uint32_t *cell)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_roster_entry entry = {.type = 0};
    apr_status_t status = APR_SUCCESS, published;
    size_t done;

    mrc_presence_events_reset(events);
    for (; *cell < mrc_roster_count(roster) && !mrc_presence_events_is_full(events) && !status;
         ++*cell) {
        apr_status_t found = mrc_roster_read_untold(roster, mrc_hub_get_slot(hub), *cell, &entry);

        if (found == APR_SUCCESS)
            status = mrc_presence_events_add(events, *cell, &entry, true);
        else if (found != APR_NOTFOUND)
            status = found;
    }
    mrc_roster_entry_free(&entry);
    published = mrc_presence_events_publish(events, &done);
    for (size_t i = 0; i < done; i++)
        mrc_roster_set_told(roster, mrc_presence_events_id(events, i));
    return published ? published : status;
}

apr_status_t mrc_presence_announce_late(struct mrc_hub *hub)
{
    const struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_presence_events *events;
    apr_status_t status = APR_SUCCESS;
    uint32_t cell = 0;

    if (!roster || !mrc_hub_link(hub))
        return APR_SUCCESS;
    if (!mrc_hub_transport_is_up(hub))
        return MRC_STATUS_UNREACHABLE;
    events = mrc_presence_events_open(hub);
    if (!events)
        return APR_ENOMEM;
    while (cell < mrc_roster_count(roster) && !status)
        status = announce_some_late(hub, events, &cell);
    mrc_presence_events_close(events);
    return status;
}

/* ---- ending -----------------------------------------------------------------------------------*/

/*
 * Adds the end of the entry ID to EVENTS. Adds no event if the entry is broken, or larger than the
 * hub accepts, or an orphan whose child announced its end before it died.
 */
static apr_status_t add_end(struct mrc_presence_events *events, const struct mrc_roster *roster,
                            uint32_t id, bool is_orphan)
{
    struct mrc_roster_entry entry = {.type = 0};
    apr_status_t status = mrc_roster_read_ending(roster, id, &entry);
    bool is_announced =
        !status && is_orphan && mrc_presence_events_find_end(events, &entry) == APR_SUCCESS;

    if (status == APR_SUCCESS && !is_announced)
        status = mrc_presence_events_add(events, id, &entry, false);
    mrc_roster_entry_free(&entry);
    if (is_announced || status == APR_NOTFOUND || status == MRC_STATUS_TOO_LARGE)
        status = mrc_presence_events_add_silent(events, id);
    return status;
}

/* Publishes EVENTS, and removes the entries whose end is announced. */
static apr_status_t publish_ends(struct mrc_presence_events *events, struct mrc_roster *roster,
                                 size_t *ret_done)
{
    apr_status_t status = mrc_presence_events_publish(events, ret_done);

    for (size_t i = 0; i < *ret_done; i++)
        mrc_roster_release(roster, mrc_presence_events_id(events, i));
    return status;
}

static struct mrc_presence *first_of(const struct mrc_list *list)
{
    return (struct mrc_presence *)list->first;
}

/* Notes that COUNT more entries are announced, from the first presence of LIST on, and frees the
 * presences that are announced completely. */
static void drop_announced(struct mrc_list *list, size_t count)
{
    while (list->first && count >= first_of(list)->count - first_of(list)->announced) {
        count -= first_of(list)->count - first_of(list)->announced;
        free(mrc_list_take(list));
    }
    if (list->first)
        first_of(list)->announced += count;
}

static apr_status_t announce_some_ends(struct mrc_presence_events *events,
                                       struct mrc_roster *roster, struct mrc_list *list)
{
    apr_status_t status = APR_SUCCESS;
    apr_status_t published;
    size_t done;

    mrc_presence_events_reset(events);
    for (const struct mrc_list_link *link = list->first; link; link = link->next) {
        const struct mrc_presence *presence = (const struct mrc_presence *)link;

        for (size_t i = presence->announced; i < presence->count; i++) {
            if (mrc_presence_events_is_full(events) || status)
                goto leave;
            status = add_end(events, roster, presence->id[i], false);
        }
    }
leave:
    published = publish_ends(events, roster, &done);
    drop_announced(list, done);
    return published ? published : status;
}

apr_status_t mrc_presence_announce_ends(struct mrc_list *list)
{
    struct mrc_hub *hub = first_of(list)->hub;
    struct mrc_presence_events *events = mrc_presence_events_open(hub);
    apr_status_t status = events ? APR_SUCCESS : APR_ENOMEM;

    while (list->first && !status)
        status = announce_some_ends(events, mrc_hub_roster(hub), list);
    mrc_presence_events_close(events);
    return status;
}

/* Announces the end of PRESENCE in this thread, once. */
static void announce_end(struct mrc_presence *presence)
{
    struct mrc_list list = {.first = NULL};

    mrc_list_append(&list, &presence->link);
    mrc_presence_announce_ends(&list);
    while (list.first)
        free(mrc_list_take(&list));
}

void mrc_presence_end(struct mrc_presence *presence)
{
    struct mrc_presence_queue *queue;

    if (!presence)
        return;
    for (size_t i = 0; i < presence->count; i++)
        mrc_roster_end(mrc_hub_roster(presence->hub), presence->id[i]);
    queue = mrc_hub_get_presence_queue(presence->hub);
    if (queue)
        mrc_presence_queue_post(queue, presence);
    else
        announce_end(presence);
}

/* Adopts orphans from *CURSOR on, as many as fit into one announcement, announces their ends, and
 * moves *CURSOR on. RET_MORE: there may be more. */
static apr_status_t announce_some_orphans(struct mrc_hub *hub, struct mrc_presence_events *events,
                                          uint32_t *cursor, bool *ret_more)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    apr_status_t status = APR_SUCCESS;
    apr_status_t published;
    size_t done;
    uint32_t id;

    mrc_presence_events_reset(events);
    while (!mrc_presence_events_is_full(events) && !status &&
           mrc_roster_adopt(roster, mrc_hub_get_slot(hub), cursor, &id)) {
        status = add_end(events, roster, id, true);
        if (status)
            mrc_roster_disown(roster, id);
    }
    *ret_more = mrc_presence_events_is_full(events);
    published = publish_ends(events, roster, &done);
    for (size_t i = done; i < mrc_presence_events_count(events); i++)
        mrc_roster_disown(roster, mrc_presence_events_id(events, i));
    return published ? published : status;
}

apr_status_t mrc_presence_announce_orphans(struct mrc_hub *hub)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_presence_events *events;
    apr_status_t status = APR_SUCCESS;
    uint32_t cursor = 0;
    bool more = true;

    if (!roster || !mrc_roster_has_orphans(roster))
        return APR_SUCCESS;
    events = mrc_presence_events_open(hub);
    if (!events)
        return APR_ENOMEM;
    if (mrc_roster_take_orphans(roster)) {
        while (more && !status)
            status = announce_some_orphans(hub, events, &cursor, &more);
        if (!status)
            status = mrc_presence_left_announce(hub, events);
        if (status)
            mrc_roster_expect_orphans(roster);
    }
    mrc_presence_events_close(events);
    return status;
}
