/*
 * The ends of what a dead machine had, with an engine that is played: which members are removed,
 * with which events, and what happens after errors.
 */
#include "core/base/json.h"
#include "hub/presence/reap.h"
#include "hub/transport/listed.h"
#include "hub/transport/query.h"
#include "hub_unit.h"
#include "store/base/status.h"
#include "store/regions/roster.h"

#define MEMBERS_MAX 200

static const char *const paths[] = {"/h"};
static const struct mrc_transport_spec transport = {.engine = {.timeout_us = 1000000}};
static struct mrc_hub_spec spec = {
    .shape.roster_subscribers = 10,
    .transport = &transport,
    .paths = paths,
    .paths_count = 1,
};
static struct hub_place place;

/* The engine, and the subscriptions of the machine in it. */
static struct {
    bool has_dead;
    struct mrc_bytes members[MEMBERS_MAX];
    size_t count;
    apr_status_t list_status, reap_status;
    uint64_t more; /* so many more seem to be left */
    unsigned lists, reaps;
} engine;

static struct mrc_buf ends; /* the matchers of the events, "-" for a member without one */

static void setup(void)
{
    place = hub_place_open(8 << 20, &spec);
    mrc_hub_set_query(place.hub, (struct mrc_query *)&engine);
    engine.has_dead = true;
    mrc_buf_init(&ends, SIZE_MAX);
}

static void teardown(void)
{
    mrc_hub_set_query(place.hub, NULL);
    mrc_buf_free(&ends);
    hub_place_close(&place);
}

/* ---- the engine -------------------------------------------------------------------------------*/

bool __wrap_mrc_query_take_dead(struct mrc_query *query, struct mrc_query_dead *ret_dead);
apr_status_t __wrap_mrc_query_subscriptions(struct mrc_query *query, const char *machine,
                                            struct mrc_bytes prefix, struct mrc_bytes after,
                                            mrc_query_fn *each, void *ctx, size_t *ret_count);
apr_status_t __wrap_mrc_query_reap(struct mrc_query *query, const struct mrc_query_dead *dead,
                                   const struct mrc_bytes *members, const struct mrc_record *ends,
                                   size_t count, uint64_t *ret_left);

bool __wrap_mrc_query_take_dead(struct mrc_query *query, struct mrc_query_dead *ret_dead)
{
    bool has_dead = engine.has_dead;

    (void)query;
    engine.has_dead = false;
    snprintf(ret_dead->machine, sizeof(ret_dead->machine), "m2");
    return has_dead;
}

apr_status_t __wrap_mrc_query_subscriptions(struct mrc_query *query, const char *machine,
                                            struct mrc_bytes prefix, struct mrc_bytes after,
                                            mrc_query_fn *each, void *ctx, size_t *ret_count)
{
    bool goes_on = true;

    (void)query;
    ck_assert_str_eq(machine, "m2");
    ck_assert_uint_eq(prefix.len + after.len, 0);
    engine.lists++;
    *ret_count = engine.count;
    if (engine.list_status)
        return engine.list_status;
    for (size_t i = 0; i < engine.count && goes_on; i++) {
        char *copy = malloc(engine.members[i].len + 1); /* the view ends with the call */

        memcpy(copy, engine.members[i].ptr, engine.members[i].len);
        goes_on = each(ctx, (struct mrc_bytes){copy, engine.members[i].len});
        memset(copy, '?', engine.members[i].len);
        free(copy);
    }
    return APR_SUCCESS;
}

static void note(const struct mrc_record *record)
{
    struct mrc_error error = {""};
    struct mrc_update update;
    json_t *document;

    if (!record->payload.len) {
        mrc_buf_add_str(&ends, "- ");
        return;
    }
    ck_assert_int_eq(record->mark, MRC_RECORD_ENDS);
    ck_assert_int_eq(mrc_update_decode(record->id, record->payload, &update), MRC_OK);
    ck_assert_int_eq(mrc_json_parse_object(update.data, &error, &document), MRC_OK);
    ck_assert(json_is_false(json_object_get(document, "active")));
    mrc_buf_printf(&ends, "%s ", json_string_value(json_object_get(document, "match")));
    json_decref(document);
    mrc_update_clear(&update);
}

apr_status_t __wrap_mrc_query_reap(struct mrc_query *query, const struct mrc_query_dead *dead,
                                   const struct mrc_bytes *members,
                                   const struct mrc_record *records, size_t count,
                                   uint64_t *ret_left)
{
    (void)query;
    ck_assert_str_eq(dead->machine, "m2");
    ck_assert_uint_le(count, MRC_QUERY_REAP_MAX);
    engine.reaps++;
    *ret_left = engine.count + engine.more;
    if (engine.reap_status)
        return engine.reap_status;
    for (size_t i = 0; i < count; i++) {
        ck_assert(mrc_bytes_eq(members[i], engine.members[i]));
        note(&records[i]);
        free((char *)engine.members[i].ptr);
    }
    engine.count -= count;
    memmove(engine.members, engine.members + count, engine.count * sizeof(engine.members[0]));
    *ret_left = engine.count + engine.more;
    return APR_SUCCESS;
}

/* The machine has a subscription with MATCH. */
static void enter(const char *match)
{
    struct mrc_roster_entry entry = {.type = MRC_MATCHER_EXACT, .match = mrc_bytes_of(match)};
    struct mrc_bytes *member = &engine.members[engine.count++];
    struct mrc_buf text;

    mrc_buf_init(&text, SIZE_MAX);
    mrc_listed_add(&text, &entry);
    member->ptr = mrc_buf_take(&text, &member->len);
}

/* ---- the tests --------------------------------------------------------------------------------*/

START_TEST(all_subscriptions_end)
{
    struct mrc_buf want;
    char match[16];

    mrc_buf_init(&want, SIZE_MAX);
    for (unsigned i = 0; i < 2 * MRC_QUERY_REAP_MAX + 3; i++) {
        snprintf(match, sizeof(match), "%u", i);
        enter(match);
        mrc_buf_printf(&want, "%u ", i);
    }
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    ck_assert(mrc_bytes_eq(mrc_buf_bytes(&ends), mrc_buf_bytes(&want)));
    ck_assert_uint_eq(engine.count, 0);
    ck_assert_uint_eq(engine.reaps, 3);
    mrc_buf_free(&want);
}
END_TEST

START_TEST(nothing_is_asked_while_none_is_dead)
{
    engine.has_dead = false;
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    mrc_hub_set_query(place.hub, NULL);
    engine.has_dead = true;
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    ck_assert_uint_eq(engine.lists, 0);
}
END_TEST

/* What another program has entered, and an event that is too large, are removed without an event.
 */
START_TEST(what_has_no_event_is_removed_too)
{
    char *large = malloc(3 << 20);

    memset(large, 'x', (3 << 20) - 1);
    large[(3 << 20) - 1] = '\0';
    enter("a");
    engine.members[engine.count++] = (struct mrc_bytes){strdup("nonsense"), 8};
    enter("b");
    enter(large);
    enter("c");
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&ends), "a - b - c ");
    ck_assert_uint_eq(engine.count, 0);
    free(large);
}
END_TEST

/* A few large events fill what is published at once. */
START_TEST(the_bytes_of_a_step_are_limited)
{
    char *large = malloc((1 << 18) + 1);

    memset(large, 'x', 1 << 18);
    large[1 << 18] = '\0';
    for (int i = 0; i < 4; i++)
        enter(large);
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    ck_assert_uint_eq(engine.count, 0);
    ck_assert_uint_eq(engine.reaps, 2);
    free(large);
}
END_TEST

START_TEST(an_error_ends_it)
{
    enter("a");
    engine.list_status = MRC_STATUS_UNREACHABLE;
    ck_assert_int_eq(mrc_presence_reap(place.hub), MRC_STATUS_UNREACHABLE);
    ck_assert_uint_eq(engine.lists, 1);
    ck_assert_uint_eq(engine.reaps, 0);
    engine.list_status = APR_SUCCESS;
    engine.has_dead = true;
    engine.reap_status = MRC_STATUS_UNREACHABLE;
    ck_assert_int_eq(mrc_presence_reap(place.hub), MRC_STATUS_UNREACHABLE);
    ck_assert_uint_eq(engine.reaps, 1);
    engine.reap_status = APR_SUCCESS;
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS); /* the link posts it once more */
    ck_assert_uint_eq(engine.reaps, 1);
    engine.has_dead = true;
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&ends), "a ");
}
END_TEST

/* The engine says that some are left, and lists none. */
START_TEST(an_engine_that_contradicts_itself_is_not_asked_for_ever)
{
    enter("a");
    engine.more = 1;
    ck_assert_int_eq(mrc_presence_reap(place.hub), APR_SUCCESS);
    ck_assert_bytes_eq(mrc_buf_bytes(&ends), "a ");
    ck_assert_uint_eq(engine.lists, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reap");
    TCase *tcase = tcase_create("reap");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, all_subscriptions_end);
    tcase_add_test(tcase, nothing_is_asked_while_none_is_dead);
    tcase_add_test(tcase, what_has_no_event_is_removed_too);
    tcase_add_test(tcase, the_bytes_of_a_step_are_limited);
    tcase_add_test(tcase, an_error_ends_it);
    tcase_add_test(tcase, an_engine_that_contradicts_itself_is_not_asked_for_ever);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
