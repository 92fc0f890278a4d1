#include "httpd/http2/choice.h"

#include "ap_mpm.h"
#include "apr_hash.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/http2/http2.h"

APLOG_USE_MODULE(mercure);

#define STARTUP_ERROR APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0

static bool is_async(void)
{
    int value = 0;

    return ap_mpm_query(AP_MPMQ_IS_ASYNC, &value) == APR_SUCCESS && value;
}

/* Whether `Protocols` of SERVER has HTTP/2. */
static bool has_protocol(const server_rec *server)
{
    const core_server_config *core = ap_get_core_module_config(server->module_config);

    return core->protocols && (ap_array_str_contains(core->protocols, "h2") ||
                               ap_array_str_contains(core->protocols, "h2c"));
}

static bool has_hub(server_rec *server)
{
    const apr_array_header_t *locations = mrc_hubs_locations(server);

    return locations && locations->nelts > 0;
}

/* ---- directives of mod_http2 ------------------------------------------------------------------*/

/* Directives that tune mod_http2: the first one for all servers, and the first one of each virtual
 * host, by the place of its section. */
struct tuning {
    apr_pool_t *pool;
    const ap_directive_t *common;
    apr_hash_t *by_host;
};

static const char *place(apr_pool_t *pool, const char *file, int line)
{
    return apr_psprintf(pool, "%s:%d", file ? file : "", line);
}

/*
 * Adds the directives of TREE to TUNING; RET_FIRST has the first one that is outside virtual hosts.
 */
static void find_tuning(struct tuning *tuning, const ap_directive_t *tree,
                        const ap_directive_t **ret_first)
{
    for (; tree; tree = tree->next) {
        if (!ap_cstr_casecmpn(tree->directive, "H2", 2)) {
            if (!*ret_first)
                *ret_first = tree;
        } else if (!ap_cstr_casecmp(tree->directive, "<VirtualHost")) {
            const ap_directive_t *first = NULL;

            find_tuning(tuning, tree->first_child, &first);
            if (first)
                apr_hash_set(tuning->by_host, place(tuning->pool, tree->filename, tree->line_num),
                             APR_HASH_KEY_STRING, first);
        } else {
            find_tuning(tuning, tree->first_child, ret_first);
        }
    }
}

static struct tuning find_all_tuning(apr_pool_t *temp)
{
    struct tuning tuning = {.pool = temp, .by_host = apr_hash_make(temp)};

    find_tuning(&tuning, ap_conftree, &tuning.common);
    return tuning;
}

/* The first directive that is in force for SERVER, or for a part of it; NULL: there is none. */
static const ap_directive_t *tuning_of(const struct tuning *tuning, const server_rec *server)
{
    const ap_directive_t *found = NULL;

    if (server->is_virtual)
        found = apr_hash_get(tuning->by_host,
                             place(tuning->pool, server->defn_name, (int)server->defn_line_number),
                             APR_HASH_KEY_STRING);
    return found ? found : tuning->common;
}

/* ---- the choice -------------------------------------------------------------------------------*/

static int refuse(const server_rec *server, const char *problem)
{
    ap_log_error(STARTUP_ERROR, server, "MRC0125: MercureHttp2 On in %s: %s",
                 server->is_virtual
                     ? server->server_hostname ? server->server_hostname : "a virtual host"
                     : "the main server",
                 problem);
    return !OK;
}

/*
 * Whether MercureHttp2 On of the main server, which virtual hosts inherit, has an effect anywhere.
 */
static bool some_host_has_protocol(const server_rec *main_server)
{
    for (const server_rec *server = main_server; server; server = server->next) {
        if (mrc_hubs_http2_directive(server) == 1 && has_protocol(server))
            return true;
    }
    return false;
}

/* Why SERVER, which has MercureHttp2 On, cannot have it. NULL: it can. */
static const char *problem_of(const server_rec *main_server, const server_rec *server)
{
    bool is_inherited = mrc_hubs_http2_directive(main_server) == 1;

    if (!mrc_http2_is_built())
        return "this mod_mercure was built without nghttp2, or for an httpd before 2.4.52. Remove "
               "the directive, and mod_http2 speaks HTTP/2";
    if (!is_async())
        return "it needs the event MPM. Load mpm_event, or remove the directive, and mod_http2 "
               "speaks HTTP/2";
    if (is_inherited ? !some_host_has_protocol(main_server) : !has_protocol(server))
        return "Protocols has neither h2 nor h2c there. Add them, such as Protocols h2 http/1.1";
    return NULL;
}

static enum mrc_http2_speaker choose(const struct tuning *tuning, server_rec *server, bool is_able)
{
    int directive = mrc_hubs_http2_directive(server);

    if (directive == 1)
        return MRC_HTTP2_OURS;
    if (directive == 0 || !is_able || !has_protocol(server) || tuning_of(tuning, server))
        return MRC_HTTP2_OTHERS;
    return has_hub(server) ? MRC_HTTP2_OURS : MRC_HTTP2_AS_GUEST;
}

int mrc_http2_choice_make(apr_pool_t *temp, server_rec *main_server)
{
    struct tuning tuning = find_all_tuning(temp);
    bool is_able = mrc_http2_is_built() && is_async();

    for (server_rec *server = main_server; server; server = server->next) {
        const char *problem =
            mrc_hubs_http2_directive(server) == 1 ? problem_of(main_server, server) : NULL;

        if (problem)
            return refuse(server, problem);
        mrc_hubs_set_http2_speaker(server, choose(&tuning, server, is_able));
    }
    return OK;
}

/* ---- the log ----------------------------------------------------------------------------------*/

/* Whether the default of MercureHttp2 is not On for SERVER, although it has a hub and HTTP/2. */
static bool misses_default(server_rec *server)
{
    return mrc_hubs_http2_directive(server) < 0 && !mrc_hubs_speaks_http2(server) &&
           has_hub(server) && has_protocol(server);
}

/* WHERE, which may be empty, and WHY HTTP/2 is left to others. */
static void log_why(const server_rec *server, const char *where, const char *why)
{
    const char *who =
        ap_find_linked_module("mod_http2.c")
            ? "mod_http2 speaks HTTP/2, where a browser has two streams and each holds a thread"
            : "no module speaks HTTP/2";

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server, "MRC0237: %s%s: %s", who, where, why);
}

static void log_tuning(apr_pool_t *temp, const server_rec *server, const ap_directive_t *tuning)
{
    log_why(server,
            apr_pstrcat(temp, ", for the hub of ",
                        server->server_hostname ? server->server_hostname : "a virtual host", NULL),
            apr_psprintf(temp,
                         "%s (%s) applies to mod_http2 only. Remove it and all other H2 directives "
                         "there, or set MercureHttp2 On",
                         tuning->directive, place(temp, tuning->filename, tuning->line_num)));
}

void mrc_http2_choice_log(apr_pool_t *temp, server_rec *main_server)
{
    struct tuning tuning = find_all_tuning(temp);
    bool has_logged_common = false;

    for (server_rec *server = main_server; server; server = server->next) {
        const ap_directive_t *of_server = tuning_of(&tuning, server);

        if (!misses_default(server))
            continue;
        if (!mrc_http2_is_built() || !is_async()) {
            log_why(server, "",
                    is_async() ? "this mod_mercure was built without nghttp2, or for an httpd "
                                 "before 2.4.52"
                               : "the module's own HTTP/2 needs the event MPM");
            return;
        }
        if (of_server != tuning.common || !has_logged_common)
            log_tuning(temp, server, of_server);
        has_logged_common = has_logged_common || of_server == tuning.common;
    }
}
