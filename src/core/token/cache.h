/*
 * A cache of verified tokens, because verification may take milliseconds and clients send the same
 * token again and again. Only valid tokens are cached. The key of an entry is the SHA-256 of a
 * scope and of the token's text. An entry is removed when its token has expired, or when room is
 * needed: the least recently used one first.
 *
 * Any thread may use a cache; a mutex guards it.
 */
#ifndef MRC_CORE_TOKEN_CACHE_H
#define MRC_CORE_TOKEN_CACHE_H

#include "core/token/token.h"

struct mrc_token_cache;

/* Makes a cache for MAX_ENTRIES tokens (1 to 2^24), and allocates room for them. MRC_ENOMEM. */
enum mrc_err mrc_token_cache_create(size_t max_entries, struct mrc_token_cache **ret_cache);

/* Frees a cache that no thread uses any more. Accepts NULL. */
void mrc_token_cache_free(struct mrc_token_cache *cache);

/*
 * The same as mrc_token_verify(), from the cache if it has TOKEN in this SCOPE. SCOPE identifies
 * everything besides the token that the result depends on: hub, role, version of the keys,
 * audiences, base. On success the caller owns one reference.
 */
enum mrc_err mrc_token_cache_verify(struct mrc_token_cache *cache, struct mrc_bytes scope,
                                    struct mrc_bytes token, const struct mrc_token_policy *policy,
                                    int64_t now_us, struct mrc_error *reason,
                                    struct mrc_token **ret_token);

/* The number of tokens in the cache, including those that have expired since their last use. */
size_t mrc_token_cache_get_count(struct mrc_token_cache *cache);

#endif
