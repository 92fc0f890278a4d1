#include "hub/hub/rate.h"

#include <stdatomic.h>

#include "apr_strings.h"

#include "store/hub/segment.h"
#include "store/regions/buckets.h"

#define SECOND_US ((int64_t)1000 * 1000)

struct mrc_rate {
    struct mrc_buckets *buckets;
    struct mrc_bucket_rule hub, token; /* a rate of 0: no limit */
    _Atomic int64_t next_report_us;
};

struct mrc_rate *mrc_rate_create(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                 const struct mrc_hub_limits *limits)
{
    struct mrc_rate *rate = apr_pcalloc(pool, sizeof(*rate));

    rate->buckets = mrc_hub_segment_buckets(segment);
    rate->hub.rate = limits->publish_rate;
    rate->hub.burst = limits->publish_burst ? limits->publish_burst : limits->publish_rate;
    rate->token.rate = rate->token.burst = limits->publish_per_token;
    return rate;
}

static bool is_too_many(const struct mrc_bucket_rule *rule, uint64_t count)
{
    return rule->rate && count > rule->burst;
}

apr_status_t mrc_rate_take(struct mrc_rate *rate, struct mrc_bytes token, uint64_t count,
                           int64_t now_us, int64_t *ret_wait_s)
{
    apr_status_t status = MRC_STATUS_TOKEN_RATE;
    uint64_t key = 0;
    int64_t wait_us = 0;

    if (is_too_many(&rate->hub, count) || (token.ptr && is_too_many(&rate->token, count)))
        return MRC_STATUS_BURST;
    if (token.ptr && rate->token.rate) {
        key = mrc_buckets_key(rate->buckets, token);
        wait_us = mrc_buckets_take(rate->buckets, key, &rate->token, count, now_us);
    }
    if (wait_us == 0 && rate->hub.rate) {
        status = MRC_STATUS_RATE;
        wait_us = mrc_buckets_take(rate->buckets, 0, &rate->hub, count, now_us);
        if (wait_us && key)
            mrc_buckets_give_back(rate->buckets, key, &rate->token, count);
    }
    if (wait_us == 0)
        return APR_SUCCESS;
    *ret_wait_s = (wait_us + SECOND_US - 1) / SECOND_US;
    return status;
}

bool mrc_rate_take_operator(struct mrc_rate *rate, struct mrc_bytes name, int64_t now_us,
                            int64_t *ret_wait_s)
{
    static const struct mrc_bucket_rule rule = {.rate = MRC_RATE_OPERATOR_PER_S,
                                                .burst = MRC_RATE_OPERATOR_BURST};
    int64_t wait_us =
        mrc_buckets_take(rate->buckets, mrc_buckets_key(rate->buckets, name), &rule, 1, now_us);

    if (wait_us == 0)
        return true;
    *ret_wait_s = (wait_us + SECOND_US - 1) / SECOND_US;
    return false;
}

bool mrc_rate_should_report(struct mrc_rate *rate, int64_t now_us)
{
    int64_t next = atomic_load(&rate->next_report_us);

    return now_us >= next &&
           atomic_compare_exchange_strong(&rate->next_report_us, &next, now_us + 60 * SECOND_US);
}
