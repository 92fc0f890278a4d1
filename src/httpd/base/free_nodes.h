/*
 * The free memory of a connection. httpd takes memory for it in nodes of 8 KB or more, and keeps
 * those that are free again for the next request.
 */
#ifndef MRC_HTTPD_BASE_FREE_NODES_H
#define MRC_HTTPD_BASE_FREE_NODES_H

#include "httpd.h"

/* Gives back the free nodes of C's pools, which keep no free nodes from now on. In the thread that
 * owns C. */
void mrc_free_nodes_give_back(conn_rec *c);

#endif
