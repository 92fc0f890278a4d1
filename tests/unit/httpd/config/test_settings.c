#include "httpd/config/settings.h"

#include <stddef.h>
#include <string.h>

#include "apr_general.h"

#include "unit.h"

#define SECOND_US ((int64_t)1000000)

static apr_pool_t *pool;

static void setup(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
}

static void teardown(void)
{
    apr_terminate();
}

START_TEST(settings_are_default_until_something_is_set)
{
    static const struct mrc_publish_header header = {0};
    struct mrc_settings *settings = mrc_settings_create(pool);

    ck_assert(mrc_settings_are_default(settings));
    settings->response.publish_header = &header;
    ck_assert(!mrc_settings_are_default(settings));
    for (int field = MRC_FIELD_NONE + 1; field < MRC_FIELD_COUNT; field++) {
        settings = mrc_settings_create(pool);
        mrc_settings_mark(settings, field);
        ck_assert_msg(!mrc_settings_are_default(settings), "field %d", field);
    }
}
END_TEST

START_TEST(new_settings_have_the_defaults_of_the_table)
{
    const struct mrc_settings *settings = mrc_settings_create(pool);

    ck_assert_uint_eq(settings->set, 0);
    ck_assert_ptr_null(settings->section);
    ck_assert(!settings->location.anonymous && settings->location.detach);
    ck_assert_str_eq(settings->location.cookie_name, "__Secure-mercure_access_token");
    ck_assert_int_eq(settings->hub.limits.heartbeat_us, 20 * SECOND_US);
    ck_assert_int_eq(settings->hub.limits.lifetime_us, 600 * SECOND_US);
    ck_assert_uint_eq(settings->hub.limits.backlog_bytes, 1 << 20);
    ck_assert_uint_eq(settings->hub.history.count, 100000);
    ck_assert(!settings->hub.history.off);
    ck_assert_int_eq(settings->hub.store_sync, MRC_HISTORY_SYNC_GROUP);
    ck_assert_int_eq(settings->hub.limit_field_bytes, 0); /* the word "body" */
    ck_assert_int_eq(settings->server.dispatchers, 1);
}
END_TEST

static void assert_scope(const struct mrc_directive *row, enum mrc_field field)
{
    static const struct {
        size_t begin, end;
    } parts[] = {
        [MRC_SCOPE_LOCATION] = {offsetof(struct mrc_settings, location),
                                offsetof(struct mrc_settings, hub)},
        [MRC_SCOPE_HUB] = {offsetof(struct mrc_settings, hub),
                           offsetof(struct mrc_settings, server)},
        [MRC_SCOPE_SECTION] = {offsetof(struct mrc_settings, section),
                               offsetof(struct mrc_settings, location)},
        [MRC_SCOPE_SERVER] = {offsetof(struct mrc_settings, server),
                              offsetof(struct mrc_settings, response)},
        [MRC_SCOPE_HOST] = {offsetof(struct mrc_settings, server),
                            offsetof(struct mrc_settings, response)},
        [MRC_SCOPE_RESPONSE] = {offsetof(struct mrc_settings, response),
                                sizeof(struct mrc_settings)},
    };
    struct mrc_settings settings;
    size_t offset = (size_t)((char *)mrc_settings_field(&settings, field) - (char *)&settings);

    ck_assert_msg(offset >= parts[row->scope].begin && offset < parts[row->scope].end,
                  "field %d of %s is in the part of another scope", field, row->name);
}

START_TEST(each_field_is_in_the_part_of_its_scope)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];

        if (row->field)
            assert_scope(row, row->field);
        if (row->field2)
            assert_scope(row, row->field2);
        for (size_t k = 0; k < row->options_count; k++)
            assert_scope(row, row->options[k].field);
    }
}
END_TEST

START_TEST(fields_do_not_overlap)
{
    struct mrc_settings settings;

    for (int a = MRC_FIELD_NONE + 1; a < MRC_FIELD_COUNT; a++) {
        for (int b = MRC_FIELD_NONE + 1; b < a; b++)
            ck_assert_msg(mrc_settings_field(&settings, (enum mrc_field)a) !=
                              mrc_settings_field(&settings, (enum mrc_field)b),
                          "fields %d and %d", a, b);
    }
}
END_TEST

START_TEST(merging_copies_only_the_fields_that_are_set)
{
    struct mrc_settings *outer = mrc_settings_create(pool);
    struct mrc_settings *inner = mrc_settings_create(pool);
    const struct mrc_settings *merged;

    mrc_settings_set_number(outer, MRC_FIELD_LIMIT_TOPICS, MRC_UNIT_COUNT, 5);
    mrc_settings_set_number(outer, MRC_FIELD_HEARTBEAT, MRC_UNIT_SECONDS, 7);
    mrc_settings_set_flag(outer, MRC_FIELD_ANONYMOUS, true);
    mrc_settings_set_number(inner, MRC_FIELD_HEARTBEAT, MRC_UNIT_SECONDS, 0);
    mrc_settings_set_flag(inner, MRC_FIELD_LEGACY, true);
    merged = mrc_settings_merge(pool, outer, inner);
    ck_assert_int_eq(merged->hub.limit_topics, 5);
    ck_assert_int_eq(merged->hub.limits.heartbeat_us, 0);
    ck_assert(merged->location.anonymous && merged->location.legacy);
    ck_assert(mrc_settings_is_set(merged, MRC_FIELD_LIMIT_TOPICS));
    ck_assert(mrc_settings_is_set(merged, MRC_FIELD_LEGACY));
    ck_assert(!mrc_settings_is_set(merged, MRC_FIELD_LIFETIME));
    ck_assert_int_eq(outer->hub.limits.heartbeat_us, 7 * SECOND_US);
    ck_assert(!outer->location.legacy && !mrc_settings_is_set(outer, MRC_FIELD_LEGACY));
}
END_TEST

START_TEST(any_other_value_of_a_hub_is_a_disagreement)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];
        const struct mrc_settings *a = mrc_settings_create(pool);

        for (size_t k = 0; k < row->options_count; k++) {
            struct mrc_settings *b = mrc_settings_create(pool);
            const char *name;

            mrc_settings_set_number(b, row->options[k].field, row->options[k].unit, 3);
            name = mrc_settings_disagreement(a, b);
            ck_assert_msg(name && !strcmp(name, row->name), "%s=: %s", row->options[k].name,
                          name ? name : "none");
        }
    }
}
END_TEST

START_TEST(locations_of_a_hub_may_differ_in_their_own_settings)
{
    struct mrc_settings *a = mrc_settings_create(pool), *b = mrc_settings_create(pool);

    mrc_settings_set_flag(a, MRC_FIELD_ANONYMOUS, true);
    b->location.cookie_name = "other";
    mrc_settings_set_number(a, MRC_FIELD_HEARTBEAT, MRC_UNIT_SECONDS, 20); /* the default */
    ck_assert_ptr_null(mrc_settings_disagreement(a, b));
}
END_TEST

START_TEST(paths_of_stores_are_compared_as_texts)
{
    struct mrc_settings *a = mrc_settings_create(pool), *b = mrc_settings_create(pool);
    char one[] = "/data", same[] = "/data", other[] = "/date";

    a->hub.store_path = one;
    ck_assert_str_eq(mrc_settings_disagreement(a, b), "MercureStore");
    b->hub.store_path = same;
    ck_assert_ptr_null(mrc_settings_disagreement(a, b));
    b->hub.store_path = other;
    ck_assert_str_eq(mrc_settings_disagreement(a, b), "MercureStore");
    b->hub.store_path = same;
    b->hub.store_sync = MRC_HISTORY_SYNC_NONE;
    ck_assert_str_eq(mrc_settings_disagreement(a, b), "MercureStore");
}
END_TEST

static struct mrc_settings *with_header(bool is_on)
{
    struct mrc_settings *settings = mrc_settings_create(pool);
    struct mrc_publish_header *header = apr_pcalloc(pool, sizeof(*header));

    header->is_on = is_on;
    settings->response.publish_header = header;
    mrc_settings_mark(settings, MRC_FIELD_PUBLISH_HEADER);
    return settings;
}

/* Off inside On differs from Off alone: the fields are removed. */
START_TEST(publish_header_remembers_that_an_outer_section_is_on)
{
    const struct mrc_settings *none = mrc_settings_create(pool);
    const struct mrc_settings *on = with_header(true), *off = with_header(false);
    const struct mrc_settings *merged = mrc_settings_merge(pool, off, none);

    ck_assert(!merged->response.publish_header->is_below_on);
    merged = mrc_settings_merge(pool, on, off);
    ck_assert(!merged->response.publish_header->is_on);
    ck_assert(merged->response.publish_header->is_below_on);
    merged = mrc_settings_merge(pool, merged, off);
    ck_assert(merged->response.publish_header->is_below_on);
    merged = mrc_settings_merge(pool, merged, none);
    ck_assert(merged->response.publish_header->is_below_on);
    ck_assert(mrc_settings_merge(pool, merged, on)->response.publish_header->is_on);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tcase = tcase_create("settings");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, settings_are_default_until_something_is_set);
    tcase_add_test(tcase, new_settings_have_the_defaults_of_the_table);
    tcase_add_test(tcase, each_field_is_in_the_part_of_its_scope);
    tcase_add_test(tcase, fields_do_not_overlap);
    tcase_add_test(tcase, merging_copies_only_the_fields_that_are_set);
    tcase_add_test(tcase, any_other_value_of_a_hub_is_a_disagreement);
    tcase_add_test(tcase, locations_of_a_hub_may_differ_in_their_own_settings);
    tcase_add_test(tcase, paths_of_stores_are_compared_as_texts);
    tcase_add_test(tcase, publish_header_remembers_that_an_outer_section_is_on);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
