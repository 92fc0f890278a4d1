#include "httpd/base/vhost_alias.h"

#include <stdbool.h>
#include <string.h>

#define DOCUMENT_ROOT "VirtualDocumentRoot"

/* The last directives that decide where pages and scripts are; NULL: none. */
struct found {
    const ap_directive_t *pages;
    const ap_directive_t *scripts;
};

static bool is_for_pages(const ap_directive_t *directive)
{
    return !ap_cstr_casecmp(directive->directive, DOCUMENT_ROOT) ||
           !ap_cstr_casecmp(directive->directive, "VirtualDocumentRootIP");
}

static bool is_for_scripts(const ap_directive_t *directive)
{
    return !ap_cstr_casecmp(directive->directive, "VirtualScriptAlias") ||
           !ap_cstr_casecmp(directive->directive, "VirtualScriptAliasIP");
}

bool mrc_vhost_alias_is_used(const ap_directive_t *tree)
{
    for (; tree; tree = tree->next) {
        if (is_for_pages(tree) || is_for_scripts(tree) ||
            mrc_vhost_alias_is_used(tree->first_child))
            return true;
    }
    return false;
}

static bool is_host(const ap_directive_t *directive, const server_rec *server)
{
    return server->is_virtual && server->defn_name && directive->filename &&
           !ap_cstr_casecmp(directive->directive, "<VirtualHost") &&
           directive->line_num == (int)server->defn_line_number &&
           !strcmp(directive->filename, server->defn_name);
}

/* Replaces FOUND by the last such directives of TREE, outside virtual hosts, if there are any. */
static void find_in(const ap_directive_t *tree, struct found *found)
{
    for (; tree; tree = tree->next) {
        if (is_for_pages(tree))
            found->pages = tree;
        else if (is_for_scripts(tree))
            found->scripts = tree;
        else if (ap_cstr_casecmp(tree->directive, "<VirtualHost"))
            find_in(tree->first_child, found);
    }
}

static const ap_directive_t *find_host(const ap_directive_t *tree, const server_rec *server)
{
    for (; tree; tree = tree->next) {
        const ap_directive_t *found =
            is_host(tree, server) ? tree : find_host(tree->first_child, server);

        if (found)
            return found;
    }
    return NULL;
}

/* The pattern of DIRECTIVE, which may be NULL; NULL: it turns itself off with "none". */
static const char *pattern_of(apr_pool_t *pool, const ap_directive_t *directive)
{
    const char *args = directive ? directive->args : NULL;

    if (args)
        args = ap_getword_conf(pool, &args);
    return args && *args == '/' ? args : NULL;
}

struct mrc_vhost_alias mrc_vhost_alias_find(apr_pool_t *pool, const ap_directive_t *tree,
                                            const server_rec *server)
{
    const ap_directive_t *host = server->is_virtual ? find_host(tree, server) : NULL;
    struct found found = {NULL, NULL};
    const char *pages;

    find_in(tree, &found);
    if (host)
        find_in(host->first_child, &found);
    pages = pattern_of(pool, found.pages);
    return (struct mrc_vhost_alias){
        .is_on = pages || pattern_of(pool, found.scripts),
        .document_root =
            pages && !ap_cstr_casecmp(found.pages->directive, DOCUMENT_ROOT) ? pages : NULL,
    };
}
