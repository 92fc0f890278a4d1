/*
 * News: what is told of subscriptions that begin or end (draft-dunglas-mercure-08, "Active
 * Subscriptions"). Private updates, made one by one and published together, since each
 * publication of its own may cost a commit to the disk.
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
struct mrc_roster_entry;
struct mrc_subscription_doc;

/* What is told at once at most: so many entries, or, before the last of them, so many bytes. */
#define MRC_PRESENCE_EVENTS_MAX       1024
#define MRC_PRESENCE_EVENTS_BYTES_MAX ((size_t)1 << 20)

/* Nothing yet, for HUB, which must outlive it. NULL: out of memory. */
struct mrc_presence_events *mrc_presence_events_open(struct mrc_hub *hub);

/* Accepts NULL. */
void mrc_presence_events_close(struct mrc_presence_events *news);

/*
 * Adds that ENTRY, whose number in the roster is ID, is active or not any more.
 * MRC_STATUS_TOO_LARGE: the hub cannot carry what would be told; APR_ENOMEM, or errors of the
 * system: try again. Then nothing is added. Not if it is full.
 */
apr_status_t mrc_presence_events_add(struct mrc_presence_events *news, uint32_t id,
                                     const struct mrc_roster_entry *entry, bool active);

/*
 * Whether the end of ENTRY has been told, as far as the hub's history knows. APR_SUCCESS: it has;
 * APR_NOTFOUND; errors of the history.
 */
apr_status_t mrc_presence_events_find_end(const struct mrc_presence_events *news,
                                          const struct mrc_roster_entry *entry);

/* Adds the number ID, of which there is nothing to tell. APR_ENOMEM. Not if it is full. */
apr_status_t mrc_presence_events_add_silent(struct mrc_presence_events *news, uint32_t id);

bool mrc_presence_events_is_full(const struct mrc_presence_events *news);

/* How many were added; and the number in the roster of the one at I, from 0 on. */
size_t mrc_presence_events_count(const struct mrc_presence_events *news);
uint32_t mrc_presence_events_id(const struct mrc_presence_events *news, size_t i);

/*
 * Publishes what was added, in this order. RET_DONE: so many of them, from the first on, are told;
 * all if it succeeds. Errors are those of mrc_hub_publish(). Waits as any publisher does.
 */
apr_status_t mrc_presence_events_tell(struct mrc_presence_events *news, size_t *ret_done);

/* Forgets what was added: it is empty, and usable again. */
void mrc_presence_events_reset(struct mrc_presence_events *news);

/* ENTRY as a document, of protocol 0.x if its matcher is (MRC_MATCHER_TEMPLATE); DOC gets views
 * into ENTRY and TEXT, its subscriber's id. */
void mrc_presence_events_describe(const struct mrc_roster_entry *entry, bool active,
                                  char text[MRC_UPDATE_ID_BYTES],
                                  struct mrc_subscription_doc *ret_doc);

#endif
