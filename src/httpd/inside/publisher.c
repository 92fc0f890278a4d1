#include "httpd/inside/publisher.h"

#include "apr_strings.h"

#include "core/base/quote.h"
#include "httpd/access/identity.h"
#include "httpd/answer/failure.h"
#include "httpd/child/start.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/publish/publication.h"
#include "httpd/sites/sites.h"
#include "hub/hub/hub.h"
#include "hub/hub/rate.h"
#include "store/base/clock.h"

static void count_refusal(struct mrc_hub *hub, enum mrc_refusal refusal)
{
    enum mrc_counter counter = (enum mrc_counter)(MRC_COUNTER_PUBLISH_REJECTED + (unsigned)refusal);

    mrc_numbers_count(mrc_hub_numbers(hub), counter, 1);
}

void mrc_publisher_count_refusal(const struct mrc_location *location, enum mrc_refusal refusal)
{
    struct mrc_hub *hub = mrc_this_child_hub(location->hub->index);

    if (hub)
        count_refusal(hub, refusal);
}

static enum mrc_refusal refusal_of(const struct mrc_failure *failure)
{
    switch (failure->http_status) {
    case HTTP_REQUEST_ENTITY_TOO_LARGE:
        return MRC_REFUSAL_TOO_LARGE;
    case HTTP_TOO_MANY_REQUESTS:
        return MRC_REFUSAL_LIMIT;
    default:
        return MRC_REFUSAL_UNAVAILABLE;
    }
}

static apr_status_t fail(struct mrc_hub *hub, apr_status_t status, size_t count,
                         const char **ret_why)
{
    const struct mrc_failure *failure = mrc_failure_of_publication(status, count);

    count_refusal(hub, refusal_of(failure));
    *ret_why = failure->detail;
    return status;
}

static apr_status_t store(struct mrc_publication *publication, struct mrc_hub *hub,
                          const char **ret_why)
{
    const struct mrc_bytes no_token = {NULL, 0};
    size_t count = publication->count;
    int64_t unused;
    apr_status_t status =
        mrc_rate_take(mrc_hub_rate(hub), no_token, count, mrc_clock_us(), &unused);

    if (!status)
        status = mrc_publication_make_ids(publication, hub);
    if (!status)
        status = mrc_publication_store(publication, hub, apr_time_now());
    return status ? fail(hub, status, count, ret_why) : APR_SUCCESS;
}

static apr_status_t publish(request_rec *r, const struct mrc_location *location,
                            struct mrc_update *updates, size_t count, const char **ret_why)
{
    const apr_array_header_t *audiences =
        mrc_identity_audiences(r, location, &location->settings->location);
    const apr_array_header_t *paths = location->hub->paths;
    struct mrc_hub *hub = mrc_this_child_hub(location->hub->index);
    struct mrc_publication publication = {
        .updates = updates,
        .count = count,
        .hub_url = APR_ARRAY_IDX(audiences, 0, const char *),
        .hub_paths = (const char *const *)paths->elts,
        .hub_paths_count = (size_t)paths->nelts,
        .ids = apr_pcalloc(r->pool, count * sizeof(*publication.ids)),
    };
    struct mrc_publication_refusal refusal;
    struct mrc_quote quote;

    if (!hub) {
        *ret_why = "this server process does not serve the hub now";
        return APR_EAGAIN;
    }
    if (mrc_publication_check(&publication, &refusal) == MRC_PUBLICATION_ACCEPTED)
        return store(&publication, hub, ret_why);
    count_refusal(hub, MRC_REFUSAL_MALFORMED);
    *ret_why = apr_psprintf(r->pool,
                            refusal.topic.len
                                ? "the topic %s lies in the hub's own namespace, which is reserved"
                                : "a topic is empty%s",
                            refusal.topic.len ? mrc_quote(&quote, refusal.topic) : "");
    return APR_EINVAL;
}

apr_status_t mrc_publisher_publish(request_rec *r, const struct mrc_location *location,
                                   struct mrc_update *updates, size_t count, const char **ret_why)
{
    int status = 0;

    mrc_start_again();
    location = mrc_sites_choose(r, location, &status, ret_why);
    if (!location)
        return status == HTTP_NOT_FOUND ? APR_ENOENT : APR_EAGAIN;
    return publish(r, location, updates, count, ret_why);
}
