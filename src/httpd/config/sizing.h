/*
 * Sizing: how many streams this configuration of httpd can hold without starving its other work.
 *
 * A suspended connection counts against what the event MPM lets into a child,
 *
 *     ThreadsPerChild + idle threads * AsyncRequestWorkerFactor
 *
 * beyond which the child accepts nothing any more, not even ordinary requests. So half of what the
 * factor gives is for streams. A stream held by a thread takes one away from all else, so that only
 * a quarter of the threads may be held.
 */
#ifndef MRC_HTTPD_CONFIG_SIZING_H
#define MRC_HTTPD_CONFIG_SIZING_H

#include <stdint.h>

#include "httpd.h"

struct mrc_sizing {
    unsigned dispatched_per_child; /* streams that hold no thread, as descriptors allow */
    unsigned suspended_per_child;  /* those of them that are connections of the MPM still */
    unsigned threaded_per_child;   /* streams that hold a thread */
    unsigned threaded_total;       /* in all children together */
};

/* What the configuration that is in force holds; from post_config on. */
struct mrc_sizing mrc_sizing_compute(unsigned slots);

/* How many streams that is in all children together. */
uint64_t mrc_sizing_total(unsigned slots);

/* Logs it, and warns of settings that spoil it, with the mend; in post_config. */
void mrc_sizing_log(server_rec *main_server, const struct mrc_sizing *sizing);

#endif
