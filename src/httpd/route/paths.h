/*
 * The paths of resources: those below a hub, and those that have a prefix of their own. Pure string
 * work on undecoded paths.
 */
#ifndef MRC_HTTPD_ROUTE_PATHS_H
#define MRC_HTTPD_ROUTE_PATHS_H

#include <stdbool.h>

/* What comes before a hub's path in that of its metadata document (RFC 9728, 3). */
#define MRC_PATHS_METADATA "/.well-known/oauth-protected-resource"

/* What comes before the path of a resource of the playground. */
#define MRC_PATHS_PLAYGROUND "/playground/"

/* The debugger's path below its hub. */
#define MRC_PATHS_DEBUGGER "debug"

/*
 * Returns what follows the decoded PREFIX in the undecoded PATH; NULL if PATH does not begin with
 * it. An encoded slash is no slash.
 */
const char *mrc_paths_skip(const char *path, const char *prefix);

/* REST is the path after a hub's. A hub whose path ends with a slash has the first slash in its own
 * path. */

/* Returns what follows MRC_PATHS_DEBUGGER in REST: empty, or from a slash on. NULL: REST is another
 * path. */
const char *mrc_paths_skip_debugger(const char *rest);

/* Whether REST is the collection of all subscriptions, or a path below it. */
bool mrc_paths_is_subscriptions(const char *rest);

/*
 * Whether REST goes on after the collection of all subscriptions. Then an empty segment stands for
 * an empty variable of the URL.
 */
bool mrc_paths_has_variables(const char *rest);

#endif
