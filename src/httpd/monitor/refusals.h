/*
 * Counting what was turned away, in one place: after a publication or a subscription was answered.
 */
#ifndef MRC_HTTPD_MONITOR_REFUSALS_H
#define MRC_HTTPD_MONITOR_REFUSALS_H

#include "httpd.h"

#include "hub/hub/numbers.h"

struct mrc_claim;

/*
 * R was answered with RESULT, as handlers return it. If that turned it away, counts so among those
 * of WHAT (MRC_COUNTER_PUBLISH_REJECTED or MRC_COUNTER_REFUSED), and leaves the reason in the note
 * `mercure-reason`. Returns RESULT.
 */
int mrc_refusals_count(request_rec *r, const struct mrc_claim *claim, enum mrc_counter what,
                       int result);

#endif
