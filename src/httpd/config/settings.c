#include "httpd/config/settings.h"

#include "apr_strings.h"

/* ---- fields -----------------------------------------------------------------------------------*/

/* The place of a field in struct mrc_settings. Merging copies these bytes. */
struct field_place {
    size_t offset;
    size_t size;
};

#define PLACE(member)                                                                              \
    {                                                                                              \
        offsetof(struct mrc_settings, member), sizeof(((struct mrc_settings *)0)->member)          \
    }

static const struct field_place places[MRC_FIELD_COUNT] = {
    [MRC_FIELD_HUB] = PLACE(hub),
    [MRC_FIELD_PUBLISHER_KEYS] = PLACE(publisher_keys),
    [MRC_FIELD_SUBSCRIBER_KEYS] = PLACE(subscriber_keys),
    [MRC_FIELD_LEGACY] = PLACE(legacy),
    [MRC_FIELD_LEGACY_PUBLISHER_KEYS] = PLACE(legacy_publisher_keys),
    [MRC_FIELD_LEGACY_SUBSCRIBER_KEYS] = PLACE(legacy_subscriber_keys),
    [MRC_FIELD_ANONYMOUS] = PLACE(anonymous),
    [MRC_FIELD_DEBUGGER] = PLACE(debugger),
    [MRC_FIELD_PLAYGROUND] = PLACE(playground),
    [MRC_FIELD_RESOURCE_IDENTIFIERS] = PLACE(resource_identifiers),
    [MRC_FIELD_AUTHORIZATION_SERVERS] = PLACE(authorization_servers),
    [MRC_FIELD_PUBLIC_ORIGINS] = PLACE(public_origins),
    [MRC_FIELD_COOKIE_NAME] = PLACE(cookie_name),
    [MRC_FIELD_CORS_ORIGINS] = PLACE(cors_origins),
    [MRC_FIELD_PUBLISH_ORIGINS] = PLACE(publish_origins),
    [MRC_FIELD_HISTORY_OFF] = PLACE(history_off),
    [MRC_FIELD_HISTORY_COUNT] = PLACE(history_count),
    [MRC_FIELD_HISTORY_BYTES] = PLACE(history_bytes),
    [MRC_FIELD_HISTORY_AGE] = PLACE(history_age_s),
    [MRC_FIELD_STORE_PATH] = PLACE(store_path),
    [MRC_FIELD_STORE_SYNC] = PLACE(store_sync),
    [MRC_FIELD_LIMIT_MATCHERS] = PLACE(limit_matchers),
    [MRC_FIELD_LIMIT_PATTERN] = PLACE(limit_pattern_bytes),
    [MRC_FIELD_LIMIT_TOPICS] = PLACE(limit_topics),
    [MRC_FIELD_LIMIT_BODY] = PLACE(limit_body_bytes),
    [MRC_FIELD_LIMIT_FIELD] = PLACE(limit_field_bytes),
    [MRC_FIELD_LIMIT_DETAILS] = PLACE(limit_details),
    [MRC_FIELD_LIMIT_PATTERNS] = PLACE(limit_patterns),
    [MRC_FIELD_LIMIT_COMPILED] = PLACE(limit_compiled_bytes),
    [MRC_FIELD_HEARTBEAT] = PLACE(heartbeat_s),
    [MRC_FIELD_LIFETIME] = PLACE(lifetime_s),
    [MRC_FIELD_DISPATCH_TIMEOUT] = PLACE(dispatch_timeout_s),
    [MRC_FIELD_BACKLOG] = PLACE(backlog_bytes),
    [MRC_FIELD_MAX_SUBSCRIBERS] = PLACE(max_subscribers),
    [MRC_FIELD_MAX_PER_ADDRESS] = PLACE(max_per_address),
    [MRC_FIELD_MAX_PER_TOKEN] = PLACE(max_per_token),
    [MRC_FIELD_SUBSCRIPTIONS] = PLACE(subscriptions),
    [MRC_FIELD_DETACH] = PLACE(detach),
    [MRC_FIELD_MEMORY] = PLACE(memory_bytes),
    [MRC_FIELD_DISPATCHERS] = PLACE(dispatchers),
    [MRC_FIELD_JWKS_CA] = PLACE(jwks_ca_file),
};

_Static_assert(MRC_FIELD_COUNT <= 64, "one word has a bit for each field");

void *mrc_settings_field(struct mrc_settings *settings, enum mrc_field field)
{
    return (char *)settings + places[field].offset;
}

int mrc_settings_is_set(const struct mrc_settings *settings, enum mrc_field field)
{
    return (settings->set >> field) & 1;
}

void mrc_settings_mark(struct mrc_settings *settings, enum mrc_field field)
{
    settings->set |= UINT64_C(1) << field;
}

void mrc_settings_set_number(struct mrc_settings *settings, enum mrc_field field, int64_t value)
{
    *(int64_t *)mrc_settings_field(settings, field) = value;
    mrc_settings_mark(settings, field);
}

void mrc_settings_set_flag(struct mrc_settings *settings, enum mrc_field field, int value)
{
    *(int *)mrc_settings_field(settings, field) = value;
    mrc_settings_mark(settings, field);
}

/* ---- create, merge and compare ----------------------------------------------------------------*/

static void set_defaults(struct mrc_settings *settings)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];

        if (row->type == MRC_TYPE_FLAG)
            mrc_settings_set_flag(settings, row->field, !strcmp(row->default_text, "On"));
        else if (row->type == MRC_TYPE_AUTO)
            mrc_settings_set_flag(settings, row->field, !strcmp(row->default_text, "auto"));
        else if (row->type == MRC_TYPE_COOKIE)
            *(const char **)mrc_settings_field(settings, row->field) = row->default_text;
        else if ((row->type == MRC_TYPE_NUMBER || row->type == MRC_TYPE_BOUND) && row->default_text)
            mrc_settings_set_number(settings, row->field,
                                    mrc_directive_parse_number(row->default_text, row->unit));
        for (size_t k = 0; k < row->options_count; k++) {
            const struct mrc_directive_option *option = &row->options[k];
            int zero = option->zero_word && !strcmp(option->default_text, option->zero_word);

            mrc_settings_set_number(
                settings, option->field,
                zero ? 0 : mrc_directive_parse_number(option->default_text, option->unit));
        }
    }
    settings->set = 0;
}

struct mrc_settings *mrc_settings_create(apr_pool_t *pool)
{
    struct mrc_settings *settings = apr_pcalloc(pool, sizeof(*settings));

    set_defaults(settings);
    return settings;
}

struct mrc_settings *mrc_settings_merge(apr_pool_t *pool, const struct mrc_settings *outer,
                                        const struct mrc_settings *over)
{
    struct mrc_settings *merged = apr_pmemdup(pool, outer, sizeof(*merged));

    for (int field = MRC_FIELD_NONE + 1; field < MRC_FIELD_COUNT; field++) {
        if (mrc_settings_is_set(over, field))
            memcpy(mrc_settings_field(merged, field), (const char *)over + places[field].offset,
                   places[field].size);
    }
    merged->set |= over->set;
    return merged;
}

static int same(const struct mrc_settings *a, const struct mrc_settings *b, enum mrc_field field)
{
    size_t offset = places[field].offset;

    /* A string. The other fields of scope hub are numbers. */
    if (field == MRC_FIELD_STORE_PATH)
        return a->store_path && b->store_path ? !strcmp(a->store_path, b->store_path)
                                              : a->store_path == b->store_path;
    return !memcmp((const char *)a + offset, (const char *)b + offset, places[field].size);
}

const char *mrc_settings_disagreement(const struct mrc_settings *a, const struct mrc_settings *b)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];

        if (row->scope != MRC_SCOPE_HUB)
            continue;
        if (row->field && !same(a, b, row->field))
            return row->name;
        if (row->field2 && !same(a, b, row->field2))
            return row->name;
        for (size_t k = 0; k < row->options_count; k++) {
            if (!same(a, b, row->options[k].field))
                return row->name;
        }
    }
    return NULL;
}
