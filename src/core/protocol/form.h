/*
 * The parser of application/x-www-form-urlencoded
 * (https://url.spec.whatwg.org/#urlencoded-parsing), for the body of a publication and for the
 * query and the body of a subscription.
 *
 * Every input is a form: `;` is data, a stray `%` stands for itself, a part without `=` is a name
 * with an empty value, and empty parts are skipped. Unlike the standard's parser, this one does not
 * replace invalid UTF-8: names and values are the decoded bytes, which the caller validates.
 */
#ifndef MRC_CORE_PROTOCOL_FORM_H
#define MRC_CORE_PROTOCOL_FORM_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

/* Both views live as long as the form. They have a pointer even if they are empty. */
struct mrc_form_pair {
    struct mrc_bytes name;
    struct mrc_bytes value;
};

/* Immutable once parsed. It does not refer to the body. */
struct mrc_form;

/*
 * Parses BODY, whose length the caller has bounded: the form takes at most BODY.len bytes, and 32
 * bytes more for each pair. MRC_ELIMIT if there are more than MAX_PAIRS pairs; MRC_ENOMEM. The
 * caller frees RET_FORM.
 */
enum mrc_err mrc_form_parse(struct mrc_bytes body, size_t max_pairs, struct mrc_error *error,
                            struct mrc_form **ret_form);

/* Accepts NULL. */
void mrc_form_free(struct mrc_form *form);

/* The number of pairs, which are in the order of the body. A name may occur several times. */
size_t mrc_form_count(const struct mrc_form *form);

/* The pair with the index I, which is less than the count. */
struct mrc_form_pair mrc_form_get(const struct mrc_form *form, size_t i);

#endif
