/*
 * What the hub calls itself: its URL, which tokens name as their audience and which relative URL
 * Patterns resolve against.
 */
#ifndef MRC_HTTPD_ACCESS_IDENTITY_H
#define MRC_HTTPD_ACCESS_IDENTITY_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_location;
struct mrc_settings;

/*
 * The accepted audiences, of const char *, the hub's own name first; never empty. They are those of
 * MercureResourceIdentifier, or one that is derived from the server's own names, never from a Host
 * that a client invented. In the request's pool or the configuration's.
 */
const apr_array_header_t *mrc_identity_audiences(request_rec *r,
                                                 const struct mrc_location *location,
                                                 const struct mrc_settings *settings);

/*
 * Where the hub's metadata document is: the path that follows from the hub's, on the origin of the
 * hub's own name.
 */
const char *mrc_identity_metadata_url(request_rec *r, const struct mrc_location *location,
                                      const struct mrc_settings *settings);

/* Whether R came to an origin that MercurePublicURL lists, if it lists any. */
bool mrc_identity_is_public(request_rec *r, const struct mrc_settings *settings);

/*
 * Whether ORIGIN is the hub's own: that of one of its names, or the one by which this request has
 * reached it.
 */
bool mrc_identity_is_own_origin(request_rec *r, const struct mrc_location *location,
                                const struct mrc_settings *settings, const char *origin);

#endif
