/*
 * The tokenizer of URL Patterns (https://urlpattern.spec.whatwg.org/#tokenizing).
 */
#ifndef MRC_CORE_URLPATTERN_TOKENIZE_H
#define MRC_CORE_URLPATTERN_TOKENIZE_H

#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum mrc_urlpattern_token_type {
    MRC_URLPATTERN_TOKEN_OPEN,
    MRC_URLPATTERN_TOKEN_CLOSE,
    MRC_URLPATTERN_TOKEN_REGEXP,
    MRC_URLPATTERN_TOKEN_NAME,
    MRC_URLPATTERN_TOKEN_CHAR,
    MRC_URLPATTERN_TOKEN_ESCAPED_CHAR,
    MRC_URLPATTERN_TOKEN_OTHER_MODIFIER,
    MRC_URLPATTERN_TOKEN_ASTERISK,
    MRC_URLPATTERN_TOKEN_INVALID_CHAR,
    MRC_URLPATTERN_TOKEN_END
};

struct mrc_urlpattern_token {
    enum mrc_urlpattern_token_type type;
    size_t at;              /* its position in the input */
    struct mrc_bytes value; /* view of the input: a name without its colon, a regexp without () */
};

/*
 * Splits INPUT, which is valid UTF-8, into tokens. The last one is MRC_URLPATTERN_TOKEN_END. The
 * caller free()s RET_TOKENS, which are views of INPUT. Takes linear time.
 *
 * IS_LENIENT is for constructor strings: a colon without a name becomes a
 * MRC_URLPATTERN_TOKEN_INVALID_CHAR instead of an error. The standard's lenient tokenizer accepts
 * other errors, too, but a pattern with one of them never compiles, so they are refused here.
 *
 * MRC_EINVAL with the reason in ERROR; MRC_EUNSUPPORTED for a name that is not ASCII in a build
 * without ICU; MRC_ENOMEM.
 */
enum mrc_err mrc_urlpattern_tokenize(struct mrc_bytes input, bool is_lenient,
                                     struct mrc_error *error,
                                     struct mrc_urlpattern_token **ret_tokens, size_t *ret_count);

/* Whether CP may be the first, or a later, code point of a name (an identifier of ECMAScript). */
bool mrc_urlpattern_is_name_cp(uint32_t cp, bool is_first);

#endif
