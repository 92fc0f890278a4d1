/*
 * Pages: runs of consecutive records, for the streams that replay them. After a restart many
 * streams come back at the same time and need the same records, so these are read, decoded and
 * encoded once for all streams.
 *
 *     history or ring --read once--> page of records --> many replays, each filters the records
 *                                         |
 *                                         +-- choice: the records of the page that a replay gets;
 *                                             replays with the same choice share one event
 *
 * There is one set of pages for each hub and dispatcher loop, which belongs to one thread at a
 * time. The set keeps the newest pages until mrc_pages_forget(); a replay that uses a page has a
 * reference to it.
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

/* One record of a page; lives as long as the page. */
struct mrc_pages_record {
    uint64_t number;   /* in the history */
    uint64_t pos, end; /* of the record in the ring; 0, 0: it is from the history */
    int64_t time_us;   /* when it was published */
    bool is_readable;  /* false: this build cannot decode it, and UPDATE is empty */
    struct mrc_update update;
    struct mrc_event *event; /* of the update; NULL until a replay needs it */
};

/*
 * Makes the set for HUB, which must outlive it. READER (NULL: the caller reads, and may wait for
 * the disk) reads the records that the ring does not have, and calls WAKE(CTX) when it has read
 * them. NULL: out of memory.
 */
struct mrc_pages *mrc_pages_create(struct mrc_hub *hub, struct mrc_reader *reader,
                                   mrc_reader_wake_fn *wake, void *ctx);

/* The newest order (hub/control/orders.h) that the owner of the set has carried out: the mark that
 * was set last; 0: none. */
void mrc_pages_set_orders(struct mrc_pages *pages, uint64_t mark);
uint64_t mrc_pages_get_orders(const struct mrc_pages *pages);

/* Drops all pages, because no stream replays now. Pages with other references live on. */
void mrc_pages_forget(struct mrc_pages *pages);

/*
 * The bytes of the records in the pages that are kept: at most MRC_PAGES_BYTES_MAX, or one record
 * of any size. The events take memory in addition.
 */
#define MRC_PAGES_BYTES_MAX ((size_t)2 << 20)
size_t mrc_pages_bytes(const struct mrc_pages *pages);

/* Drops all pages, and frees the set. Accepts NULL. */
void mrc_pages_free(struct mrc_pages *pages);

/*
 * Finds the page with the next record of PLACE, and the index of that record in the page. PLACE
 * moves to the record, past those of the ring that were already read from the history. Whenever
 * RET_PAGE is not NULL, the caller gets a reference to it, whatever the status is.
 *
 * APR_EAGAIN: the page is being read; once mrc_page_is_there(), call mrc_pages_await(). APR_EOF:
 * there is no record yet. MRC_STATUS_OVERRUN: the history has dropped the record. APR_ENOMEM, and
 * the errors of mrc_history_read() and mrc_ring_read().
 */
apr_status_t mrc_pages_find(struct mrc_pages *pages, struct mrc_place *place,
                            struct mrc_page **ret_page, size_t *ret_at);

/* Whether reading PAGE has succeeded or failed by now. */
bool mrc_page_is_there(const struct mrc_page *page);

/*
 * The status of reading PAGE, which is there. APR_SUCCESS: RET_AT gets the index of PLACE's record.
 */
apr_status_t mrc_pages_await(struct mrc_pages *pages, struct mrc_page *page,
                             const struct mrc_place *place, size_t *ret_at);

/*
 * Gives up PAGE, for which mrc_pages_find() returned APR_EAGAIN and mrc_pages_await() was not
 * called. If no other replay waits for the page, it is dropped, because a page that is not taken
 * counts against the bound of the reader. Accepts NULL.
 */
void mrc_pages_give_up(struct mrc_pages *pages, struct mrc_page *page);

/* The number of records of PAGE, and record AT, both valid once the page is there. */
size_t mrc_page_count(const struct mrc_page *page);
struct mrc_pages_record *mrc_page_get(struct mrc_page *page, size_t at);

/*
 * The topics of record AT, for matchers with BASE (mrc_matcher_get_base(); NULL: none of them has
 * one). They are parsed once for all replays, with the base of the first replay that has one.
 * Before there is one, and for a page with more than MRC_PAGES_TOPICS_MAX topics (parsed topics
 * take many times the memory), this prepares OWN instead. The caller always clears OWN. NULL: out
 * of memory.
 */
#define MRC_PAGES_TOPICS_MAX 1024
struct mrc_topics *mrc_page_topics(struct mrc_page *page, size_t at, const char *base,
                                   struct mrc_topics *own);

/* The event of RECORD, which the page owns. It is made for the first replay that needs it. NULL:
 * out of memory. */
struct mrc_event *mrc_pages_event(struct mrc_pages_record *record);

/* Some records of a page. */
#define MRC_PAGES_CHOICE_MAX 256
struct mrc_pages_choice {
    size_t first;                             /* the record of bit 0 */
    uint64_t bits[MRC_PAGES_CHOICE_MAX / 64]; /* one for each record that is chosen */
    size_t count;                             /* of chosen records; at least one */
};

/* Adds record AT, which is less than MRC_PAGES_CHOICE_MAX after the first. */
void mrc_pages_choose(struct mrc_pages_choice *choice, size_t at);

/*
 * One event for all records of CHOICE, each of which has its own event already. The caller gets a
 * reference. The event is made for the first replay with this choice, and kept for others with the
 * same choice. NULL: out of memory.
 */
struct mrc_event *mrc_page_event(struct mrc_pages *pages, struct mrc_page *page,
                                 const struct mrc_pages_choice *choice);

/* Accepts NULL. */
void mrc_page_unref(struct mrc_page *page);

#endif
