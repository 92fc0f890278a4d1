/* The outbox: packages keep their counters, whichever process leads, and wherever a leader dies. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/buf.h"
#include "hub/transport/outbox.h"
#include "store/base/status.h"
#include "store/engine/entry.h"
#include "store/engine/redis_internal.h"
#include "store/engine/wire.h"
#include "store/regions/link.h"
#include "store/regions/staging.h"
#include "store_unit.h"

#define PUBLISHER 3

static struct mrc_staging *staging;
static struct mrc_link *shared_link;
static struct mrc_redis redis; /* its server never answers */
static const struct mrc_redis_keys keys = {
    .log = "log",
    .head = "head",
    .machines = "m",
    .subscriptions = "p",
    .revocations = "r",
    .asks = "q",
    .answers = "a:",
    .prefix = "p:",
};

/* What the engine has received, and what has come back from it into the ring. */
static struct {
    _Atomic uint64_t first, last, arrived;
} * engine;

static struct mrc_wire *open_wire(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    struct mrc_engine_host host = {"127.0.0.1", 0};
    struct mrc_engine_error error;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct mrc_wire *wire;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    host.port = ntohs(address.sin_port);
    wire = mrc_wire_connect(NULL, &host, NULL, 1000 * 1000, &error);
    ck_assert_msg(wire != NULL, "%s", error.text.text);
    return wire;
}

static void setup(void)
{
    apr_pool_t *pool = store_pool();
    uint64_t bytes = mrc_staging_bytes(MRC_STAGING_SLOTS, MRC_STAGING_DATA_BYTES, 0);
    void *region = store_shared(bytes), *link_region = store_shared(mrc_link_bytes());
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_staging_create(region, bytes, 0, &error), APR_SUCCESS);
    ck_assert_int_eq(mrc_staging_attach(pool, region, bytes, &staging), APR_SUCCESS);
    ck_assert_int_eq(mrc_link_create(link_region), APR_SUCCESS);
    ck_assert_int_eq(mrc_link_attach(pool, link_region, mrc_link_bytes(), &shared_link),
                     APR_SUCCESS);
    engine = store_shared(sizeof(*engine));
    redis.wires[MRC_REDIS_W] = open_wire();
}

static void tear_down(void)
{
    mrc_wire_close(redis.wires[MRC_REDIS_W]);
}

/* Stages a package of COUNT updates; returns its ticket. */
static int64_t stage(size_t count)
{
    struct mrc_record records[3];
    struct mrc_record package = {.seq = 0};
    struct mrc_buf buf;
    int64_t ticket;

    for (size_t i = 0; i < count; i++)
        records[i] = (struct mrc_record){
            .stored_bytes = 1, .id = mrc_bytes_of("id"), .payload = mrc_bytes_of("payload")};
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_entry_add_package(&buf, records, count);
    package.payload = mrc_buf_bytes(&buf);
    ticket = mrc_staging_stage(staging, PUBLISHER, &package);
    mrc_buf_free(&buf);
    ck_assert_int_ge(ticket, 0);
    return ticket;
}

/* Whether the publisher of TICKET is answered. Fails if that is not with STATUS. */
static bool is_answered(int64_t ticket, apr_status_t status)
{
    apr_status_t got;

    if (!mrc_staging_poll(staging, ticket, &got))
        return false;
    ck_assert_int_eq(got, status);
    return true;
}

/* What a leader begins with, when the ring has the updates of this machine up to SEEN. */
static struct mrc_outbox *open_after(uint64_t seen, bool has_replicas)
{
    struct mrc_outbox *outbox = mrc_outbox_create(staging, shared_link, has_replicas);

    ck_assert_ptr_nonnull(outbox);
    ck_assert(mrc_outbox_adopt(outbox, seen));
    return outbox;
}

static struct mrc_outbox *open_outbox(void)
{
    return open_after(atomic_load(&engine->arrived), false);
}

/* Sends a batch. RET_PUBLISH gets its counters. */
static bool send_batch(struct mrc_outbox *outbox, struct mrc_redis_publish *ret_publish)
{
    *ret_publish = (struct mrc_redis_publish){.generation = 1};
    return mrc_outbox_send(outbox, &redis, &keys, ret_publish, 1);
}

START_TEST(a_package_is_answered_when_it_has_arrived)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int64_t one = stage(1), two = stage(2);

    ck_assert(send_batch(outbox, &publish));
    ck_assert_uint_eq(publish.counter, 1);
    ck_assert_uint_eq(publish.entries, 3);
    ck_assert(!send_batch(outbox, &publish)); /* one batch is in flight */
    mrc_outbox_stored(outbox, 3);
    mrc_outbox_arrived(outbox, 1, 1);
    ck_assert(is_answered(one, APR_SUCCESS));
    mrc_outbox_arrived(outbox, 2, 1);
    ck_assert(!is_answered(two, APR_SUCCESS));
    mrc_outbox_arrived(outbox, 3, 1);
    ck_assert(is_answered(two, APR_SUCCESS));
    ck_assert(mrc_outbox_is_empty(outbox));
    mrc_outbox_free(outbox);
}
END_TEST

/* Such a package is that of an operation that has changed nothing. */
START_TEST(a_package_without_entries_is_answered_when_the_ring_is_past_it)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int64_t ticket = stage(1);

    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_reached(outbox, 100, 1); /* not before the engine has answered */
    ck_assert(!is_answered(ticket, APR_SUCCESS));
    mrc_outbox_stored(outbox, 7);
    mrc_outbox_reached(outbox, 6, 1);
    ck_assert(!is_answered(ticket, APR_SUCCESS));
    mrc_outbox_reached(outbox, 7, 1);
    ck_assert(is_answered(ticket, APR_SUCCESS));
    mrc_outbox_free(outbox);
}
END_TEST

START_TEST(the_same_after_the_answer_was_lost)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int64_t ticket = stage(1);

    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_lost(outbox);
    ck_assert(!is_answered(ticket, APR_SUCCESS));
    mrc_outbox_settle(outbox, 1, 9, true); /* the engine has it */
    ck_assert(!send_batch(outbox, &publish));
    mrc_outbox_reached(outbox, 8, 1);
    ck_assert(!is_answered(ticket, APR_SUCCESS));
    mrc_outbox_reached(outbox, 9, 1);
    ck_assert(is_answered(ticket, APR_SUCCESS));
    mrc_outbox_free(outbox);
}
END_TEST

START_TEST(what_the_engine_does_not_have_is_sent_again_with_its_counters)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int64_t ticket = stage(2), unsent;

    ck_assert(send_batch(outbox, &publish));
    unsent = stage(1);
    mrc_outbox_lost(outbox);
    mrc_outbox_refuse_staged(outbox);
    ck_assert(is_answered(unsent, MRC_STATUS_UNREACHABLE));
    mrc_outbox_settle(outbox, 0, 0, true);
    ck_assert(send_batch(outbox, &publish));
    ck_assert_uint_eq(publish.counter, 1);
    ck_assert_uint_eq(publish.entries, 2);
    mrc_outbox_stored(outbox, 2);
    mrc_outbox_arrived(outbox, 2, 1);
    ck_assert(is_answered(ticket, APR_SUCCESS));
    mrc_outbox_free(outbox);
}
END_TEST

/* The engine counts the replicas for each batch, even for one that it has refused. */
START_TEST(the_answer_of_the_replicas_is_that_of_its_batch)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_after(0, true);
    int64_t first = stage(1), second, third;

    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_refused(outbox); /* its memory is full */
    ck_assert(is_answered(first, MRC_STATUS_UNREACHABLE));
    second = stage(1);
    ck_assert(!send_batch(outbox, &publish));
    mrc_outbox_confirmed(outbox, true, 1);
    ck_assert(send_batch(outbox, &publish));
    third = stage(1);
    ck_assert(!send_batch(outbox, &publish));
    mrc_outbox_stored(outbox, 1);
    mrc_outbox_arrived(outbox, 2, 1);
    ck_assert(!is_answered(second, APR_SUCCESS));
    mrc_outbox_confirmed(outbox, true, 1);
    ck_assert(is_answered(second, APR_SUCCESS));
    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_stored(outbox, 2);
    mrc_outbox_confirmed(outbox, false, 1);
    ck_assert(is_answered(third, MRC_STATUS_UNCONFIRMED));
    ck_assert(mrc_outbox_is_empty(outbox));
    mrc_outbox_free(outbox);
}
END_TEST

/* The bytes may still be in the socket of an engine that is stopped for a while. */
START_TEST(what_was_sent_once_is_never_certain_not_to_be_stored)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int64_t sent = stage(1), unsent;

    ck_assert(send_batch(outbox, &publish));
    unsent = stage(2);
    mrc_outbox_lost(outbox);
    mrc_outbox_settle(outbox, 0, 0, true); /* the engine does not have it */
    mrc_outbox_lost(outbox);               /* before it is sent again */
    mrc_outbox_refuse_staged(outbox);
    ck_assert(is_answered(sent, MRC_STATUS_UNCONFIRMED));
    ck_assert(is_answered(unsent, MRC_STATUS_UNREACHABLE));
    ck_assert(mrc_outbox_is_empty(outbox));
    mrc_outbox_free(outbox);
}
END_TEST

START_TEST(nothing_is_sent_to_an_engine_that_is_known_to_be_full)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int stored = stage(1), sent, unsent;

    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_stored(outbox, 1);
    mrc_outbox_arrived(outbox, 1, 1);
    ck_assert(is_answered(stored, APR_SUCCESS));
    sent = stage(1);
    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_lost(outbox);
    mrc_outbox_settle(outbox, 0, 0, true); /* the engine has neither */
    ck_assert(mrc_outbox_put_back(outbox, 1, 1, mrc_bytes_of("id"), mrc_bytes_of("record"), 0));
    unsent = stage(2);
    mrc_outbox_refuse(outbox);
    ck_assert(is_answered(sent, MRC_STATUS_UNCONFIRMED));
    ck_assert(is_answered(unsent, MRC_STATUS_UNREACHABLE));
    ck_assert(mrc_outbox_restores(outbox));
    ck_assert(send_batch(outbox, &publish)); /* there is room again */
    ck_assert_uint_eq(publish.counter, 1);
    ck_assert_uint_eq(publish.entries, 1);
    mrc_outbox_free(outbox);
}
END_TEST

START_TEST(what_was_sent_before_a_loss_says_where_the_fork_was)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();

    stage(1);
    ck_assert(send_batch(outbox, &publish));
    ck_assert(!publish.is_again);
    mrc_outbox_stored(outbox, 8);
    mrc_outbox_arrived(outbox, 1, 1);
    stage(1);
    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_lost(outbox);
    mrc_outbox_settle(outbox, 0, 7, true); /* the engine has neither */
    mrc_outbox_doubt(outbox, 7);
    ck_assert(mrc_outbox_put_back(outbox, 1, 1, mrc_bytes_of("id"), mrc_bytes_of("record"), 5));
    ck_assert(mrc_outbox_restores(outbox));
    stage(1);
    for (uint64_t counter = 1; counter <= 3; counter++) { /* each fork has a batch of its own */
        ck_assert(send_batch(outbox, &publish));
        ck_assert_uint_eq(publish.counter, counter);
        ck_assert_uint_eq(publish.entries, 1);
        ck_assert_int_eq(publish.is_again, counter < 3);
        if (counter < 3)
            ck_assert_uint_eq(publish.fork, counter == 1 ? 5 : 7);
        mrc_outbox_stored(outbox, 7 + counter);
        if (counter == 1)
            mrc_outbox_arrived(outbox, 1, 1);
    }
    ck_assert(!mrc_outbox_restores(outbox));
    /* A second loss comes before the entries: the earlier fork counts. */
    mrc_outbox_lost(outbox);
    mrc_outbox_settle(outbox, 1, 8, true);
    mrc_outbox_doubt(outbox, 8);
    for (uint64_t counter = 2; counter <= 3; counter++) {
        ck_assert(send_batch(outbox, &publish));
        ck_assert_uint_eq(publish.counter, counter);
        ck_assert(publish.is_again);
        ck_assert_uint_eq(publish.fork, counter == 2 ? 7 : 8);
        mrc_outbox_stored(outbox, 7 + counter);
    }
    mrc_outbox_free(outbox);
}
END_TEST

/* ---- a leader dies ----------------------------------------------------------------------------*/

/* Stages a package of COUNT updates, and lets a leader send it and die. */
static int64_t leave(size_t count)
{
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_outbox();
    int64_t ticket = stage(count);

    ck_assert(send_batch(outbox, &publish));
    mrc_outbox_free(outbox);
    return ticket;
}

START_TEST(the_next_leader_answers_what_is_in_the_ring)
{
    int64_t ticket = leave(2);
    struct mrc_outbox *outbox = open_after(2, false);

    ck_assert(is_answered(ticket, APR_SUCCESS));
    ck_assert(mrc_outbox_is_empty(outbox));
    mrc_outbox_free(outbox);
}
END_TEST

START_TEST(the_next_leader_does_not_know_which_replicas_have_it)
{
    int64_t ticket = leave(2);
    struct mrc_outbox *outbox = open_after(2, true);

    ck_assert(is_answered(ticket, MRC_STATUS_UNCONFIRMED));
    ck_assert(mrc_outbox_is_empty(outbox));
    mrc_outbox_free(outbox);
}
END_TEST

/* The engine may lose the rest before the ring has it. */
START_TEST(a_package_of_which_the_ring_has_a_part_is_not_answered_yet)
{
    int64_t ticket = leave(3);
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox = open_after(2, false);

    ck_assert(!is_answered(ticket, APR_SUCCESS));
    mrc_outbox_settle(outbox, 1, 1, true); /* the engine has lost two of the three */
    ck_assert(mrc_outbox_put_back(outbox, 2, 1, mrc_bytes_of("id"), mrc_bytes_of("payload"), 1));
    for (int batch = 0; batch < 2; batch++) { /* one for each of the two, in any order */
        ck_assert(send_batch(outbox, &publish));
        mrc_outbox_stored(outbox, 3);
    }
    ck_assert(!send_batch(outbox, &publish));
    mrc_outbox_arrived(outbox, 2, 1);
    ck_assert(!is_answered(ticket, APR_SUCCESS));
    mrc_outbox_arrived(outbox, 3, 1);
    ck_assert(is_answered(ticket, APR_SUCCESS));
    mrc_outbox_reached(outbox, 3, 1);
    ck_assert(mrc_outbox_is_empty(outbox));
    mrc_outbox_free(outbox);
}
END_TEST

/* The work of a leader for one package of two updates. */
static void lead(void)
{
    struct mrc_redis_publish publish = {.generation = 1};
    struct mrc_outbox *outbox;

    if (!mrc_link_lead(shared_link))
        _exit(1);
    outbox = mrc_outbox_create(staging, shared_link, false);
    if (!outbox || !mrc_outbox_adopt(outbox, atomic_load(&engine->arrived)) ||
        !mrc_outbox_send(outbox, &redis, &keys, &publish, 1))
        _exit(1);
    atomic_store(&engine->first, publish.counter);
    atomic_store(&engine->last, publish.counter + publish.entries - 1);
    mrc_outbox_stored(outbox, publish.counter + 1);
    atomic_store(&engine->arrived, publish.counter + 1);
    mrc_link_advance(shared_link, publish.counter + 1, mrc_link_writer(shared_link),
                     publish.counter + 1, 1);
    mrc_outbox_arrived(outbox, publish.counter + 1, 1);
    mrc_outbox_free(outbox);
    mrc_link_resign(shared_link);
}

/* Runs lead() in a process that dies after STEPS instructions. 1: it was killed; 0: it had ended
 * before; -1: the system forbids ptrace. */
static int die_after(unsigned steps)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(77);
        raise(SIGSTOP);
        lead();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return -1;
    while (steps--) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            return -1;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            ck_assert_int_eq(WEXITSTATUS(status), 0);
            return 0;
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 1;
}

/* The next leader takes over: the package in SLOT is answered, and has the counters under which the
 * engine has it, if at all. Returns its last counter. BEFORE: the last counter of the package
 * before. */
static uint64_t judge(int64_t ticket, uint64_t before, unsigned steps)
{
    uint64_t first = atomic_load(&engine->first), last = atomic_load(&engine->last);
    struct mrc_redis_publish publish;
    struct mrc_outbox *outbox;

    if (first <= before)
        first = last = 0; /* the victim has not sent it */
    else if (last < first)
        last = first + 1; /* it died between the two words */
    ck_assert_msg(mrc_link_lead(shared_link), "after %u steps: nobody can lead", steps);
    outbox = open_outbox();
    mrc_outbox_settle(outbox, last, last, true);
    if (send_batch(outbox, &publish)) {
        ck_assert_msg(first == 0, "after %u steps: the engine has it already", steps);
        ck_assert_msg(publish.counter > before && publish.entries == 2,
                      "after %u steps: a counter is used twice", steps);
        last = publish.counter + 1;
        mrc_outbox_stored(outbox, last);
    }
    mrc_outbox_arrived(outbox, last, 1);
    ck_assert_msg(is_answered(ticket, APR_SUCCESS), "after %u steps: its publisher waits", steps);
    ck_assert(mrc_outbox_is_empty(outbox));
    ck_assert_uint_ge(mrc_link_counter(shared_link), last);
    ck_assert_uint_eq(mrc_staging_count(staging), 0);
    mrc_outbox_free(outbox);
    mrc_link_resign(shared_link);
    return mrc_link_counter(shared_link);
}

START_TEST(a_leader_dies_at_every_instruction)
{
    unsigned step = unit_crash_stride(2003), steps = (unsigned)getpid() % step;
    uint64_t before = 0;
    int killed = 1;

    for (; killed == 1; steps += step) {
        int64_t ticket = stage(2);

        killed = die_after(steps);
        if (killed == -1) {
            fprintf(stderr, "# ptrace is forbidden here: not tested\n");
            return;
        }
        before = judge(ticket, before, steps);
        atomic_store(&engine->arrived, before);
    }
    fprintf(stderr, "# %u instructions, every %uth\n", steps, step);
    ck_assert_uint_gt(steps, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outbox");
    TCase *tcase = tcase_create("outbox");

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, a_package_is_answered_when_it_has_arrived);
    tcase_add_test(tcase, a_package_without_entries_is_answered_when_the_ring_is_past_it);
    tcase_add_test(tcase, the_same_after_the_answer_was_lost);
    tcase_add_test(tcase, what_the_engine_does_not_have_is_sent_again_with_its_counters);
    tcase_add_test(tcase, the_answer_of_the_replicas_is_that_of_its_batch);
    tcase_add_test(tcase, what_was_sent_once_is_never_certain_not_to_be_stored);
    tcase_add_test(tcase, nothing_is_sent_to_an_engine_that_is_known_to_be_full);
    tcase_add_test(tcase, what_was_sent_before_a_loss_says_where_the_fork_was);
    tcase_add_test(tcase, the_next_leader_answers_what_is_in_the_ring);
    tcase_add_test(tcase, the_next_leader_does_not_know_which_replicas_have_it);
    tcase_add_test(tcase, a_package_of_which_the_ring_has_a_part_is_not_answered_yet);
    tcase_add_test(tcase, a_leader_dies_at_every_instruction);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
