/*
 * The mailbox for inquiries: any thread of any child asks one other child, and waits for its
 * answer.
 *
 *     asker                                     the thread of the other child
 *     begin: takes the lock
 *     ask, then wakes the slot (notify.h)  -->  take
 *     wait                                 <--  answer
 *     ask the next child …
 *     end
 *
 * One asker uses it at a time. Questions and answers are bytes with a bound. An asker does not
 * depend on the other child: it withdraws a question that nobody has taken, and leaves the mailbox
 * with one that was taken and not answered. The mailbox is then of no use until that child has
 * answered or ended.
 */
#ifndef MRC_STORE_SHM_INQUIRY_H
#define MRC_STORE_SHM_INQUIRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

#define MRC_INQUIRY_ASK_BYTES    16384
#define MRC_INQUIRY_ANSWER_BYTES (256 * 1024)

struct mrc_inquiry;

/* Makes the mailbox, which children inherit. The struct lives in POOL. Only the parent. */
apr_status_t mrc_inquiry_create(apr_pool_t *pool, struct mrc_error *error,
                                struct mrc_inquiry **ret_inquiry);

/* Unmaps it, in this process. Accepts NULL. */
void mrc_inquiry_close(struct mrc_inquiry *inquiry);

/* ---- the asker --------------------------------------------------------------------------------*/

/* Whether the child PID still has SLOT. */
typedef bool mrc_inquiry_lives_fn(void *ctx, unsigned slot, pid_t pid);

/*
 * Takes the mailbox. Waits at most WAIT_US for the previous asker, and as long again for the child
 * that it asked. APR_TIMEUP: one of them still uses it; other errors are those of
 * mrc_lock_acquire(). After APR_SUCCESS call mrc_inquiry_end(), in the same thread.
 */
apr_status_t mrc_inquiry_begin(struct mrc_inquiry *inquiry, int64_t wait_us,
                               mrc_inquiry_lives_fn *lives, void *ctx);
void mrc_inquiry_end(struct mrc_inquiry *inquiry);

/* Puts QUESTION to part PART of the child PID in SLOT; wake it afterwards. False: the question has
 * more than MRC_INQUIRY_ASK_BYTES, or a child has taken an earlier one and not answered yet. */
bool mrc_inquiry_ask(struct mrc_inquiry *inquiry, unsigned slot, pid_t pid, unsigned part,
                     struct mrc_bytes question);

/* Waits for the answer at most WAIT_US, and appends it to RET_ANSWER. False: there is none. */
bool mrc_inquiry_wait(struct mrc_inquiry *inquiry, int64_t wait_us, struct mrc_buf *ret_answer);

/* ---- the child --------------------------------------------------------------------------------*/

/*
 * Takes a question to PART of SLOT, and appends it to RET_QUESTION. False: there is none; finding
 * that out costs one load. A child that has taken a question must answer it.
 */
bool mrc_inquiry_take(struct mrc_inquiry *inquiry, unsigned slot, unsigned part,
                      struct mrc_buf *ret_question);

/* Answers the question that was taken, with at most MRC_INQUIRY_ANSWER_BYTES. */
void mrc_inquiry_answer(struct mrc_inquiry *inquiry, struct mrc_bytes answer);

#endif
