#include "hub/subscriber/pages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hub/base/event.h"
#include "hub/hub/hub.h"
#include "store/base/status.h"
#include "store/history/history.h"
#include "store/ring/ring.h"

#define PAGES_MAX    32
#define RECORDS_MAX  256                 /* of a page that is read from the ring */
#define PAGE_BYTES   ((size_t)32 * 1024) /* a page ends with the record that reaches them */
#define CHOICES_KEPT 2                   /* of each page */

/* A choice that a replay has made, and its event. */
struct chosen {
    struct mrc_pages_choice choice;
    struct mrc_event *event; /* NULL: none */
};

struct mrc_page {
    unsigned refs;
    struct mrc_reading *reading; /* NULL: reading is done */
    apr_status_t status;         /* of reading, when it is done */
    bool is_of_ring;
    uint64_t first; /* record: its position in the ring if IS_OF_RING, otherwise its number */
    uint64_t after; /* the last record, the same; undefined while the page is being read */
    struct mrc_history_slice slice; /* the records are views of it */
    struct mrc_pages_record *records;
    size_t count;
    size_t topics_count;       /* of all records */
    char *base;                /* of TOPICS; NULL: there are none yet */
    struct mrc_topics *topics; /* of each record */
    struct chosen chosen[CHOICES_KEPT];
    size_t next_chosen; /* is replaced next */
};

/* The kept pages form a circle: a new one replaces the oldest. */
struct mrc_pages {
    struct mrc_hub *hub;
    struct mrc_reader *reader;
    mrc_reader_wake_fn *wake;
    void *ctx;
    struct mrc_page *kept[PAGES_MAX]; /* a reference to each; NULL: none */
    size_t count;                     /* of the pages that are kept */
    size_t oldest;
    size_t bytes; /* of their records */
    uint64_t orders;
    struct mrc_ring_record record; /* reused from read to read */
    struct mrc_buf scratch;        /* the same, for events */
};

struct mrc_pages *mrc_pages_create(struct mrc_hub *hub, struct mrc_reader *reader,
                                   mrc_reader_wake_fn *wake, void *ctx)
{
    struct mrc_pages *pages = calloc(1, sizeof(*pages));

    if (!pages)
        return NULL;
    pages->hub = hub;
    pages->reader = reader;
    pages->wake = wake;
    pages->ctx = ctx;
    mrc_buf_init(&pages->scratch, SIZE_MAX);
    return pages;
}

/* ---- pages ------------------------------------------------------------------------------------*/

static void clear_topics(struct mrc_page *page)
{
    for (size_t i = 0; page->topics && i < page->count; i++)
        mrc_topics_clear(&page->topics[i]);
    free(page->topics);
    free(page->base);
    page->topics = NULL;
    page->base = NULL;
}

void mrc_page_unref(struct mrc_page *page)
{
    if (!page || --page->refs > 0)
        return;
    mrc_reading_abandon(page->reading);
    clear_topics(page);
    for (size_t i = 0; i < page->count; i++) {
        mrc_event_unref(page->records[i].event);
        mrc_update_clear(&page->records[i].update);
    }
    for (size_t i = 0; i < CHOICES_KEPT; i++)
        mrc_event_unref(page->chosen[i].event);
    free(page->records);
    mrc_history_slice_free(&page->slice);
    free(page);
}

static size_t bytes_of(const struct mrc_page *page)
{
    return mrc_buf_bytes(&page->slice.buf).len;
}

static void drop(struct mrc_pages *pages, size_t i)
{
    if (!pages->kept[i])
        return;
    pages->bytes -= bytes_of(pages->kept[i]);
    pages->count--;
    mrc_page_unref(pages->kept[i]);
    pages->kept[i] = NULL;
}

/* Drops the oldest pages until the rest is within the limit; the newest one always stays. */
static void drop_old(struct mrc_pages *pages)
{
    for (size_t n = 1; n < PAGES_MAX && pages->bytes > MRC_PAGES_BYTES_MAX; n++)
        drop(pages, (pages->oldest + n - 1) % PAGES_MAX);
}

static void keep(struct mrc_pages *pages, struct mrc_page *page)
{
    drop(pages, pages->oldest);
    pages->kept[pages->oldest] = page;
    page->refs++;
    pages->count++;
    pages->bytes += bytes_of(page);
    pages->oldest = (pages->oldest + 1) % PAGES_MAX;
    drop_old(pages);
}

void mrc_pages_forget(struct mrc_pages *pages)
{
    if (!pages->count)
        return;
    for (size_t i = 0; i < PAGES_MAX; i++)
        drop(pages, i);
    mrc_ring_record_free(&pages->record);
    mrc_buf_free(&pages->scratch);
}

void mrc_pages_set_orders(struct mrc_pages *pages, uint64_t mark)
{
    pages->orders = mark;
}

uint64_t mrc_pages_get_orders(const struct mrc_pages *pages)
{
    return pages->orders;
}

size_t mrc_pages_bytes(const struct mrc_pages *pages)
{
    return pages->bytes;
}

void mrc_pages_free(struct mrc_pages *pages)
{
    if (!pages)
        return;
    mrc_pages_forget(pages);
    mrc_ring_record_free(&pages->record);
    mrc_buf_free(&pages->scratch);
    free(pages);
}

static struct mrc_page *create_page(bool is_of_ring, uint64_t first)
{
    struct mrc_page *page = calloc(1, sizeof(*page));

    if (!page)
        return NULL;
    page->refs = 1;
    page->is_of_ring = is_of_ring;
    page->first = first;
    mrc_buf_init(&page->slice.buf, SIZE_MAX);
    return page;
}

/* Decodes the COUNT records of the slice. */
static apr_status_t decode(struct mrc_page *page, const struct mrc_history *history, size_t count)
{
    struct mrc_record stored;

    page->slice.at = 0;
    page->records = calloc(count ? count : 1, sizeof(*page->records));
    if (!page->records)
        return APR_ENOMEM;
    while (page->count < count && mrc_history_slice_next(&page->slice, &stored)) {
        struct mrc_pages_record *record = &page->records[page->count++];
        enum mrc_err err = mrc_update_decode(stored.id, stored.payload, &record->update);

        record->number = stored.seq;
        record->time_us = stored.time_us;
        record->is_readable = err == MRC_OK;
        page->topics_count += record->update.topics_count;
        if (page->is_of_ring)
            record->number = mrc_history_number(history, stored.seq);
        if (err == MRC_ENOMEM)
            return APR_ENOMEM;
    }
    return APR_SUCCESS;
}

/* The number of records in the slice. */
static size_t count_records(struct mrc_history_slice *slice)
{
    struct mrc_record record;
    size_t count = 0;

    slice->at = 0;
    while (mrc_history_slice_next(slice, &record))
        count++;
    return count;
}

/* ---- from the history -------------------------------------------------------------------------*/

bool mrc_page_is_there(const struct mrc_page *page)
{
    return !page->reading || mrc_reading_is_done(page->reading);
}

/* Notes that the slice was read, with STATUS. */
static void settle(struct mrc_pages *pages, struct mrc_page *page, apr_status_t status)
{
    if (status == APR_SUCCESS)
        status = decode(page, mrc_hub_history(pages->hub), count_records(&page->slice));
    if (status == APR_SUCCESS && !page->count)
        status = MRC_STATUS_CORRUPT;
    page->status = status;
    page->after = page->first + page->count;
}

/* Counts the bytes of PAGE, which was read and may be kept, or drops it. */
static void account(struct mrc_pages *pages, const struct mrc_page *page)
{
    for (size_t i = 0; i < PAGES_MAX; i++) {
        if (pages->kept[i] != page)
            continue;
        pages->bytes += bytes_of(page);
        if (page->status != APR_SUCCESS)
            drop(pages, i);
    }
    drop_old(pages);
}

void mrc_pages_give_up(struct mrc_pages *pages, struct mrc_page *page)
{
    if (!page)
        return;
    for (size_t i = 0; i < PAGES_MAX && page->reading && page->refs == 2; i++) {
        if (pages->kept[i] == page)
            drop(pages, i);
    }
    mrc_page_unref(page);
}

apr_status_t mrc_pages_await(struct mrc_pages *pages, struct mrc_page *page,
                             const struct mrc_place *place, size_t *ret_at)
{
    struct mrc_reading *reading = page->reading;

    if (reading) {
        page->reading = NULL;
        settle(pages, page, mrc_reading_take(reading, &page->slice));
        account(pages, page);
    }
    if (page->status != APR_SUCCESS)
        return page->status;
    if (place->next < page->first || place->next >= page->after)
        return MRC_STATUS_CORRUPT;
    *ret_at = (size_t)(place->next - page->first);
    return APR_SUCCESS;
}

/* Creates the page that begins with the next record of PLACE; it may still have to be read. */
static apr_status_t read_history(struct mrc_pages *pages, const struct mrc_place *place,
                                 struct mrc_page **ret_page)
{
    const struct mrc_history *history = mrc_hub_history(pages->hub);
    struct mrc_page *page = create_page(false, place->next);

    if (!page)
        return APR_ENOMEM;
    if (pages->reader) {
        page->reading =
            mrc_reader_ask(pages->reader, history, place, PAGE_BYTES, pages->wake, pages->ctx);
        page->status = page->reading ? APR_SUCCESS : APR_ENOMEM;
    } else {
        settle(pages, page, mrc_history_read(history, place, PAGE_BYTES, &page->slice));
    }
    if (page->status != APR_SUCCESS) {
        apr_status_t status = page->status;

        mrc_page_unref(page);
        return status;
    }
    keep(pages, page);
    *ret_page = page;
    return APR_SUCCESS;
}

static struct mrc_page *look_up(const struct mrc_pages *pages, bool is_of_ring, uint64_t first)
{
    /* NOLINTBEGIN(clang-analyzer-unix.Malloc): a page that is kept has a reference */
    for (size_t i = 0; i < PAGES_MAX; i++) {
        struct mrc_page *page = pages->kept[i];

        if (!page || page->is_of_ring != is_of_ring || first < page->first)
            continue;
        if (page->reading ? first == page->first : first < page->after) {
            page->refs++;
            return page;
        }
    }
    /* NOLINTEND(clang-analyzer-unix.Malloc) */
    return NULL;
}

static apr_status_t find_in_history(struct mrc_pages *pages, const struct mrc_place *place,
                                    struct mrc_page **ret_page, size_t *ret_at)
{
    struct mrc_page *page = look_up(pages, false, place->next);
    apr_status_t status = APR_SUCCESS;

    if (!page)
        status = read_history(pages, place, &page);
    if (status != APR_SUCCESS)
        return status;
    *ret_page = page;
    if (!mrc_page_is_there(page))
        return APR_EAGAIN;
    return mrc_pages_await(pages, page, place, ret_at);
}

/* ---- from the ring ----------------------------------------------------------------------------*/

/*
 * The slice has no positions, so they are noted while the ring is read. Control records are passed
 * over: an update ends where the next one begins.
 */
static apr_status_t read_ring(struct mrc_pages *pages, uint64_t pos, struct mrc_page **ret_page)
{
    struct mrc_ring *ring = mrc_hub_ring(pages->hub);
    struct mrc_page *page = create_page(true, pos);
    uint64_t starts[RECORDS_MAX], ends[RECORDS_MAX];
    apr_status_t status = APR_SUCCESS;
    size_t count = 0;

    if (!page)
        return APR_ENOMEM;
    while (count < RECORDS_MAX && bytes_of(page) < PAGE_BYTES) {
        status = mrc_ring_read(ring, &pos, &pages->record);
        if (status != APR_SUCCESS)
            break;
        if (!pages->record.view.is_control) {
            mrc_history_slice_add(&page->slice, &pages->record.view);
            starts[count] = pages->record.pos;
            ends[count++] = pos;
        } else if (count) {
            ends[count - 1] = pos;
        }
    }
    if (mrc_buf_error(&page->slice.buf))
        status = APR_ENOMEM;
    else if (count)
        status = decode(page, mrc_hub_history(pages->hub), count);
    if (status != APR_SUCCESS) {
        mrc_page_unref(page);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        page->records[i].pos = starts[i];
        page->records[i].end = ends[i];
    }
    page->after = count ? ends[count - 1] : pos;
    keep(pages, page);
    *ret_page = page;
    return APR_SUCCESS;
}

/* The first record at POS, which is within PAGE, or after it; the count of PAGE: there is none. */
static size_t find_position(const struct mrc_page *page, uint64_t pos)
{
    size_t low = 0, high = page->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (page->records[middle].pos < pos)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static apr_status_t find_in_ring(struct mrc_pages *pages, struct mrc_place *place,
                                 struct mrc_page **ret_page, size_t *ret_at)
{
    for (;;) {
        struct mrc_page *page = look_up(pages, true, place->pos);
        apr_status_t status = APR_SUCCESS;
        size_t at;

        if (!page)
            status = read_ring(pages, place->pos, &page);
        if (status != APR_SUCCESS)
            return status;
        at = find_position(page, place->pos);
        if (at == page->count) /* only control records are left */
            place->pos = page->after;
        while (at < page->count && page->records[at].number < place->next)
            place->pos = page->records[at++].end;
        if (at < page->count) {
            *ret_page = page;
            *ret_at = at;
            return APR_SUCCESS;
        }
        mrc_page_unref(page);
    }
}

apr_status_t mrc_pages_find(struct mrc_pages *pages, struct mrc_place *place,
                            struct mrc_page **ret_page, size_t *ret_at)
{
    *ret_page = NULL;
    for (;;) {
        apr_status_t status;

        if (place->next < place->until)
            return find_in_history(pages, place, ret_page, ret_at);
        status = find_in_ring(pages, place, ret_page, ret_at);
        if (status == MRC_STATUS_OVERRUN)
            status = mrc_history_resume(mrc_hub_history(pages->hub), place);
        else
            return status;
        if (status != APR_SUCCESS)
            return status;
    }
}

/* ---- records ----------------------------------------------------------------------------------*/

size_t mrc_page_count(const struct mrc_page *page)
{
    return page->count;
}

struct mrc_pages_record *mrc_page_get(struct mrc_page *page, size_t at)
{
    assert(at < page->count);
    return &page->records[at];
}

/* Parses the topics of PAGE for BASE. False: out of memory. */
static bool make_topics(struct mrc_page *page, const char *base)
{
    page->base = strdup(base);
    page->topics = calloc(page->count, sizeof(*page->topics));
    for (size_t i = 0; page->base && page->topics && i < page->count; i++) {
        const struct mrc_update *update = &page->records[i].update;

        if (mrc_topics_init(&page->topics[i], update->topics, update->topics_count)) {
            clear_topics(page);
            return false;
        }
        for (size_t topic = 0; topic < update->topics_count; topic++)
            page->topics[i].all[topic].base = page->base;
    }
    if (page->base && page->topics)
        return true;
    clear_topics(page);
    return false;
}

/*
 * A topic without a base takes the base of the first matcher that parses it, and a page may outlive
 * that matcher. So shared topics have a copy of the base from the beginning.
 */
struct mrc_topics *mrc_page_topics(struct mrc_page *page, size_t at, const char *base,
                                   struct mrc_topics *own)
{
    const struct mrc_update *update = &page->records[at].update;

    if (base && !page->topics && page->topics_count <= MRC_PAGES_TOPICS_MAX &&
        !make_topics(page, base))
        return NULL;
    if (page->topics)
        return &page->topics[at];
    return mrc_topics_init(own, update->topics, update->topics_count) ? NULL : own;
}

struct mrc_event *mrc_pages_event(struct mrc_pages_record *record)
{
    if (!record->event)
        record->event = mrc_event_create_of(&record->update);
    return record->event;
}

/* ---- choices ----------------------------------------------------------------------------------*/

void mrc_pages_choose(struct mrc_pages_choice *choice, size_t at)
{
    size_t bit = at - choice->first;

    assert(at >= choice->first && bit < MRC_PAGES_CHOICE_MAX);
    choice->bits[bit / 64] |= UINT64_C(1) << bit % 64;
    choice->count++;
}

static bool is_chosen(const struct mrc_pages_choice *choice, size_t bit)
{
    return choice->bits[bit / 64] >> bit % 64 & 1;
}

static bool is_same(const struct mrc_pages_choice *a, const struct mrc_pages_choice *b)
{
    return a->first == b->first && memcmp(a->bits, b->bits, sizeof(a->bits)) == 0;
}

/* Joins the events of the chosen records. */
static struct mrc_event *join(struct mrc_pages *pages, const struct mrc_page *page,
                              const struct mrc_pages_choice *choice)
{
    mrc_buf_reset(&pages->scratch);
    for (size_t bit = 0; bit < MRC_PAGES_CHOICE_MAX; bit++) {
        struct mrc_event *event =
            is_chosen(choice, bit) ? page->records[choice->first + bit].event : NULL;

        if (!event)
            continue;
        if (choice->count == 1)
            return mrc_event_ref(event);
        mrc_buf_add_bytes(&pages->scratch, mrc_event_bytes(event));
    }
    return mrc_buf_error(&pages->scratch) ? NULL : mrc_event_create(mrc_buf_bytes(&pages->scratch));
}

struct mrc_event *mrc_page_event(struct mrc_pages *pages, struct mrc_page *page,
                                 const struct mrc_pages_choice *choice)
{
    struct chosen *chosen = NULL;
    struct mrc_event *event;

    for (size_t i = 0; i < CHOICES_KEPT; i++) {
        chosen = &page->chosen[i];
        if (chosen->event && is_same(&chosen->choice, choice))
            return mrc_event_ref(chosen->event);
    }
    event = join(pages, page, choice);
    if (!event)
        return NULL;
    chosen = &page->chosen[page->next_chosen];
    page->next_chosen = (page->next_chosen + 1) % CHOICES_KEPT;
    mrc_event_unref(chosen->event);
    chosen->choice = *choice;
    chosen->event = mrc_event_ref(event);
    return event;
}
