/*
 * Interim responses (1xx) never show the field Mercure-Publish to the client. httpd writes their
 * text into the first output filter of the connection, past the filters of the request: so a filter
 * is there while a request may send such responses.
 *
 *     c->output_filters --> this filter --+--> mod_ssl, network
 *     r->output_filters --> ... ----------+
 *
 * The final response does not pass this filter.
 */
#ifndef MRC_HTTPD_INSIDE_INTERIM_H
#define MRC_HTTPD_INSIDE_INTERIM_H

#include "httpd.h"

/* Filters the interim responses to R, until the end of R or until the connection carries anything
 * other than HTTP. Takes memory from the pool of the connection only at its first request. */
void mrc_interim_filter(request_rec *r);

/* Registers the filter. When the module is loaded. */
void mrc_interim_register(void);

#endif
