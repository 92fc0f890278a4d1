/*
 * The first start of a version that gives each site hubs of its own. Earlier versions had one hub
 * for a section and all virtual hosts that inherited it, and different hubs for the http and https
 * halves of a site.
 */
#ifndef MRC_HTTPD_LIFE_UPGRADE_H
#define MRC_HTTPD_LIFE_UPGRADE_H

#include "httpd.h"

/*
 * Logs which sections have become several hubs, and which have become one hub. Gives a hub without
 * a directory for its history the newest one that an earlier version left for it; keeps the others
 * under another name. A directory with the updates of several sites goes to none of them. At a
 * start, not at a reload, before the directories are opened.
 */
void mrc_upgrade_hubs(apr_pool_t *ptemp, server_rec *main_server);

#endif
