/*
 * Checks on the hubs of a configuration, at start and in configtest. Each error is logged with the
 * directive to change.
 */
#ifndef MRC_HTTPD_CONFIG_CHECK_H
#define MRC_HTTPD_CONFIG_CHECK_H

#include "httpd.h"

struct mrc_key_row;
struct mrc_location_settings;
struct mrc_settings;

/* Checks that the settings of each hub of MAIN_SERVER agree with each other. OK, or not OK. */
int mrc_check_hubs(server_rec *main_server);

/*
 * Checks that each MercurePublishHeader and MercureDiscovery of MAIN_SERVER and its virtual hosts
 * finds its hub. OK, or not OK.
 */
int mrc_check_responses(server_rec *main_server);

/*
 * The directive of SETTINGS that is about the cookie, and so conflicts with their
 * MercureCorsOrigins *; NULL: there is no conflict.
 */
const char *mrc_check_any_origin(const struct mrc_settings *settings);

/*
 * The key of operators in SETTINGS that is also one of publishers or subscribers; NULL: there is
 * none. mrc_check_hubs() looks at the Locations of the hubs. A section inside such a Location can
 * have other settings, so requests look, too.
 */
const struct mrc_key_row *mrc_check_control_keys(const struct mrc_location_settings *settings);

/*
 * Checks that MercureMemory allows the history of each hub of MAIN_SERVER, whose specs are filled.
 * OK, or not OK; always OK at a reload if only the bound is too small, because the server must
 * continue. TEMP is scratch memory.
 */
int mrc_check_memory(apr_pool_t *temp, server_rec *main_server);

#endif
