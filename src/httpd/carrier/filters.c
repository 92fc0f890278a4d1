#include "httpd/carrier/filters.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "mod_core.h"
#include "util_filter.h"

/*
 * These filters gather output, or wait. A stream does not need them. Filters of mod_filter, whose
 * names the configuration chooses, run such filters or others (delays()).
 */
static const char *const delaying[] = {
    "BUFFER",          "RATE_LIMIT", "DEFLATE",           "INFLATE",
    "BROTLI_COMPRESS", "CACHE_SAVE", "CACHE_SAVE_SUBREQ",
};

/*
 * These filters change the content of pages, and may gather it. No answer of a hub is a page:
 * events and documents have one form, and one encoding, UTF-8. The programs of mod_ext_filter,
 * whose names the configuration chooses, are of this kind too (is_external()).
 */
static const char *const changing[] = {
    "XML2ENC", "PROXY-HTML", "SUBSTITUTE", "SED", "XLATEOUT", "INCLUDES", "DATA",
};

/* The same for input; this filter translates the charset of bodies. */
static const char *const changing_input[] = {"XLATEIN"};

/* These filters pass bytes on as they come. LOGIO_TTFB_OUT notes the time and removes itself. */
static const char *const immediate[] = {
    "BYTERANGE",         "CHUNK",           "CONTENT_LENGTH",    "HTTP_HEADER", "HTTP_OUTERROR",
    "FIXUP_HEADERS_OUT", "MODSECURITY_OUT", "FIXUP_HEADERS_ERR", "MOD_EXPIRES", "MOD_SESSION_OUT",
    "LOGIO_TTFB_OUT",    "OLD_WRITE",
};

/* Those of them that need to see all bytes that are sent. */
static const char *const inspecting[] = {"MODSECURITY_OUT"};

/* Filters of connections that work only while a request is read, or at its end
 * (httpd/publish/stay.h). */
static const char *const of_reading[] = {"REQTIMEOUT", "MERCURE_STAY"};

/* mod_ssl's filters for output. */
static const char *const of_tls[] = {"SSL/TLS Coalescing Filter", "SSL/TLS Filter"};

/* Input filters of a connection with TLS that need not see what comes after a request: they read
 * it, count it, limit its time, or have removed a head of the connection. */
static const char *const of_tls_input[] = {"SSL/TLS Filter", "LOG_INPUT_OUTPUT", "REQTIMEOUT",
                                           "REMOTEIP_INPUT"};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool is_one_of(const ap_filter_t *filter, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!ap_cstr_casecmp(filter->frec->name, names[i]))
            return true;
    }
    return false;
}

static bool is_of_request(const ap_filter_t *filter)
{
    return filter && filter->frec->ftype < AP_FTYPE_CONNECTION;
}

/* Whether the directive ExtFilterDefine has defined NAME, in DIRECTIVE, its siblings or what they
 * contain. mod_ext_filter does not export its filters. */
static bool is_defined(const ap_directive_t *directive, const char *name, apr_pool_t *pool)
{
    for (; directive; directive = directive->next) {
        if (!ap_cstr_casecmp(directive->directive, "ExtFilterDefine") && directive->args) {
            const char *args = directive->args;

            if (!ap_cstr_casecmp(ap_getword_conf(pool, &args), name))
                return true;
        }
        if (is_defined(directive->first_child, name, pool))
            return true;
    }
    return false;
}

/* Whether FILTER is one of httpd's own that each answer passes through. */
static bool is_framing(const ap_filter_t *filter)
{
    return filter->frec == ap_content_length_filter_handle ||
           filter->frec == ap_http_header_filter_handle ||
           filter->frec == ap_http_outerror_filter_handle ||
           filter->frec == ap_byterange_filter_handle;
}

/* Whether FILTER is a program of mod_ext_filter. */
static bool is_external(const request_rec *r, const ap_filter_t *filter)
{
    return ap_find_linked_module("mod_ext_filter.c") &&
           !is_one_of(filter, immediate, COUNT(immediate)) &&
           is_defined(ap_conftree, filter->frec->name, r->pool);
}

static bool changes(const request_rec *r, const ap_filter_t *filter)
{
    return !is_framing(filter) &&
           (is_one_of(filter, changing, COUNT(changing)) || is_external(r, filter));
}

/* mod_filter's filters have providers: `BYTYPE:...`, FilterDeclare. */
static bool delays(const request_rec *r, const ap_filter_t *filter)
{
    return is_one_of(filter, delaying, COUNT(delaying)) || filter->frec->providers ||
           changes(r, filter);
}

/* Removes the output filters of R for which IS_ONE is true, and returns their names. */
static const char *remove_all(request_rec *r,
                              bool (*is_one)(const request_rec *r, const ap_filter_t *filter))
{
    ap_filter_t *filter = r->output_filters;
    const char *removed = NULL;

    while (is_of_request(filter)) {
        ap_filter_t *next = filter->next;

        if (is_one(r, filter)) {
            const char *name = filter->frec->name;

            removed = removed ? apr_pstrcat(r->pool, removed, ", ", name, NULL) : name;
            ap_remove_output_filter(filter);
        }
        filter = next;
    }
    return removed;
}

const char *mrc_filters_remove_delaying(request_rec *r)
{
    return remove_all(r, delays);
}

void mrc_filters_remove_changing(request_rec *r)
{
    ap_filter_t *filter = r->input_filters;

    remove_all(r, changes);
    while (is_of_request(filter)) {
        ap_filter_t *next = filter->next;

        if (is_one_of(filter, changing_input, COUNT(changing_input)))
            ap_remove_input_filter(filter);
        filter = next;
    }
}

bool mrc_filters_never_delay(const request_rec *r)
{
    for (ap_filter_t *filter = r->output_filters; is_of_request(filter); filter = filter->next) {
        if (!is_one_of(filter, immediate, COUNT(immediate)))
            return false;
    }
    return true;
}

/* The first filter of R's connection, if the stream can skip those of R; otherwise NULL. */
static const ap_filter_t *skip_request(const request_rec *r)
{
    const ap_filter_t *filter = mrc_filters_never_delay(r) ? r->output_filters : NULL;

    for (; is_of_request(filter); filter = filter->next) {
        if (is_one_of(filter, inspecting, COUNT(inspecting)))
            return NULL;
    }
    return filter;
}

/* Whether nothing but the network filter changes bytes that FILTER, the first of a connection,
 * receives. NULL: no. */
static bool leads_to_network(const ap_filter_t *filter)
{
    while (filter && is_one_of(filter, of_reading, COUNT(of_reading)))
        filter = filter->next;
    return filter && filter->frec == ap_core_output_filter_handle;
}

bool mrc_filters_are_tls(const request_rec *r)
{
    const ap_filter_t *filter = skip_request(r);
    bool has_tls = false;

    for (; filter && is_one_of(filter, of_reading, COUNT(of_reading)); filter = filter->next)
        ;
    for (; filter && is_one_of(filter, of_tls, COUNT(of_tls)); filter = filter->next)
        has_tls = true;
    if (!has_tls || !leads_to_network(filter))
        return false;
    for (filter = r->connection->input_filters; filter; filter = filter->next) {
        if (filter->frec != ap_core_input_filter_handle &&
            !is_one_of(filter, of_tls_input, COUNT(of_tls_input)))
            return false;
    }
    return true;
}

bool mrc_filters_can_skip_request(const request_rec *r)
{
    return skip_request(r) != NULL;
}

bool mrc_filters_can_skip_all(const request_rec *r)
{
    return leads_to_network(skip_request(r));
}

bool mrc_filters_can_skip_connection(const conn_rec *c)
{
    return leads_to_network(c->output_filters);
}
