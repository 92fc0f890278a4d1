/*
 * What the server's access logs tell of a request, as its LogFormat and CustomLog directives say:
 * so much must be kept of a request that is gone when its line is written.
 */
#ifndef MRC_HTTPD_LOG_FIELDS_H
#define MRC_HTTPD_LOG_FIELDS_H

#include "httpd.h"

#include "apr_tables.h"
#include "http_config.h"

/* Arrays of const char *, each name once, however it is written. */
struct mrc_log_fields {
    apr_array_header_t *request;  /* fields of the request */
    apr_array_header_t *response; /* fields of the response */
    apr_array_header_t *notes;
    apr_array_header_t *env;
    int all; /* a condition (expr=) may look at anything: all fields and variables are kept */
    int is_buffered; /* BufferedLogs: lines gather in memory that all of a child's threads share */
};

/* The fields of all access logs below the directive CONF; lives in POOL, and so do the names. */
struct mrc_log_fields *mrc_log_fields_find(apr_pool_t *pool, const ap_directive_t *conf);

#endif
