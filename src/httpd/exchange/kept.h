/*
 * A request that ends later than its worker: its response has a long file, which the session sends
 * without a worker. Its line of the access log is written when the client has the file, or is gone.
 */
#ifndef MRC_HTTPD_EXCHANGE_KEPT_H
#define MRC_HTTPD_EXCHANGE_KEPT_H

#include <stdbool.h>

#include "httpd.h"

struct mrc_exchange;
struct mrc_exchange_job;
struct mrc_exchange_worker;
struct mrc_kept;
struct mrc_network;

/*
 * Keeps the request of NETWORK, which has its end (network.h), with C and the pool of WORKER, which
 * gets another one. False: the request has to end now, because its stream is closed, or there is no
 * memory. In its worker.
 */
bool mrc_kept_begin(struct mrc_network *network, conn_rec *c, struct mrc_exchange_worker *worker);

/* The stream of EXCHANGE is closed: the job that ends its request; NULL: none was kept. For the
 * loop's thread. */
struct mrc_exchange_job *mrc_kept_take(struct mrc_exchange *exchange);

/* Ends the request of JOB in this thread, because no worker can. */
void mrc_kept_end(struct mrc_exchange_job *job);

#endif
