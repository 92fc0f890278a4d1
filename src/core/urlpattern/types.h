/*
 * The components of a URL Pattern, and the dictionary that gives their pattern strings.
 */
#ifndef MRC_CORE_URLPATTERN_TYPES_H
#define MRC_CORE_URLPATTERN_TYPES_H

#include "core/base/bytes.h"

enum mrc_urlpattern_component_id {
    MRC_URLPATTERN_PROTOCOL,
    MRC_URLPATTERN_USERNAME,
    MRC_URLPATTERN_PASSWORD,
    MRC_URLPATTERN_HOSTNAME,
    MRC_URLPATTERN_PORT,
    MRC_URLPATTERN_PATHNAME,
    MRC_URLPATTERN_SEARCH,
    MRC_URLPATTERN_HASH,
    MRC_URLPATTERN_COMPONENTS
};

/* The longest pattern, and the longest pattern string of a component. The hub's limit is lower. */
#define MRC_URLPATTERN_MAX_BYTES 65536

/*
 * The pattern strings of the components, before the base URL is applied (the standard calls this
 * dictionary URLPatternInit). A component that is not given is { NULL, 0 }.
 */
struct mrc_urlpattern_init {
    struct mrc_bytes components[MRC_URLPATTERN_COMPONENTS];
    struct mrc_bytes base_url;
};

#endif
