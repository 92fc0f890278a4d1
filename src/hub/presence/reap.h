/*
 * The subscriptions of a machine that is dead: the announcer of the child whose link has noticed it
 * removes them from the engine and announces their ends, both in one step. So each end is announced
 * once, however many machines do it, and even if one of them dies meanwhile.
 */
#ifndef MRC_HUB_PRESENCE_REAP_H
#define MRC_HUB_PRESENCE_REAP_H

#include "apr_errno.h"

struct mrc_hub;

/* Announces the ends of the subscriptions of a dead machine of HUB, if there is one. After an error
 * the link notices the machine again. Only the announcer. */
apr_status_t mrc_presence_reap(struct mrc_hub *hub);

#endif
