#include "httpd/directives.h"

#include "apr_fnmatch.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_uri.h"
#include "http_core.h"

#include "httpd/directive_table.h"
#include "httpd/keys.h"
#include "httpd/module.h"
#include "httpd/origin.h"
#include "httpd/playground.h"
#include "httpd/registry.h"
#include "httpd/settings.h"
#include "store/history.h"

/* ---- fields -------------------------------------------------------------------------------------
 * Where each field lies in struct mrc_settings: what merging copies.
 */

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

_Static_assert(MRC_FIELD_COUNT <= 64, "the fields that are set fit into one word");

static void *field_of(struct mrc_settings *settings, enum mrc_field field)
{
    return (char *)settings + places[field].offset;
}

static int is_set(const struct mrc_settings *settings, enum mrc_field field)
{
    return (settings->set >> field) & 1;
}

static void mark_set(struct mrc_settings *settings, enum mrc_field field)
{
    settings->set |= UINT64_C(1) << field;
}

static void set_number(struct mrc_settings *settings, enum mrc_field field, int64_t value)
{
    *(int64_t *)field_of(settings, field) = value;
    mark_set(settings, field);
}

static void set_flag(struct mrc_settings *settings, enum mrc_field field, int value)
{
    *(int *)field_of(settings, field) = value;
    mark_set(settings, field);
}

/* ---- reading values ---------------------------------------------------------------------------*/

/* A whole number with an optional K, M or G if UNIT is bytes; -1 if TEXT is none or too large. */
static int64_t parse_number(const char *text, enum mrc_unit unit)
{
    static const char suffixes[] = "KMG";
    int64_t value = 0;
    const char *suffix;

    if (!apr_isdigit(*text))
        return -1;
    for (; apr_isdigit(*text); text++) {
        if (value > (INT64_MAX - 9) / 10)
            return -1;
        value = value * 10 + (*text - '0');
    }
    if (*text == '\0')
        return value;
    suffix = unit == MRC_UNIT_BYTES ? strchr(suffixes, apr_toupper(*text)) : NULL;
    if (!suffix || text[1] != '\0')
        return -1;
    for (const char *step = suffixes; step <= suffix; step++) {
        if (value > INT64_MAX / 1024)
            return -1;
        value *= 1024;
    }
    return value;
}

static const char *number_error(apr_pool_t *pool, const char *what, const char *text,
                                enum mrc_unit unit, int64_t min, int64_t max)
{
    static const char *const kinds[] = {
        [MRC_UNIT_COUNT] = "a whole number",
        [MRC_UNIT_BYTES] = "a number of bytes, where K, M and G may follow it,",
        [MRC_UNIT_SECONDS] = "a whole number of seconds",
    };

    return apr_psprintf(
        pool, "%s%s is not accepted: give %s from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT, what,
        text, kinds[unit], min, max);
}

static const char *set_hub(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[])
{
    struct mrc_hub_section *section;
    const char *name = NULL;

    if (is_set(settings, MRC_FIELD_HUB))
        return "MercureHub stands twice in this section: give it once";
    mark_set(settings, MRC_FIELD_HUB);
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        return NULL;
    if (argc < 1 || argc > 2 || ap_cstr_casecmp(argv[0], "On"))
        return "MercureHub takes On, On name=NAME, or Off";
    if (argc == 2) {
        if (strncmp(argv[1], "name=", 5) || argv[1][5] == '\0')
            return apr_psprintf(cmd->pool, "MercureHub On %s: only name=NAME may follow On",
                                argv[1]);
        name = argv[1] + 5;
        if (strlen(name) > MRC_HUB_NAME_MAX)
            return apr_psprintf(cmd->pool, "MercureHub name=%s is longer than %d characters", name,
                                MRC_HUB_NAME_MAX);
    }
    section = apr_pcalloc(cmd->pool, sizeof(*section));
    section->server = cmd->server;
    section->path = apr_pstrdup(cmd->pool, cmd->path);
    section->name = apr_pstrdup(cmd->pool, name);
    section->where =
        apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
    settings->hub = section;
    return NULL;
}

static void add_key(apr_pool_t *pool, struct mrc_settings *settings, enum mrc_field field,
                    const struct mrc_key_row *key)
{
    apr_array_header_t **list = field_of(settings, field);

    if (!is_set(settings, field)) {
        *list = apr_array_make(pool, 2, sizeof(key));
        mark_set(settings, field);
    }
    *(const struct mrc_key_row **)apr_array_push(*list) = key;
}

static const char *set_key(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[])
{
    const struct mrc_key_row *key;
    const char *error;

    if (argc != 3)
        return apr_psprintf(cmd->pool, "%s takes three arguments: ISSUER ALGS SOURCE", row->name);
    error = mrc_keys_load(cmd->pool, argv[0], argv[1], argv[2], 0, &key);
    if (error)
        return apr_psprintf(cmd->pool, "%s %s %s: %s", row->name, argv[0], argv[1], error);
    add_key(cmd->pool, settings, row->field, key);
    if (row->field2)
        add_key(cmd->pool, settings, row->field2, key);
    return NULL;
}

#define LEGACY_CONTRADICTION                                                                       \
    "MercureLegacy Off stands in one section with %s for protocol 0.x: remove one of the two"

static const char *set_legacy_key(cmd_parms *cmd, const struct mrc_directive *row,
                                  struct mrc_settings *settings, int argc, char *const argv[])
{
    const struct mrc_key_row *key;
    const char *error;

    if (argc != 2)
        return apr_psprintf(cmd->pool, "%s takes two arguments: ALGS SOURCE", row->name);
    if (is_set(settings, MRC_FIELD_LEGACY) && !settings->legacy)
        return apr_psprintf(cmd->pool, LEGACY_CONTRADICTION, row->name);
    error = mrc_keys_load(cmd->pool, NULL, argv[0], argv[1], MRC_KEYSET_SHORT_SECRET_WARNS, &key);
    if (error)
        return apr_psprintf(cmd->pool, "%s %s: %s", row->name, argv[0], error);
    add_key(cmd->pool, settings, row->field, key);
    if (row->field2)
        add_key(cmd->pool, settings, row->field2, key);
    set_flag(settings, MRC_FIELD_LEGACY, 1);
    return NULL;
}

/* Whether ROW is MercureLegacy, and this section has keys that turn it on. */
static int has_legacy_keys(const struct mrc_settings *settings, const struct mrc_directive *row)
{
    return row->field == MRC_FIELD_LEGACY && (is_set(settings, MRC_FIELD_LEGACY_PUBLISHER_KEYS) ||
                                              is_set(settings, MRC_FIELD_LEGACY_SUBSCRIBER_KEYS));
}

static const char *set_flag_row(cmd_parms *cmd, const struct mrc_directive *row,
                                struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "On"))
        set_flag(settings, row->field, 1);
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off") && has_legacy_keys(settings, row))
        return apr_psprintf(cmd->pool, LEGACY_CONTRADICTION, "a key");
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        set_flag(settings, row->field, 0);
    else
        return apr_psprintf(cmd->pool, "%s takes On or Off", row->name);
    return NULL;
}

static const char *set_auto_row(cmd_parms *cmd, const struct mrc_directive *row,
                                struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "auto"))
        set_flag(settings, row->field, 1);
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        set_flag(settings, row->field, 0);
    else
        return apr_psprintf(cmd->pool, "%s takes auto or Off", row->name);
    return NULL;
}

static const char *set_number_row(cmd_parms *cmd, const struct mrc_directive *row,
                                  struct mrc_settings *settings, int argc, char *const argv[])
{
    int64_t value;

    if (argc != 1)
        return apr_psprintf(cmd->pool, "%s takes one argument: %s", row->name, row->syntax);
    value = parse_number(argv[0], row->unit);
    if (value < row->min || value > row->max)
        return number_error(cmd->pool, apr_pstrcat(cmd->pool, row->name, " ", NULL), argv[0],
                            row->unit, row->min, row->max);
    set_number(settings, row->field, value);
    return NULL;
}

static const char *set_urls(cmd_parms *cmd, const struct mrc_directive *row,
                            struct mrc_settings *settings, int argc, char *const argv[])
{
    apr_array_header_t *urls = apr_array_make(cmd->pool, argc, sizeof(const char *));

    if (argc < 1)
        return apr_psprintf(cmd->pool, "%s takes one URL or more", row->name);
    for (int i = 0; i < argc; i++) {
        apr_uri_t uri;

        if (apr_uri_parse(cmd->temp_pool, argv[i], &uri) != APR_SUCCESS || !uri.scheme ||
            !uri.hostname || !*uri.hostname ||
            (ap_cstr_casecmp(uri.scheme, "https") && ap_cstr_casecmp(uri.scheme, "http")))
            return apr_psprintf(cmd->pool,
                                "%s %s is no absolute URL: give one such as "
                                "https://example.com/.well-known/mercure",
                                row->name, argv[i]);
        if (uri.fragment)
            return apr_psprintf(cmd->pool, "%s %s has a fragment: leave out # and what follows",
                                row->name, argv[i]);
        *(const char **)apr_array_push(urls) = apr_pstrdup(cmd->pool, argv[i]);
    }
    *(apr_array_header_t **)field_of(settings, row->field) = urls;
    mark_set(settings, row->field);
    return NULL;
}

static const char *set_playground(cmd_parms *cmd, const struct mrc_directive *row,
                                  struct mrc_settings *settings, int argc, char *const argv[])
{
    settings->playground = NULL;
    mark_set(settings, row->field);
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        return NULL;
    if (argc != 1 || ap_cstr_casecmp(argv[0], "On"))
        return apr_psprintf(cmd->pool, "%s takes On or Off", row->name);
    settings->playground = mrc_playground_create(cmd->pool);
    return settings->playground ? NULL : apr_pstrcat(cmd->pool, row->name, ": no randomness", NULL);
}

static const char *set_origins(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    struct mrc_origins *origins = apr_pcalloc(cmd->pool, sizeof(*origins));

    if (argc < 1)
        return apr_psprintf(cmd->pool, "%s takes %s", row->name, row->syntax);
    for (int i = 0; i < argc; i++) {
        const char *error = mrc_origin_add(cmd->pool, origins, argv[i]);

        if (error)
            return apr_psprintf(cmd->pool, "%s %s: %s", row->name, argv[i], error);
    }
    if (origins->any && row->field == MRC_FIELD_PUBLISH_ORIGINS)
        return apr_psprintf(cmd->pool,
                            "%s *: any site could publish with the cookie of whoever visits it. "
                            "Name the origins",
                            row->name);
    if (origins->any && row->field == MRC_FIELD_PUBLIC_ORIGINS)
        return apr_psprintf(cmd->pool,
                            "%s *: every origin is public without the directive. Leave it out, or "
                            "name the origins",
                            row->name);
    *(struct mrc_origins **)field_of(settings, row->field) = origins;
    mark_set(settings, row->field);
    return NULL;
}

static const char *set_cookie(cmd_parms *cmd, const struct mrc_directive *row,
                              struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc != 1 || !*argv[0])
        return apr_psprintf(cmd->pool, "%s takes one argument: %s", row->name, row->syntax);
    for (const char *c = argv[0]; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return apr_psprintf(cmd->pool,
                                "%s %s: a cookie's name has letters, digits, - and _, and no "
                                "spaces, quotes or separators",
                                row->name, argv[0]);
    }
    *(const char **)field_of(settings, row->field) = apr_pstrdup(cmd->pool, argv[0]);
    mark_set(settings, row->field);
    return NULL;
}

static const char *set_ca_file(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    const char *path, *error;

    if (argc != 1 || !*argv[0])
        return apr_psprintf(cmd->pool, "%s takes one argument: %s", row->name, row->syntax);
    path = ap_server_root_relative(cmd->pool, argv[0]);
    error = path ? mrc_keys_check_ca_file(cmd->pool, path) : "no valid path";
    if (error)
        return apr_psprintf(cmd->pool, "%s %s: %s", row->name, argv[0], error);
    *(const char **)field_of(settings, row->field) = path;
    mark_set(settings, row->field);
    return NULL;
}

static const char *set_option(cmd_parms *cmd, const struct mrc_directive *row,
                              struct mrc_settings *settings, const char *arg)
{
    const char *equals = strchr(arg, '=');

    for (size_t i = 0; equals && i < row->options_count; i++) {
        const struct mrc_directive_option *option = &row->options[i];
        int64_t value;

        if (strlen(option->name) != (size_t)(equals - arg) ||
            ap_cstr_casecmpn(arg, option->name, equals - arg))
            continue;
        value = option->zero_word && !ap_cstr_casecmp(equals + 1, option->zero_word)
                    ? 0
                    : parse_number(equals + 1, option->unit);
        if (value < option->min || value > option->max)
            return number_error(cmd->pool,
                                apr_psprintf(cmd->pool, "%s %s=", row->name, option->name),
                                equals + 1, option->unit, option->min, option->max);
        set_number(settings, option->field, value);
        return NULL;
    }
    return apr_psprintf(cmd->pool, "%s %s is not known: it takes %s", row->name, arg, row->syntax);
}

static const char *set_options(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    const char *error = NULL;

    if (argc < 1)
        return apr_psprintf(cmd->pool, "%s takes %s", row->name, row->syntax);
    for (int i = 0; i < argc && !error; i++)
        error = set_option(cmd, row, settings, argv[i]);
    return error;
}

static const char *set_bound(cmd_parms *cmd, const struct mrc_directive *row,
                             struct mrc_settings *settings, int argc, char *const argv[])
{
    const char *error = set_number_row(cmd, row, settings, argc < 1 ? 0 : 1, argv);

    return error || argc == 1 ? error : set_options(cmd, row, settings, argc - 1, argv + 1);
}

static const char *set_history(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    int off = argc == 1 && !ap_cstr_casecmp(argv[0], "Off");

    set_flag(settings, MRC_FIELD_HISTORY_OFF, off);
    return off ? NULL : set_options(cmd, row, settings, argc, argv);
}

/* The values of sync=, in the order of enum mrc_history_sync. */
static const char *const syncs[] = {"group", "full", "none"};

static const char *set_lmdb(cmd_parms *cmd, struct mrc_settings *settings, int argc,
                            char *const argv[])
{
    int sync = MRC_HISTORY_SYNC_GROUP;

    if (!mrc_history_has_lmdb())
        return "MercureStore lmdb: this build has no LMDB. Write memory, or build with LMDB "
               "(liblmdb-dev)";
    if (argc < 2 || argc > 3)
        return "MercureStore lmdb takes the path of a directory, and sync=full, sync=group or "
               "sync=none after it";
    if (argc == 3) {
        for (sync = 0; sync < (int)(sizeof(syncs) / sizeof(syncs[0])); sync++) {
            if (!strncmp(argv[2], "sync=", 5) && !ap_cstr_casecmp(argv[2] + 5, syncs[sync]))
                break;
        }
        if (sync == (int)(sizeof(syncs) / sizeof(syncs[0])))
            return apr_psprintf(cmd->pool,
                                "MercureStore lmdb %s %s: after the path comes sync=full, "
                                "sync=group or sync=none",
                                argv[1], argv[2]);
    }
    settings->store_path = ap_server_root_relative(cmd->pool, argv[1]);
    if (!settings->store_path || !*argv[1])
        return apr_psprintf(cmd->pool, "MercureStore lmdb %s: this is no path", argv[1]);
    set_flag(settings, MRC_FIELD_STORE_SYNC, sync);
    mark_set(settings, MRC_FIELD_STORE_PATH);
    return NULL;
}

static const char *set_store(cmd_parms *cmd, const struct mrc_directive *row,
                             struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc >= 1 && !ap_cstr_casecmp(argv[0], "lmdb"))
        return set_lmdb(cmd, settings, argc, argv);
    if (argc != 1 || ap_cstr_casecmp(argv[0], "memory"))
        return apr_psprintf(cmd->pool, "MercureStore takes %s", row->syntax);
    settings->store_path = NULL;
    mark_set(settings, MRC_FIELD_STORE_PATH);
    set_flag(settings, MRC_FIELD_STORE_SYNC, MRC_HISTORY_SYNC_GROUP);
    return NULL;
}

/*
 * There is one transport, so nothing is set. A URL is refused by its scheme alone: it may hold a
 * password, which is nothing for a terminal or a log.
 */
static const char *set_transport(cmd_parms *cmd, const struct mrc_directive *row,
                                 struct mrc_settings *settings, int argc, char *const argv[])
{
    static const char *const schemes[] = {"redis", "rediss"};

    if (argc == 1 && !ap_cstr_casecmp(argv[0], "local"))
        return NULL;
    for (size_t i = 0; argc == 1 && i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);

        if (!ap_cstr_casecmpn(argv[0], schemes[i], len) && !strncmp(argv[0] + len, "://", 3))
            return apr_psprintf(cmd->pool,
                                "%s %s://...: the redis transport is not built into this module. "
                                "Write local, or leave the directive out",
                                row->name, schemes[i]);
    }
    return apr_psprintf(cmd->pool, "%s takes one argument: %s", row->name, row->syntax);
}

/* ---- where a directive may stand --------------------------------------------------------------*/

/* Whether the nearest enclosing section SECTION is a `<Location>` without wildcard or regex. */
static int is_literal_location(const ap_directive_t *section, const char *path)
{
    const char *args = section->args;

    if (ap_cstr_casecmp(section->directive, "<Location"))
        return 0;
    while (*args == '"' || *args == '\'' || apr_isspace(*args))
        args++;
    return !(args[0] == '~' && (args[1] == '"' || args[1] == '\'' || apr_isspace(args[1]))) &&
           !apr_fnmatch_test(path);
}

/* Whether PATH has a segment that httpd takes out of every request: an empty one, `.` or `..`. */
static int is_normalized_away(const char *path)
{
    for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
        const char *segment = slash + 1;
        size_t len = strcspn(segment, "/");

        if ((len == 0 && *segment) || (len == 1 && *segment == '.') ||
            (len == 2 && !strncmp(segment, "..", 2)))
            return 1;
    }
    return 0;
}

static const char *check_hub_path(apr_pool_t *pool, const char *path)
{
    if (path[0] != '/')
        return apr_psprintf(
            pool, "MercureHub: the path of a hub begins with /: write <Location \"/%s\">", path);
    if (is_normalized_away(path) || strchr(path, '%'))
        return apr_psprintf(pool,
                            "MercureHub: the path %s can never be requested, since httpd "
                            "normalizes paths: write it decoded, without //, /./ and /../",
                            path);
    return NULL;
}

static const char *check_place(cmd_parms *cmd, const struct mrc_directive *row)
{
    const ap_directive_t *section = cmd->directive->parent;
    const char *error = ap_check_cmd_context(
        cmd, row->scope == MRC_SCOPE_SERVER ? GLOBAL_ONLY
                                            : NOT_IN_HTACCESS | NOT_IN_DIRECTORY | NOT_IN_PROXY);
    int literal;

    if (error || row->scope == MRC_SCOPE_SERVER)
        return error;
    if (cmd->limited != -1)
        return apr_psprintf(cmd->pool, "%s cannot stand in <Limit> or <LimitExcept>", row->name);
    literal = cmd->path && section && is_literal_location(section, cmd->path);
    if (row->scope == MRC_SCOPE_SECTION && !literal)
        return apr_psprintf(cmd->pool,
                            "%s stands in a <Location> with a literal path, for example "
                            "<Location \"/.well-known/mercure\">: the path is the hub's URL",
                            row->name);
    if (row->scope == MRC_SCOPE_SECTION)
        return check_hub_path(cmd->pool, cmd->path);
    if (row->scope == MRC_SCOPE_HUB && cmd->path && !literal)
        return apr_psprintf(cmd->pool,
                            "%s belongs to the whole hub: it stands in the hub's <Location> (with "
                            "a literal path), in a virtual host or in the server's configuration",
                            row->name);
    for (; section; section = section->parent) {
        if (!ap_cstr_casecmpn(section->directive, "<Files", 6))
            return apr_psprintf(cmd->pool, "%s cannot stand in %s>: a hub is no file", row->name,
                                section->directive);
    }
    return NULL;
}

/* ---- commands ---------------------------------------------------------------------------------*/

typedef const char *setter(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[]);

static setter *const setters[] = {
    [MRC_TYPE_HUB] = set_hub,
    [MRC_TYPE_KEY] = set_key,
    [MRC_TYPE_FLAG] = set_flag_row,
    [MRC_TYPE_AUTO] = set_auto_row,
    [MRC_TYPE_NUMBER] = set_number_row,
    [MRC_TYPE_URLS] = set_urls,
    [MRC_TYPE_ORIGINS] = set_origins,
    [MRC_TYPE_COOKIE] = set_cookie,
    [MRC_TYPE_OPTIONS] = set_options,
    [MRC_TYPE_HISTORY] = set_history,
    [MRC_TYPE_BOUND] = set_bound,
    [MRC_TYPE_LEGACY_KEY] = set_legacy_key,
    [MRC_TYPE_PLAYGROUND] = set_playground,
    [MRC_TYPE_STORE] = set_store,
    [MRC_TYPE_TRANSPORT] = set_transport,
    [MRC_TYPE_CA_FILE] = set_ca_file,
};

static const struct mrc_directive *find_row(const char *name)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        if (!ap_cstr_casecmp(mrc_directives[i].name, name))
            return &mrc_directives[i];
    }
    return NULL;
}

/* The one function behind every command: checks the place, then reads the arguments. */
static const char *set_directive(cmd_parms *cmd, void *dir_settings, int argc, char *const argv[])
{
    const struct mrc_directive *row = find_row(cmd->cmd->name);
    struct mrc_settings *settings = dir_settings;
    const char *error = check_place(cmd, row);

    if (error)
        return error;
    if (row->scope == MRC_SCOPE_SERVER)
        settings = &((struct mrc_server_conf *)ap_get_module_config(cmd->server->module_config,
                                                                    &mercure_module))
                        ->settings;
    return setters[row->type](cmd, row, settings, argc, argv);
}

#define MRC_DIRECTIVE(directive_name, directive_summary, ...)                                      \
    AP_INIT_TAKE_ARGV(directive_name, set_directive, NULL, RSRC_CONF | ACCESS_CONF,                \
                      directive_summary),

const command_rec mrc_directives_commands[] = {
#include "httpd/directive_table.def"
    {NULL},
};

#undef MRC_DIRECTIVE

/* ---- create and merge -------------------------------------------------------------------------*/

static void set_defaults(struct mrc_settings *settings)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        const struct mrc_directive *row = &mrc_directives[i];

        if (row->type == MRC_TYPE_FLAG)
            set_flag(settings, row->field, !strcmp(row->default_text, "On"));
        else if (row->type == MRC_TYPE_AUTO)
            set_flag(settings, row->field, !strcmp(row->default_text, "auto"));
        else if (row->type == MRC_TYPE_COOKIE)
            *(const char **)field_of(settings, row->field) = row->default_text;
        else if ((row->type == MRC_TYPE_NUMBER || row->type == MRC_TYPE_BOUND) && row->default_text)
            set_number(settings, row->field, parse_number(row->default_text, row->unit));
        for (size_t k = 0; k < row->options_count; k++) {
            const struct mrc_directive_option *option = &row->options[k];
            int zero = option->zero_word && !strcmp(option->default_text, option->zero_word);

            set_number(settings, option->field,
                       zero ? 0 : parse_number(option->default_text, option->unit));
        }
    }
    settings->set = 0;
}

void *mrc_directives_create(apr_pool_t *pool)
{
    struct mrc_settings *settings = apr_pcalloc(pool, sizeof(*settings));

    set_defaults(settings);
    return settings;
}

void *mrc_directives_create_dir(apr_pool_t *pool, char *dir)
{
    return mrc_directives_create(pool);
}

void *mrc_directives_merge(apr_pool_t *pool, void *outer, void *inner)
{
    struct mrc_settings *merged = apr_pmemdup(pool, outer, sizeof(*merged));
    struct mrc_settings *over = inner;

    for (int field = MRC_FIELD_NONE + 1; field < MRC_FIELD_COUNT; field++) {
        if (is_set(over, field))
            memcpy(field_of(merged, field), field_of(over, field), places[field].size);
    }
    merged->set |= over->set;
    return merged;
}

static int same(const struct mrc_settings *a, const struct mrc_settings *b, enum mrc_field field)
{
    size_t offset = places[field].offset;

    if (field == MRC_FIELD_STORE_PATH) /* a text, where the others are values or made once */
        return a->store_path && b->store_path ? !strcmp(a->store_path, b->store_path)
                                              : a->store_path == b->store_path;
    return !memcmp((const char *)a + offset, (const char *)b + offset, places[field].size);
}

const char *mrc_directives_disagreement(const struct mrc_settings *a, const struct mrc_settings *b)
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

int mrc_directives_is_set(const struct mrc_settings *settings, enum mrc_field field)
{
    return is_set(settings, field);
}
