#include "httpd/resource/matchers.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/protocol/subscription.h"
#include "core/topic/matcher.h"
#include "httpd/config/settings.h"
#include "hub/hub/hub.h"
#include "hub/hub/patterns.h"
#include "hub/subscriber/subscriber.h"

/* The state of the compilation of one subscription. */
struct compiler {
    const struct mrc_matchers_request *request;
    struct mrc_subscription *subscription;
    struct mrc_error *error;
    size_t patterns;      /* matchers so far that are patterns */
    size_t pattern_bytes; /* their memory */
};

/* Counts MATCHER, and checks the memory of all patterns against the limit of a subscription. */
static enum mrc_err count_memory(struct compiler *compiler, const struct mrc_matcher *matcher)
{
    if (mrc_matcher_get_type(matcher) == MRC_MATCHER_EXACT)
        return MRC_OK;
    compiler->patterns++;
    compiler->pattern_bytes += mrc_matcher_size(matcher);
    if (compiler->pattern_bytes <= MRC_PATTERNS_SUBSCRIPTION_BYTES)
        return MRC_OK;
    return mrc_error_set(compiler->error, MRC_ELIMIT,
                         "the patterns of a subscription may need at most %zu bytes when they are "
                         "compiled: use fewer, or simpler ones",
                         MRC_PATTERNS_SUBSCRIPTION_BYTES);
}

/*
 * The error for a hub that is full: one of the client if its subscription alone would fill the hub.
 */
static enum mrc_err explain_full(const struct compiler *compiler)
{
    uint64_t most = compiler->request->settings->limits.patterns_max;

    if (compiler->patterns < most)
        return MRC_EFULL;
    return mrc_error_set(compiler->error, MRC_ELIMIT,
                         "the hub holds at most %" PRIu64 " URL Patterns", most);
}

static enum mrc_err add_matcher(struct compiler *compiler,
                                const struct mrc_subscription_matcher *asked)
{
    struct mrc_subscription *subscription = compiler->subscription;
    enum mrc_matcher_type type = MRC_MATCHER_TEMPLATE;
    struct mrc_matcher *matcher;
    enum mrc_err err;

    if (asked->type.ptr && mrc_matcher_type_parse(asked->type, &type))
        return mrc_error_set(compiler->error, MRC_EINVAL,
                             "a parameter whose name begins with match_ names no matcher type of "
                             "this hub: use match, match_exact or match_urlpattern");
    err = mrc_patterns_get(mrc_hub_patterns(compiler->request->hub), type, asked->value,
                           compiler->request->base, compiler->error, &matcher);
    if (err)
        return err == MRC_EFULL ? explain_full(compiler) : err;
    subscription->matchers[subscription->matchers_count++] = matcher;
    return count_memory(compiler, matcher);
}

static enum mrc_err compile(struct compiler *compiler,
                            const struct mrc_subscription_request *parsed)
{
    struct mrc_subscription *subscription = compiler->subscription;
    enum mrc_err err = MRC_OK;

    subscription->has_cursor = parsed->has_cursor;
    subscription->cursor = parsed->cursor;
    subscription->matchers = calloc(parsed->matchers_count, sizeof(*subscription->matchers));
    if (!subscription->matchers)
        return MRC_ENOMEM;
    for (size_t i = 0; i < parsed->matchers_count && !err; i++)
        err = add_matcher(compiler, &parsed->matchers[i]);
    return err;
}

enum mrc_err mrc_matchers_compile(const struct mrc_matchers_request *request,
                                  struct mrc_error *error, struct mrc_subscription *subscription)
{
    const struct mrc_subscription_rules rules = {
        .matchers_max = (size_t)request->settings->limit_matchers,
        .value_max_bytes = (size_t)request->settings->limit_pattern_bytes,
        .is_legacy = request->is_legacy,
    };
    struct compiler compiler = {
        .request = request,
        .subscription = subscription,
        .error = error,
    };
    struct mrc_subscription_request parsed;
    enum mrc_err err =
        mrc_subscription_parse(request->query, request->body, &rules, error, &parsed);

    if (err)
        return err;
    err = compile(&compiler, &parsed);
    mrc_subscription_request_clear(&parsed);
    return err;
}
