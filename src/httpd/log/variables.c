#include "httpd/log/variables.h"

#include <string.h>

#include "apr_optional.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_ssl.h"
#include "mod_log_config.h"

#include "httpd/base/connection.h"
#include "httpd/base/hooks.h"

/* mod_ssl's function, as mod_ssl.h of httpd 2.4 declares it. */
APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup,
                        (apr_pool_t *, server_rec *, conn_rec *, request_rec *, char *));

/* The result of a verification that has failed begins with this; the reason follows. */
#define FAILED "FAILED:"

static const char *const shorts[][2] = {
    {"version", "SSL_PROTOCOL"},      {"cipher", "SSL_CIPHER"},
    {"subjectdn", "SSL_CLIENT_S_DN"}, {"clientcert", "SSL_CLIENT_S_DN"},
    {"issuerdn", "SSL_CLIENT_I_DN"},  {"cacert", "SSL_CLIENT_I_DN"},
    {"errstr", "SSL_CLIENT_VERIFY"},
};

const char *mrc_log_variables_of_short(const char *name)
{
    for (size_t i = 0; i < sizeof(shorts) / sizeof(*shorts); i++) {
        if (!strcmp(name, shorts[i][0]))
            return shorts[i][1];
    }
    return NULL;
}

/* The value of the variable NAME for R. NULL: it has none. */
static const char *look_up(request_rec *r, const char *name)
{
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *ask = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    const apr_table_t *kept = mrc_connection_get_variables(r->connection);
    const char *value;

    if (kept)
        return apr_table_get(kept, name);
    value = ask ? ask(r->pool, r->server, r->connection, r, (char *)name) : NULL;
    return value && *value ? value : NULL;
}

/* `%{NAME}x` */
static const char *log_variable(request_rec *r, char *name)
{
    return look_up(r, name);
}

/* `%{NAME}c` */
static const char *log_short(request_rec *r, char *name)
{
    const char *variable = mrc_log_variables_of_short(name);
    const char *value = variable ? look_up(r, variable) : NULL;

    if (!value || strcmp(name, "errstr") != 0)
        return value;
    return !strncmp(value, FAILED, strlen(FAILED)) ? value + strlen(FAILED) : NULL;
}

int mrc_log_variables_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);

    if (add && APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup)) {
        add(pconf, (char *)"x", log_variable, 0);
        add(pconf, (char *)"c", log_short, 0);
    }
    return OK;
}

/* ---- in expressions ---------------------------------------------------------------------------*/

/* A variable of mod_ssl in an expression, with mod_ssl's function for it. */
struct variable {
    ap_expr_var_func_t *evaluate;
    const void *data; /* for the function */
    const char *name;
};

static const char *evaluate(ap_expr_eval_ctx_t *ctx, const void *data)
{
    const struct variable *variable = data;
    const apr_table_t *kept = ctx->c ? mrc_connection_get_variables(ctx->c) : NULL;

    return kept ? apr_table_get(kept, variable->name) : variable->evaluate(ctx, variable->data);
}

int mrc_log_variables_expr_lookup(ap_expr_lookup_parms *parms)
{
    const struct mrc_hook *hook = mrc_hooks_find(ap_hook_get_expr_lookup(), "mod_ssl.c");
    struct variable *variable;
    int status;

    if (!hook || parms->type != AP_EXPR_FUNC_VAR || strncmp(parms->name, "SSL_", 4) != 0)
        return DECLINED;
    status = ((ap_HOOK_expr_lookup_t *)(void *)hook->call)(parms);
    if (status != OK)
        return status;
    variable = apr_palloc(parms->pool, sizeof(*variable));
    variable->evaluate = (ap_expr_var_func_t *)(void *)*parms->func;
    variable->data = *parms->data;
    variable->name = apr_pstrdup(parms->pool, parms->name);
    *parms->func = (const void *)evaluate;
    *parms->data = variable;
    return OK;
}

int mrc_log_variables_conn_is_ssl(conn_rec *c)
{
    const apr_table_t *kept = mrc_connection_get_variables(c);
    const char *https = kept ? apr_table_get(kept, "HTTPS") : NULL;

    return https && !strcmp(https, "on") ? OK : DECLINED;
}

/* ---- keeping ----------------------------------------------------------------------------------*/

apr_table_t *mrc_log_variables_of(request_rec *r, const apr_array_header_t *names)
{
    apr_table_t *table = apr_table_make(r->pool, names->nelts);

    for (int i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *value = look_up(r, name);

        if (value)
            apr_table_setn(table, name, value);
    }
    return table;
}
