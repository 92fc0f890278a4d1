/*
 * Routing: finds the Location to which a path belongs.
 *
 * PATH is the path of a request, normalized by httpd but not decoded. RET_REST points into it.
 * Every function returns NULL if there is no such Location.
 */
#ifndef MRC_HTTPD_ROUTE_ROUTE_H
#define MRC_HTTPD_ROUTE_ROUTE_H

#include "httpd.h"

struct mrc_location;

/*
 * The Location of the hub whose path is PATH, or whose path PATH lies below. RET_REST gets the part
 * after the hub's path, which is empty for the hub itself.
 */
const struct mrc_location *mrc_route_find(server_rec *server, const char *path,
                                          const char **ret_rest);

/* The Location whose metadata document (RFC 9728, 3) is at PATH. */
const struct mrc_location *mrc_route_find_metadata(server_rec *server, const char *path);

/*
 * The first Location of SERVER that is a playground, if PATH lies below MRC_PATHS_PLAYGROUND.
 * RET_REST gets the part after that prefix.
 */
const struct mrc_location *mrc_route_find_playground(server_rec *server, const char *path,
                                                     const char **ret_rest);

#endif
