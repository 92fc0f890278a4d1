/* Fair shares: the order in which the streams of several hubs have their turns. */
#include "core/base/buf.h"
#include "hub/stream/shares.h"
#include "unit.h"

#define STREAMS 8

static struct mrc_shares shares;
static struct mrc_share hubs[3];
static struct mrc_list_link streams[3][STREAMS];

static void add(int hub, int first, int count)
{
    for (int i = first; i < first + count; i++)
        mrc_shares_add(&shares, &hubs[hub], &streams[hub][i]);
}

/* Takes the next stream, which costs COST. Returns its hub as a letter, and its number. */
static const char *take(int64_t cost)
{
    static char name[3];
    struct mrc_share *share = mrc_shares_get(&shares);
    struct mrc_list_link *stream;

    if (!share)
        return "";
    stream = mrc_shares_take(&shares, share);
    mrc_shares_spend(&shares, share, cost);
    name[0] = (char)('A' + (share - hubs));
    name[1] = (char)('0' + (stream - streams[share - hubs]));
    return name;
}

static void ck_assert_order(int64_t cost, const char *expected)
{
    struct mrc_buf order;
    const char *name;

    mrc_buf_init(&order, SIZE_MAX);
    while (*(name = take(cost))) {
        mrc_buf_add(&order, " ", mrc_buf_bytes(&order).len ? 1 : 0);
        mrc_buf_add(&order, name, strlen(name));
    }
    mrc_buf_add(&order, "", 1);
    ck_assert_str_eq(mrc_buf_bytes(&order).ptr, expected);
    mrc_buf_free(&order);
}

static void setup(void)
{
    shares = (struct mrc_shares){.quantum = 20};
    memset(hubs, 0, sizeof(hubs));
}

START_TEST(hubs_take_turns)
{
    add(0, 0, 7);
    add(1, 0, 3);
    add(2, 0, 1);
    ck_assert_order(10, "A0 A1 B0 B1 C0 A2 A3 B2 A4 A5 A6");
}
END_TEST

/* A stream that costs more than a quantum ends the turn of its hub, and one that costs nothing does
 * not. */
START_TEST(a_turn_is_as_long_as_its_streams_cost)
{
    add(0, 0, 4);
    add(1, 0, 2);
    ck_assert_str_eq(take(19), "A0");
    ck_assert_str_eq(take(1), "A1");
    ck_assert_str_eq(take(1000), "B0");
    ck_assert_str_eq(take(0), "A2");
    ck_assert_str_eq(take(20), "A3");
    ck_assert_str_eq(take(20), "B1");
    ck_assert_str_eq(take(20), "");
}
END_TEST

/* A hub comes and goes, with any number of streams: the others keep their turns. */
START_TEST(hubs_come_and_go)
{
    add(0, 0, 5);
    ck_assert_str_eq(take(10), "A0");
    add(1, 0, 1);
    ck_assert_str_eq(take(10), "A1");
    ck_assert_str_eq(take(10), "B0");
    add(2, 0, 2);
    add(1, 1, 1);
    ck_assert_str_eq(take(20), "A2");
    ck_assert_str_eq(take(20), "C0");
    ck_assert_str_eq(take(20), "B1");
    ck_assert_str_eq(take(20), "A3");
    ck_assert_order(20, "C1 A4");
}
END_TEST

/* The only stream of a hub has more to write whenever it has worked: it has one turn in each round,
 * not more and not less. */
START_TEST(a_busy_stream_has_its_turn_in_each_round)
{
    char order[13] = "";

    shares.quantum = 1;
    for (int hub = 0; hub < 3; hub++)
        add(hub, 0, 1);
    for (int i = 0; i < 12; i++) {
        struct mrc_share *share = mrc_shares_get(&shares);

        ck_assert_ptr_nonnull(share);
        mrc_shares_add(&shares, share, mrc_shares_take(&shares, share));
        mrc_shares_spend(&shares, share, 1);
        order[i] = (char)('A' + (share - hubs));
    }
    ck_assert_str_eq(order, "ABCABCABCABC");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shares");
    TCase *tcase = tcase_create("shares");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, hubs_take_turns);
    tcase_add_test(tcase, a_turn_is_as_long_as_its_streams_cost);
    tcase_add_test(tcase, hubs_come_and_go);
    tcase_add_test(tcase, a_busy_stream_has_its_turn_in_each_round);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
