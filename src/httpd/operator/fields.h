/*
 * Reads the fields of a call. Unlike those of a publication, they must not be unknown or repeated,
 * and those of an order not empty: a mistake would otherwise make an order apply to more streams
 * than it was meant for.
 */
#ifndef MRC_HTTPD_OPERATOR_FIELDS_H
#define MRC_HTTPD_OPERATOR_FIELDS_H

#include <stddef.h>

#include "core/base/bytes.h"

struct mrc_operator_call;

/* One field that a call may have. */
struct mrc_operator_field {
    const char *name;
    struct mrc_bytes *value; /* gets a view that lives as long as the call, or is untouched */
    size_t max_bytes;
    bool is_secret; /* the log must not have its value */
};

/*
 * Reads the form in the body of CALL, or in its query. A call without a body needs no content type,
 * and an empty parameter of a query counts as not given. DECLINED; otherwise the call has been
 * answered.
 */
int mrc_operator_read_body(struct mrc_operator_call *call, const struct mrc_operator_field *fields,
                           size_t count);
int mrc_operator_read_query(struct mrc_operator_call *call, const struct mrc_operator_field *fields,
                            size_t count);

#endif
