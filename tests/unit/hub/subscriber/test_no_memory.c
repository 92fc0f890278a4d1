/*
 * A subscriber replays a history with each allocation failing in turn: it gets everything, or its
 * stream ends, and comes back to the same place.
 */
#include "failing_calls.h"
#include "hub/subscriber/pages.h"
#include "hub/subscriber/reader.h"
#include "hub_unit.h"

#define RECORDS 20

static struct hub_place place;
static struct mrc_hub_spec spec = {.limits.backlog_bytes = 1 << 20};

/* A history in memory, or in a file. */
static void fill(bool is_durable)
{
    static const char *const topics[] = {"https://example.com/a", "https://example.com/b"};

    spec.history_dir = is_durable ? store_dir() : NULL;
    place = hub_place_open(1 << 16, &spec);
    for (int i = 0; i < RECORDS; i++) {
        char id[16], data[1000];

        snprintf(id, sizeof(id), "id-%d", i);
        memset(data, 'x', sizeof(data));
        ck_assert_int_eq(hub_publish_to(place.hub, id, topics, 1 + (size_t)i % 2,
                                        (struct mrc_bytes){data, sizeof(data)}, i % 5 == 4),
                         APR_SUCCESS);
    }
}

static apr_status_t take_all(struct mrc_subscriber *subscriber, struct mrc_buf *out)
{
    apr_status_t status;

    do {
        status = mrc_subscriber_take(subscriber, 4000, mrc_subscriber_give_bytes, out);
    } while (status == APR_SUCCESS);
    return status;
}

/* Replays from the beginning, with PAGES (NULL: with pages of its own). */
static bool replay_with(struct mrc_pages *pages, struct mrc_buf *out)
{
    long left = fail_later();
    struct mrc_subscription subscription = {
        .matchers = malloc(2 * sizeof(struct mrc_matcher *)),
        .matchers_count = 2,
        .has_cursor = true,
        .cursor = mrc_bytes_of("earliest"),
        .wants_positions = true,
    };
    struct mrc_subscriber *subscriber;
    apr_status_t status;
    struct mrc_buf first;

    subscription.matchers[0] = hub_own_matcher(
        place.hub, hub_matcher(MRC_MATCHER_URLPATTERN, "/a", "https://example.com/"));
    subscription.matchers[1] =
        hub_own_matcher(place.hub, hub_matcher(MRC_MATCHER_EXACT, "https://example.com/b", NULL));
    fail_again(left);
    status = mrc_subscriber_open(place.hub, &subscription, apr_time_now(), &subscriber);
    if (!status) {
        if (pages)
            mrc_subscriber_read_with(subscriber, pages);
        mrc_buf_init(&first, SIZE_MAX);
        mrc_subscriber_add_first_bytes(subscriber, apr_time_now(), &first);
        mrc_buf_free(&first);
        status = take_all(subscriber, out);
        if (mrc_buf_error(out))
            status = mrc_buf_error(out) == MRC_ENOMEM ? APR_ENOMEM : APR_EGENERAL;
        mrc_subscriber_close(subscriber, MRC_END_CLIENT);
    }
    ck_assert_msg(status == APR_EOF || status == APR_ENOMEM, "%d", status);
    return status == APR_EOF;
}

static bool replay(void)
{
    struct mrc_buf out;
    bool is_done;

    mrc_buf_init(&out, SIZE_MAX);
    is_done = replay_with(NULL, &out);
    if (is_done)
        ck_assert_uint_ge(out.len, RECORDS * 1000 * 4 / 5);
    mrc_buf_free(&out);
    return is_done;
}

/* Two replays share what they read. */
static bool share(void)
{
    struct mrc_pages *pages = mrc_pages_create(place.hub, NULL, NULL, NULL);
    struct mrc_buf first, second;
    bool is_done;

    if (!pages)
        return false;
    mrc_buf_init(&first, SIZE_MAX);
    mrc_buf_init(&second, SIZE_MAX);
    is_done = replay_with(pages, &first);
    if (replay_with(pages, &second) && is_done)
        ck_assert_uint_eq(first.len, second.len);
    else
        is_done = false;
    mrc_buf_free(&first);
    mrc_buf_free(&second);
    mrc_pages_free(pages);
    return is_done;
}

START_TEST(a_replay)
{
    if (_i && !mrc_history_has_lmdb())
        return;
    fill(_i);
    fail_in_turn("replay", replay, 10);
    fail_in_turn("share", share, 10);
    hub_place_close(&place);
}
END_TEST

/* ---- the thread that reads a file -------------------------------------------------------------*/

static bool start_reader(void)
{
    long left = fail_later();
    struct mrc_reader *reader;
    apr_status_t status;
    apr_pool_t *own;

    ck_assert_int_eq(apr_pool_create(&own, place.pool), APR_SUCCESS);
    fail_again(left);
    status = mrc_reader_start(own, &reader);
    if (status == APR_SUCCESS)
        ck_assert(mrc_reader_stop(reader));
    left = fail_later();
    apr_pool_destroy(own);
    fail_again(left);
    return status == APR_SUCCESS;
}

START_TEST(a_reader)
{
    place = hub_place_open(1 << 16, &spec);
    fail_in_turn("reader", start_reader, 1);
    few_descriptors_in_turn("descriptors", start_reader, 1);
    hub_place_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no_memory");
    TCase *tcase = tcase_create("no_memory");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_replay, 0, 2);
    tcase_add_test(tcase, a_reader);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
