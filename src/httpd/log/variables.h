/*
 * The variables of mod_ssl in access logs: `%{SSL_PROTOCOL}x`, `%{cipher}c`, and `%{SSL_PROTOCOL}`
 * or `%{HTTPS}` in a condition (`expr=`). mod_ssl knows them only while the connection exists; this
 * unit answers in its place, so that a log record can have kept them.
 */
#ifndef MRC_HTTPD_LOG_VARIABLES_H
#define MRC_HTTPD_LOG_VARIABLES_H

#include "httpd.h"

#include "ap_expr.h"
#include "apr_tables.h"

/* The hook pre_config, after mod_ssl's: puts this unit in the place of mod_ssl for these items. */
int mrc_log_variables_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);

/* The hook expr_lookup, before mod_ssl's: the same for the variables in an expression, which may be
 * that of any directive. */
int mrc_log_variables_expr_lookup(ap_expr_lookup_parms *parms);

/* The hook ssl_conn_is_ssl: whether C was made from the log record of a stream over TLS, and the
 * variable HTTPS was kept. */
int mrc_log_variables_conn_is_ssl(conn_rec *c);

/* The variable for the NAME of `%{NAME}c`, a constant. NULL: there is none. */
const char *mrc_log_variables_of_short(const char *name);

/* The values that R has for NAMES, an array of const char *; those that are not empty. */
apr_table_t *mrc_log_variables_of(request_rec *r, const apr_array_header_t *names);

#endif
