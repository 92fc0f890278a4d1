/*
 * The reserved namespace: the hub's own URLs, under which nobody may publish
 * (draft-dunglas-mercure-08, "Publication", `topic`).
 */
#ifndef MRC_CORE_TOPIC_RESERVED_H
#define MRC_CORE_TOPIC_RESERVED_H

#include "core/base/bytes.h"

/*
 * Whether TOPIC, resolved against HUB_URL, names one of the COUNT hub paths, or something below
 * one, whatever scheme and authority it has. Dot segments are resolved and percent-encoded
 * unreserved characters decoded before paths are compared. A hub path begins with `/`. Of one that
 * ends with a slash, such as `/` or `/hub/`, only itself, itself with a slash more, and the
 * resources that the hub makes (`/hub/subscriptions` and all below it) are reserved: to a topic
 * such as `books/1`, resolved against it, the rest is what the neighbours of the hub are to other
 * hubs.
 *
 * A topic that is no URL is not reserved. What cannot be decided (out of memory, a topic too long
 * for the URL parser, a HUB_URL that is none) is.
 */
bool mrc_reserved_covers(struct mrc_bytes topic, const char *hub_url, const char *const *hub_paths,
                         size_t count);

#endif
