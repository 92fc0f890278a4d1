/*
 * The field Mercure-Publish of a response (MercurePublishHeader): its value is an update, in the
 * form of a publication's body.
 */
#ifndef MRC_HTTPD_INSIDE_HEADER_H
#define MRC_HTTPD_INSIDE_HEADER_H

#include <stdbool.h>

#include "apr_tables.h"
#include "httpd.h"

/*
 * Takes the fields out of FIELDS, which are fields of the response to R, if MercurePublishHeader is
 * On for R, or Off within a section where it is On; publishes them if it is On. Logs what is not
 * published, and why. Otherwise FIELDS are left alone.
 */
void mrc_header_take(request_rec *r, apr_table_t *fields);

/* Takes the fields out in the same cases, and publishes nothing. */
void mrc_header_remove(request_rec *r, apr_table_t *fields);

/* Whether mrc_header_take() would take fields of R. */
bool mrc_header_applies(const request_rec *r);

#endif
