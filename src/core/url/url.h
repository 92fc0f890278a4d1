/*
 * The URL parser and serializer of the WHATWG URL Standard
 * (https://url.spec.whatwg.org/#url-parsing), with a base URL, without the API for browsers around
 * it.
 *
 * What a URL is made of is valid ASCII, canonical, and can be put together again:
 *
 *     scheme ":" [ "//" [ username [ ":" password ] "@" ] host [ ":" port ] ] path
 *            [ "?" query ] [ "#" fragment ]
 */
#ifndef MRC_CORE_URL_URL_H
#define MRC_CORE_URL_URL_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* The longest input that is parsed; everything a URL is made of may grow threefold from it. */
#define MRC_URL_MAX_BYTES ((size_t)4 << 20)

/*
 * A parsed URL: views of its own memory, immutable, free for any number of threads to read. A
 * missing host, port, query or fragment has no pointer; the others are always there, perhaps empty.
 */
struct mrc_url {
    struct mrc_bytes scheme; /* lower case, without the colon */
    struct mrc_bytes username;
    struct mrc_bytes password;
    struct mrc_bytes host; /* an IPv6 address in its brackets */
    struct mrc_bytes port; /* decimal; missing if it is the scheme's own */
    struct mrc_bytes path; /* with its slashes */
    struct mrc_bytes query;
    struct mrc_bytes fragment;
    bool has_opaque_path;
    char *text; /* owned: what the views show */
};

/*
 * Parses INPUT against BASE (NULL: it has to be absolute). INPUT may be any bytes: what is no UTF-8
 * reads as U+FFFD. MRC_EINVAL if the standard says failure, with the reason in ERROR; MRC_ELIMIT
 * past MRC_URL_MAX_BYTES or with a host that url_idna.h refuses as too long; MRC_EUNSUPPORTED for a
 * host that needs ICU in a build without it; MRC_ENOMEM. The caller frees RET_URL; BASE is not
 * kept.
 */
enum mrc_err mrc_url_parse(struct mrc_bytes input, const struct mrc_url *base,
                           struct mrc_error *error, struct mrc_url **ret_url);

/* Accepts NULL. */
void mrc_url_free(struct mrc_url *url);

/* Whether SCHEME is one of those that the standard calls special: http, https, ws, wss, ftp, file.
 */
bool mrc_url_is_special_scheme(struct mrc_bytes scheme);

/* The default port of SCHEME in decimal; missing if it has none. */
struct mrc_bytes mrc_url_default_port(struct mrc_bytes scheme);

/*
 * Reads IN as the URL parser reads its input: appends it without tabs and line ends, and with
 * U+FFFD in the place of what is no UTF-8.
 */
void mrc_url_add_clean(struct mrc_buf *out, struct mrc_bytes in);

/*
 * Appends the port that the digits IN name, leading zeros and the default port of SCHEME dropped;
 * false if it is more than 65535. IN is not empty.
 */
bool mrc_url_add_port(struct mrc_buf *out, struct mrc_bytes in, struct mrc_bytes scheme);

#endif
