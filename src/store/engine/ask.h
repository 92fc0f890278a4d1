/*
 * A question of one machine to others (asks.h).
 */
#ifndef MRC_STORE_ENGINE_ASK_H
#define MRC_STORE_ENGINE_ASK_H

#include <stddef.h>

#include "core/base/bytes.h"

/* The engine keeps this many questions. */
#define MRC_ASKS_MAX 16

#define MRC_ASKS_QUESTION_MAX ((size_t)96 * 1024)
#define MRC_ASKS_ANSWER_MAX   ((size_t)512 * 1024)
#define MRC_ASKS_NONCE_MAX    32

/* An id in the stream of questions, with its terminator. */
#define MRC_ASKS_ID_BYTES 48

struct mrc_ask {
    struct mrc_bytes nonce, from, to; /* names of machines; TO is "*" if all are asked */
    struct mrc_bytes question;
};

#endif
