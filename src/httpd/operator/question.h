/*
 * What a machine asks another one for an operator, as JSON, and the streams that the other one
 * answers with. Its figures are in hub/hub/figures.h.
 *
 *     {"ask": "stats"}
 *     {"ask": "streams", "limit", "sub", "match", "match_type", "after"}
 *     {"streams": [...], "after", "more", "unanswered"}
 *
 * Anything that is read may come from anybody who can write to the engine.
 */
#ifndef MRC_HTTPD_OPERATOR_QUESTION_H
#define MRC_HTTPD_OPERATOR_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "hub/child/inquire.h"
#include "hub/control/order.h"

enum mrc_question_kind { MRC_QUESTION_STATS, MRC_QUESTION_STREAMS };

struct mrc_question {
    enum mrc_question_kind kind;
    struct mrc_order order;         /* of streams: sub, match, match_type */
    uint32_t limit;                 /* of streams; 0 only finds out whether there are any */
    struct mrc_inquire_place place; /* where the page begins */
};

/* The most streams of one page. */
#define MRC_QUESTION_LIMIT_MAX 1000

/* These append PLACE as text, and read it again. False: TEXT is not a place. */
void mrc_question_add_place(struct mrc_buf *out, const struct mrc_inquire_place *place);
bool mrc_question_read_place(const char *text, struct mrc_inquire_place *ret_place);

/* Appends QUESTION to OUT. Errors are the buffer's. */
void mrc_question_encode(const struct mrc_question *question, struct mrc_buf *out);

/* Reads TEXT. The views of RET_QUESTION point into RET_TEXTS, which the caller has made and frees.
 * False: it is not a question of this version. */
bool mrc_question_decode(struct mrc_bytes text, struct mrc_buf *ret_texts,
                         struct mrc_question *ret_question);

/* What an answer says about its streams. */
struct mrc_question_streams {
    uint32_t count;
    bool has_more;
    struct mrc_inquire_place place; /* of the last one, if there is any */
    unsigned silent;
};

/* Writes the answer with STREAMS, objects with commas between them. */
void mrc_question_add_streams(struct mrc_buf *out, struct mrc_bytes streams,
                              const struct mrc_question_streams *about);

/* Reads that answer to a question with LIMIT, and appends its streams to OUT, after a comma if OUT
 * has some. False: it makes no sense, and OUT has not changed. */
bool mrc_question_read_streams(struct mrc_bytes text, uint32_t limit, struct mrc_buf *out,
                               struct mrc_question_streams *ret_about);

#endif
