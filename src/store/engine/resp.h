/*
 * The shape of a reply in the protocol of Redis (RESP2), checked byte by byte before a parser gets
 * it: the depth of arrays, their lengths, and the lengths of strings are bounded, so no peer can
 * make the parser allocate more than it has sent.
 */
#ifndef MRC_STORE_ENGINE_RESP_H
#define MRC_STORE_ENGINE_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MRC_RESP_DEPTH_MAX  6
#define MRC_RESP_ARRAY_MAX  (1 << 20)
#define MRC_RESP_LINE_MAX   65536 /* of a status or an error */
#define MRC_RESP_STRING_MAX ((int64_t)1 << 30)
#define MRC_RESP_REPLY_MAX  ((uint64_t)2 << 30) /* bytes of one reply */

/* The state between two calls. Starts as {0}. */
struct mrc_resp {
    int64_t left[MRC_RESP_DEPTH_MAX]; /* elements that each open array still lacks */
    int depth;                        /* of open arrays */
    int64_t skip;                     /* bytes of a string and its line end to pass over */
    int64_t number;                   /* of the line that is being read; its length if it is text */
    char type;                        /* of that line; 0: no line has begun */
    bool is_negative, has_digit, is_returning;
    uint64_t bytes; /* of the reply so far */
    uint64_t max;   /* the most bytes of a reply; 0: MRC_RESP_REPLY_MAX */
};

/* Checks the next LEN bytes at DATA. False: they break the protocol or a bound. */
bool mrc_resp_check(struct mrc_resp *resp, const char *data, size_t len);

#endif
