#include "httpd/config/values.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_uri.h"

#include "httpd/base/module.h"
#include "httpd/base/reload.h"
#include "httpd/config/directive_table.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/origin.h"
#include "httpd/config/place.h"
#include "httpd/config/playground_key.h"
#include "httpd/config/settings.h"
#include "httpd/config/transport.h"
#include "store/history/history.h"

/* The most elements of a list that an .htaccess file may give, in one section. */
#define LIST_MAX 64

/* WHAT comes before the value TEXT in the message. */
static const char *number_error(apr_pool_t *pool, const char *what, const char *text,
                                enum mrc_unit unit, int64_t min, int64_t max)
{
    static const char *const kinds[] = {
        [MRC_UNIT_COUNT] = "a whole number",
        [MRC_UNIT_BYTES] = "a number of bytes (K, M or G may follow it)",
        [MRC_UNIT_SECONDS] = "a whole number of seconds",
    };

    return apr_psprintf(
        pool, "%s%s is not accepted: give %s from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT, what,
        text, kinds[unit], min, max);
}

/* The error for arguments that ROW does not accept: it expects WHAT. Not for arguments that may
 * contain a secret, because the message repeats them. */
static const char *shape_error(cmd_parms *cmd, const struct mrc_directive *row, int argc,
                               char *const argv[], const char *what)
{
    const char *given = row->name;

    for (int i = 0; i < argc; i++)
        given = apr_pstrcat(cmd->pool, given, " ", argv[i], NULL);
    return apr_psprintf(cmd->pool, argc ? "%s is not valid: the directive takes %s" : "%s takes %s",
                        given, what);
}

static const char *one_error(cmd_parms *cmd, const struct mrc_directive *row, int argc,
                             char *const argv[])
{
    return shape_error(cmd, row, argc, argv,
                       apr_pstrcat(cmd->pool, "one argument, ", row->syntax, NULL));
}

static const char *set_hub(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[])
{
    struct mrc_hub_section *section;
    const char *name = NULL;

    if (mrc_settings_is_set(settings, MRC_FIELD_HUB))
        return "MercureHub is given twice in this section: give it once";
    mrc_settings_mark(settings, MRC_FIELD_HUB);
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        return NULL;
    if (argc < 1 || argc > 2 || ap_cstr_casecmp(argv[0], "On"))
        return shape_error(cmd, row, argc, argv, "On, On name=NAME, or Off");
    if (argc == 2) {
        if (strncmp(argv[1], "name=", 5) || argv[1][5] == '\0')
            return apr_psprintf(cmd->pool, "MercureHub On %s: only name=NAME may follow On",
                                argv[1]);
        name = argv[1] + 5;
        if (strlen(name) > MRC_HUB_NAME_MAX)
            return apr_psprintf(cmd->pool,
                                "MercureHub name=%s is too long: shorten it to %d characters", name,
                                MRC_HUB_NAME_MAX);
    }
    section = apr_pcalloc(cmd->pool, sizeof(*section));
    section->server = cmd->server;
    section->path = apr_pstrdup(cmd->pool, cmd->path);
    section->name = apr_pstrdup(cmd->pool, name);
    section->where =
        apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
    settings->section = section;
    return NULL;
}

static void add_key(apr_pool_t *pool, struct mrc_settings *settings, enum mrc_field field,
                    const struct mrc_key_row *key)
{
    apr_array_header_t **list = mrc_settings_field(settings, field);

    if (!mrc_settings_is_set(settings, field)) {
        *list = apr_array_make(pool, 2, sizeof(key));
        mrc_settings_mark(settings, field);
    }
    *(const struct mrc_key_row **)apr_array_push(*list) = key;
}

/* Makes the row of a key directive. Returns NULL, or an error message. */
static const char *load_key(cmd_parms *cmd, const char *issuer, const char *algs,
                            const char *source, unsigned flags, const struct mrc_key_row **ret_row)
{
    struct mrc_place_site *site = mrc_place_get_site(cmd);
    struct mrc_bytes content = {NULL, 0};
    const char *error = NULL;

    if (!site)
        return mrc_key_sources_load(cmd->pool, issuer, algs, source, flags, ret_row);
    if (site->keys_left == 0)
        return "the file has too many keys";
    site->keys_left--;
    if (!strncmp(source, "env:", 4) || !strncmp(source, "https:", 6) ||
        !strncmp(source, "http:", 5))
        return "in an .htaccess file, a key is a secret or file:PATH";
    if (!strncmp(source, "file:", 5))
        error = site->read_key(site->ctx, source + 5, &content);
    else
        content = mrc_bytes_of(source);
    if (!error)
        error = mrc_key_sources_load_loose(cmd->pool, issuer, algs, content, flags, site->number++,
                                           ret_row);
    if (error || *ret_row)
        return error;
    site->lacks_memory = true;
    return mrc_strerror(MRC_ENOMEM);
}

#define ALG_NAME_MAX 8

/* ALGS as a message may show it: a name that is too long for an algorithm may be a secret in the
 * wrong place. */
static const char *show_algs(const char *algs)
{
    for (const char *name = algs; *name;) {
        size_t len = strcspn(name, ",");

        if (len > ALG_NAME_MAX)
            return "...";
        name += name[len] ? len + 1 : len;
    }
    return algs;
}

static const char *set_key(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[])
{
    const struct mrc_key_row *key;
    const char *error;

    if (argc != 3)
        return apr_psprintf(cmd->pool, "%s takes three arguments: ISSUER ALGS SOURCE", row->name);
    error = load_key(cmd, argv[0], argv[1], argv[2], 0, &key);
    if (error)
        return apr_psprintf(cmd->pool, "%s %s %s: %s", row->name,
                            mrc_key_sources_show_issuer(argv[0]), show_algs(argv[1]), error);
    add_key(cmd->pool, settings, row->field, key);
    if (row->field2)
        add_key(cmd->pool, settings, row->field2, key);
    return NULL;
}

#define LEGACY_CONTRADICTION                                                                       \
    "MercureLegacy Off and %s contradict each other in one section: remove one of the two"

static const char *set_legacy_key(cmd_parms *cmd, const struct mrc_directive *row,
                                  struct mrc_settings *settings, int argc, char *const argv[])
{
    const struct mrc_key_row *key;
    const char *error;

    if (argc != 2)
        return apr_psprintf(cmd->pool, "%s takes two arguments: ALGS SOURCE", row->name);
    if (mrc_settings_is_set(settings, MRC_FIELD_LEGACY) && !settings->location.legacy)
        return apr_psprintf(cmd->pool, LEGACY_CONTRADICTION, row->name);
    error = load_key(cmd, NULL, argv[0], argv[1], MRC_KEYSET_SHORT_SECRET_WARNS, &key);
    if (error)
        return apr_psprintf(cmd->pool, "%s %s: %s", row->name, show_algs(argv[0]), error);
    add_key(cmd->pool, settings, row->field, key);
    if (row->field2)
        add_key(cmd->pool, settings, row->field2, key);
    mrc_settings_set_flag(settings, MRC_FIELD_LEGACY, true);
    return NULL;
}

/* Whether ROW is MercureLegacy and this section has keys that turn it on. */
static int has_legacy_keys(const struct mrc_settings *settings, const struct mrc_directive *row)
{
    return row->field == MRC_FIELD_LEGACY &&
           (mrc_settings_is_set(settings, MRC_FIELD_LEGACY_PUBLISHER_KEYS) ||
            mrc_settings_is_set(settings, MRC_FIELD_LEGACY_SUBSCRIBER_KEYS));
}

static const char *set_flag_row(cmd_parms *cmd, const struct mrc_directive *row,
                                struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "On"))
        mrc_settings_set_flag(settings, row->field, true);
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off") && has_legacy_keys(settings, row))
        return apr_psprintf(cmd->pool, LEGACY_CONTRADICTION, "a key for protocol 0.x");
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        mrc_settings_set_flag(settings, row->field, false);
    else
        return shape_error(cmd, row, argc, argv, "On or Off");
    return NULL;
}

static const char *set_auto_row(cmd_parms *cmd, const struct mrc_directive *row,
                                struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "auto"))
        mrc_settings_set_flag(settings, row->field, true);
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        mrc_settings_set_flag(settings, row->field, false);
    else
        return shape_error(cmd, row, argc, argv, "auto or Off");
    return NULL;
}

static const char *set_cursor(cmd_parms *cmd, const struct mrc_directive *row,
                              struct mrc_settings *settings, int argc, char *const argv[])
{
    enum mrc_cursor_setting *cursor = mrc_settings_field(settings, row->field);

    if (argc == 1 && !ap_cstr_casecmp(argv[0], "auto"))
        *cursor = MRC_CURSOR_AUTO;
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "On"))
        *cursor = MRC_CURSOR_ON;
    else if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        *cursor = MRC_CURSOR_OFF;
    else
        return shape_error(cmd, row, argc, argv, "auto, On or Off");
    mrc_settings_mark(settings, row->field);
    return NULL;
}

static const char *set_number_row(cmd_parms *cmd, const struct mrc_directive *row,
                                  struct mrc_settings *settings, int argc, char *const argv[])
{
    int64_t value;

    if (argc != 1)
        return one_error(cmd, row, argc, argv);
    value = mrc_directive_parse_number(argv[0], row->unit);
    if (value < row->min || value > row->max)
        return number_error(cmd->pool, apr_pstrcat(cmd->pool, row->name, " ", NULL), argv[0],
                            row->unit, row->min, row->max);
    mrc_settings_set_number(settings, row->field, row->unit, value);
    return NULL;
}

/* The list of FIELD in this section; an empty one if no directive of the section has set it. */
static apr_array_header_t *list_of(apr_pool_t *pool, struct mrc_settings *settings,
                                   enum mrc_field field)
{
    apr_array_header_t **list = mrc_settings_field(settings, field);

    if (!mrc_settings_is_set(settings, field))
        *list = apr_array_make(pool, 2, sizeof(const char *));
    mrc_settings_mark(settings, field);
    return *list;
}

/* Adds a copy of TEXT to LIST, unless it is there. */
static void add_text(apr_pool_t *pool, apr_array_header_t *list, const char *text)
{
    for (int i = 0; i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), text))
            return;
    }
    APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(pool, text);
}

static const char *set_urls(cmd_parms *cmd, const struct mrc_directive *row,
                            struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc < 1)
        return apr_psprintf(cmd->pool, "%s takes one or more URLs", row->name);
    for (int i = 0; i < argc; i++) {
        apr_uri_t uri;

        if (apr_uri_parse(cmd->temp_pool, argv[i], &uri) != APR_SUCCESS || !uri.scheme ||
            !uri.hostname || !*uri.hostname || !mrc_origin_of_url(cmd->temp_pool, argv[i]) ||
            (ap_cstr_casecmp(uri.scheme, "https") && ap_cstr_casecmp(uri.scheme, "http")))
            return apr_psprintf(cmd->pool,
                                "%s %s is not an absolute http or https URL: give one such as "
                                "https://example.com/.well-known/mercure",
                                row->name, argv[i]);
        if (uri.fragment)
            return apr_psprintf(cmd->pool, "%s %s has a fragment: remove # and everything after it",
                                row->name, argv[i]);
        add_text(cmd->pool, list_of(cmd->pool, settings, row->field), argv[i]);
    }
    return NULL;
}

static const char *set_playground(cmd_parms *cmd, const struct mrc_directive *row,
                                  struct mrc_settings *settings, int argc, char *const argv[])
{
    settings->location.playground = NULL;
    mrc_settings_mark(settings, row->field);
    if (argc == 1 && !ap_cstr_casecmp(argv[0], "Off"))
        return NULL;
    if (argc != 1 || ap_cstr_casecmp(argv[0], "On"))
        return shape_error(cmd, row, argc, argv, "On or Off");
    settings->location.playground = mrc_playground_key_create(cmd->pool);
    return settings->location.playground
               ? NULL
               : apr_pstrcat(cmd->pool, row->name, " On: the system provides no random bytes",
                             NULL);
}

static const char *set_origins(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    struct mrc_origins **list = mrc_settings_field(settings, row->field);
    struct mrc_origins *origins;

    if (argc < 1)
        return apr_psprintf(cmd->pool, "%s takes one or more origins, such as https://example.com",
                            row->name);
    if (!mrc_settings_is_set(settings, row->field))
        *list = apr_pcalloc(cmd->pool, sizeof(**list));
    origins = *list;
    if (origins->any && argc == 1 && !strcmp(argv[0], "*"))
        return NULL;
    for (int i = 0; i < argc; i++) {
        const char *error = mrc_origin_add(cmd->pool, origins, argv[i]);

        if (error)
            return apr_psprintf(cmd->pool, "%s %s: %s", row->name, argv[i], error);
    }
    if (mrc_place_is_htaccess(cmd) && mrc_origin_count(origins) > LIST_MAX)
        return apr_psprintf(cmd->pool, "%s: at most %d origins in an .htaccess file", row->name,
                            LIST_MAX);
    if (origins->any && row->field == MRC_FIELD_PUBLISH_ORIGINS)
        return apr_psprintf(cmd->pool,
                            "%s * would let any site publish with the cookies of its visitors. "
                            "Name the origins",
                            row->name);
    if (origins->any && row->field == MRC_FIELD_PUBLIC_ORIGINS)
        return apr_psprintf(cmd->pool,
                            "%s * has no effect, because every origin is public without the "
                            "directive. Leave it out, or name the origins",
                            row->name);
    mrc_settings_mark(settings, row->field);
    return NULL;
}

static const char *set_cookie(cmd_parms *cmd, const struct mrc_directive *row,
                              struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc != 1 || !*argv[0])
        return one_error(cmd, row, argc, argv);
    for (const char *c = argv[0]; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return apr_psprintf(cmd->pool,
                                "%s %s is not valid: use letters, digits, - and _ in the name of a "
                                "cookie, and no spaces, quotes or separators",
                                row->name, argv[0]);
    }
    *(const char **)mrc_settings_field(settings, row->field) = apr_pstrdup(cmd->pool, argv[0]);
    mrc_settings_mark(settings, row->field);
    return NULL;
}

static const char *set_ca_file(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    const char *path, *error;

    if (argc != 1 || !*argv[0])
        return one_error(cmd, row, argc, argv);
    path = ap_server_root_relative(cmd->pool, argv[0]);
    error = path ? mrc_key_sources_check_ca_file(cmd->pool, path) : "this is not a valid path";
    if (error && path && mrc_reload_is_now())
        APR_ARRAY_PUSH(mrc_key_sources_catalogue(cmd->pool)->skipped, const char *) = apr_psprintf(
            cmd->pool, "%s %s: %s. The JWK Sets that were fetched before stay in force", row->name,
            argv[0], error);
    else if (error)
        return apr_psprintf(cmd->pool, "%s %s: %s", row->name, argv[0], error);
    *(const char **)mrc_settings_field(settings, row->field) = path;
    mrc_settings_mark(settings, row->field);
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
                    : mrc_directive_parse_number(equals + 1, option->unit);
        if (value < option->min || value > option->max)
            return number_error(cmd->pool,
                                apr_psprintf(cmd->pool, "%s %s=", row->name, option->name),
                                equals + 1, option->unit, option->min, option->max);
        mrc_settings_set_number(settings, option->field, option->unit, value);
        return NULL;
    }
    return apr_psprintf(cmd->pool, "%s %s is unknown: the directive takes %s", row->name, arg,
                        row->syntax);
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

/* A number that /s may follow, and options. */
static const char *set_rate(cmd_parms *cmd, const struct mrc_directive *row,
                            struct mrc_settings *settings, int argc, char *const argv[])
{
    char *number = argc ? apr_pstrdup(cmd->pool, argv[0]) : NULL;
    size_t len = number ? strlen(number) : 0;
    const char *error;

    if (len > 2 && !strcmp(number + len - 2, "/s"))
        number[len - 2] = '\0';
    error = set_number_row(cmd, row, settings, argc ? 1 : 0, &number);
    return error || argc == 1 ? error : set_options(cmd, row, settings, argc - 1, argv + 1);
}

static const char *set_history(cmd_parms *cmd, const struct mrc_directive *row,
                               struct mrc_settings *settings, int argc, char *const argv[])
{
    bool off = argc == 1 && !ap_cstr_casecmp(argv[0], "Off");

    mrc_settings_set_flag(settings, MRC_FIELD_HISTORY_OFF, off);
    return off ? NULL : set_options(cmd, row, settings, argc, argv);
}

/* The values of sync=, in the order of enum mrc_history_sync. */
static const char *const syncs[] = {"group", "full", "none"};

static const char *set_lmdb(cmd_parms *cmd, const struct mrc_directive *row,
                            struct mrc_settings *settings, int argc, char *const argv[])
{
    int sync = MRC_HISTORY_SYNC_GROUP;

    if (!mrc_history_has_lmdb())
        return "MercureStore lmdb: this build has no LMDB. Write memory, or build the module with "
               "LMDB (liblmdb-dev)";
    if (argc < 2 || argc > 3 || !*argv[1] || !strncmp(argv[1], "sync=", 5))
        return shape_error(cmd, row, argc, argv,
                           "the path of a directory after lmdb, optionally followed by sync=full, "
                           "sync=group or sync=none");
    if (argc == 3) {
        for (sync = 0; sync < (int)(sizeof(syncs) / sizeof(syncs[0])); sync++) {
            if (!strncmp(argv[2], "sync=", 5) && !ap_cstr_casecmp(argv[2] + 5, syncs[sync]))
                break;
        }
        if (sync == (int)(sizeof(syncs) / sizeof(syncs[0])))
            return apr_psprintf(cmd->pool,
                                "MercureStore lmdb %s %s: only sync=full, sync=group or sync=none "
                                "may follow the path",
                                argv[1], argv[2]);
    }
    settings->hub.store_path = ap_server_root_relative(cmd->pool, argv[1]);
    if (!settings->hub.store_path)
        return apr_psprintf(cmd->pool, "MercureStore lmdb %s: this is not a valid path", argv[1]);
    settings->hub.store_sync = (enum mrc_history_sync)sync;
    mrc_settings_mark(settings, MRC_FIELD_STORE_SYNC);
    mrc_settings_mark(settings, MRC_FIELD_STORE_PATH);
    return NULL;
}

static const char *set_store(cmd_parms *cmd, const struct mrc_directive *row,
                             struct mrc_settings *settings, int argc, char *const argv[])
{
    if (argc >= 1 && !ap_cstr_casecmp(argv[0], "lmdb"))
        return set_lmdb(cmd, row, settings, argc, argv);
    if (argc != 1 || ap_cstr_casecmp(argv[0], "memory"))
        return shape_error(cmd, row, argc, argv, row->syntax);
    settings->hub.store_path = NULL;
    settings->hub.store_sync = MRC_HISTORY_SYNC_GROUP;
    mrc_settings_mark(settings, MRC_FIELD_STORE_PATH);
    mrc_settings_mark(settings, MRC_FIELD_STORE_SYNC);
    return NULL;
}

static const char *set_transport(cmd_parms *cmd, const struct mrc_directive *row,
                                 struct mrc_settings *settings, int argc, char *const argv[])
{
    const struct mrc_transport_settings *transport = NULL;
    const char *error = NULL;

    if (argc < 1)
        return apr_psprintf(cmd->pool, "%s takes %s", row->name, row->syntax);
    if (ap_cstr_casecmp(argv[0], "local"))
        error = mrc_transport_read(cmd->pool, argc, argv, &transport);
    else if (argc > 1)
        error = apr_psprintf(cmd->pool, "%s local takes no option: remove it", row->name);
    if (error)
        return error;
    settings->hub.transport = transport;
    mrc_settings_mark(settings, row->field);
    return NULL;
}

/* ---- responses --------------------------------------------------------------------------------*/

static const char *where_of(const cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
}

/* Keeps SETTING, which is On, for the check of the configuration. What an .htaccess file says is
 * checked when a request needs it. */
static void note_response(cmd_parms *cmd, const struct mrc_directive *row, const void *setting)
{
    struct mrc_server_conf *conf =
        ap_get_module_config(cmd->server->module_config, &mercure_module);

    if (row->type == MRC_TYPE_HEADER)
        APR_ARRAY_PUSH(conf->publish_headers, const void *) = setting;
    else
        APR_ARRAY_PUSH(conf->discoveries, const void *) = setting;
}

static const char *set_publish_header(cmd_parms *cmd, const struct mrc_directive *row,
                                      struct mrc_settings *settings, int argc, char *const argv[])
{
    struct mrc_publish_header *header = apr_pcalloc(cmd->pool, sizeof(*header));

    header->is_on = argc > 0 && !ap_cstr_casecmp(argv[0], "On");
    if (header->is_on ? argc > 2 : argc != 1 || ap_cstr_casecmp(argv[0], "Off"))
        return shape_error(cmd, row, argc, argv, "On, On PATH, or Off");
    if (argc == 2 && argv[1][0] != '/')
        return apr_psprintf(cmd->pool,
                            "%s On %s: PATH is the path of a hub's <Location>, which begins with /",
                            row->name, argv[1]);
    header->path = argc == 2 ? apr_pstrdup(cmd->pool, argv[1]) : NULL;
    header->is_htaccess = mrc_place_is_htaccess(cmd);
    header->where = where_of(cmd);
    settings->response.publish_header = header;
    mrc_settings_mark(settings, row->field);
    if (header->is_on && !header->is_htaccess)
        note_response(cmd, row, header);
    return NULL;
}

/* Whether TARGET can be between the < and > of a field Link. */
static bool is_link_target(const char *target)
{
    if (target[0] != '/' && strncmp(target, "https://", 8) && strncmp(target, "http://", 7))
        return false;
    for (; *target; target++)
        if (!apr_isgraph(*target) || strchr("<>\"\\", *target))
            return false;
    return true;
}

static const char *set_discovery(cmd_parms *cmd, const struct mrc_directive *row,
                                 struct mrc_settings *settings, int argc, char *const argv[])
{
    const struct mrc_discovery *before = settings->response.discovery;
    struct mrc_discovery *discovery = apr_pcalloc(cmd->pool, sizeof(*discovery));

    discovery->is_on = argc > 0 && !ap_cstr_casecmp(argv[0], "On");
    if (!discovery->is_on && (argc != 1 || ap_cstr_casecmp(argv[0], "Off")))
        return shape_error(cmd, row, argc, argv, "On, On with paths or URLs, or Off");
    discovery->targets = before && before->is_on && discovery->is_on
                             ? before->targets
                             : apr_array_make(cmd->pool, 1, sizeof(const char *));
    if (argc == 1)
        add_text(cmd->pool, discovery->targets, MRC_DISCOVERY_ONLY_HUB);
    for (int i = 1; i < argc; i++) {
        if (!is_link_target(argv[i]))
            return apr_psprintf(cmd->pool,
                                "%s On %s: write the path of a hub, which begins with /, or an "
                                "absolute http or https URL, encoded",
                                row->name, argv[i]);
        add_text(cmd->pool, discovery->targets, argv[i]);
    }
    if (discovery->targets->nelts > LIST_MAX)
        return apr_psprintf(cmd->pool, "%s: at most %d paths and URLs in a section", row->name,
                            LIST_MAX);
    discovery->where = where_of(cmd);
    settings->response.discovery = discovery;
    mrc_settings_mark(settings, row->field);
    if (discovery->is_on && !mrc_place_is_htaccess(cmd))
        note_response(cmd, row, discovery);
    return NULL;
}

/* ---- the setter of each type ------------------------------------------------------------------*/

typedef const char *setter(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[]);

static setter *const setters[] = {
    [MRC_TYPE_HUB] = set_hub,
    [MRC_TYPE_KEY] = set_key,
    [MRC_TYPE_FLAG] = set_flag_row,
    [MRC_TYPE_AUTO] = set_auto_row,
    [MRC_TYPE_CURSOR] = set_cursor,
    [MRC_TYPE_NUMBER] = set_number_row,
    [MRC_TYPE_URLS] = set_urls,
    [MRC_TYPE_ORIGINS] = set_origins,
    [MRC_TYPE_COOKIE] = set_cookie,
    [MRC_TYPE_OPTIONS] = set_options,
    [MRC_TYPE_HISTORY] = set_history,
    [MRC_TYPE_BOUND] = set_bound,
    [MRC_TYPE_RATE] = set_rate,
    [MRC_TYPE_LEGACY_KEY] = set_legacy_key,
    [MRC_TYPE_PLAYGROUND] = set_playground,
    [MRC_TYPE_STORE] = set_store,
    [MRC_TYPE_TRANSPORT] = set_transport,
    [MRC_TYPE_CA_FILE] = set_ca_file,
    [MRC_TYPE_HEADER] = set_publish_header,
    [MRC_TYPE_DISCOVERY] = set_discovery,
};

const char *mrc_values_set(cmd_parms *cmd, const struct mrc_directive *row,
                           struct mrc_settings *settings, int argc, char *const argv[])
{
    return setters[row->type](cmd, row, settings, argc, argv);
}
