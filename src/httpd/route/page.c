#include "httpd/route/page.h"

#include <stdbool.h>
#include <string.h>

#include "ap_expr.h"
#include "http_config.h"
#include "http_core.h"

static bool ends_with_slash(const char *path)
{
    return *path && path[strlen(path) - 1] == '/';
}

/*
 * The handler that SECTION sets for PATH. NULL: none, or it is not plain, or it does not cover
 * PATH.
 */
static const char *handler_of(request_rec *r, const core_dir_config *section, const char *path)
{
    size_t len = strlen(section->d);
    const char *error = NULL;
    const char *handler;

    if (section->r || section->d_is_fnmatch || !section->expr_handler ||
        strncmp(path, section->d, len) ||
        !(len == 0 || ends_with_slash(section->d) || path[len] == '/' || path[len] == '\0'))
        return NULL;
    handler = ap_expr_str_exec(r, section->expr_handler, &error);
    return error ? NULL : handler;
}

/*
 * Finds the innermost plain section that covers PATH and sets HANDLER, or any handler if HANDLER is
 * NULL. Returns its path; RET_HANDLER gets its handler. NULL: there is none.
 */
static const char *innermost(request_rec *r, const char *path, const char *handler,
                             const char **ret_handler)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    ap_conf_vector_t **sections = (ap_conf_vector_t **)core->sec_url->elts;
    const char *base = NULL;

    for (int i = 0; i < core->sec_url->nelts; i++) {
        const core_dir_config *section = ap_get_core_module_config(sections[i]);
        const char *given = handler_of(r, section, path);

        if (given && (!handler || !ap_cstr_casecmp(given, handler)) &&
            (!base || strlen(section->d) >= strlen(base))) {
            base = section->d;
            *ret_handler = given;
        }
    }
    return base;
}

const char *mrc_page_find(request_rec *r, const char *path)
{
    static const char *const pages[] = {MRC_PAGE_HEALTH, MRC_PAGE_METRICS};
    const char *handler;

    if (!innermost(r, path, NULL, &handler))
        return NULL;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (!ap_cstr_casecmp(handler, pages[i]))
            return pages[i];
    }
    return NULL;
}

const char *mrc_page_below(request_rec *r, const char *handler)
{
    const char *given;
    const char *base = innermost(r, r->uri, handler, &given);
    const char *below;

    if (!base)
        return NULL;
    below = r->uri + strlen(base);
    return *below && ends_with_slash(base) ? below - 1 : below;
}

/* Whether one of SECTIONS, an array of configurations that may be NULL, or a section in it, sets
 * the handler EXPR. */
static bool is_in_sections(const apr_array_header_t *sections, const ap_expr_info_t *expr)
{
    for (int i = 0; sections && i < sections->nelts; i++) {
        const core_dir_config *section =
            ap_get_core_module_config(APR_ARRAY_IDX(sections, i, ap_conf_vector_t *));

        if (section && (section->expr_handler == expr || is_in_sections(section->sec_file, expr) ||
                        is_in_sections(section->sec_if, expr)))
            return true;
    }
    return false;
}

/* Whether the configuration of SERVER sets the handler EXPR, inside or outside sections. */
static bool is_of_server(server_rec *server, const ap_expr_info_t *expr)
{
    const core_server_config *core = ap_get_core_module_config(server->module_config);
    const core_dir_config *outside = ap_get_core_module_config(server->lookup_defaults);

    return outside->expr_handler == expr || is_in_sections(outside->sec_file, expr) ||
           is_in_sections(outside->sec_if, expr) || is_in_sections(core->sec_dir, expr) ||
           is_in_sections(core->sec_url, expr);
}

bool mrc_page_is_of_server(request_rec *r, const char *handler)
{
    const core_dir_config *merged = ap_get_core_module_config(r->per_dir_config);
    const char *error = NULL;
    const char *given;

    /* httpd merges sections by copying the pointer of the innermost one. */
    if (!merged->expr_handler || !is_of_server(r->server, merged->expr_handler))
        return false;
    given = ap_expr_str_exec(r, merged->expr_handler, &error);
    return !error && !ap_cstr_casecmp(given, handler);
}
