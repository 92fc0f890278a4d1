/*
 * Internationalized domain names, for the host parser only.
 */
#ifndef MRC_CORE_URL_IDNA_H
#define MRC_CORE_URL_IDNA_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* More than any domain name of the DNS takes in UTF-8. */
#define MRC_URL_MAX_IDNA_BYTES 1024

/*
 * Appends the ASCII form of DOMAIN, which is valid UTF-8 and not all ASCII: UTS #46 with the
 * options of the URL Standard (https://url.spec.whatwg.org/#concept-domain-to-ascii, beStrict
 * false). MRC_EINVAL if it has no such form; MRC_ELIMIT past MRC_URL_MAX_IDNA_BYTES, because
 * Punycode takes quadratic time; MRC_EUNSUPPORTED in a build without ICU; MRC_ENOMEM.
 */
enum mrc_err mrc_url_idna_to_ascii(struct mrc_bytes domain, struct mrc_error *error,
                                   struct mrc_buf *out);

#endif
