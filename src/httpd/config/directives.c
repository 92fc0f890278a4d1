#include "httpd/config/directives.h"

#include "apr_strings.h"
#include "http_core.h"

#include "httpd/base/module.h"
#include "httpd/config/directive_table.h"
#include "httpd/config/hubs.h"
#include "httpd/config/place.h"
#include "httpd/config/settings.h"
#include "httpd/config/values.h"

/* httpd passes on the first 64 arguments of a line and drops the others, so 64 may be too many. */
#define ARGUMENTS_MAX 63

static const struct mrc_directive *find_row(const char *name)
{
    for (size_t i = 0; i < mrc_directives_count; i++) {
        if (!ap_cstr_casecmp(mrc_directives[i].name, name))
            return &mrc_directives[i];
    }
    return NULL;
}

/* Whether the arguments of several lines of ROW in a section make one list. */
static bool adds_up(const struct mrc_directive *row)
{
    return row->type == MRC_TYPE_URLS || row->type == MRC_TYPE_ORIGINS ||
           row->type == MRC_TYPE_DISCOVERY;
}

/* Whether this is `MercureHub Off` for a whole virtual host, which inherits no hub then. */
static bool is_host_without_hub(cmd_parms *cmd, const struct mrc_directive *row, int argc,
                                char *const argv[])
{
    return row->type == MRC_TYPE_HUB && argc == 1 && !ap_cstr_casecmp(argv[0], "Off") &&
           !cmd->path && cmd->server->is_virtual && !mrc_place_is_htaccess(cmd) &&
           !ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
}

/* The function of every command: checks the place of the directive, then reads its arguments. */
static const char *set_directive(cmd_parms *cmd, void *dir_settings, int argc, char *const argv[])
{
    const struct mrc_directive *row = find_row(cmd->cmd->name);
    struct mrc_server_conf *conf =
        ap_get_module_config(cmd->server->module_config, &mercure_module);
    struct mrc_settings *settings = dir_settings;
    const char *error;

    if (is_host_without_hub(cmd, row, argc, argv)) {
        conf->inherits_no_hub = true;
        return NULL;
    }
    error = mrc_place_check(cmd, row);
    if (error)
        return error;
    /* httpd reads the file for the responses, and the hub for itself. */
    if (mrc_place_is_htaccess(cmd) &&
        (row->scope == MRC_SCOPE_RESPONSE) == (mrc_place_get_site(cmd) != NULL))
        return NULL;
    if (argc > ARGUMENTS_MAX)
        return apr_psprintf(cmd->pool, "%s takes at most %d arguments in a line%s", row->name,
                            ARGUMENTS_MAX,
                            adds_up(row) ? ": write several lines, which add up" : "");
    if (mrc_place_is_of_server(row->scope))
        settings = &conf->settings;
    return mrc_values_set(cmd, row, settings, argc, argv);
}

/* Notes that ServerName is written, because a virtual host without it inherits the name of the main
 * server. httpd's own handler of this directive reads the name. */
static const char *note_server_name(cmd_parms *cmd, void *unused, const char *args)
{
    struct mrc_server_conf *conf =
        ap_get_module_config(cmd->server->module_config, &mercure_module);

    conf->has_name = true;
    return DECLINE_CMD;
}

#define MRC_DIRECTIVE(directive_name, directive_summary, ...)                                      \
    AP_INIT_TAKE_ARGV(directive_name, set_directive, NULL, RSRC_CONF | ACCESS_CONF | OR_AUTHCFG,   \
                      directive_summary),
#define MRC_DIRECTIVE_ANYWHERE(directive_name, directive_summary, ...)                             \
    AP_INIT_TAKE_ARGV(directive_name, set_directive, NULL, OR_FILEINFO, directive_summary),

const command_rec mrc_directives_commands[] = {
#include "httpd/config/directive_table.def"
    AP_INIT_RAW_ARGS("ServerName", note_server_name, NULL, RSRC_CONF,
                     "The hostname of a site, which tells its hubs from those of other sites"),
    {NULL},
};

#undef MRC_DIRECTIVE
#undef MRC_DIRECTIVE_ANYWHERE

void *mrc_directives_create_dir(apr_pool_t *pool, char *dir)
{
    return mrc_settings_create(pool);
}

void *mrc_directives_merge_dir(apr_pool_t *pool, void *outer, void *inner)
{
    /*
     * Requests merge the sections of the whole server, and most of them have no directive of this
     * module.
     */
    if (mrc_settings_are_default(inner))
        return outer;
    return mrc_settings_are_default(outer) ? inner : mrc_settings_merge(pool, outer, inner);
}
