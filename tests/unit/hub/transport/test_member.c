/* A hub that mirrors a log: wherever its leader dies, the next one continues with what the ring
 * has. */
#include <inttypes.h>
#include <limits.h>
#include <poll.h>

#include <hiredis/hiredis.h>

#include "core/base/buf.h"
#include "hub/control/order.h"
#include "hub/transport/beat.h"
#include "hub/transport/dying.h"
#include "hub/transport/member.h"
#include "hub_unit.h"
#include "store/engine/entry.h"
#include "store/history/history.h"
#include "store/regions/link.h"
#include "store/regions/roster.h"

#define OTHER UINT64_C(0xff) /* a writer */
#define YOUNG UINT64_C(0xee) /* another writer, whose counters are lower */

/* The counter of entry NUMBER of YOUNG. */
#define YOUNG_COUNTER(number) ((number)-1000)

static const char *const path = "/hub";
static const struct mrc_transport_spec transport = {
    .engine = {.timeout_us = 1000 * 1000},
    .prefix = "mercure",
    .name = "hub",
    .identity = "/hub",
    .machine = "machine",
    .lease_us = 15 * 1000 * 1000,
};
static const struct mrc_hub_spec spec = {
    .shape = {.roster_subscribers = 4},
    .paths = &path,
    .paths_count = 1,
    .transport = &transport,
};

static struct hub_place place;
static struct mrc_link *the_link;
static struct mrc_ring *ring;

static void open_place(const struct mrc_hub_spec *of)
{
    place = hub_place_open(1024 * 1024, of);
    the_link = mrc_hub_link(place.hub);
    ring = mrc_hub_ring(place.hub);
    ck_assert_ptr_nonnull(the_link);
}

static void setup(void)
{
    open_place(&spec);
}

static void tear_down(void)
{
    hub_place_close(&place);
}

static void ignore(void *ctx, const struct mrc_link_report *report)
{
}

/* A leader. */
static struct mrc_member lead(void)
{
    struct mrc_member member;

    mrc_member_init(place.pool, &member, place.hub, ignore, NULL);
    ck_assert(mrc_member_lead(&member));
    return member;
}

/* The next leader; RET_POSITION gets the place where it continues. */
static void lead_again(struct mrc_link_position *ret_position)
{
    struct mrc_member member = lead();

    mrc_link_get_position(the_link, ret_position);
    ck_assert_uint_eq(ret_position->number, member.position.number);
    mrc_member_resign(&member);
}

static void begin_at(uint64_t number, uint64_t since_seq)
{
    const struct mrc_link_position position = {
        .generation = 1, .number = number, .since_seq = since_seq};

    mrc_link_set_position(the_link, &position);
}

/* Appends the record of an update to BUF. */
static void add_record(struct mrc_buf *buf)
{
    struct mrc_bytes topic = mrc_bytes_of("https://example.com/topic");
    const struct mrc_update update = {
        .topics = &topic, .topics_count = 1, .data = mrc_bytes_of("text")};

    mrc_update_encode(&update, buf);
}

/* Takes entry NUMBER of WRITER from the log. */
static bool take_entry(struct mrc_member *member, uint64_t writer, uint64_t number, unsigned flags,
                       struct mrc_bytes id, struct mrc_bytes record)
{
    struct mrc_entry entry = {
        .number = number,
        .generation = 1,
        .is_ours = true,
        .head.token = {.writer = writer,
                       .counter = writer == YOUNG ? YOUNG_COUNTER(number) : number,
                       .time_us = (int64_t)(1000 + number)},
    };
    struct mrc_engine_error error;
    struct mrc_buf blob;
    bool is_good;

    mrc_buf_init(&blob, SIZE_MAX);
    mrc_entry_add_blob(&blob, flags, id, record);
    entry.blob = mrc_buf_bytes(&blob);
    is_good = mrc_member_take(member, &entry, 1, &error);
    mrc_buf_free(&blob);
    return is_good;
}

static bool take_of(struct mrc_member *member, uint64_t writer, uint64_t number)
{
    struct mrc_buf record;
    bool is_good;

    mrc_buf_init(&record, SIZE_MAX);
    add_record(&record);
    is_good = take_entry(member, writer, number, 0, mrc_bytes_of("urn:id"), mrc_buf_bytes(&record));
    mrc_buf_free(&record);
    return is_good;
}

static bool take(struct mrc_member *member, uint64_t number)
{
    return take_of(member, OTHER, number);
}

/* Takes entry NUMBER, which is an order of WRITER. */
static bool take_order_of(struct mrc_member *member, uint64_t writer, uint64_t number,
                          enum mrc_order_kind kind)
{
    const struct mrc_order order = mrc_order_init(kind);
    struct mrc_buf bytes;
    bool is_good;

    mrc_buf_init(&bytes, SIZE_MAX);
    mrc_order_encode(&order, &bytes);
    is_good = take_entry(member, writer, number, MRC_ENTRY_CONTROL, mrc_bytes_of(""),
                         mrc_buf_bytes(&bytes));
    mrc_buf_free(&bytes);
    return is_good;
}

/* An order to end all streams. */
static bool take_order(struct mrc_member *member, uint64_t number)
{
    return take_order_of(member, OTHER, number, MRC_ORDER_DISCONNECT);
}

/* What a leader does last before it dies: the entry is in the ring, and its place is not noted. */
static void append(uint64_t number)
{
    const struct mrc_update_origin origin = {number, OTHER, number};
    struct mrc_buf plain, buf;
    struct mrc_record record = {
        .id = mrc_bytes_of("urn:id"), .stored_bytes = 1, .time_us = (int64_t)(1000 + number)};
    struct mrc_tags tags;

    mrc_buf_init(&plain, SIZE_MAX);
    mrc_buf_init(&buf, SIZE_MAX);
    add_record(&plain);
    ck_assert(mrc_update_add_origin(mrc_buf_bytes(&plain), &origin, &buf));
    record.payload = mrc_buf_bytes(&buf);
    mrc_tags_clear(&tags);
    ck_assert_int_eq(mrc_history_mirror(mrc_hub_history(place.hub), &record, apr_time_now(), &tags),
                     APR_SUCCESS);
    mrc_buf_free(&plain);
    mrc_buf_free(&buf);
}

static void check_position(const struct mrc_link_position *position, uint64_t number)
{
    ck_assert_uint_eq(position->generation, 1);
    ck_assert_uint_eq(position->number, number);
    ck_assert_uint_eq(position->token_writer, OTHER);
    ck_assert_uint_eq(position->token_counter, number);
    ck_assert_int_eq(position->token_time_us, (int64_t)(1000 + number));
}

/* Otherwise the engine could lose the entry without anybody seeing that. */
START_TEST(an_entry_that_a_dead_leader_has_appended_is_the_last_one)
{
    struct mrc_member member;
    struct mrc_link_position got;

    begin_at(0, 0);
    member = lead();
    ck_assert(take(&member, 1));
    mrc_member_resign(&member);
    lead_again(&got);
    check_position(&got, 1);
    append(2);
    lead_again(&got);
    check_position(&got, 2);
    member = lead();
    ck_assert(take(&member, 3));
    ck_assert_uint_eq(member.position.number, 3);
    mrc_member_resign(&member);
}
END_TEST

START_TEST(records_of_a_log_that_is_gone_are_no_last_entries)
{
    struct mrc_link_position got;

    begin_at(3, 0);
    for (uint64_t number = 1; number <= 4; number++)
        append(number);
    mrc_link_unsettle(the_link, 4, MRC_LINK_OPEN, 1);
    mrc_link_bury(the_link, 4, 4); /* the engine has lost entry 4 */
    lead_again(&got);
    ck_assert_uint_eq(got.number, 3);
    begin_at(3, 4); /* the log has begun anew after all of them */
    lead_again(&got);
    ck_assert_uint_eq(got.number, 3);
}
END_TEST

/* ---- entries that are due ---------------------------------------------------------------------*/

/* However many there are, the connection is good as long as some of them arrive. */
START_TEST(entries_that_arrive_put_off_what_is_due)
{
    struct mrc_member member;

    begin_at(0, 0);
    member = lead();
    member.due_number = 2;
    member.due_us = 10;
    ck_assert(take(&member, 1));
    mrc_member_announce(&member, 1);
    ck_assert_int_eq(member.due_us, 1 + transport.engine.timeout_us);
    ck_assert(take(&member, 2));
    mrc_member_announce(&member, 1);
    ck_assert_int_eq(member.due_us, 0);
    ck_assert(take(&member, 3));
    ck_assert_int_eq(member.due_us, 0);
    mrc_member_resign(&member);
}
END_TEST

/* ---- a leader dies ----------------------------------------------------------------------------*/

static int die_after(void (*work)(void), unsigned steps)
{
    return die_at(work, steps, NULL);
}

static void take_two(void)
{
    struct mrc_member member = lead();
    uint64_t number = member.position.number;

    raise(SIGSTOP);
    if (!take(&member, number + 1) || !take(&member, number + 2))
        _exit(1);
    mrc_member_resign(&member);
}

/* The number of the newest record. */
static uint64_t newest_number(void)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct mrc_update_origin origin = {.number = 0};
    size_t unused;

    if (mrc_ring_newest(ring, &record) == APR_SUCCESS)
        ck_assert(mrc_update_get_origin(record.view.payload, &origin, &unused));
    mrc_ring_record_free(&record);
    return origin.number;
}

START_TEST(a_leader_dies_while_it_takes_entries)
{
    unsigned step = unit_crash_stride(251), steps = (unsigned)getpid() % step;
    uint64_t last = 0;
    int killed = 1;

    begin_at(0, 0);
    for (; killed == 1; steps += step) {
        struct mrc_link_position got;
        uint64_t number;

        killed = die_after(take_two, steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        number = newest_number();
        lead_again(&got);
        ck_assert_msg(got.number == number,
                      "after %u steps: the ring ends with entry %" PRIu64
                      ", and the leader goes on after %" PRIu64,
                      steps, number, got.number);
        ck_assert_uint_le(number, last + 2);
        if (number)
            check_position(&got, number);
        last = number;
    }
    fprintf(stderr, "# %u instructions, every %uth\n", steps, step);
    ck_assert_uint_gt(steps, 1000);
}
END_TEST

static void take_of_young(void)
{
    struct mrc_member member = lead();

    raise(SIGSTOP);
    if (!take_of(&member, YOUNG, 1002))
        _exit(1);
    mrc_member_resign(&member);
}

/* The leader has just noted the writer of entry 1002, but not its number. */
static bool has_writer(void)
{
    struct mrc_link_position position;

    mrc_link_get_position(the_link, &position);
    return position.token_writer == YOUNG && position.number == 1001;
}

/* The counters of one writer say nothing about the entries of another. */
START_TEST(a_leader_dies_while_it_notes_the_entry_of_another_writer)
{
    struct mrc_member member;

    begin_at(1000, 0);
    member = lead();
    ck_assert(take(&member, 1001));
    mrc_member_resign(&member);
    switch (die_at(take_of_young, UINT_MAX, has_writer)) {
    case -1:
        fprintf(stderr, "# ptrace is forbidden here: not tested\n");
        return;
    case 0:
        ck_abort_msg("the leader was never there");
    }
    member = lead();
    ck_assert_uint_eq(member.position.number, 1002);
    ck_assert(take_of(&member, YOUNG, 1003));
    mrc_member_resign(&member);
    ck_assert_uint_eq(newest_number(), 1003);
}
END_TEST

static void take_two_orders(void)
{
    struct mrc_member member = lead();
    uint64_t number = member.position.number;

    raise(SIGSTOP);
    if (!take_order(&member, number + 1) || !take_order(&member, number + 2))
        _exit(1);
    mrc_member_resign(&member);
}

/* The next leader takes the orders up to LAST. */
static void take_orders_to(uint64_t last)
{
    struct mrc_member member = lead();

    while (member.position.number < last)
        ck_assert(take_order(&member, member.position.number + 1));
    mrc_member_resign(&member);
}

/* The number of orders in the ring from POS on. */
static uint64_t count_orders(uint64_t pos)
{
    uint64_t mark = mrc_ring_control(ring), count = 0;

    for (; mark > pos; count++)
        ck_assert_int_eq(mrc_ring_control_before(ring, mark, &mark), APR_SUCCESS);
    return count;
}

/* Fills the ring with other records, so that no order is left in it. */
static void overwrite_orders(void)
{
    static const char zeros[100 * 1024];
    struct mrc_ring_stats stats;
    uint64_t unused;

    mrc_ring_stats(ring, &stats);
    for (uint64_t bytes = 0; bytes < stats.capacity; bytes += sizeof(zeros))
        ck_assert_int_eq(mrc_ring_append(ring, mrc_bytes_of(""),
                                         (struct mrc_bytes){zeros, sizeof(zeros)}, 1, 1, 0, &unused,
                                         &unused),
                         APR_SUCCESS);
}

START_TEST(an_order_is_carried_out_once_whenever_its_leader_dies)
{
    unsigned step = unit_crash_stride(251), steps = (unsigned)getpid() % step;
    uint64_t last = 0;
    int killed = 1;

    begin_at(0, 0);
    for (; killed == 1; steps += step) {
        uint64_t head = mrc_ring_head(ring);

        killed = die_after(take_two_orders, steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        last += 2;
        take_orders_to(last);
        ck_assert_msg(count_orders(head) == 2,
                      "after %u steps: 2 orders are carried out %" PRIu64 " times", steps,
                      count_orders(head));
        overwrite_orders();
    }
    ck_assert_uint_gt(steps, 1000);
}
END_TEST

/* They are known however many orders came after them. */
START_TEST(orders_that_an_earlier_leader_has_carried_out_are_known)
{
    struct mrc_member member;

    begin_at(0, 0);
    take_orders_to(100);
    ck_assert_uint_eq(count_orders(0), 100);
    begin_at(0, 0); /* the engine has lost the updates that followed */
    take_orders_to(100);
    ck_assert_uint_eq(count_orders(0), 100);
    member = lead();
    ck_assert(take_order(&member, 101));
    mrc_member_resign(&member);
    ck_assert_uint_eq(count_orders(0), 101);
}
END_TEST

static uint64_t head_before, control_before;

/* The order is in the ring, and no mark leads to it. */
static bool lacks_mark(void)
{
    return mrc_ring_head(ring) != head_before && mrc_ring_control(ring) == control_before;
}

static bool has_order(void)
{
    return mrc_ring_control(ring) != control_before;
}

static void check_carried_out_once(bool (*is_there)(void))
{
    begin_at(0, 0);
    head_before = mrc_ring_head(ring);
    control_before = mrc_ring_control(ring);
    switch (die_at(take_two_orders, UINT_MAX, is_there)) {
    case -1:
        fprintf(stderr, "# ptrace is forbidden here: not tested\n");
        return;
    case 0:
        ck_abort_msg("the leader was never there");
    }
    ck_assert(is_there());
    take_orders_to(1);
    ck_assert_uint_eq(count_orders(head_before), 1);
    take_orders_to(2);
    ck_assert_uint_eq(count_orders(head_before), 2);
}

/* The mark is missing for only a few instructions, which the steps above may skip. */
START_TEST(an_order_is_carried_out_once_if_its_leader_dies_before_its_mark_is_there)
{
    check_carried_out_once(lacks_mark);
}
END_TEST

START_TEST(an_order_is_carried_out_once_if_its_leader_dies_before_it_is_noted)
{
    check_carried_out_once(has_order);
}
END_TEST

/* An operator of this machine gives an order, which a leader has sent. Returns its slot. */
static int64_t send_order(struct mrc_staging *staging)
{
    const struct mrc_record order = {
        .id = mrc_bytes_of(""), .payload = mrc_bytes_of("order"), .is_control = true};
    struct mrc_record package = {.seq = 0};
    struct mrc_staged staged;
    struct mrc_buf buf;
    int64_t ticket;

    mrc_buf_init(&buf, SIZE_MAX);
    mrc_entry_add_package(&buf, &order, 1);
    package.payload = mrc_buf_bytes(&buf);
    ticket = mrc_staging_stage(staging, HUB_SLOT, &package);
    ck_assert_int_ge(ticket, 0);
    ck_assert_uint_eq(mrc_staging_take(staging, &staged, 1), 1);
    staged.record.seq = 1;
    mrc_staging_set_number(staging, &staged);
    mrc_buf_free(&buf);
    return ticket;
}

static enum mrc_order_kind own_kind;

static void take_own_order(void)
{
    struct mrc_member member = lead();

    raise(SIGSTOP);
    if (!take_order_of(&member, mrc_link_writer(the_link), 1, own_kind))
        _exit(1);
}

static bool is_past_order(void)
{
    struct mrc_link_position position;

    mrc_link_get_position(the_link, &position);
    return position.number == 1;
}

/*
 * The next leader does not see the entry of the order again; the end of a revocation is not even in
 * the ring.
 */
START_TEST(an_order_is_answered_although_its_leader_dies_before_that)
{
    struct mrc_staging *staging = mrc_hub_segment_staging(place.segment);
    struct mrc_link_position unused;
    apr_status_t status;
    int64_t ticket;

    own_kind = _i ? MRC_ORDER_LIFT : MRC_ORDER_DISCONNECT;
    begin_at(0, 0);
    ticket = send_order(staging);
    switch (die_at(take_own_order, UINT_MAX, is_past_order)) {
    case -1:
        fprintf(stderr, "# ptrace is forbidden here: not tested\n");
        return;
    case 0:
        ck_abort_msg("the leader was never there");
    }
    ck_assert(!mrc_staging_poll(staging, ticket, &status));
    lead_again(&unused);
    ck_assert(mrc_staging_poll(staging, ticket, &status));
    ck_assert_int_eq(status, APR_SUCCESS);
}
END_TEST

/* ---- beats ------------------------------------------------------------------------------------*/

#define SECOND INT64_C(1000000)

/* The reply in TEXT, which the caller frees; NULL: TEXT is not one. */
static struct redisReply *read_reply(const char *text)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    if (!reader)
        return NULL;
    if (redisReaderFeed(reader, text, strlen(text)) != REDIS_OK ||
        redisReaderGetReply(reader, &reply) != REDIS_OK)
        reply = NULL;
    redisReaderFree(reader);
    return reply;
}

/* TEXT is the reply to a beat at NOW_US. */
static void take_beat(struct mrc_member *member, const char *text, int64_t now_us)
{
    struct redisReply *reply = read_reply(text);
    struct mrc_engine_error error;

    ck_assert_ptr_nonnull(reply);
    ck_assert(mrc_beat_take(member, reply, now_us, &error));
    mrc_redis_free_reply(reply);
}

/* The machine a has reported 1. */
static const char one_machine[] =
    "*5\r\n$1\r\n0\r\n$1\r\n0\r\n:0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n0\r\n";

/* It cannot report anything else. */
START_TEST(no_machine_dies_while_the_engine_accepts_no_beats)
{
    static const char full[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    struct mrc_member member;
    int64_t now_us = SECOND;

    begin_at(0, 0);
    member = lead();
    mrc_beat_begin(&member, now_us);
    take_beat(&member, one_machine, now_us);
    for (int i = 0; i < 10; i++)
        take_beat(&member, full, now_us += 3 * SECOND);
    take_beat(&member, one_machine, now_us += 3 * SECOND);
    ck_assert(!member.has_dead);
    take_beat(&member, one_machine, now_us + transport.lease_us);
    ck_assert(member.has_dead);
    ck_assert_str_eq(member.dead.machine, "a");
    mrc_member_resign(&member);
}
END_TEST

/* TEXT is the reply to the removal of a machine. */
static void take_reap(struct mrc_member *member, const char *text)
{
    struct redisReply *reply = read_reply(text);
    struct mrc_engine_error error;

    ck_assert_ptr_nonnull(reply);
    ck_assert(mrc_beat_take_reap(member, reply, &error));
    mrc_redis_free_reply(reply);
}

/* The machines a and b have reported 1. */
static const char two_machines[] = "*5\r\n$1\r\n0\r\n$1\r\n0\r\n:0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$"
                                   "1\r\nb\r\n$1\r\n1\r\n$1\r\n0\r\n";

/* The one may have subscriptions whose ends nobody announces, because no machine has a roster. */
START_TEST(a_dead_machine_that_stays_does_not_protect_another_one)
{
    static const struct mrc_hub_spec bare = {
        .paths = &path, .paths_count = 1, .transport = &transport};
    int64_t now_us = SECOND;
    struct mrc_member member;

    tear_down();
    open_place(&bare);
    ck_assert_ptr_null(mrc_hub_roster(place.hub));
    begin_at(0, 0);
    member = lead();
    mrc_beat_begin(&member, now_us);
    take_beat(&member, two_machines, now_us);
    now_us += transport.lease_us + SECOND;
    take_beat(&member, two_machines, now_us);
    ck_assert_str_eq(member.dead.machine, "a");
    take_reap(&member, ":3\r\n");
    take_beat(&member, two_machines, now_us += 3 * SECOND);
    ck_assert(member.has_dead);
    ck_assert_str_eq(member.dead.machine, "b");
    take_reap(&member, ":0\r\n");
    take_beat(&member, one_machine, now_us + 3 * SECOND);
    ck_assert(!member.has_dead);
    mrc_member_resign(&member);
}
END_TEST

/* A leader that dies may have appended orders without waking anybody. */
START_TEST(a_new_leader_wakes_the_children)
{
    struct mrc_interests *interests = mrc_hub_segment_interests(place.segment);
    struct pollfd woken = {.fd = mrc_notify_fd(place.notify, HUB_SLOT), .events = POLLIN};
    struct mrc_member member;

    mrc_interests_add(interests, HUB_SLOT);
    mrc_notify_drain(place.notify, HUB_SLOT);
    ck_assert_int_eq(poll(&woken, 1, 0), 0);
    member = lead();
    ck_assert_int_eq(poll(&woken, 1, 0), 1);
    mrc_member_resign(&member);
    mrc_interests_sub(interests, HUB_SLOT);
}
END_TEST

/* ---- the machine was taken for dead -----------------------------------------------------------*/

/* Others have removed this machine. */
static void learn_of_removal(void)
{
    struct redisReply *reply = read_reply("*5\r\n$1\r\n0\r\n$1\r\n0\r\n:1\r\n*0\r\n$1\r\n0\r\n");
    struct mrc_member member = lead();
    struct mrc_engine_error error;

    if (!reply)
        _exit(1);
    raise(SIGSTOP);
    if (!mrc_beat_take(&member, reply, 1, &error))
        _exit(1);
    mrc_member_resign(&member);
}

/* Once the machine does not expect to be listed, it does not learn again that it was removed. */
START_TEST(a_leader_dies_while_it_learns_that_others_have_removed_the_machine)
{
    const struct mrc_roster_entry subscription = {.match = mrc_bytes_of("topic")};
    struct mrc_roster *roster = mrc_hub_roster(place.hub);
    struct mrc_roster_entry entry = {.type = 0};
    unsigned step = unit_crash_stride(11);
    int killed = 1;
    uint32_t id;

    begin_at(0, 0);
    ck_assert_int_eq(mrc_roster_add(roster, HUB_SLOT, &subscription, true, &id), APR_SUCCESS);
    mrc_roster_activate(roster, id);
    for (unsigned steps = 0; killed == 1; steps += step) {
        uint64_t reaped = mrc_link_get_reaped(the_link);

        mrc_roster_set_told(roster, id);
        mrc_link_set_beaten(the_link, true);
        killed = die_after(learn_of_removal, steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        if (mrc_link_has_beaten(the_link)) {
            ck_assert_int_eq(killed, 1);
            continue;
        }
        ck_assert_msg(mrc_link_get_reaped(the_link) > reaped &&
                          mrc_roster_read_untold(roster, HUB_SLOT, id, &entry) == APR_SUCCESS,
                      "after %u steps: its subscriptions are not announced again", steps);
    }
    mrc_roster_entry_free(&entry);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("member");
    TCase *tcase = tcase_create("member");

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, an_entry_that_a_dead_leader_has_appended_is_the_last_one);
    tcase_add_test(tcase, records_of_a_log_that_is_gone_are_no_last_entries);
    tcase_add_test(tcase, entries_that_arrive_put_off_what_is_due);
    tcase_add_test(tcase, a_leader_dies_while_it_takes_entries);
    tcase_add_test(tcase, a_leader_dies_while_it_notes_the_entry_of_another_writer);
    tcase_add_test(tcase, an_order_is_carried_out_once_whenever_its_leader_dies);
    tcase_add_test(tcase, orders_that_an_earlier_leader_has_carried_out_are_known);
    tcase_add_test(tcase, an_order_is_carried_out_once_if_its_leader_dies_before_its_mark_is_there);
    tcase_add_test(tcase, an_order_is_carried_out_once_if_its_leader_dies_before_it_is_noted);
    tcase_add_loop_test(tcase, an_order_is_answered_although_its_leader_dies_before_that, 0, 2);
    tcase_add_test(tcase, no_machine_dies_while_the_engine_accepts_no_beats);
    tcase_add_test(tcase, a_dead_machine_that_stays_does_not_protect_another_one);
    tcase_add_test(tcase, a_new_leader_wakes_the_children);
    tcase_add_test(tcase, a_leader_dies_while_it_learns_that_others_have_removed_the_machine);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
