/*
 * The subscriptions that servers before this one left: they were active when their server was
 * killed with all its children, and its memory, with the roster, is gone. A durable history still
 * knows them (store/history/begun.h), and the announcer announces their ends:
 *
 *     child starts --> reads some of them --> publishes that they have ended,
 *                              ^              and in the same commit the history forgets them
 *                              |                              |
 *                              +------------------------------+
 *
 * So each end is announced once, even if the child or the server is killed meanwhile.
 */
#ifndef MRC_HUB_PRESENCE_LEFT_H
#define MRC_HUB_PRESENCE_LEFT_H

#include "apr_errno.h"

struct mrc_hub;
struct mrc_presence_events;

/*
 * Announces the ends of all of them with EVENTS, which belongs to HUB. A subscription whose end the
 * hub cannot carry any more stays in the history until the next start. Errors are those of
 * mrc_hub_publish() and of the history: try again later. Only the announcer.
 */
apr_status_t mrc_presence_left_announce(struct mrc_hub *hub, struct mrc_presence_events *events);

#endif
