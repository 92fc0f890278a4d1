/*
 * Answers what the operators of other machines ask about this one. The link that leads a hub reads
 * the questions; a separate thread answers them, because an answer waits for the other children of
 * the machine.
 */
#ifndef MRC_HUB_TRANSPORT_RESPOND_H
#define MRC_HUB_TRANSPORT_RESPOND_H

#include <stdbool.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"

#include "core/base/buf.h"
#include "core/base/bytes.h"

struct mrc_ask;
struct mrc_hub;
struct mrc_respond;

/* Appends the answer to QUESTION to RET_ANSWER, within about a second. False: there is none. */
typedef bool mrc_respond_fn(void *ctx, struct mrc_hub *hub, struct mrc_bytes question,
                            struct mrc_buf *ret_answer);

/* The function that answers. */
struct mrc_responder {
    mrc_respond_fn *fn;
    void *ctx;
};

/* Starts the thread. The struct lives in POOL; RESPONDER outlives it. */
apr_status_t mrc_respond_start(apr_pool_t *pool, const struct mrc_responder *responder,
                               struct mrc_respond **ret_respond);

/*
 * Leaves ASK about HUB to the thread; if too many wait, it is dropped. Only the thread of the link.
 */
void mrc_respond_post(struct mrc_respond *respond, struct mrc_hub *hub, const struct mrc_ask *ask);

/* Makes the thread end. Any thread, and a signal handler. Accepts NULL. */
void mrc_respond_post_stop(struct mrc_respond *respond);

/* Waits for its end until UNTIL_US of store/base/clock.h. False: it has not ended. Accepts NULL. */
bool mrc_respond_join(struct mrc_respond *respond, int64_t until_us);

#endif
