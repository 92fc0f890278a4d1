/*
 * Questions of one machine to others, for its operators, and their answers.
 *
 *     T:q                 a stream of the newest questions, which each machine reads with its log
 *     T:a:NONCE.MACHINE   one answer, which expires
 *
 * Both take bounded space in the engine, even if a machine dies meanwhile. The functions wait for
 * their replies on W, and return false if the connection has failed.
 */
#ifndef MRC_STORE_ENGINE_ASKS_H
#define MRC_STORE_ENGINE_ASKS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "store/engine/ask.h"
#include "store/engine/engine.h"

struct mrc_redis;
struct mrc_redis_keys;

/*
 * Copies the id of the newest question to RET_ID, or the id before the first one. RET_CAN_READ is
 * false if the engine does not say, because the key has another type or the user may not read it.
 */
bool mrc_asks_begin(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                    char ret_id[MRC_ASKS_ID_BYTES], bool *ret_can_read,
                    struct mrc_engine_error *error);

/* Puts ASK into the stream, where it replaces the oldest question if there are MRC_ASKS_MAX. */
bool mrc_asks_put(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                  const struct mrc_ask *ask, struct mrc_engine_error *error);

/* Stores the ANSWER of MACHINE to the question NONCE. */
bool mrc_asks_answer(struct mrc_redis *redis, const struct mrc_redis_keys *keys,
                     const char *machine, const char *nonce, struct mrc_bytes answer,
                     struct mrc_engine_error *error);

/*
 * Appends the answer of MACHINE to RET_ANSWER: nothing if there is none yet, and more than
 * MRC_ASKS_ANSWER_MAX bytes if it is too long.
 */
bool mrc_asks_get(struct mrc_redis *redis, const struct mrc_redis_keys *keys, const char *machine,
                  const char *nonce, struct mrc_buf *ret_answer, struct mrc_engine_error *error);

/* Removes that answer. */
bool mrc_asks_drop(struct mrc_redis *redis, const struct mrc_redis_keys *keys, const char *machine,
                   const char *nonce, struct mrc_engine_error *error);

#endif
