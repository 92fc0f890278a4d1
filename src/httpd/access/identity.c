#include "httpd/access/identity.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"

#include "httpd/config/hubs.h"
#include "httpd/config/origin.h"
#include "httpd/route/paths.h"

/* Whether NAME is a ServerAlias without wildcards. httpd keeps those with wildcards elsewhere. */
static int is_alias(const server_rec *server, const char *name)
{
    for (int i = 0; server->names && i < server->names->nelts; i++) {
        const char *alias = APR_ARRAY_IDX(server->names, i, const char *);

        if (alias && !ap_cstr_casecmp(alias, name))
            return 1;
    }
    return 0;
}

/*
 * The port of ServerName. If ServerName has no port, it is the default port of its scheme; without
 * a scheme, it is the port of the connection.
 */
static apr_port_t own_port(const request_rec *r)
{
    if (r->server->port)
        return r->server->port;
    return r->server->server_scheme ? ap_default_port(r) : r->connection->local_addr->port;
}

static const char *derive(request_rec *r, const struct mrc_location *location)
{
    const char *name = r->server->server_hostname;
    apr_port_t port = own_port(r);
    const char *before = "", *after = "", *colon = "", *digits = "";

    if (r->hostname && (location->virtual_root || is_alias(r->server, r->hostname))) {
        name = r->hostname;
        port = r->parsed_uri.port_str ? r->parsed_uri.port : ap_default_port(r);
    }
    if (!name)
        name = "localhost";
    if (strchr(name, ':') && name[0] != '[') {
        before = "[";
        after = "]";
    }
    if (!ap_is_default_port(port, r)) {
        colon = ":";
        digits = apr_itoa(r->pool, port);
    }
    return apr_pstrcat(r->pool, ap_http_scheme(r), "://", before, name, after, colon, digits,
                       location->escaped_path, NULL);
}

const apr_array_header_t *mrc_identity_audiences(request_rec *r,
                                                 const struct mrc_location *location,
                                                 const struct mrc_location_settings *settings)
{
    apr_array_header_t *derived;

    if (settings->resource_identifiers)
        return settings->resource_identifiers;
    derived = apr_array_make(r->pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(derived, const char *) = derive(r, location);
    return derived;
}

/* The origin that the client requested: the scheme of the connection, and the Host field. */
static const char *request_origin(request_rec *r)
{
    const char *host = apr_table_get(r->headers_in, "Host");

    return host ? mrc_origin_of_url(r->pool,
                                    apr_pstrcat(r->pool, ap_http_scheme(r), "://", host, NULL))
                : NULL;
}

/*
 * The origin of URL, or the text before its path if the parser finds no host in it: a derived URL
 * has the ServerName of the configuration, which may be any text.
 */
static const char *before_path(apr_pool_t *pool, const char *url)
{
    const char *origin = mrc_origin_of_url(pool, url);
    const char *host = strstr(url, "://") + 3;

    return origin ? origin : apr_pstrmemdup(pool, url, (size_t)(host - url) + strcspn(host, "/"));
}

const char *mrc_identity_metadata_url(request_rec *r, const struct mrc_location *location,
                                      const struct mrc_location_settings *settings)
{
    const apr_array_header_t *names = mrc_identity_audiences(r, location, settings);
    const char *path = strcmp(location->path, "/") ? location->escaped_path : "";

    return apr_pstrcat(r->pool, before_path(r->pool, APR_ARRAY_IDX(names, 0, const char *)),
                       MRC_PATHS_METADATA, path, NULL);
}

bool mrc_identity_is_public(request_rec *r, const struct mrc_location_settings *settings)
{
    const char *origin;

    if (!settings->public_origins)
        return true;
    origin = request_origin(r);
    return origin && mrc_origin_is_listed(settings->public_origins, origin);
}

bool mrc_identity_is_own_origin(request_rec *r, const struct mrc_location *location,
                                const struct mrc_location_settings *settings, const char *origin)
{
    const apr_array_header_t *names = mrc_identity_audiences(r, location, settings);
    const char *own = request_origin(r);

    if (own && !strcmp(own, origin))
        return true;
    for (int i = 0; i < names->nelts; i++) {
        own = mrc_origin_of_url(r->pool, APR_ARRAY_IDX(names, i, const char *));
        if (own && !strcmp(own, origin))
            return true;
    }
    return false;
}
