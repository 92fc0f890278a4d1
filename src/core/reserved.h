/*
 * The reserved namespace: the hub's own URLs, under which nobody may publish
 * (draft-dunglas-mercure-08, "Publication", `topic`).
 */
#ifndef MRC_CORE_RESERVED_H
#define MRC_CORE_RESERVED_H

#include "core/bytes.h"

/*
 * Whether TOPIC, resolved against HUB_URL, names one of the COUNT hub paths, or something below
 * one, whatever scheme and authority it has. Dot segments are resolved and percent-encoded
 * unreserved characters decoded before paths are compared. A hub path begins with `/`; a slash at
 * its end does not count. Of the hub path `/` only itself, what begins with `//`, and the resources
 * that the hub makes (`/subscriptions` and all below it) are reserved, for otherwise nothing could
 * be published.
 *
 * A topic that is no URL is not reserved. What cannot be decided (out of memory, a topic too long
 * for the URL parser, a HUB_URL that is none) is.
 */
bool mrc_reserved_covers(struct mrc_bytes topic, const char *hub_url, const char *const *hub_paths,
                         size_t count);

#endif
