/* The answers of loops to operators who ask for the streams of a hub. */
#include "dispatcher_unit.h"
#include "hub/control/listing.h"
#include "store/shm/inquiry.h"

#define WAIT_US (60 * SECOND)

static const struct mrc_hub_spec controlled = {
    .limits.dispatch_timeout_us = 600 * SECOND,
    .limits.backlog_bytes = SIZE_MAX / 2,
    .is_controlled = true,
};

static struct mrc_buf bytes;
static struct mrc_listing_answer answer;
static struct mrc_listing_question question;

static bool lives(void *ctx, unsigned slot, pid_t pid)
{
    return true;
}

static void open_hub(unsigned threads)
{
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_inquiry_create(store_pool(), &error, &inquiry), APR_SUCCESS);
    start(1 << 22, threads, &controlled);
    mrc_buf_init(&bytes, SIZE_MAX);
    question = (struct mrc_listing_question){
        .hub = mrc_bytes_of("hub"), .order = mrc_order_init(MRC_ORDER_DISCONNECT), .limit = 1000};
}

static void close_hub(void)
{
    finish();
    mrc_buf_free(&bytes);
    mrc_inquiry_close(inquiry);
}

/* Puts the question to PART; its answer is valid until the next call. */
static void ask(unsigned part)
{
    struct mrc_buf asked;

    mrc_buf_init(&asked, SIZE_MAX);
    mrc_listing_add_question(&asked, &question);
    ck_assert_int_eq(mrc_inquiry_begin(inquiry, WAIT_US, lives, NULL), APR_SUCCESS);
    ck_assert(mrc_inquiry_ask(inquiry, HUB_SLOT, 1, part, mrc_buf_bytes(&asked)));
    mrc_notify_wake(place.notify, HUB_SLOT);
    mrc_buf_reset(&bytes);
    ck_assert(mrc_inquiry_wait(inquiry, WAIT_US, &bytes));
    mrc_inquiry_end(inquiry);
    mrc_buf_free(&asked);
    ck_assert_int_eq(mrc_listing_read_answer(mrc_buf_bytes(&bytes), &answer), MRC_OK);
}

/* The next stream of the answer; fails if there is none. */
static struct mrc_listing_entry next_entry(void)
{
    struct mrc_listing_entry entry;

    ck_assert(mrc_listing_next(&answer.entries, &entry));
    return entry;
}

static bool has(const struct mrc_listing_entry *entry, const char *text)
{
    return memmem(entry->json.ptr, entry->json.len, text, strlen(text)) != NULL;
}

static unsigned count_entries(void)
{
    struct mrc_bytes entries = answer.entries;
    struct mrc_listing_entry entry;
    unsigned count = 0;

    while (mrc_listing_next(&entries, &entry))
        count++;
    return count;
}

START_TEST(the_newest_first)
{
    struct mrc_listing_entry first, second;
    struct client *slow;
    int64_t now_s = apr_time_sec(apr_time_now());

    open_hub(1);
    ask(0);
    ck_assert_uint_eq(answer.parts, 2);
    ck_assert(!answer.has_more);
    ck_assert_uint_eq(count_entries(), 0);
    slow = connect_with(MRC_MATCHER_EXACT, "a \"topic\"", NULL, NULL);
    connect_with(MRC_MATCHER_URLPATTERN, "https://example.com/:id", NULL, NULL);
    slow->is_paused = true;
    publish(0, "a \"topic\"", 600000); /* more than the socket holds */
    do {
        ask(0);
        first = next_entry();
        second = next_entry();
    } while (second.waiting == 0);
    ck_assert_uint_eq(second.next, 2);
    ck_assert(!mrc_listing_next(&answer.entries, &first));
    ck_assert(has(&first, "\"matchers\":[{\"match\":\"https://example.com/:id\",\"match_type\":"
                          "\"urlpattern\"}]"));
    ck_assert(has(&first, "\"subscriber\":\"urn:uuid:"));
    ck_assert(has(&first, ",\"sub\":null,"));
    ck_assert(has(&first, ",\"address\":null"));
    ck_assert_int_eq(first.carrier, MRC_CARRIER_SUSPENDED);
    ck_assert_uint_eq(first.waiting, 0);
    ck_assert(has(&second, "\"match\":\"a \\\"topic\\\"\",\"match_type\":\"exact\""));
    ck_assert_int_ge(second.since_s, now_s);
    ck_assert_int_le(second.since_s, apr_time_sec(apr_time_now()));
    question.order.match = mrc_bytes_of("a \"topic\"");
    ask(0);
    ck_assert_uint_eq(count_entries(), 1);
    question.order.match_type = mrc_bytes_of("urlpattern");
    ask(0);
    ck_assert_uint_eq(count_entries(), 0);
    question.order = mrc_order_init(MRC_ORDER_DISCONNECT);
    question.order.sub = mrc_bytes_of("alice");
    ask(0);
    ck_assert_uint_eq(count_entries(), 0);
    question.order = mrc_order_init(MRC_ORDER_DISCONNECT);
    question.hub = mrc_bytes_of("another hub");
    ask(0);
    ck_assert_uint_eq(count_entries(), 0);
    close_hub();
}
END_TEST

/* Each stream that stays is listed once, although others come and go. */
START_TEST(page_by_page)
{
    unsigned seen[101] = {0};
    bool is_last = false;

    open_hub(1);
    for (unsigned i = 0; i < 100; i++) {
        char topic[16];

        snprintf(topic, sizeof(topic), "<%u>", i);
        connect_with(MRC_MATCHER_EXACT, topic, NULL, NULL);
    }
    do
        ask(0);
    while (count_entries() < 100);
    question.limit = 7;
    while (!is_last) {
        struct mrc_listing_entry entry;
        unsigned count = 0;

        ask(0);
        is_last = !answer.has_more;
        for (; mrc_listing_next(&answer.entries, &entry); count++) {
            const char *mark = memchr(entry.json.ptr, '<', entry.json.len);

            question.has_after = true;
            question.after = entry.serial;
            ck_assert_ptr_nonnull(mark);
            seen[strtol(mark + 1, NULL, 10)]++;
        }
        ck_assert(is_last || count == 7);
        connect_with(MRC_MATCHER_EXACT, "<100>", NULL, NULL);
        if (!clients[0].is_closed)
            close(clients[0].fd); /* it ends, and is the last in the list */
        clients[0].is_closed = true;
        wait_until(atomic_load(&clients[0].end) != STILL_OPEN);
    }
    for (unsigned i = 1; i < 100; i++)
        ck_assert_msg(seen[i] == 1, "stream %u was listed %u times", i, seen[i]);
    ck_assert_uint_eq(seen[100], 0);
    close_hub();
}
END_TEST

/* Counts the entries of all answers, each of which begins after the one before. */
static unsigned count_pages(unsigned *ret_pages)
{
    struct mrc_listing_entry entry;
    unsigned count = 0;

    *ret_pages = 1;
    for (ask(0); answer.has_more; ask(0)) {
        while (mrc_listing_next(&answer.entries, &entry)) {
            question.after = entry.serial;
            count++;
        }
        question.has_after = true;
        ++*ret_pages;
    }
    question.has_after = false;
    return count + count_entries();
}

/* An answer that is full says so; matchers that are too long are counted. */
START_TEST(full_answers)
{
    static char topic[10000];
    struct mrc_listing_entry entry;
    unsigned count, pages;

    open_hub(1);
    memset(topic, 'x', sizeof(topic) - 1);
    for (unsigned i = 0; i < 50; i++)
        connect_with(MRC_MATCHER_EXACT, topic, NULL, NULL);
    do /* until the loop has adopted all of them */
        count = count_pages(&pages);
    while (count < 50);
    ck_assert_uint_eq(count, 50);
    ck_assert_uint_gt(pages, 1);
    question.limit = 1;
    memset(topic, '\1', sizeof(topic) - 1);
    connect_with(MRC_MATCHER_EXACT, topic, NULL, NULL);
    connect_with(MRC_MATCHER_EXACT, topic, NULL, NULL);
    do {
        ask(0);
        entry = next_entry();
    } while (has(&entry, "xxx"));
    ck_assert(has(&entry, "\"match\":\"\\u0001") || has(&entry, "matchers_left_out"));
    ck_assert_uint_le(entry.json.len, MRC_LISTING_JSON_MAX);
    close_hub();
}
END_TEST

/* Each loop answers for its streams, and the first one for those that hold a thread. */
START_TEST(parts)
{
    struct mrc_subscriber *subscriber = NULL;
    struct mrc_listing_entry entry;
    struct mrc_waiter *waiter = NULL, *other = NULL;
    unsigned first, second;

    open_hub(2);
    for (unsigned i = 0; i < 10; i++)
        connect_all();
    do {
        ask(0);
        ck_assert_uint_eq(answer.parts, 3);
        first = count_entries();
        ask(1);
        second = count_entries();
    } while (first + second < 10);
    ck_assert_uint_eq(first, 5);
    ask(2);
    ck_assert_uint_eq(count_entries(), 0);
    ck_assert_int_eq(hub_try_subscribe(place.hub, hub_matcher(MRC_MATCHER_EXACT, "t", NULL), NULL,
                                       NULL, &subscriber),
                     APR_SUCCESS);
    ck_assert_int_eq(mrc_waiter_open(waiters, NULL, &other), APR_SUCCESS);
    ck_assert_int_eq(mrc_waiter_open(waiters, subscriber, &waiter), APR_SUCCESS);
    mrc_waiter_note(waiter, 12, 34);
    ask(2);
    entry = next_entry();
    ck_assert_int_eq(entry.carrier, MRC_CARRIER_THREADED);
    ck_assert_uint_eq(entry.next, 12);
    ck_assert_uint_eq(entry.waiting, 34);
    ck_assert(has(&entry, "\"match\":\"t\""));
    ck_assert(!mrc_listing_next(&answer.entries, &entry));
    question.has_after = true;
    question.after = entry.serial;
    ask(2);
    ck_assert_uint_eq(count_entries(), 0);
    mrc_waiter_close(waiter);
    mrc_waiter_close(other);
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    close_hub();
}
END_TEST

/* An invalid question gets an answer without streams. */
START_TEST(an_invalid_question)
{
    open_hub(1);
    connect_all();
    ck_assert_int_eq(mrc_inquiry_begin(inquiry, WAIT_US, lives, NULL), APR_SUCCESS);
    ck_assert(mrc_inquiry_ask(inquiry, HUB_SLOT, 1, 0, mrc_bytes_of("what?")));
    mrc_notify_wake(place.notify, HUB_SLOT);
    ck_assert(mrc_inquiry_wait(inquiry, WAIT_US, &bytes));
    mrc_inquiry_end(inquiry);
    ck_assert_int_eq(mrc_listing_read_answer(mrc_buf_bytes(&bytes), &answer), MRC_OK);
    ck_assert_uint_eq(count_entries(), 0);
    close_hub();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answers");
    TCase *tcase = tcase_create("answers");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, the_newest_first);
    tcase_add_test(tcase, page_by_page);
    tcase_add_test(tcase, full_answers);
    tcase_add_test(tcase, parts);
    tcase_add_test(tcase, an_invalid_question);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
