/*
 * Routing: the Location that a path belongs to.
 *
 * Each PATH is a request's path as httpd has normalized it, not yet decoded. RET_REST is a part of
 * it. Every function returns NULL if there is no such Location.
 */
#ifndef MRC_HTTPD_ROUTE_ROUTE_H
#define MRC_HTTPD_ROUTE_ROUTE_H

#include "httpd.h"

struct mrc_location;

/*
 * The Location whose hub has the URL PATH, or one below it. RET_REST gets what follows the hub's
 * path: empty for the hub's URL itself.
 */
const struct mrc_location *mrc_route_find(server_rec *server, const char *path,
                                          const char **ret_rest);

/* The Location whose metadata document (RFC 9728, 3) is at PATH. */
const struct mrc_location *mrc_route_find_metadata(server_rec *server, const char *path);

/*
 * The Location of SERVER that is a playground, if PATH lies below MRC_PATHS_PLAYGROUND; RET_REST
 * gets what follows that prefix.
 */
const struct mrc_location *mrc_route_find_playground(server_rec *server, const char *path,
                                                     const char **ret_rest);

#endif
