#include "httpd/operator/survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "apr_general.h"
#include "apr_time.h"

#include "core/base/buf.h"
#include "hub/transport/query.h"
#include "store/base/clock.h"

/* The pauses between two looks for answers. */
#define PAUSE_MIN_US ((int64_t)1000)
#define PAUSE_MAX_US ((int64_t)20 * 1000)

struct survey {
    struct mrc_query *query;
    const char *const *machines;
    size_t count, left;
    bool *has; /* whether nothing more is expected of a machine */
    char nonce[MRC_QUERY_NONCE_MAX + 1];
    mrc_survey_fn *fn;
    void *ctx;
    size_t good;
};

static bool make_nonce(char nonce[MRC_QUERY_NONCE_MAX + 1])
{
    uint64_t random[2];

    if (apr_generate_random_bytes((unsigned char *)random, sizeof(random)) != APR_SUCCESS)
        return false;
    snprintf(nonce, MRC_QUERY_NONCE_MAX + 1, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return true;
}

/* Takes the answer of machine I, if it is there. */
static apr_status_t look(struct survey *survey, size_t i)
{
    struct mrc_buf answer;
    apr_status_t status;

    mrc_buf_init(&answer, SIZE_MAX);
    status = mrc_query_get_answer(survey->query, survey->machines[i], survey->nonce, &answer);
    if (status == APR_SUCCESS && mrc_buf_error(&answer))
        status = APR_ENOMEM;
    if (status == APR_SUCCESS && answer.len > 0) {
        survey->has[i] = true;
        survey->left--;
        survey->good +=
            answer.len <= MRC_QUERY_ANSWER_MAX && survey->fn(survey->ctx, mrc_buf_bytes(&answer));
    }
    mrc_buf_free(&answer);
    return status;
}

static apr_status_t collect(struct survey *survey, int64_t until_us)
{
    int64_t pause_us = PAUSE_MIN_US;

    while (survey->left > 0 && mrc_clock_us() < until_us) {
        apr_sleep(pause_us);
        if (pause_us < PAUSE_MAX_US)
            pause_us *= 2;
        for (size_t i = 0; i < survey->count; i++) {
            apr_status_t status = survey->has[i] ? APR_SUCCESS : look(survey, i);

            if (status != APR_SUCCESS)
                return status;
        }
    }
    return APR_SUCCESS;
}

apr_status_t mrc_survey(struct mrc_query *query, const char *const *machines, size_t count,
                        struct mrc_bytes question, int64_t wait_us, mrc_survey_fn *fn, void *ctx,
                        size_t *ret_silent)
{
    struct survey survey = {query, machines, count, count, NULL, "", fn, ctx, 0};
    apr_status_t status = APR_ENOMEM;

    survey.has = calloc(count + 1, sizeof(*survey.has));
    if (survey.has && make_nonce(survey.nonce))
        status = mrc_query_ask(query, count == 1 ? machines[0] : "*", survey.nonce, question);
    if (status == APR_SUCCESS)
        status = collect(&survey, mrc_clock_us() + wait_us);
    free(survey.has);
    if (status == APR_SUCCESS)
        *ret_silent = count - survey.good;
    return status;
}
