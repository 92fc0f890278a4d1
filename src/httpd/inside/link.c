#include "httpd/inside/link.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/sites/sites.h"

APLOG_USE_MODULE(mercure);

#define RELATION "mercure"

/* ---- reading the field (RFC 8288, 3) ----------------------------------------------------------*/

/* The end of the quoted string whose first quote is at TEXT: after its last quote. */
static const char *skip_quoted(const char *text)
{
    for (text++; *text && *text != '"'; text++)
        if (*text == '\\' && text[1])
            text++;
    return *text ? text + 1 : text;
}

/* Whether the LEN bytes at RELATIONS, separated by white space, have the relation of hubs. */
static bool has_relation(const char *relations, size_t len)
{
    const char *end = relations + len;

    while (relations < end) {
        size_t word = 0;

        while (relations + word < end && !apr_isspace(relations[word]))
            word++;
        if (word == sizeof(RELATION) - 1 && !ap_cstr_casecmpn(relations, RELATION, word))
            return true;
        relations += word + 1;
    }
    return false;
}

/*
 * Reads the parameter at TEXT. RET_IS_HUB: it is `rel` with the relation of hubs. Returns its end.
 */
static const char *read_parameter(const char *text, bool *ret_is_hub)
{
    const char *name = text, *value;
    size_t len = strcspn(text, "=;,\"<");

    *ret_is_hub = false;
    text += len;
    while (len && apr_isspace(name[len - 1]))
        len--;
    if (*text != '=')
        return text;
    text++;
    text += strspn(text, " \t");
    value = text;
    if (*text == '"')
        text = skip_quoted(text);
    else
        text += strcspn(text, ";,");
    if (len == 3 && !ap_cstr_casecmpn(name, "rel", 3))
        *ret_is_hub = *value == '"'
                          ? text > value + 1 && has_relation(value + 1, (size_t)(text - value) - 2)
                          : has_relation(value, (size_t)(text - value));
    return text;
}

bool mrc_link_has_hub(const char *field)
{
    while (*field) {
        bool is_hub = false;

        if (*field == '<')
            field += strcspn(field, ">");
        else if (*field == '"')
            field = skip_quoted(field);
        else if (*field == ';')
            field = read_parameter(field + 1 + strspn(field + 1, " \t"), &is_hub);
        else
            field++;
        if (is_hub)
            return true;
    }
    return false;
}

/* ---- adding links -----------------------------------------------------------------------------*/

static const struct mrc_discovery *setting_of(const request_rec *r)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const struct mrc_discovery *discovery = settings ? settings->response.discovery : NULL;

    return discovery && discovery->is_on ? discovery : NULL;
}

bool mrc_link_applies(const request_rec *r)
{
    return setting_of(r) != NULL;
}

static int stop_at_hub(void *unused, const char *name, const char *value)
{
    return !mrc_link_has_hub(value);
}

/* The value of a field with LINKS, an array of const char *. */
static const char *join(apr_pool_t *pool, const apr_array_header_t *links)
{
    static const char comma[] = ", ";
    struct iovec *parts = apr_palloc(pool, 2 * sizeof(*parts) * (size_t)links->nelts);
    apr_size_t count = 0;

    for (int i = 0; i < links->nelts; i++) {
        char *link = APR_ARRAY_IDX(links, i, char *);

        if (i)
            parts[count++] = (struct iovec){(char *)comma, sizeof(comma) - 1};
        parts[count++] = (struct iovec){link, strlen(link)};
    }
    return apr_pstrcatv(pool, parts, count, NULL);
}

/* Adds the link to TARGET to LINKS, an array of const char *. */
static void add(request_rec *r, apr_array_header_t *links, const char *target)
{
    APR_ARRAY_PUSH(links, const char *) =
        apr_pstrcat(r->pool, "<", target, ">; rel=\"" RELATION "\"", NULL);
}

/* Whether the site of R has no hub at LOCATION of its configuration, because it has no key. */
static bool is_missing(request_rec *r, const struct mrc_location *location)
{
    const char *unused;

    return mrc_sites_look(r, location, &unused) == HTTP_NOT_FOUND;
}

static void add_only_hub(request_rec *r, apr_array_header_t *links,
                         const struct mrc_discovery *discovery)
{
    const char *error;
    const struct mrc_location *location = mrc_hubs_choose(r->server, NULL, &error);

    if (location && !is_missing(r, location))
        add(r, links, location->escaped_path);
    else if (!location)
        ap_log_rerror(
            APLOG_MARK, APLOG_ERR, 0, r,
            "MRC0804: this response gets no link to a hub: MercureDiscovery On (%s) needs a "
            "path or URL, because the site %s",
            discovery->where, error);
}

/* TARGET is a URL, or the path of a hub, of this site or of another one. */
static void add_target(request_rec *r, apr_array_header_t *links, const char *target)
{
    const char *unused;
    const struct mrc_location *location = mrc_hubs_choose(r->server, target, &unused);

    if (!location || !is_missing(r, location))
        add(r, links, target);
}

void mrc_link_add(request_rec *r)
{
    const struct mrc_discovery *discovery = setting_of(r);
    apr_array_header_t *links;

    if (!discovery || !apr_table_do(stop_at_hub, NULL, r->headers_out, "Link", NULL) ||
        !apr_table_do(stop_at_hub, NULL, r->err_headers_out, "Link", NULL))
        return;
    links = apr_array_make(r->pool, discovery->targets->nelts, sizeof(const char *));
    for (int i = 0; i < discovery->targets->nelts; i++) {
        const char *target = APR_ARRAY_IDX(discovery->targets, i, const char *);

        if (*target)
            add_target(r, links, target);
        else
            add_only_hub(r, links, discovery);
    }
    if (links->nelts)
        apr_table_mergen(r->headers_out, "Link", join(r->pool, links));
}
