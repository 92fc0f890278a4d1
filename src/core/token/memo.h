/*
 * Remembers the token that was verified last on a connection. A publisher sends the same token with
 * each request, and comparing two texts costs much less than the cache's SHA-256 of one (cache.h).
 *
 * A memo does not change. It belongs to the thread that handles the connection.
 */
#ifndef MRC_CORE_TOKEN_MEMO_H
#define MRC_CORE_TOKEN_MEMO_H

#include "core/token/token.h"

/* A longer scope and text are not kept. */
#define MRC_TOKEN_MEMO_MAX_BYTES 4096

struct mrc_token_memo;

/*
 * Remembers that TEXT was verified as TOKEN in SCOPE, with the meaning that SCOPE has for the
 * cache. Takes a reference of its own, and copies the rest. NULL: they are too long, or there is no
 * memory.
 */
struct mrc_token_memo *mrc_token_memo_create(struct mrc_bytes scope, struct mrc_bytes text,
                                             struct mrc_token *token);

/* Accepts NULL. */
void mrc_token_memo_free(struct mrc_token_memo *memo);

/*
 * A new reference to the token, if it was TEXT in SCOPE and has not expired at NOW_US; otherwise
 * NULL. MEMO may be NULL. A proxy may send the requests of several clients over one connection, so
 * the time that this takes does not depend on how much of TEXT is right.
 */
struct mrc_token *mrc_token_memo_find(const struct mrc_token_memo *memo, struct mrc_bytes scope,
                                      struct mrc_bytes text, int64_t now_us);

#endif
