/*
 * The client of a stream: the client for which the stream counts (MercureMaxSubscribers
 * per-address=), and whether it is a browser's EventSource.
 */
#ifndef MRC_HTTPD_ACCESS_CLIENT_H
#define MRC_HTTPD_ACCESS_CLIENT_H

#include <stdbool.h>

#include "httpd.h"

#include "core/base/bytes.h"

/*
 * The part of the client address of R that identifies the client, as bytes in the pool of R. That
 * is an IPv4 address, even if it is written as an IPv6 address (::ffff:0:0/96, and 64:ff9b::/96 of
 * RFC 6052). Of other IPv6 addresses it is the first 64 bits, because a client can choose the rest.
 * Respects mod_remoteip and similar modules.
 */
struct mrc_bytes mrc_client_name(request_rec *r);

/* The bytes of a whole address: of IPv6, or of IPv4 as `::ffff:a.b.c.d`. */
#define MRC_CLIENT_ADDRESS_BYTES 16

/* Reads the address in TEXT. False: TEXT is not an address. */
bool mrc_client_parse(const char *text, unsigned char ret_address[MRC_CLIENT_ADDRESS_BYTES]);

/* The whole address of R's client, in R's pool. NULL: another module has set a text that is not an
 * address. */
const unsigned char *mrc_client_address(request_rec *r);

/*
 * Whether R is a request that a browser's own EventSource makes (MercureCursor auto). The Fetch
 * standard adds `Cache-Control: no-cache` to it, and not to a plain fetch(). Programs that imitate
 * an EventSource send neither Accept-Language nor Sec-Fetch-…, which browsers send to secure URLs
 * only; an EventSource cannot send an Authorization field.
 */
bool mrc_client_is_event_source(const request_rec *r);

#endif
