#include "core/grants.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/json.h"
#include "core/matcher.h"
#include "core/quote.h"
#include "core/utf8.h"

/* Details lie in the order of the token, and so do the matchers: each detail has a run of them. */
struct detail {
    unsigned actions; /* a bit for each enum mrc_action */
    char *payload;    /* JSON text, or NULL */
};

struct entry {
    size_t detail;
    struct mrc_matcher *matcher;
};

struct mrc_grants {
    unsigned some;  /* actions granted on anything */
    unsigned every; /* actions granted on all topics */
    size_t detail_count, entry_count;
    struct detail *details;
    struct entry *entries;
};

/* What is needed while a claim is read. */
struct reader {
    const struct mrc_grants_limits *limits;
    const char *base;
    struct mrc_error *error;
    size_t place; /* the detail in work, counted from 0 in the claim */
};

static unsigned bit_of(enum mrc_action action)
{
    return 1u << action;
}

static enum mrc_err refuse(const struct reader *reader, enum mrc_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Says where the rule is broken that FMT tells. */
static enum mrc_err refuse(const struct reader *reader, enum mrc_err err, const char *fmt, ...)
{
    char rule[MRC_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(rule, sizeof(rule), fmt, args);
    va_end(args);
    return mrc_error_set(reader->error, err, "authorization_details[%zu]%s", reader->place, rule);
}

static bool is_string(const json_t *value, const char *str)
{
    return json_is_string(value) && strcmp(json_string_value(value), str) == 0;
}

static struct mrc_bytes bytes_of(const json_t *string)
{
    return (struct mrc_bytes){json_string_value(string), json_string_length(string)};
}

static enum mrc_err read_actions(const struct reader *reader, const json_t *actions,
                                 unsigned *ret_actions)
{
    unsigned found = 0;

    if (!json_is_array(actions) || !json_array_size(actions))
        return refuse(reader, MRC_EINVAL, ".actions must be an array that is not empty");
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);

        if (!json_is_string(action))
            return refuse(reader, MRC_EINVAL, ".actions[%zu] must be a string", i);
        if (is_string(action, "publish"))
            found |= bit_of(MRC_ACTION_PUBLISH);
        else if (is_string(action, "subscribe"))
            found |= bit_of(MRC_ACTION_SUBSCRIBE);
        /* else: an action of a later specification, which grants nothing here */
    }
    *ret_actions = found;
    return MRC_OK;
}

static enum mrc_err read_topic(const struct reader *reader, size_t index, const json_t *topic,
                               struct mrc_matcher **ret_matcher)
{
    const json_t *match = json_object_get(topic, "match");
    const json_t *match_type = json_object_get(topic, "match_type");
    enum mrc_matcher_type type = MRC_MATCHER_EXACT;
    struct mrc_error inner = {""};
    struct mrc_quote quote;
    struct mrc_bytes value;
    enum mrc_err err;

    if (!json_is_object(topic))
        return refuse(reader, MRC_EINVAL, ".topics[%zu] must be an object", index);
    if (!json_is_string(match))
        return refuse(reader, MRC_EINVAL, ".topics[%zu].match must be a string", index);
    if (match_type && !json_is_string(match_type))
        return refuse(reader, MRC_EINVAL, ".topics[%zu].match_type must be a string", index);
    value = bytes_of(match);
    if (value.len > reader->limits->pattern_bytes)
        return refuse(reader, MRC_ELIMIT, ".topics[%zu].match has %zu bytes; %zu are the most",
                      index, value.len, reader->limits->pattern_bytes);
    err = mrc_utf8_check_text(value, &inner);
    if (err)
        return refuse(reader, err, ".topics[%zu].match: %s", index, inner.text);
    /* The wildcard comes before the type, even before one that is unknown. */
    if (match_type && !is_string(match, "*") && mrc_matcher_type_parse(bytes_of(match_type), &type))
        return refuse(reader, MRC_EUNSUPPORTED, ".topics[%zu].match_type %s is not known here",
                      index, mrc_quote(&quote, bytes_of(match_type)));
    err = mrc_matcher_create(type, value, reader->base, &inner, ret_matcher);
    if (err && err != MRC_ENOMEM)
        return refuse(reader, err, ".topics[%zu]: %s", index, inner.text);
    return err;
}

/* One Mercure detail; what it has so far belongs to GRANTS at once. */
static enum mrc_err read_detail(const struct reader *reader, const json_t *object,
                                struct mrc_grants *grants)
{
    const json_t *topics = json_object_get(object, "topics");
    const json_t *payload = json_object_get(object, "payload");
    size_t index = grants->detail_count;
    struct detail *detail;
    enum mrc_err err;

    if (index >= reader->limits->details)
        return refuse(reader, MRC_ELIMIT, ": more than %zu Mercure details",
                      reader->limits->details);
    detail = &grants->details[grants->detail_count++];
    err = read_actions(reader, json_object_get(object, "actions"), &detail->actions);
    if (err)
        return err;
    if (!json_is_array(topics) || !json_array_size(topics))
        return refuse(reader, MRC_EINVAL, ".topics must be an array that is not empty");
    if (payload && !json_is_object(payload))
        return refuse(reader, MRC_EINVAL, ".payload must be an object");
    for (size_t i = 0; i < json_array_size(topics); i++) {
        struct mrc_matcher *matcher = NULL;

        if (grants->entry_count >= reader->limits->topics)
            return refuse(reader, MRC_ELIMIT, ": more than %zu topics in the token",
                          reader->limits->topics);
        err = read_topic(reader, i, json_array_get(topics, i), &matcher);
        if (err)
            return err;
        grants->entries[grants->entry_count++] = (struct entry){index, matcher};
        grants->some |= detail->actions;
        if (mrc_bytes_eq_str(mrc_matcher_get_value(matcher), "*"))
            grants->every |= detail->actions;
    }
    return payload ? mrc_json_print(payload, &detail->payload) : MRC_OK;
}

/* Counts what must be allocated, without looking at rules. */
static enum mrc_err allocate(struct mrc_grants *grants, const json_t *details)
{
    size_t detail_count = 0, entry_count = 0;

    for (size_t i = 0; i < json_array_size(details); i++) {
        const json_t *object = json_array_get(details, i);

        if (is_string(json_object_get(object, "type"), MRC_GRANTS_DETAIL_TYPE)) {
            detail_count++;
            entry_count += json_array_size(json_object_get(object, "topics"));
        }
    }
    grants->details = calloc(detail_count + 1, sizeof(*grants->details));
    grants->entries = calloc(entry_count + 1, sizeof(*grants->entries));
    return grants->details && grants->entries ? MRC_OK : MRC_ENOMEM;
}

static enum mrc_err read_claim(struct reader *reader, const json_t *details,
                               struct mrc_grants *grants)
{
    enum mrc_err err = allocate(grants, details);

    for (size_t i = 0; !err && i < json_array_size(details); i++) {
        const json_t *object = json_array_get(details, i);
        const json_t *type = json_object_get(object, "type");

        reader->place = i;
        if (!json_is_object(object))
            err = refuse(reader, MRC_EINVAL, " must be an object");
        else if (!json_is_string(type))
            err = refuse(reader, MRC_EINVAL, ".type must be a string");
        else if (is_string(type, MRC_GRANTS_DETAIL_TYPE))
            err = read_detail(reader, object, grants);
        /* else: for another API than Mercure's */
    }
    return err;
}

enum mrc_err mrc_grants_parse(const json_t *details, const struct mrc_grants_limits *limits,
                              const char *base, struct mrc_error *error,
                              struct mrc_grants **ret_grants)
{
    struct reader reader = {limits, base, error, 0};
    struct mrc_grants *grants;
    enum mrc_err err;

    if (details && !json_is_array(details))
        return mrc_error_set(error, MRC_EINVAL, "authorization_details must be an array");
    grants = calloc(1, sizeof(*grants));
    if (!grants)
        return MRC_ENOMEM;
    err = read_claim(&reader, details, grants);
    if (err) {
        mrc_grants_free(grants);
        return err;
    }
    *ret_grants = grants;
    return MRC_OK;
}

void mrc_grants_free(struct mrc_grants *grants)
{
    if (!grants)
        return;
    for (size_t i = 0; i < grants->entry_count; i++)
        mrc_matcher_free(grants->entries[i].matcher);
    for (size_t i = 0; i < grants->detail_count; i++)
        free(grants->details[i].payload);
    free(grants->entries);
    free(grants->details);
    free(grants);
}

/* The first entry for ACTION that matches TOPIC, or SIZE_MAX. */
static size_t find(const struct mrc_grants *grants, enum mrc_action action, struct mrc_bytes topic)
{
    for (size_t i = 0; i < grants->entry_count; i++) {
        const struct entry *entry = &grants->entries[i];

        if ((grants->details[entry->detail].actions & bit_of(action)) &&
            mrc_matcher_matches(entry->matcher, topic))
            return i;
    }
    return SIZE_MAX;
}

bool mrc_grants_allow(const struct mrc_grants *grants, enum mrc_action action,
                      struct mrc_bytes topic)
{
    return mrc_grants_allow_every(grants, action) ||
           (mrc_grants_allow_some(grants, action) && find(grants, action, topic) != SIZE_MAX);
}

bool mrc_grants_allow_some(const struct mrc_grants *grants, enum mrc_action action)
{
    return (grants->some & bit_of(action)) != 0;
}

bool mrc_grants_allow_every(const struct mrc_grants *grants, enum mrc_action action)
{
    return (grants->every & bit_of(action)) != 0;
}

const char *mrc_grants_find_payload(const struct mrc_grants *grants, struct mrc_bytes matcher)
{
    size_t index = find(grants, MRC_ACTION_SUBSCRIBE, matcher);

    return index == SIZE_MAX ? NULL : grants->details[grants->entries[index].detail].payload;
}

size_t mrc_grants_get_count(const struct mrc_grants *grants)
{
    return grants->entry_count;
}

struct mrc_grant mrc_grants_get(const struct mrc_grants *grants, size_t index)
{
    const struct entry *entry = &grants->entries[index];
    const struct detail *detail = &grants->details[entry->detail];

    return (struct mrc_grant){
        .publish = (detail->actions & bit_of(MRC_ACTION_PUBLISH)) != 0,
        .subscribe = (detail->actions & bit_of(MRC_ACTION_SUBSCRIBE)) != 0,
        .matcher = entry->matcher,
        .payload = detail->payload,
    };
}
