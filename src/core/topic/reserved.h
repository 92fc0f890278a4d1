/*
 * The reserved namespace: the topics that are the hub's own URLs, to which no publisher may publish
 * (draft-dunglas-mercure-08, "Publication", `topic`).
 */
#ifndef MRC_CORE_TOPIC_RESERVED_H
#define MRC_CORE_TOPIC_RESERVED_H

#include "core/base/bytes.h"

/*
 * Whether TOPIC, resolved against HUB_URL, is one of the COUNT hub paths or below one. Its scheme
 * and its authority do not matter. Before paths are compared, dot segments are resolved and
 * percent-encoded unreserved characters are decoded.
 *
 * A hub path begins with `/`. If it ends with a slash, as `/` or `/hub/` do, only the path itself,
 * the path with one more slash, and the hub's resources (`/hub/subscriptions` and everything below)
 * are reserved. Otherwise a relative topic such as `books/1`, which is resolved against the hub's
 * URL, would always be reserved.
 *
 * A topic that is not a URL is not reserved. If the answer cannot be found (out of memory, a topic
 * that is too long for the URL parser, a HUB_URL that is not a URL), the topic counts as reserved.
 */
bool mrc_reserved_covers(struct mrc_bytes topic, const char *hub_url, const char *const *hub_paths,
                         size_t count);

#endif
