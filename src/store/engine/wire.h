/*
 * A connection to a Redis server: its socket, TLS, and commands and replies as bytes.
 *
 * Commands are added to a buffer and flushed; replies come in the order of the commands. Nothing
 * here blocks except mrc_wire_connect() and the waits at the end, which have a time limit. A wire
 * that has failed is of no further use. One thread at a time.
 */
#ifndef MRC_STORE_ENGINE_WIRE_H
#define MRC_STORE_ENGINE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"

#include "core/base/bytes.h"
#include "store/engine/engine.h"

struct mrc_lookups;
struct mrc_tls;
struct mrc_wire;
struct redisReply;

/*
 * Connects to HOST within TIMEOUT_US. LOOKUPS has lookups that have not ended. TLS must outlive the
 * wire; NULL: without TLS. Returns NULL, with the reason in ERROR, on failure.
 */
struct mrc_wire *mrc_wire_connect(struct mrc_lookups *lookups, const struct mrc_engine_host *host,
                                  const struct mrc_tls *tls, int64_t timeout_us,
                                  struct mrc_engine_error *error);

/* Closes it at once. Accepts NULL. */
void mrc_wire_close(struct mrc_wire *wire);

/* Sets the most bytes of one reply: a server that sends more breaks the connection. */
void mrc_wire_set_reply_max(struct mrc_wire *wire, uint64_t bytes);

int mrc_wire_fd(const struct mrc_wire *wire);

/*
 * Begins a command of COUNT arguments, which the calls below add, one each. If memory runs out, the
 * next flush fails.
 */
void mrc_wire_begin(struct mrc_wire *wire, size_t count);
void mrc_wire_add(struct mrc_wire *wire, struct mrc_bytes arg);

/* One argument, which consists of COUNT parts. */
void mrc_wire_add_parts(struct mrc_wire *wire, const struct mrc_bytes *parts, size_t count);
void mrc_wire_add_text(struct mrc_wire *wire, const char *text);
void mrc_wire_add_number(struct mrc_wire *wire, uint64_t number);

/* Sends as much of what was added as the socket accepts. False: the wire has failed. */
bool mrc_wire_flush(struct mrc_wire *wire, struct mrc_engine_error *error);

/* Whether there is more to send: then flush again when the socket is writable. */
bool mrc_wire_has_more(const struct mrc_wire *wire);

/* Reads what has arrived. False: the wire has failed. */
bool mrc_wire_receive(struct mrc_wire *wire, struct mrc_engine_error *error);

/*
 * Takes the next complete reply out of what was received; the caller frees it with
 * mrc_wire_free_reply(). RET_REPLY gets NULL if there is none. False: the wire has failed.
 */
bool mrc_wire_take(struct mrc_wire *wire, struct redisReply **ret_reply,
                   struct mrc_engine_error *error);

/* Accepts NULL. */
void mrc_wire_free_reply(struct redisReply *reply);

/*
 * Sends what was added and waits at most TIMEOUT_US for the next reply. NULL: the wire has failed.
 */
struct redisReply *mrc_wire_wait(struct mrc_wire *wire, int64_t timeout_us,
                                 struct mrc_engine_error *error);

/* The same for a reply that may be long for its network: more of it must come within each
 * TIMEOUT_US, and all of it within MOST_US. */
struct redisReply *mrc_wire_wait_long(struct mrc_wire *wire, int64_t timeout_us, int64_t most_us,
                                      struct mrc_engine_error *error);

#endif
