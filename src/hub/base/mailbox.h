/*
 * A mailbox: any number of threads post, and one thread, its owner, takes the posts in the order in
 * which they came. Posting neither blocks nor allocates.
 *
 *     post: newest = link -> C -> B -> A        compare and exchange, the newest first
 *     take: A -> B -> C                         one exchange with NULL, then reversed
 *
 * A thread that posts into an empty mailbox wakes the owner; threads that post after that need not.
 * The owner drains its wake-up, then takes, then waits:
 *
 *     owner                                     poster
 *     1. drains the wake-up                     a. adds its link to the mailbox
 *     2. takes all, the mailbox is empty        b. posts a wake-up if it was empty
 *     3. waits
 *
 * A link that is added after 2 finds an empty mailbox, so its poster wakes the owner after 1, and 3
 * ends at once. A link that is added before 2 is taken by 2. If its wake-up comes late, the owner
 * finds an empty mailbox, which does no harm.
 */
#ifndef MRC_HUB_BASE_MAILBOX_H
#define MRC_HUB_BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "hub/base/list.h"

struct mrc_wake;

struct mrc_mailbox {
    _Atomic(struct mrc_list_link *) newest; /* NULL: empty; &closed: closed */
    struct mrc_list_link closed;
    const struct mrc_wake *wake; /* of the owner */
};

/* Makes an empty mailbox whose owner is woken by WAKE, which must outlive the posts. */
void mrc_mailbox_init(struct mrc_mailbox *mailbox, const struct mrc_wake *wake);

/* Hands LINK over. False: the mailbox is closed, and the caller still owns LINK. Any thread, and a
 * signal handler. */
bool mrc_mailbox_post(struct mrc_mailbox *mailbox, struct mrc_list_link *link);

/* Whether there is nothing to take. */
bool mrc_mailbox_is_empty(const struct mrc_mailbox *mailbox);

/* Takes all that was posted. Only the owner. */
struct mrc_list mrc_mailbox_take(struct mrc_mailbox *mailbox);

/* The same for the last time: nothing can be posted from now on. Only the owner, or any thread when
 * the owner has ended. */
struct mrc_list mrc_mailbox_close(struct mrc_mailbox *mailbox);

#endif
