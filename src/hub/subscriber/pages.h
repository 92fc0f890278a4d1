/*
 * What was published before, for streams that replay it: many come back at the same moment and ask
 * for the same, so it is read, decoded and encoded once for all of them.
 *
 *     history or ring --read once--> page, some records in a row --many replays--> each its events
 *
 * Who gets which record is found out for each replay; those who get the same ones of a page share
 * one event with all of them.
 *
 * Of one hub, and for one thread at a time. The newest pages are kept until they are forgotten; who
 * uses one holds a reference for so long.
 */
#ifndef MRC_HUB_SUBSCRIBER_PAGES_H
#define MRC_HUB_SUBSCRIBER_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/protocol/update.h"
#include "core/topic/topic.h"
#include "hub/subscriber/reader.h"

struct mrc_event;
struct mrc_hub;
struct mrc_page;
struct mrc_pages;

/* One record of a page; lives as long as that. */
struct mrc_pages_record {
    uint64_t number;   /* in the history */
    uint64_t pos, end; /* where it begins and ends in the ring; 0, 0: it is from the history */
    int64_t time_us;   /* when it was published */
    bool is_readable;  /* else there is no update in it */
    struct mrc_update update;
    struct mrc_event *event; /* of the update; NULL until somebody needs it */
};

/*
 * The past of HUB, which outlives it. READER (NULL: the caller reads, and may wait for the disk)
 * reads what the ring does not have, and calls WAKE(CTX) then. NULL: out of memory.
 */
struct mrc_pages *mrc_pages_create(struct mrc_hub *hub, struct mrc_reader *reader,
                                   mrc_reader_wake_fn *wake, void *ctx);

/* Forgets all pages: nobody replays now. */
void mrc_pages_forget(struct mrc_pages *past);

/*
 * How many bytes of records the pages hold that are kept: at most MRC_PAGES_BYTES_MAX, or one
 * record however large it is. Beside them there are their events.
 */
#define MRC_PAGES_BYTES_MAX ((size_t)2 << 20)
size_t mrc_pages_bytes(const struct mrc_pages *past);

/* Forgets them and frees it. Accepts NULL. Pages that somebody holds stay. */
void mrc_pages_free(struct mrc_pages *past);

/*
 * The page with the next record of PLACE, and the record's index in it. PLACE moves to that record,
 * over those of the ring that it has got from the history. The caller holds RET_PAGE, whatever
 * else it is told, if that is not NULL.
 *
 * APR_EAGAIN: the page is being read; mrc_page_is_there() tells when to ask with
 * mrc_pages_await(). APR_EOF: there is none yet. MRC_STATUS_OVERRUN: it is not to be had any more.
 * APR_ENOMEM, and the errors of mrc_history_read() and mrc_ring_read().
 */
apr_status_t mrc_pages_find(struct mrc_pages *past, struct mrc_place *place,
                            struct mrc_page **ret_page, size_t *ret_at);

/* Whether what PAGE holds, or why it could not be read, is known by now. */
bool mrc_page_is_there(const struct mrc_page *page);

/* The status of reading PAGE, which is there: APR_SUCCESS, with the index of PLACE's record. */
apr_status_t mrc_pages_await(struct mrc_pages *past, struct mrc_page *page,
                             const struct mrc_place *place, size_t *ret_at);

/*
 * Gives up PAGE, which is being read or was, and was not awaited; one that nobody else waits for is
 * not kept for those to come, since it would count as held for so long. Accepts NULL.
 */
void mrc_pages_give_up(struct mrc_pages *past, struct mrc_page *page);

size_t mrc_page_count(const struct mrc_page *page);
struct mrc_pages_record *mrc_page_get(struct mrc_page *page, size_t at);

/*
 * The topics of record AT, for matchers of BASE (mrc_matcher_get_base(), NULL: none has one).
 * Parsed once for all that have the base of the first that has one. Before there is one, and of a
 * page with more than MRC_PAGES_TOPICS_MAX, since what is parsed is many times as large, OWN is
 * prepared instead, which the caller clears in any case. NULL: out of memory.
 */
#define MRC_PAGES_TOPICS_MAX 1024
struct mrc_topics *mrc_page_topics(struct mrc_page *page, size_t at, const char *base,
                                   struct mrc_topics *own);

/* The event of RECORD, made for the first who asks; it belongs to the page. NULL: out of memory. */
struct mrc_event *mrc_pages_event(struct mrc_pages_record *record);

/* Some records of a page. */
#define MRC_PAGES_CHOICE_MAX 256
struct mrc_pages_choice {
    size_t first;                             /* bit 0 is this record */
    uint64_t bits[MRC_PAGES_CHOICE_MAX / 64]; /* those that are chosen */
    size_t count;                             /* how many that are; at least one */
};

/* Chooses record AT, less than MRC_PAGES_CHOICE_MAX after the first. */
void mrc_pages_choose(struct mrc_pages_choice *choice, size_t at);

/*
 * One event of the records that CHOICE names, each of which has its event; the caller gets a
 * reference. Made for the first who asks, kept for others that choose the same. NULL: out of
 * memory.
 */
struct mrc_event *mrc_page_event(struct mrc_pages *past, struct mrc_page *page,
                                 const struct mrc_pages_choice *choice);

/* Accepts NULL. */
void mrc_page_unref(struct mrc_page *page);

#endif
