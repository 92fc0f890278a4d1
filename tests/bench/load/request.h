/* The requests that are sent, out of the templates of the options. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/*
 * A subscription of TOPICS_EACH topics from FIRST by subscriber NUMBER. AFTER: the id of the last
 * event that it has, NULL: it has none. The caller frees what is returned.
 */
char *request_subscribe(const struct options *options, uint32_t number, uint32_t first,
                        const char *after, size_t *ret_len);

/* A publication of DATA (data_bytes of the options, escaped where need be) for one topic. */
char *request_publish(const struct options *options, uint32_t topic, const char *data,
                      size_t *ret_len);

#endif
