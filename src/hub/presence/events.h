/*
 * Subscription events: private updates that announce the start or the end of a subscription
 * (draft-dunglas-mercure-08, "Active Subscriptions"). They are encoded one by one and published
 * together, because each separate publication may cost a commit to the disk.
 *
 *     struct mrc_presence_events    add, add, … until it is full
 *                                   publish; reset; add …
 *
 * It belongs to one thread at a time.
 */
#ifndef MRC_HUB_PRESENCE_EVENTS_H
#define MRC_HUB_PRESENCE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/protocol/update.h"

struct mrc_hub;
struct mrc_presence_events;
struct mrc_record;
struct mrc_roster_entry;
struct mrc_subscription_doc;

/* An announcement is full once it has this many entries, or its records have this many bytes. */
#define MRC_PRESENCE_EVENTS_MAX       1024
#define MRC_PRESENCE_EVENTS_BYTES_MAX ((size_t)1 << 20)

/* An empty announcement for HUB, which must outlive it. NULL: out of memory. */
struct mrc_presence_events *mrc_presence_events_open(struct mrc_hub *hub);

/* Accepts NULL. */
void mrc_presence_events_close(struct mrc_presence_events *events);

/*
 * Adds the event that ENTRY, whose number in the roster is ID, is active or no longer active.
 * EVENTS must not be full. On an error nothing is added. MRC_STATUS_TOO_LARGE: the event is larger
 * than the hub accepts. APR_ENOMEM, and errors of the system: try again.
 */
apr_status_t mrc_presence_events_add(struct mrc_presence_events *events, uint32_t id,
                                     const struct mrc_roster_entry *entry, bool active);

/*
 * Adds the event that a subscription has ended which an earlier server left. EVENTS must not be
 * full. RECORD is from mrc_history_read_left(). The event has the topics of the event of its
 * beginning, and no number in the roster. The errors are those of mrc_presence_events_add(), and
 * MRC_STATUS_CORRUPT or APR_EINVAL: RECORD is not a subscription event.
 */
apr_status_t mrc_presence_events_add_left(struct mrc_presence_events *events,
                                          const struct mrc_record *record);

/* Adds the number ID without an event. EVENTS must not be full. APR_ENOMEM. */
apr_status_t mrc_presence_events_add_silent(struct mrc_presence_events *events, uint32_t id);

/* Whether EVENTS must be published before another entry is added. */
bool mrc_presence_events_is_full(const struct mrc_presence_events *events);

/* The number of an event without an entry in the roster. */
#define MRC_PRESENCE_EVENTS_NO_ID UINT32_MAX

/* The number of entries that were added, and the number in the roster of entry I. */
size_t mrc_presence_events_count(const struct mrc_presence_events *events);
uint32_t mrc_presence_events_id(const struct mrc_presence_events *events, size_t i);

/* The record of entry I; its payload is empty if the entry has no event. A view, until the next
 * change. */
void mrc_presence_events_record(const struct mrc_presence_events *events, size_t i,
                                struct mrc_record *ret_record);

/*
 * Publishes the events in the order in which they were added. RET_DONE is always set: the first
 * RET_DONE entries are announced. Waits like mrc_hub_publish(), and has the same errors.
 */
apr_status_t mrc_presence_events_publish(struct mrc_presence_events *events, size_t *ret_done);

/* Makes EVENTS empty. */
void mrc_presence_events_reset(struct mrc_presence_events *events);

/* Looks in the history of the hub for the event that ENTRY has ended: APR_SUCCESS, APR_NOTFOUND, or
 * an error of the history. */
apr_status_t mrc_presence_events_find_end(const struct mrc_presence_events *events,
                                          const struct mrc_roster_entry *entry);

/*
 * Describes ENTRY as a document, one of protocol 0.x if its matcher is a MRC_MATCHER_TEMPLATE.
 * RET_DOC gets views of ENTRY, and of TEXT, which gets the id of the subscriber.
 */
void mrc_presence_events_describe(const struct mrc_roster_entry *entry, bool active,
                                  char text[MRC_UPDATE_ID_BYTES],
                                  struct mrc_subscription_doc *ret_doc);

#endif
