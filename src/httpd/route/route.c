#include "httpd/route/route.h"

#include <string.h>

#include "httpd/config/hubs.h"
#include "httpd/route/paths.h"

const struct mrc_location *mrc_route_find(server_rec *server, const char *path,
                                          const char **ret_rest)
{
    const apr_array_header_t *locations = mrc_hubs_locations(server);

    for (int i = 0; locations && i < locations->nelts; i++) {
        const struct mrc_location *location = APR_ARRAY_IDX(locations, i, struct mrc_location *);
        const char *rest = mrc_paths_skip(path, location->path);
        size_t len = strlen(location->path);

        if (rest && (*rest == '\0' || *rest == '/' || location->path[len - 1] == '/')) {
            *ret_rest = rest;
            return location;
        }
    }
    return NULL;
}

const struct mrc_location *mrc_route_find_metadata(server_rec *server, const char *path)
{
    const apr_array_header_t *locations = mrc_hubs_locations(server);
    const char *described = mrc_paths_skip(path, MRC_PATHS_METADATA);

    for (int i = 0; described && locations && i < locations->nelts; i++) {
        const struct mrc_location *location = APR_ARRAY_IDX(locations, i, struct mrc_location *);
        const char *rest = mrc_paths_skip(described, location->path);

        /* A hub at the root has no path after the prefix. */
        if ((rest && *rest == '\0') || (!*described && !strcmp(location->path, "/")))
            return location;
    }
    return NULL;
}

const struct mrc_location *mrc_route_find_playground(server_rec *server, const char *path,
                                                     const char **ret_rest)
{
    const apr_array_header_t *locations = mrc_hubs_locations(server);
    const char *rest = mrc_paths_skip(path, MRC_PATHS_PLAYGROUND);

    for (int i = 0; rest && locations && i < locations->nelts; i++) {
        const struct mrc_location *location = APR_ARRAY_IDX(locations, i, struct mrc_location *);

        if (location->settings->location.playground) {
            *ret_rest = rest;
            return location;
        }
    }
    return NULL;
}
