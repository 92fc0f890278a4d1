/*
 * Checks on the hubs of a configuration, at start and in configtest. Each error is logged with the
 * directive to change.
 */
#ifndef MRC_HTTPD_CONFIG_CHECK_H
#define MRC_HTTPD_CONFIG_CHECK_H

#include "httpd.h"

/* Checks that the settings of each hub of MAIN_SERVER agree with each other. OK, or not OK. */
int mrc_check_hubs(server_rec *main_server);

/*
 * Checks that the hubs of MAIN_SERVER, whose specs are filled, fit into MercureMemory. OK, or not
 * OK; always OK at a reload if only the bound is too small, because the server must go on. TEMP is
 * scratch memory.
 */
int mrc_check_memory(apr_pool_t *temp, server_rec *main_server);

#endif
