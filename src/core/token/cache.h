/*
 * Tokens that were verified already: verifying costs up to milliseconds, and clients send the same
 * token again and again. Only successes are kept, under a SHA-256 of who asked and of the token's
 * text; an entry dies with its token, or gives way, the least recently used first.
 *
 * Any thread may use a cache; a mutex guards it.
 */
#ifndef MRC_CORE_TOKEN_CACHE_H
#define MRC_CORE_TOKEN_CACHE_H

#include "core/token/token.h"

struct mrc_token_cache;

/* A cache for at most MAX_ENTRIES tokens (1 to 2^24), whose room is allocated now. MRC_ENOMEM. */
enum mrc_err mrc_token_cache_create(size_t max_entries, struct mrc_token_cache **ret_cache);

/* Drops the references that the cache holds. Accepts NULL. Nobody may be using it. */
void mrc_token_cache_free(struct mrc_token_cache *cache);

/*
 * What mrc_token_verify() says, from the cache if it knows TOKEN in this SCOPE. SCOPE is whatever
 * the verdict depends on besides the token: hub, role, version of the keys, audiences, base. All
 * of it must be in there; the cache cannot know. On success the caller owns one reference.
 */
enum mrc_err mrc_token_cache_verify(struct mrc_token_cache *cache, struct mrc_bytes scope,
                                    struct mrc_bytes token, const struct mrc_token_policy *policy,
                                    int64_t now_us, struct mrc_error *reason,
                                    struct mrc_token **ret_token);

/* How many tokens are in the cache, expired ones that nobody asked for since included. */
size_t mrc_token_cache_get_count(struct mrc_token_cache *cache);

#endif
