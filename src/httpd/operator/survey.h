/*
 * Asks other machines about themselves, and waits for their answers (hub/transport/respond.h). A
 * machine that hangs, or answers nonsense, costs the wait and nothing else.
 *
 * Any thread that may wait; not a dispatcher's, and not the link's.
 */
#ifndef MRC_HTTPD_OPERATOR_SURVEY_H
#define MRC_HTTPD_OPERATOR_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"

struct mrc_query;

/* Receives an answer, which is at most MRC_QUERY_ANSWER_MAX bytes that anybody may have written.
 * False: it makes no sense, and does not count. */
typedef bool mrc_survey_fn(void *ctx, struct mrc_bytes answer);

/*
 * Asks QUESTION of the COUNT MACHINES, and calls FN(CTX) for each answer that comes within WAIT_US.
 * RET_SILENT: how many did not answer. MRC_STATUS_UNREACHABLE: the engine cannot be asked, or does
 * not allow its user to do this; APR_ENOMEM.
 */
apr_status_t mrc_survey(struct mrc_query *query, const char *const *machines, size_t count,
                        struct mrc_bytes question, int64_t wait_us, mrc_survey_fn *fn, void *ctx,
                        size_t *ret_silent);

#endif
