#include "hub/presence/events.h"

#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "core/base/buf.h"
#include "core/protocol/subscription_doc.h"
#include "core/topic/matcher.h"
#include "hub/base/status.h"
#include "hub/hub/hub.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/regions/roster.h"
#include "store/ring/ring.h"

/* One entry, and its update if there is something to tell. */
struct piece {
    uint32_t id; /* in the roster */
    bool is_silent;
    char update_id[MRC_UPDATE_ID_BYTES];
    uint64_t stored_bytes;
    size_t at, len; /* its record in RECORDS */
};

struct mrc_presence_events {
    struct mrc_hub *hub;
    struct mrc_bytes *topics; /* of the update that is made; one for each path of the hub */
    struct mrc_buf text;      /* of its topics, then its document */
    struct mrc_buf record;    /* as the ring carries it */
    struct mrc_buf records;   /* of all */
    struct piece *pieces;
    size_t count, cap;
};

struct mrc_presence_events *mrc_presence_events_open(struct mrc_hub *hub)
{
    struct mrc_presence_events *news = calloc(1, sizeof(*news));

    if (!news)
        return NULL;
    news->hub = hub;
    mrc_buf_init(&news->text, SIZE_MAX);
    mrc_buf_init(&news->record, mrc_ring_largest(mrc_hub_ring(hub)));
    mrc_buf_init(&news->records, SIZE_MAX);
    news->topics = calloc(mrc_hub_get_policy(hub)->paths_count, sizeof(*news->topics));
    if (news->topics)
        return news;
    mrc_presence_events_close(news);
    return NULL;
}

void mrc_presence_events_close(struct mrc_presence_events *news)
{
    if (!news)
        return;
    mrc_buf_free(&news->text);
    mrc_buf_free(&news->record);
    mrc_buf_free(&news->records);
    free(news->topics);
    free(news->pieces);
    free(news);
}

bool mrc_presence_events_is_full(const struct mrc_presence_events *news)
{
    return news->count == MRC_PRESENCE_EVENTS_MAX ||
           mrc_buf_bytes(&news->records).len >= MRC_PRESENCE_EVENTS_BYTES_MAX;
}

size_t mrc_presence_events_count(const struct mrc_presence_events *news)
{
    return news->count;
}

uint32_t mrc_presence_events_id(const struct mrc_presence_events *news, size_t i)
{
    return news->pieces[i].id;
}

void mrc_presence_events_reset(struct mrc_presence_events *news)
{
    news->count = 0;
    mrc_buf_reset(&news->records);
}

void mrc_presence_events_describe(const struct mrc_roster_entry *entry, bool active,
                                  char text[MRC_UPDATE_ID_BYTES],
                                  struct mrc_subscription_doc *ret_doc)
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

/* ---- ids --------------------------------------------------------------------------------------*/

/*
 * The id of the update that tells the end of ENTRY follows from it, so that whoever has to tell it
 * for one that has died can see whether it has done so. No two entries of a subscriber listen to
 * the same, and no publisher can take the id beforehand.
 */
static void make_end_id(const struct mrc_presence_events *news,
                        const struct mrc_roster_entry *entry, char ret_id[MRC_UPDATE_ID_BYTES])
{
    const struct mrc_ring *ring = mrc_hub_ring(news->hub);
    uint64_t of[2], halves[2];
    unsigned char bytes[16];

    memcpy(of, entry->subscriber, sizeof(of));
    of[0] ^= entry->type;
    halves[0] = mrc_ring_secret_number(ring, of, entry->match);
    of[1] = ~of[1];
    halves[1] = mrc_ring_secret_number(ring, of, entry->match);
    memcpy(bytes, halves, sizeof(bytes));
    mrc_update_id_make(bytes, ret_id);
}

apr_status_t mrc_presence_events_find_end(const struct mrc_presence_events *news,
                                          const struct mrc_roster_entry *entry)
{
    char id[MRC_UPDATE_ID_BYTES];
    struct mrc_place unused;

    make_end_id(news, entry, id);
    return mrc_history_find(mrc_hub_history(news->hub), mrc_bytes_of(id), apr_time_now(), &unused);
}

/* ---- making -----------------------------------------------------------------------------------*/

/* Writes topics and document; the views are made when the text has its place. */
static apr_status_t write_text(struct mrc_presence_events *news,
                               const struct mrc_subscription_doc *doc, struct mrc_bytes *ret_data)
{
    const struct mrc_hub_policy *policy = mrc_hub_get_policy(news->hub);
    struct mrc_bytes all;
    size_t topics_len;

    mrc_buf_reset(&news->text);
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

/* Writes the record of the update; an event of protocol 0.x has no type: its clients listen for
 * messages. */
static apr_status_t write_record(struct mrc_presence_events *news, struct piece *piece,
                                 bool is_legacy, struct mrc_bytes data)
{
    const struct mrc_update update = {
        .topics = news->topics,
        .topics_count = mrc_hub_get_policy(news->hub)->paths_count,
        .data = data,
        .type = is_legacy ? (struct mrc_bytes){NULL, 0} : mrc_bytes_of(MRC_SUBSCRIPTION_DOC_EVENT),
        .id = {piece->update_id, MRC_UPDATE_ID_BYTES - 1},
        .is_private = true,
    };

    piece->stored_bytes = mrc_update_stored_bytes(&update);
    mrc_buf_reset(&news->record);
    mrc_update_encode(&update, &news->record);
    if (mrc_buf_error(&news->record))
        return mrc_status_of(mrc_buf_error(&news->record));
    if (mrc_buf_bytes(&news->record).len + update.id.len >
        mrc_ring_largest(mrc_hub_ring(news->hub)))
        return MRC_STATUS_TOO_LARGE;
    return APR_SUCCESS;
}

/* Room for one more piece, which is not counted yet; NULL: out of memory. */
static struct piece *next_piece(struct mrc_presence_events *news)
{
    size_t cap = news->cap ? news->cap * 2 : 1;
    struct piece *grown;

    if (news->count < news->cap)
        return &news->pieces[news->count];
    grown = realloc(news->pieces, cap * sizeof(*grown));
    if (!grown)
        return NULL;
    news->pieces = grown;
    news->cap = cap;
    return &grown[news->count];
}

apr_status_t mrc_presence_events_add(struct mrc_presence_events *news, uint32_t id,
                                     const struct mrc_roster_entry *entry, bool active)
{
    struct piece *piece = next_piece(news);
    struct mrc_subscription_doc doc;
    char text[MRC_UPDATE_ID_BYTES];
    struct mrc_bytes data;
    apr_status_t status;

    if (!piece)
        return APR_ENOMEM;
    mrc_presence_events_describe(entry, active, text, &doc);
    if (!active)
        make_end_id(news, entry, piece->update_id);
    status = active ? mrc_hub_make_id(news->hub, piece->update_id) : APR_SUCCESS;
    if (!status)
        status = write_text(news, &doc, &data);
    if (!status)
        status = write_record(news, piece, doc.ref.is_legacy, data);
    if (status)
        return status;
    piece->id = id;
    piece->is_silent = false;
    piece->at = mrc_buf_bytes(&news->records).len;
    piece->len = mrc_buf_bytes(&news->record).len;
    mrc_buf_add_bytes(&news->records, mrc_buf_bytes(&news->record));
    if (mrc_buf_error(&news->records))
        return APR_ENOMEM;
    news->count++;
    return APR_SUCCESS;
}

apr_status_t mrc_presence_events_add_silent(struct mrc_presence_events *news, uint32_t id)
{
    struct piece *piece = next_piece(news);

    if (!piece)
        return APR_ENOMEM;
    *piece = (struct piece){.id = id, .is_silent = true};
    news->count++;
    return APR_SUCCESS;
}

/* ---- telling ----------------------------------------------------------------------------------*/

static size_t collect(const struct mrc_presence_events *news, struct mrc_history_item *items)
{
    const char *records = mrc_buf_bytes(&news->records).ptr;
    size_t count = 0;

    for (size_t i = 0; i < news->count; i++) {
        const struct piece *piece = &news->pieces[i];

        if (!piece->is_silent)
            items[count++] = (struct mrc_history_item){
                .id = {piece->update_id, MRC_UPDATE_ID_BYTES - 1},
                .payload = {records + piece->at, piece->len},
                .stored_bytes = piece->stored_bytes,
            };
    }
    return count;
}

/* How many entries are done with once PUBLISHED of them are: those without an update in between,
 * too. */
static size_t count_done(const struct mrc_presence_events *news, size_t published)
{
    size_t i;

    for (i = 0; i < news->count; i++) {
        if (news->pieces[i].is_silent)
            continue;
        if (published-- == 0)
            break;
    }
    return i;
}

apr_status_t mrc_presence_events_tell(struct mrc_presence_events *news, size_t *ret_done)
{
    struct mrc_history_item *items;
    apr_status_t status = APR_SUCCESS;
    size_t published = 0;
    size_t count;

    *ret_done = 0;
    if (mrc_buf_error(&news->records))
        return APR_ENOMEM;
    if (news->count == 0)
        return APR_SUCCESS;
    items = calloc(news->count, sizeof(*items));
    if (!items)
        return APR_ENOMEM;
    count = collect(news, items);
    if (count)
        status = mrc_hub_publish_group(news->hub, items, count, apr_time_now(), &published);
    free(items);
    *ret_done = count_done(news, published);
    return status;
}
