/*
 * The links of a child's hubs to the engines that they share with other machines.
 */
#ifndef MRC_HTTPD_CHILD_LINKS_H
#define MRC_HTTPD_CHILD_LINKS_H

#include "httpd.h"

struct mrc_memory;
struct mrc_this_child;

/* Starts them for the HUBS (of struct mrc_hub_conf *) of STATE, whose child has started. What they
 * report goes to the error log. */
apr_status_t mrc_links_start(apr_pool_t *pchild, const apr_array_header_t *hubs,
                             struct mrc_memory *memory, struct mrc_this_child *state);

#endif
