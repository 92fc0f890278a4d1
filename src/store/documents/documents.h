/*
 * Documents (key files and JWK Sets) that change while the server runs, shared by all of its
 * processes. One child, the leader, refreshes them; the other children read them here.
 *
 * The parent creates them for each configuration before its children, which inherit them. The
 * children of an older configuration keep the older documents. They contain secrets, so there is no
 * file behind them.
 *
 * Threads: only the thread that leads calls the functions of the leader; any thread of any process
 * may call the others.
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

/* The initial state of a document. */
struct mrc_document_spec {
    const char *name;         /* identifies it across reloads */
    struct mrc_bytes content; /* its first version; ptr NULL: none yet */
};

/*
 * Creates N documents; N may be 0. The struct and copies of the names live in POOL, the mapping
 * lives until mrc_documents_close(). APR_EINVAL: a content is longer than MRC_DOCUMENT_MAX_BYTES.
 */
apr_status_t mrc_documents_create(apr_pool_t *pool, const struct mrc_document_spec *specs, size_t n,
                                  struct mrc_error *error, struct mrc_documents **ret_documents);

/*
 * Copies the version of each document in FROM to the document of the same name in TO, if that one
 * has none. Allocates nothing: a failure would leave a JWK Set missing until it is fetched again.
 */
void mrc_documents_carry(const struct mrc_documents *from, struct mrc_documents *to);

/* Unmaps them in this process. Accepts NULL. */
void mrc_documents_close(struct mrc_documents *documents);

size_t mrc_documents_count(const struct mrc_documents *documents);

/* ---- Every child ------------------------------------------------------------------------------*/

/* The number of the current version; 0: none yet. */
uint64_t mrc_documents_generation(const struct mrc_documents *documents, size_t i);

/* Appends the current version to BUF. False: there is none, or BUF has failed. */
bool mrc_documents_read(const struct mrc_documents *documents, size_t i, struct mrc_buf *buf,
                        uint64_t *ret_generation);

/* Asks the leader to refresh document I as soon as it may. */
void mrc_documents_ask(const struct mrc_documents *documents, size_t i);

/*
 * Whether to log TEXT about document I: true for one caller in the whole server, until another TEXT
 * is given. An empty TEXT forgets the last one and returns false.
 */
bool mrc_documents_say_once(const struct mrc_documents *documents, size_t i, const char *text);

/*
 * To wait for a change: call mrc_documents_news(), check all documents, then wait with that value.
 * mrc_documents_wait() returns after a new version, a request or a mrc_documents_wake() since the
 * value was taken, or after TIMEOUT_MS, and sometimes without a reason. A signal handler may call
 * mrc_documents_wake().
 */
uint32_t mrc_documents_news(const struct mrc_documents *documents);
void mrc_documents_wait(const struct mrc_documents *documents, uint32_t news, int timeout_ms);
void mrc_documents_wake(const struct mrc_documents *documents);

/* ---- The leader -------------------------------------------------------------------------------*/

/*
 * Makes the calling thread the leader if there is none, or if the last one has died. True: it
 * leads, and must call mrc_documents_resign() before it ends. A leader must not call it again.
 */
bool mrc_documents_lead(const struct mrc_documents *documents);
void mrc_documents_resign(const struct mrc_documents *documents);

/* Stores CONTENT as the next version. False: it is too long. */
bool mrc_documents_write(const struct mrc_documents *documents, size_t i, struct mrc_bytes content);

/* The attempts to refresh a document. Times are of the monotonic clock. */
struct mrc_document_state {
    int64_t tried_us;    /* when the last attempt began; 0: never */
    int64_t answered_us; /* when the last requested attempt began; 0: never */
    uint64_t failures;   /* since the last success */
    bool asked;          /* there is a request for one more */
};
struct mrc_document_state mrc_documents_state(const struct mrc_documents *documents, size_t i);

/* Notes that an attempt begins, and whether it was ASKED for; notes whether it succeeded. */
void mrc_documents_begin(const struct mrc_documents *documents, size_t i, int64_t now_us,
                         bool asked);
void mrc_documents_end(const struct mrc_documents *documents, size_t i, bool good);

#endif
