/*
 * Sizing: the number of streams that this configuration of httpd can hold without starving its
 * other requests.
 *
 * The event MPM limits the connections of a child, and a suspended connection counts:
 *
 *     ThreadsPerChild + idle threads * AsyncRequestWorkerFactor
 *
 * At this limit the child accepts no connection, not even for ordinary requests. So streams get
 * half of what the factor adds. A stream that holds a thread takes it away from all other requests,
 * so streams get a quarter of the threads.
 */
#ifndef MRC_HTTPD_CONFIG_SIZING_H
#define MRC_HTTPD_CONFIG_SIZING_H

#include <stdbool.h>
#include <stdint.h>

#include "httpd.h"

struct mrc_sizing {
    unsigned dispatched_per_child; /* streams that hold no thread; descriptors limit them */
    unsigned suspended_per_child;  /* of those, streams whose connection stays with the MPM */
    unsigned threaded_per_child;   /* streams that hold a thread */
    unsigned threaded_total;       /* the same, in all children together */
};

/* These functions ask the MPM, so they are valid from check_config on. */

/* The number of child slots in the shared memory: two generations of children overlap in a graceful
 * restart. */
unsigned mrc_sizing_slots(void);

/* Computes the sizing of this configuration. */
struct mrc_sizing mrc_sizing_compute(void);

/* The number of streams in all children together. */
uint64_t mrc_sizing_total(void);

/*
 * Logs the sizing, and the settings that limit it with their fixes. TLS_PROBLEM: why or when
 * streams over TLS stay in httpd, and the fix; NULL: they leave it, or there is no TLS. In
 * post_config.
 */
void mrc_sizing_log(server_rec *main_server, const char *tls_problem);

/* Whether connections are served by processes that mpm-itk forks off the children, which have no
 * threads of this module: each stream takes such a process. */
bool mrc_sizing_forks(void);

#endif
