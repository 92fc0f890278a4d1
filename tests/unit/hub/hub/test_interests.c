#include "store/regions/interests.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

#include "hub_unit.h"
#include "store/shm/control_layout.h"

#define RING        (1 << 20)
#define DEADLINE_MS (60 * 1000) /* far more than is needed: only a broken build waits that long */
#define TEXT_BYTES  40

static const struct mrc_hub_spec spec; /* without limits */
static struct hub_place place;
static struct mrc_hub *elsewhere; /* the same hub in another child, which publishes */

static void open_elsewhere(const struct mrc_hub_spec *its_spec)
{
    struct mrc_error error = {""};

    elsewhere = mrc_hub_open(place.pool, place.segment, place.notify, 0, 0, its_spec,
                             MRC_HISTORY_OPEN_WAIT_US, &error);
    ck_assert_msg(elsewhere != NULL, "%s", error.text);
}

static void start(void)
{
    place = hub_place_open(RING, &spec);
    open_elsewhere(&spec);
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

/* Matchers of subscribers, and whether each may match more than one topic. */
static const struct {
    enum mrc_matcher_type type;
    const char *value;
    bool is_broad;
} kinds[] = {
    {MRC_MATCHER_EXACT, "*", true},
    {MRC_MATCHER_URLPATTERN, "*", true},
    {MRC_MATCHER_URLPATTERN, "/t/:x", true},
    {MRC_MATCHER_URLPATTERN, "/t/1", true}, /* several topics resolve to it */
    {MRC_MATCHER_TEMPLATE, "t/{x}", true},
    {MRC_MATCHER_TEMPLATE, "t/1", false},
    {MRC_MATCHER_TEMPLATE, "t/{", false}, /* not a template, so a string */
    {MRC_MATCHER_EXACT, "", false},
};

/* Whether TEXT shares its bit with a matcher of the tests: one of KINDS, or "t/0" to "t/9". */
static bool has_known_bit(const char *text)
{
    for (char digit = '0'; digit <= '9'; digit++) {
        const char known[] = {'t', '/', digit, '\0'};

        if (bit_of(text) == bit_of(known))
            return true;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (bit_of(text) == bit_of(kinds[i].value))
            return true;
    return false;
}

/* Writes a topic to TEXT that begins with NAME and shares its bit with no matcher of the tests. */
static const char *stranger(const char *name, char text[TEXT_BYTES])
{
    unsigned i = 0;

    do
        snprintf(text, TEXT_BYTES, "%s/%u", name, i++);
    while (has_known_bit(text));
    return text;
}

/* Whether the child was woken since the last call. */
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
    ck_assert(was_woken()); /* an alternate topic also counts */
    hub_publish(place.hub, "id", "t/1", "x");
    ck_assert(was_woken()); /* and so does an update of the child itself */
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

START_TEST(a_matcher_that_is_no_topic_wakes_for_everything)
{
    struct mrc_subscriber *exact, *wish;
    char text[TEXT_BYTES];

    start();
    exact = subscribe_to("t/0");
    wish = subscribe(kinds[_i].type, kinds[_i].value);
    stranger("s", text);
    ck_assert(wakes(text) == kinds[_i].is_broad);
    if (!kinds[_i].is_broad)
        ck_assert(wakes(kinds[_i].value));
    leave(wish);
    ck_assert(!wakes(text));
    leave(exact);
    finish();
}
END_TEST

/* A subscriber with a pattern in addition to its topics leaves nothing behind when it goes. */
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

/* With more users than can be counted, the bit stays: a wake-up may be superfluous, but none is
 * lost. */
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
        char name[TEXT_BYTES];

        snprintf(name, sizeof(name), "s/%zu", i);
        views[i] = mrc_bytes_of(stranger(name, text[i]));
    }
    ck_assert_int_eq(mrc_hub_publish(elsewhere, &update, 1, apr_time_now()), APR_SUCCESS);
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

/* This holds even if the group has more topics than there are tags. */
START_TEST(a_group_wakes_whom_one_of_its_records_wakes)
{
    struct mrc_record items[MRC_TAGS_MAX + 2];
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
        items[i] = (struct mrc_record){
            .id = mrc_bytes_of("id"), .payload = mrc_buf_bytes(&far), .stored_bytes = 1};
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

/* An unreadable record may be about any topic. */
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

/* In the durable history one publisher commits for several, and wakes for all of them. */
START_TEST(a_commit_wakes_for_all_of_its_records)
{
    const struct mrc_hub_spec durable = {
        .history_dir = store_dir(),
        .history_sync = MRC_HISTORY_SYNC_NONE,
    };
    struct mrc_subscriber *subscriber;
    struct mrc_record update = {.id = mrc_bytes_of("id"), .stored_bytes = 1};
    struct mrc_bytes topic = mrc_bytes_of("t/1");
    const struct mrc_update near = {.topics = &topic, .topics_count = 1};
    struct mrc_buf record;
    char text[TEXT_BYTES];

    if (!mrc_history_has_lmdb())
        return;
    place = hub_place_open(RING, &durable);
    open_elsewhere(&durable);
    subscriber = subscribe_to("t/1");
    was_woken();
    ck_assert(!wakes(stranger("s", text)));
    ck_assert(wakes("t/1"));
    /* An update of another child, which did not commit it. */
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
}
END_TEST

/* ---- who is left alone ------------------------------------------------------------------------*/

START_TEST(many_records_wake_everybody)
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

START_TEST(a_part_of_the_ring_wakes_everybody)
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

/* Its successor in the slot has none of its interests either. */
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

START_TEST(the_sets_have_a_limit)
{
    ck_assert_uint_eq(mrc_interests_bits(1), MRC_INTERESTS_BITS_MAX);
    ck_assert_uint_eq(mrc_interests_bits(128), MRC_INTERESTS_BITS_MAX);
    ck_assert_uint_eq(mrc_interests_bits(129), MRC_INTERESTS_BITS_MAX / 2);
    ck_assert_uint_eq(mrc_interests_bits(MRC_CONTROL_SLOTS_MAX), MRC_INTERESTS_BITS_MIN);
    for (unsigned nslots = 1; nslots < MRC_CONTROL_SLOTS_MAX; nslots += 7) {
        uint64_t bits = mrc_interests_bits(nslots);

        ck_assert_uint_eq(bits & (bits - 1), 0);
        ck_assert(bits == MRC_INTERESTS_BITS_MIN || bits / 8 * nslots <= MRC_INTERESTS_BYTES_MAX);
        ck_assert_uint_eq(mrc_interests_head_bytes(nslots), 64 + nslots * 64);
        ck_assert_uint_eq(mrc_interests_sets_bytes(nslots), nslots * bits / 8);
    }
}
END_TEST

/* With 10,000 topics, most other topics still wake nobody. Slots that do not exist are ignored. */
START_TEST(many_topics_still_tell_others_apart)
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
    ck_assert_uint_lt(wanted, OTHERS / 4); /* the mean is 142, the standard deviation 11 */
    mrc_interests_fold(interests(), 0);
    finish();
}
END_TEST

/*
 * ---- in the moment between --------------------------------------------------------------------
 * The linker redirects the functions that take a position, and the one that clears a bit, to this
 * file, so that something can happen right after or before.
 */

static void (*_Atomic between)(void); /* called once; NULL: not called, as in other threads */

static void happen(void)
{
    void (*what)(void) = atomic_load_explicit(&between, memory_order_relaxed);

    if (!what)
        return;
    between = NULL;
    what();
}

void __real_mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place);
void __wrap_mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place);
void __wrap_mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place)
{
    __real_mrc_history_head(history, ret_place);
    happen();
}

apr_status_t __real_mrc_history_newest(const struct mrc_history *history,
                                       struct mrc_ring_record *record, struct mrc_place *ret_place);
apr_status_t __wrap_mrc_history_newest(const struct mrc_history *history,
                                       struct mrc_ring_record *record, struct mrc_place *ret_place);
apr_status_t __wrap_mrc_history_newest(const struct mrc_history *history,
                                       struct mrc_ring_record *record, struct mrc_place *ret_place)
{
    apr_status_t status = __real_mrc_history_newest(history, record, ret_place);

    happen();
    return status;
}

void __real_mrc_interests_unset(struct mrc_interests *interests, unsigned slot, uint64_t tag);
void __wrap_mrc_interests_unset(struct mrc_interests *interests, unsigned slot, uint64_t tag);
void __wrap_mrc_interests_unset(struct mrc_interests *interests, unsigned slot, uint64_t tag)
{
    happen();
    __real_mrc_interests_unset(interests, slot, tag);
    happen();
}

static struct mrc_subscriber *newcomer;

static void publish_now(void)
{
    hub_publish(elsewhere, "id-now", "t/1", "x");
}

static void come_now(void)
{
    newcomer = subscribe_to("t/1");
    between = publish_now;
}

/* A publication right after the subscriber has taken its position wakes the child. */
START_TEST(a_subscriber_with_a_position_is_woken)
{
    static const char *const cursors[] = {NULL, ""};
    struct mrc_matcher *matchers[] = {hub_matcher(MRC_MATCHER_EXACT, "t/1", NULL),
                                      hub_matcher(MRC_MATCHER_EXACT, "*", NULL)};
    struct mrc_subscriber *subscriber;

    start();
    between = publish_now;
    subscriber = hub_subscribe(place.hub, matchers[_i / 2], cursors[_i % 2]);
    ck_assert(!between);
    ck_assert_uint_lt(mrc_subscriber_get_position(subscriber),
                      mrc_ring_head(mrc_hub_ring(place.hub)));
    ck_assert(was_woken());
    leave(subscriber);
    mrc_matcher_free(matchers[1 - _i / 2]);
    finish();
}
END_TEST

/* The last user of a bit no longer counts. A new user comes and still finds the bit; then the bit
 * is cleared, and an update is published. The thread that cleared the bit wakes the child. */
START_TEST(a_new_user_of_a_bit_is_woken_while_the_last_one_goes)
{
    struct mrc_subscriber *last;

    start();
    last = subscribe_to("t/1");
    between = come_now;
    leave(last);
    ck_assert(!between);
    ck_assert(was_woken());
    ck_assert(wakes("t/1"));
    leave(newcomer);
    ck_assert(!wakes("t/1"));
    finish();
}
END_TEST

/* ---- nothing is lost --------------------------------------------------------------------------*/

/*
 * In each round a subscriber comes, one update is published, and another subscriber that needs the
 * same bit goes, all as nearly as possible at the same time. If the update is not before the
 * position of the new subscriber, the child must be woken for it. There is no dispatcher, so
 * nothing looks at the ring without a wake-up.
 */
static struct race {
    _Atomic uint64_t round;     /* the one that has begun */
    _Atomic uint64_t listens;   /* the subscriber that goes is there */
    _Atomic uint64_t left;      /* it has gone */
    _Atomic uint64_t published; /* the publisher has finished it */
    _Atomic uint64_t end;       /* of the record in the ring */
} * race;                       /* shared with the publisher, which may be another process */

static struct mrc_matcher *raced_for;
static uint64_t rounds;

static void wait_for(const _Atomic uint64_t *what, uint64_t round)
{
    while (atomic_load(what) < round)
        sched_yield();
}

/* Spends some instructions, at most as many as the work of the other threads takes. */
static void dawdle(uint64_t *state)
{
    for (volatile unsigned i = hub_random_below(state, 2000); i > 0; i--)
        ;
}

static void *publish_rounds(void *unused)
{
    uint64_t state = 1;

    for (uint64_t i = 1; i <= rounds; i++) {
        wait_for(&race->round, i);
        dawdle(&state);
        hub_publish(elsewhere, "id", "t/1", "x");
        atomic_store(&race->end, mrc_ring_head(mrc_hub_ring(elsewhere)));
        atomic_store(&race->published, i);
    }
    return unused;
}

static void *leave_rounds(void *unused)
{
    uint64_t state = 2;

    for (uint64_t i = 1; i <= rounds; i++) {
        mrc_hub_listen(place.hub, &raced_for, 1);
        atomic_store(&race->listens, i);
        wait_for(&race->round, i);
        dawdle(&state);
        mrc_hub_unlisten(place.hub, &raced_for, 1);
        atomic_store(&race->left, i);
        wait_for(&race->published, i);
    }
    return unused;
}

static void listen_rounds(bool with_another)
{
    struct pollfd poll_fd = {.fd = mrc_notify_fd(place.notify, HUB_SLOT), .events = POLLIN};
    uint64_t state = 3;

    for (uint64_t i = 1; i <= rounds; i++) {
        struct mrc_subscriber *subscriber;

        if (with_another)
            wait_for(&race->listens, i);
        mrc_notify_drain(place.notify, HUB_SLOT);
        atomic_store(&race->round, i);
        dawdle(&state);
        subscriber = subscribe_to("t/1");
        wait_for(&race->published, i);
        if (atomic_load(&race->end) > mrc_subscriber_get_position(subscriber))
            ck_assert_msg(poll(&poll_fd, 1, DEADLINE_MS) == 1, "round %u: the child was not woken",
                          (unsigned)i);
        if (with_another)
            wait_for(&race->left, i);
        leave(subscriber);
    }
}

static void run_race(bool with_another, bool by_process)
{
    pthread_t publisher, another;
    const char *wanted = getenv("MRC_STRESS_ROUNDS");
    pid_t pid = 0;

    start();
    rounds = wanted ? strtoul(wanted, NULL, 10) : 2000;
    race = store_shared(sizeof(*race));
    raced_for = hub_matcher(MRC_MATCHER_EXACT, "t/1", NULL);
    if (by_process && (pid = fork()) == 0) {
        publish_rounds(NULL);
        _exit(0);
    }
    if (!by_process)
        ck_assert_int_eq(pthread_create(&publisher, NULL, publish_rounds, NULL), 0);
    if (with_another)
        ck_assert_int_eq(pthread_create(&another, NULL, leave_rounds, NULL), 0);
    listen_rounds(with_another);
    if (with_another)
        pthread_join(another, NULL);
    if (by_process)
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    else
        pthread_join(publisher, NULL);
    was_woken();
    ck_assert(!wakes("t/1")); /* no interest is left */
    mrc_matcher_free(raced_for);
    finish();
}

START_TEST(no_wake_up_is_lost)
{
    run_race(_i / 2, _i % 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interests");
    TCase *tcase = tcase_create("interests");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_child_is_woken_for_its_topics);
    tcase_add_loop_test(tcase, a_matcher_that_is_no_topic_wakes_for_everything, 0,
                        sizeof(kinds) / sizeof(kinds[0]));
    tcase_add_test(tcase, a_mixture_is_as_broad_as_its_broadest);
    tcase_add_test(tcase, uses_past_the_count_leave_the_bit);
    tcase_add_test(tcase, more_topics_than_tags_concern_everybody);
    tcase_add_test(tcase, a_group_wakes_whom_one_of_its_records_wakes);
    tcase_add_test(tcase, an_unreadable_record_concerns_everybody);
    tcase_add_test(tcase, a_commit_wakes_for_all_of_its_records);
    tcase_add_test(tcase, many_records_wake_everybody);
    tcase_add_test(tcase, a_part_of_the_ring_wakes_everybody);
    tcase_add_test(tcase, a_dead_child_leaves_no_interest);
    tcase_add_test(tcase, the_sets_have_a_limit);
    tcase_add_loop_test(tcase, a_subscriber_with_a_position_is_woken, 0, 4);
    tcase_add_test(tcase, a_new_user_of_a_bit_is_woken_while_the_last_one_goes);
    tcase_add_test(tcase, many_topics_still_tell_others_apart);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("stress");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, no_wake_up_is_lost, 0, 4);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
