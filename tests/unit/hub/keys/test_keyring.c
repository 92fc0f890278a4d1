/*
 * The keyring: keys that are used while they are swapped, version numbers, and rows that cannot use
 * a new document. The keeper: it reads changed key files, and takes the lead when another keeper
 * dies.
 */
#include "hub/keys/keyring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "apr_strings.h"
#include "apr_time.h"
#include "hub/keys/keeper.h"
#include "store/documents/documents.h"
#include "store_unit.h"
#include "tokens.h"

#define OTHER  "another-secret:0123456789abcdef0123456789abcdef"
#define THIRD  "a-third-secret:0123456789abcdef0123456789abcdef"
#define AT     "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"
#define HS256  mrc_alg_set_of(MRC_ALG_HS256)
#define HS512  mrc_alg_set_of(MRC_ALG_HS512)
#define WAIT_S 30

static apr_pool_t *pool;
static struct mrc_keyset *start;
static struct mrc_documents *documents;
static struct mrc_keyring *keyring;

/* One row whose keys never change, two of document 0 (HS256, HS512), and one of document 1. */
static struct mrc_key_row rows[4];
static const struct mrc_key_row *const row_list[] = {&rows[0], &rows[1], &rows[2], &rows[3]};
static const char *path;

static void setup(void)
{
    const char *dir = store_dir();
    struct mrc_document_spec specs[2] = {{"file", {SECRET, strlen(SECRET)}}, {"url", {NULL, 0}}};

    pool = store_pool();
    path = apr_pstrcat(pool, dir, "/key", NULL);
    start = keys_of(SECRET, HS256);
    rows[0] = (struct mrc_key_row){
        .issuer = ISSUER, .algs = HS256, .keys = start, .document = MRC_KEY_ROW_FIXED, .index = 0};
    rows[1] = (struct mrc_key_row){
        .issuer = ISSUER, .algs = HS256, .keys = start, .document = 0, .index = 1};
    rows[2] = (struct mrc_key_row){
        .issuer = ISSUER, .algs = HS512, .keys = start, .document = 0, .index = 2};
    rows[3] = (struct mrc_key_row){
        .issuer = ISSUER, .algs = HS256, .keys = NULL, .document = 1, .index = 3};
    ck_assert_int_eq(mrc_documents_create(pool, specs, 2, NULL, &documents), APR_SUCCESS);
    ck_assert_int_eq(mrc_keyring_create(pool, row_list, 4, documents, &keyring), APR_SUCCESS);
}

static void teardown(void)
{
    unlink(path);
    rmdir(apr_pstrndup(pool, path, strlen(path) - strlen("/key")));
    apr_pool_destroy(pool);
    mrc_documents_close(documents);
    mrc_keyset_free(start);
}

static void put(size_t document, const char *content)
{
    ck_assert(mrc_documents_write(documents, document, mrc_bytes_of(content)));
}

static struct mrc_token_policy policy_of(const struct mrc_keyring_hold *hold)
{
    static const char *const audiences[] = {HUB};

    return (struct mrc_token_policy){
        .trust = hold->trust,
        .trust_count = hold->count,
        .audiences = audiences,
        .audience_count = 1,
        .limits = {10, 10, 1000},
    };
}

/* Verifies a token that SECRET signed with HS256 with the keys of row I. */
static enum mrc_err verify_in(struct mrc_keyring *ring, size_t i, const char *secret)
{
    char *text = token_sign(MRC_ALG_HS256, secret, AT, CLAIMS "}");
    struct mrc_token *token = NULL;
    struct mrc_keyring_hold hold;
    struct mrc_token_policy policy;
    enum mrc_err err;

    mrc_keyring_take(ring, pool, &row_list[i], 1, &hold);
    policy = policy_of(&hold);
    err = mrc_token_verify(mrc_bytes_of(text), &policy, NOW_US, NULL, &token);
    mrc_keyring_give_back(&hold);
    mrc_token_unref(token);
    free(text);
    return err;
}

static enum mrc_err verify(size_t i, const char *secret)
{
    return verify_in(keyring, i, secret);
}

START_TEST(a_new_version_replaces_the_old_one)
{
    ck_assert_int_eq(verify(0, SECRET), MRC_OK);
    ck_assert_int_eq(verify(1, SECRET), MRC_OK);
    ck_assert_int_eq(verify(3, SECRET), MRC_EPENDING);
    put(0, OTHER OTHER);
    put(1, THIRD);
    ck_assert_int_eq(verify(1, SECRET), MRC_OK); /* not yet */
    mrc_keyring_refresh(keyring);
    ck_assert_int_eq(verify(0, SECRET), MRC_OK);
    ck_assert_int_eq(verify(1, SECRET), MRC_EINVAL);
    ck_assert_int_eq(verify(1, OTHER OTHER), MRC_OK);
    ck_assert_int_eq(verify(3, THIRD), MRC_OK);
}
END_TEST

START_TEST(each_version_has_a_number_of_its_own)
{
    struct mrc_keyring_hold before, after, all;

    mrc_keyring_take(keyring, pool, &row_list[1], 1, &before);
    put(0, OTHER OTHER);
    mrc_keyring_refresh(keyring);
    put(0, SECRET);
    mrc_keyring_refresh(keyring);
    mrc_keyring_refresh(keyring);
    mrc_keyring_take(keyring, pool, &row_list[1], 1, &after);
    ck_assert_uint_ne(before.versions[0], after.versions[0]);
    ck_assert_ptr_eq(before.trust[0].keys, start);
    mrc_keyring_give_back(&before);
    mrc_keyring_give_back(&after);
    mrc_keyring_take(keyring, pool, row_list, 4, &all);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(all.versions[i], all.versions[k]);
    mrc_keyring_give_back(&all);
    mrc_keyring_take(keyring, pool, NULL, 0, &all);
    mrc_keyring_give_back(&all);
}
END_TEST

/* A document is taken if one row can use it; the other rows then have no keys. */
START_TEST(a_document_is_good_for_some_row)
{
    struct mrc_error error = {""};
    struct mrc_bytes short_one = mrc_bytes_of(OTHER);

    ck_assert_int_eq(mrc_keyring_check(keyring, 0, mrc_bytes_of("short"), &error), APR_EINVAL);
    ck_assert_ptr_nonnull(strstr(error.text, "the secret has 5 bytes; HS256"));
    ck_assert_int_eq(mrc_keyring_check(keyring, 1, mrc_bytes_of(""), &error), APR_EINVAL);
    ck_assert_int_eq(mrc_keyring_check(keyring, 2, short_one, &error), APR_EINVAL);
    ck_assert_str_eq(error.text, "nothing uses it");
    ck_assert_int_eq(mrc_keyring_check(keyring, 0, short_one, &error), APR_SUCCESS);
    put(0, OTHER); /* too short for HS512 */
    mrc_keyring_refresh(keyring);
    ck_assert_int_eq(verify(1, OTHER), MRC_OK);
    {
        struct mrc_keyring_hold hold;

        mrc_keyring_take(keyring, pool, &row_list[2], 1, &hold);
        ck_assert_ptr_nonnull(hold.trust[0].keys); /* not pending */
        ck_assert_uint_eq(mrc_keyset_get_count(hold.trust[0].keys), 0);
        mrc_keyring_give_back(&hold);
    }
}
END_TEST

START_TEST(a_later_child_starts_with_the_keys_in_force)
{
    struct mrc_keyring *later;

    put(0, OTHER OTHER);
    put(1, THIRD);
    ck_assert_int_eq(mrc_keyring_create(pool, row_list, 4, documents, &later), APR_SUCCESS);
    ck_assert_int_eq(verify_in(later, 1, SECRET), MRC_EINVAL);
    ck_assert_int_eq(verify_in(later, 1, OTHER OTHER), MRC_OK);
    ck_assert_int_eq(verify_in(later, 3, THIRD), MRC_OK);
}
END_TEST

START_TEST(asking_is_for_one_issuer)
{
    mrc_keyring_ask(keyring, row_list, 4, "https://x");
    ck_assert(!mrc_documents_state(documents, 1).asked);
    mrc_keyring_ask(keyring, row_list, 1, ISSUER);
    ck_assert(!mrc_documents_state(documents, 0).asked);
    mrc_keyring_ask(keyring, &row_list[3], 1, ISSUER);
    ck_assert(mrc_documents_state(documents, 1).asked);
    ck_assert(!mrc_documents_state(documents, 0).asked);
}
END_TEST

static atomic_bool enough;

/* At any time, the token verifies with one of the two keys. */
static void *verify_on(void *unused)
{
    char *one = token_sign(MRC_ALG_HS256, SECRET, AT, CLAIMS "}");
    char *two = token_sign(MRC_ALG_HS256, OTHER OTHER, AT, CLAIMS "}");
    struct mrc_token *token = NULL;
    apr_pool_t *own;

    apr_pool_create(&own, NULL);
    while (!atomic_load(&enough)) {
        struct mrc_keyring_hold hold;
        struct mrc_token_policy policy;
        enum mrc_err first, second;

        apr_pool_clear(own);
        mrc_keyring_take(keyring, own, &row_list[1], 1, &hold);
        policy = policy_of(&hold);
        first = mrc_token_verify(mrc_bytes_of(one), &policy, NOW_US, NULL, &token);
        if (!first)
            mrc_token_unref(token);
        second = mrc_token_verify(mrc_bytes_of(two), &policy, NOW_US, NULL, &token);
        if (!second)
            mrc_token_unref(token);
        ck_assert_msg((first == MRC_OK) != (second == MRC_OK), "one of the two: %d %d", first,
                      second);
        mrc_keyring_give_back(&hold);
    }
    apr_pool_destroy(own);
    free(one);
    free(two);
    return NULL;
}

START_TEST(keys_are_swapped_while_threads_verify)
{
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, verify_on, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        put(0, i % 2 ? SECRET : OTHER OTHER);
        mrc_keyring_refresh(keyring);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* ---- the keeper -------------------------------------------------------------------------------*/

static void write_file(const char *content)
{
    const char *fresh = apr_pstrcat(pool, path, ".new", NULL);
    FILE *file = fopen(fresh, "wb");

    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    fclose(file);
    ck_assert_int_eq(rename(fresh, path), 0);
}

/* All that the keeper has reported, in one text. The keeper's thread writes it. */
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER;
static char said[4096];

static void hear(void *unused, const struct mrc_keeper_report *report)
{
    static const char *const events[] = {
        [MRC_KEEPER_FILE_TAKEN] = "file taken",
        [MRC_KEEPER_FILE_UNWATCHED] = "file unwatched",
        [MRC_KEEPER_FILE_UNREADABLE] = "file unreadable",
        [MRC_KEEPER_FILE_UNUSABLE] = "file unusable",
        [MRC_KEEPER_URL_TAKEN] = "URL taken",
        [MRC_KEEPER_URL_UNREACHABLE] = "URL unreachable",
        [MRC_KEEPER_URL_UNUSABLE] = "URL unusable",
    };
    size_t len;

    (void)unused;
    pthread_mutex_lock(&said_lock);
    len = strlen(said);
    snprintf(said + len, sizeof(said) - len, "%s %s: %s (%s keys)\n", events[report->event],
             report->name, report->reason ? report->reason : "", report->has_keys ? "has" : "no");
    pthread_mutex_unlock(&said_lock);
}

/* hear_for_long() returns only once this is set. */
static atomic_bool released;

static void hear_for_long(void *unused, const struct mrc_keeper_report *report)
{
    hear(unused, report);
    while (!atomic_load(&released))
        apr_sleep(1000);
}

static int count_said(const char *words)
{
    int count = 0;

    pthread_mutex_lock(&said_lock);
    for (const char *at = said; (at = strstr(at, words)); at++)
        count++;
    pthread_mutex_unlock(&said_lock);
    return count;
}

static void wait_said(const char *words, int times)
{
    for (int i = 0; count_said(words) < times; i++) {
        ck_assert_msg(i < WAIT_S * 100, "the keeper did not report \"%s\" %d times: %s", words,
                      times, said);
        apr_sleep(10000);
    }
}

static void wait_verifies(size_t i, const char *secret)
{
    for (int n = 0; verify(i, secret) != MRC_OK; n++) {
        ck_assert_msg(n < WAIT_S * 100, "the key is never in force: %s", said);
        apr_sleep(10000);
    }
}

static struct mrc_keeper *start_keeper_that(void (*say)(void *ctx,
                                                        const struct mrc_keeper_report *report))
{
    struct mrc_key_source *source = apr_pcalloc(pool, sizeof(*source));
    struct mrc_keeper_args args = {keyring, source, 1, NULL, say, NULL};
    struct mrc_keeper *keeper = NULL;

    source->name = path;
    ck_assert_int_eq(mrc_keeper_start(pool, &args, &keeper), APR_SUCCESS);
    return keeper;
}

static struct mrc_keeper *start_keeper(void)
{
    return start_keeper_that(hear);
}

/* Stops the keeper, however late its thread is scheduled. */
static void stop(struct mrc_keeper *keeper)
{
    while (!mrc_keeper_stop(keeper))
        ;
}

START_TEST(a_changed_key_file_is_read)
{
    struct mrc_keeper *keeper;

    write_file(SECRET);
    keeper = start_keeper();
    write_file(OTHER OTHER "\n");
    wait_verifies(1, OTHER OTHER);
    wait_said("file taken", 1);
    ck_assert_int_eq(verify(1, SECRET), MRC_EINVAL);
    write_file("short");
    wait_said("the secret has 5 bytes", 1);
    write_file("again");
    unlink(path);
    wait_said("file unreadable", 1);
    wait_said("No such file", 1);
    write_file("again");
    wait_said("the secret has 5 bytes", 2); /* reported again, after another report */
    ck_assert_int_eq(verify(1, OTHER OTHER), MRC_OK);
    write_file(SECRET);
    wait_verifies(1, SECRET);
    wait_said("file taken", 2); /* reported once the keys are in force */
    stop(keeper);
    ck_assert_int_eq(count_said("file unusable"), 2);
    ck_assert_int_eq(count_said("\n"), 5);
    ck_assert_int_eq(count_said("(has keys)"), 5);
    ck_assert_int_eq(count_said(OTHER), 0);
}
END_TEST

/* The file has changed while the process has no descriptor left. */
START_TEST(a_key_file_is_read_when_there_is_a_descriptor)
{
    const char *fresh = apr_pstrcat(pool, path, ".changed", NULL);
    struct mrc_keeper *keeper;
    struct rlimit before, none;
    FILE *file;

    write_file(SECRET);
    keeper = start_keeper();
    file = fopen(fresh, "wb");
    fputs(OTHER, file);
    fclose(file);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(rename(fresh, path), 0);
    wait_said("Too many open files", 1);
    ck_assert_int_eq(verify(1, SECRET), MRC_OK);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    wait_verifies(1, OTHER);
    stop(keeper);
    ck_assert_int_eq(count_said("file unreadable"), 1);
}
END_TEST

START_TEST(a_name_that_is_no_file_blocks_nothing)
{
    struct mrc_keeper *keeper;

    ck_assert_int_eq(mkfifo(path, 0600), 0);
    keeper = start_keeper();
    wait_said("file unreadable", 1);
    stop(keeper);
}
END_TEST

static void wait_until_nobody_leads(void)
{
    for (int i = 0; !mrc_documents_lead(documents); i++) {
        ck_assert_int_lt(i, WAIT_S * 100);
        apr_sleep(10000);
    }
}

/* Prefork stops the keeper in a signal handler, which may have interrupted the owner of a lock that
 * the keeper waits for. */
START_TEST(a_stop_has_a_time_limit)
{
    struct mrc_keeper *keeper;

    keeper = start_keeper_that(hear_for_long); /* the key file does not exist */
    wait_said("file unreadable", 1);
    ck_assert(!mrc_keeper_stop(keeper));
    ck_assert(!mrc_documents_lead(documents)); /* it still leads */
    atomic_store(&released, true);
    stop(keeper);
    ck_assert(mrc_documents_lead(documents));
    mrc_documents_resign(documents);
}
END_TEST

START_TEST(another_keeper_follows_one_that_dies_or_drains)
{
    struct mrc_keeper *keeper;
    int pipe_fd[2], status;
    char byte;
    pid_t pid;

    write_file(SECRET);
    ck_assert_int_eq(pipe(pipe_fd), 0);
    pid = fork();
    if (pid == 0) {
        start_keeper();
        while (mrc_documents_lead(documents)) { /* until the keeper leads */
            mrc_documents_resign(documents);
            apr_sleep(1000);
        }
        ck_assert_int_eq(write(pipe_fd[1], "x", 1), 1);
        pause();
    }
    ck_assert_int_eq(read(pipe_fd[0], &byte, 1), 1);
    ck_assert(!mrc_documents_lead(documents));
    keeper = start_keeper();
    write_file(OTHER OTHER);
    wait_verifies(1, OTHER OTHER); /* it takes over what the other keeper has read */
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    write_file(SECRET);
    wait_verifies(1, SECRET);
    mrc_keeper_post_drain(keeper);
    wait_until_nobody_leads();
    put(0, OTHER OTHER);
    wait_verifies(1, OTHER OTHER); /* it still takes over new keys */
    stop(keeper);
    mrc_documents_resign(documents);
    mrc_keeper_stop(NULL);
    mrc_keeper_post_drain(NULL);
}
END_TEST

START_TEST(loose_row_has_its_own_keys)
{
    const struct mrc_key_row loose = {.issuer = ISSUER,
                                      .algs = HS256,
                                      .keys = start,
                                      .document = MRC_KEY_ROW_FIXED,
                                      .index = MRC_KEY_ROW_LOOSE,
                                      .number = 77};
    const struct mrc_key_row *const list[] = {&loose, &rows[0]};
    struct mrc_keyring_hold hold;

    mrc_keyring_take(keyring, pool, list, 2, &hold);
    ck_assert_uint_eq(hold.count, 2);
    ck_assert_uint_eq(hold.versions[0], 77);
    ck_assert_ptr_eq(hold.trust[0].keys, start);
    ck_assert_str_eq(hold.trust[0].issuer, ISSUER);
    ck_assert_uint_ne(hold.versions[1], 77);
    mrc_keyring_ask(keyring, list, 2, ISSUER);
    mrc_keyring_give_back(&hold);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keyring");
    TCase *tcase = tcase_create("keyring");

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, loose_row_has_its_own_keys);
    tcase_add_test(tcase, a_new_version_replaces_the_old_one);
    tcase_add_test(tcase, each_version_has_a_number_of_its_own);
    tcase_add_test(tcase, a_document_is_good_for_some_row);
    tcase_add_test(tcase, a_later_child_starts_with_the_keys_in_force);
    tcase_add_test(tcase, asking_is_for_one_issuer);
    tcase_add_test(tcase, keys_are_swapped_while_threads_verify);
    tcase_add_test(tcase, a_changed_key_file_is_read);
    tcase_add_test(tcase, a_key_file_is_read_when_there_is_a_descriptor);
    tcase_add_test(tcase, a_name_that_is_no_file_blocks_nothing);
    tcase_add_test(tcase, a_stop_has_a_time_limit);
    tcase_add_test(tcase, another_keeper_follows_one_that_dies_or_drains);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
