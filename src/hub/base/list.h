/*
 * A first-in, first-out list. It links its elements through a link that is their first member, and
 * owns nothing.
 */
#ifndef MRC_HUB_BASE_LIST_H
#define MRC_HUB_BASE_LIST_H

#include <stddef.h>

struct mrc_list_link {
    struct mrc_list_link *next;
};

/* Zeroed: empty. */
struct mrc_list {
    struct mrc_list_link *first, *last; /* LAST is undefined while FIRST is NULL */
};

static inline void mrc_list_append(struct mrc_list *list, struct mrc_list_link *link)
{
    link->next = NULL;
    if (list->first)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
}

/* Removes the first one; NULL: the list is empty. */
static inline struct mrc_list_link *mrc_list_take(struct mrc_list *list)
{
    struct mrc_list_link *link = list->first;

    if (link)
        list->first = link->next;
    return link;
}

/* Moves all of MORE to the end of LIST. */
static inline void mrc_list_append_all(struct mrc_list *list, struct mrc_list *more)
{
    if (!more->first)
        return;
    if (list->first)
        list->last->next = more->first;
    else
        list->first = more->first;
    list->last = more->last;
    more->first = NULL;
}

#endif
