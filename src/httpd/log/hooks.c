#include "httpd/log/hooks.h"

#include <string.h>

#include "apr_optional.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_protocol.h"

#include "httpd/base/hooks.h"

APR_DECLARE_OPTIONAL_FN(void, ap_logio_add_bytes_in, (conn_rec *, apr_off_t));
APR_DECLARE_OPTIONAL_FN(void, ap_logio_add_bytes_out, (conn_rec *, apr_off_t));
APR_DECLARE_OPTIONAL_FN(apr_off_t, ap_logio_get_last_bytes, (conn_rec *));

bool mrc_log_hooks_call(request_rec *r, const char *file)
{
    const struct mrc_hook *hook = mrc_hooks_find(ap_hook_get_log_transaction(), file);

    if (hook)
        ((ap_HOOK_log_transaction_t *)(void *)hook->call)(r);
    return hook != NULL;
}

/* The bytes of TABLE as header fields of a message. */
static apr_off_t table_bytes(const apr_table_t *table)
{
    const apr_array_header_t *entries = apr_table_elts(table);
    apr_off_t bytes = 0;

    for (int i = 0; i < entries->nelts; i++) {
        const apr_table_entry_t *entry = &APR_ARRAY_IDX(entries, i, apr_table_entry_t);

        bytes += (apr_off_t)(strlen(entry->key) + strlen(entry->val) + sizeof(": \r\n") - 1);
    }
    return bytes;
}

void mrc_log_hooks_take_counts(request_rec *r, apr_off_t wire_in, apr_off_t *ret_in,
                               apr_off_t *ret_out)
{
    APR_OPTIONAL_FN_TYPE(ap_logio_get_last_bytes) *get_last =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_get_last_bytes);

    *ret_in = *ret_out = 0;
    if (!mrc_log_hooks_call(r, "mod_logio.c") || !get_last)
        return;
    *ret_in = wire_in;
    if (wire_in < 0)
        *ret_in = (apr_off_t)(strlen(r->the_request) + 2 * (sizeof("\r\n") - 1)) +
                  table_bytes(r->headers_in) + r->read_length;
    *ret_out = get_last(r->connection) - *ret_in;
}

void mrc_log_hooks_give_counts(conn_rec *c, apr_off_t in, apr_off_t out)
{
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_in) *add_in =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_in);
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_out) *add_out =
        APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_out);
    const struct mrc_hook *hook = mrc_hooks_find(ap_hook_get_pre_connection(), "mod_logio.c");

    if (!hook || !add_in || !add_out)
        return;
    ((ap_HOOK_pre_connection_t *)(void *)hook->call)(c, NULL); /* sets up its counts for C */
    add_in(c, in);
    add_out(c, out);
}

/* ---- the first byte ---------------------------------------------------------------------------*/

/* The data that mod_logio keeps in a request since httpd 2.4.13, with room for later additions. */
union logio_request {
    apr_time_t ttfb_us;
    char room[64];
};

static const module *find_logio(void)
{
    return ap_find_linked_module("mod_logio.c");
}

apr_time_t mrc_log_hooks_take_ttfb(const request_rec *r)
{
    const module *logio = find_logio();
    const apr_time_t *kept = logio ? ap_get_module_config(r->request_config, logio) : NULL;

    return kept ? *kept : 0;
}

void mrc_log_hooks_give_ttfb(request_rec *r, apr_time_t ttfb_us)
{
    const module *logio = find_logio();
    union logio_request *kept;

    if (!logio)
        return;
    kept = apr_pcalloc(r->pool, sizeof(*kept));
    kept->ttfb_us = ttfb_us;
    ap_set_module_config(r->request_config, logio, kept);
}

/* ---- the modules that log ---------------------------------------------------------------------*/

bool mrc_log_hooks_are_known(void)
{
    static const char *const known[] = {"mod_mercure.c",      "mod_log_config.c", "mod_logio.c",
                                        "mod_log_forensic.c", "mod_security2.c",  NULL};

    return !mrc_hooks_find_other(ap_hook_get_log_transaction(), known);
}
