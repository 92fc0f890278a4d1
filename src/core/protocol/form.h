/*
 * The parser of application/x-www-form-urlencoded
 * (https://url.spec.whatwg.org/#urlencoded-parsing): publish bodies, queries of subscriptions,
 * QUERY bodies.
 *
 * Nothing is malformed here: `;` is data, a stray `%` stands for itself, a part without `=` is a
 * name with an empty value, empty parts are skipped. Unlike the standard's parser, this one does
 * not replace what is no UTF-8: names and values are the decoded bytes, which the caller validates.
 */
#ifndef MRC_CORE_PROTOCOL_FORM_H
#define MRC_CORE_PROTOCOL_FORM_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

/* Both views have a pointer, even when empty, and live as long as the form. */
struct mrc_form_pair {
    struct mrc_bytes name;
    struct mrc_bytes value;
};

/* Immutable once parsed; holds a copy of everything it needs of the body. */
struct mrc_form;

/*
 * Parses BODY, whose length the caller has bounded: the form takes at most BODY.len bytes and 32
 * for each pair. MRC_ELIMIT if there are more than MAX_PAIRS pairs; MRC_ENOMEM. The caller frees
 * RET_FORM.
 */
enum mrc_err mrc_form_parse(struct mrc_bytes body, size_t max_pairs, struct mrc_error *error,
                            struct mrc_form **ret_form);

/* Accepts NULL. */
void mrc_form_free(struct mrc_form *form);

/* The number of pairs; they are in the order of the body, and names may repeat. */
size_t mrc_form_count(const struct mrc_form *form);

/* The pair I, which is less than the count. */
struct mrc_form_pair mrc_form_get(const struct mrc_form *form, size_t i);

#endif
