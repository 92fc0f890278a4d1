#include "httpd/config/place.h"

#include "apr_fnmatch.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "http_core.h"

#include "httpd/config/hubs.h"

/* ---- .htaccess files --------------------------------------------------------------------------*/

#define SITE_KEY "mod_mercure:site"

void mrc_place_set_site(apr_pool_t *pool, struct mrc_place_site *site)
{
    apr_pool_userdata_setn(site, SITE_KEY, apr_pool_cleanup_null, pool);
}

struct mrc_place_site *mrc_place_get_site(cmd_parms *cmd)
{
    void *site = NULL;

    apr_pool_userdata_get(&site, SITE_KEY, cmd->pool);
    return site;
}

bool mrc_place_is_htaccess(const cmd_parms *cmd)
{
    return cmd->pool == cmd->temp_pool;
}

/* ---- the configuration ------------------------------------------------------------------------*/

/* Whether SECTION, the nearest enclosing one, is a `<Location>` without wildcards or regex. */
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

/* Whether PATH has a segment that httpd removes from every request: an empty one, `.` or `..`. */
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
            pool, "MercureHub: the path of a hub begins with /. Write <Location \"/%s\">", path);
    if (is_normalized_away(path) || strchr(path, '%'))
        return apr_psprintf(pool,
                            "MercureHub: no request can have the path %s, because httpd decodes "
                            "and normalizes paths. Write it decoded, without //, /./ and /../",
                            path);
    return NULL;
}

bool mrc_place_is_of_server(enum mrc_scope scope)
{
    return scope == MRC_SCOPE_SERVER || scope == MRC_SCOPE_HOST;
}

/* For ap_check_cmd_context(). */
static unsigned forbidden_places(enum mrc_scope scope)
{
    switch (scope) {
    case MRC_SCOPE_SERVER:
        return GLOBAL_ONLY;
    case MRC_SCOPE_HOST:
        return NOT_IN_DIR_CONTEXT;
    default:
        return NOT_IN_DIRECTORY | NOT_IN_PROXY;
    }
}

/* Whether a hub of SERVER reads .htaccess files. */
static bool has_htaccess(server_rec *server)
{
    const apr_array_header_t *locations = mrc_hubs_locations(server);

    for (int i = 0; locations && i < locations->nelts; i++) {
        if (APR_ARRAY_IDX(locations, i, struct mrc_location *)->settings->location.htaccess)
            return true;
    }
    return false;
}

/* mrc_place_check() for a directive in an .htaccess file. */
static const char *check_htaccess(cmd_parms *cmd, const struct mrc_directive *row)
{
    if (!row->in_htaccess)
        return apr_psprintf(cmd->pool,
                            "%s is not allowed in an .htaccess file: it is a setting of the server",
                            row->name);
    if (mrc_place_get_site(cmd) || has_htaccess(cmd->server))
        return NULL;
    return apr_psprintf(cmd->pool,
                        "%s is not allowed here, because this site has no hub with MercureHtaccess "
                        "On",
                        row->name);
}

const char *mrc_place_check(cmd_parms *cmd, const struct mrc_directive *row)
{
    const ap_directive_t *section = cmd->directive->parent;
    const char *error;
    int literal;

    if (row->scope == MRC_SCOPE_RESPONSE)
        return cmd->limited == -1 ? NULL
                                  : apr_psprintf(cmd->pool,
                                                 "%s is not allowed in <Limit> or "
                                                 "<LimitExcept>",
                                                 row->name);
    if (mrc_place_is_htaccess(cmd))
        return check_htaccess(cmd, row);
    error = ap_check_cmd_context(cmd, forbidden_places(row->scope));
    if (error || mrc_place_is_of_server(row->scope))
        return error;
    if (cmd->limited != -1)
        return apr_psprintf(cmd->pool, "%s is not allowed in <Limit> or <LimitExcept>", row->name);
    literal = cmd->path && section && is_literal_location(section, cmd->path);
    if (row->scope == MRC_SCOPE_SECTION && !literal)
        return apr_psprintf(cmd->pool,
                            "%s is only allowed in a <Location> with a literal path, such as "
                            "<Location \"/.well-known/mercure\">: this path becomes the path of "
                            "the hub's URL",
                            row->name);
    if (row->scope == MRC_SCOPE_SECTION)
        return check_hub_path(cmd->pool, cmd->path);
    if (row->scope == MRC_SCOPE_HUB && cmd->path && !literal)
        return apr_psprintf(cmd->pool,
                            "%s applies to a whole hub: it is only allowed in the hub's <Location> "
                            "(with a literal path), in a virtual host or in the server's "
                            "configuration",
                            row->name);
    for (; section; section = section->parent) {
        if (!ap_cstr_casecmpn(section->directive, "<Files", 6))
            return apr_psprintf(cmd->pool, "%s is not allowed in %s>: a hub is not a file",
                                row->name, section->directive);
    }
    return NULL;
}
