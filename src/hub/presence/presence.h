/*
 * Presence: the active subscriptions of a hub. What each subscriber listens to is entered into the
 * hub's roster (store/regions/roster.h) and told to those who may read it, when it begins and when
 * it ends; draft-dunglas-mercure-08, "Active Subscriptions".
 *
 *     mrc_presence_begin      added -> listed -> told (active)         a thread of a worker
 *     mrc_presence_end        not listed any more                      any thread, the dispatcher's
 *     the announcer's thread  told (not active) -> gone                announcer.h
 *
 * Listed before it is told, and told of before it is gone: who reads the list and then follows the
 * events from the id that was the newest before, misses nothing. Telling is publishing, which may
 * wait; so whatever ends is told by the announcer.
 */
#ifndef MRC_HUB_PRESENCE_PRESENCE_H
#define MRC_HUB_PRESENCE_PRESENCE_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

struct mrc_hub;
struct mrc_list;
struct mrc_matcher;
struct mrc_presence;
struct mrc_token;

/*
 * Enters the COUNT matchers of the subscriber with the id SUBSCRIBER (16 random bytes), each with
 * the payload that TOKEN (NULL: anonymous) has for it, and tells that they are active. A matcher
 * that stands twice counts once. Waits for the ring's lock as any publisher does. RET_PRESENCE is
 * NULL if the hub keeps no roster.
 * APR_ENOSPC: the roster is full; MRC_STATUS_TOO_LARGE: a payload is too long;
 * MRC_STATUS_SUPERSEDED, APR_TIMEUP, APR_ENOMEM: it cannot be told. Then nothing stays entered, and
 * the end of what was told already will be.
 */
apr_status_t mrc_presence_begin(struct mrc_hub *hub, const unsigned char subscriber[16],
                                struct mrc_matcher *const *matchers, size_t count,
                                const struct mrc_token *token, struct mrc_presence **ret_presence);

/* They end: PRESENCE belongs to the announcer now. Never blocks. Accepts NULL. */
void mrc_presence_end(struct mrc_presence *presence);

/*
 * Announces the ends of the presences in LIST, which have ended and are of one hub, many at once,
 * and frees those that are announced. APR_SUCCESS: LIST is empty. Otherwise it has those that are
 * left: try again later, except after MRC_STATUS_SUPERSEDED: the hub has moved, and its new owner
 * announces what the roster lists. Only the announcer.
 */
apr_status_t mrc_presence_announce_ends(struct mrc_list *list);

/* Tells the end of what dead children have left in HUB, if there is any. Only the announcer. */
apr_status_t mrc_presence_announce_orphans(struct mrc_hub *hub);

#endif
