#include "store/interests.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

#include "hub/dispatcher.h"
#include "hub/waiters.h"
#include "hub_unit.h"
#include "store/control_layout.h"

#define RING        (1 << 20)
#define LOOK_MS     (3600 * 1000) /* nothing is delivered by a look */
#define DEADLINE_MS (60 * 1000)   /* only says when something is broken */
#define TEXT_BYTES  40

static const struct mrc_hub_policy policy; /* nothing is bounded */
static struct hub_place place;
static struct mrc_hub *elsewhere; /* the same hub in another child, which publishes */

static void open_elsewhere(const struct mrc_hub_policy *its_policy)
{
    struct mrc_error error = {""};

    elsewhere = mrc_hub_open(place.pool, place.segment, place.notify, 0, 0, its_policy, &error);
    ck_assert_msg(elsewhere != NULL, "%s", error.text);
}

static void start(void)
{
    place = hub_place_open(RING, &policy);
    open_elsewhere(&policy);
}

static void finish(void)
{
    mrc_hub_close(elsewhere);
    hub_place_close(&place);
}

static struct mrc_interests *interests(void)
{
    return mrc_hub_segment_interests(place.segment);
}

static uint64_t bit_of(const char *topic)
{
    return mrc_interests_tag(interests(), mrc_bytes_of(topic)) &
           (mrc_interests_bits(HUB_SLOTS) - 1);
}

/* What subscribers may listen with, and whether it is more than a topic. */
static const struct {
    enum mrc_matcher_type type;
    const char *value;
    bool is_broad;
} wishes[] = {
    {MRC_MATCHER_EXACT, "*", true},
    {MRC_MATCHER_URLPATTERN, "*", true},
    {MRC_MATCHER_URLPATTERN, "/t/:x", true},
    {MRC_MATCHER_URLPATTERN, "/t/1", true}, /* it matches many topics, each resolved */
    {MRC_MATCHER_TEMPLATE, "t/{x}", true},
    {MRC_MATCHER_TEMPLATE, "t/1", false},
    {MRC_MATCHER_TEMPLATE, "t/{", false}, /* no template: a string */
    {MRC_MATCHER_EXACT, "", false},
};

/* Whether TEXT shares its bit with what the tests listen to: the wishes, and "t/0" to "t/9". */
static bool has_known_bit(const char *text)
{
    for (char digit = '0'; digit <= '9'; digit++) {
        const char known[] = {'t', '/', digit, '\0'};

        if (bit_of(text) == bit_of(known))
            return true;
    }
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
        if (bit_of(text) == bit_of(wishes[i].value))
            return true;
    return false;
}

/* Writes a topic that begins with NAME to TEXT, and has a bit of its own. */
static const char *stranger(const char *name, char text[TEXT_BYTES])
{
    unsigned i = 0;

    do
        snprintf(text, TEXT_BYTES, "%s/%u", name, i++);
    while (has_known_bit(text));
    return text;
}

/* Whether the child was woken since this was asked last. */
static bool was_woken(void)
{
    struct pollfd poll_fd = {.fd = mrc_notify_fd(place.notify, HUB_SLOT), .events = POLLIN};
    bool woken = poll(&poll_fd, 1, 0) == 1;

    mrc_notify_drain(place.notify, HUB_SLOT);
    return woken;
}

static bool wakes(const char *topic)
{
    hub_publish(elsewhere, "id", topic, "x");
    return was_woken();
}

static struct mrc_subscriber *subscribe(enum mrc_matcher_type type, const char *value)
{
    return hub_subscribe(place.hub, hub_matcher(type, value, "https://example.com/"), NULL);
}

static struct mrc_subscriber *subscribe_to(const char *topic)
{
    return subscribe(MRC_MATCHER_EXACT, topic);
}

static void leave(struct mrc_subscriber *subscriber)
{
    mrc_subscriber_close(subscriber, MRC_END_CLIENT);
}

/* ---- who is woken -----------------------------------------------------------------------------*/

START_TEST(a_child_is_woken_for_its_topics)
{
    struct mrc_subscriber *first, *second, *other;
    char text[TEXT_BYTES];
    const char *topics[] = {text, "t/1"};

    start();
    stranger("s", text);
    ck_assert(!wakes("t/1"));
    first = subscribe_to("t/1");
    second = subscribe_to("t/1");
    other = subscribe_to("t/2");
    ck_assert(wakes("t/1"));
    ck_assert(wakes("t/2"));
    ck_assert(!wakes(text));
    ck_assert_int_eq(hub_publish_to(elsewhere, "id", topics, 2, mrc_bytes_of("x"), true),
                     APR_SUCCESS);
    ck_assert(was_woken()); /* an alternate topic counts as the canonical one does */
    hub_publish(place.hub, "id", "t/1", "x");
    ck_assert(was_woken()); /* so does the child's own */
    leave(first);
    ck_assert(wakes("t/1"));
    leave(second);
    ck_assert(bit_of("t/1") == bit_of("t/2") || !wakes("t/1"));
    ck_assert(wakes("t/2"));
    leave(other);
    ck_assert(!wakes("t/2"));
    finish();
}
END_TEST

START_TEST(what_is_no_topic_wakes_for_everything)
{
    struct mrc_subscriber *exact, *wish;
    char text[TEXT_BYTES];

    start();
    exact = subscribe_to("t/0");
    wish = subscribe(wishes[_i].type, wishes[_i].value);
    stranger("s", text);
    ck_assert(wakes(text) == wishes[_i].is_broad);
    if (!wishes[_i].is_broad)
        ck_assert(wakes(wishes[_i].value));
    leave(wish);
    ck_assert(!wakes(text));
    leave(exact);
    finish();
}
END_TEST

/* One with a pattern beside its topics leaves none of them behind. */
START_TEST(a_mixture_is_as_broad_as_its_broadest)
{
    struct mrc_matcher *matchers[] = {hub_matcher(MRC_MATCHER_EXACT, "t/1", NULL), hub_all()};
    struct mrc_subscriber *other;
    char text[TEXT_BYTES];

    start();
    other = subscribe_to("t/0");
    mrc_hub_listen(place.hub, matchers, 2);
    ck_assert(wakes(stranger("s", text)));
    ck_assert(wakes("t/1"));
    mrc_hub_unlisten(place.hub, matchers, 2);
    ck_assert(!wakes(text));
    ck_assert(bit_of("t/1") == bit_of("t/0") || !wakes("t/1"));
    leave(other);
    mrc_matcher_free(matchers[0]);
    mrc_matcher_free(matchers[1]);
    finish();
}
END_TEST

/* More users than can be counted: too many wake-ups are possible from then on, too few never. */
START_TEST(uses_past_the_count_leave_the_bit)
{
    enum { COUNTED = UINT16_MAX };
    struct mrc_matcher *matchers[] = {hub_matcher(MRC_MATCHER_EXACT, "t/1", NULL)};
    struct mrc_subscriber *other;
    char text[TEXT_BYTES];

    start();
    other = subscribe_to(stranger("s", text));
    for (int most = COUNTED - 1; most <= COUNTED + 1; most++) {
        for (int i = 0; i < most; i++)
            mrc_hub_listen(place.hub, matchers, 1);
        for (int i = 1; i < most; i++)
            mrc_hub_unlisten(place.hub, matchers, 1);
        ck_assert(wakes("t/1"));
        mrc_hub_unlisten(place.hub, matchers, 1);
        ck_assert(wakes("t/1") == (most >= COUNTED));
    }
    leave(other);
    mrc_matcher_free(matchers[0]);
    finish();
}
END_TEST

static void publish_with(size_t count)
{
    struct mrc_bytes views[MRC_TAGS_MAX + 1];
    char text[MRC_TAGS_MAX + 1][TEXT_BYTES];
    const struct mrc_update update = {
        .topics = views,
        .topics_count = count,
        .data = mrc_bytes_of("x"),
        .id = mrc_bytes_of("id"),
    };

    for (size_t i = 0; i < count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "s/%zu", i);
        views[i] = mrc_bytes_of(stranger(name, text[i]));
    }
    ck_assert_int_eq(mrc_hub_publish(elsewhere, &update, apr_time_now()), APR_SUCCESS);
}

START_TEST(more_topics_than_tags_concern_everybody)
{
    struct mrc_subscriber *subscriber;

    start();
    subscriber = subscribe_to("t/1");
    publish_with(MRC_TAGS_MAX);
    ck_assert(!was_woken());
    publish_with(MRC_TAGS_MAX + 1);
    ck_assert(was_woken());
    leave(subscriber);
    finish();
}
END_TEST

/* Of a group, and of one that has more topics together than there are tags. */
START_TEST(a_group_concerns_whom_one_of_it_does)
{
    struct mrc_history_item items[MRC_TAGS_MAX + 2];
    struct mrc_subscriber *subscriber;
    struct mrc_buf far, near;
    struct mrc_bytes topic;
    struct mrc_update update = {.topics = &topic, .topics_count = 1};
    char text[TEXT_BYTES];
    size_t done;

    start();
    mrc_buf_init(&far, SIZE_MAX);
    mrc_buf_init(&near, SIZE_MAX);
    topic = mrc_bytes_of(stranger("s", text));
    mrc_update_encode(&update, &far);
    topic = mrc_bytes_of("t/1");
    mrc_update_encode(&update, &near);
    for (size_t i = 0; i < MRC_TAGS_MAX + 2; i++)
        items[i] = (struct mrc_history_item){mrc_bytes_of("id"), mrc_buf_bytes(&far), 1};
    subscriber = subscribe_to("t/1");
    mrc_hub_publish_group(elsewhere, items, MRC_TAGS_MAX, apr_time_now(), &done);
    ck_assert(!was_woken());
    mrc_hub_publish_group(elsewhere, items, MRC_TAGS_MAX + 1, apr_time_now(), &done);
    ck_assert(was_woken());
    items[2].payload = mrc_buf_bytes(&near);
    mrc_hub_publish_group(elsewhere, items, 3, apr_time_now(), &done);
    ck_assert(was_woken());
    leave(subscriber);
    mrc_buf_free(&far);
    mrc_buf_free(&near);
    finish();
}
END_TEST

/* What this build cannot read may be about anything. */
START_TEST(an_unreadable_record_concerns_everybody)
{
    struct mrc_subscriber *subscriber;

    start();
    subscriber = subscribe_to("t/1");
    ck_assert_int_eq(mrc_history_append(mrc_hub_history(elsewhere), mrc_bytes_of("id"),
                                        mrc_bytes_of("\377\377"), 2, apr_time_now()),
                     APR_SUCCESS);
    ck_assert(was_woken());
    leave(subscriber);
    finish();
}
END_TEST

/* In the durable history, the publisher that leads wakes for those that follow it, too. */
START_TEST(a_commit_wakes_whom_it_concerns)
{
    char template[] = "/tmp/mrc-interests-XXXXXX";
    const struct mrc_hub_policy durable = {
        .history_dir = mkdtemp(template),
        .history_sync = MRC_HISTORY_SYNC_NONE,
    };
    struct mrc_subscriber *subscriber;
    struct mrc_staged update = {.id = mrc_bytes_of("id"), .stored_bytes = 1};
    struct mrc_bytes topic = mrc_bytes_of("t/1");
    const struct mrc_update near = {.topics = &topic, .topics_count = 1};
    struct mrc_buf record;
    char command[80], text[TEXT_BYTES];

    if (!mrc_history_has_lmdb())
        return;
    ck_assert_ptr_nonnull(durable.history_dir);
    place = hub_place_open(RING, &durable);
    open_elsewhere(&durable);
    subscriber = subscribe_to("t/1");
    was_woken();
    ck_assert(!wakes(stranger("s", text)));
    ck_assert(wakes("t/1"));
    /* Another child's, that has not led. */
    mrc_buf_init(&record, SIZE_MAX);
    mrc_update_encode(&near, &record);
    update.payload = mrc_buf_bytes(&record);
    update.time_us = apr_time_now();
    ck_assert_int_ge(mrc_staging_stage(mrc_hub_segment_staging(place.segment), 0, &update), 0);
    ck_assert(wakes(text));
    ck_assert(!wakes(text));
    mrc_buf_free(&record);
    leave(subscriber);
    finish();
    snprintf(command, sizeof(command), "rm -rf %s", durable.history_dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- who is left alone ------------------------------------------------------------------------*/

START_TEST(nobody_is_left_behind_by_many_records)
{
    struct mrc_subscriber *subscriber;
    char text[TEXT_BYTES];

    start();
    subscriber = subscribe_to("t/1");
    stranger("s", text);
    ck_assert(wakes("t/1"));
    for (int round = 0; round < 3; round++)
        for (int i = 1; i <= MRC_INTERESTS_UNREAD_MAX; i++)
            ck_assert_msg(wakes(text) == (i == MRC_INTERESTS_UNREAD_MAX), "record %d", i);
    leave(subscriber);
    finish();
}
END_TEST

START_TEST(nobody_is_left_behind_by_a_part_of_the_ring)
{
    static char data[RING / 32];
    const struct mrc_bytes bytes = {data, sizeof(data)};
    struct mrc_subscriber *subscriber;
    struct mrc_ring_stats stats;
    uint64_t woken_pos;
    char text[TEXT_BYTES];
    const char *topic = text;
    int forced = 0;

    start();
    subscriber = subscribe_to("t/1");
    stranger("s", text);
    ck_assert(wakes("t/1"));
    woken_pos = mrc_ring_head(mrc_hub_ring(place.hub));
    for (int i = 0; i < 100; i++) {
        bool is_due;

        ck_assert_int_eq(hub_publish_to(elsewhere, "id", &topic, 1, bytes, false), APR_SUCCESS);
        mrc_ring_stats(mrc_hub_ring(place.hub), &stats);
        is_due = stats.head - woken_pos >= stats.capacity / MRC_INTERESTS_RING_PART;
        ck_assert_msg(was_woken() == is_due, "record %d", i);
        if (is_due) {
            woken_pos = stats.head;
            forced++;
        }
    }
    ck_assert_int_ge(forced, 5);
    leave(subscriber);
    finish();
}
END_TEST

/* Also if its successor in the slot listens to something else. */
START_TEST(a_dead_child_leaves_no_interest)
{
    struct mrc_subscriber *subscriber;
    char text[TEXT_BYTES];

    start();
    if (fork() == 0) {
        subscribe_to("t/1");
        subscribe(MRC_MATCHER_EXACT, "*");
        _exit(0);
    }
    wait(NULL);
    ck_assert(wakes("t/1"));
    mrc_hub_segment_fold(place.segment, HUB_SLOT);
    ck_assert(!wakes("t/1"));
    subscriber = subscribe_to(stranger("s", text));
    ck_assert(wakes(text));
    ck_assert(!wakes("t/1"));
    leave(subscriber);
    finish();
}
END_TEST

START_TEST(the_sets_are_bounded)
{
    ck_assert_uint_eq(mrc_interests_bits(1), MRC_INTERESTS_BITS_MAX);
    ck_assert_uint_eq(mrc_interests_bits(128), MRC_INTERESTS_BITS_MAX);
    ck_assert_uint_eq(mrc_interests_bits(129), MRC_INTERESTS_BITS_MAX / 2);
    ck_assert_uint_eq(mrc_interests_bits(MRC_CONTROL_SLOTS_MAX), MRC_INTERESTS_BITS_MIN);
    for (unsigned nslots = 1; nslots < MRC_CONTROL_SLOTS_MAX; nslots += 7) {
        uint64_t bits = mrc_interests_bits(nslots);

        ck_assert_uint_eq(bits & (bits - 1), 0);
        ck_assert(bits == MRC_INTERESTS_BITS_MIN || bits / 8 * nslots <= MRC_INTERESTS_BYTES_MAX);
        ck_assert_uint_eq(mrc_interests_bytes(nslots), 64 + nslots * (64 + bits / 8));
    }
}
END_TEST

/* 10,000 topics leave most of the others alone. What happens in slots that are not there is
 * nothing. */
START_TEST(many_topics_leave_a_choice)
{
    enum { TOPICS = 10000, OTHERS = 1000 };
    const struct mrc_interests_mark mark = {.seq = 1, .pos = 1, .capacity = RING};
    struct mrc_tags tags;
    unsigned wanted = 0;
    char text[TEXT_BYTES];

    start();
    mrc_interests_add(interests(), 0);
    for (int i = 0; i < TOPICS + OTHERS; i++) {
        snprintf(text, sizeof(text), "topic/%d", i);
        mrc_tags_clear(&tags);
        mrc_tags_add(&tags, mrc_interests_tag(interests(), mrc_bytes_of(text)));
        if (i < TOPICS) {
            mrc_interests_set(interests(), 0, tags.all[0]);
            mrc_interests_set(interests(), HUB_SLOTS, tags.all[0]);
            ck_assert(mrc_interests_wants(interests(), 0, &tags, &mark));
        } else {
            wanted += mrc_interests_wants(interests(), 0, &tags, &mark);
        }
        ck_assert(!mrc_interests_wants(interests(), 1, &tags, &mark));
        ck_assert(!mrc_interests_wants(interests(), HUB_SLOTS, &tags, &mark));
    }
    ck_assert_uint_lt(wanted, OTHERS / 4); /* 142 is the mean, 11 the deviation */
    mrc_interests_fold(interests(), 0);
    finish();
}
END_TEST

/* ---- nothing is lost --------------------------------------------------------------------------*/

/*
 * One subscriber that comes and goes in a thread of its own, as a threaded stream does: it takes
 * what it has missed, waits to be woken, and takes again. For each of its rounds there is one
 * publication, as close to its coming as can be. Nobody looks but who is woken, and there are fewer
 * rounds between two of its own than would wake it anyway. Beside it others come and go, who need
 * the same bit: whoever of them is the last takes it away.
 */
#define CHURNERS 2

static struct churn {
    struct mrc_waiters *waiters;
    struct mrc_matcher *matcher;
    _Atomic uint64_t *round; /* shared with the publisher, which may be a process */
    atomic_bool is_over;
    unsigned rounds;
} churn;

static void *publish_rounds(void *unused)
{
    for (unsigned i = 1; i <= churn.rounds; i++) {
        char id[TEXT_BYTES];

        while (atomic_load(churn.round) < i)
            sched_yield();
        snprintf(id, sizeof(id), "id-%u", i);
        hub_publish(elsewhere, id, "t/1", "x");
    }
    return unused;
}

static void *come_and_go(void *unused)
{
    while (!atomic_load(&churn.is_over)) {
        mrc_hub_listen(place.hub, &churn.matcher, 1);
        mrc_hub_unlisten(place.hub, &churn.matcher, 1);
    }
    return unused;
}

/* Whether SUBSCRIBER gets ID by what it takes now. */
static bool takes(struct mrc_subscriber *subscriber, const char *id)
{
    struct mrc_buf out;
    apr_status_t status;
    char line[TEXT_BYTES + 8];
    struct mrc_bytes got;
    bool has_it;

    mrc_buf_init(&out, SIZE_MAX);
    do
        status = mrc_subscriber_take(subscriber, SIZE_MAX, mrc_subscriber_give_bytes, &out);
    while (status == APR_SUCCESS);
    ck_assert_int_eq(status, APR_EOF);
    snprintf(line, sizeof(line), "id: %s\n", id);
    got = mrc_buf_bytes(&out);
    has_it = got.len && memmem(got.ptr, got.len, line, strlen(line));
    mrc_buf_free(&out);
    return has_it;
}

static void listen_rounds(void)
{
    struct mrc_waiter *waiter;
    char last[TEXT_BYTES] = "earliest";

    ck_assert_int_eq(mrc_waiter_open(churn.waiters, &waiter), APR_SUCCESS);
    for (unsigned i = 1; i <= churn.rounds; i++) {
        struct pollfd poll_fd = {.fd = mrc_waiter_fd(waiter), .events = POLLIN};
        struct mrc_subscriber *subscriber;
        char id[TEXT_BYTES];

        snprintf(id, sizeof(id), "id-%u", i);
        atomic_store(churn.round, i);
        subscriber = hub_subscribe(place.hub, hub_matcher(MRC_MATCHER_EXACT, "t/1", NULL), last);
        while (!takes(subscriber, id)) {
            ck_assert_msg(poll(&poll_fd, 1, DEADLINE_MS) == 1, "round %u: nobody woke it", i);
            mrc_waiter_drain(waiter);
        }
        leave(subscriber);
        memcpy(last, id, sizeof(last));
    }
    mrc_waiter_close(waiter);
}

static void do_nothing(void *unused)
{
    (void)unused;
}

static void run_churn(unsigned churners, bool by_process, unsigned rounds)
{
    static struct mrc_hub *hubs[1];
    struct mrc_dispatcher_args args = {
        .slot = HUB_SLOT, .threads = 1, .look_ms = LOOK_MS, .hubs = hubs, .hubs_count = 1};
    struct mrc_dispatcher *dispatcher;
    pthread_t publisher, others[CHURNERS];
    pid_t pid = 0;

    start();
    churn.rounds = rounds;
    churn.round = store_shared(sizeof(*churn.round));
    churn.matcher = hub_matcher(MRC_MATCHER_EXACT, "t/1", NULL);
    if (by_process && (pid = fork()) == 0) {
        publish_rounds(NULL);
        _exit(0);
    }
    hubs[0] = place.hub;
    args.notify = place.notify;
    args.waiters = churn.waiters = mrc_waiters_create(place.pool);
    args.on_wake = do_nothing;
    ck_assert_int_eq(mrc_dispatcher_start(place.pool, &args, &dispatcher), APR_SUCCESS);
    if (!by_process)
        ck_assert_int_eq(pthread_create(&publisher, NULL, publish_rounds, NULL), 0);
    for (unsigned i = 0; i < churners; i++)
        ck_assert_int_eq(pthread_create(&others[i], NULL, come_and_go, NULL), 0);
    listen_rounds();
    atomic_store(&churn.is_over, true);
    for (unsigned i = 0; i < churners; i++)
        pthread_join(others[i], NULL);
    if (by_process)
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    else
        pthread_join(publisher, NULL);
    ck_assert(mrc_dispatcher_stop(dispatcher));
    mrc_matcher_free(churn.matcher);
    ck_assert(!wakes("t/1")); /* and nothing is left of all of them */
    finish();
}

static unsigned stress_rounds(void)
{
    const char *text = getenv("MRC_STRESS_ROUNDS");

    return text ? (unsigned)strtoul(text, NULL, 10) : 2000;
}

START_TEST(no_wake_up_is_lost)
{
    run_churn(_i / 2 ? CHURNERS : 0, _i % 2, stress_rounds());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interests");
    TCase *tcase = tcase_create("interests");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_child_is_woken_for_its_topics);
    tcase_add_loop_test(tcase, what_is_no_topic_wakes_for_everything, 0,
                        sizeof(wishes) / sizeof(wishes[0]));
    tcase_add_test(tcase, a_mixture_is_as_broad_as_its_broadest);
    tcase_add_test(tcase, uses_past_the_count_leave_the_bit);
    tcase_add_test(tcase, more_topics_than_tags_concern_everybody);
    tcase_add_test(tcase, a_group_concerns_whom_one_of_it_does);
    tcase_add_test(tcase, an_unreadable_record_concerns_everybody);
    tcase_add_test(tcase, a_commit_wakes_whom_it_concerns);
    tcase_add_test(tcase, nobody_is_left_behind_by_many_records);
    tcase_add_test(tcase, nobody_is_left_behind_by_a_part_of_the_ring);
    tcase_add_test(tcase, a_dead_child_leaves_no_interest);
    tcase_add_test(tcase, the_sets_are_bounded);
    tcase_add_test(tcase, many_topics_leave_a_choice);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("stress");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, no_wake_up_is_lost, 0, 4);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
