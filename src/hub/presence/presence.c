#include "hub/presence/presence.h"

#include <stdlib.h>
#include <string.h>

#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "hub/hub/hub.h"
#include "hub/presence/events.h"
#include "hub/presence/queue.h"
#include "store/base/status.h"
#include "store/regions/roster.h"

/* ---- beginning --------------------------------------------------------------------------------*/

/* What is to be entered, before it is. */
struct request {
    struct mrc_roster_entry *entries;
    size_t count;
    uint64_t cells; /* of all of them */
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

/* Lets the entries from FIRST on go, of which nobody has been told. */
static void forget(struct mrc_presence *presence, size_t first)
{
    for (size_t i = first; i < presence->count; i++)
        mrc_roster_release(mrc_hub_roster(presence->hub), presence->id[i]);
    presence->count = first;
}

static apr_status_t enter(struct mrc_presence *presence, const struct request *request)
{
    bool is_small = request->cells <= MRC_ROSTER_OWN_CELLS;

    for (size_t i = 0; i < request->count; i++) {
        apr_status_t status =
            mrc_roster_add(mrc_hub_roster(presence->hub), mrc_hub_get_slot(presence->hub),
                           &request->entries[i], is_small, &presence->id[i]);

        if (status != APR_SUCCESS) {
            forget(presence, 0);
            return status;
        }
        presence->count = i + 1;
    }
    return APR_SUCCESS;
}

/* Lists and tells the entries from *FIRST on, as many as are told together, and moves *FIRST behind
 * those that have been told. */
static apr_status_t tell_some(struct mrc_presence *presence, const struct request *request,
                              struct mrc_presence_events *news, size_t *first)
{
    apr_status_t status = APR_SUCCESS;
    apr_status_t told;
    size_t done;

    mrc_presence_events_reset(news);
    for (size_t i = *first; i < request->count && !mrc_presence_events_is_full(news) && !status;
         i++) {
        status = mrc_presence_events_add(news, presence->id[i], &request->entries[i], true);
        if (!status)
            mrc_roster_activate(mrc_hub_roster(presence->hub), presence->id[i]);
    }
    told = mrc_presence_events_tell(news, &done);
    *first += done;
    return told ? told : status;
}

static apr_status_t tell_beginning(struct mrc_presence *presence, const struct request *request)
{
    struct mrc_presence_events *news = mrc_presence_events_open(presence->hub);
    apr_status_t status = news ? APR_SUCCESS : APR_ENOMEM;
    size_t told = 0;

    while (told < request->count && !status)
        status = tell_some(presence, request, news, &told);
    mrc_presence_events_close(news);
    if (status)
        forget(presence, told);
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
    status = enter(presence, request);
    if (status == APR_SUCCESS)
        status = tell_beginning(presence, request);
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

/* ---- ending -----------------------------------------------------------------------------------*/

void mrc_presence_end(struct mrc_presence *presence)
{
    if (!presence)
        return;
    for (size_t i = 0; i < presence->count; i++)
        mrc_roster_end(mrc_hub_roster(presence->hub), presence->id[i]);
    mrc_presence_queue_post(mrc_hub_get_presence_queue(presence->hub), presence);
}

/*
 * Adds the end of the entry ID to NEWS; one that is broken, or that the hub cannot carry, has none
 * to be told. Nor has an orphan whose child has died between telling it and letting it go.
 */
static apr_status_t add_end(struct mrc_presence_events *news, const struct mrc_roster *roster,
                            uint32_t id, bool is_orphan)
{
    struct mrc_roster_entry entry = {.type = 0};
    apr_status_t status = mrc_roster_read_ending(roster, id, &entry);
    bool is_told =
        !status && is_orphan && mrc_presence_events_find_end(news, &entry) == APR_SUCCESS;

    if (status == APR_SUCCESS && !is_told)
        status = mrc_presence_events_add(news, id, &entry, false);
    mrc_roster_entry_free(&entry);
    if (is_told || status == APR_NOTFOUND || status == MRC_STATUS_TOO_LARGE)
        status = mrc_presence_events_add_silent(news, id);
    return status;
}

/* Tells NEWS, and lets the entries go whose end is told. */
static apr_status_t tell_ends(struct mrc_presence_events *news, struct mrc_roster *roster,
                              size_t *ret_done)
{
    apr_status_t status = mrc_presence_events_tell(news, ret_done);

    for (size_t i = 0; i < *ret_done; i++)
        mrc_roster_release(roster, mrc_presence_events_id(news, i));
    return status;
}

static struct mrc_presence *first_of(const struct mrc_list *list)
{
    return (struct mrc_presence *)list->first;
}

/* Frees what is told completely, from the first of LIST on, now that COUNT entries more are. */
static void drop_told(struct mrc_list *list, size_t count)
{
    while (list->first && count >= first_of(list)->count - first_of(list)->announced) {
        count -= first_of(list)->count - first_of(list)->announced;
        free(mrc_list_take(list));
    }
    if (list->first)
        first_of(list)->announced += count;
}

static apr_status_t tell_some_ends(struct mrc_presence_events *news, struct mrc_roster *roster,
                                   struct mrc_list *list)
{
    apr_status_t status = APR_SUCCESS;
    apr_status_t told;
    size_t done;

    mrc_presence_events_reset(news);
    for (const struct mrc_link *link = list->first; link; link = link->next) {
        const struct mrc_presence *presence = (const struct mrc_presence *)link;

        for (size_t i = presence->announced; i < presence->count; i++) {
            if (mrc_presence_events_is_full(news) || status)
                goto leave;
            status = add_end(news, roster, presence->id[i], false);
        }
    }
leave:
    told = tell_ends(news, roster, &done);
    drop_told(list, done);
    return told ? told : status;
}

apr_status_t mrc_presence_announce_ends(struct mrc_list *list)
{
    struct mrc_hub *hub = first_of(list)->hub;
    struct mrc_presence_events *news = mrc_presence_events_open(hub);
    apr_status_t status = news ? APR_SUCCESS : APR_ENOMEM;

    while (list->first && !status)
        status = tell_some_ends(news, mrc_hub_roster(hub), list);
    mrc_presence_events_close(news);
    return status;
}

/* Adopts orphans from *CURSOR on, as many as are told together, and tells their end; *CURSOR moves
 * on. RET_MORE: there may be more of them. */
static apr_status_t tell_some_orphans(struct mrc_hub *hub, struct mrc_presence_events *news,
                                      uint32_t *cursor, bool *ret_more)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    apr_status_t status = APR_SUCCESS;
    apr_status_t told;
    size_t done;
    uint32_t id;

    mrc_presence_events_reset(news);
    while (!mrc_presence_events_is_full(news) && !status &&
           mrc_roster_adopt(roster, mrc_hub_get_slot(hub), cursor, &id)) {
        status = add_end(news, roster, id, true);
        if (status)
            mrc_roster_disown(roster, id);
    }
    *ret_more = mrc_presence_events_is_full(news);
    told = tell_ends(news, roster, &done);
    for (size_t i = done; i < mrc_presence_events_count(news); i++)
        mrc_roster_disown(roster, mrc_presence_events_id(news, i));
    return told ? told : status;
}

apr_status_t mrc_presence_announce_orphans(struct mrc_hub *hub)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_presence_events *news;
    apr_status_t status = APR_SUCCESS;
    uint32_t cursor = 0;
    bool more = true;

    if (!roster || !mrc_roster_has_orphans(roster))
        return APR_SUCCESS;
    news = mrc_presence_events_open(hub);
    if (!news)
        return APR_ENOMEM;
    if (mrc_roster_take_orphans(roster)) {
        while (more && !status)
            status = tell_some_orphans(hub, news, &cursor, &more);
    }
    mrc_presence_events_close(news);
    return status;
}
