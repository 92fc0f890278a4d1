#include "hub/subscriber/filter.h"

#include "core/protocol/update.h"
#include "core/token/grants.h"
#include "core/token/token.h"
#include "core/topic/matcher.h"
#include "hub/base/status.h"
#include "store/base/clock.h"

bool mrc_filter_is_costly(const struct mrc_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        if (mrc_matcher_is_costly(filter->matchers[i]))
            return true;
    return filter->token && mrc_grants_are_costly(mrc_token_get_grants(filter->token));
}

const char *mrc_filter_get_base(const struct mrc_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        const char *base = mrc_matcher_get_base(filter->matchers[i]);

        if (base)
            return base;
    }
    return NULL;
}

apr_status_t mrc_filter_match(const struct mrc_filter *filter, struct mrc_topics *topics,
                              int64_t until_us, size_t *tried, bool *ret_matches)
{
    size_t count = topics->count * filter->count;
    bool matches = false;

    for (size_t i = *tried; i < count && !matches; i++) {
        const struct mrc_matcher *matcher = filter->matchers[i % filter->count];
        enum mrc_err err;

        if (i > *tried && i % MRC_FILTER_MATCHES_PER_LOOK == 0 && mrc_clock_us() >= until_us) {
            *tried = i;
            return APR_INCOMPLETE;
        }
        err = mrc_matcher_match_topic(matcher, &topics->all[i / filter->count], &matches);
        if (err)
            return mrc_status_of(err);
    }
    *tried = 0;
    *ret_matches = matches;
    return APR_SUCCESS;
}

apr_status_t mrc_filter_may_read(const struct mrc_token *token, const struct mrc_update *update,
                                 struct mrc_topics *topics, bool *ret_may_read)
{
    if (update->is_private && token)
        return mrc_status_of(
            mrc_token_grants_any(token, MRC_ACTION_SUBSCRIBE, topics, ret_may_read));
    *ret_may_read = !update->is_private;
    return APR_SUCCESS;
}
