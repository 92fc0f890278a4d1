#include "httpd/http2/limits.h"

#define US_PER_CREDIT (1000000 / MRC_HTTP2_CREDIT_PER_SECOND)

/* A client may open its windows in steps as small as this. */
#define STEP_BYTES 512

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

int mrc_http2_limits_gain_of_bytes(size_t len)
{
    return (int)(2 + len / STEP_BYTES);
}
