/*
 * Reading the parts of a reply whose shape is not trusted.
 */
#ifndef MRC_STORE_ENGINE_REPLY_H
#define MRC_STORE_ENGINE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "store/engine/ask.h"
#include "store/engine/engine.h"
#include "store/engine/entry.h"

struct redisReply;

/* Element I of an array; NULL: REPLY is not an array (or is NULL), or has no such element. */
const struct redisReply *mrc_reply_at(const struct redisReply *reply, size_t i);

/* The text of a string or a status; empty for anything else, and for NULL. */
struct mrc_bytes mrc_reply_text(const struct redisReply *reply);

/* A number that is not negative, as an integer or as text. */
bool mrc_reply_number(const struct redisReply *reply, uint64_t *ret_number);

/* An entry of a stream. False: REPLY is not one. */
bool mrc_reply_entry(const struct redisReply *reply, struct mrc_entry *ret_entry);

/* Whether TEXT looks like the id of an entry of a stream, and is short enough for
 * MRC_ASKS_ID_BYTES. */
bool mrc_reply_is_stream_id(struct mrc_bytes text);

/* A question in a stream of questions (asks.h). False: REPLY is not one. */
bool mrc_reply_ask(const struct redisReply *reply, struct mrc_ask *ret_ask);

/* False if REPLY is an error, which ERROR then describes. */
bool mrc_reply_is_good(const struct redisReply *reply, struct mrc_engine_error *error);

/* Sets ERROR and returns false. */
bool mrc_reply_set_error(struct mrc_engine_error *error, enum mrc_engine_reason reason,
                         const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
