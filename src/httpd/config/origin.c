#include "httpd/config/origin.h"

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_uri.h"

#define FORM "write an origin such as https://example.com, without a path"

static const char *lower(apr_pool_t *pool, const char *str)
{
    char *copy = apr_pstrdup(pool, str);

    for (char *c = copy; *c; c++)
        *c = (char)apr_tolower(*c);
    return copy;
}

#define PORT_MAX 65535

/* Whether TEXT is NULL, empty or a valid port. apr_uri_parse() keeps only the low 16 bits of a
 * number, so its result cannot be checked. */
static bool is_port(const char *text)
{
    apr_int64_t port = text && *text ? apr_atoi64(text) : 1;

    return port >= 1 && port <= PORT_MAX;
}

/* Splits URL; false if it is not absolute. Puts the brackets back around an IPv6 host. */
static bool split(apr_pool_t *pool, const char *url, const char **ret_scheme, const char **ret_host,
                  const char **ret_port, apr_uri_t *ret_uri)
{
    const char *host;

    if (apr_uri_parse(pool, url, ret_uri) != APR_SUCCESS || !ret_uri->scheme ||
        !ret_uri->hostname || !*ret_uri->hostname || !is_port(ret_uri->port_str))
        return false;
    *ret_scheme = lower(pool, ret_uri->scheme);
    host = lower(pool, ret_uri->hostname);
    *ret_host = strchr(host, ':') ? apr_psprintf(pool, "[%s]", host) : host;
    *ret_port = "";
    if (ret_uri->port_str && *ret_uri->port_str &&
        ret_uri->port != apr_uri_port_of_scheme(*ret_scheme))
        *ret_port = apr_psprintf(pool, ":%u", ret_uri->port);
    return true;
}

const char *mrc_origin_of_url(apr_pool_t *pool, const char *url)
{
    const char *scheme, *host, *port;
    apr_uri_t uri;

    if (!split(pool, url, &scheme, &host, &port, &uri))
        return NULL;
    return apr_pstrcat(pool, scheme, "://", host, port, NULL);
}

static void push(apr_pool_t *pool, apr_array_header_t **list, const char *origin)
{
    if (!*list)
        *list = apr_array_make(pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(*list, const char *) = origin;
}

const char *mrc_origin_add(apr_pool_t *pool, struct mrc_origins *origins, const char *arg)
{
    const char *scheme, *host, *port;
    bool below;
    apr_uri_t uri;

    if (origins->any || (!strcmp(arg, "*") && (origins->exact || origins->below)))
        return "* means every origin: write it alone, without other origins";
    if (!strcmp(arg, "*")) {
        origins->any = true;
        return NULL;
    }
    if (!split(pool, arg, &scheme, &host, &port, &uri))
        return apr_psprintf(pool, "%s is not an origin: " FORM, arg);
    if ((uri.path && *uri.path) || uri.query || uri.fragment || uri.user)
        return apr_psprintf(pool, "%s is more than an origin: " FORM, arg);
    below = !strncmp(host, "*.", 2);
    if (strchr(below ? host + 2 : host, '*') || (below && !host[2]))
        return apr_psprintf(pool,
                            "%s: the only place for a * is before all subdomains of a host, as in "
                            "https://*.example.com",
                            arg);
    if (below)
        push(pool, &origins->below, apr_pstrcat(pool, scheme, "://", host + 1, port, NULL));
    else
        push(pool, &origins->exact, apr_pstrcat(pool, scheme, "://", host, port, NULL));
    return NULL;
}

/* Whether ORIGIN is SCHEME "://" LABELS ".REST", where PATTERN is SCHEME "://.REST". */
static bool is_below(const char *pattern, const char *origin)
{
    const char *dot = strstr(pattern, "://") + 3;
    size_t scheme_len = (size_t)(dot - pattern);
    size_t rest_len = strlen(dot);
    size_t len = strlen(origin);
    const char *labels = origin + scheme_len;
    const char *end;

    if (len <= scheme_len + rest_len || strncmp(origin, pattern, scheme_len))
        return false;
    end = origin + len - rest_len;
    if (strcmp(end, dot))
        return false;
    for (; labels < end; labels++) {
        if (!apr_isalnum(*labels) && *labels != '-' && *labels != '.' && *labels != '_')
            return false;
    }
    return true;
}

bool mrc_origin_is_listed(const struct mrc_origins *origins, const char *origin)
{
    if (!origins)
        return false;
    for (int i = 0; origins->exact && i < origins->exact->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(origins->exact, i, const char *), origin))
            return true;
    }
    for (int i = 0; origins->below && i < origins->below->nelts; i++) {
        if (is_below(APR_ARRAY_IDX(origins->below, i, const char *), origin))
            return true;
    }
    return false;
}
