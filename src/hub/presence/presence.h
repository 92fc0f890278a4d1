/*
 * Presence: the active subscriptions of a hub. Each matcher of a subscriber gets an entry in the
 * hub's roster (store/regions/roster.h), and its start and its end are announced to the clients
 * whose tokens allow it (draft-dunglas-mercure-08, "Active Subscriptions").
 *
 *     entry in the roster         done by                   thread
 *
 *     added, then listed,         mrc_presence_begin()      of the request
 *     then announced as active
 *     not listed any more         mrc_presence_end()        any, even a dispatcher's
 *     announced as ended,         the announcer             its own (announcer.h)
 *     then removed
 *
 * A subscription is listed before it is announced, and its end is announced before it is removed.
 * So a client misses nothing if it reads the list and then follows the events from the id that was
 * the newest before that. To announce is to publish, which may wait, so the announcer announces the
 * ends.
 */
#ifndef MRC_HUB_PRESENCE_PRESENCE_H
#define MRC_HUB_PRESENCE_PRESENCE_H

#include <stddef.h>

#include "apr_errno.h"

struct mrc_hub;
struct mrc_list;
struct mrc_matcher;
struct mrc_presence;
struct mrc_token;

/*
 * Lists and announces the COUNT matchers of the subscriber with the id SUBSCRIBER (16 random
 * bytes), each with the payload that TOKEN (NULL: anonymous) has for it. A duplicate matcher counts
 * once. Waits for the ring's lock as any publisher does. RET_PRESENCE is NULL if the hub has no
 * roster.
 *
 * With a transport, the subscription begins even if the engine cannot be reached; the announcer
 * announces it later.
 *
 * APR_ENOSPC: the roster is full. MRC_STATUS_TOO_LARGE: a matcher or a payload is too long.
 * MRC_STATUS_SUPERSEDED, APR_TIMEUP, APR_ENOMEM: it cannot be announced. On an error nothing stays
 * listed, and the ends of entries that were announced already will be announced.
 */
apr_status_t mrc_presence_begin(struct mrc_hub *hub, const unsigned char subscriber[16],
                                struct mrc_matcher *const *matchers, size_t count,
                                const struct mrc_token *token, struct mrc_presence **ret_presence);

/* Takes the subscriptions off the list, and hands PRESENCE to the announcer, which never blocks. In
 * a process without an announcer it announces their end itself, once. Accepts NULL. */
void mrc_presence_end(struct mrc_presence *presence);

/*
 * Announces the ends of the presences in LIST, which have ended and belong to one hub, many at
 * once, and frees those that are announced. APR_SUCCESS: LIST is empty. Otherwise LIST has the
 * remaining ones: try again later, except after MRC_STATUS_SUPERSEDED. Then the hub has moved, and
 * the processes that use its new roster announce the entries of the old one. Only the announcer.
 */
apr_status_t mrc_presence_announce_ends(struct mrc_list *list);

/* With a transport: announces the subscriptions of this child that the engine does not list yet.
 * Only the announcer. */
apr_status_t mrc_presence_announce_late(struct mrc_hub *hub);

/* Announces the ends of the subscriptions that dead children left in HUB, if there are any, and of
 * those that servers before this one left (left.h). Only the announcer. */
apr_status_t mrc_presence_announce_orphans(struct mrc_hub *hub);

#endif
