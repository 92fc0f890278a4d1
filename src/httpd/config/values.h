/*
 * The values of a directive: reads its arguments, and writes them into settings (settings.h). For
 * the thread that reads the directive (directives.h).
 */
#ifndef MRC_HTTPD_CONFIG_VALUES_H
#define MRC_HTTPD_CONFIG_VALUES_H

#include "httpd.h"

#include "http_config.h"

struct mrc_directive;
struct mrc_settings;

/*
 * Reads ARGV, the arguments of the directive of ROW, whose place is right (place.h). NULL, or an
 * error message with the fix; it shows no secret. SETTINGS may then be written in part.
 */
const char *mrc_values_set(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[]);

#endif
