/* Makes requests from the templates of the options. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/*
 * A subscription of subscriber NUMBER to the topics_each topics that begin with FIRST. AFTER is the
 * id of its last event, or NULL. The caller frees the result.
 */
char *request_subscribe(const struct options *options, uint32_t number, uint32_t first,
                        const char *after, size_t *ret_len);

/* A publication of DATA for one topic. DATA has data_bytes bytes, which need no escaping. */
char *request_publish(const struct options *options, uint32_t topic, const char *data,
                      size_t *ret_len);

#endif
