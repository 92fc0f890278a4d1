#include "httpd/publish/publication.h"

#include <stdlib.h>
#include <string.h>

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

/* A publication to TOPICS, views that must outlive it. */
static struct mrc_publication publication_to(struct mrc_bytes *topics, size_t count)
{
    return (struct mrc_publication){
        .update = {.topics = topics, .topics_count = count},
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
    struct mrc_publication publication = publication_to(topics, 2);
    struct mrc_bytes refused = mrc_bytes_of("untouched");

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_ACCEPTED);
    ck_assert_bytes_eq(refused, "untouched");
}
END_TEST

START_TEST(each_topic_needs_a_grant)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("a"), mrc_bytes_of("c"), mrc_bytes_of("d")};
    struct mrc_publication publication = publication_to(topics, 3);
    struct mrc_bytes refused = {NULL, 0};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_NOT_GRANTED);
    ck_assert_bytes_eq(refused, "c");
}
END_TEST

START_TEST(no_token_grants_the_reserved_namespace)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("a"), mrc_bytes_of(HUB "/x")};
    struct mrc_publication publication = publication_to(topics, 2);
    struct mrc_bytes refused = {NULL, 0};

    ck_assert(mrc_token_grants(token, MRC_ACTION_PUBLISH, topics[1]));
    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_bytes_eq(refused, HUB "/x");
}
END_TEST

START_TEST(all_paths_of_the_hub_are_reserved)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("/other/hub/x")};
    struct mrc_publication publication = publication_to(topics, 1);
    struct mrc_bytes refused = {NULL, 0};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_bytes_eq(refused, "/other/hub/x");
}
END_TEST

/* Of an update that breaks both rules, the reserved topic is reported, wherever it stands. */
START_TEST(reserved_topics_come_before_grants)
{
    struct mrc_bytes topics[] = {mrc_bytes_of("c"), mrc_bytes_of(HUB)};
    struct mrc_publication publication = publication_to(topics, 2);
    struct mrc_bytes refused = {NULL, 0};

    ck_assert_int_eq(mrc_publication_check(&publication, &refused), MRC_PUBLICATION_RESERVED);
    ck_assert_bytes_eq(refused, HUB);
}
END_TEST

/* ---- make_id, store ---------------------------------------------------------------------------*/

START_TEST(update_without_an_id_gets_a_new_one)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_publication first = publication_to(topics, 1), second = publication_to(topics, 1);

    ck_assert_int_eq(mrc_publication_make_id(&first, place.hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_publication_make_id(&second, place.hub), APR_SUCCESS);
    ck_assert_uint_eq(first.update.id.len, MRC_UPDATE_ID_BYTES - 1);
    ck_assert_int_eq(strncmp(first.update.id.ptr, "urn:uuid:", 9), 0);
    ck_assert(!mrc_bytes_eq(first.update.id, second.update.id));
    hub_place_close(&place);
}
END_TEST

START_TEST(update_keeps_the_id_of_its_publisher)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_publication publication = publication_to(topics, 1);

    publication.update.id = mrc_bytes_of("urn:mine");
    ck_assert_int_eq(mrc_publication_make_id(&publication, place.hub), APR_SUCCESS);
    ck_assert_bytes_eq(publication.update.id, "urn:mine");
    hub_place_close(&place);
}
END_TEST

START_TEST(stored_update_is_the_newest_of_the_hub)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_publication publication = publication_to(topics, 1);
    char *newest = NULL;

    ck_assert_int_eq(mrc_publication_make_id(&publication, place.hub), APR_SUCCESS);
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_UPDATES), 1);
    ck_assert_int_eq(mrc_subscriber_peek(place.hub, mrc_bytes_of(""), apr_time_now(), &newest),
                     APR_SUCCESS);
    ck_assert_str_eq(newest, publication.id);
    free(newest);
    hub_place_close(&place);
}
END_TEST

/* No publisher can give such ids any more, but a history may hold them. */
START_TEST(ids_of_an_old_history_are_cursors)
{
    struct hub_place place = hub_place_open(RING, &spec);
    struct mrc_bytes topics[] = {mrc_bytes_of("a")};
    struct mrc_publication publication = publication_to(topics, 1);
    char *newest = NULL;

    publication.update.id = mrc_bytes_of(" old\t");
    ck_assert_int_eq(mrc_publication_store(&publication, place.hub, apr_time_now()), APR_SUCCESS);
    ck_assert_int_eq(mrc_subscriber_peek(place.hub, publication.update.id, apr_time_now(), &newest),
                     APR_SUCCESS);
    ck_assert_str_eq(newest, " old\t");
    free(newest);
    hub_place_close(&place);
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
    tcase_add_test(tcase, update_without_an_id_gets_a_new_one);
    tcase_add_test(tcase, update_keeps_the_id_of_its_publisher);
    tcase_add_test(tcase, stored_update_is_the_newest_of_the_hub);
    tcase_add_test(tcase, ids_of_an_old_history_are_cursors);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
