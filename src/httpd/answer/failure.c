#include "httpd/answer/failure.h"

#include "http_log.h"

#include "httpd/answer/answer.h"
#include "httpd/base/module.h"
#include "hub/hub/hub.h"
#include "hub/hub/rate.h"
#include "hub/hub/seats.h"
#include "store/base/clock.h"
#include "store/base/status.h"

APLOG_USE_MODULE(mercure);

/* The hub of an older generation, which a reload has replaced. */
static const struct mrc_failure superseded = {
    .http_status = HTTP_SERVICE_UNAVAILABLE,
    .detail = "the server is being reconfigured: try again",
};

/* The memory of the hubs is used up, and waiting does not help. */
static const struct mrc_failure no_room = {
    .http_status = HTTP_SERVICE_UNAVAILABLE,
    .detail =
        "the hub has no memory left for this update: the administrator of the server can give "
        "it more",
};

const struct mrc_failure *mrc_failure_of_publication(apr_status_t status, size_t count)
{
    static const struct mrc_failure too_large = {
        .http_status = HTTP_REQUEST_ENTITY_TOO_LARGE,
        .detail = "the update is too large for this hub",
    };
    static const struct mrc_failure batch_too_large = {
        .http_status = HTTP_REQUEST_ENTITY_TOO_LARGE,
        .detail = "the updates are too large for this hub to store them together: send several "
                  "smaller batches",
    };
    static const struct mrc_failure rate = {
        .http_status = HTTP_TOO_MANY_REQUESTS,
        .detail = "updates come faster than the hub accepts them: try again after the number of "
                  "seconds in Retry-After",
    };
    static const struct mrc_failure token_rate = {
        .http_status = HTTP_TOO_MANY_REQUESTS,
        .detail = "updates with this access token come faster than the hub accepts them: try again "
                  "after the number of seconds in Retry-After",
    };
    static const struct mrc_failure burst = {
        .http_status = HTTP_REQUEST_ENTITY_TOO_LARGE,
        .detail = "these are more updates than the hub accepts at once: publish them in several "
                  "requests",
    };
    static const struct mrc_failure unreachable = {
        .http_status = HTTP_SERVICE_UNAVAILABLE,
        .detail = "the update is not stored, because the hub cannot reach the other servers that "
                  "it consists of: try again",
    };
    static const struct mrc_failure unconfirmed = {
        .http_status = HTTP_SERVICE_UNAVAILABLE,
        .detail = "it is not known whether the update is stored, because the hub has waited in "
                  "vain for the answer of another server. If you publish it again, give it an id, "
                  "so that subscribers can recognize it",
    };
    static const struct mrc_failure other = {
        .http_status = HTTP_SERVICE_UNAVAILABLE,
        .detail = "the hub could not store the update: try again",
        .is_ours = true,
    };

    switch (status) {
    case MRC_STATUS_SUPERSEDED:
        return &superseded;
    case MRC_STATUS_TOO_LARGE:
        return count == 1 ? &too_large : &batch_too_large;
    case MRC_STATUS_RATE:
        return &rate;
    case MRC_STATUS_TOKEN_RATE:
        return &token_rate;
    case MRC_STATUS_BURST:
        return &burst;
    case MRC_STATUS_UNREACHABLE:
        return &unreachable;
    case MRC_STATUS_UNCONFIRMED:
        return &unconfirmed;
    case MRC_STATUS_NO_ROOM:
        return &no_room;
    default:
        return &other;
    }
}

/* A limit does not pass if the client waits, so the answer is 429, whatever the client accepts. */
const struct mrc_failure *mrc_failure_of_subscription(apr_status_t status)
{
    static const struct mrc_failure full = {
        .http_status = HTTP_TOO_MANY_REQUESTS,
        .detail = "the hub has reached its maximum number of subscribers",
    };
    static const struct mrc_failure address_full = {
        .http_status = HTTP_TOO_MANY_REQUESTS,
        .detail = "this address has reached its maximum number of streams: use one stream with "
                  "several topic matchers, and close streams that are not needed",
    };
    static const struct mrc_failure token_full = {
        .http_status = HTTP_TOO_MANY_REQUESTS,
        .detail = "this access token has reached its maximum number of streams: use one stream "
                  "with several topic matchers, and close streams that are not needed",
    };
    static const struct mrc_failure other = {
        .http_status = HTTP_INTERNAL_SERVER_ERROR,
        .detail = "the hub could not open the subscription",
        .is_ours = true,
    };

    switch (status) {
    case MRC_STATUS_FULL:
        return &full;
    case MRC_STATUS_ADDRESS_FULL:
        return &address_full;
    case MRC_STATUS_TOKEN_FULL:
        return &token_full;
    case MRC_STATUS_SUPERSEDED:
        return &superseded;
    default:
        return &other;
    }
}

const struct mrc_failure *mrc_failure_of_announcement(apr_status_t status)
{
    static const struct mrc_failure too_large = {
        .http_status = HTTP_UNAUTHORIZED,
        .detail = "a payload of the access token is larger than the 64 KB that this hub's list of "
                  "subscriptions has room for",
    };
    static const struct mrc_failure full = {
        .http_status = HTTP_SERVICE_UNAVAILABLE,
        .detail = "the hub's list of active subscriptions has no room for so many topic matchers "
                  "now: try again, or use fewer",
    };
    static const struct mrc_failure other = {
        .http_status = HTTP_SERVICE_UNAVAILABLE,
        .detail = "the hub could not announce the subscription: try again",
        .is_ours = true,
    };

    switch (status) {
    case MRC_STATUS_TOO_LARGE:
        return &too_large;
    case APR_ENOSPC:
        return &full;
    case MRC_STATUS_NO_ROOM:
        return &no_room;
    case MRC_STATUS_SUPERSEDED:
        return &superseded;
    default:
        return &other;
    }
}

void mrc_failure_report_no_room(request_rec *r, struct mrc_hub *hub, const char *label)
{
    if (mrc_hub_should_report_no_room(hub, mrc_clock_us()))
        ap_log_rerror(
            APLOG_MARK, APLOG_ERR, 0, r,
            "MRC0714: hub %s: an update was not stored, because there is no room for more "
            "shared memory: raise MercureMemory, lower MercureHistory bytes= or count=, "
            "or give DefaultRuntimeDir a larger file system",
            label);
}

int mrc_failure_answer(request_rec *r, const struct mrc_failure *failure)
{
    if (failure->http_status == HTTP_SERVICE_UNAVAILABLE)
        return mrc_answer_retry(r, failure->detail);
    return mrc_answer_problem(r, failure->http_status, failure->detail);
}

int mrc_failure_answer_input(request_rec *r, enum mrc_err err, const struct mrc_error *error,
                             enum mrc_input input)
{
    if (err == MRC_ENOMEM)
        return mrc_failure_answer_no_memory(r);
    if (err == MRC_ELIMIT && input == MRC_INPUT_PUBLICATION)
        return mrc_answer_problem(r, HTTP_REQUEST_ENTITY_TOO_LARGE, error->text);
    return mrc_answer_problem(r, HTTP_BAD_REQUEST, error->text);
}

int mrc_failure_answer_no_memory(request_rec *r)
{
    return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR, "the server is out of memory");
}
