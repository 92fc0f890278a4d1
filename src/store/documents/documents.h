/*
 * Documents that change while the server runs, key files and JWK Sets, as all of its processes
 * share them: one child, the leader, brings them up to date, and the others take them from here.
 *
 * The parent makes them for each configuration, before its children, which inherit them; the
 * children of an older configuration keep the older ones. They hold secrets, so there is no file
 * behind them.
 *
 * Threads: whatever is said to be the leader's belongs to the one thread that leads; the rest may
 * be called by any thread of any process.
 */
#ifndef MRC_STORE_DOCUMENTS_DOCUMENTS_H
#define MRC_STORE_DOCUMENTS_DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "core/base/buf.h"
#include "core/base/err.h"

struct mrc_documents;

/* What a document begins with. */
struct mrc_document_spec {
    const char *name;         /* what it is called, the same after a reload */
    struct mrc_bytes content; /* its first version; ptr NULL: none yet */
};

/*
 * Makes N documents; N may be 0. The struct and copies of the names live in POOL, the mapping until
 * mrc_documents_close(). A content longer than MRC_DOCUMENT_MAX_BYTES is APR_EINVAL.
 */
apr_status_t mrc_documents_create(apr_pool_t *pool, const struct mrc_document_spec *specs, size_t n,
                                  struct mrc_error *error, struct mrc_documents **ret_documents);

/* Gives documents of TO that have no version yet the one that FROM has under the same name. */
void mrc_documents_carry(const struct mrc_documents *from, struct mrc_documents *to);

/* Unmaps, in this process. Accepts NULL. */
void mrc_documents_close(struct mrc_documents *documents);

size_t mrc_documents_count(const struct mrc_documents *documents);

/* ---- what every child may do ------------------------------------------------------------------*/

/* The number of the version that counts; 0: none yet. */
uint64_t mrc_documents_generation(const struct mrc_documents *documents, size_t i);

/* Appends the version that counts to BUF. False: there is none, or BUF has failed. */
bool mrc_documents_read(const struct mrc_documents *documents, size_t i, struct mrc_buf *buf,
                        uint64_t *ret_generation);

/* Wants document I anew, whenever the leader may fetch it. */
void mrc_documents_ask(const struct mrc_documents *documents, size_t i);

/*
 * Whether TEXT is not what was last said of document I: in the whole server one caller hears true,
 * until something else is said. The empty text takes back what was said, and is never true.
 */
bool mrc_documents_say_once(const struct mrc_documents *documents, size_t i, const char *text);

/*
 * To wait for what others do: take mrc_documents_news(), look at everything, then wait with it.
 * mrc_documents_wait() returns when there has been a new version, a new question, or a
 * mrc_documents_wake() (which a signal handler may call) since it was taken; or after TIMEOUT_MS;
 * or without a reason.
 */
uint32_t mrc_documents_news(const struct mrc_documents *documents);
void mrc_documents_wait(const struct mrc_documents *documents, uint32_t news, int timeout_ms);
void mrc_documents_wake(const struct mrc_documents *documents);

/* ---- who leads --------------------------------------------------------------------------------*/

/*
 * Becomes the leader if there is none, or if the last one has died; true then. Only for a thread
 * that does not lead already, and that calls mrc_documents_resign() before it ends.
 */
bool mrc_documents_lead(const struct mrc_documents *documents);
void mrc_documents_resign(const struct mrc_documents *documents);

/* The leader: CONTENT is the next version. False: it is too long. */
bool mrc_documents_write(const struct mrc_documents *documents, size_t i, struct mrc_bytes content);

/* The leader: how the fetching of a document stands. Times are of the monotonic clock. */
struct mrc_document_state {
    int64_t tried_us;    /* when the last attempt began; 0: never */
    int64_t answered_us; /* when the last attempt began that somebody had asked for; 0: never */
    uint64_t failures;   /* since the last good one */
    bool asked;          /* somebody asks for one more */
};
struct mrc_document_state mrc_documents_state(const struct mrc_documents *documents, size_t i);

/* The leader: an attempt begins, which answers who ASKED; and how it ended. */
void mrc_documents_begin(const struct mrc_documents *documents, size_t i, int64_t now_us,
                         bool asked);
void mrc_documents_end(const struct mrc_documents *documents, size_t i, bool good);

#endif
