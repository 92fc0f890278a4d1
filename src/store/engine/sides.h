/*
 * The connections of a machine with a server (redis.h), and what the server says about itself.
 */
#ifndef MRC_STORE_ENGINE_SIDES_H
#define MRC_STORE_ENGINE_SIDES_H

#include <stdbool.h>

enum mrc_redis_side { MRC_REDIS_W, MRC_REDIS_R, MRC_REDIS_S, MRC_REDIS_SIDES };

/* What the server says about itself. */
struct mrc_redis_about {
    char address[256]; /* host:port */
    char version[24];
    char policy[32]; /* maxmemory-policy; empty: not known */
    bool has_maxmemory;
};

#endif
