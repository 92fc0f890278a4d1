/* The figures of several machines add up, and those of another machine are checked. */
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "hub/hub/figures.h"
#include "unit.h"

static struct mrc_buf text;

static void setup(void)
{
    mrc_buf_init(&text, SIZE_MAX);
}

static void teardown(void)
{
    mrc_buf_free(&text);
}

static void add_topic(struct mrc_figures_topics *topics, const char *name, uint64_t count)
{
    struct mrc_busiest_topic *topic = &topics->topics[topics->count++];

    topic->count = count;
    topic->text_bytes = strlen(name);
    memcpy(topic->text, name, topic->text_bytes);
}

static void expect_topic(const struct mrc_figures_topics *topics, size_t i, const char *name,
                         uint64_t count)
{
    ck_assert_uint_lt(i, topics->count);
    ck_assert_uint_eq(topics->topics[i].count, count);
    ck_assert_bytes_eq(((struct mrc_bytes){topics->topics[i].text, topics->topics[i].text_bytes}),
                       name);
}

static struct mrc_figures make(void)
{
    struct mrc_figures figures = {
        .subscribers = 3,
        .memory_bytes = 4096,
        .children = 2,
        .rates = {.publications_per_s = 1.5, .deliveries_per_s = 4.25},
    };

    figures.rates.latencies[0] = 90;
    figures.rates.latencies[MRC_NUMBERS_BOUNDS] = 7;
    add_topic(&figures.topics[MRC_BUSIEST_UPDATES], "a \"quoted\"\\é", 9);
    add_topic(&figures.topics[MRC_BUSIEST_UPDATES], "b", 4);
    add_topic(&figures.topics[MRC_BUSIEST_RECEIVERS], "b", 5);
    return figures;
}

START_TEST(they_travel_and_add_up)
{
    struct mrc_figures figures = make(), other;

    mrc_figures_encode(&figures, &text);
    ck_assert_int_eq(mrc_figures_decode(mrc_buf_bytes(&text), &other), MRC_OK);
    other.topics[MRC_BUSIEST_UPDATES].count = 0;
    add_topic(&other.topics[MRC_BUSIEST_UPDATES], "b", 6);
    add_topic(&other.topics[MRC_BUSIEST_UPDATES], "c", 1);
    add_topic(&other.topics[MRC_BUSIEST_UPDATES], "a", 3);
    add_topic(&other.topics[MRC_BUSIEST_UPDATES], "c", 1);
    mrc_figures_add(&figures, &other);
    ck_assert_uint_eq(figures.subscribers, 6);
    ck_assert_uint_eq(figures.memory_bytes, 8192);
    ck_assert_uint_eq(figures.children, 4);
    ck_assert_double_eq(figures.rates.publications_per_s, 3);
    ck_assert_double_eq(figures.rates.deliveries_per_s, 8.5);
    ck_assert_uint_eq(figures.rates.latencies[0], 180);
    ck_assert_uint_eq(figures.rates.latencies[MRC_NUMBERS_BOUNDS], 14);
    ck_assert_uint_eq(figures.topics[MRC_BUSIEST_UPDATES].count, 4);
    expect_topic(&figures.topics[MRC_BUSIEST_UPDATES], 0, "b", 10);
    expect_topic(&figures.topics[MRC_BUSIEST_UPDATES], 1, "a \"quoted\"\\é", 9);
    expect_topic(&figures.topics[MRC_BUSIEST_UPDATES], 2, "a", 3);
    expect_topic(&figures.topics[MRC_BUSIEST_UPDATES], 3, "c", 2);
    expect_topic(&figures.topics[MRC_BUSIEST_RECEIVERS], 0, "b", 10);
}
END_TEST

START_TEST(the_busiest_of_many_topics_stay)
{
    struct mrc_figures figures = {.subscribers = 0}, other = {.subscribers = 0};
    char name[16];

    for (unsigned i = 0; i < MRC_FIGURES_TOPICS; i++) {
        snprintf(name, sizeof(name), "own %u", i);
        add_topic(&figures.topics[0], name, 100 - i);
        snprintf(name, sizeof(name), "other %u", i);
        add_topic(&other.topics[0], name, i ? 1 : 1000);
    }
    mrc_figures_add(&figures, &other);
    ck_assert_uint_eq(figures.topics[0].count, MRC_FIGURES_TOPICS);
    expect_topic(&figures.topics[0], 0, "other 0", 1000);
    expect_topic(&figures.topics[0], MRC_FIGURES_TOPICS - 1, "own 18", 82);
    /* One more than stay. */
    other.topics[0].count = 0;
    add_topic(&other.topics[0], "one more", 83);
    mrc_figures_add(&figures, &other);
    ck_assert_uint_eq(figures.topics[0].count, MRC_FIGURES_TOPICS);
    expect_topic(&figures.topics[0], MRC_FIGURES_TOPICS - 1, "one more", 83);
}
END_TEST

/* Two machines with different latencies: the quantile is that of all deliveries, not a mean. */
START_TEST(a_quantile_is_that_of_all_deliveries)
{
    struct mrc_figures fast = {.subscribers = 0}, slow = {.subscribers = 0};

    ck_assert_double_lt(mrc_activity_quantile_ms(fast.rates.latencies, 0.5), 0);
    fast.rates.latencies[0] = 990;
    slow.rates.latencies[5] = 10;
    mrc_figures_add(&fast, &slow);
    ck_assert_double_le(mrc_activity_quantile_ms(fast.rates.latencies, 0.9),
                        (double)mrc_numbers_bound_us(0) / 1000);
    ck_assert_double_gt(mrc_activity_quantile_ms(fast.rates.latencies, 0.995),
                        (double)mrc_numbers_bound_us(4) / 1000);
}
END_TEST

/* Decodes the text of make() with TO in place of FROM. */
static enum mrc_err decode_with(const char *from, const char *to, struct mrc_figures *ret_figures)
{
    struct mrc_figures figures = make();
    char *at, changed[8192];

    mrc_buf_reset(&text);
    mrc_figures_encode(&figures, &text);
    mrc_buf_add_char(&text, '\0');
    at = strstr(text.ptr, from);
    ck_assert_ptr_nonnull(at);
    snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text.ptr), text.ptr, to,
             at + strlen(from));
    return mrc_figures_decode(mrc_bytes_of(changed), ret_figures);
}

static void refuse(const char *from, const char *to)
{
    struct mrc_figures figures = {.subscribers = 17};

    ck_assert_msg(decode_with(from, to, &figures) != MRC_OK, "%s in place of %s", to, from);
    ck_assert_uint_eq(figures.subscribers, 17);
}

START_TEST(nonsense_is_refused)
{
    struct mrc_figures figures;
    char topics[MRC_BUSIEST_TEXT_BYTES + 64];

    refuse("\"version\":1", "\"version\":2");
    refuse("\"subscribers\":3", "\"subscribers\":-3");
    refuse("\"subscribers\":3", "\"subscribers\":17592186044417"); /* one more than the largest */
    ck_assert_int_eq(decode_with("\"subscribers\":3", "\"subscribers\":17592186044416", &figures),
                     MRC_OK);
    ck_assert_uint_eq(figures.subscribers, UINT64_C(17592186044416));
    refuse("\"subscribers\":3", "\"subscribers\":1e400");
    refuse("\"subscribers\":3", "\"subscribers\":\"3\"");
    refuse("\"publications_per_s\":1.500", "\"publications_per_s\":1e400");
    refuse("\"deliveries_per_s\":4.250", "\"deliveries_per_s\":-1");
    refuse("\"deliveries_per_s\":4.250", "\"deliveries_per_s\":\"4\"");
    refuse("\"deliveries_per_s\":4.250", "\"deliveries_per_s\":1000000000001");
    ck_assert_int_eq(decode_with("4.250", "1000000000000", &figures), MRC_OK);
    ck_assert_double_eq(figures.rates.deliveries_per_s, 1e12);
    refuse("\"latencies\":[90,", "\"latencies\":[");
    refuse("\"latencies\":[90,", "\"latencies\":[0,90,");
    refuse("\"latencies\":[90,", "\"latencies\":[-1,");
    refuse("\"topic\":\"b\"", "\"topic\":1");
    refuse("\"count\":4", "\"count\":-4");
    refuse("\"updates\":[", "\"updates\":[[],");
    refuse("\"receivers\":", "\"others\":");
    memset(topics, 'x', sizeof(topics));
    memcpy(topics, "\"topic\":\"", 9);
    snprintf(topics + 9 + MRC_BUSIEST_TEXT_BYTES + 1, 2, "\"");
    refuse("\"topic\":\"b\"", topics); /* one byte too long */
    snprintf(topics + 9 + MRC_BUSIEST_TEXT_BYTES, 2, "\"");
    ck_assert_int_eq(decode_with("\"topic\":\"b\"", topics, &figures), MRC_OK);
    ck_assert_uint_eq(figures.topics[0].topics[1].text_bytes, MRC_BUSIEST_TEXT_BYTES);
    ck_assert_int_ne(mrc_figures_decode(mrc_bytes_of(""), &figures), MRC_OK);
    ck_assert_int_ne(mrc_figures_decode(mrc_bytes_of("{}"), &figures), MRC_OK);
    ck_assert_int_ne(mrc_figures_decode(mrc_bytes_of("[1]"), &figures), MRC_OK);
}
END_TEST

START_TEST(too_many_topics_are_refused)
{
    struct mrc_figures figures = {.subscribers = 0}, read;
    char *at;

    for (unsigned i = 0; i < MRC_FIGURES_TOPICS; i++)
        add_topic(&figures.topics[0], "t", 1);
    mrc_figures_encode(&figures, &text);
    ck_assert_int_eq(mrc_figures_decode(mrc_buf_bytes(&text), &read), MRC_OK);
    mrc_buf_add_char(&text, '\0');
    at = strstr(text.ptr, "\"updates\":[");
    ck_assert_ptr_nonnull(at);
    {
        struct mrc_buf more;

        mrc_buf_init(&more, SIZE_MAX);
        mrc_buf_add(&more, text.ptr, (size_t)(at - text.ptr) + 11);
        mrc_buf_add_str(&more, "{\"topic\":\"t\",\"count\":1},");
        mrc_buf_add_str(&more, at + 11);
        ck_assert_int_ne(mrc_figures_decode(mrc_buf_bytes(&more), &read), MRC_OK);
        mrc_buf_free(&more);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("figures");
    TCase *tcase = tcase_create("figures");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, they_travel_and_add_up);
    tcase_add_test(tcase, the_busiest_of_many_topics_stay);
    tcase_add_test(tcase, a_quantile_is_that_of_all_deliveries);
    tcase_add_test(tcase, nonsense_is_refused);
    tcase_add_test(tcase, too_many_topics_are_refused);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
