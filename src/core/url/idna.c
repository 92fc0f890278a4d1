#include "core/url/idna.h"

#include "mrc_config.h"

#ifdef HAVE_ICU

#include <unicode/uidna.h>

/* Errors that do not count with beStrict false. */
#define IGNORED_ERRORS                                                                             \
    (UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG | UIDNA_ERROR_DOMAIN_NAME_TOO_LONG |     \
     UIDNA_ERROR_LEADING_HYPHEN | UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4)

/* A code point may become eighteen (U+FDFA), and each of them six bytes of Punycode. */
#define MAX_ASCII_BYTES (MRC_URL_MAX_IDNA_BYTES * 36)

enum mrc_err mrc_url_idna_to_ascii(struct mrc_bytes domain, struct mrc_error *error,
                                   struct mrc_buf *out)
{
    UErrorCode status = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    char ascii[MAX_ASCII_BYTES];
    UIDNA *idna;
    int32_t len;

    if (domain.len > MRC_URL_MAX_IDNA_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "the host is longer than %d bytes",
                             MRC_URL_MAX_IDNA_BYTES);
    idna = uidna_openUTS46(UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                               UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
                           &status);
    len = uidna_nameToASCII_UTF8(idna, domain.ptr, (int32_t)domain.len, ascii, sizeof(ascii), &info,
                                 &status);
    uidna_close(idna);
    if (status == U_MEMORY_ALLOCATION_ERROR)
        return MRC_ENOMEM;
    if (U_FAILURE(status) || len < 0 || (size_t)len > sizeof(ascii) ||
        (info.errors & ~(uint32_t)IGNORED_ERRORS))
        return mrc_error_set(error, MRC_EINVAL,
                             "the host is not a valid internationalized domain name");
    mrc_buf_add(out, ascii, (size_t)len);
    return mrc_buf_error(out);
}

#else

enum mrc_err mrc_url_idna_to_ascii(struct mrc_bytes domain, struct mrc_error *error,
                                   struct mrc_buf *out)
{
    (void)domain;
    (void)out;
    return mrc_error_set(error, MRC_EUNSUPPORTED,
                         "this build has no ICU: hosts must be written in ASCII");
}

#endif
