/*
 * The hubs in mod_status: a section of /server-status, and lines of ?auto.
 */
#ifndef MRC_HTTPD_MONITOR_SERVER_STATUS_H
#define MRC_HTTPD_MONITOR_SERVER_STATUS_H

#include "httpd.h"

/* Registers the hook of mod_status, if that is loaded. */
void mrc_server_status_register(void);

/*
 * mod_status' hook: the numbers of all children together. ?auto has the sums of all hubs, the page
 * a row for each. A child that serves no hub adds nothing.
 */
int mrc_server_status_hook(request_rec *r, int flags);

#endif
