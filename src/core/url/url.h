/*
 * The URL parser of the WHATWG URL Standard (https://url.spec.whatwg.org/#url-parsing), with a base
 * URL, and without the browser API around it.
 *
 * The parts of a URL are ASCII and canonical. Together they are the serialized URL:
 *
 *     scheme ":" [ "//" [ username [ ":" password ] "@" ] host [ ":" port ] ] path
 *            [ "?" query ] [ "#" fragment ]
 */
#ifndef MRC_CORE_URL_URL_H
#define MRC_CORE_URL_URL_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* The longest input. Percent-encoding may make the parts of the URL three times as long. */
#define MRC_URL_MAX_BYTES ((size_t)4 << 20)

/*
 * A parsed URL: views of its own memory. It is immutable: any number of threads may read it at the
 * same time. A missing host, port, query or fragment is { NULL, 0 }. The other parts are always
 * there, but may be empty.
 */
struct mrc_url {
    struct mrc_bytes scheme; /* lower case, without the colon */
    struct mrc_bytes username;
    struct mrc_bytes password;
    struct mrc_bytes host; /* an IPv6 address in its brackets */
    struct mrc_bytes port; /* decimal; missing if it is the default port of the scheme */
    struct mrc_bytes path; /* with its slashes */
    struct mrc_bytes query;
    struct mrc_bytes fragment;
    bool has_opaque_path;
    char *text; /* owned: the memory of the views */
};

/*
 * Parses INPUT against BASE, which is not kept. Without BASE (NULL), INPUT has to be absolute.
 * INPUT may be any bytes: invalid UTF-8 reads as U+FFFD. MRC_EINVAL, with the reason in ERROR,
 * where the standard returns failure; MRC_ELIMIT past MRC_URL_MAX_BYTES, or with a host that is too
 * long for idna.h; MRC_EUNSUPPORTED for a host that needs ICU in a build without it; MRC_ENOMEM.
 * The caller frees RET_URL.
 */
enum mrc_err mrc_url_parse(struct mrc_bytes input, const struct mrc_url *base,
                           struct mrc_error *error, struct mrc_url **ret_url);

/* Accepts NULL. */
void mrc_url_free(struct mrc_url *url);

/* Whether SCHEME is one of the special schemes: http, https, ws, wss, ftp, file. */
bool mrc_url_is_special_scheme(struct mrc_bytes scheme);

/* The default port of SCHEME in decimal; { NULL, 0 }: it has none. */
struct mrc_bytes mrc_url_default_port(struct mrc_bytes scheme);

/*
 * Appends IN as the URL parser reads it: without tabs and line ends, and with U+FFFD in place of
 * invalid UTF-8.
 */
void mrc_url_add_clean(struct mrc_buf *out, struct mrc_bytes in);

/*
 * Appends the port IN, which is one digit or more, without leading zeros, and nothing at all for
 * the default port of SCHEME. False if it is more than 65535.
 */
bool mrc_url_add_port(struct mrc_buf *out, struct mrc_bytes in, struct mrc_bytes scheme);

#endif
