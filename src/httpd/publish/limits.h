/*
 * The limits of a hub for each update, whatever its source.
 */
#ifndef MRC_HTTPD_PUBLISH_LIMITS_H
#define MRC_HTTPD_PUBLISH_LIMITS_H

#include "httpd.h"

#include "core/protocol/update.h"

struct mrc_hub_conf;

/* The limits of HUB; SERVER is the default server of the address on which the request came. */
struct mrc_update_limits mrc_publish_limits(const struct mrc_hub_conf *hub,
                                            const server_rec *server);

/* The most fields of a form besides its topics: the known ones, and any that publishers add. */
#define MRC_PUBLISH_OTHER_FIELDS_MAX 1000

#endif
