#include "hub/presence/events.h"

#include <stdlib.h>
#include <string.h>

#include "apr_time.h"

#include "core/base/buf.h"
#include "core/base/siphash.h"
#include "core/protocol/subscription_doc.h"
#include "core/topic/matcher.h"
#include "hub/base/status.h"
#include "hub/hub/hub.h"
#include "hub/transport/listed.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/regions/roster.h"
#include "store/ring/ring.h"

/* One subscription, and its event. */
struct item {
    uint32_t id;    /* in the roster */
    bool is_silent; /* it has no event */
    enum mrc_record_mark mark;
    struct mrc_record_subject subject;
    char update_id[MRC_UPDATE_ID_BYTES];
    uint64_t stored_bytes;
    size_t at, len;                     /* of its record in RECORDS */
    size_t operation_at, operation_len; /* of its operation in OPERATIONS */
};

struct mrc_presence_events {
    struct mrc_hub *hub;
    struct mrc_bytes *topics;  /* of the update that is encoded; one for each path of the hub */
    struct mrc_buf text;       /* its topics, if the hub makes them, then its document */
    struct mrc_buf record;     /* the update as the ring has it */
    struct mrc_buf records;    /* the records of all items */
    struct mrc_buf operations; /* with a transport: what the engine does with each */
    struct item *items;
    size_t count, cap;
};

struct mrc_presence_events *mrc_presence_events_open(struct mrc_hub *hub)
{
    struct mrc_presence_events *events = calloc(1, sizeof(*events));

    if (!events)
        return NULL;
    events->hub = hub;
    mrc_buf_init(&events->text, SIZE_MAX);
    mrc_buf_init(&events->record, mrc_ring_largest(mrc_hub_ring(hub)));
    mrc_buf_init(&events->records, SIZE_MAX);
    mrc_buf_init(&events->operations, SIZE_MAX);
    events->topics = calloc(mrc_hub_get_spec(hub)->paths_count, sizeof(*events->topics));
    if (events->topics)
        return events;
    mrc_presence_events_close(events);
    return NULL;
}

void mrc_presence_events_close(struct mrc_presence_events *events)
{
    if (!events)
        return;
    mrc_buf_free(&events->text);
    mrc_buf_free(&events->record);
    mrc_buf_free(&events->records);
    mrc_buf_free(&events->operations);
    free(events->topics);
    free(events->items);
    free(events);
}

bool mrc_presence_events_is_full(const struct mrc_presence_events *events)
{
    return events->count == MRC_PRESENCE_EVENTS_MAX ||
           mrc_buf_bytes(&events->records).len >= MRC_PRESENCE_EVENTS_BYTES_MAX;
}

size_t mrc_presence_events_count(const struct mrc_presence_events *events)
{
    return events->count;
}

uint32_t mrc_presence_events_id(const struct mrc_presence_events *events, size_t i)
{
    return events->items[i].id;
}

void mrc_presence_events_reset(struct mrc_presence_events *events)
{
    events->count = 0;
    mrc_buf_reset(&events->records);
    mrc_buf_reset(&events->operations);
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

/* The name of a subscription: its subscriber, and a hash of its matcher. No two entries of a
 * subscriber have the same matcher. The key of the hash is random, and made after the client has
 * named its matchers. */
static struct mrc_record_subject subject_of(const struct mrc_roster_entry *entry)
{
    struct mrc_record_subject subject;
    uint64_t key[2];

    memcpy(key, entry->subscriber, sizeof(key));
    memcpy(subject.word, key, sizeof(key));
    key[0] ^= entry->type;
    subject.word[2] = mrc_siphash(key, entry->match);
    return subject;
}

/*
 * The id of the event that SUBJECT has ended follows from SUBJECT. So a child that announces the
 * end in place of a dead one can see whether the dead one did. No publisher can guess the id,
 * because a secret of the ring goes into it.
 */
static void make_end_id(const struct mrc_presence_events *events,
                        const struct mrc_record_subject *subject, char ret_id[MRC_UPDATE_ID_BYTES])
{
    const struct mrc_ring *ring = mrc_hub_ring(events->hub);
    const struct mrc_bytes matcher = {(const char *)&subject->word[2], sizeof(subject->word[2])};
    uint64_t of[2] = {subject->word[0], subject->word[1]};
    uint64_t halves[2];
    unsigned char bytes[16];

    halves[0] = mrc_ring_secret_number(ring, of, matcher);
    of[1] = ~of[1];
    halves[1] = mrc_ring_secret_number(ring, of, matcher);
    memcpy(bytes, halves, sizeof(bytes));
    mrc_update_id_make(bytes, ret_id);
}

apr_status_t mrc_presence_events_find_end(const struct mrc_presence_events *events,
                                          const struct mrc_roster_entry *entry)
{
    const struct mrc_record_subject subject = subject_of(entry);
    char id[MRC_UPDATE_ID_BYTES];
    struct mrc_place unused;

    make_end_id(events, &subject, id);
    return mrc_history_find(mrc_hub_history(events->hub), mrc_bytes_of(id), apr_time_now(),
                            &unused);
}

/* ---- encoding ---------------------------------------------------------------------------------*/

/* Writes the topics and the document. Makes the views afterwards, when the text no longer moves. */
static apr_status_t write_text(struct mrc_presence_events *events,
                               const struct mrc_subscription_doc *doc, struct mrc_bytes *ret_data)
{
    const struct mrc_hub_spec *spec = mrc_hub_get_spec(events->hub);
    struct mrc_bytes all;
    size_t topics_len;

    mrc_buf_reset(&events->text);
    for (size_t i = 0; i < spec->paths_count; i++) {
        size_t before = mrc_buf_bytes(&events->text).len;

        mrc_subscription_doc_add_url(&events->text, spec->paths[i], &doc->ref);
        events->topics[i].len = mrc_buf_bytes(&events->text).len - before;
    }
    topics_len = mrc_buf_bytes(&events->text).len;
    mrc_subscription_doc_add(&events->text, spec->paths[0], doc);
    if (mrc_buf_error(&events->text))
        return APR_ENOMEM;
    all = mrc_buf_bytes(&events->text);
    for (size_t i = 0, at = 0; i < spec->paths_count; i++) {
        events->topics[i].ptr = all.ptr + at;
        at += events->topics[i].len;
    }
    *ret_data = (struct mrc_bytes){all.ptr + topics_len, all.len - topics_len};
    return APR_SUCCESS;
}

/* Writes the record of UPDATE, and checks that the hub carries it. */
static apr_status_t write_record(struct mrc_presence_events *events,
                                 const struct mrc_update *update)
{
    mrc_buf_reset(&events->record);
    mrc_update_encode(update, &events->record);
    if (mrc_buf_error(&events->record))
        return mrc_status_of(mrc_buf_error(&events->record));
    if (mrc_buf_bytes(&events->record).len + update->id.len >
        mrc_ring_largest(mrc_hub_ring(events->hub)))
        return MRC_STATUS_TOO_LARGE;
    return APR_SUCCESS;
}

/* Room for one more item, which is not counted yet; NULL: out of memory. */
static struct item *next_item(struct mrc_presence_events *events)
{
    size_t cap = events->cap ? events->cap * 2 : 1;
    struct item *grown;

    if (events->count < events->cap)
        return &events->items[events->count];
    grown = realloc(events->items, cap * sizeof(*grown));
    if (!grown)
        return NULL;
    events->items = grown;
    events->cap = cap;
    return &grown[events->count];
}

/* Counts ITEM, the next one, which has its mark, subject and id; UPDATE is its event. */
static apr_status_t add_item(struct mrc_presence_events *events, struct item *item,
                             struct mrc_update *update)
{
    apr_status_t status;

    update->id = (struct mrc_bytes){item->update_id, MRC_UPDATE_ID_BYTES - 1};
    status = write_record(events, update);
    if (status)
        return status;
    item->is_silent = false;
    item->stored_bytes = mrc_update_stored_bytes(update);
    item->at = mrc_buf_bytes(&events->records).len;
    item->len = mrc_buf_bytes(&events->record).len;
    mrc_buf_add_bytes(&events->records, mrc_buf_bytes(&events->record));
    if (mrc_buf_error(&events->records))
        return APR_ENOMEM;
    events->count++;
    return APR_SUCCESS;
}

/* Writes what the engine does when it appends the event of ENTRY, for ITEM. */
static void write_operation(struct mrc_presence_events *events, struct item *item,
                            const struct mrc_roster_entry *entry, bool active)
{
    item->operation_at = events->operations.len;
    if (mrc_hub_link(events->hub)) {
        mrc_buf_add_char(&events->operations, active ? '+' : '-');
        mrc_listed_add(&events->operations, entry);
    }
    item->operation_len = events->operations.len - item->operation_at;
}

apr_status_t mrc_presence_events_add(struct mrc_presence_events *events, uint32_t id,
                                     const struct mrc_roster_entry *entry, bool active)
{
    struct item *item = next_item(events);
    struct mrc_update update = {.topics = events->topics, .is_private = true};
    struct mrc_subscription_doc doc;
    char text[MRC_UPDATE_ID_BYTES];
    apr_status_t status;

    if (!item)
        return APR_ENOMEM;
    item->id = id;
    item->mark = active ? MRC_RECORD_BEGINS : MRC_RECORD_ENDS;
    item->subject = subject_of(entry);
    if (!active)
        make_end_id(events, &item->subject, item->update_id);
    mrc_presence_events_describe(entry, active, text, &doc);
    update.topics_count = mrc_hub_get_spec(events->hub)->paths_count;
    /* An event of protocol 0.x has no type, because its clients listen to messages without one. */
    if (!doc.ref.is_legacy)
        update.type = mrc_bytes_of(MRC_SUBSCRIPTION_DOC_EVENT);
    status = active ? mrc_hub_make_id(events->hub, item->update_id) : APR_SUCCESS;
    if (!status)
        status = write_text(events, &doc, &update.data);
    write_operation(events, item, entry, active);
    return status ? status : add_item(events, item, &update);
}

/* Adds UPDATE, which announced that SUBJECT is active, as the event that it has ended. */
static apr_status_t add_ended(struct mrc_presence_events *events,
                              const struct mrc_record_subject *subject, struct mrc_update *update)
{
    struct item *item = next_item(events);

    if (!item)
        return APR_ENOMEM;
    mrc_buf_reset(&events->text);
    if (!mrc_subscription_doc_add_ended(&events->text, update->data))
        return MRC_STATUS_CORRUPT;
    if (mrc_buf_error(&events->text))
        return APR_ENOMEM;
    update->data = mrc_buf_bytes(&events->text);
    item->id = MRC_PRESENCE_EVENTS_NO_ID;
    item->mark = MRC_RECORD_ENDS;
    item->subject = *subject;
    item->operation_at = item->operation_len = 0;
    make_end_id(events, subject, item->update_id);
    return add_item(events, item, update);
}

apr_status_t mrc_presence_events_add_left(struct mrc_presence_events *events,
                                          const struct mrc_record *record)
{
    struct mrc_update update;
    apr_status_t status =
        mrc_status_of(mrc_update_decode(mrc_bytes_of(""), record->payload, &update));

    if (status)
        return status;
    status = add_ended(events, &record->subject, &update);
    mrc_update_clear(&update);
    return status;
}

apr_status_t mrc_presence_events_add_silent(struct mrc_presence_events *events, uint32_t id)
{
    struct item *item = next_item(events);

    if (!item)
        return APR_ENOMEM;
    *item = (struct item){.id = id, .is_silent = true};
    events->count++;
    return APR_SUCCESS;
}

/* ---- publishing -------------------------------------------------------------------------------*/

void mrc_presence_events_record(const struct mrc_presence_events *events, size_t i,
                                struct mrc_record *ret_record)
{
    const struct item *item = &events->items[i];

    *ret_record = (struct mrc_record){.payload = {"", 0}};
    if (item->is_silent)
        return;
    *ret_record = (struct mrc_record){
        .id = {item->update_id, MRC_UPDATE_ID_BYTES - 1},
        .payload = {mrc_buf_bytes(&events->records).ptr + item->at, item->len},
        .stored_bytes = item->stored_bytes,
        .mark = item->mark,
        .subject = item->subject,
        .operation = {mrc_buf_bytes(&events->operations).ptr + item->operation_at,
                      item->operation_len},
    };
}

static size_t collect(const struct mrc_presence_events *events, struct mrc_record *records)
{
    size_t count = 0;

    for (size_t i = 0; i < events->count; i++) {
        if (!events->items[i].is_silent)
            mrc_presence_events_record(events, i, &records[count++]);
    }
    return count;
}

/* The number of entries that are announced once PUBLISHED events are published; entries without an
 * event in between count, too. */
static size_t count_done(const struct mrc_presence_events *events, size_t published)
{
    size_t i;

    for (i = 0; i < events->count; i++) {
        if (events->items[i].is_silent)
            continue;
        if (published-- == 0)
            break;
    }
    return i;
}

apr_status_t mrc_presence_events_publish(struct mrc_presence_events *events, size_t *ret_done)
{
    struct mrc_record *records;
    apr_status_t status = APR_SUCCESS;
    size_t published = 0;
    size_t count;

    *ret_done = 0;
    if (mrc_buf_error(&events->records) || mrc_buf_error(&events->operations))
        return APR_ENOMEM;
    if (events->count == 0)
        return APR_SUCCESS;
    records = calloc(events->count, sizeof(*records));
    if (!records)
        return APR_ENOMEM;
    count = collect(events, records);
    if (count)
        status = mrc_hub_publish_group(events->hub, records, count, apr_time_now(), &published);
    free(records);
    *ret_done = count_done(events, published);
    return status;
}
