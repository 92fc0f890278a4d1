/*
 * Publishes for a request that the hub does not serve: for the fields of its response, or for the
 * module that handles it. Such a publisher may publish on every topic outside the hub's own
 * namespace.
 */
#ifndef MRC_HTTPD_INSIDE_PUBLISHER_H
#define MRC_HTTPD_INSIDE_PUBLISHER_H

#include "httpd.h"

#include "core/protocol/update.h"
#include "hub/hub/numbers.h"

struct mrc_location;

/*
 * Stores COUNT (1 to MRC_BATCH_MAX) UPDATES, which keep to the limits of the hub of LOCATION, all
 * or none. Each without an id gets one, in R's pool. May wait for the disk. Counts a refusal in the
 * metrics.
 *
 * APR_SUCCESS; otherwise RET_WHY is the reason in words, in R's pool or constant. APR_EINVAL: a
 * topic is reserved; APR_EAGAIN: this process does not serve the hub now; the statuses of
 * mrc_hub_publish() and mrc_rate_take().
 */
apr_status_t mrc_publisher_publish(request_rec *r, const struct mrc_location *location,
                                   struct mrc_update *updates, size_t count, const char **ret_why);

/* Counts what was refused before that. */
void mrc_publisher_count_refusal(const struct mrc_location *location, enum mrc_refusal refusal);

#endif
