/*
 * Who speaks HTTP/2 for each virtual host: this module or mod_http2.
 *
 * Without MercureHttp2, this module does it where the virtual host has a hub, `Protocols` has h2 or
 * h2c, the MPM is event, and the configuration does not tune mod_http2 with directives that would
 * no longer apply.
 */
#ifndef MRC_HTTPD_HTTP2_CHOICE_H
#define MRC_HTTPD_HTTP2_CHOICE_H

#include "httpd.h"

/* Makes the choice for MAIN_SERVER and its virtual hosts, whose hubs are found. TEMP is scratch
 * memory. OK; not OK if MercureHttp2 On asks for something impossible. */
int mrc_http2_choice_make(apr_pool_t *temp, server_rec *main_server);

/* Logs at start why HTTP/2 is left to mod_http2 where a hub could have had it. */
void mrc_http2_choice_log(apr_pool_t *temp, server_rec *main_server);

#endif
