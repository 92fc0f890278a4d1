#include "hub/keys/keeper.h"

#include <stdatomic.h>
#include <stdio.h>

#include <openssl/crypto.h>

#include "core/base/buf.h"
#include "core/jose/keyset.h"
#include "hub/base/thread.h"
#include "hub/base/wake.h"
#include "hub/keys/keyring.h"
#include "store/base/clock.h"
#include "store/base/fetch.h"
#include "store/base/file.h"
#include "store/documents/documents.h"

#define SECOND_US ((int64_t)1000 * 1000)

/* After this many failures the wait stays at MRC_KEEPER_RETRY_MAX_S. */
#define RETRIES_DOUBLED 6

/* The thread ends much earlier, unless it hangs. */
#define JOIN_US ((int64_t)2000 * 1000)

/* The state of one file, as the leader knows it. */
struct watched {
    struct mrc_file_stamp stamp; /* at the last check */
    bool is_fresh; /* it has changed, and was not read since: read it if it is unchanged
                    * since the last check */
    bool was_read;
};

struct mrc_keeper {
    struct mrc_keeper_args args;
    struct mrc_documents *documents;
    apr_thread_t *thread;
    struct mrc_wake wake; /* ends its wait for an answer */
    atomic_bool draining, stopping;

    /* The thread's own. */
    bool leads;
    int64_t next_look_us;
    struct watched *watched;
    struct mrc_fetcher *fetcher; /* NULL: there are no URLs */
};

/* Reports EVENT of document I, once in the whole server until something else is reported of it. */
static void report(struct mrc_keeper *keeper, size_t i, enum mrc_keeper_event event,
                   const char *reason)
{
    const struct mrc_keeper_report report = {
        .event = event,
        .name = keeper->args.sources[i].name,
        .reason = reason,
        .has_keys = mrc_documents_generation(keeper->documents, i) > 0,
    };
    char text[MRC_ERROR_TEXT_BYTES + 16];

    snprintf(text, sizeof(text), "%d%d%s", event, report.has_keys, reason ? reason : "");
    if (mrc_documents_say_once(keeper->documents, i, text))
        keeper->args.report(keeper->args.ctx, &report);
}

static void forget_report(struct mrc_keeper *keeper, size_t i)
{
    mrc_documents_say_once(keeper->documents, i, "");
}

/* Whether document I has exactly CONTENT. */
static bool is_same(struct mrc_keeper *keeper, size_t i, struct mrc_bytes content)
{
    struct mrc_buf buf;
    uint64_t unused;
    bool same;

    mrc_buf_init(&buf, MRC_KEYSET_MAX_BYTES);
    same = mrc_documents_read(keeper->documents, i, &buf, &unused) &&
           mrc_bytes_eq(mrc_buf_bytes(&buf), content);
    if (buf.ptr)
        OPENSSL_cleanse(buf.ptr, buf.cap);
    mrc_buf_free(&buf);
    return same;
}

/* ---- files ------------------------------------------------------------------------------------*/

static void report_unreadable(struct mrc_keeper *keeper, size_t i, apr_status_t status)
{
    bool is_unwatched = APR_STATUS_IS_EACCES(status) && !keeper->watched[i].was_read;
    char reason[120];

    apr_strerror(status, reason, sizeof(reason));
    report(keeper, i, is_unwatched ? MRC_KEEPER_FILE_UNWATCHED : MRC_KEEPER_FILE_UNREADABLE,
           reason);
}

/* False: out of memory. */
static bool take_file(struct mrc_keeper *keeper, size_t i, struct mrc_bytes content)
{
    struct mrc_error error = {""};
    apr_status_t status;

    keeper->watched[i].was_read = true;
    if (is_same(keeper, i, content)) {
        forget_report(keeper, i);
        return true;
    }
    status = mrc_keyring_check(keeper->args.keyring, i, content, &error);
    if (status) {
        report(keeper, i, MRC_KEEPER_FILE_UNUSABLE, error.text);
        return status != APR_ENOMEM;
    }
    mrc_documents_write(keeper->documents, i, content);
    forget_report(keeper, i);
    report(keeper, i, MRC_KEEPER_FILE_TAKEN, NULL);
    return true;
}

static void look_at_file(struct mrc_keeper *keeper, size_t i)
{
    struct watched *watched = &keeper->watched[i];
    struct mrc_file_stamp stamp;
    struct mrc_buf content;
    apr_status_t status = mrc_file_look(keeper->args.sources[i].name, &stamp);

    if (status) {
        watched->stamp = (struct mrc_file_stamp){0};
        report_unreadable(keeper, i, status);
        return;
    }
    if (!mrc_file_stamp_eq(&stamp, &watched->stamp)) {
        watched->stamp = stamp;
        watched->is_fresh = true;
        return;
    }
    if (!watched->is_fresh)
        return;
    mrc_buf_init(&content, MRC_KEYSET_MAX_BYTES);
    status = mrc_file_read(keeper->args.sources[i].name, &content);
    if (status) /* perhaps only now: for lack of a descriptor, or of memory */
        report_unreadable(keeper, i, status);
    else
        watched->is_fresh = !take_file(keeper, i, mrc_buf_bytes(&content));
    if (content.ptr)
        OPENSSL_cleanse(content.ptr, content.cap);
    mrc_buf_free(&content);
}

/* ---- URLs -------------------------------------------------------------------------------------*/

/* The time at which the document of STATE is fetched again, if no token asks for it earlier. */
static int64_t due_us(const struct mrc_document_state *state)
{
    int64_t wait_s = MRC_KEEPER_REFETCH_S;

    if (!state->tried_us)
        return 0;
    if (state->failures > RETRIES_DOUBLED)
        wait_s = MRC_KEEPER_RETRY_MAX_S;
    else if (state->failures)
        wait_s = (int64_t)1 << (state->failures - 1);
    return state->tried_us + wait_s * SECOND_US;
}

static void look_at_url(struct mrc_keeper *keeper, size_t i, int64_t now_us)
{
    struct mrc_document_state state = mrc_documents_state(keeper->documents, i);
    bool asked =
        state.asked && !state.failures &&
        (!state.answered_us || now_us - state.answered_us >= MRC_KEEPER_ASKED_S * SECOND_US);

    if ((!asked && now_us < due_us(&state)) || mrc_fetcher_is_active(keeper->fetcher, i))
        return;
    if (mrc_fetcher_start(keeper->fetcher, keeper->args.sources[i].name, i))
        mrc_documents_begin(keeper->documents, i, now_us, asked);
}

/* Called by the fetcher. */
static void take_answer(void *ctx, size_t i, struct mrc_bytes content, const char *problem)
{
    struct mrc_keeper *keeper = ctx;
    struct mrc_error error = {""};
    bool good = false;

    if (problem) {
        report(keeper, i, MRC_KEEPER_URL_UNREACHABLE, problem);
    } else if (is_same(keeper, i, content)) {
        good = true;
        forget_report(keeper, i);
    } else if (mrc_keyring_check(keeper->args.keyring, i, content, &error) != APR_SUCCESS) {
        report(keeper, i, MRC_KEEPER_URL_UNUSABLE, error.text);
    } else {
        good = mrc_documents_write(keeper->documents, i, content);
        forget_report(keeper, i);
        report(keeper, i, MRC_KEEPER_URL_TAKEN, NULL);
    }
    mrc_documents_end(keeper->documents, i, good);
}

/* ---- the thread -------------------------------------------------------------------------------*/

/* Checks the files if it is time, and always the URLs, because a token may have asked for one. */
static void look(struct mrc_keeper *keeper, int64_t now_us)
{
    bool at_files = now_us >= keeper->next_look_us;

    for (size_t i = 0; i < keeper->args.count; i++) {
        if (keeper->args.sources[i].is_url)
            look_at_url(keeper, i, now_us);
        else if (at_files)
            look_at_file(keeper, i);
    }
}

/* Takes the lead if no other child has it; gives it up when the child ends. */
static void settle_the_lead(struct mrc_keeper *keeper)
{
    bool draining = atomic_load(&keeper->draining);

    if (!keeper->leads && !draining)
        keeper->leads = mrc_documents_lead(keeper->documents);
    /* Only after the running fetches, because the next leader would not know of them. */
    if (keeper->leads && draining &&
        !(keeper->fetcher && mrc_fetcher_is_active(keeper->fetcher, MRC_FETCH_ANY))) {
        mrc_documents_resign(keeper->documents);
        keeper->leads = false;
    }
}

/*
 * Waits for a change of the documents (mrc_documents_wait()) or for answers, until the next look.
 */
static void wait_a_while(struct mrc_keeper *keeper, uint32_t news, int timeout_ms)
{
    if (!keeper->fetcher || !mrc_fetcher_is_active(keeper->fetcher, MRC_FETCH_ANY)) {
        mrc_documents_wait(keeper->documents, news, timeout_ms);
        return;
    }
    mrc_fetcher_turn(keeper->fetcher, keeper->wake.fd, timeout_ms);
    mrc_wake_drain(&keeper->wake);
}

static void turn(struct mrc_keeper *keeper)
{
    uint32_t news = mrc_documents_news(keeper->documents);
    int64_t now_us = mrc_clock_us();

    settle_the_lead(keeper);
    if (keeper->leads && !atomic_load(&keeper->draining))
        look(keeper, now_us);
    if (now_us >= keeper->next_look_us)
        keeper->next_look_us = now_us + MRC_KEEPER_LOOK_MS * (int64_t)1000;
    mrc_keyring_refresh(keeper->args.keyring);
    if (!atomic_load(&keeper->stopping))
        wait_a_while(keeper, news, (int)((keeper->next_look_us - now_us) / 1000) + 1);
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *arg)
{
    struct mrc_keeper *keeper = arg;

    while (!atomic_load(&keeper->stopping))
        turn(keeper);
    if (keeper->leads)
        mrc_documents_resign(keeper->documents);
    mrc_fetcher_free(keeper->fetcher); /* last: a name server may delay it past the join */
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------*/

static apr_status_t open_fetcher(struct mrc_keeper *keeper)
{
    const struct mrc_fetcher_args args = {
        .ca_file = keeper->args.ca_file,
        .max_bytes = MRC_KEYSET_MAX_BYTES,
        .done = take_answer,
        .ctx = keeper,
    };

    for (size_t i = 0; i < keeper->args.count; i++) {
        if (keeper->args.sources[i].is_url)
            return mrc_fetcher_create(&args, &keeper->fetcher);
    }
    return APR_SUCCESS;
}

apr_status_t mrc_keeper_start(apr_pool_t *pool, const struct mrc_keeper_args *args,
                              struct mrc_keeper **ret_keeper)
{
    struct mrc_keeper *keeper = apr_pcalloc(pool, sizeof(*keeper));
    apr_status_t status;

    keeper->args = *args;
    keeper->documents = mrc_keyring_documents(args->keyring);
    keeper->watched = apr_pcalloc(pool, (args->count + 1) * sizeof(*keeper->watched));
    status = mrc_wake_open(&keeper->wake, pool);
    if (status == APR_SUCCESS)
        status = open_fetcher(keeper);
    if (status == APR_SUCCESS)
        status = mrc_thread_start(pool, run, keeper, &keeper->thread);
    if (status != APR_SUCCESS) {
        mrc_fetcher_free(keeper->fetcher);
        return status;
    }
    *ret_keeper = keeper;
    return APR_SUCCESS;
}

static void wake(const struct mrc_keeper *keeper)
{
    mrc_wake_post(&keeper->wake);
    mrc_documents_wake(keeper->documents); /* the thread waits for one of the two */
}

void mrc_keeper_post_drain(struct mrc_keeper *keeper)
{
    if (!keeper)
        return;
    atomic_store(&keeper->draining, true);
    wake(keeper);
}

bool mrc_keeper_stop(struct mrc_keeper *keeper)
{
    if (!keeper)
        return true;
    atomic_store(&keeper->stopping, true);
    wake(keeper);
    return mrc_thread_join(keeper->thread, mrc_clock_us() + JOIN_US);
}
