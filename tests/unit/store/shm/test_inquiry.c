/* The mailbox for inquiries: questions, answers, and processes that come late, hang or die. */
#include <signal.h>
#include <sys/wait.h>

#include "store/shm/inquiry.h"
#include "store_unit.h"

#define SLOT    3
#define PART    1
#define LONG_US INT64_C(60000000)
#define A_BIT   INT64_C(20000)

static struct mrc_inquiry *inquiry;
static bool child_lives;

static bool lives(void *ctx, unsigned slot, pid_t pid)
{
    ck_assert_ptr_eq(ctx, &child_lives);
    ck_assert_uint_eq(slot, SLOT);
    ck_assert_int_eq(pid, 77);
    return child_lives;
}

static void setup(void)
{
    struct mrc_error error = {""};

    ck_assert_int_eq(mrc_inquiry_create(store_pool(), &error, &inquiry), APR_SUCCESS);
    child_lives = true;
}

static void teardown(void)
{
    mrc_inquiry_close(inquiry);
    mrc_inquiry_close(inquiry);
    mrc_inquiry_close(NULL);
}

static apr_status_t begin(int64_t wait_us)
{
    return mrc_inquiry_begin(inquiry, wait_us, lives, &child_lives);
}

static bool ask(const char *question)
{
    return mrc_inquiry_ask(inquiry, SLOT, 77, PART, mrc_bytes_of(question));
}

/* Takes a question, which must be QUESTION; NULL: there is none. */
static void take(unsigned slot, unsigned part, const char *question)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert(mrc_inquiry_take(inquiry, slot, part, &buf) == (question != NULL));
    ck_assert_bytes_eq(mrc_buf_bytes(&buf), question ? question : "");
    mrc_buf_free(&buf);
}

/* Waits for an answer, which must be ANSWER; NULL: there is none. */
static void wait_for(int64_t wait_us, const char *answer)
{
    struct mrc_buf buf;

    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert(mrc_inquiry_wait(inquiry, wait_us, &buf) == (answer != NULL));
    ck_assert_bytes_eq(mrc_buf_bytes(&buf), answer ? answer : "");
    mrc_buf_free(&buf);
}

START_TEST(questions_and_answers)
{
    take(SLOT, PART, NULL);
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    for (int i = 0; i < 3; i++) {
        ck_assert(ask("how many?"));
        take(SLOT + 1, PART, NULL);
        take(SLOT, PART + 1, NULL);
        take(SLOT, PART, "how many?");
        take(SLOT, PART, NULL);
        mrc_inquiry_answer(inquiry, mrc_bytes_of(i == 1 ? "" : "two"));
        wait_for(0, i == 1 ? "" : "two");
        wait_for(0, NULL); /* it was read */
    }
    mrc_inquiry_end(inquiry);
}
END_TEST

/* The asker and the child are two processes, and one waits for the other. */
START_TEST(between_processes)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct mrc_buf buf;

        mrc_buf_init(&buf, SIZE_MAX);
        while (!mrc_inquiry_take(inquiry, SLOT, PART, &buf))
            usleep(1000);
        mrc_buf_add_str(&buf, " yes");
        mrc_inquiry_answer(inquiry, mrc_buf_bytes(&buf));
        _exit(0);
    }
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    ck_assert(ask("there?"));
    wait_for(LONG_US, "there? yes");
    mrc_inquiry_end(inquiry);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* Another asker has the mailbox, until it ends. */
START_TEST(one_asker_at_a_time)
{
    int ready[2], status;
    pid_t pid;
    char c;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (begin(0) == APR_SUCCESS && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(begin(A_BIT), APR_TIMEUP);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(begin(LONG_US), APR_SUCCESS);
    mrc_inquiry_end(inquiry);
    close(ready[0]);
    close(ready[1]);
}
END_TEST

START_TEST(a_question_that_nobody_takes)
{
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    ck_assert(ask("first"));
    wait_for(A_BIT, NULL);
    take(SLOT, PART, NULL);
    ck_assert(ask("second"));
    take(SLOT, PART, "second");
    mrc_inquiry_answer(inquiry, mrc_bytes_of("2"));
    wait_for(0, "2");
    mrc_inquiry_end(inquiry);
}
END_TEST

/* The mailbox cannot be used until the child has answered. */
START_TEST(a_child_that_hangs)
{
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    ck_assert(ask("first"));
    take(SLOT, PART, "first");
    wait_for(A_BIT, NULL);
    ck_assert(!ask("second"));
    mrc_inquiry_end(inquiry);
    ck_assert_int_eq(begin(A_BIT), APR_TIMEUP);
    mrc_inquiry_answer(inquiry, mrc_bytes_of("too late"));
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    ck_assert(ask("third"));
    wait_for(0, NULL);
    mrc_inquiry_end(inquiry);
}
END_TEST

START_TEST(a_child_that_died)
{
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    ck_assert(ask("first"));
    take(SLOT, PART, "first");
    mrc_inquiry_end(inquiry);
    ck_assert_int_eq(begin(A_BIT), APR_TIMEUP);
    child_lives = false;
    ck_assert_int_eq(begin(LONG_US), APR_SUCCESS);
    ck_assert(ask("second"));
    wait_for(0, NULL);
    mrc_inquiry_end(inquiry);
}
END_TEST

/* The next asker withdraws the question. */
START_TEST(an_asker_that_died)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(begin(0) == APR_SUCCESS && ask("first") ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    take(SLOT, PART, NULL);
    mrc_inquiry_end(inquiry);
}
END_TEST

START_TEST(bounds)
{
    char *text = calloc(1, MRC_INQUIRY_ANSWER_BYTES + 1);
    struct mrc_buf buf;

    memset(text, 'x', MRC_INQUIRY_ANSWER_BYTES);
    mrc_buf_init(&buf, SIZE_MAX);
    ck_assert_int_eq(begin(0), APR_SUCCESS);
    ck_assert(!mrc_inquiry_ask(inquiry, SLOT, 77, PART,
                               (struct mrc_bytes){text, MRC_INQUIRY_ASK_BYTES + 1}));
    ck_assert(
        mrc_inquiry_ask(inquiry, SLOT, 77, PART, (struct mrc_bytes){text, MRC_INQUIRY_ASK_BYTES}));
    ck_assert(mrc_inquiry_take(inquiry, SLOT, PART, &buf));
    ck_assert_uint_eq(buf.len, MRC_INQUIRY_ASK_BYTES);
    mrc_inquiry_answer(inquiry, mrc_bytes_of(text));
    mrc_buf_reset(&buf);
    ck_assert(mrc_inquiry_wait(inquiry, 0, &buf));
    ck_assert_uint_eq(buf.len, MRC_INQUIRY_ANSWER_BYTES);
    mrc_inquiry_end(inquiry);
    mrc_buf_free(&buf);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inquiry");
    TCase *tcase = tcase_create("inquiry");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, questions_and_answers);
    tcase_add_test(tcase, between_processes);
    tcase_add_test(tcase, one_asker_at_a_time);
    tcase_add_test(tcase, a_question_that_nobody_takes);
    tcase_add_test(tcase, a_child_that_hangs);
    tcase_add_test(tcase, a_child_that_died);
    tcase_add_test(tcase, an_asker_that_died);
    tcase_add_test(tcase, bounds);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
