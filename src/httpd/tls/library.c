#include "httpd/tls/library.h"

#include <dlfcn.h>
#include <openssl/ssl.h>

#include "httpd.h"

#include "apr_dso.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_ssl.h"

#include "httpd/base/hooks.h"

#define SAME_OPENSSL "build mod_ssl and mod_mercure with the same OpenSSL"

/* SSL_write() as SSL_MODULE finds it. NULL: it has none, or hides its own. */
static void *find_function(const module *ssl_module)
{
    apr_dso_handle_sym_t function = NULL;

    if (!ssl_module->dynamic_load_handle) /* a part of httpd's program */
        return dlsym(RTLD_DEFAULT, "SSL_write");
    if (apr_dso_sym(&function, ssl_module->dynamic_load_handle, "SSL_write") != APR_SUCCESS)
        return NULL;
    return function;
}

bool mrc_library_is_shared(apr_pool_t *pool, const char **ret_problem)
{
    const module *ssl_module = ap_find_linked_module("mod_ssl.c");
    void *function = ssl_module ? find_function(ssl_module) : NULL;
    Dl_info theirs, ours;

    *ret_problem = NULL;
    if (!ssl_module)
        return false;
    if (!function || !dladdr(function, &theirs) || !dladdr((void *)SSL_write, &ours))
        *ret_problem = "because mod_ssl has an OpenSSL of its own: " SAME_OPENSSL;
    else if (theirs.dli_fbase != ours.dli_fbase)
        *ret_problem =
            apr_psprintf(pool, "because mod_ssl uses %s, and mod_mercure uses %s: " SAME_OPENSSL,
                         theirs.dli_fname, ours.dli_fname);
    return !*ret_problem;
}

const char *mrc_library_other_module(apr_pool_t *pool)
{
    static const char *const known[] = {"mod_mercure.c", "mod_ssl.c", NULL};
    const struct mrc_hook *other = mrc_hooks_find_other(ap_hook_get_ssl_conn_is_ssl(), known);

    if (!other)
        return NULL;
    return apr_psprintf(
        pool, "if %s makes their connection: use mod_ssl for virtual hosts with many streams",
        other->file ? other->file : "another module than mod_ssl");
}
