/*
 * The replay of a subscriber: reads the updates that the subscriber has missed, page by page, and
 * hands out those that pass its filter.
 *
 *     pages of the hub --next record--> filter --chosen records of a page--> one shared event
 *
 * A replay exists while the subscriber has to read by itself, and is freed when the subscriber has
 * caught up: there are as many subscribers as streams, and few of them replay. It belongs to one
 * thread at a time.
 */
#ifndef MRC_HUB_SUBSCRIBER_REPLAY_H
#define MRC_HUB_SUBSCRIBER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

struct mrc_event;
struct mrc_filter;
struct mrc_hub;
struct mrc_pages;
struct mrc_place;
struct mrc_replay;

/*
 * Makes a replay that reads with PAGES (NULL: with its own pages, and it may wait for the disk).
 * Records of the ring from position LIVE_FROM on were published after the subscriber was opened.
 * NULL: out of memory.
 */
struct mrc_replay *mrc_replay_create(struct mrc_hub *hub, struct mrc_pages *pages,
                                     uint64_t live_from);

/* Accepts NULL. */
void mrc_replay_free(struct mrc_replay *replay);

/* Makes it read with PAGES, which must outlive it. Call it before the first read. */
void mrc_replay_read_with(struct mrc_replay *replay, struct mrc_pages *pages);

/* Makes it ask CHECK(CTX) after each page that it has read; false: it ends there, with
 * MRC_STATUS_OVERRUN. */
typedef bool mrc_replay_check_fn(void *ctx);
void mrc_replay_set_check(struct mrc_replay *replay, mrc_replay_check_fn *check, void *ctx);

/* The position LIVE_FROM of mrc_replay_create(). */
uint64_t mrc_replay_get_live_from(const struct mrc_replay *replay);

/* Sets the id of the event before its beginning (cursor.h). The replay takes over ID. */
void mrc_replay_set_last_event_id(struct mrc_replay *replay, char *id);

/* Returns that id; { NULL, 0 }: none was set. */
struct mrc_bytes mrc_replay_get_last_event_id(const struct mrc_replay *replay);

/* Receives one event, and may keep a reference to it. An error ends the replay. */
typedef apr_status_t mrc_replay_give_fn(void *ctx, struct mrc_event *event);

/*
 * Calls GIVE(CTX) with the events after PLACE that pass FILTER, and moves PLACE on; see
 * mrc_subscriber_take() for the limits and for the statuses.
 */
apr_status_t mrc_replay_take(struct mrc_replay *replay, const struct mrc_filter *filter,
                             struct mrc_place *place, size_t max_bytes, mrc_replay_give_fn *give,
                             void *ctx);

/* Whether the page that it waits for is still being read. */
bool mrc_replay_is_reading(const struct mrc_replay *replay);

/* Gives up the page that it waits for. The next mrc_replay_take() asks for the page again. */
void mrc_replay_give_back(struct mrc_replay *replay);

/*
 * Counts the dispatch time of the updates that the last mrc_replay_take() gave and that were
 * published after the subscriber was opened. They are written at NOW_US since 1970; the oldest of
 * them counts for all.
 */
void mrc_replay_count_written(struct mrc_replay *replay, int64_t now_us);

#endif
