/*
 * The parts of a request that the server's access logs use, according to the LogFormat, CustomLog
 * and GlobalLog directives. If a request is freed before its line is written, a record must keep
 * them.
 */
#ifndef MRC_HTTPD_LOG_FIELDS_H
#define MRC_HTTPD_LOG_FIELDS_H

#include "httpd.h"

#include "apr_tables.h"
#include "http_config.h"

/* The names are arrays of const char *, each name once, in upper or lower case. */
struct mrc_log_fields {
    apr_array_header_t *request;  /* fields of the request */
    apr_array_header_t *response; /* fields of the response */
    apr_array_header_t *notes;
    apr_array_header_t *env;
    apr_array_header_t *tls; /* variables of mod_ssl, those of conditions, too */
    int all; /* all fields and other variables, because a condition (expr=) can use any of them */
    int is_buffered; /* BufferedLogs: the threads of a child share the memory that lines wait in */
};

/* Finds what all access logs in the configuration CONF use. Lives in POOL, with its names. */
struct mrc_log_fields *mrc_log_fields_find(apr_pool_t *pool, const ap_directive_t *conf);

#endif
