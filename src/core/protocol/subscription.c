#include "core/protocol/subscription.h"

#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/protocol/form.h"

/* Whether NAME begins with `match`, in upper or lower case. */
static bool is_matcher_name(struct mrc_bytes name)
{
    static const char prefix[] = "match";
    size_t i = 0;

    while (i < name.len && prefix[i] && (name.ptr[i] | 0x20) == prefix[i])
        i++;
    return prefix[i] == '\0';
}

/* Finds the matcher type of a parameter whose NAME begins with `match`. False: there is none. */
static bool find_type(struct mrc_bytes name, struct mrc_bytes *ret_type)
{
    struct mrc_bytes prefix = mrc_bytes_of("match_");

    if (mrc_bytes_eq_str(name, "match")) {
        *ret_type = mrc_bytes_of("exact");
        return true;
    }
    if (!mrc_bytes_starts_with(name, prefix))
        return false;
    *ret_type = (struct mrc_bytes){name.ptr + prefix.len, name.len - prefix.len};
    return true;
}

static bool is_topic_name(struct mrc_bytes name)
{
    return mrc_bytes_eq_str(name, "topic");
}

static bool is_cursor_name(struct mrc_bytes name, bool is_legacy)
{
    /* The names in the drafts of protocol 0.x and in polyfills. */
    static const char *const legacy_names[] = {"lastEventID", "Last-Event-ID", "lastEventId"};

    for (size_t i = 0; is_legacy && i < sizeof(legacy_names) / sizeof(legacy_names[0]); i++)
        if (mrc_bytes_eq_str(name, legacy_names[i]))
            return true;
    return mrc_bytes_eq_str(name, "last_event_id");
}

static enum mrc_err add_matcher(struct mrc_subscription_request *request,
                                const struct mrc_subscription_rules *rules, struct mrc_bytes type,
                                struct mrc_bytes value, struct mrc_error *error)
{
    struct mrc_error why;
    enum mrc_err err;

    if (request->matchers_count == rules->matchers_max)
        return mrc_error_set(error, MRC_ELIMIT,
                             "a subscription to this hub may have at most %zu topic matchers",
                             rules->matchers_max);
    if (value.len > rules->value_max_bytes)
        return mrc_error_set(error, MRC_ELIMIT,
                             "a topic matcher of this hub may have at most %zu bytes",
                             rules->value_max_bytes);
    err = mrc_utf8_check_text(value, &why);
    if (err)
        return mrc_error_set(error, err, "a topic matcher is not valid: %s", why.text);
    request->matchers[request->matchers_count++] = (struct mrc_subscription_matcher){type, value};
    return MRC_OK;
}

static enum mrc_err take_matcher(struct mrc_subscription_request *request,
                                 const struct mrc_subscription_rules *rules,
                                 struct mrc_form_pair pair, struct mrc_error *error)
{
    struct mrc_bytes type;

    if (!find_type(pair.name, &type))
        return mrc_error_set(error, MRC_EINVAL,
                             "a parameter whose name begins with match is not one that this hub "
                             "knows: use match, match_exact or match_urlpattern");
    return add_matcher(request, rules, type, pair.value, error);
}

static enum mrc_err take_topic(struct mrc_subscription_request *request,
                               const struct mrc_subscription_rules *rules, struct mrc_bytes value,
                               struct mrc_error *error)
{
    if (!rules->is_legacy)
        return mrc_error_set(error, MRC_EINVAL,
                             "the parameter topic belongs to protocol 0.x, which this hub does not "
                             "speak: use match or match_urlpattern, or set MercureLegacy On");
    return add_matcher(request, rules, (struct mrc_bytes){NULL, 0}, value, error);
}

static void take_cursor(struct mrc_subscription_request *request,
                        const struct mrc_subscription_rules *rules, struct mrc_bytes value)
{
    if (!request->has_cursor || (rules->is_legacy && !request->cursor.len))
        request->cursor = value;
    request->has_cursor = true;
}

static enum mrc_err take_form(struct mrc_subscription_request *request,
                              const struct mrc_subscription_rules *rules,
                              const struct mrc_form *form, struct mrc_error *error)
{
    enum mrc_err err = MRC_OK;

    for (size_t i = 0; form && i < mrc_form_count(form) && !err; i++) {
        struct mrc_form_pair pair = mrc_form_get(form, i);

        if (is_matcher_name(pair.name))
            err = take_matcher(request, rules, pair, error);
        else if (is_topic_name(pair.name))
            err = take_topic(request, rules, pair.value, error);
        else if (is_cursor_name(pair.name, rules->is_legacy))
            take_cursor(request, rules, pair.value);
    }
    return err;
}

/* The number of matchers in FORM, valid or not. */
static size_t count_matchers(const struct mrc_form *form)
{
    size_t count = 0;

    for (size_t i = 0; form && i < mrc_form_count(form); i++) {
        struct mrc_bytes name = mrc_form_get(form, i).name;

        count += is_matcher_name(name) || is_topic_name(name);
    }
    return count;
}

enum mrc_err mrc_subscription_parse(const struct mrc_form *query, const struct mrc_form *body,
                                    const struct mrc_subscription_rules *rules,
                                    struct mrc_error *error,
                                    struct mrc_subscription_request *ret_request)
{
    struct mrc_subscription_request request = {0};
    size_t count = count_matchers(query) + count_matchers(body);
    enum mrc_err err;

    if (count == 0)
        return mrc_error_set(error, MRC_EINVAL,
                             "the subscription names no topic: add a parameter such as "
                             "match=https://example.com/books/1");
    request.matchers = calloc(count, sizeof(*request.matchers));
    if (!request.matchers)
        return MRC_ENOMEM;
    err = take_form(&request, rules, query, error);
    if (!err)
        err = take_form(&request, rules, body, error);
    if (err) {
        mrc_subscription_request_clear(&request);
        return err;
    }
    *ret_request = request;
    return MRC_OK;
}

void mrc_subscription_request_clear(struct mrc_subscription_request *request)
{
    if (!request)
        return;
    free(request->matchers);
    *request = (struct mrc_subscription_request){0};
}
