/*
 * The client for which a stream counts (MercureMaxSubscribers per-address=).
 */
#ifndef MRC_HTTPD_ACCESS_CLIENT_H
#define MRC_HTTPD_ACCESS_CLIENT_H

#include "httpd.h"

#include "core/base/bytes.h"

/*
 * The part of the client address of R that identifies the client, as bytes in the pool of R. That
 * is an IPv4 address, even if it is written as an IPv6 address (::ffff:0:0/96, and 64:ff9b::/96 of
 * RFC 6052). Of other IPv6 addresses it is the first 64 bits, because a client can choose the rest.
 * Respects mod_remoteip and similar modules.
 */
struct mrc_bytes mrc_client_name(request_rec *r);

#endif
