#include "httpd/route/url_token.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_protocol.h"
#include "scoreboard.h"

#include "httpd/base/connection.h"

#define PARAMETER "authorization"

/* Replaces each byte of a token. */
#define MASK 'x'

static int hex_value(char c)
{
    return apr_isdigit(c) ? c - '0' : apr_tolower(c) - 'a' + 10;
}

/* Whether the LEN bytes at NAME are the parameter's name, in any encoding. */
static bool is_parameter(const char *name, size_t len)
{
    const char *want = PARAMETER, *end = name + len;

    for (; name < end && *want; want++) {
        char c = *name++;

        if (c == '%' && end - name >= 2 && apr_isxdigit(name[0]) && apr_isxdigit(name[1])) {
            c = (char)(hex_value(name[0]) * 16 + hex_value(name[1]));
            name += 2;
        }
        if (c != *want)
            return false;
    }
    return name == end && !*want;
}

/* Calls FOUND with each value of the parameter in the LEN bytes of QUERY. */
static void each_value(char *query, size_t len, void (*found)(char *value, size_t len, void *ctx),
                       void *ctx)
{
    char *end = query + len;

    while (query < end) {
        char *next = memchr(query, '&', (size_t)(end - query));
        char *equals;

        if (!next)
            next = end;
        equals = memchr(query, '=', (size_t)(next - query));
        if (equals && is_parameter(query, (size_t)(equals - query)))
            found(equals + 1, (size_t)(next - equals - 1), ctx);
        query = next + 1;
    }
}

static void mask_value(char *value, size_t len, void *ctx)
{
    memset(value, MASK, len);
}

/* Masks the tokens between the first ? of TEXT, if it has one, and END. */
static void mask_after_path(char *text, const char *end)
{
    char *mark = text ? memchr(text, '?', (size_t)(end - text)) : NULL;

    if (mark)
        each_value(mark + 1, (size_t)(end - mark - 1), mask_value, NULL);
}

static const char *end_of(const char *text)
{
    return text ? text + strlen(text) : NULL;
}

/* The end of the URL in the request line LINE, which may have no version. */
static const char *end_of_url(const char *line)
{
    const char *space = line ? strrchr(line, ' ') : NULL;
    const char *mark = line ? strchr(line, '?') : NULL;

    return space && mark && space > mark ? space : end_of(line);
}

struct taken {
    apr_pool_t *pool;
    struct mrc_url_token token;
};

static void keep_value(char *value, size_t len, void *ctx)
{
    struct taken *taken = ctx;
    char *text = apr_pstrmemdup(taken->pool, value, len);

    if (ap_unescape_urlencoded(text) != OK)
        text = apr_pstrmemdup(taken->pool, value, len); /* not a token, so it will be refused */
    taken->token.is_repeated = taken->token.text != NULL;
    taken->token.text = text;
}

static void see_value(char *value, size_t len, void *ctx)
{
    bool *is_there = ctx;

    *is_there = true;
}

bool mrc_url_token_is_in(const request_rec *r)
{
    bool is_there = false;

    if (r->args)
        each_value(r->args, strlen(r->args), see_value, &is_there);
    return is_there;
}

struct mrc_url_token mrc_url_token_take(request_rec *r)
{
    struct taken taken = {.pool = r->pool};

    if (!r->args)
        return taken.token;
    each_value(r->args, strlen(r->args), keep_value, &taken);
    if (!taken.token.text)
        return taken.token;
    each_value(r->args, strlen(r->args), mask_value, NULL);
    if (r->parsed_uri.query)
        each_value(r->parsed_uri.query, strlen(r->parsed_uri.query), mask_value, NULL);
    mask_after_path(r->unparsed_uri, end_of(r->unparsed_uri));
    mask_after_path(r->the_request, end_of_url(r->the_request));
    /* mod_status has a copy of the request line. */
    if (!r->main && !mrc_connection_is_hidden(r->connection))
        ap_update_child_status(r->connection->sbh, SERVER_BUSY_WRITE, r);
    return taken.token;
}
