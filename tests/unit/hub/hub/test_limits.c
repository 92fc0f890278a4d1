/* How many updates may be published in a second, and how many streams a client may have. */
#include "hub/hub/rate.h"
#include "hub/hub/seats.h"
#include "hub_unit.h"
#include "store/regions/link.h"

#define RING ((uint64_t)64 * 1024)
#define S    INT64_C(1000000)
#define T0   (1000000 * S)

static struct hub_place place;
static int64_t wait_s;

static void open_hub(const struct mrc_hub_spec *spec)
{
    place = hub_place_open(RING, spec);
}

/* ---- updates ----------------------------------------------------------------------------------*/

static const struct mrc_hub_spec limited = {
    .limits = {.publish_rate = 10, .publish_burst = 20, .publish_per_token = 4},
};

/* Publishes COUNT updates with TOKEN, or with none, at NOW_US. */
static apr_status_t publish(const char *token, uint64_t count, int64_t now_us)
{
    const struct mrc_bytes text = {token, token ? strlen(token) : 0};

    wait_s = 77;
    return mrc_rate_take(mrc_hub_rate(place.hub), text, count, now_us, &wait_s);
}

START_TEST(the_rate_of_a_hub_has_a_burst)
{
    open_hub(&limited);
    ck_assert_int_eq(publish(NULL, 21, T0), MRC_STATUS_BURST);
    ck_assert_int_eq(publish(NULL, 20, T0), APR_SUCCESS);
    ck_assert_int_eq(wait_s, 77);
    ck_assert_int_eq(publish(NULL, 1, T0), MRC_STATUS_RATE);
    ck_assert_int_eq(wait_s, 1);
    ck_assert_int_eq(publish(NULL, 10, T0), MRC_STATUS_RATE);
    ck_assert_int_eq(wait_s, 1);
    ck_assert_int_eq(publish(NULL, 11, T0), MRC_STATUS_RATE);
    ck_assert_int_eq(wait_s, 2); /* 1.1 s */
    ck_assert_int_eq(publish(NULL, 1, T0 + S / 10), APR_SUCCESS);
    ck_assert_int_eq(publish(NULL, 1, T0 + S / 10), MRC_STATUS_RATE);
    ck_assert_int_eq(publish(NULL, 20, T0 + 60 * S), APR_SUCCESS); /* no more than the burst */
    ck_assert_int_eq(publish(NULL, 1, T0 + 60 * S), MRC_STATUS_RATE);
    hub_place_close(&place);
}
END_TEST

START_TEST(each_token_has_a_rate)
{
    open_hub(&limited);
    ck_assert_int_eq(publish("a", 5, T0), MRC_STATUS_BURST);
    ck_assert_int_eq(publish(NULL, 5, T0), APR_SUCCESS); /* it has no token */
    ck_assert_int_eq(publish("a", 4, T0), APR_SUCCESS);
    ck_assert_int_eq(publish("a", 1, T0), MRC_STATUS_TOKEN_RATE);
    ck_assert_int_eq(wait_s, 1);
    ck_assert_int_eq(publish("b", 4, T0), APR_SUCCESS);
    ck_assert_int_eq(publish("a", 1, T0 + S / 4), APR_SUCCESS);
    ck_assert_int_eq(publish("a", 1, T0 + S / 4), MRC_STATUS_TOKEN_RATE);
    hub_place_close(&place);
}
END_TEST

/* Updates that the hub refuses do not count for their token, nor those of a token for the hub. */
START_TEST(what_is_refused_does_not_count)
{
    open_hub(&limited);
    ck_assert_int_eq(publish(NULL, 20, T0), APR_SUCCESS);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(publish("a", 4, T0), MRC_STATUS_RATE);
    ck_assert_int_eq(publish("a", 4, T0 + S * 4 / 10), APR_SUCCESS);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(publish("a", 4, T0 + S * 4 / 10), MRC_STATUS_TOKEN_RATE);
    ck_assert_int_eq(publish("b", 4, T0 + S * 8 / 10), APR_SUCCESS);
    hub_place_close(&place);
}
END_TEST

START_TEST(a_rate_may_be_missing)
{
    static const struct mrc_hub_spec none = {.limits = {.heartbeat_us = 0}};
    static const struct mrc_hub_spec no_burst = {.limits = {.publish_rate = 10}};
    static const struct mrc_hub_spec token_only = {.limits = {.publish_per_token = 4}};

    open_hub(&none);
    ck_assert_int_eq(publish("a", 1000000, T0), APR_SUCCESS);
    ck_assert_int_eq(publish(NULL, 1000000, T0), APR_SUCCESS);
    hub_place_close(&place);
    open_hub(&no_burst);
    ck_assert_int_eq(publish("a", 11, T0), MRC_STATUS_BURST);
    ck_assert_int_eq(publish("a", 10, T0), APR_SUCCESS);
    ck_assert_int_eq(publish("a", 1, T0), MRC_STATUS_RATE);
    hub_place_close(&place);
    open_hub(&token_only);
    ck_assert_int_eq(publish(NULL, 1000000, T0), APR_SUCCESS);
    ck_assert_int_eq(publish("a", 4, T0), APR_SUCCESS);
    ck_assert_int_eq(publish("a", 1, T0), MRC_STATUS_TOKEN_RATE);
    hub_place_close(&place);
}
END_TEST

static bool call(const char *name, int64_t now_us)
{
    return mrc_rate_take_operator(mrc_hub_rate(place.hub), mrc_bytes_of(name), now_us, &wait_s);
}

START_TEST(each_operator_has_a_rate)
{
    open_hub(&limited);
    for (int i = 0; i < MRC_RATE_OPERATOR_BURST; i++)
        ck_assert(call("alice", T0));
    ck_assert(!call("alice", T0));
    ck_assert_int_eq(wait_s, 1);
    ck_assert(call("bob", T0));
    ck_assert(call("alice", T0 + S / MRC_RATE_OPERATOR_PER_S));
    ck_assert(!call("alice", T0 + S / MRC_RATE_OPERATOR_PER_S));
    ck_assert_int_eq(publish(NULL, 20, T0), APR_SUCCESS); /* calls are no updates */
    hub_place_close(&place);
}
END_TEST

START_TEST(refusals_are_reported_once_a_minute)
{
    struct mrc_rate *rate;

    open_hub(&limited);
    rate = mrc_hub_rate(place.hub);
    ck_assert(mrc_rate_should_report(rate, T0));
    ck_assert(!mrc_rate_should_report(rate, T0));
    ck_assert(!mrc_rate_should_report(rate, T0 + 60 * S - 1));
    ck_assert(mrc_rate_should_report(rate, T0 + 60 * S));
    ck_assert(!mrc_rate_should_report(rate, T0 + 61 * S));
    hub_place_close(&place);
}
END_TEST

/* ---- streams ----------------------------------------------------------------------------------*/

#define SEATS_MAX 20

static struct mrc_hub_seat seats[SEATS_MAX];
static unsigned seats_count;

/* Takes a seat for ADDRESS with TOKEN, either of which may be NULL. */
static apr_status_t sit(const char *address, const char *token)
{
    const struct mrc_hub_client client = {
        .address = {address, address ? strlen(address) : 0},
        .token = {token, token ? strlen(token) : 0},
    };
    struct mrc_hub_seat seat = {1, 2};
    apr_status_t status = mrc_seats_take(mrc_hub_seats(place.hub), &client, &seat);

    if (status == APR_SUCCESS)
        seats[seats_count++] = seat;
    else
        ck_assert(seat.address == 1 && seat.token == 2);
    ck_assert_uint_eq(mrc_numbers_gauge(mrc_hub_numbers(place.hub), MRC_GAUGE_SUBSCRIBERS),
                      seats_count);
    return status;
}

/* Gives back the seat that was taken last. */
static void stand(void)
{
    mrc_seats_give_back(mrc_hub_seats(place.hub), &seats[--seats_count], MRC_END_CLIENT);
}

static void stand_all(void)
{
    while (seats_count)
        stand();
}

static const struct mrc_hub_spec seated = {
    .shape.census_streams = 100,
    .limits = {.subscribers_max = 6, .per_address_max = 2, .per_token_max = 3},
};

START_TEST(each_client_has_few_streams)
{
    open_hub(&seated);
    ck_assert_int_eq(sit("1", NULL), APR_SUCCESS);
    ck_assert_int_eq(sit("1", NULL), APR_SUCCESS);
    ck_assert_int_eq(sit("1", NULL), MRC_STATUS_ADDRESS_FULL);
    ck_assert_int_eq(sit("1", "t"), MRC_STATUS_ADDRESS_FULL);
    ck_assert_int_eq(sit("2", NULL), APR_SUCCESS);
    stand();
    stand();
    ck_assert_int_eq(sit("1", NULL), APR_SUCCESS);
    stand_all();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sit(NULL, "t"), APR_SUCCESS);
    ck_assert_int_eq(sit(NULL, "t"), MRC_STATUS_TOKEN_FULL);
    /* What was refused because of its token does not count for its address. */
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sit("3", "t"), MRC_STATUS_TOKEN_FULL);
    ck_assert_int_eq(sit("3", "u"), APR_SUCCESS);
    ck_assert_int_eq(sit("3", "t 2"), APR_SUCCESS);
    ck_assert_int_eq(sit("t", NULL), APR_SUCCESS); /* an address is no token */
    stand_all();
    hub_place_close(&place);
}
END_TEST

START_TEST(a_full_hub_counts_nobody)
{
    open_hub(&seated);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_int_eq(sit(NULL, NULL), APR_SUCCESS);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sit("1", "t"), MRC_STATUS_FULL);
    stand();
    stand();
    ck_assert_int_eq(sit("1", "t"), APR_SUCCESS);
    ck_assert_int_eq(sit("1", "t"), APR_SUCCESS);
    ck_assert_uint_eq(hub_counter(&place, MRC_COUNTER_ENDED + MRC_END_CLIENT), 2);
    stand_all();
    hub_place_close(&place);
}
END_TEST

START_TEST(streams_may_have_no_limit)
{
    static const struct mrc_hub_spec none = {.shape.census_streams = 100};

    open_hub(&none);
    for (unsigned i = 0; i < SEATS_MAX; i++)
        ck_assert_int_eq(sit("1", "t"), APR_SUCCESS);
    stand_all();
    hub_place_close(&place);
}
END_TEST

/* The subscribers of other machines count, too; there may be more than all may have. */
START_TEST(all_machines_share_the_seats)
{
    static const struct mrc_transport_spec transport = {.engine = {.timeout_us = S}};
    static const struct mrc_hub_spec shared = {.limits = {.subscribers_max = 6},
                                               .transport = &transport};
    struct mrc_link *link;

    open_hub(&shared);
    link = mrc_hub_link(place.hub);
    mrc_link_set_others(link, 4);
    ck_assert_int_eq(sit(NULL, NULL), APR_SUCCESS);
    ck_assert_int_eq(sit(NULL, NULL), APR_SUCCESS);
    ck_assert_int_eq(sit(NULL, NULL), MRC_STATUS_FULL);
    stand_all();
    mrc_link_set_others(link, 6);
    ck_assert_int_eq(sit(NULL, NULL), MRC_STATUS_FULL);
    mrc_link_set_others(link, 7);
    ck_assert_int_eq(sit(NULL, NULL), MRC_STATUS_FULL);
    mrc_link_set_others(link, 0);
    ck_assert_int_eq(sit(NULL, NULL), APR_SUCCESS);
    stand_all();
    hub_place_close(&place);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tcase = tcase_create("limits");

    tcase_add_test(tcase, the_rate_of_a_hub_has_a_burst);
    tcase_add_test(tcase, each_token_has_a_rate);
    tcase_add_test(tcase, what_is_refused_does_not_count);
    tcase_add_test(tcase, a_rate_may_be_missing);
    tcase_add_test(tcase, each_operator_has_a_rate);
    tcase_add_test(tcase, refusals_are_reported_once_a_minute);
    tcase_add_test(tcase, each_client_has_few_streams);
    tcase_add_test(tcase, a_full_hub_counts_nobody);
    tcase_add_test(tcase, streams_may_have_no_limit);
    tcase_add_test(tcase, all_machines_share_the_seats);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
