/*
 * The hubs in mod_status: a section of /server-status, and lines of ?auto.
 */
#ifndef MRC_HTTPD_MONITOR_SERVER_STATUS_H
#define MRC_HTTPD_MONITOR_SERVER_STATUS_H

#include "httpd.h"

/* Registers the hook, which has no effect without mod_status. */
void mrc_server_status_register(void);

/*
 * The hook of mod_status: shows the sums over all child processes. ?auto combines all hubs; the
 * page has a row for each hub. A child process that serves no hub adds nothing.
 */
int mrc_server_status_hook(request_rec *r, int flags);

#endif
