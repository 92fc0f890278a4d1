#include "httpd/config/site.h"

#include <stdlib.h>
#include <string.h>

#include "apr_sha1.h"
#include "apr_strings.h"

#include "store/hub/segment.h"

const char *mrc_site_name(apr_pool_t *pool, const server_rec *server, bool written)
{
    char *name;

    if (!written || !server->server_hostname)
        return NULL;
    name = apr_pstrdup(pool, server->server_hostname);
    ap_str_tolower(name);
    return name;
}

/* The addresses of SERVER, with a space before each; empty for the main server. */
static const char *addresses(apr_pool_t *pool, const server_rec *server)
{
    const char *text = "";

    for (const server_addr_rec *addr = server->addrs; addr; addr = addr->next)
        text = apr_psprintf(pool, "%s %s:%d", text, addr->virthost, addr->host_port);
    return text;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * The names of ServerAlias in SERVER, sorted, with a space before each. They tell servers without a
 * ServerName apart that have the same addresses. Their order does not, because it changes when one
 * of them goes, and the next one would get its hub.
 */
static const char *aliases(apr_pool_t *pool, const server_rec *server)
{
    const apr_array_header_t *lists[] = {server->names, server->wild_names};
    apr_array_header_t *names = apr_array_make(pool, 4, sizeof(const char *));
    const char *text = "";

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (int j = 0; lists[i] && j < lists[i]->nelts; j++) {
            char *name = apr_pstrdup(pool, APR_ARRAY_IDX(lists[i], j, const char *));

            ap_str_tolower(name);
            APR_ARRAY_PUSH(names, const char *) = name;
        }
    }
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), compare_names);
    for (int i = 0; i < names->nelts; i++)
        text = apr_pstrcat(pool, text, " ", APR_ARRAY_IDX(names, i, const char *), NULL);
    return text;
}

const char *mrc_site_describe(apr_pool_t *pool, const server_rec *server, const char *site)
{
    if (site)
        return site;
    return server->is_virtual && server->addrs
               ? apr_psprintf(pool, "%s:%d", server->addrs->virthost, server->addrs->host_port)
               : "the main server";
}

/* Replaces a key that is too long by its hash. */
static const char *shorten(apr_pool_t *pool, const char *key)
{
    char digest[APR_SHA1_DIGESTSIZE * 2];

    if (strlen(key) <= MRC_HUB_KEY_MAX)
        return key;
    apr_sha1_base64(key, (int)strlen(key), digest);
    return apr_psprintf(pool, "sha1=%s", digest);
}

struct mrc_site_hub mrc_site_identify(apr_pool_t *pool, const server_rec *server, const char *site,
                                      const struct mrc_hub_section *section)
{
    const char *key;

    if (section->name)
        return (struct mrc_site_hub){.key = apr_psprintf(pool, "name=%s", section->name),
                                     .label = section->name};
    if (site)
        return (struct mrc_site_hub){
            .key = shorten(pool, apr_psprintf(pool, "site=%s %s", site, section->path)),
            .label = apr_pstrcat(pool, site, section->path, NULL)};
    key = server->is_virtual ? apr_psprintf(pool, "address=%s%s %s", addresses(pool, server),
                                            aliases(pool, server), section->path)
                             : apr_psprintf(pool, "main %s", section->path);
    return (struct mrc_site_hub){
        .key = shorten(pool, key),
        .label = server->is_virtual
                     ? apr_pstrcat(pool, mrc_site_describe(pool, server, NULL), section->path, NULL)
                     : section->path,
        .is_alone = true};
}

const char *mrc_site_former_key(apr_pool_t *pool, const struct mrc_hub_section *section)
{
    const server_rec *server = section->server;
    const char *host = "(main)";

    if (section->name)
        return apr_psprintf(pool, "name=%s", section->name);
    if (server->is_virtual)
        host = server->server_hostname ? server->server_hostname : "";
    return shorten(pool,
                   apr_psprintf(pool, "%s %s%s", section->path, host, addresses(pool, server)));
}
