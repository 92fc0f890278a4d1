/*
 * Answers for this machine what the operators of other machines ask (hub/transport/respond.h).
 */
#ifndef MRC_HTTPD_OPERATOR_RESPOND_H
#define MRC_HTTPD_OPERATOR_RESPOND_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"

struct mrc_hub;

/* Appends the answer to QUESTION to RET_ANSWER. CHILD is the struct mrc_child. False: this version
 * does not know such a question. */
bool mrc_operator_respond(void *child, struct mrc_hub *hub, struct mrc_bytes question,
                          struct mrc_buf *ret_answer);

#endif
