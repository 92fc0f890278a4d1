#include "hub/subscriber/pages.h"

#include <semaphore.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "hub/base/event.h"
#include "hub/subscriber/reader.h"
#include "hub_unit.h"
#include "store/history/history.h"

static const struct mrc_hub_spec spec = {.limits.backlog_bytes = 1 << 20};

/* A subscriber, and what it has received. */
struct replay {
    struct mrc_subscriber *subscriber;
    struct mrc_buf out;
    struct mrc_event *last; /* a reference */
    unsigned events;
};

static apr_status_t give(void *ctx, struct mrc_event *event)
{
    struct replay *replay = ctx;

    mrc_event_unref(replay->last);
    replay->last = mrc_event_ref(event);
    replay->events++;
    return mrc_subscriber_give_bytes(&replay->out, event);
}

/* Begins a replay with PAGES; NULL: with pages of its own. */
static struct replay begin(struct hub_place *place, struct mrc_pages *pages,
                           struct mrc_matcher *matcher, const char *cursor)
{
    struct replay replay = {.subscriber = hub_subscribe(place->hub, matcher, cursor)};

    mrc_buf_init(&replay.out, SIZE_MAX);
    if (pages)
        mrc_subscriber_read_with(replay.subscriber, pages);
    return replay;
}

static apr_status_t take(struct replay *replay, size_t max_bytes)
{
    return mrc_subscriber_take(replay->subscriber, max_bytes, give, replay);
}

static void take_all(struct replay *replay)
{
    apr_status_t status;

    while ((status = take(replay, SIZE_MAX)) == APR_SUCCESS)
        ;
    ck_assert_int_eq(status, APR_EOF);
}

static void finish(struct replay *replay)
{
    mrc_event_unref(replay->last);
    mrc_buf_free(&replay->out);
    mrc_subscriber_close(replay->subscriber, MRC_END_CLIENT);
}

static const char *text_of(struct replay *replay)
{
    mrc_buf_add_char(&replay->out, '\0');
    return replay->out.ptr;
}

static struct mrc_matcher *pattern(const char *value, const char *base)
{
    return hub_matcher(MRC_MATCHER_URLPATTERN, value, base);
}

static void publish(struct hub_place *place, int number, const char *topic)
{
    char id[16];

    snprintf(id, sizeof(id), "%d", number);
    hub_publish(place->hub, id, topic, "data");
}

/*
 * These are so few records that a take does not look at the clock between them, so which events it
 * joins does not depend on the time.
 */
#define FEW 7

/* ---- bounds of what is shared -----------------------------------------------------------------*/

/* Publishes N updates with eight topics each, and asks for the topics of the oldest one. Returns
 * whether they belong to its page. */
static bool shares_topics(struct hub_place *place, int n)
{
    static const char *const topics[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct mrc_pages *pages = mrc_pages_create(place->hub, NULL, NULL, NULL);
    struct mrc_topics own = {.count = 0}, *all;
    struct mrc_place at_place;
    struct mrc_page *page;
    bool is_shared;
    size_t at;

    for (int i = 0; i < n; i++)
        ck_assert_int_eq(hub_publish_to(place->hub, "id", topics, 8, mrc_bytes_of(""), false),
                         APR_SUCCESS);
    ck_assert_int_eq(mrc_history_oldest(mrc_hub_history(place->hub), apr_time_now(), &at_place),
                     APR_SUCCESS);
    ck_assert_int_eq(mrc_pages_find(pages, &at_place, &page, &at), APR_SUCCESS);
    all = mrc_page_topics(page, at, "https://example.com/", &own);
    ck_assert_ptr_nonnull(all);
    ck_assert_uint_eq(all->count, 8);
    is_shared = all != &own;
    mrc_topics_clear(&own);
    mrc_page_unref(page);
    mrc_pages_free(pages);
    return is_shared;
}

/* Parsed topics are much larger than their text: one of two bytes becomes a URL of hundreds. */
START_TEST(a_page_with_too_many_topics_keeps_none)
{
    struct hub_place place = hub_place_open(1 << 20, &spec);

    ck_assert(shares_topics(&place, MRC_PAGES_TOPICS_MAX / 8));
    ck_assert(!shares_topics(&place, 1));
    hub_place_close(&place);
}
END_TEST

/* ---- sharing ----------------------------------------------------------------------------------*/

START_TEST(replays_that_get_the_same_share_the_event)
{
    struct hub_place place = hub_place_open(1 << 20, &spec);
    struct mrc_pages *pages = mrc_pages_create(place.hub, NULL, NULL, NULL);
    struct replay all[5];

    for (int i = 0; i <= FEW; i++)
        publish(&place, i, i % 2 ? "https://example.com/odd" : "https://example.com/even");
    all[0] = begin(&place, pages, hub_all(), "0");
    all[1] = begin(&place, pages, pattern("https://example.com/:any", NULL), "0");
    all[2] = begin(&place, pages, hub_all(), "3"); /* from the middle of the same page */
    all[3] = begin(&place, pages, pattern("/odd", "https://example.com/"), "0");
    all[4] = begin(&place, pages, pattern("/even", "https://example.com/"), "0");
    for (size_t i = 0; i < 5; i++) {
        take_all(&all[i]);
        ck_assert_uint_eq(all[i].events, 1);
    }
    ck_assert_ptr_eq(all[0].last, all[1].last);
    ck_assert_ptr_ne(all[0].last, all[2].last);
    ck_assert_ptr_ne(all[3].last, all[4].last);
    for (int i = 1, at = 0; i <= FEW; i++) {
        char event[64];

        snprintf(event, sizeof(event), "id: %d\ndata: data\n\n", i);
        ck_assert_int_eq(strncmp(all[0].out.ptr + at, event, strlen(event)), 0);
        if (i == 4)
            ck_assert_bytes_eq(mrc_buf_bytes(&all[2].out), text_of(&all[0]) + at);
        at += (int)strlen(event);
    }
    ck_assert_ptr_nonnull(strstr(text_of(&all[3]), "id: 1\ndata: data\n\nid: 3\n"));
    ck_assert_ptr_nonnull(strstr(text_of(&all[4]), "id: 2\ndata: data\n\nid: 4\n"));
    for (size_t i = 0; i < 5; i++)
        finish(&all[i]);
    mrc_pages_free(pages);
    hub_place_close(&place);
}
END_TEST

/* A page outlives the matchers of the replays that made it, and is read by others with another
 * base. */
START_TEST(topics_are_relative_to_the_base_of_each_replay)
{
    struct hub_place place = hub_place_open(1 << 20, &spec);
    struct mrc_pages *pages = mrc_pages_create(place.hub, NULL, NULL, NULL);
    static const char *const values[] = {"https://a.example/x", "https://b.example/x"};
    static const char *const bases[] = {"https://a.example/", "https://b.example/"};

    publish(&place, 0, "/first");
    publish(&place, 1, "/x");
    for (size_t i = 0; i < 6; i++) {
        struct replay replay =
            begin(&place, pages,
                  i < 4 ? pattern("/x", bases[i % 2]) : pattern(values[i % 2], bases[i % 2]), "0");

        take_all(&replay);
        ck_assert_str_eq(text_of(&replay), "id: 1\ndata: data\n\n");
        finish(&replay);
    }
    mrc_pages_free(pages);
    hub_place_close(&place);
}
END_TEST

/* ---- against one who reads alone --------------------------------------------------------------*/

#define PAIRS 24

static struct mrc_matcher *random_matcher(uint64_t *random)
{
    static const char *const topics[] = {"/0", "/1", "/2", "/3"};

    switch (hub_random_below(random, 4)) {
    case 0:
        return hub_all();
    case 1:
        return pattern("/:number([0-2])",
                       hub_random_below(random, 2) ? "https://a.example/" : "https://b.example/");
    default:
        return hub_matcher(MRC_MATCHER_EXACT, topics[hub_random_below(random, 4)], NULL);
    }
}

static void publish_random(struct hub_place *place, uint64_t *random, int *number)
{
    static const char data[3000] = "";
    char id[16], topic[8], copy[sizeof(data)];
    const char *topics = topic;
    size_t len = hub_random_below(random, 4) ? hub_random_below(random, 100)
                                             : hub_random_below(random, sizeof(data));

    memset(copy, 'x', sizeof(copy));
    snprintf(id, sizeof(id), "%d", (*number)++);
    snprintf(topic, sizeof(topic), "/%u", hub_random_below(random, 5));
    ck_assert_int_eq(hub_publish_to(place->hub, id, &topics, 1, (struct mrc_bytes){copy, len},
                                    hub_random_below(random, 8) == 0),
                     APR_SUCCESS);
}

/* Many replay at the same time, in slices of any size, while updates are published and pages are
 * forgotten. Each gets what a subscriber alone with the same matcher and cursor gets. */
START_TEST(each_replay_gets_what_it_would_get_alone)
{
    struct hub_place place = hub_place_open(4 << 20, &spec);
    struct mrc_pages *pages = mrc_pages_create(place.hub, NULL, NULL, NULL);
    uint64_t random = (uint64_t)_i * 7919 + 17;
    struct replay shared[PAIRS], alone[PAIRS];
    size_t bytes = 0;
    int number = 0;

    for (int i = 0; i < 400; i++)
        publish_random(&place, &random, &number);
    for (size_t i = 0; i < PAIRS; i++) {
        uint64_t again = random;
        char cursor[16];

        snprintf(cursor, sizeof(cursor), "%u", 300 + hub_random_below(&random, 100));
        again = random;
        shared[i] = begin(&place, pages, random_matcher(&random), i % 6 ? cursor : "earliest");
        alone[i] = begin(&place, NULL, random_matcher(&again), i % 6 ? cursor : "earliest");
    }
    for (int turn = 0; turn < 600; turn++) {
        struct replay *one = &shared[hub_random_below(&random, PAIRS)];
        apr_status_t status = take(one, 1 + hub_random_below(&random, 20000));

        ck_assert(status == APR_SUCCESS || status == APR_EOF);
        if (turn % 5 == 0)
            publish_random(&place, &random, &number);
        if (turn % 100 == 99)
            mrc_pages_forget(pages);
    }
    for (size_t i = 0; i < PAIRS; i++) {
        take_all(&shared[i]);
        take_all(&alone[i]);
        ck_assert_uint_eq(shared[i].out.len, alone[i].out.len);
        ck_assert_mem_eq(mrc_buf_bytes(&shared[i].out).ptr, mrc_buf_bytes(&alone[i].out).ptr,
                         shared[i].out.len);
        bytes += shared[i].out.len;
        finish(&shared[i]);
        finish(&alone[i]);
    }
    ck_assert_uint_gt(bytes, 100000);
    mrc_pages_free(pages);
    hub_place_close(&place);
}
END_TEST

/* ---- what is kept -----------------------------------------------------------------------------*/

START_TEST(kept_pages_have_a_limit)
{
    struct hub_place place = hub_place_open(64 << 20, &spec);
    struct mrc_pages *pages = mrc_pages_create(place.hub, NULL, NULL, NULL);
    size_t large = MRC_PAGES_BYTES_MAX + 1, most = 0;
    char *data = calloc(1, large);
    struct replay replay;
    const char *topic = "/x";

    publish(&place, 0, topic);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(
            hub_publish_to(place.hub, "many", &topic, 1, (struct mrc_bytes){data, 100000}, false),
            APR_SUCCESS);
    ck_assert_int_eq(
        hub_publish_to(place.hub, "large", &topic, 1, (struct mrc_bytes){data, large}, false),
        APR_SUCCESS);
    ck_assert_int_eq(
        hub_publish_to(place.hub, "small", &topic, 1, (struct mrc_bytes){data, 1}, false),
        APR_SUCCESS);
    replay = begin(&place, pages, hub_all(), "0");
    for (int i = 0; i < 60; i++) {
        ck_assert_int_eq(take(&replay, 1), APR_SUCCESS);
        ck_assert_uint_le(mrc_pages_bytes(pages), MRC_PAGES_BYTES_MAX);
        most = mrc_pages_bytes(pages) > most ? mrc_pages_bytes(pages) : most;
    }
    ck_assert_uint_gt(most, MRC_PAGES_BYTES_MAX - 200000);
    ck_assert_int_eq(take(&replay, 1), APR_SUCCESS);
    ck_assert_uint_gt(mrc_pages_bytes(pages), large); /* the only page stays */
    ck_assert_uint_lt(mrc_pages_bytes(pages), large + 200);
    ck_assert_int_eq(take(&replay, 1), APR_SUCCESS);
    ck_assert_uint_lt(mrc_pages_bytes(pages), 200);
    mrc_pages_forget(pages);
    ck_assert_uint_eq(mrc_pages_bytes(pages), 0);
    finish(&replay);
    mrc_pages_free(pages);
    free(data);
    hub_place_close(&place);
}
END_TEST

/* ---- from the disk ----------------------------------------------------------------------------*/

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        ;
}

static void post(void *ctx)
{
    sem_post(ctx);
}

/* A hub whose history is on the disk, its reader, and pages that use the reader. */
struct disk {
    struct hub_place place;
    struct mrc_reader *reader;
    struct mrc_pages *pages;
    sem_t woken;
    sem_t released;
    struct mrc_reading *blocking;
};

static void open_disk(struct disk *disk)
{
    struct mrc_hub_spec durable = {
        .limits.backlog_bytes = 1 << 20,
        .history_sync = MRC_HISTORY_SYNC_NONE,
    };

    durable.history_dir = store_dir();
    sem_init(&disk->woken, 0, 0);
    sem_init(&disk->released, 0, 0);
    disk->blocking = NULL;
    disk->place = hub_place_open(1 << 20, &durable);
    ck_assert_int_eq(mrc_reader_start(disk->place.pool, &disk->reader), APR_SUCCESS);
    disk->pages = mrc_pages_create(disk->place.hub, disk->reader, post, &disk->woken);
}

/* Blocks the reader's thread. */
static void wait_in_reader(void *ctx)
{
    wait_for(ctx);
}

/* Blocks the reader, which has something to read, until it is RELEASED. */
static void block(struct disk *disk)
{
    const struct mrc_history *history = mrc_hub_history(disk->place.hub);
    struct mrc_place oldest;

    ck_assert_int_eq(mrc_history_oldest(mrc_hub_history(disk->place.hub), apr_time_now(), &oldest),
                     APR_SUCCESS);
    disk->blocking =
        mrc_reader_ask(disk->reader, history, &oldest, 1, wait_in_reader, &disk->released);
}

static void close_disk(struct disk *disk)
{

    mrc_reading_abandon(disk->blocking);
    ck_assert(mrc_reader_stop(disk->reader));
    mrc_pages_free(disk->pages);
    hub_place_close(&disk->place);
}

#define WAITING 20

/* Several replays ask for the same page at the same time. */
START_TEST(the_disk_is_read_once)
{
    struct replay all[WAITING];
    struct disk disk;
    int left;

    if (!mrc_history_has_lmdb())
        return;
    open_disk(&disk);
    for (int i = 0; i < FEW; i++)
        publish(&disk.place, i, "/x");
    block(&disk);
    for (size_t i = 0; i < WAITING; i++) {
        all[i] = begin(&disk.place, disk.pages, hub_all(), "0");
        ck_assert_int_eq(take(&all[i], SIZE_MAX), APR_EAGAIN);
    }
    publish(&disk.place, FEW, "/x");
    sem_post(&disk.released);
    wait_for(&disk.woken);
    for (size_t i = 0; i < WAITING; i++) {
        ck_assert(!mrc_subscriber_is_reading(all[i].subscriber));
        take_all(&all[i]);
        ck_assert_uint_eq(all[i].events, 2); /* one from the disk, one from the ring */
        ck_assert_ptr_eq(all[i].last, all[0].last);
        ck_assert_mem_eq(all[i].out.ptr, "id: 1\n", 6);
        ck_assert_ptr_nonnull(strstr(text_of(&all[i]), "id: 6\ndata: data\n\nid: 7\n"));
        ck_assert_uint_eq(all[i].out.len, all[0].out.len);
    }
    for (size_t i = 0; i < WAITING; i++)
        finish(&all[i]);
    ck_assert_int_eq(sem_getvalue(&disk.woken, &left), 0);
    ck_assert_int_eq(left, 0);
    close_disk(&disk);
}
END_TEST

#define LARGE_BYTES 40000 /* more than a page holds: each record is a page */
#define LARGE_COUNT 150

/* Publishes more than the reader may hold; each subscriber asks for another page, in order. */
static void ask_for_all(struct disk *disk, struct replay all[LARGE_COUNT])
{
    char *data = calloc(1, LARGE_BYTES);
    const char *topic = "/x";
    char id[16];

    publish(&disk->place, 0, topic);
    for (int i = 0; i < LARGE_COUNT; i++) {
        snprintf(id, sizeof(id), "%d", i + 1);
        ck_assert_int_eq(hub_publish_to(disk->place.hub, id, &topic, 1,
                                        (struct mrc_bytes){data, LARGE_BYTES}, false),
                         APR_SUCCESS);
    }
    block(disk);
    for (int i = 0; i < LARGE_COUNT; i++) {
        snprintf(id, sizeof(id), "%d", i);
        all[i] = begin(&disk->place, disk->pages, hub_all(), id);
        ck_assert_int_eq(take(&all[i], 1), APR_EAGAIN);
    }
    mrc_reading_abandon(disk->blocking);
    disk->blocking = NULL;
    sem_post(&disk->released);
    free(data);
}

/* Waits until the reader has read as much as it may hold. */
static void wait_until_full(const struct disk *disk)
{
    while (mrc_reader_held_bytes(disk->reader) < MRC_READER_BYTES_MAX)
        apr_sleep(1000);
}

static void wait_until_read(const struct replay *replay)
{
    while (mrc_subscriber_is_reading(replay->subscriber))
        apr_sleep(1000);
}

START_TEST(pages_that_are_not_taken_have_a_limit)
{
    struct replay all[LARGE_COUNT];
    struct disk disk;

    if (!mrc_history_has_lmdb())
        return;
    open_disk(&disk);
    ask_for_all(&disk, all);
    wait_until_full(&disk);
    apr_sleep(50000); /* a reader that went on would be far above it by now */
    for (int i = 0; i < LARGE_COUNT; i++) {
        wait_until_read(&all[i]); /* in the order in which they asked */
        ck_assert_uint_lt(mrc_reader_held_bytes(disk.reader),
                          MRC_READER_BYTES_MAX + LARGE_BYTES + 200);
        ck_assert_int_eq(take(&all[i], 1), APR_SUCCESS);
        ck_assert_uint_eq(all[i].events, 1);
        finish(&all[i]);
    }
    ck_assert_uint_eq(mrc_reader_held_bytes(disk.reader), 0);
    close_disk(&disk);
}
END_TEST

/* Pages for clients that hang up or do not read do not make others wait. */
START_TEST(pages_that_are_given_up_are_not_held)
{
    struct replay all[LARGE_COUNT];
    struct disk disk;

    if (!mrc_history_has_lmdb())
        return;
    open_disk(&disk);
    ask_for_all(&disk, all);
    wait_until_full(&disk);
    for (int i = 0; i < LARGE_COUNT - 2; i++)
        mrc_subscriber_give_back(all[i].subscriber);
    wait_until_read(&all[LARGE_COUNT - 2]);
    wait_until_read(&all[LARGE_COUNT - 1]);
    ck_assert_uint_ge(mrc_reader_held_bytes(disk.reader), 2 * LARGE_BYTES);
    ck_assert_uint_lt(mrc_reader_held_bytes(disk.reader), 2 * LARGE_BYTES + 400);
    mrc_subscriber_give_back(all[LARGE_COUNT - 1].subscriber);
    ck_assert_uint_lt(mrc_reader_held_bytes(disk.reader), LARGE_BYTES + 200);
    ck_assert_int_eq(take(&all[LARGE_COUNT - 2], 1), APR_SUCCESS);
    ck_assert_uint_eq(mrc_reader_held_bytes(disk.reader), 0);
    /* The replay asks again, and the reader may be quick. */
    if (take(&all[0], 1) == APR_EAGAIN) {
        wait_until_read(&all[0]);
        ck_assert_int_eq(take(&all[0], 1), APR_SUCCESS);
    }
    ck_assert_uint_eq(all[0].events, 1);
    for (int i = 0; i < LARGE_COUNT; i++)
        finish(&all[i]);
    close_disk(&disk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pages");
    TCase *tcase = tcase_create("pages");

    tcase_add_test(tcase, replays_that_get_the_same_share_the_event);
    tcase_add_test(tcase, topics_are_relative_to_the_base_of_each_replay);
    tcase_add_loop_test(tcase, each_replay_gets_what_it_would_get_alone, 0, 5);
    tcase_add_test(tcase, kept_pages_have_a_limit);
    tcase_add_test(tcase, a_page_with_too_many_topics_keeps_none);
    tcase_add_test(tcase, the_disk_is_read_once);
    tcase_add_test(tcase, pages_that_are_not_taken_have_a_limit);
    tcase_add_test(tcase, pages_that_are_given_up_are_not_held);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
