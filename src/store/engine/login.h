/* The first command on a connection, which says who the client is. */
#ifndef MRC_STORE_ENGINE_LOGIN_H
#define MRC_STORE_ENGINE_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/engine/engine.h"

struct mrc_wire;

/*
 * Says hello on WIRE as USER (NULL: the default user) with PASSWORD, and names the connection NAME.
 * False, with the reason in ERROR.
 */
bool mrc_login(struct mrc_wire *wire, const char *user, const struct mrc_engine_secret *password,
               const char *name, int64_t timeout_us, struct mrc_engine_error *error);

#endif
