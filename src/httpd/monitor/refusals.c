#include "httpd/monitor/refusals.h"

#include <stdbool.h>

#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"
#include "hub/hub/hub.h"

static enum mrc_refusal refusal_of(int status)
{
    switch (status) {
    case HTTP_UNAUTHORIZED:
        return MRC_REFUSAL_UNAUTHORIZED;
    case HTTP_FORBIDDEN:
        return MRC_REFUSAL_FORBIDDEN;
    case HTTP_REQUEST_ENTITY_TOO_LARGE:
        return MRC_REFUSAL_TOO_LARGE;
    case HTTP_UNSUPPORTED_MEDIA_TYPE:
        return MRC_REFUSAL_MEDIA_TYPE;
    case HTTP_TOO_MANY_REQUESTS:
        return MRC_REFUSAL_LIMIT;
    case HTTP_SERVICE_UNAVAILABLE:
        return MRC_REFUSAL_UNAVAILABLE;
    default:
        return status < 500 ? MRC_REFUSAL_MALFORMED : MRC_REFUSAL_ERROR;
    }
}

/* Whether R was refused. A stream that can be retried later is refused with status 200: its note
 * says so (mrc_answer_later()). */
static bool is_refused(const request_rec *r, int result, enum mrc_refusal *ret_refusal)
{
    const char *reason = apr_table_get(r->notes, "mercure-reason");
    int status = result == OK ? r->status : result;

    *ret_refusal = MRC_REFUSAL_UNAVAILABLE;
    if (reason && !strcmp(reason, mrc_refusal_text(MRC_REFUSAL_UNAVAILABLE)))
        return true;
    if (status < 400)
        return false;
    *ret_refusal = refusal_of(status);
    return true;
}

int mrc_refusals_count(request_rec *r, const struct mrc_claim *claim, enum mrc_counter first,
                       int result)
{
    struct mrc_hub *hub = mrc_this_child_hub(claim->location->hub->index);
    enum mrc_refusal refusal;

    if (result == SUSPENDED || !is_refused(r, result, &refusal))
        return result;
    apr_table_setn(r->notes, "mercure-reason", mrc_refusal_text(refusal));
    if (hub)
        mrc_numbers_count(mrc_hub_numbers(hub), (enum mrc_counter)(first + (unsigned)refusal), 1);
    return result;
}
