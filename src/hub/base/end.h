/*
 * The reasons for which a stream ends.
 */
#ifndef MRC_HUB_BASE_END_H
#define MRC_HUB_BASE_END_H

/*
 * The names in the comments are those of directives; mrc_end_text() has those of logs and metrics.
 */
enum mrc_end {
    MRC_END_CLIENT,       /* the client closed the connection, or it broke */
    MRC_END_EXPIRED,      /* the token of the subscriber expired */
    MRC_END_LIFETIME,     /* MercureConnectionLifetime */
    MRC_END_SLOW,         /* the client accepted nothing for too long, or its backlog is full */
    MRC_END_OVERRUN,      /* the ring overwrote updates that the stream had not read */
    MRC_END_DRAINING,     /* the child process ends */
    MRC_END_REFUSED,      /* the stream never began */
    MRC_END_ERROR,        /* out of memory, or an error of the system */
    MRC_END_DISCONNECTED, /* an operator has ended it; the client may come back */
    MRC_END_REVOKED,      /* an operator has revoked the token */
    MRC_END_COUNT
};

/* The word for END in logs and metrics, a constant. */
const char *mrc_end_text(enum mrc_end end);

#endif
