/*
 * Documents that processes share: versions, the leader and its death, readers that a writer
 * overtakes, texts that are logged once, and reloads.
 */
#include "store/documents/documents.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "failing_alloc.h"
#include "store/documents/layout.h"
#include "store_unit.h"

static struct mrc_documents *make(apr_pool_t *pool, const struct mrc_document_spec *specs, size_t n)
{
    struct mrc_documents *documents = NULL;
    struct mrc_error error = {""};

    ck_assert_msg(mrc_documents_create(pool, specs, n, &error, &documents) == APR_SUCCESS, "%s",
                  error.text);
    ck_assert_uint_eq(mrc_documents_count(documents), n);
    return documents;
}

static void assert_holds(const struct mrc_documents *documents, size_t i, uint64_t generation,
                         const char *text)
{
    struct mrc_buf buf;
    uint64_t got = 0;

    mrc_buf_init(&buf, MRC_DOCUMENT_MAX_BYTES);
    ck_assert_uint_eq(mrc_documents_generation(documents, i), generation);
    ck_assert(mrc_documents_read(documents, i, &buf, &got));
    ck_assert_uint_eq(got, generation);
    ck_assert_bytes_eq(mrc_buf_bytes(&buf), text);
    mrc_buf_free(&buf);
}

static const struct mrc_document_spec pair[] = {
    {"file:/a", {"first", 5}},
    {"https://b.example/", {NULL, 0}},
};

START_TEST(has_versions)
{
    struct mrc_documents *documents = make(store_pool(), pair, 2);
    struct mrc_buf buf;
    uint64_t generation = 7;

    mrc_buf_init(&buf, MRC_DOCUMENT_MAX_BYTES);
    assert_holds(documents, 0, 1, "first");
    ck_assert_uint_eq(mrc_documents_generation(documents, 1), 0);
    ck_assert(!mrc_documents_read(documents, 1, &buf, &generation));
    ck_assert_uint_eq(generation, 7);
    ck_assert(mrc_documents_write(documents, 0, mrc_bytes_of("the second")));
    ck_assert(mrc_documents_write(documents, 1, mrc_bytes_of("")));
    assert_holds(documents, 0, 2, "the second");
    assert_holds(documents, 1, 1, "");
    mrc_buf_free(&buf);
    mrc_documents_close(documents);
    mrc_documents_close(documents);
    mrc_documents_close(NULL);
}
END_TEST

START_TEST(refuses_one_byte_too_many)
{
    apr_pool_t *pool = store_pool();
    struct mrc_documents *documents = make(pool, pair, 2), *none;
    size_t max = MRC_DOCUMENT_MAX_BYTES;
    char *text = malloc(max + 2);
    struct mrc_document_spec spec = {"x", {text, max + 1}};

    memset(text, 'x', max + 1);
    text[max + 1] = '\0';
    ck_assert(!mrc_documents_write(documents, 0, (struct mrc_bytes){text, max + 1}));
    assert_holds(documents, 0, 1, "first");
    ck_assert_int_eq(mrc_documents_create(pool, &spec, 1, NULL, &none), APR_EINVAL);
    text[max] = '\0';
    ck_assert(mrc_documents_write(documents, 0, mrc_bytes_of(text)));
    assert_holds(documents, 0, 2, text);
    ck_assert(mrc_documents_write(documents, 1, mrc_bytes_of("neighbour")));
    assert_holds(documents, 0, 2, text);
    free(text);
}
END_TEST

START_TEST(a_reload_keeps_versions)
{
    apr_pool_t *pool = store_pool();
    static const struct mrc_document_spec after[] = {
        {"https://c.example/", {NULL, 0}},
        {"https://b.example/", {NULL, 0}},
        {"file:/a", {"fresh", 5}},
    };
    struct mrc_documents *old = make(pool, pair, 2), *new = make(pool, after, 3);

    mrc_documents_write(old, 1, mrc_bytes_of("b1"));
    mrc_documents_write(old, 1, mrc_bytes_of("b2"));
    mrc_documents_carry(old, new);
    ck_assert_uint_eq(mrc_documents_generation(new, 0), 0);
    assert_holds(new, 1, 1, "b2");
    assert_holds(new, 2, 1, "fresh");
    assert_holds(old, 0, 1, "first");
}
END_TEST

START_TEST(a_reload_without_memory_keeps_versions)
{
    apr_pool_t *pool = store_pool();
    struct mrc_documents *old = make(pool, pair, 2), *new = make(pool, pair + 1, 1);

    mrc_documents_write(old, 1, mrc_bytes_of("keys of b"));
    alloc_left = 0;
    mrc_documents_carry(old, new);
    alloc_left = -1;
    assert_holds(new, 0, 1, "keys of b");
}
END_TEST

START_TEST(a_dead_leader_is_replaced)
{
    struct mrc_documents *documents = make(store_pool(), pair, 2);
    int status = 0;
    pid_t pid;

    ck_assert(mrc_documents_lead(documents));
    pid = fork();
    if (pid == 0)
        _exit(mrc_documents_lead(documents) ? 1 : 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    mrc_documents_resign(documents);
    pid = fork();
    if (pid == 0)
        _exit(mrc_documents_lead(documents) && mrc_documents_write(documents, 1, mrc_bytes_of("x"))
                  ? 0
                  : 1); /* without resigning */
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(mrc_documents_lead(documents));
    assert_holds(documents, 1, 1, "x");
    mrc_documents_resign(documents);
    ck_assert(mrc_documents_lead(documents));
    mrc_documents_resign(documents);
}
END_TEST

START_TEST(counts_requests_and_attempts)
{
    struct mrc_documents *documents = make(store_pool(), pair, 2);
    struct mrc_document_state state = mrc_documents_state(documents, 1);

    ck_assert(!state.asked && state.tried_us == 0 && state.failures == 0);
    mrc_documents_ask(documents, 1);
    ck_assert(mrc_documents_state(documents, 1).asked && !mrc_documents_state(documents, 0).asked);
    mrc_documents_begin(documents, 1, 42, true);
    mrc_documents_ask(documents, 1);
    mrc_documents_begin(documents, 1, 43, false);
    mrc_documents_end(documents, 1, false);
    mrc_documents_end(documents, 1, false);
    state = mrc_documents_state(documents, 1);
    ck_assert(!state.asked && state.tried_us == 43 && state.answered_us == 42 &&
              state.failures == 2);
    mrc_documents_end(documents, 1, true);
    ck_assert_uint_eq(mrc_documents_state(documents, 1).failures, 0);
}
END_TEST

START_TEST(a_text_is_logged_once)
{
    struct mrc_documents *documents = make(store_pool(), pair, 2);
    int status = 0;
    pid_t pid;

    ck_assert(!mrc_documents_say_once(documents, 0, ""));
    ck_assert(mrc_documents_say_once(documents, 0, "bad"));
    ck_assert(!mrc_documents_say_once(documents, 0, "bad"));
    ck_assert(mrc_documents_say_once(documents, 1, "bad"));
    pid = fork();
    if (pid == 0)
        _exit(mrc_documents_say_once(documents, 0, "bad") ? 1 : 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert(mrc_documents_say_once(documents, 0, "worse"));
    ck_assert(!mrc_documents_say_once(documents, 0, ""));
    ck_assert(mrc_documents_say_once(documents, 0, "worse"));
}
END_TEST

/* All bytes of a version are the same; the lengths differ. */
#define VERSIONS 3000

static struct mrc_documents *raced;
static atomic_bool raced_enough;

static void *read_on(void *unused)
{
    struct mrc_buf buf;
    uint64_t generation = 0, last = 0;

    mrc_buf_init(&buf, MRC_DOCUMENT_MAX_BYTES);
    while (!atomic_load(&raced_enough)) {
        mrc_buf_reset(&buf);
        if (!mrc_documents_read(raced, 0, &buf, &generation))
            continue; /* overtaken too often */
        ck_assert_uint_ge(generation, last);
        last = generation;
        ck_assert_uint_eq(buf.len, 100 + generation % 4000);
        for (size_t i = 0; i < buf.len; i++)
            ck_assert_int_eq(buf.ptr[i], (char)('a' + generation % 26));
    }
    mrc_buf_free(&buf);
    return NULL;
}

START_TEST(readers_see_whole_versions)
{
    static char text[5000];
    const struct mrc_document_spec spec = {"x", {text, 101}};
    pthread_t readers[2];

    memset(text, 'b', sizeof(text));
    raced = make(store_pool(), &spec, 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (uint64_t generation = 2; generation < VERSIONS; generation++) {
        memset(text, (int)('a' + generation % 26), sizeof(text));
        ck_assert(mrc_documents_write(raced, 0, (struct mrc_bytes){text, 100 + generation % 4000}));
    }
    atomic_store(&raced_enough, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("documents");
    TCase *tcase = tcase_create("documents");

    tcase_add_test(tcase, has_versions);
    tcase_add_test(tcase, refuses_one_byte_too_many);
    tcase_add_test(tcase, a_reload_keeps_versions);
    tcase_add_test(tcase, a_reload_without_memory_keeps_versions);
    tcase_add_test(tcase, a_dead_leader_is_replaced);
    tcase_add_test(tcase, counts_requests_and_attempts);
    tcase_add_test(tcase, a_text_is_logged_once);
    tcase_add_test(tcase, readers_see_whole_versions);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
