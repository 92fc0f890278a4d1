/*
 * The host parser and the host serializer of the URL Standard
 * (https://url.spec.whatwg.org/#host-parsing).
 */
#ifndef MRC_CORE_URL_HOST_H
#define MRC_CORE_URL_HOST_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/*
 * Parses INPUT, which is valid UTF-8, and appends the serialized host: a domain, an IPv4 address,
 * an IPv6 address in brackets, or, if IS_OPAQUE (the scheme is not special), the percent-encoded
 * input. Only an opaque host may be empty. MRC_EINVAL with the reason in ERROR; MRC_ELIMIT and
 * MRC_EUNSUPPORTED as in idna.h; MRC_ENOMEM. On failure, the appended bytes have no meaning.
 */
enum mrc_err mrc_url_host_parse(struct mrc_bytes input, bool is_opaque, struct mrc_error *error,
                                struct mrc_buf *out);

#endif
