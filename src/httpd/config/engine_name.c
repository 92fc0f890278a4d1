#include "httpd/config/engine_name.h"

#include <string.h>

#include "httpd.h"

#include "apr_strings.h"
#include "http_config.h"

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "httpd/config/hubs.h"
#include "httpd/config/transport.h"

/* The ServerName that is written among the directives from FIRST on. NULL: none. */
static const char *find_server_name(const ap_directive_t *first)
{
    const char *name = NULL;

    for (const ap_directive_t *one = first; one; one = one->next) {
        if (!ap_cstr_casecmp(one->directive, "ServerName"))
            name = one->args;
    }
    return name;
}

/* The directives in the section of SERVER, a virtual host, below FIRST. NULL: it is not there. */
static const ap_directive_t *find_section(const ap_directive_t *first, const server_rec *server)
{
    for (const ap_directive_t *one = first; one; one = one->next) {
        if (!ap_cstr_casecmp(one->directive, "<VirtualHost") && one->filename &&
            server->defn_name && !strcmp(one->filename, server->defn_name) &&
            (unsigned)one->line_num == server->defn_line_number)
            return one->first_child;
    }
    return NULL;
}

/* The written ServerName of SERVER without scheme and port, in lower case. NULL: it has none. */
static const char *written_name(apr_pool_t *pool, const server_rec *server)
{
    const ap_directive_t *first =
        server->is_virtual ? find_section(ap_conftree, server) : ap_conftree;
    const char *name = find_server_name(first);
    const char *scheme;
    char *copy;

    if (!name)
        return NULL;
    copy = apr_pstrdup(pool, ap_getword_conf(pool, &name));
    scheme = strstr(copy, "://");
    if (scheme)
        copy += scheme + 3 - copy;
    if (*copy != '[')
        copy[strcspn(copy, ":")] = '\0';
    ap_str_tolower(copy);
    return *copy ? copy : NULL;
}

const char *mrc_engine_name_of(apr_pool_t *pool, const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const char *site = written_name(pool, first->section->server);
    struct mrc_buf buf;
    const char *name;

    if (!first->section->name && !site)
        return NULL;
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_percent_encode(&buf,
                       mrc_bytes_of(first->section->name
                                        ? first->section->name
                                        : apr_pstrcat(pool, site, first->path, NULL)),
                       MRC_PERCENT_PATH);
    name = apr_pstrmemdup(pool, buf.ptr ? buf.ptr : "", mrc_buf_bytes(&buf).len);
    mrc_buf_free(&buf);
    return name;
}

const struct mrc_transport_spec *mrc_engine_name_add(apr_pool_t *pool,
                                                     const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const apr_array_header_t *identifiers = first->settings->location.resource_identifiers;
    struct mrc_transport_spec *spec =
        apr_pmemdup(pool, &hub->settings->transport->spec, sizeof(*spec));

    spec->name = mrc_engine_name_of(pool, hub);
    if (!spec->name)
        spec->name = ""; /* an error, which the check of the configuration reports */
    spec->identity =
        apr_pstrcat(pool, APR_ARRAY_IDX(hub->url_paths, 0, const char *), identifiers ? " " : NULL,
                    identifiers ? APR_ARRAY_IDX(identifiers, 0, const char *) : NULL, NULL);
    return spec;
}
