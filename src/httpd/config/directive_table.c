#include "httpd/config/directive_table.h"

#include <ctype.h>
#include <string.h>

#define MRC_SIZE_MAX  ((int64_t)1 << 40) /* 1 TB: anything larger is a typing error */
#define MRC_COUNT_MAX ((int64_t)1 << 32)
#define MRC_RATE_MAX  ((int64_t)1000 * 1000)
#define MRC_BODY_MAX  ((int64_t)1 << 30)
#define MRC_AGE_MAX   ((int64_t)100 * 365 * 24 * 3600)

static const struct mrc_directive_option mrc_history_options[] = {
    {"count", MRC_FIELD_HISTORY_COUNT, MRC_UNIT_COUNT, "100000", 0, MRC_COUNT_MAX, NULL,
     "number of updates; the newest are kept"},
    {"bytes", MRC_FIELD_HISTORY_BYTES, MRC_UNIT_BYTES, "16M", 0, MRC_SIZE_MAX, NULL,
     "bytes of their topics, ids, types and data together"},
    {"age", MRC_FIELD_HISTORY_AGE, MRC_UNIT_SECONDS, "0", 0, MRC_AGE_MAX, NULL,
     "age of the oldest update, in seconds"},
};

static const struct mrc_directive_option mrc_limit_options[] = {
    {"matchers", MRC_FIELD_LIMIT_MATCHERS, MRC_UNIT_COUNT, "100", 1, 100000, NULL,
     "topic matchers of one subscription"},
    {"pattern", MRC_FIELD_LIMIT_PATTERN, MRC_UNIT_BYTES, "4096", 1, 1 << 20, NULL,
     "bytes of one topic matcher, in a subscription or a token"},
    {"topics", MRC_FIELD_LIMIT_TOPICS, MRC_UNIT_COUNT, "1000", 1, 100000, NULL,
     "topics of one publication, and topic entries of one token"},
    {"body", MRC_FIELD_LIMIT_BODY, MRC_UNIT_BYTES, "1M", 1, MRC_BODY_MAX, NULL,
     "bytes of the body of one publication"},
    {"field", MRC_FIELD_LIMIT_FIELD, MRC_UNIT_BYTES, "body", 0, MRC_BODY_MAX, "body",
     "bytes of one field of a publication; `body` means the limit of the body"},
    {"details", MRC_FIELD_LIMIT_DETAILS, MRC_UNIT_COUNT, "100", 0, 100000, NULL,
     "Mercure authorization details of one token"},
    {"patterns", MRC_FIELD_LIMIT_PATTERNS, MRC_UNIT_COUNT, "20000", 1, 1 << 24, NULL,
     "different URL Patterns and URI templates of the hub's subscribers, counted in each child "
     "process"},
    {"compiled", MRC_FIELD_LIMIT_COMPILED, MRC_UNIT_BYTES, "64M", 2 << 20, MRC_SIZE_MAX, NULL,
     "bytes of memory for these patterns together; one subscription may take 1 MB of them"},
};

static const struct mrc_directive_option mrc_subscribers_options[] = {
    {"per-address", MRC_FIELD_MAX_PER_ADDRESS, MRC_UNIT_COUNT, "0", 0, MRC_COUNT_MAX, NULL,
     "subscribers from one client address (mod_remoteip applies); of an IPv6 address the first 64 "
     "bits count"},
    {"per-token", MRC_FIELD_MAX_PER_TOKEN, MRC_UNIT_COUNT, "0", 0, MRC_COUNT_MAX, NULL,
     "subscribers with one access token"},
};

static const struct mrc_directive_option mrc_rate_options[] = {
    {"burst", MRC_FIELD_PUBLISH_BURST, MRC_UNIT_COUNT, "N", 1, MRC_RATE_MAX, "N",
     "updates at once, after a time without updates; `N` means as many as in a second"},
    {"per-token", MRC_FIELD_PUBLISH_PER_TOKEN, MRC_UNIT_COUNT, "0", 0, MRC_RATE_MAX, NULL,
     "updates in a second, and at once, with one access token; 0: no limit"},
};

#define MRC_DIRECTIVE(directive_name, directive_summary, ...)                                      \
    {.name = directive_name, .summary = directive_summary, __VA_ARGS__},
#define MRC_DIRECTIVE_ANYWHERE MRC_DIRECTIVE

const struct mrc_directive mrc_directives[] = {
#include "httpd/config/directive_table.def"
};

#undef MRC_DIRECTIVE
#undef MRC_DIRECTIVE_ANYWHERE

const size_t mrc_directives_count = sizeof(mrc_directives) / sizeof(mrc_directives[0]);

int64_t mrc_directive_parse_number(const char *text, enum mrc_unit unit)
{
    static const char suffixes[] = "KMG";
    int64_t value = 0;
    const char *suffix;

    if (!isdigit((unsigned char)*text))
        return -1;
    for (; isdigit((unsigned char)*text); text++) {
        if (value > (INT64_MAX - 9) / 10)
            return -1;
        value = value * 10 + (*text - '0');
    }
    if (*text == '\0')
        return value;
    suffix = unit == MRC_UNIT_BYTES ? strchr(suffixes, toupper((unsigned char)*text)) : NULL;
    if (!suffix || text[1] != '\0')
        return -1;
    for (const char *step = suffixes; step <= suffix; step++) {
        if (value > INT64_MAX / 1024)
            return -1;
        value *= 1024;
    }
    return value;
}
