#include "httpd/base/vhost_alias.h"

#include <stdbool.h>
#include <string.h>

bool mrc_vhost_alias_is_used(const ap_directive_t *tree)
{
    for (; tree; tree = tree->next) {
        if (!ap_cstr_casecmp(tree->directive, "VirtualDocumentRoot") ||
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

/* The last such directive of TREE, outside virtual hosts; FOUND: the one before. */
static const char *find_in(const ap_directive_t *tree, const char *found)
{
    for (; tree; tree = tree->next) {
        if (!ap_cstr_casecmp(tree->directive, "VirtualDocumentRoot"))
            found = tree->args;
        else if (ap_cstr_casecmp(tree->directive, "<VirtualHost"))
            found = find_in(tree->first_child, found);
    }
    return found;
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

const char *mrc_vhost_alias_find(apr_pool_t *pool, const ap_directive_t *tree,
                                 const server_rec *server)
{
    const ap_directive_t *host = server->is_virtual ? find_host(tree, server) : NULL;
    const char *args = find_in(tree, NULL);

    if (host)
        args = find_in(host->first_child, args);
    if (args)
        args = ap_getword_conf(pool, &args);
    return args && *args == '/' ? args : NULL; /* "none" turns it off */
}
