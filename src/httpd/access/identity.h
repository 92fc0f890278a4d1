/*
 * The identity of a hub: its URL. Tokens name the URL as their audience, and relative URL Patterns
 * resolve against it.
 */
#ifndef MRC_HTTPD_ACCESS_IDENTITY_H
#define MRC_HTTPD_ACCESS_IDENTITY_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_location;
struct mrc_location_settings;

/*
 * The audiences that the hub accepts, of const char *, with the hub's own URL first; never empty.
 * They are those of MercureResourceIdentifier, or one that is derived from the server's own names,
 * never from a Host that a client invented. In the request's pool or in the configuration's.
 */
const apr_array_header_t *mrc_identity_audiences(request_rec *r,
                                                 const struct mrc_location *location,
                                                 const struct mrc_location_settings *settings);

/*
 * The URL of the hub's metadata document. Its origin is that of the hub's own URL, and its path is
 * made from the hub's path (RFC 9728, 3).
 */
const char *mrc_identity_metadata_url(request_rec *r, const struct mrc_location *location,
                                      const struct mrc_location_settings *settings);

/* Whether MercurePublicURL lists the origin that R requested, or lists none at all. */
bool mrc_identity_is_public(request_rec *r, const struct mrc_location_settings *settings);

/*
 * Whether ORIGIN is the hub's own: the origin of one of its audiences, or the one that R requested.
 */
bool mrc_identity_is_own_origin(request_rec *r, const struct mrc_location *location,
                                const struct mrc_location_settings *settings, const char *origin);

#endif
