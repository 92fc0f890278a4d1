/*
 * Whether httpd reads the configuration for a server that already runs.
 *
 * An error in a hook or a directive ends httpd. configtest and a start report every problem in this
 * way. At a reload, a problem outside the configuration text (a file, a variable, a full disk) must
 * not end a server that serves other sites: it is logged, and what was good stays in force.
 */
#ifndef MRC_HTTPD_BASE_RELOAD_H
#define MRC_HTTPD_BASE_RELOAD_H

#include <stdbool.h>

bool mrc_reload_is_now(void);

#endif
