/*
 * An example of a module that publishes to mod_mercure: a handler that announces its query string.
 *
 *     apxs -i -a -c mod_announce.c
 *
 *     <Location "/announce">
 *         SetHandler announce
 *     </Location>
 *
 * GET /announce?hello publishes `hello` on the topic https://example.com/announcements to the only
 * hub of the site, and answers with the id of the update and the URL of the hub.
 */
#include <string.h>

#include "httpd.h"

#include "http_config.h"
#include "http_protocol.h"

#include "mod_mercure.h"

static APR_OPTIONAL_FN_TYPE(mercure_publish) * publish;
static APR_OPTIONAL_FN_TYPE(mercure_hub_url) * hub_url;

static int announce(request_rec *r)
{
    static const char *const topics[] = {"https://example.com/announcements", NULL};
    mercure_update update = {.size = sizeof(update), .topics = topics, .retry_ms = -1};
    const char *id;
    apr_status_t status;

    if (!r->handler || strcmp(r->handler, "announce") || !publish)
        return DECLINED;
    update.data = r->args;
    update.data_len = r->args ? strlen(r->args) : 0;
    status = publish(r, NULL, &update, &id);
    if (status == APR_EINVAL)
        return HTTP_BAD_REQUEST;
    if (status != APR_SUCCESS)
        return HTTP_SERVICE_UNAVAILABLE;
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%s %s\n", id, hub_url(r, NULL));
    return OK;
}

/* All modules are loaded by now. */
static int find_mercure(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    publish = APR_RETRIEVE_OPTIONAL_FN(mercure_publish);
    hub_url = APR_RETRIEVE_OPTIONAL_FN(mercure_hub_url);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(find_mercure, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(announce, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(announce) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0,
};
