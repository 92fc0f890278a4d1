/*
 * Whom a client's streams are counted for (MercureMaxSubscribers per-address=).
 */
#ifndef MRC_HTTPD_ACCESS_CLIENT_H
#define MRC_HTTPD_ACCESS_CLIENT_H

#include "httpd.h"

#include "core/base/bytes.h"

/*
 * What of R's client address, as mod_remoteip and its like leave it, is one client: an IPv4
 * address, also one that an IPv6 address stands for (::ffff:0:0/96, and 64:ff9b::/96 of RFC 6052);
 * of other IPv6 addresses the first 64 bits, for the rest is the client's own to choose. A view
 * into R's pool; not to be read by people.
 */
struct mrc_bytes mrc_client_name(request_rec *r);

#endif
