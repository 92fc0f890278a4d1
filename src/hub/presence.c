#include "hub/presence.h"

#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_time.h"

#include "core/buf.h"
#include "core/matcher.h"
#include "core/subscription_doc.h"
#include "core/token.h"
#include "hub/announcer.h"
#include "hub/hub.h"
#include "store/roster.h"
#include "store/status.h"

void mrc_presence_describe(const struct mrc_roster_entry *entry, bool active,
                           char text[MRC_UPDATE_ID_BYTES], struct mrc_subscription_doc *ret_doc)
{
    mrc_update_id_make(entry->subscriber, text);
    *ret_doc = (struct mrc_subscription_doc){
        .ref =
            {
                .is_legacy = entry->type == MRC_MATCHER_TEMPLATE,
                .variables = 3,
                .match_type =
                    mrc_bytes_of(mrc_matcher_type_name((enum mrc_matcher_type)entry->type)),
                .match = entry->match,
                .subscriber = mrc_bytes_of(text),
            },
        .payload = entry->payload,
        .active = active,
    };
}

/* ---- telling ----------------------------------------------------------------------------------*/

/* The bytes of one event while it is made. */
struct news {
    struct mrc_bytes *topics; /* one for each path of the hub */
    struct mrc_buf text;      /* of the topics, then the document */
};

/* Writes topics and document; the views are made when the text has its place. */
static apr_status_t write_news(struct news *news, const struct mrc_hub_policy *policy,
                               const struct mrc_subscription_doc *doc, struct mrc_bytes *ret_data)
{
    struct mrc_bytes all;
    size_t topics_len;

    for (size_t i = 0; i < policy->paths_count; i++) {
        size_t before = mrc_buf_bytes(&news->text).len;

        mrc_subscription_doc_add_url(&news->text, policy->paths[i], &doc->ref);
        news->topics[i].len = mrc_buf_bytes(&news->text).len - before;
    }
    topics_len = mrc_buf_bytes(&news->text).len;
    mrc_subscription_doc_add(&news->text, policy->paths[0], doc);
    if (mrc_buf_error(&news->text))
        return APR_ENOMEM;
    all = mrc_buf_bytes(&news->text);
    for (size_t i = 0, at = 0; i < policy->paths_count; i++) {
        news->topics[i].ptr = all.ptr + at;
        at += news->topics[i].len;
    }
    *ret_data = (struct mrc_bytes){all.ptr + topics_len, all.len - topics_len};
    return APR_SUCCESS;
}

/* An event of protocol 0.x has no type: its clients listen for messages. */
static apr_status_t publish(struct mrc_hub *hub, struct news *news, bool is_legacy,
                            struct mrc_bytes data)
{
    char id[MRC_UPDATE_ID_BYTES];
    const struct mrc_update update = {
        .topics = news->topics,
        .topics_count = mrc_hub_get_policy(hub)->paths_count,
        .data = data,
        .type = is_legacy ? (struct mrc_bytes){NULL, 0} : mrc_bytes_of(MRC_SUBSCRIPTION_DOC_EVENT),
        .id = {id, MRC_UPDATE_ID_BYTES - 1},
        .is_private = true,
    };
    apr_status_t status = mrc_hub_make_id(hub, id);

    if (status != APR_SUCCESS)
        return status;
    return mrc_hub_publish(hub, &update, apr_time_now());
}

/* Publishes that ENTRY is active, or not any more. */
static apr_status_t tell(struct mrc_hub *hub, const struct mrc_roster_entry *entry, bool active)
{
    const struct mrc_hub_policy *policy = mrc_hub_get_policy(hub);
    struct news news = {.topics = calloc(policy->paths_count, sizeof(*news.topics))};
    struct mrc_subscription_doc doc;
    char text[MRC_UPDATE_ID_BYTES];
    struct mrc_bytes data;
    apr_status_t status;

    if (!news.topics)
        return APR_ENOMEM;
    mrc_buf_init(&news.text, SIZE_MAX);
    mrc_presence_describe(entry, active, text, &doc);
    status = write_news(&news, policy, &doc, &data);
    if (status == APR_SUCCESS)
        status = publish(hub, &news, doc.ref.is_legacy, data);
    mrc_buf_free(&news.text);
    free(news.topics);
    return status;
}

/* Tells the end of the entry ID, which is this child's and ending, and lets it go. */
static apr_status_t tell_end_of(struct mrc_hub *hub, uint32_t id)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    struct mrc_roster_entry entry = {.type = 0};
    apr_status_t status = mrc_roster_read_ending(roster, id, &entry);

    if (status == APR_SUCCESS)
        status = tell(hub, &entry, false);
    else if (status == APR_NOTFOUND)
        status = APR_SUCCESS; /* broken, and so nobody's */
    mrc_roster_entry_free(&entry);
    if (status == APR_SUCCESS)
        mrc_roster_release(roster, id);
    return status;
}

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

static apr_status_t tell_beginning(struct mrc_presence *presence, const struct request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        apr_status_t status;

        mrc_roster_activate(mrc_hub_roster(presence->hub), presence->id[i]);
        status = tell(presence->hub, &request->entries[i], true);
        if (status != APR_SUCCESS) {
            forget(presence, i);
            return status;
        }
    }
    return APR_SUCCESS;
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
    mrc_announcer_post(mrc_hub_get_announcer(presence->hub), presence);
}

apr_status_t mrc_presence_tell_end(struct mrc_presence *presence)
{
    for (; presence->told < presence->count; presence->told++) {
        apr_status_t status = tell_end_of(presence->hub, presence->id[presence->told]);

        if (status != APR_SUCCESS)
            return status;
    }
    return APR_SUCCESS;
}

apr_status_t mrc_presence_tell_orphans(struct mrc_hub *hub)
{
    struct mrc_roster *roster = mrc_hub_roster(hub);
    uint32_t cursor = 0;
    uint32_t id;

    if (!roster || !mrc_roster_take_orphans(roster))
        return APR_SUCCESS;
    while (mrc_roster_adopt(roster, mrc_hub_get_slot(hub), &cursor, &id)) {
        apr_status_t status = tell_end_of(hub, id);

        if (status != APR_SUCCESS) {
            mrc_roster_disown(roster, id);
            return status;
        }
    }
    return APR_SUCCESS;
}
