/*
 * The log lines about the hubs of a configuration that is in force, at the start and after each
 * reload: the hubs, and settings that are dangerous or make a hub useless.
 */
#ifndef MRC_HTTPD_CONFIG_WARNINGS_H
#define MRC_HTTPD_CONFIG_WARNINGS_H

#include "httpd.h"

/* Logs a line for each hub of MAIN_SERVER, and the warnings about it. In post_config. */
void mrc_warnings_log(server_rec *main_server);

#endif
