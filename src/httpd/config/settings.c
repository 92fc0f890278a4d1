#include "httpd/config/settings.h"

#include <stddef.h>
#include <string.h>

#include "apr_strings.h"

#include "httpd/config/transport.h"

#define SECOND_US    ((int64_t)1000 * 1000)
#define DEFAULTS_KEY "mod_mercure: settings"

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
    [MRC_FIELD_HUB] = PLACE(section),
    [MRC_FIELD_PUBLISHER_KEYS] = PLACE(location.publisher_keys),
    [MRC_FIELD_SUBSCRIBER_KEYS] = PLACE(location.subscriber_keys),
    [MRC_FIELD_CONTROL_KEYS] = PLACE(location.control_keys),
    [MRC_FIELD_LEGACY] = PLACE(location.legacy),
    [MRC_FIELD_LEGACY_PUBLISHER_KEYS] = PLACE(location.legacy_publisher_keys),
    [MRC_FIELD_LEGACY_SUBSCRIBER_KEYS] = PLACE(location.legacy_subscriber_keys),
    [MRC_FIELD_ANONYMOUS] = PLACE(location.anonymous),
    [MRC_FIELD_DEBUGGER] = PLACE(location.debugger),
    [MRC_FIELD_PLAYGROUND] = PLACE(location.playground),
    [MRC_FIELD_RESOURCE_IDENTIFIERS] = PLACE(location.resource_identifiers),
    [MRC_FIELD_AUTHORIZATION_SERVERS] = PLACE(location.authorization_servers),
    [MRC_FIELD_PUBLIC_ORIGINS] = PLACE(location.public_origins),
    [MRC_FIELD_COOKIE_NAME] = PLACE(location.cookie_name),
    [MRC_FIELD_CORS_ORIGINS] = PLACE(location.cors_origins),
    [MRC_FIELD_PUBLISH_ORIGINS] = PLACE(location.publish_origins),
    [MRC_FIELD_HISTORY_OFF] = PLACE(hub.history.off),
    [MRC_FIELD_HISTORY_COUNT] = PLACE(hub.history.count),
    [MRC_FIELD_HISTORY_BYTES] = PLACE(hub.history.bytes),
    [MRC_FIELD_HISTORY_AGE] = PLACE(hub.history.age_us),
    [MRC_FIELD_STORE_PATH] = PLACE(hub.store_path),
    [MRC_FIELD_STORE_SYNC] = PLACE(hub.store_sync),
    [MRC_FIELD_TRANSPORT] = PLACE(hub.transport),
    [MRC_FIELD_LIMIT_MATCHERS] = PLACE(hub.limit_matchers),
    [MRC_FIELD_LIMIT_PATTERN] = PLACE(hub.limit_pattern_bytes),
    [MRC_FIELD_LIMIT_TOPICS] = PLACE(hub.limit_topics),
    [MRC_FIELD_LIMIT_BODY] = PLACE(hub.limit_body_bytes),
    [MRC_FIELD_LIMIT_FIELD] = PLACE(hub.limit_field_bytes),
    [MRC_FIELD_LIMIT_DETAILS] = PLACE(hub.limit_details),
    [MRC_FIELD_LIMIT_PATTERNS] = PLACE(hub.limits.patterns_max),
    [MRC_FIELD_LIMIT_COMPILED] = PLACE(hub.limits.pattern_bytes_max),
    [MRC_FIELD_HEARTBEAT] = PLACE(hub.limits.heartbeat_us),
    [MRC_FIELD_LIFETIME] = PLACE(hub.limits.lifetime_us),
    [MRC_FIELD_DISPATCH_TIMEOUT] = PLACE(hub.limits.dispatch_timeout_us),
    [MRC_FIELD_BACKLOG] = PLACE(hub.limits.backlog_bytes),
    [MRC_FIELD_MAX_SUBSCRIBERS] = PLACE(hub.limits.subscribers_max),
    [MRC_FIELD_MAX_PER_ADDRESS] = PLACE(hub.limits.per_address_max),
    [MRC_FIELD_MAX_PER_TOKEN] = PLACE(hub.limits.per_token_max),
    [MRC_FIELD_PUBLISH_RATE] = PLACE(hub.limits.publish_rate),
    [MRC_FIELD_PUBLISH_BURST] = PLACE(hub.limits.publish_burst),
    [MRC_FIELD_PUBLISH_PER_TOKEN] = PLACE(hub.limits.publish_per_token),
    [MRC_FIELD_SUBSCRIPTIONS] = PLACE(hub.subscriptions),
    [MRC_FIELD_HTACCESS] = PLACE(location.htaccess),
    [MRC_FIELD_DETACH] = PLACE(location.detach),
    [MRC_FIELD_CURSOR] = PLACE(location.cursor),
    [MRC_FIELD_PUBLISH_HEADER] = PLACE(response.publish_header),
    [MRC_FIELD_DISCOVERY] = PLACE(response.discovery),
    [MRC_FIELD_MEMORY] = PLACE(server.memory_bytes),
    [MRC_FIELD_DISPATCHERS] = PLACE(server.dispatchers),
    [MRC_FIELD_SITES] = PLACE(server.sites),
    [MRC_FIELD_JWKS_CA] = PLACE(server.jwks_ca_file),
    [MRC_FIELD_HTTP2] = PLACE(server.http2),
};

_Static_assert(MRC_FIELD_COUNT <= 64, "one word has a bit for each field");

void *mrc_settings_field(struct mrc_settings *settings, enum mrc_field field)
{
    return (char *)settings + places[field].offset;
}

bool mrc_settings_is_set(const struct mrc_settings *settings, enum mrc_field field)
{
    return (settings->set >> field) & 1;
}

void mrc_settings_mark(struct mrc_settings *settings, enum mrc_field field)
{
    settings->set |= UINT64_C(1) << field;
}

/* The field is an int64_t or a uint64_t, so VALUE is not negative. */
void mrc_settings_set_number(struct mrc_settings *settings, enum mrc_field field,
                             enum mrc_unit unit, int64_t value)
{
    *(int64_t *)mrc_settings_field(settings, field) =
        unit == MRC_UNIT_SECONDS ? value * SECOND_US : value;
    mrc_settings_mark(settings, field);
}

void mrc_settings_set_flag(struct mrc_settings *settings, enum mrc_field field, bool value)
{
    *(bool *)mrc_settings_field(settings, field) = value;
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
        else if ((row->type == MRC_TYPE_NUMBER || row->type == MRC_TYPE_BOUND ||
                  row->type == MRC_TYPE_RATE) &&
                 row->default_text)
            mrc_settings_set_number(settings, row->field, row->unit,
                                    mrc_directive_parse_number(row->default_text, row->unit));
        for (size_t k = 0; k < row->options_count; k++) {
            const struct mrc_directive_option *option = &row->options[k];
            bool zero = option->zero_word && !strcmp(option->default_text, option->zero_word);

            mrc_settings_set_number(
                settings, option->field, option->unit,
                zero ? 0 : mrc_directive_parse_number(option->default_text, option->unit));
        }
    }
    settings->set = 0;
}

/* The defaults are texts in the table. POOL, which a configuration shares, keeps them parsed:
 * a server may have thousands of sections. */
struct mrc_settings *mrc_settings_create(apr_pool_t *pool)
{
    void *defaults = NULL;

    apr_pool_userdata_get(&defaults, DEFAULTS_KEY, pool);
    if (!defaults) {
        defaults = apr_pcalloc(pool, sizeof(struct mrc_settings));
        set_defaults(defaults);
        apr_pool_userdata_setn(defaults, DEFAULTS_KEY, NULL, pool);
    }
    return apr_pmemdup(pool, defaults, sizeof(struct mrc_settings));
}

/* MercurePublishHeader INNER in a section where OUTER is in force; either may be NULL. */
static const struct mrc_publish_header *merge_publish_header(apr_pool_t *pool,
                                                             const struct mrc_publish_header *outer,
                                                             const struct mrc_publish_header *inner)
{
    static const struct mrc_publish_header off_below_on = {.is_below_on = true};
    bool is_below_on = outer && (outer->is_on || outer->is_below_on);
    struct mrc_publish_header *merged;

    if (!inner)
        return outer;
    if (!inner->is_on)
        return is_below_on ? &off_below_on : inner;
    if (!inner->is_htaccess || !outer)
        return inner;
    merged = apr_pmemdup(pool, inner, sizeof(*merged));
    merged->outer = inner->outer ? merge_publish_header(pool, outer, inner->outer) : outer;
    return merged;
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
    merged->response.publish_header =
        merge_publish_header(pool, outer->response.publish_header, over->response.publish_header);
    merged->set |= over->set;
    return merged;
}

bool mrc_settings_are_default(const struct mrc_settings *settings)
{
    return !settings->set && !settings->response.publish_header;
}

/* Whether both are NULL, or the same text. */
static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static const char *transport_text(const struct mrc_settings *settings)
{
    return settings->hub.transport ? settings->hub.transport->spec.group : NULL;
}

static bool same(const struct mrc_settings *a, const struct mrc_settings *b, enum mrc_field field)
{
    size_t offset = places[field].offset;

    /* The other fields of scope hub are numbers. */
    if (field == MRC_FIELD_STORE_PATH)
        return same_text(a->hub.store_path, b->hub.store_path);
    if (field == MRC_FIELD_TRANSPORT)
        return same_text(transport_text(a), transport_text(b));
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
