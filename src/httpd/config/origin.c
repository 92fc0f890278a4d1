#include "httpd/config/origin.h"

#include <string.h>

#include "apr_strings.h"

#include "core/url/url.h"

#define FORM "write an origin such as https://example.com, without a path"

/* BYTES as a string, with ASCII letters in lower case. */
static const char *lower(apr_pool_t *pool, struct mrc_bytes bytes)
{
    char *copy = apr_pstrmemdup(pool, bytes.ptr, bytes.len);

    for (char *c = copy; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
    return copy;
}

/* The parts of an origin, as strings. */
struct parts {
    const char *scheme, *host, *port; /* the port with its colon; empty: the default port */
};

/*
 * Reads the origin of TEXT, a URL. The parser leaves the host of an unknown scheme as it is, but
 * browsers that have such a scheme send it in lower case. MRC_EINVAL if TEXT has no host; otherwise
 * the errors of mrc_url_parse().
 */
static enum mrc_err parse(apr_pool_t *pool, const char *text, struct mrc_error *error,
                          struct parts *ret_parts)
{
    struct mrc_url *url = NULL;
    enum mrc_err err = mrc_url_parse(mrc_bytes_of(text), NULL, error, &url);

    if (err)
        return err;
    if (!url->host.len || mrc_bytes_eq_str(url->scheme, "file")) {
        err = mrc_error_set(error, MRC_EINVAL, "it has no host");
    } else {
        ret_parts->scheme = lower(pool, url->scheme);
        ret_parts->host = lower(pool, url->host);
        ret_parts->port =
            url->port.ptr ? apr_psprintf(pool, ":%.*s", (int)url->port.len, url->port.ptr) : "";
    }
    mrc_url_free(url);
    return err;
}

static const char *join(apr_pool_t *pool, const struct parts *parts)
{
    return apr_pstrcat(pool, parts->scheme, "://", parts->host, parts->port, NULL);
}

const char *mrc_origin_of_url(apr_pool_t *pool, const char *url)
{
    struct parts parts;

    return parse(pool, url, NULL, &parts) == MRC_OK ? join(pool, &parts) : NULL;
}

/*
 * The authority of TEXT, which follows `://`. NULL: there is none. The parser also accepts other
 * spellings, such as `https:example.com`.
 */
static const char *find_authority(const char *text)
{
    const char *colon = strstr(text, "://");

    return colon && !strpbrk(text, " \t\r\n") ? colon + 3 : NULL;
}

/* Whether AUTHORITY is only a host and a port. The parser takes a backslash for a slash. */
static bool is_bare(const char *authority)
{
    return !strpbrk(authority, "/\\?#@");
}

const char *mrc_origin_of_field(apr_pool_t *pool, const char *field)
{
    const char *authority = find_authority(field);

    return authority && is_bare(authority) ? mrc_origin_of_url(pool, field) : NULL;
}

static void push(apr_pool_t *pool, apr_array_header_t **list, const char *origin)
{
    if (!*list)
        *list = apr_array_make(pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(*list, const char *) = origin;
}

/* Reads ARG, an argument of a directive. Returns NULL, or an error message. */
static const char *parse_arg(apr_pool_t *pool, const char *arg, struct parts *ret_parts)
{
    const char *authority = find_authority(arg);
    struct mrc_error error = {""};

    if (!authority)
        return apr_psprintf(pool, "%s is not an origin: " FORM, arg);
    if (!is_bare(authority))
        return apr_psprintf(pool, "%s is more than an origin: " FORM, arg);
    if (parse(pool, arg, &error, ret_parts) != MRC_OK)
        return apr_psprintf(pool, "%s is not an origin (%s): " FORM, arg,
                            *error.text ? error.text : "out of memory");
    if (!strcmp(ret_parts->port, ":0"))
        return apr_psprintf(pool, "%s is not an origin (no server has the port 0): " FORM, arg);
    return NULL;
}

const char *mrc_origin_add(apr_pool_t *pool, struct mrc_origins *origins, const char *arg)
{
    struct parts parts;
    const char *error;
    bool below;

    if (origins->any || (!strcmp(arg, "*") && (origins->exact || origins->below)))
        return "* means every origin: write it alone, without other origins";
    if (!strcmp(arg, "*")) {
        origins->any = true;
        return NULL;
    }
    error = parse_arg(pool, arg, &parts);
    if (error)
        return error;
    below = !strncmp(parts.host, "*.", 2);
    if (strchr(below ? parts.host + 2 : parts.host, '*') || (below && !parts.host[2]))
        return apr_psprintf(pool,
                            "%s: the only place for a * is before all subdomains of a host, as in "
                            "https://*.example.com",
                            arg);
    if (below)
        parts.host++;
    push(pool, below ? &origins->below : &origins->exact, join(pool, &parts));
    return NULL;
}

int mrc_origin_count(const struct mrc_origins *origins)
{
    return (origins->exact ? origins->exact->nelts : 0) +
           (origins->below ? origins->below->nelts : 0);
}

/* Whether ORIGIN is SCHEME "://" LABELS ".REST", where PATTERN is SCHEME "://.REST". */
static bool is_below(const char *pattern, const char *origin)
{
    const char *dot = strstr(pattern, "://") + 3;
    size_t scheme_len = (size_t)(dot - pattern);
    size_t rest_len = strlen(dot);
    size_t len = strlen(origin);

    return len > scheme_len + rest_len && !strncmp(origin, pattern, scheme_len) &&
           !strcmp(origin + len - rest_len, dot);
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
