#include "httpd/operator/respond.h"

#include <stdint.h>

#include "apr_time.h"

#include "httpd/operator/measure.h"
#include "httpd/operator/question.h"
#include "httpd/operator/streams_page.h"
#include "hub/child/child.h"
#include "hub/hub/figures.h"

/* The wait for other children: the asker waits little longer. */
#define CHILDREN_US ((int64_t)1200 * 1000)

/* Of the streams in one answer; with one more of any size it stays below MRC_ASKS_ANSWER_MAX. */
#define STREAMS_BYTES_MAX ((size_t)256 * 1024)

/* An answer that shows the asker at once that there is none, so that it does not wait. */
#define NOTHING "{}"

static void answer_stats(struct mrc_child *child, const struct mrc_hub *hub,
                         struct mrc_buf *ret_answer)
{
    struct mrc_activity_rates rates;
    struct mrc_figures figures;

    if (!mrc_measure(child, hub, NULL, &rates)) {
        mrc_buf_add_str(ret_answer, NOTHING);
        return;
    }
    mrc_figures_take(hub, &rates, mrc_measure_children(child), &figures);
    mrc_figures_encode(&figures, ret_answer);
}

static void answer_streams(struct mrc_child *child, const struct mrc_hub *hub,
                           const struct mrc_question *question, struct mrc_buf *ret_answer)
{
    struct mrc_buf streams;
    struct mrc_streams_page page = {
        .child = child,
        .hub = hub,
        .order = &question->order,
        .out = &streams,
        .bytes_max = STREAMS_BYTES_MAX,
        .limit = question->limit,
        .place = question->place,
    };

    mrc_buf_init(&streams, SIZE_MAX);
    if (mrc_streams_page_fill(&page, CHILDREN_US) == APR_SUCCESS) {
        const struct mrc_question_streams about = {page.count, page.has_more, page.place,
                                                   page.silent};

        mrc_question_add_streams(ret_answer, mrc_buf_bytes(&streams), &about);
    } else {
        mrc_buf_add_str(ret_answer, NOTHING);
    }
    mrc_buf_free(&streams);
}

bool mrc_operator_respond(void *child, struct mrc_hub *hub, struct mrc_bytes question,
                          struct mrc_buf *ret_answer)
{
    struct mrc_question read;
    struct mrc_buf texts;
    bool is_good;

    mrc_buf_init(&texts, SIZE_MAX);
    is_good = mrc_question_decode(question, &texts, &read);
    if (is_good && read.kind == MRC_QUESTION_STATS)
        answer_stats(child, hub, ret_answer);
    else if (is_good)
        answer_streams(child, hub, &read, ret_answer);
    mrc_buf_free(&texts);
    return is_good;
}
