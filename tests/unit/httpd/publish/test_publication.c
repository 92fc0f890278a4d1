#include "httpd/publish/publication.h"

#include <stdlib.h>
#include <string.h>

#include "failing_calls.h"
#include "hub_unit.h"
#include "tokens.h"

#define RING ((uint64_t)64 * 1024)

static const struct mrc_hub_spec spec = {.limits.dispatch_timeout_us = 1000000};
static const char *const hub_paths[] = {"/.well-known/mercure", "/other/hub"};

static struct mrc_token *token; /* grants publish on a, b, and all below the hub */

static void setup(void)
{
    static const char *const audiences[] = {HUB};
    struct mrc_keyset *keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    const struct mrc_token_trust trust = {ISSUER, mrc_alg_set_of(MRC_ALG_HS256), keys};
    const struct mrc_token_policy token_policy = {
        .trust = &trust,
        .trust_count = 1,
        .audiences = audiences,
        .audience_count = 1,
        .base = HUB,
        .limits = {10, 10, 100},
    };
    struct mrc_error reason = {""};
    char *text =
        token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
                   CLAIMS_WITH(ONE_DETAIL("\"actions\":[\"publish\"],\"topics\":[{\"match\":\"a\"},"
                                          "{\"match\":\"b\"},{\"match\":\"" HUB "/x\"}]")));

    ck_assert_msg(mrc_token_verify(mrc_bytes_of(text), &token_policy, NOW_US, &reason, &token) ==
                      MRC_OK,
                  "%s", reason.text);
    free(text);
    mrc_keyset_free(keys);
}

static void teardown(void)
{
    mrc_token_unref(token);
}

/* An update to TOPICS, views that must outlive it. */
static struct mrc_update update_to(struct mrc_bytes *topics, size_t count)
{
    return (struct mrc_update){.topics = topics, .topics_count = count};
}

/* A publication of UPDATES. IDS has room for as many. */
static struct mrc_publication publication_of(struct mrc_update *updates, size_t count,
                                             char (*ids)[MRC_UPDATE_ID_BYTES])
{
    return (struct mrc_publication){
        .updates = updates,
        .count = count,
        .ids = ids,
        .token = token,
        .hub_url = HUB,
        .hub_paths = hub_paths,
        .hub_paths_count = sizeof(hub_paths) / sizeof(hub_paths[0]),
    };
}

/* ---- check ------------------------------------------------------------------------------------*/

START_TEST(update_with_only_granted_topics_is_accepted)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("a"), mrc_bytes_of("b")};
    struct mrc_update update = update_to(topics, 2);
    struct mrc_publication publication = publication_of(&update, 1, NULL);
    struct mrc_publication_refusal refused = {77, mrc_bytes_of("untouched")};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_ACCEPTED);
    ck_assert_bytes_eq(refused.topic, "untouched");
}
END_TEST

START_TEST(each_topic_needs_a_grant)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("a"), mrc_bytes_of("c"), mrc_bytes_of("d")};
    struct mrc_update update = update_to(topics, 3);
    struct mrc_publication publication = publication_of(&update, 1, NULL);
    struct mrc_publication_refusal refused = {77, {NULL, 0}};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_NOT_GRANTED);
    ck_assert_bytes_eq(refused.topic, "c");
}
END_TEST

START_TEST(no_token_grants_the_reserved_namespace)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("a"), mrc_bytes_of(HUB "/x")};
    struct mrc_update update = update_to(topics, 2);
    struct mrc_publication publication = publication_of(&update, 1, NULL);
    struct mrc_publication_refusal refused = {77, {NULL, 0}};

    ck_assert(mrc_token_grants(token, MRC_ACTION_PUBLISH, topics[1]));
    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_bytes_eq(refused.topic, HUB "/x");
}
END_TEST

START_TEST(all_paths_of_the_hub_are_reserved)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("/other/hub/x")};
    struct mrc_update update = update_to(topics, 1);
    struct mrc_publication publication = publication_of(&update, 1, NULL);
    struct mrc_publication_refusal refused = {77, {NULL, 0}};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_bytes_eq(refused.topic, "/other/hub/x");
}
END_TEST

/* Of an update that breaks both rules, the reserved topic is reported, wherever it stands. */
START_TEST(reserved_topics_come_before_grants)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("c"), mrc_bytes_of(HUB)};
    struct mrc_update update = update_to(topics, 2);
    struct mrc_publication publication = publication_of(&update, 1, NULL);
    struct mrc_publication_refusal refused = {77, {NULL, 0}};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_bytes_eq(refused.topic, HUB);
}
END_TEST

/* The first update that may not be stored is the one that is reported. */
START_TEST(each_update_of_a_batch_is_checked)
{
    struct mrc_bytes granted[] = {mrc_bytes_of("a")}, other[] = {mrc_bytes_of("c")};
    struct mrc_bytes reserved[] = {mrc_bytes_of(HUB)};
    struct mrc_update updates[] = {update_to(granted, 1), update_to(other, 1),
                                   update_to(reserved, 1)};
    struct mrc_publication publication = publication_of(updates, 3, NULL);
    struct mrc_publication_refusal refused;

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_NOT_GRANTED);
    ck_assert_uint_eq(refused.index, 1);
    ck_assert_bytes_eq(refused.topic, "c");
    updates[1] = updates[0];
    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_uint_eq(refused.index, 2);
}
END_TEST

/* ---- make_ids, store --------------------------------------------------------------------------*/

START_TEST(update_without_an_id_gets_a_new_one)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_update updates[] = {update_to(topics, 1), update_to(topics, 1)};
    char ids[2][MRC_UPDATE_ID_BYTES];
    struct mrc_publication publication = publication_of(updates, 2, ids);

    ck_assert_int_eq(mrc_publication_make_ids(&publication, place.hub), APR_SUCCESS);
    ck_assert_uint_eq(updates[0].id.len, MRC_UPDATE_ID_BYTES - 1);
    ck_assert_int_eq(strncmp(updates[0].id.ptr, "urn:uuid:", 9), 0);
    ck_assert(!mrc_bytes_eq(updates[0].id, updates[1].id));
    hub_place_close(&place);
}
END_TEST

START_TEST(update_keeps_the_id_of_its_publisher)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_update update = update_to(topics, 1);
    char ids[1][MRC_UPDATE_ID_BYTES];
    struct mrc_publication publication = publication_of(&update, 1, ids);

    update.id = mrc_bytes_of("urn:mine");
    ck_assert_int_eq(mrc_publication_make_ids(&publication, place.hub), APR_SUCCESS);
    ck_assert_bytes_eq(update.id, "urn:mine");
    hub_place_close(&place);
}
END_TEST

START_TEST(stored_update_is_the_newest_of_the_hub)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_update update = update_to(topics, 1);
    char ids[1][MRC_UPDATE_ID_BYTES];
    struct mrc_publication publication = publication_of(&update, 1, ids);
    char *newest = NULL;

    ck_assert_int_eq(mrc_publication_make_ids(&publication, place.hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_UPDATES), 1);
    ck_assert_int_eq(mrc_subscriber_peek(place.hub, mrc_bytes_of(""), apr_time_now(), &newest),
                     APR_SUCCESS);
    ck_assert_str_eq(newest, ids[0]);
    free(newest);
    hub_place_close(&place);
}
END_TEST

START_TEST(batch_is_stored_in_its_order)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_update updates[] = {update_to(topics, 1), update_to(topics, 1),
                                   update_to(topics, 1)};
    char ids[3][MRC_UPDATE_ID_BYTES];
    struct mrc_publication publication = publication_of(updates, 3, ids);
    struct mrc_ring_record record = {.buf = NULL};
    uint64_t pos = 0;

    updates[1].id = mrc_bytes_of("mine");
    ck_assert_int_eq(mrc_publication_make_ids(&publication, place.hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_UPDATES), 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(mrc_ring_read(mrc_hub_ring(place.hub), &pos, &record), APR_SUCCESS);
        ck_assert_uint_eq(record.view.seq, i + 1);
        ck_assert(mrc_bytes_eq(record.view.id, updates[i].id));
    }
    ck_assert_bytes_eq(updates[1].id, "mine");
    mrc_ring_record_free(&record);
    hub_place_close(&place);
}
END_TEST

/* One update fits, but not as many as the ring has. */
START_TEST(batch_that_is_too_large_leaves_nothing)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    size_t largest = mrc_ring_largest(mrc_hub_ring(place.hub));
    char *data = calloc(1, largest);
    struct mrc_update updates[8];
    char ids[8][MRC_UPDATE_ID_BYTES];
    struct mrc_publication publication = publication_of(updates, 8, ids);

    for (size_t i = 0; i < 8; i++) {
        updates[i] = update_to(topics, 1);
        updates[i].data = (struct mrc_bytes){data, largest / 2};
    }
    ck_assert_int_eq(mrc_publication_make_ids(&publication, place.hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()),
                     MRC_STATUS_TOO_LARGE);
    ck_assert_uint_eq(mrc_ring_head(mrc_hub_ring(place.hub)), 0);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_UPDATES), 0);
    publication.count = 3;
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_UPDATES), 3);
    free(data);
    hub_place_close(&place);
}
END_TEST

/* No publisher can give such ids any more, but a history may hold them. */
START_TEST(ids_of_an_old_history_are_cursors)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_update update = update_to(topics, 1);
    char ids[1][MRC_UPDATE_ID_BYTES];
    struct mrc_publication publication = publication_of(&update, 1, ids);
    char *newest = NULL;

    update.id = mrc_bytes_of(" old\t");
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_int_eq(mrc_subscriber_peek(place.hub, update.id, apr_time_now(), &newest),
                     APR_SUCCESS);
    ck_assert_str_eq(newest, " old\t");
    free(newest);
    hub_place_close(&place);
}
END_TEST

/* ---- without memory ---------------------------------------------------------------------------*/

/* The verdict on a publication to TOPIC, whose URL is parsed. */
static enum mrc_publication_verdict judge(const char *topic)
{
    struct mrc_bytes topics[] = {mrc_bytes_of(topic)};
    struct mrc_update update = update_to(topics, 1);
    struct mrc_publication publication = publication_of(&update, 1, NULL);
    struct mrc_publication_refusal unused;

    return mrc_publication_check(&publication, &unused);
}

static bool refuse_reserved(void)
{
    ck_assert_int_eq(judge("https://hub.example.com/x/%2e%2e/%2ewell-known/mercure/x"),
                     MRC_PUBLICATION_RESERVED);
    return true;
}

/* When it cannot be found out whether a topic is reserved, the publication is refused. */
static bool refuse_others(void)
{
    ck_assert_int_ne(judge("https://example.com/x/%2e%2e/y"), MRC_PUBLICATION_ACCEPTED);
    return true;
}

static bool accept_granted(void)
{
    return judge("a") == MRC_PUBLICATION_ACCEPTED;
}

START_TEST(without_memory_no_more_is_accepted)
{
    fail_in_turn("reserved", refuse_reserved, 2);
    fail_in_turn("others", refuse_others, 2);
    fail_in_turn("granted", accept_granted, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("publication");
    TCase *tcase = tcase_create("publication");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, update_with_only_granted_topics_is_accepted);
    tcase_add_test(tcase, each_topic_needs_a_grant);
    tcase_add_test(tcase, no_token_grants_the_reserved_namespace);
    tcase_add_test(tcase, all_paths_of_the_hub_are_reserved);
    tcase_add_test(tcase, reserved_topics_come_before_grants);
    tcase_add_test(tcase, each_update_of_a_batch_is_checked);
    tcase_add_test(tcase, update_without_an_id_gets_a_new_one);
    tcase_add_test(tcase, update_keeps_the_id_of_its_publisher);
    tcase_add_test(tcase, stored_update_is_the_newest_of_the_hub);
    tcase_add_test(tcase, batch_is_stored_in_its_order);
    tcase_add_test(tcase, batch_that_is_too_large_leaves_nothing);
    tcase_add_test(tcase, ids_of_an_old_history_are_cursors);
    tcase_add_test(tcase, without_memory_no_more_is_accepted);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
