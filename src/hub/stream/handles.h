/* clang-format off */
/*
 * The handles of the streams of one hub in one loop: through them, an order (hub/control/order.h)
 * finds its streams without looking at all others.
 *
 *     by hash --+
 *     by jti  --+--> group of one token --> handle --> handle --> handle
 *     by sub  --+                             |          |          |
 *                                          stream     stream     stream
 *
 * Streams with the same token share a group. An anonymous stream has a handle without a group. Only
 * hubs that an operator may control have handles.
 *
 * All functions are for the thread of the loop.
 */
/* clang-format on */
#ifndef MRC_HUB_STREAM_HANDLES_H
#define MRC_HUB_STREAM_HANDLES_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"

struct mrc_handle;
struct mrc_handles;
struct mrc_order;
struct mrc_stream;

/* KEY is random, so that nobody can choose claims that share a bucket. NULL: out of memory. */
struct mrc_handles *mrc_handles_create(const uint64_t key[2]);

/* Frees handles without streams. Accepts NULL. */
void mrc_handles_free(struct mrc_handles *handles);

/* Gives STREAM, whose subscriber is open, a handle. APR_ENOMEM: it has none. */
apr_status_t mrc_handles_add(struct mrc_handles *handles, struct mrc_stream *stream);

/* When HANDLE was made, since 1970; and its number, which grows with each stream of the hub in the
 * loop and may begin again at 0. */
uint32_t mrc_handle_get_since_s(const struct mrc_handle *handle);
uint32_t mrc_handle_get_serial(const struct mrc_handle *handle);

/* Removes the handle of STREAM, if it has one. */
void mrc_handles_remove(struct mrc_handles *handles, struct mrc_stream *stream);

typedef void mrc_handles_fn(void *ctx, struct mrc_stream *stream);

/*
 * Calls FN(CTX) for each stream whose token may fit ORDER. FN may remove the stream. False: the
 * order names neither a token nor a claim that is indexed, and FN was not called.
 */
bool mrc_handles_find(struct mrc_handles *handles, const struct mrc_order *order,
                      mrc_handles_fn *fn, void *ctx);

#endif
