#include "hub/base/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "failing_alloc.h"
#include "hub/base/wake.h"
#include "interrupted.h"
#include "unit.h"

#define POSTERS 4
#define EACH    20000
#define ROUNDS  200

struct letter {
    struct mrc_list_link link;
    unsigned poster, number;
};

static struct mrc_wake wake;
static struct mrc_mailbox mailbox;

static void setup(void)
{
    ck_assert_int_eq(mrc_wake_open(&wake, NULL), APR_SUCCESS);
    mrc_mailbox_init(&mailbox, &wake);
}

static void teardown(void)
{
    mrc_wake_close(&wake);
}

static bool is_woken(void)
{
    struct pollfd pollfd = {.fd = wake.fd, .events = POLLIN};

    return poll(&pollfd, 1, 0) == 1;
}

static size_t count(struct mrc_list list)
{
    size_t n = 0;

    while (mrc_list_take(&list))
        n++;
    return n;
}

/* ---- one poster -------------------------------------------------------------------------------*/

START_TEST(what_was_posted_first_comes_first)
{
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct mrc_list list;

    ck_assert(mrc_mailbox_is_empty(&mailbox));
    for (int i = 0; i < 3; i++)
        ck_assert(mrc_mailbox_post(&mailbox, &letters[i].link));
    ck_assert(!mrc_mailbox_is_empty(&mailbox));
    list = mrc_mailbox_take(&mailbox);
    ck_assert(mrc_mailbox_is_empty(&mailbox));
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(mrc_list_take(&list), &letters[i].link);
    ck_assert_ptr_null(mrc_list_take(&list));
    list = mrc_mailbox_take(&mailbox);
    ck_assert_ptr_null(mrc_list_take(&list));
}
END_TEST

START_TEST(only_a_post_into_an_empty_mailbox_wakes)
{
    struct letter letters[3];

    ck_assert(!is_woken());
    mrc_mailbox_post(&mailbox, &letters[0].link);
    ck_assert(is_woken());
    mrc_wake_drain(&wake);
    mrc_mailbox_post(&mailbox, &letters[1].link);
    ck_assert(!is_woken()); /* the owner knows, and has not taken anything yet */
    ck_assert_uint_eq(count(mrc_mailbox_take(&mailbox)), 2);
    mrc_mailbox_post(&mailbox, &letters[2].link);
    ck_assert(is_woken());
}
END_TEST

START_TEST(a_closed_mailbox_takes_nothing)
{
    struct letter letters[2];

    mrc_mailbox_post(&mailbox, &letters[0].link);
    ck_assert_uint_eq(count(mrc_mailbox_close(&mailbox)), 1);
    mrc_wake_drain(&wake);
    ck_assert(!mrc_mailbox_post(&mailbox, &letters[1].link));
    ck_assert(!is_woken());
    ck_assert(mrc_mailbox_is_empty(&mailbox));
    ck_assert_uint_eq(count(mrc_mailbox_take(&mailbox)), 0);
    ck_assert_uint_eq(count(mrc_mailbox_close(&mailbox)), 0);
    ck_assert(!mrc_mailbox_post(&mailbox, &letters[1].link)); /* it stays closed */
}
END_TEST

START_TEST(a_post_needs_no_memory)
{
    struct letter letter;
    bool is_posted;
    long left;

    alloc_left = 0;
    is_posted = mrc_mailbox_post(&mailbox, &letter.link);
    left = alloc_left;
    alloc_left = -1;
    ck_assert(is_posted);
    ck_assert_int_eq(left, 0); /* no allocation was attempted */
    ck_assert_uint_eq(count(mrc_mailbox_take(&mailbox)), 1);
}
END_TEST

/* ---- many posters -----------------------------------------------------------------------------*/

static struct letter sent[POSTERS][EACH];

static void *post_all(void *arg)
{
    struct letter *mine = arg;

    for (unsigned i = 0; i < EACH; i++)
        mrc_mailbox_post(&mailbox, &mine[i].link);
    return NULL;
}

static void number_letters(void)
{
    for (unsigned p = 0; p < POSTERS; p++)
        for (unsigned i = 0; i < EACH; i++)
            sent[p][i] = (struct letter){.poster = p, .number = i};
}

/* The owner waits whenever it finds nothing: a wake-up that is lost ends in a timeout. */
START_TEST(the_letters_of_each_poster_come_in_order)
{
    unsigned next[POSTERS] = {0}, all = 0;
    pthread_t threads[POSTERS];

    number_letters();
    for (unsigned p = 0; p < POSTERS; p++)
        ck_assert_int_eq(pthread_create(&threads[p], NULL, post_all, sent[p]), 0);
    while (all < POSTERS * EACH) {
        struct mrc_list list;
        struct letter *letter;

        mrc_wake_wait(&wake, -1);
        list = mrc_mailbox_take(&mailbox);
        while ((letter = (struct letter *)mrc_list_take(&list))) {
            ck_assert_uint_eq(letter->number, next[letter->poster]);
            next[letter->poster]++;
            all++;
        }
    }
    for (unsigned p = 0; p < POSTERS; p++)
        pthread_join(threads[p], NULL);
    ck_assert(mrc_mailbox_is_empty(&mailbox));
}
END_TEST

static atomic_uint posted, refused;

static void *post_until_refused(void *arg)
{
    struct letter *mine = arg;

    for (unsigned i = 0; i < EACH; i++) {
        if (!mrc_mailbox_post(&mailbox, &mine[i].link)) {
            atomic_fetch_add(&refused, 1);
            break;
        }
        atomic_fetch_add(&posted, 1);
    }
    return NULL;
}

/* Each letter is either taken or refused, wherever the close meets its post. */
START_TEST(a_close_among_posts_loses_nothing)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t threads[POSTERS];
        size_t taken = 0;

        mrc_mailbox_init(&mailbox, &wake);
        atomic_store(&posted, 0);
        atomic_store(&refused, 0);
        for (unsigned p = 0; p < POSTERS; p++)
            ck_assert_int_eq(pthread_create(&threads[p], NULL, post_until_refused, sent[p]), 0);
        while (taken < round * 20)
            taken += count(mrc_mailbox_take(&mailbox));
        taken += count(mrc_mailbox_close(&mailbox));
        for (unsigned p = 0; p < POSTERS; p++)
            pthread_join(threads[p], NULL);
        ck_assert_uint_eq(taken, atomic_load(&posted));
        ck_assert_uint_le(atomic_load(&refused), POSTERS);
    }
}
END_TEST

#define HANDLER_LETTERS 1000000

static struct letter *letters;
static atomic_uint used;

static bool post_one(void *unused)
{
    unsigned n = atomic_fetch_add(&used, 1);

    (void)unused;
    return n >= HANDLER_LETTERS || mrc_mailbox_post(&mailbox, &letters[n].link);
}

/* A signal handler may interrupt a post and then wait for another poster. */
START_TEST(a_post_that_is_interrupted_holds_up_nobody)
{
    size_t all;

    letters = calloc(HANDLER_LETTERS, sizeof(*letters));
    interrupted_run(post_one, NULL);
    all = atomic_load(&used) < HANDLER_LETTERS ? atomic_load(&used) : HANDLER_LETTERS;
    ck_assert_uint_eq(count(mrc_mailbox_take(&mailbox)), all);
    free(letters);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mailbox");
    TCase *tcase = tcase_create("mailbox");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_was_posted_first_comes_first);
    tcase_add_test(tcase, only_a_post_into_an_empty_mailbox_wakes);
    tcase_add_test(tcase, a_closed_mailbox_takes_nothing);
    tcase_add_test(tcase, a_post_needs_no_memory);
    tcase_add_test(tcase, the_letters_of_each_poster_come_in_order);
    tcase_add_test(tcase, a_close_among_posts_loses_nothing);
    tcase_add_test(tcase, a_post_that_is_interrupted_holds_up_nobody);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
