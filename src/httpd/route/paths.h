/*
 * The paths of resources, which are below a hub or have a separate prefix. All functions work on
 * undecoded strings and return pointers into their arguments.
 */
#ifndef MRC_HTTPD_ROUTE_PATHS_H
#define MRC_HTTPD_ROUTE_PATHS_H

#include <stdbool.h>

/* The prefix of a hub's path in the path of its metadata document (RFC 9728, 3). */
#define MRC_PATHS_METADATA "/.well-known/oauth-protected-resource"

/* The prefix of the paths of the playground's resources. */
#define MRC_PATHS_PLAYGROUND "/playground/"

/* The debugger's path below its hub. */
#define MRC_PATHS_DEBUGGER "debug"

/*
 * Returns the part of the undecoded PATH after the decoded PREFIX; NULL: PATH does not begin with
 * it. An encoded slash is not a slash.
 */
const char *mrc_paths_skip(const char *path, const char *prefix);

/* In the functions below, REST is the path after the path of a hub. It begins without a slash if
 * the hub's path ends with one. */

/* Returns the part of REST after MRC_PATHS_DEBUGGER: empty, or a slash and what follows it. NULL:
 * REST is another path. */
const char *mrc_paths_skip_debugger(const char *rest);

/* The part of REST after `control/`: the name of a resource of the operators. NULL: REST is another
 * path. */
const char *mrc_paths_skip_control(const char *rest);

/* Whether REST is the collection of all subscriptions, or a path below it. */
bool mrc_paths_is_subscriptions(const char *rest);

/*
 * Whether REST continues after the path of the collection of all subscriptions. Its segments are
 * variables then, and an empty segment is an empty variable.
 */
bool mrc_paths_has_variables(const char *rest);

#endif
