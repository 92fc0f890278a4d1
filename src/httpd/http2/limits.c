#include "httpd/http2/limits.h"

#define US_PER_CREDIT (1000000 / MRC_HTTP2_CREDIT_PER_SECOND)

/* A client may open its windows in steps as small as this. */
#define STEP_BYTES 512

/* The head of a frame, and the length that it begins with (RFC 9113, 4.1). */
#define HEAD_BYTES   9
#define LENGTH_BYTES 3

void mrc_http2_limits_init(struct mrc_http2_limits *limits, int64_t now_us)
{
    *limits = (struct mrc_http2_limits){.since_us = now_us, .credit = MRC_HTTP2_CREDIT_MAX};
}

void mrc_http2_limits_give(struct mrc_http2_limits *limits, int gain)
{
    limits->credit =
        gain < MRC_HTTP2_CREDIT_MAX - limits->credit ? limits->credit + gain : MRC_HTTP2_CREDIT_MAX;
}

bool mrc_http2_limits_take(struct mrc_http2_limits *limits, int cost, int64_t now_us)
{
    int64_t gain = (now_us - limits->since_us) / US_PER_CREDIT;

    if (gain >= MRC_HTTP2_CREDIT_MAX) {
        mrc_http2_limits_init(limits, now_us);
    } else if (gain > 0) {
        mrc_http2_limits_give(limits, (int)gain);
        limits->since_us += gain * US_PER_CREDIT;
    }
    if (limits->credit < cost)
        return false;
    limits->credit -= cost;
    return true;
}

unsigned mrc_http2_limits_count_frames(struct mrc_http2_frame_counter *counter, const char *bytes,
                                       size_t len)
{
    unsigned count = 0;

    for (size_t at = 0, part; at < len; at += part) {
        part = 1;
        if (counter->skip > 0) {
            part = counter->skip < len - at ? counter->skip : len - at;
            counter->skip -= part;
            continue;
        }
        if (counter->head_len < LENGTH_BYTES)
            counter->length = counter->length << 8 | (uint8_t)bytes[at];
        if (++counter->head_len == HEAD_BYTES) {
            *counter = (struct mrc_http2_frame_counter){.skip = counter->length};
            count++;
        }
    }
    return count;
}

int mrc_http2_limits_gain_of_bytes(size_t len)
{
    return (int)(2 + len / STEP_BYTES);
}
