#include "hub/base/mailbox.h"

#include "hub/base/wake.h"

void mrc_mailbox_init(struct mrc_mailbox *mailbox, const struct mrc_wake *wake)
{
    atomic_init(&mailbox->newest, NULL);
    mailbox->closed.next = NULL;
    mailbox->wake = wake;
}

bool mrc_mailbox_post(struct mrc_mailbox *mailbox, struct mrc_list_link *link)
{
    struct mrc_list_link *newest = atomic_load(&mailbox->newest);

    do {
        if (newest == &mailbox->closed)
            return false;
        link->next = newest;
    } while (!atomic_compare_exchange_weak(&mailbox->newest, &newest, link));
    if (!newest)
        mrc_wake_post(mailbox->wake);
    return true;
}

bool mrc_mailbox_is_empty(const struct mrc_mailbox *mailbox)
{
    struct mrc_list_link *newest = atomic_load(&mailbox->newest);

    return !newest || newest == &mailbox->closed;
}

/* Takes all, and leaves NEXT. */
static struct mrc_list take(struct mrc_mailbox *mailbox, struct mrc_list_link *next)
{
    struct mrc_list_link *link = atomic_exchange(&mailbox->newest, next);
    struct mrc_list list = {.first = NULL, .last = link};

    while (link && link != &mailbox->closed) {
        struct mrc_list_link *older = link->next;

        link->next = list.first;
        list.first = link;
        link = older;
    }
    return list;
}

struct mrc_list mrc_mailbox_take(struct mrc_mailbox *mailbox)
{
    return mrc_mailbox_is_empty(mailbox) ? (struct mrc_list){NULL, NULL} : take(mailbox, NULL);
}

struct mrc_list mrc_mailbox_close(struct mrc_mailbox *mailbox)
{
    return take(mailbox, &mailbox->closed);
}
