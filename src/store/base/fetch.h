/*
 * Fetches small documents over https, several at a time, without blocking.
 *
 * Only https is used, even in redirects; certificates are verified. Content encodings (gzip and
 * others) are decoded. A document that exceeds the bounds below in length, encoded or decoded, in
 * time or in redirects is an error. Only the body of a response with status 200 is used.
 *
 * A fetcher belongs to one thread.
 */
#ifndef MRC_STORE_BASE_FETCH_H
#define MRC_STORE_BASE_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "apr_errno.h"
#include "core/base/bytes.h"

/* At most this many documents are fetched at the same time. */
#define MRC_FETCH_MAX_ACTIVE 8

#define MRC_FETCH_MAX_REDIRECTS      3
#define MRC_FETCH_CONNECT_TIMEOUT_MS 5000L
#define MRC_FETCH_TIMEOUT_MS         10000L

struct mrc_fetcher;

/* Reports the document TAG: its CONTENT or, if PROBLEM is not NULL, why there is none. */
typedef void mrc_fetch_done_fn(void *ctx, size_t tag, struct mrc_bytes content,
                               const char *problem);

struct mrc_fetcher_args {
    const char *ca_file; /* trusted certificates, PEM; NULL: those of the system */
    size_t max_bytes;    /* of one document, encoded or decoded */
    mrc_fetch_done_fn *done;
    void *ctx;
};

/* Call it while the process has only one thread. APR_EGENERAL: libcurl does not start. */
apr_status_t mrc_fetcher_create(const struct mrc_fetcher_args *args,
                                struct mrc_fetcher **ret_fetcher);

/* Abandons running transfers without reporting them. Accepts NULL. */
void mrc_fetcher_free(struct mrc_fetcher *fetcher);

/* Begins to fetch URL. False: MRC_FETCH_MAX_ACTIVE transfers are running, or there is no memory. */
bool mrc_fetcher_start(struct mrc_fetcher *fetcher, const char *url, size_t tag);

/* Whether TAG is being fetched; with MRC_FETCH_ANY, whether anything is. */
#define MRC_FETCH_ANY ((size_t)-1)
bool mrc_fetcher_is_active(const struct mrc_fetcher *fetcher, size_t tag);

/*
 * Waits until a transfer can continue, WAKE_FD is readable, or TIMEOUT_MS have passed; then
 * advances the transfers and reports those that have ended.
 */
void mrc_fetcher_turn(struct mrc_fetcher *fetcher, int wake_fd, int timeout_ms);

#endif
