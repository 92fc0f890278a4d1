/*
 * Counts refused publications and subscriptions, in one place: when they have been answered.
 */
#ifndef MRC_HTTPD_MONITOR_REFUSALS_H
#define MRC_HTTPD_MONITOR_REFUSALS_H

#include "httpd.h"

#include "hub/hub/numbers.h"

struct mrc_claim;

/*
 * R has been answered; RESULT is the value for the handler to return. If R was refused, adds 1 to
 * the counter of its reason, among the counters from FIRST on (MRC_COUNTER_PUBLISH_REJECTED or
 * MRC_COUNTER_REFUSED), and puts the reason into the note `mercure-reason`. Returns RESULT.
 */
int mrc_refusals_count(request_rec *r, const struct mrc_claim *claim, enum mrc_counter first,
                       int result);

#endif
