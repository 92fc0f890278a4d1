/*
 * The request of an exchange as httpd sees it: a secondary connection, as modules know it from
 * mod_http2, and a request_rec. Modules of httpd handle it like any other request.
 */
#ifndef MRC_HTTPD_EXCHANGE_SECONDARY_H
#define MRC_HTTPD_EXCHANGE_SECONDARY_H

#include <stdbool.h>

#include "httpd.h"

#include "httpd/exchange/workers.h"

struct mrc_exchange;

/* Registers the filters. */
void mrc_secondary_register(void);

/* The run function of an exchange's job. */
void mrc_secondary_run(struct mrc_exchange_job *job, struct mrc_exchange_worker *worker);

/* The exchange that C is the secondary connection of; NULL: C is another connection. */
struct mrc_exchange *mrc_secondary_exchange(const conn_rec *c);

/*
 * The exchange of C continues when its request has ended: what the request still writes is dropped.
 */
void mrc_secondary_leave(conn_rec *c);

/* post_read_request, before all other modules: prepares the response of a request of HTTP/2; 421 if
 * this module does not speak HTTP/2 for its virtual host. */
int mrc_secondary_post_read_request(request_rec *r);

/* post_read_request, after mod_remoteip: gives R an address of the client that no other request of
 * the connection has. */
int mrc_secondary_own_address(request_rec *r);

/* insert_filter and insert_error_filter, after all other modules. */
void mrc_secondary_insert_filter(request_rec *r);

/* fixups: the environment. */
int mrc_secondary_fixups(request_rec *r);

#endif
