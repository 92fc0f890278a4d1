#include "core/token/grants.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/quote.h"
#include "core/base/utf8.h"
#include "core/topic/matcher.h"

static const struct mrc_json_pick topic_picks[] = {
    {.name = "match"}, {.name = "match_type"}, {.name = NULL}};

static const struct mrc_json_pick selector_picks[] = {
    {.name = "match"}, {.name = "match_type"}, {.name = "payload"}, {.name = NULL}};

const struct mrc_json_pick mrc_grants_picks[] = {{.name = "type"},
                                                 {.name = "actions"},
                                                 {.name = "topics", .members = topic_picks},
                                                 {.name = "payload"},
                                                 {.name = NULL}};

const struct mrc_json_pick mrc_grants_legacy_picks[] = {
    {.name = "publish", .members = selector_picks},
    {.name = "subscribe", .members = selector_picks},
    {.name = "payload"},
    {.name = NULL}};

/* Details and entries are in the order of the token. The entries of a detail are consecutive. */
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
    bool costly;    /* a matcher is costly, or there are too many patterns */
    size_t detail_count, entry_count;
    struct detail *details;
    struct entry *entries;
    const struct entry **by_value; /* the literal entries, sorted by value, then the others */
    size_t literal_count;
    char *payload; /* JSON text for subscriptions without a payload of their own, or NULL */
};

/* The longest place: the name of a claim and an index. */
#define PLACE_BYTES 64

/* The state of reading a claim. */
struct reader {
    const struct mrc_grants_limits *limits;
    const char *base;
    struct mrc_error *error;
    char place[PLACE_BYTES]; /* the claim and the detail that is read, for messages */
    const char *list;        /* the name of the list of topics in it */
};

static unsigned bit_of(enum mrc_action action)
{
    return 1u << action;
}

static enum mrc_err refuse(const struct reader *reader, enum mrc_err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Refuses the claim: the message is the place, followed by the rule FMT. */
static enum mrc_err refuse(const struct reader *reader, enum mrc_err err, const char *fmt, ...)
{
    char rule[MRC_ERROR_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(rule, sizeof(rule), fmt, args);
    va_end(args);
    return mrc_error_set(reader->error, err, "%s%s", reader->place, rule);
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
        return refuse(reader, MRC_EINVAL, ".actions must be a non-empty array");
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);

        if (!json_is_string(action))
            return refuse(reader, MRC_EINVAL, ".actions[%zu] must be a string", i);
        if (is_string(action, "publish"))
            found |= bit_of(MRC_ACTION_PUBLISH);
        else if (is_string(action, "subscribe"))
            found |= bit_of(MRC_ACTION_SUBSCRIBE);
        /* any other action belongs to a later specification and grants nothing here */
    }
    *ret_actions = found;
    return MRC_OK;
}

/*
 * Makes the matcher of entry INDEX of the list, whose value is in MEMBER, or is the entry itself.
 */
static enum mrc_err make_matcher(const struct reader *reader, size_t index, const char *member,
                                 enum mrc_matcher_type type, struct mrc_bytes value,
                                 struct mrc_matcher **ret_matcher)
{
    struct mrc_error inner = {""};
    enum mrc_err err;

    if (value.len > reader->limits->pattern_bytes)
        return refuse(reader, MRC_ELIMIT, ".%s[%zu]%s has %zu bytes; the maximum is %zu",
                      reader->list, index, member, value.len, reader->limits->pattern_bytes);
    err = mrc_utf8_check_text(value, &inner);
    if (!err)
        err = mrc_matcher_create(type, value, reader->base, &inner, ret_matcher);
    if (err && err != MRC_ENOMEM)
        return refuse(reader, err, ".%s[%zu]%s: %s", reader->list, index, member, inner.text);
    return err;
}

static enum mrc_err read_topic(const struct reader *reader, size_t index, const json_t *topic,
                               struct mrc_matcher **ret_matcher)
{
    const json_t *match = json_object_get(topic, "match");
    const json_t *match_type = json_object_get(topic, "match_type");
    enum mrc_matcher_type type = MRC_MATCHER_EXACT;
    struct mrc_quote quote;

    if (!json_is_object(topic))
        return refuse(reader, MRC_EINVAL, ".%s[%zu] must be an object", reader->list, index);
    if (!json_is_string(match))
        return refuse(reader, MRC_EINVAL, ".%s[%zu].match must be a string", reader->list, index);
    if (match_type && !json_is_string(match_type))
        return refuse(reader, MRC_EINVAL, ".%s[%zu].match_type must be a string", reader->list,
                      index);
    /* The wildcard is recognized first, whatever the type is, even an unknown one. */
    if (match_type && !is_string(match, "*") && mrc_matcher_type_parse(bytes_of(match_type), &type))
        return refuse(reader, MRC_EUNSUPPORTED, ".%s[%zu].match_type %s is not supported",
                      reader->list, index, mrc_quote(&quote, bytes_of(match_type)));
    return make_matcher(reader, index, ".match", type, bytes_of(match), ret_matcher);
}

static enum mrc_err check_room(const struct reader *reader, const struct mrc_grants *grants)
{
    if (grants->entry_count >= reader->limits->topics)
        return refuse(reader, MRC_ELIMIT, ": the token has more than %zu topics",
                      reader->limits->topics);
    return MRC_OK;
}

static void add_entry(struct mrc_grants *grants, size_t detail, struct mrc_matcher *matcher)
{
    unsigned actions = grants->details[detail].actions;

    grants->entries[grants->entry_count++] = (struct entry){detail, matcher};
    grants->some |= actions;
    grants->costly |= mrc_matcher_is_costly(matcher);
    if (mrc_matcher_is_wildcard(matcher))
        grants->every |= actions;
}

/* Reads a Mercure detail. GRANTS own what has been read of it, even on failure. */
static enum mrc_err read_detail(const struct reader *reader, const json_t *object,
                                struct mrc_grants *grants)
{
    const json_t *topics = json_object_get(object, "topics");
    const json_t *payload = json_object_get(object, "payload");
    size_t index = grants->detail_count;
    struct detail *detail;
    enum mrc_err err;

    if (index >= reader->limits->details)
        return refuse(reader, MRC_ELIMIT, ": the token has more than %zu Mercure details",
                      reader->limits->details);
    detail = &grants->details[grants->detail_count++];
    err = read_actions(reader, json_object_get(object, "actions"), &detail->actions);
    if (err)
        return err;
    if (!json_is_array(topics) || !json_array_size(topics))
        return refuse(reader, MRC_EINVAL, ".topics must be a non-empty array");
    if (payload && !json_is_object(payload))
        return refuse(reader, MRC_EINVAL, ".payload must be an object");
    for (size_t i = 0; i < json_array_size(topics); i++) {
        struct mrc_matcher *matcher = NULL;

        err = check_room(reader, grants);
        if (!err)
            err = read_topic(reader, i, json_array_get(topics, i), &matcher);
        if (err)
            return err;
        add_entry(grants, index, matcher);
    }
    return payload ? mrc_json_print(payload, &detail->payload) : MRC_OK;
}

static enum mrc_err allocate(struct mrc_grants *grants, size_t detail_count, size_t entry_count)
{
    grants->details = calloc(detail_count + 1, sizeof(*grants->details));
    grants->entries = calloc(entry_count + 1, sizeof(*grants->entries));
    return grants->details && grants->entries ? MRC_OK : MRC_ENOMEM;
}

/* Allocates enough for DETAILS, which are not checked yet. */
static enum mrc_err allocate_for(struct mrc_grants *grants, const json_t *details)
{
    size_t detail_count = 0, entry_count = 0;

    for (size_t i = 0; i < json_array_size(details); i++) {
        const json_t *object = json_array_get(details, i);

        if (is_string(json_object_get(object, "type"), MRC_GRANTS_DETAIL_TYPE)) {
            detail_count++;
            entry_count += json_array_size(json_object_get(object, "topics"));
        }
    }
    return allocate(grants, detail_count, entry_count);
}

static enum mrc_err read_claim(struct reader *reader, const json_t *details,
                               struct mrc_grants *grants)
{
    enum mrc_err err = allocate_for(grants, details);

    for (size_t i = 0; !err && i < json_array_size(details); i++) {
        const json_t *object = json_array_get(details, i);
        const json_t *type = json_object_get(object, "type");

        snprintf(reader->place, sizeof(reader->place), "authorization_details[%zu]", i);
        if (!json_is_object(object))
            err = refuse(reader, MRC_EINVAL, " must be an object");
        else if (!json_is_string(type))
            err = refuse(reader, MRC_EINVAL, ".type must be a string");
        else if (is_string(type, MRC_GRANTS_DETAIL_TYPE))
            err = read_detail(reader, object, grants);
        /* any other type is for another API than Mercure */
    }
    return err;
}

static struct mrc_bytes value_of(const struct entry *entry)
{
    return mrc_matcher_get_value(entry->matcher);
}

static int compare_bytes(struct mrc_bytes a, struct mrc_bytes b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static int compare_values(const void *a, const void *b)
{
    const struct entry *const *left = a, *const *right = b;

    return compare_bytes(value_of(*left), value_of(*right));
}

/* Sorts the literal entries, so that one of very many is found by a binary search. */
static enum mrc_err sort_by_value(struct mrc_grants *grants)
{
    size_t others = 0;

    grants->by_value = calloc(grants->entry_count + 1, sizeof(struct entry *));
    if (!grants->by_value)
        return MRC_ENOMEM;
    for (size_t i = 0; i < grants->entry_count; i++) {
        const struct entry *entry = &grants->entries[i];

        if (mrc_matcher_is_literal(entry->matcher))
            grants->by_value[grants->literal_count++] = entry;
        else
            grants->by_value[grants->entry_count - ++others] = entry;
    }
    qsort(grants->by_value, grants->literal_count, sizeof(struct entry *), compare_values);
    grants->costly |= others > MRC_GRANTS_FEW_PATTERNS;
    return MRC_OK;
}

/* Parses CLAIM with READ into new grants. */
static enum mrc_err parse_with(enum mrc_err (*read)(struct reader *, const json_t *,
                                                    struct mrc_grants *),
                               struct reader *reader, const json_t *claim,
                               struct mrc_grants **ret_grants)
{
    struct mrc_grants *grants = calloc(1, sizeof(*grants));
    enum mrc_err err;

    if (!grants)
        return MRC_ENOMEM;
    err = read(reader, claim, grants);
    if (!err)
        err = sort_by_value(grants);
    if (err) {
        mrc_grants_free(grants);
        return err;
    }
    *ret_grants = grants;
    return MRC_OK;
}

enum mrc_err mrc_grants_parse(const json_t *details, const struct mrc_grants_limits *limits,
                              const char *base, struct mrc_error *error,
                              struct mrc_grants **ret_grants)
{
    struct reader reader = {.limits = limits, .base = base, .error = error, .list = "topics"};

    if (details && !json_is_array(details))
        return mrc_error_set(error, MRC_EINVAL, "authorization_details must be an array");
    return parse_with(read_claim, &reader, details, ret_grants);
}

/* ---- protocol 0.x -----------------------------------------------------------------------------*/

/* Each list becomes a detail, and so does each selector that has a payload of its own. */
static enum mrc_err allocate_for_legacy(struct mrc_grants *grants, const json_t *claim)
{
    size_t count = json_array_size(json_object_get(claim, "publish")) +
                   json_array_size(json_object_get(claim, "subscribe"));

    return allocate(grants, count + 2, count);
}

/*
 * Reads a selector: a string, or, in tokens between the two protocols, an object as in the modern
 * claim.
 */
static enum mrc_err read_selector(const struct reader *reader, size_t index, const json_t *selector,
                                  size_t detail, struct mrc_grants *grants)
{
    const json_t *payload = json_object_get(selector, "payload");
    struct mrc_matcher *matcher = NULL;
    enum mrc_err err = check_room(reader, grants);

    if (err)
        return err;
    if (json_is_string(selector))
        err = make_matcher(reader, index, "", MRC_MATCHER_TEMPLATE, bytes_of(selector), &matcher);
    else if (json_is_object(selector))
        err = read_topic(reader, index, selector, &matcher);
    else
        err = refuse(reader, MRC_EINVAL, ".%s[%zu] must be a string", reader->list, index);
    if (err)
        return err;
    if (payload) {
        grants->details[grants->detail_count].actions = grants->details[detail].actions;
        detail = grants->detail_count++;
    }
    add_entry(grants, detail, matcher);
    return payload ? mrc_json_print(payload, &grants->details[detail].payload) : MRC_OK;
}

static enum mrc_err read_selectors(struct reader *reader, const json_t *claim,
                                   enum mrc_action action, struct mrc_grants *grants)
{
    const json_t *list;
    size_t detail = grants->detail_count++;
    enum mrc_err err = MRC_OK;

    reader->list = action == MRC_ACTION_PUBLISH ? "publish" : "subscribe";
    grants->details[detail].actions = bit_of(action);
    list = json_object_get(claim, reader->list);
    if (list && !json_is_null(list) && !json_is_array(list))
        return refuse(reader, MRC_EINVAL, ".%s must be an array of strings", reader->list);
    for (size_t i = 0; !err && i < json_array_size(list); i++)
        err = read_selector(reader, i, json_array_get(list, i), detail, grants);
    return err;
}

static enum mrc_err read_legacy_claim(struct reader *reader, const json_t *claim,
                                      struct mrc_grants *grants)
{
    const json_t *payload = json_object_get(claim, "payload");
    enum mrc_err err = allocate_for_legacy(grants, claim);

    if (!err)
        err = read_selectors(reader, claim, MRC_ACTION_PUBLISH, grants);
    if (!err)
        err = read_selectors(reader, claim, MRC_ACTION_SUBSCRIBE, grants);
    if (!err && payload && !json_is_null(payload))
        err = mrc_json_print(payload, &grants->payload);
    return err;
}

enum mrc_err mrc_grants_parse_legacy(const json_t *claims, const struct mrc_grants_limits *limits,
                                     const char *base, struct mrc_error *error,
                                     struct mrc_grants **ret_grants)
{
    static const char *const names[] = {MRC_GRANTS_LEGACY_CLAIM, "mercure"};
    struct reader reader = {.limits = limits, .base = base, .error = error};
    const json_t *claim = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !claim; i++) {
        claim = json_object_get(claims, names[i]);
        snprintf(reader.place, sizeof(reader.place), "%s", names[i]);
    }
    if (claim && !json_is_object(claim))
        return refuse(&reader, MRC_EINVAL, " must be an object");
    return parse_with(read_legacy_claim, &reader, claim, ret_grants);
}

/* ---- checking topics --------------------------------------------------------------------------*/

void mrc_grants_free(struct mrc_grants *grants)
{
    if (!grants)
        return;
    for (size_t i = 0; i < grants->entry_count; i++)
        mrc_matcher_free(grants->entries[i].matcher);
    for (size_t i = 0; i < grants->detail_count; i++)
        free(grants->details[i].payload);
    free(grants->by_value);
    free(grants->entries);
    free(grants->details);
    free(grants->payload);
    free(grants);
}

/* The index of the first entry for ACTION that matches TOPIC; SIZE_MAX: none. */
static enum mrc_err find(const struct mrc_grants *grants, enum mrc_action action,
                         struct mrc_topic *topic, size_t *ret_index)
{
    for (size_t i = 0; i < grants->entry_count; i++) {
        const struct entry *entry = &grants->entries[i];
        bool matches;
        enum mrc_err err;

        if (!(grants->details[entry->detail].actions & bit_of(action)))
            continue;
        err = mrc_matcher_match_topic(entry->matcher, topic, &matches);
        if (err)
            return err;
        if (matches) {
            *ret_index = i;
            return MRC_OK;
        }
    }
    *ret_index = SIZE_MAX;
    return MRC_OK;
}

/* The position of the first literal entry that is not sorted before TEXT. */
static size_t find_literal(const struct mrc_grants *grants, struct mrc_bytes text)
{
    size_t low = 0, high = grants->literal_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_bytes(value_of(grants->by_value[middle]), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether an entry for ACTION matches TOPIC. On MRC_ENOMEM, RET_ALLOW is untouched. */
static enum mrc_err allows(const struct mrc_grants *grants, enum mrc_action action,
                           struct mrc_topic *topic, bool *ret_allow)
{
    bool matches = false;

    for (size_t i = find_literal(grants, topic->text); i < grants->literal_count && !matches; i++) {
        if (!mrc_bytes_eq(value_of(grants->by_value[i]), topic->text))
            break;
        matches = grants->details[grants->by_value[i]->detail].actions & bit_of(action);
    }
    for (size_t i = grants->literal_count; i < grants->entry_count && !matches; i++) {
        const struct entry *entry = grants->by_value[i];
        enum mrc_err err;

        if (!(grants->details[entry->detail].actions & bit_of(action)))
            continue;
        err = mrc_matcher_match_topic(entry->matcher, topic, &matches);
        if (err)
            return err;
    }
    *ret_allow = matches;
    return MRC_OK;
}

/* The index of the first entry for ACTION that matches TEXT; SIZE_MAX: none, or out of memory. */
static size_t find_text(const struct mrc_grants *grants, enum mrc_action action,
                        struct mrc_bytes text)
{
    struct mrc_topic topic;
    size_t index = SIZE_MAX;

    mrc_topic_init(&topic, text, NULL);
    if (find(grants, action, &topic, &index))
        index = SIZE_MAX;
    mrc_topic_clear(&topic);
    return index;
}

bool mrc_grants_allow(const struct mrc_grants *grants, enum mrc_action action,
                      struct mrc_bytes topic)
{
    struct mrc_topic parsed;
    bool allow = false;

    mrc_topic_init(&parsed, topic, NULL);
    if (mrc_grants_allow_topic(grants, action, &parsed, &allow))
        allow = false;
    mrc_topic_clear(&parsed);
    return allow;
}

enum mrc_err mrc_grants_allow_topic(const struct mrc_grants *grants, enum mrc_action action,
                                    struct mrc_topic *topic, bool *ret_allow)
{
    if (mrc_grants_allow_some(grants, action) && !mrc_grants_allow_every(grants, action))
        return allows(grants, action, topic, ret_allow);
    *ret_allow = mrc_grants_allow_every(grants, action);
    return MRC_OK;
}

bool mrc_grants_are_costly(const struct mrc_grants *grants)
{
    return grants->costly && !mrc_grants_allow_every(grants, MRC_ACTION_SUBSCRIBE);
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
    size_t index = find_text(grants, MRC_ACTION_SUBSCRIBE, matcher);
    const char *own =
        index == SIZE_MAX ? NULL : grants->details[grants->entries[index].detail].payload;

    return own ? own : grants->payload;
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
