/*
 * Fetching small documents by https, several at a time, without ever blocking.
 *
 * https only, redirects too; certificates are verified; what is longer, takes longer or leads
 * further than the bounds below is an error. Of what a server answers nothing but the body of a 200
 * is used.
 *
 * A fetcher belongs to one thread.
 */
#ifndef MRC_STORE_BASE_FETCH_H
#define MRC_STORE_BASE_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "core/base/bytes.h"

/* How many are fetched at the same time. */
#define MRC_FETCH_MAX_ACTIVE 8

#define MRC_FETCH_MAX_REDIRECTS      3
#define MRC_FETCH_CONNECT_TIMEOUT_MS 5000L
#define MRC_FETCH_TIMEOUT_MS         10000L

struct mrc_fetcher;

/* What became of the document TAG: its CONTENT, or (PROBLEM is not NULL) why there is none. */
typedef void mrc_fetch_done_fn(void *ctx, size_t tag, struct mrc_bytes content,
                               const char *problem);

struct mrc_fetcher_args {
    const char *ca_file; /* PEM: whom to trust; NULL: whom the system trusts */
    size_t max_bytes;    /* of a document */
    mrc_fetch_done_fn *done;
    void *ctx;
};

/* To be called while the process has one thread. APR_EGENERAL: libcurl does not start. */
apr_status_t mrc_fetcher_create(const struct mrc_fetcher_args *args,
                                struct mrc_fetcher **ret_fetcher);

/* Gives up what is being fetched, of which nothing is said. Accepts NULL. */
void mrc_fetcher_free(struct mrc_fetcher *fetcher);

/* Begins to fetch URL. False: as many are being fetched as may be, or there is no memory. */
bool mrc_fetcher_start(struct mrc_fetcher *fetcher, const char *url, size_t tag);

/* Whether TAG is being fetched, or (MRC_FETCH_ANY) anything. */
#define MRC_FETCH_ANY ((size_t)-1)
bool mrc_fetcher_is_active(const struct mrc_fetcher *fetcher, size_t tag);

/*
 * Waits until there is something to do, WAKE_FD is readable, or TIMEOUT_MS have passed; does it,
 * and tells of what is done.
 */
void mrc_fetcher_turn(struct mrc_fetcher *fetcher, int wake_fd, int timeout_ms);

#endif
