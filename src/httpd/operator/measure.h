/*
 * Measures the rates of a hub, for which a second must have passed since the first update after a
 * pause.
 */
#ifndef MRC_HTTPD_OPERATOR_MEASURE_H
#define MRC_HTTPD_OPERATOR_MEASURE_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_activity_rates;
struct mrc_child;
struct mrc_hub;

/* Measures, after a second if need be. R is the request that waits; NULL: none. False: CHILD ends,
 * or the client is gone. */
bool mrc_measure(const struct mrc_child *child, const struct mrc_hub *hub, const request_rec *r,
                 struct mrc_activity_rates *ret_rates);

/* Waits for a second. False as above. */
bool mrc_measure_wait(const struct mrc_child *child, const request_rec *r);

/* The children of this machine that live. */
unsigned mrc_measure_children(const struct mrc_child *child);

#endif
