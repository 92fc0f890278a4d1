/*
 * Failures: the HTTP answer to each status of the core, the store and the hub. Only this file turns
 * such a status into an HTTP status.
 *
 * The functions named mrc_failure_answer… return the value for the handler to return.
 */
#ifndef MRC_HTTPD_ANSWER_FAILURE_H
#define MRC_HTTPD_ANSWER_FAILURE_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/err.h"

/* The answer to a failure. */
struct mrc_failure {
    int http_status;
    const char *detail; /* for the problem document */
    bool is_ours;       /* the server is at fault, not the client, so the caller logs the status */
};

/* The failure of a publication of COUNT updates, or of a subscription, with STATUS, which is not
 * APR_SUCCESS. */
const struct mrc_failure *mrc_failure_of_publication(apr_status_t status, size_t count);
const struct mrc_failure *mrc_failure_of_subscription(apr_status_t status);

/*
 * The same for the announcement of a subscription (mrc_subscriber_announce()). A failure with 503
 * is for mrc_answer_later().
 */
const struct mrc_failure *mrc_failure_of_announcement(apr_status_t status);

struct mrc_hub;

/* Logs for R, at most once a minute for a hub and child, that an update was not stored because of
 * MRC_STATUS_NO_ROOM. LABEL is the name of HUB in the log. */
void mrc_failure_report_no_room(request_rec *r, struct mrc_hub *hub, const char *label);

/* Answers R with FAILURE. After 503, the client may retry after a second. */
int mrc_failure_answer(request_rec *r, const struct mrc_failure *failure);

/* What a client sends, and the status if it exceeds a limit. */
enum mrc_input {
    MRC_INPUT_PUBLICATION, /* 413 */
    MRC_INPUT_SUBSCRIPTION /* 400 */
};

/*
 * Answers R, whose INPUT could not be parsed. ERR is not MRC_OK; ERROR has the reason. The status
 * is 500 for MRC_ENOMEM, that of INPUT for MRC_ELIMIT, and 400 for anything else.
 */
int mrc_failure_answer_input(request_rec *r, enum mrc_err err, const struct mrc_error *error,
                             enum mrc_input input);

/* Answers R with 500, because memory ran out. */
int mrc_failure_answer_no_memory(request_rec *r);

#endif
