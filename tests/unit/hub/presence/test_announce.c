/*
 * What is announced, in one thread: the entries of a subscriber, publications that store only the
 * first of several events, and machines that cannot reach the engine.
 */
#include "core/base/json.h"
#include "hub/presence/events.h"
#include "hub/presence/presence.h"
#include "hub/presence/queue.h"
#include "hub/transport/listed.h"
#include "hub_unit.h"
#include "store/base/status.h"
#include "store/regions/link.h"
#include "store/regions/roster.h"
#include "tokens.h"

#define RING        ((uint64_t)8 << 20)
#define SUBSCRIBERS 10

static const unsigned char subscriber[16] = "0123456789abcde";
static const char *const paths[] = {"/h", "/other"};
static const struct mrc_transport_spec transport = {.engine = {.timeout_us = 1000000}};
static struct mrc_hub_spec spec = {
    .shape.roster_subscribers = SUBSCRIBERS,
    .paths = paths,
    .paths_count = 2,
};

static struct hub_place place;
static struct mrc_roster *roster;
static struct mrc_buf said; /* the events: "+a " for a begin, "-a " for an end */

/* The next publications store at most this many events, and return this status. */
#define CALLS_MAX 4
static struct {
    size_t at_most;
    apr_status_t status;
} calls[CALLS_MAX];
static unsigned call, calls_count;

/* With a transport: the operations of the engine for the events. */
static struct mrc_buf operations;

static void open_hub(bool has_transport)
{
    spec.transport = has_transport ? &transport : NULL;
    place = hub_place_open(RING, &spec);
    roster = mrc_hub_roster(place.hub);
    mrc_buf_init(&said, SIZE_MAX);
    mrc_buf_init(&operations, SIZE_MAX);
}

static void setup(void)
{
    open_hub(false);
}

static void setup_machine(void)
{
    open_hub(true);
    mrc_link_set_state(mrc_hub_link(place.hub), MRC_LINK_UP, 1);
}

static void teardown(void)
{
    ck_assert_uint_eq(call, calls_count);
    ck_assert_uint_eq(mrc_roster_used(roster), 0);
    mrc_buf_free(&said);
    mrc_buf_free(&operations);
    hub_place_close(&place);
}

/* The next publication stores at most AT_MOST events, and returns STATUS. */
static void fail_next(size_t at_most, apr_status_t status)
{
    ck_assert_uint_lt(calls_count, CALLS_MAX);
    calls[calls_count].at_most = at_most;
    calls[calls_count++].status = status;
}

static void note(const struct mrc_record *record)
{
    struct mrc_error error = {""};
    struct mrc_update update;
    char *payload = NULL;
    json_t *document;

    ck_assert_int_eq(mrc_update_decode(record->id, record->payload, &update), MRC_OK);
    ck_assert_uint_eq(record->stored_bytes, mrc_update_stored_bytes(&update));
    ck_assert(update.is_private);
    ck_assert_msg(mrc_json_parse_object(update.data, &error, &document) == MRC_OK, "%s",
                  error.text);
    ck_assert_uint_eq(update.topics_count, 2);
    ck_assert_bytes_eq(update.topics[0], json_string_value(json_object_get(document, "id")));
    ck_assert_uint_eq(update.topics[1].len, update.topics[0].len + strlen("/other") - strlen("/h"));
    ck_assert(mrc_bytes_starts_with(update.topics[1], mrc_bytes_of("/other/subscriptions/")));
    if (json_object_get(document, "payload"))
        ck_assert_int_eq(mrc_json_print(json_object_get(document, "payload"), &payload), MRC_OK);
    mrc_buf_printf(&said, "%c%s%s ", record->mark == MRC_RECORD_BEGINS ? '+' : '-',
                   json_string_value(json_object_get(document, "match")), payload ? payload : "");
    ck_assert(json_is_true(json_object_get(document, "active")) ==
              (record->mark == MRC_RECORD_BEGINS));
    free(payload);
    json_decref(document);
    mrc_update_clear(&update);
    ck_assert(spec.transport || !record->operation.len);
    mrc_buf_add_bytes(&operations, record->operation);
    mrc_buf_add_char(&operations, ' ');
}

apr_status_t __wrap_mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                          size_t count, int64_t now_us, size_t *ret_done);

apr_status_t __wrap_mrc_hub_publish_group(struct mrc_hub *hub, const struct mrc_record *items,
                                          size_t count, int64_t now_us, size_t *ret_done)
{
    apr_status_t status = APR_SUCCESS;

    (void)now_us;
    ck_assert_ptr_eq(hub, place.hub);
    ck_assert_uint_gt(count, 0);
    ck_assert_uint_le(count, MRC_PRESENCE_EVENTS_MAX);
    *ret_done = count;
    if (call < calls_count) {
        status = calls[call].status;
        if (*ret_done > calls[call].at_most)
            *ret_done = calls[call].at_most;
        call++;
    }
    for (size_t i = 0; i < *ret_done; i++)
        note(&items[i]);
    return status;
}

/* Checks what was said since the last time. */
static void ck_assert_said(const char *want)
{
    ck_assert_bytes_eq(mrc_buf_bytes(&said), want);
    mrc_buf_reset(&said);
}

static unsigned listed(void)
{
    struct mrc_roster_entry entry = {.type = 0};
    unsigned count = 0;

    for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++)
        count += mrc_roster_read(roster, cell, &entry) == APR_SUCCESS;
    mrc_roster_entry_free(&entry);
    return count;
}

/* The matchers "0", "1" and so on. */
static apr_status_t begin_with(size_t count, const struct mrc_token *token,
                               struct mrc_presence **ret_presence)
{
    struct mrc_matcher **matchers = calloc(count, sizeof(struct mrc_matcher *));
    apr_status_t status;
    char value[24];

    for (size_t i = 0; i < count; i++) {
        snprintf(value, sizeof(value), "%zu", i);
        matchers[i] = hub_matcher(MRC_MATCHER_EXACT, value, NULL);
    }
    *ret_presence = NULL;
    status = mrc_presence_begin(place.hub, subscriber, matchers, count, token, ret_presence);
    ck_assert_int_eq(*ret_presence == NULL, status != APR_SUCCESS);
    for (size_t i = 0; i < count; i++)
        mrc_matcher_free(matchers[i]);
    free(matchers);
    return status;
}

static struct mrc_presence *begin(size_t count)
{
    struct mrc_presence *presence;

    ck_assert_int_eq(begin_with(count, NULL, &presence), APR_SUCCESS);
    return presence;
}

/* ---- the entries of a subscriber --------------------------------------------------------------*/

START_TEST(a_matcher_is_its_type_and_its_value)
{
    struct mrc_matcher *matchers[] = {
        hub_matcher(MRC_MATCHER_EXACT, "/a", NULL),
        hub_matcher(MRC_MATCHER_URLPATTERN, "/a", "https://example.com/"),
        hub_matcher(MRC_MATCHER_EXACT, "/a", NULL),
        hub_matcher(MRC_MATCHER_EXACT, "/a", NULL),
        hub_matcher(MRC_MATCHER_EXACT, "/b", NULL),
    };
    struct mrc_presence *presence;

    ck_assert_int_eq(mrc_presence_begin(place.hub, subscriber, matchers, 5, NULL, &presence),
                     APR_SUCCESS);
    ck_assert_said("+/a +/a +/b ");
    ck_assert_uint_eq(listed(), 3);
    mrc_presence_end(presence);
    ck_assert_said("-/a -/a -/b ");
    for (size_t i = 0; i < 5; i++)
        mrc_matcher_free(matchers[i]);
}
END_TEST

/* A token that grants "1" with PAYLOAD, and "0" without one. */
static struct mrc_token *make_token(const char *payload)
{
    static const char details[] = ",\"authorization_details\":[" ONE_DETAIL(
        "\"actions\":[\"subscribe\"],"
        "\"topics\":[{\"match\":\"1\"}],"
        "\"payload\":%s") "," ONE_DETAIL("\"actions\":[\"subscribe\"],\"topics\":[{\"match\":\"0\"}"
                                         "]") "]}";
    struct mrc_keyset *keys = keys_of(SECRET, mrc_alg_set_of(MRC_ALG_HS256));
    const struct mrc_token_trust trust = {ISSUER, MRC_ALG_SET_HMAC, keys};
    const char *const audiences[] = {HUB};
    const struct mrc_token_policy policy = {.trust = &trust,
                                            .trust_count = 1,
                                            .audiences = audiences,
                                            .audience_count = 1,
                                            .limits = {10, 10, 100}};
    struct mrc_error error = {""};
    struct mrc_token *token;
    struct mrc_buf claims;
    char *text, *jws;

    mrc_buf_init(&claims, SIZE_MAX);
    mrc_buf_add_str(&claims, CLAIMS);
    mrc_buf_printf(&claims, details, payload);
    text = mrc_buf_take(&claims, NULL);
    jws = token_sign(MRC_ALG_HS256, SECRET, "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", text);
    ck_assert_msg(mrc_token_verify(mrc_bytes_of(jws), &policy, NOW_US, &error, &token) == MRC_OK,
                  "%s", error.text);
    mrc_keyset_free(keys);
    free(text);
    free(jws);
    return token;
}

START_TEST(a_matcher_has_the_payload_that_the_token_has_for_it)
{
    struct mrc_token *token = make_token("{\"x\":1}");
    struct mrc_presence *presence;

    ck_assert_int_eq(begin_with(3, token, &presence), APR_SUCCESS);
    ck_assert_said("+0 +1{\"x\":1} +2 ");
    mrc_presence_end(presence);
    ck_assert_said("-0 -1{\"x\":1} -2 ");
    mrc_token_unref(token);
}
END_TEST

START_TEST(a_matcher_has_a_limit)
{
    char *value = malloc(MRC_ROSTER_MATCH_MAX + 2);

    for (size_t more = 0; more < 2; more++) {
        struct mrc_matcher *matchers[] = {hub_matcher(MRC_MATCHER_EXACT, "small", NULL), NULL};
        struct mrc_presence *presence = NULL;

        memset(value, 'x', MRC_ROSTER_MATCH_MAX + more);
        value[MRC_ROSTER_MATCH_MAX + more] = '\0';
        matchers[1] = hub_matcher(MRC_MATCHER_EXACT, value, NULL);
        ck_assert_int_eq(mrc_presence_begin(place.hub, subscriber, matchers, 2, NULL, &presence),
                         more ? MRC_STATUS_TOO_LARGE : APR_ENOSPC); /* the roster has less room */
        ck_assert_uint_eq(mrc_roster_used(roster), 0);
        mrc_matcher_free(matchers[0]);
        mrc_matcher_free(matchers[1]);
    }
    ck_assert_said("");
    free(value);
}
END_TEST

/* Takes all cells that subscribers share. Returns the number of entries, whose ids are in IDS. */
static unsigned take_shared_cells(uint32_t *ids)
{
    struct mrc_roster_entry entry = {.type = MRC_MATCHER_EXACT};
    size_t len = (size_t)MRC_ROSTER_SHARED_CELLS_MIN * 64;
    char *value = malloc(len);
    unsigned count = 0;

    memset(value, 'x', len);
    for (; len > 0; len /= 2) {
        entry.match = (struct mrc_bytes){value, len};
        while (mrc_roster_add(roster, HUB_SLOT, &entry, false, &ids[count]) == APR_SUCCESS)
            ck_assert_uint_lt(++count, 100);
    }
    free(value);
    return count;
}

/* Whatever others take: each subscriber has room for a few short matchers. */
START_TEST(each_subscriber_has_cells_of_its_own)
{
    struct mrc_presence *large, *presences[SUBSCRIBERS];
    uint32_t ids[100];
    unsigned count;

    ck_assert_uint_eq(mrc_roster_cells(1, 0), 1);
    large = begin(MRC_ROSTER_OWN_CELLS + 1);
    count = take_shared_cells(ids);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        presences[i] = begin(MRC_ROSTER_OWN_CELLS);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        mrc_presence_end(presences[i]);
    mrc_presence_end(large);
    for (unsigned i = 0; i < count; i++)
        mrc_roster_release(roster, ids[i]);
    mrc_buf_reset(&said);
}
END_TEST

/* More than one publication announces. */
START_TEST(many_matchers_are_announced_in_order)
{
    const size_t count = 2 * MRC_PRESENCE_EVENTS_MAX + 50;
    struct mrc_buf want;

    mrc_buf_init(&want, SIZE_MAX);
    for (int active = 1; active >= 0; active--)
        for (size_t i = 0; i < count; i++)
            mrc_buf_printf(&want, "%c%zu ", active ? '+' : '-', i);
    mrc_presence_end(begin(count));
    ck_assert(mrc_bytes_eq(mrc_buf_bytes(&said), mrc_buf_bytes(&want)));
    mrc_buf_free(&want);
}
END_TEST

/* ---- publications that fail -------------------------------------------------------------------*/

START_TEST(what_was_not_announced_does_not_end)
{
    struct mrc_presence *presence;

    fail_next(0, APR_ENOSPC);
    ck_assert_int_eq(begin_with(3, NULL, &presence), APR_ENOSPC);
    ck_assert_said("");
    ck_assert_uint_eq(mrc_roster_used(roster), 0);
    fail_next(2, APR_ENOSPC);
    ck_assert_int_eq(begin_with(5, NULL, &presence), APR_ENOSPC);
    ck_assert_said("+0 +1 -0 -1 ");
}
END_TEST

static struct mrc_presence_queue *queue;

/* Takes what was posted. The caller is the announcer. */
static struct mrc_list take(void)
{
    struct mrc_list list = {.first = NULL};

    ck_assert(!mrc_presence_queue_take(queue, &list, 0, false));
    return list;
}

START_TEST(each_end_is_announced_once)
{
    struct mrc_list list;

    ck_assert_int_eq(mrc_presence_queue_create(place.pool, &queue), APR_SUCCESS);
    mrc_hub_set_presence_queue(place.hub, queue);
    mrc_presence_end(begin(3));
    mrc_presence_end(begin(4));
    ck_assert_uint_eq(listed(), 0);
    list = take();
    mrc_buf_reset(&said);
    fail_next(4, APR_ENOSPC);
    ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_ENOSPC);
    ck_assert_said("-0 -1 -2 -0 ");
    ck_assert_uint_eq(mrc_roster_used(roster), 3);
    ck_assert_ptr_nonnull(list.first);
    fail_next(1, APR_ENOSPC);
    ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_ENOSPC);
    ck_assert_said("-1 ");
    ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_SUCCESS);
    ck_assert_said("-2 -3 ");
    ck_assert_ptr_null(list.first);
}
END_TEST

/* The child is dead, and another one announces its ends. */
START_TEST(each_end_of_a_dead_child_is_announced_once)
{
    struct mrc_presence *presence = begin(5);

    mrc_buf_reset(&said);
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_SUCCESS);
    ck_assert_said("");
    mrc_roster_fold(roster, HUB_SLOT);
    free(presence);
    ck_assert_uint_eq(listed(), 0);
    fail_next(0, APR_ENOSPC);
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_ENOSPC);
    ck_assert_uint_eq(mrc_roster_used(roster), 5);
    fail_next(2, APR_ENOSPC);
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_ENOSPC);
    ck_assert_said("-0 -1 ");
    ck_assert_uint_eq(mrc_roster_used(roster), 3);
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_SUCCESS);
    ck_assert_said("-2 -3 -4 ");
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_SUCCESS);
    ck_assert_said("");
}
END_TEST

START_TEST(all_ends_of_a_dead_child_are_announced)
{
    const size_t count = 2 * MRC_PRESENCE_EVENTS_MAX + 50;
    struct mrc_presence *presence = begin(count);

    mrc_roster_fold(roster, HUB_SLOT);
    free(presence);
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_SUCCESS);
    mrc_buf_reset(&said);
}
END_TEST

/* The end of a subscription has a longer text than its begin, and may be too large. */
START_TEST(an_end_without_room_is_not_announced)
{
    struct mrc_presence *before = begin(1), *after;
    struct mrc_roster_entry large = {.type = MRC_MATCHER_EXACT};
    char *value = malloc(RING / 4);
    uint32_t id;

    memset(value, 'x', RING / 4);
    large.match = (struct mrc_bytes){value, RING / 4};
    ck_assert_int_eq(mrc_roster_add(roster, HUB_SLOT, &large, false, &id), APR_SUCCESS);
    mrc_roster_activate(roster, id);
    after = begin(2);
    mrc_buf_reset(&said);
    mrc_roster_fold(roster, HUB_SLOT);
    free(before);
    free(after);
    free(value);
    ck_assert_int_eq(mrc_presence_announce_orphans(place.hub), APR_SUCCESS);
    ck_assert_said("-0 -0 -1 ");
}
END_TEST

static struct mrc_presence_events *events;

static void add_event(uint32_t id, const char *match)
{
    struct mrc_roster_entry entry = {.type = MRC_MATCHER_EXACT, .match = mrc_bytes_of(match)};

    ck_assert_int_eq(mrc_presence_events_add(events, id, &entry, true), APR_SUCCESS);
}

/* Entries without an event are done with those around them. */
START_TEST(entries_without_an_event_count)
{
    static const size_t done_of[] = {1, 3, 6};
    struct mrc_record record;
    size_t done;

    events = mrc_presence_events_open(place.hub);
    ck_assert_int_eq(mrc_presence_events_publish(events, &done), APR_SUCCESS);
    ck_assert_uint_eq(done, 0);
    for (size_t published = 0; published < 3; published++) {
        ck_assert_int_eq(mrc_presence_events_add_silent(events, 10), APR_SUCCESS);
        add_event(11, "a");
        ck_assert_int_eq(mrc_presence_events_add_silent(events, 12), APR_SUCCESS);
        add_event(13, "b");
        ck_assert_int_eq(mrc_presence_events_add_silent(events, 14), APR_SUCCESS);
        ck_assert_int_eq(mrc_presence_events_add_silent(events, 15), APR_SUCCESS);
        ck_assert_uint_eq(mrc_presence_events_count(events), 6);
        for (size_t i = 0; i < 6; i++) {
            ck_assert_uint_eq(mrc_presence_events_id(events, i), 10 + i);
            mrc_presence_events_record(events, i, &record);
            ck_assert_int_eq(record.payload.len > 0, i == 1 || i == 3);
            ck_assert_int_eq(record.id.len > 0, i == 1 || i == 3);
        }
        fail_next(published, APR_ENOSPC);
        ck_assert_int_eq(mrc_presence_events_publish(events, &done), APR_ENOSPC);
        ck_assert_uint_eq(done, done_of[published]);
        mrc_presence_events_reset(events);
    }
    ck_assert_said("+a +a +b ");
    ck_assert_int_eq(mrc_presence_events_add_silent(events, 10), APR_SUCCESS);
    ck_assert_int_eq(mrc_presence_events_publish(events, &done), APR_SUCCESS);
    ck_assert_uint_eq(done, 1);
    mrc_presence_events_close(events);
}
END_TEST

/* The id of the end of a subscription follows from the subscription alone. */
START_TEST(each_end_has_an_id_of_its_own)
{
    static const struct {
        unsigned char subscriber;
        enum mrc_matcher_type type;
        const char *match;
    } rows[] = {
        {1, MRC_MATCHER_EXACT, "a"},      {2, MRC_MATCHER_EXACT, "a"}, {3, MRC_MATCHER_EXACT, "a"},
        {1, MRC_MATCHER_URLPATTERN, "a"}, {1, MRC_MATCHER_EXACT, "b"},
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    struct mrc_record record[2 * ROWS];

    events = mrc_presence_events_open(place.hub);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        struct mrc_roster_entry entry = {.type = rows[i % ROWS].type,
                                         .match = mrc_bytes_of(rows[i % ROWS].match)};

        /* In one half or the other. */
        entry.subscriber[rows[i % ROWS].subscriber == 2 ? 0 : 15] = rows[i % ROWS].subscriber;
        ck_assert_int_eq(mrc_presence_events_add(events, 0, &entry, false), APR_SUCCESS);
        mrc_presence_events_record(events, i, &record[i]);
        ck_assert_int_eq(memcmp(record[i].subject.word, entry.subscriber, 16), 0);
    }
    for (size_t i = 0; i < 2 * ROWS; i++)
        mrc_presence_events_record(events, i, &record[i]);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        const char *id = record[i].id.ptr;

        /* The halves of urn:uuid:01234567-89ab-cdef-0123-456789abcdef are different. */
        ck_assert(memcmp(id + 13, id + 33, 4) != 0 || memcmp(id + 18, id + 37, 4) != 0);
        for (size_t j = 0; j < i; j++) {
            bool is_same = i == j + ROWS;

            ck_assert_int_eq(!memcmp(id, record[j].id.ptr, 22), is_same);
            ck_assert_int_eq(!memcmp(id + 28, record[j].id.ptr + 28, 17), is_same);
            ck_assert_int_eq(
                !memcmp(&record[i].subject, &record[j].subject, sizeof(record[i].subject)),
                is_same);
        }
    }
    mrc_presence_events_close(events);
}
END_TEST

/* Events are full with many entries, or with many bytes. */
START_TEST(events_are_full)
{
    size_t len = MRC_PRESENCE_EVENTS_BYTES_MAX / 2;
    char *value = malloc(len + 1);

    memset(value, 'x', len);
    value[len] = '\0';
    events = mrc_presence_events_open(place.hub);
    for (int i = 0; i < 3; i++) {
        ck_assert(!mrc_presence_events_is_full(events));
        add_event(0, value); /* it is in the topic, too */
        ck_assert(mrc_presence_events_is_full(events));
        mrc_presence_events_reset(events);
        for (size_t n = 0; n < MRC_PRESENCE_EVENTS_MAX; n++) {
            ck_assert(!mrc_presence_events_is_full(events));
            ck_assert_int_eq(mrc_presence_events_add_silent(events, 0), APR_SUCCESS);
        }
        ck_assert(mrc_presence_events_is_full(events));
        mrc_presence_events_reset(events);
    }
    mrc_presence_events_close(events);
    mrc_presence_events_close(NULL);
    free(value);
}
END_TEST

/* ---- with a transport -------------------------------------------------------------------------*/

/* The subscriptions of this child that the engine does not list. */
static unsigned untold(void)
{
    struct mrc_roster_entry entry = {.type = 0};
    unsigned count = 0;

    for (uint32_t cell = 0; cell < mrc_roster_count(roster); cell++)
        count += mrc_roster_read_untold(roster, HUB_SLOT, cell, &entry) == APR_SUCCESS;
    mrc_roster_entry_free(&entry);
    return count;
}

START_TEST(the_engine_is_told)
{
    struct mrc_presence *presence = begin(2);
    struct mrc_buf want;

    ck_assert_uint_eq(untold(), 0);
    ck_assert_int_eq(mrc_presence_announce_late(place.hub), APR_SUCCESS);
    ck_assert_said("+0 +1 ");
    mrc_presence_end(presence);
    ck_assert_said("-0 -1 ");
    mrc_buf_init(&want, SIZE_MAX);
    for (unsigned i = 0; i < 4; i++) {
        struct mrc_roster_entry entry = {.type = MRC_MATCHER_EXACT,
                                         .match = mrc_bytes_of(i % 2 ? "1" : "0")};

        memcpy(entry.subscriber, subscriber, sizeof(entry.subscriber));
        mrc_buf_add_char(&want, i < 2 ? '+' : '-');
        mrc_listed_add(&want, &entry);
        mrc_buf_add_char(&want, ' ');
    }
    ck_assert(mrc_bytes_eq(mrc_buf_bytes(&operations), mrc_buf_bytes(&want)));
    mrc_buf_free(&want);
}
END_TEST

/* While the engine cannot be reached, subscriptions begin, and are announced later. */
START_TEST(a_begin_may_be_late)
{
    static const apr_status_t statuses[] = {MRC_STATUS_UNREACHABLE, MRC_STATUS_UNCONFIRMED,
                                            APR_TIMEUP};
    struct mrc_presence *presence;
    struct mrc_list list;

    /* Without an announcer, nobody would announce it. */
    fail_next(1, MRC_STATUS_UNREACHABLE);
    ck_assert_int_eq(begin_with(2, NULL, &presence), MRC_STATUS_UNREACHABLE);
    ck_assert_said("+0 -0 ");

    ck_assert_int_eq(mrc_presence_queue_create(place.pool, &queue), APR_SUCCESS);
    mrc_hub_set_presence_queue(place.hub, queue);
    fail_next(0, APR_ENOSPC); /* another reason */
    ck_assert_int_eq(begin_with(2, NULL, &presence), APR_ENOSPC);
    ck_assert(!mrc_presence_queue_take_late(queue));
    list = take();
    ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_SUCCESS);
    ck_assert_said("");
    call = calls_count = 0;

    for (size_t i = 0; i < 3; i++) {
        fail_next(1, statuses[i]);
        presence = begin(3);
        ck_assert_said("+0 ");
        ck_assert_uint_eq(listed(), 3);
        ck_assert_uint_eq(untold(), 2);
        ck_assert(mrc_presence_queue_take_late(queue));
        ck_assert(!mrc_presence_queue_take_late(queue));

        mrc_link_set_state(mrc_hub_link(place.hub), MRC_LINK_DOWN, 1);
        ck_assert_int_eq(mrc_presence_announce_late(place.hub), MRC_STATUS_UNREACHABLE);
        mrc_link_set_state(mrc_hub_link(place.hub), MRC_LINK_UP, 1);
        fail_next(1, MRC_STATUS_UNREACHABLE);
        ck_assert_int_eq(mrc_presence_announce_late(place.hub), MRC_STATUS_UNREACHABLE);
        ck_assert_said("+1 ");
        ck_assert_uint_eq(untold(), 1);
        ck_assert_int_eq(mrc_presence_announce_late(place.hub), APR_SUCCESS);
        ck_assert_said("+2 ");
        ck_assert_uint_eq(untold(), 0);

        mrc_presence_end(presence);
        list = take();
        ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_SUCCESS);
        ck_assert_said("-0 -1 -2 ");
        call = calls_count = 0;
    }
}
END_TEST

START_TEST(many_late_begins_are_announced)
{
    const size_t count = MRC_PRESENCE_EVENTS_MAX + 50;
    struct mrc_presence *presence;
    struct mrc_list list;

    ck_assert_int_eq(mrc_presence_queue_create(place.pool, &queue), APR_SUCCESS);
    mrc_hub_set_presence_queue(place.hub, queue);
    fail_next(0, MRC_STATUS_UNREACHABLE);
    presence = begin(count);
    ck_assert_uint_eq(untold(), count);
    ck_assert_int_eq(mrc_presence_announce_late(place.hub), APR_SUCCESS);
    ck_assert_uint_eq(untold(), 0);
    mrc_presence_end(presence);
    list = take();
    ck_assert_int_eq(mrc_presence_announce_ends(&list), APR_SUCCESS);
    mrc_buf_reset(&said);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("announce");
    TCase *tcase = tcase_create("announce"), *machine = tcase_create("machine");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_matcher_is_its_type_and_its_value);
    tcase_add_test(tcase, a_matcher_has_the_payload_that_the_token_has_for_it);
    tcase_add_test(tcase, a_matcher_has_a_limit);
    tcase_add_test(tcase, each_subscriber_has_cells_of_its_own);
    tcase_add_test(tcase, many_matchers_are_announced_in_order);
    tcase_add_test(tcase, what_was_not_announced_does_not_end);
    tcase_add_test(tcase, each_end_is_announced_once);
    tcase_add_test(tcase, each_end_of_a_dead_child_is_announced_once);
    tcase_add_test(tcase, all_ends_of_a_dead_child_are_announced);
    tcase_add_test(tcase, an_end_without_room_is_not_announced);
    tcase_add_test(tcase, entries_without_an_event_count);
    tcase_add_test(tcase, each_end_has_an_id_of_its_own);
    tcase_add_test(tcase, events_are_full);
    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(machine, setup_machine, teardown);
    tcase_add_test(machine, the_engine_is_told);
    tcase_add_test(machine, a_begin_may_be_late);
    tcase_add_test(machine, many_late_begins_are_announced);
    suite_add_tcase(suite, machine);
    return unit_run(suite);
}
