/*
 * Limits what a client may send that is of no use: frames that cost the server work and bring
 * neither a request nor a body. Each costs credit, which useful frames and time give back. No
 * connection that serves people runs out of it.
 */
#ifndef MRC_HTTPD_HTTP2_LIMITS_H
#define MRC_HTTPD_HTTP2_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most credit, which a new connection has, and what each second gives. */
#define MRC_HTTP2_CREDIT_MAX        3000
#define MRC_HTTP2_CREDIT_PER_SECOND 200

/* What costs credit or gives it. */
enum mrc_http2_cost {
    MRC_HTTP2_COST_FRAME = 1,    /* HEADERS, PING, PRIORITY, WINDOW_UPDATE, empty DATA, ignored */
    MRC_HTTP2_COST_SETTINGS = 4, /* SETTINGS: it is answered */
    MRC_HTTP2_COST_RESET = 8,    /* a request that is reset, by the client or for its faults */
    MRC_HTTP2_GAIN_REQUEST = 5   /* a request: clients send a few other frames with each */
};

struct mrc_http2_limits {
    int64_t since_us; /* when time last gave credit */
    int32_t credit;
};

/* NOW_US and the other times are of store/base/clock.h. */
void mrc_http2_limits_init(struct mrc_http2_limits *limits, int64_t now_us);

/* Takes COST. False: there is not enough credit. */
bool mrc_http2_limits_take(struct mrc_http2_limits *limits, int cost, int64_t now_us);

/* Gives GAIN, up to MRC_HTTP2_CREDIT_MAX in total. */
void mrc_http2_limits_give(struct mrc_http2_limits *limits, int gain);

/* Counts the frames in what a client sends, because nghttp2 does not report those that it ignores,
 * such as DATA of a stream that is closed. */
struct mrc_http2_frame_counter {
    size_t skip;      /* bytes before the next head of a frame; at first, those of the preface */
    uint32_t length;  /* of the payload, as far as it has come */
    uint8_t head_len; /* bytes of a head that have come */
};

/* The number of heads of frames that end in the LEN bytes, which follow all bytes before. */
unsigned mrc_http2_limits_count_frames(struct mrc_http2_frame_counter *counter, const char *bytes,
                                       size_t len);

/* The gain of LEN bytes of a body that were sent: the client opens its windows again, in steps that
 * may be small. */
int mrc_http2_limits_gain_of_bytes(size_t len);

#endif
