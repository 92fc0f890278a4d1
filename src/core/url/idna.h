/*
 * Internationalized domain names, for the host parser alone.
 */
#ifndef MRC_CORE_URL_IDNA_H
#define MRC_CORE_URL_IDNA_H

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* Longer than what any name that DNS can hold has in UTF-8. */
#define MRC_URL_MAX_IDNA_BYTES 1024

/*
 * Appends DOMAIN, which is valid UTF-8 and holds more than ASCII, in its ASCII form: UTS #46 as the
 * URL Standard asks for it (https://url.spec.whatwg.org/#concept-domain-to-ascii, beStrict false).
 * MRC_EINVAL if it has none; MRC_ELIMIT past MRC_URL_MAX_IDNA_BYTES, because Punycode takes
 * quadratic time; MRC_EUNSUPPORTED in a build without ICU.
 */
enum mrc_err mrc_url_idna_to_ascii(struct mrc_bytes domain, struct mrc_error *error,
                                   struct mrc_buf *out);

#endif
