#include "httpd/monitor/page.h"

#include <stdbool.h>
#include <string.h>

#include "ap_expr.h"
#include "http_config.h"
#include "http_core.h"

static bool ends_with_slash(const char *path)
{
    return *path && path[strlen(path) - 1] == '/';
}

/* Whether SECTION, a `<Location>` of R's server, applies to R's path and sets HANDLER. */
static bool gives(request_rec *r, const core_dir_config *section, const char *handler)
{
    size_t len = strlen(section->d);
    const char *error = NULL;
    const char *given;

    if (section->r || section->d_is_fnmatch || !section->expr_handler ||
        strncmp(r->uri, section->d, len) ||
        !(len == 0 || ends_with_slash(section->d) || r->uri[len] == '/' || r->uri[len] == '\0'))
        return false;
    given = ap_expr_str_exec(r, section->expr_handler, &error);
    return given && !error && !strcmp(given, handler);
}

const char *mrc_page_below(request_rec *r, const char *handler)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_url->elts;
    const char *base = NULL, *below;

    for (int i = 0; i < core->sec_url->nelts; i++) {
        const core_dir_config *section = ap_get_core_module_config(sections[i]);

        if (gives(r, section, handler) && (!base || strlen(section->d) > strlen(base)))
            base = section->d;
    }
    if (!base)
        return NULL;
    below = r->uri + strlen(base);
    return *below && ends_with_slash(base) ? below - 1 : below;
}
