#include "httpd/config/check.h"

#include "ap_mpm.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/base/reload.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/origin.h"
#include "httpd/config/sizing.h"
#include "httpd/config/spec.h"
#include "store/history/dir.h"
#include "store/memory/memory.h"

APLOG_USE_MODULE(mercure);

#define STARTUP_ERROR APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0

static int check_store(server_rec *server, const struct mrc_hub_conf *hub, const char *where)
{
    struct mrc_error error = {""};

    if (mrc_history_dir_check(hub->settings->store_path, &error) == APR_SUCCESS)
        return OK;
    ap_log_error(STARTUP_ERROR, server, "MRC0101: MercureStore lmdb %s of the hub %s (%s): %s",
                 hub->settings->store_path, hub->label, where, error.text);
    return !OK;
}

static int check_history(server_rec *server, const struct mrc_hub_conf *hub)
{
    const struct mrc_hub_settings *settings = hub->settings;
    const char *where = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *)->section->where;
    uint64_t least = (uint64_t)settings->limit_body_bytes * MRC_SPEC_BODIES_IN_RING;

    if (settings->history.off)
        return OK;
    /* At a reload, the directory is checked when it is opened. */
    if (settings->store_path)
        return mrc_reload_is_now() ? OK : check_store(server, hub, where);
    if (settings->history.bytes == 0) {
        ap_log_error(
            STARTUP_ERROR, server,
            "MRC0102: MercureHistory bytes=0 (no bound) needs MercureStore lmdb: give the hub %s "
            "(%s) that store, or a bound such as bytes=16M",
            hub->label, where);
        return !OK;
    }
    if (settings->history.bytes < least) {
        ap_log_error(
            STARTUP_ERROR, server,
            "MRC0103: MercureHistory bytes=%" APR_UINT64_T_FMT " is too small for the hub %s (%s): "
            "it must hold the largest body %d times. Raise it to at least %" APR_UINT64_T_FMT
            ", or lower MercureLimit body=%" APR_INT64_T_FMT,
            settings->history.bytes, hub->label, where, MRC_SPEC_BODIES_IN_RING, least,
            settings->limit_body_bytes);
        return !OK;
    }
    return OK;
}

const char *mrc_check_any_origin(const struct mrc_settings *settings)
{
    if (!settings->location.cors_origins || !settings->location.cors_origins->any)
        return NULL;
    if (mrc_settings_is_set(settings, MRC_FIELD_COOKIE_NAME))
        return "MercureCookieName";
    return settings->location.publish_origins ? "MercurePublishOrigins" : NULL;
}

static int check_location_origins(const struct mrc_location *location)
{
    const char *directive = mrc_check_any_origin(location->settings);

    if (!directive)
        return OK;
    ap_log_error(
        STARTUP_ERROR, location->server,
        "MRC0104: MercureCorsOrigins * allows other origins without credentials only, but %s (%s) "
        "is about the cookie: name the origins in MercureCorsOrigins, or remove one of the two "
        "directives",
        directive, location->section->where);
    return !OK;
}

static int check_origins(const struct mrc_hub_conf *hub)
{
    for (int i = 0; i < hub->locations->nelts; i++) {
        if (check_location_origins(APR_ARRAY_IDX(hub->locations, i, struct mrc_location *)) != OK)
            return !OK;
    }
    return OK;
}

static const struct mrc_key_row *find_same(const apr_array_header_t *control,
                                           const apr_array_header_t *others)
{
    for (int i = 0; control && others && i < control->nelts; i++) {
        const struct mrc_key_row *row = APR_ARRAY_IDX(control, i, const struct mrc_key_row *);

        for (int j = 0; j < others->nelts; j++) {
            if (mrc_key_sources_is_same(row, APR_ARRAY_IDX(others, j, const struct mrc_key_row *)))
                return row;
        }
    }
    return NULL;
}

const struct mrc_key_row *mrc_check_control_keys(const struct mrc_location_settings *settings)
{
    const struct mrc_key_row *row = find_same(settings->control_keys, settings->subscriber_keys);

    return row ? row : find_same(settings->control_keys, settings->publisher_keys);
}

static int check_control(const struct mrc_hub_conf *hub)
{
    int status = OK;

    for (int i = 0; i < hub->locations->nelts; i++) {
        const struct mrc_location *location =
            APR_ARRAY_IDX(hub->locations, i, struct mrc_location *);
        const struct mrc_key_row *row = mrc_check_control_keys(&location->settings->location);

        if (!row)
            continue;
        ap_log_error(STARTUP_ERROR, location->server,
                     "MRC0118: MercureControlKey %s of the hub %s (%s) has the issuer and the key "
                     "of a MercurePublisherKey, MercureSubscriberKey or MercureKey, so every token "
                     "of this issuer could revoke all others: give MercureControlKey another "
                     "issuer, or a key of its own",
                     mrc_key_sources_show_issuer(row->issuer), hub->label,
                     location->section->where);
        status = !OK;
    }
    return status;
}

static int check_subscriptions(const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    uint64_t count = hub->settings->limits.subscribers_max;

    if (!hub->settings->subscriptions || count <= MRC_ROSTER_SUBSCRIBERS_MAX)
        return OK;
    ap_log_error(STARTUP_ERROR, first->server,
                 "MRC0105: MercureMaxSubscribers %" APR_UINT64_T_FMT
                 " is too large for the hub %s (%s): with MercureSubscriptions On, the hub can "
                 "list at most %" APR_UINT64_T_FMT " subscribers. Lower it to this number",
                 count, hub->label, first->section->where, MRC_ROSTER_SUBSCRIBERS_MAX);
    return !OK;
}

/* Whether a hub before number INDEX has the same name in the same engine as HUB. */
static const struct mrc_hub_conf *find_namesake(const apr_array_header_t *hubs, int index,
                                                const struct mrc_hub_conf *hub)
{
    for (int i = 0; i < index; i++) {
        const struct mrc_hub_conf *other = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        if (other->spec.transport &&
            !strcmp(other->spec.transport->name, hub->spec.transport->name) &&
            !strcmp(other->spec.transport->prefix, hub->spec.transport->prefix) &&
            !strcmp(other->spec.transport->group, hub->spec.transport->group))
            return other;
    }
    return NULL;
}

static int check_transport(server_rec *server, const apr_array_header_t *hubs, int index)
{
    const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, index, struct mrc_hub_conf *);
    const char *where = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *)->section->where;
    const struct mrc_hub_conf *other;

    if (!hub->spec.transport)
        return OK;
    if (!*hub->spec.transport->name) {
        ap_log_error(STARTUP_ERROR, server,
                     "MRC0301: MercureTransport: the hub %s (%s) has no name that it could share "
                     "with other machines: write a ServerName in its virtual host, or give it a "
                     "name with MercureHub On name=NAME",
                     hub->label, where);
        return !OK;
    }
    if (hub->settings->store_path) {
        ap_log_error(STARTUP_ERROR, server,
                     "MRC0302: MercureTransport and MercureStore lmdb exclude each other for the "
                     "hub %s (%s): its history is in Redis, so remove MercureStore",
                     hub->label, where);
        return !OK;
    }
    other = find_namesake(hubs, index, hub);
    if (!other)
        return OK;
    ap_log_error(
        STARTUP_ERROR, server,
        "MRC0304: MercureTransport: the hubs %s and %s (%s) have the same name in the same "
        "Redis: give one of them another name with MercureHub On name=NAME, or another "
        "prefix=",
        other->label, hub->label, where);
    return !OK;
}

int mrc_check_hubs(server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    int status = OK;

    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        if (check_history(main_server, hub) != OK || check_origins(hub) != OK ||
            check_subscriptions(hub) != OK || check_control(hub) != OK ||
            check_transport(main_server, hubs, i) != OK)
            status = !OK;
    }
    return status;
}

/* ---- MercurePublishHeader, MercureDiscovery ---------------------------------------------------*/

/* A directive that needs the hub at PATH (NULL: the only one) of the server that it is in. */
struct need {
    const char *directive;
    const char *path;
    const char *where;
};

/* The main server's configuration applies to virtual hosts, too, and only a request shows to which
 * ones. So one of them must have the hub. */
static int check_need(server_rec *server, const struct need *need)
{
    const char *error = NULL;

    if (mrc_hubs_choose(server, need->path, &error))
        return OK;
    for (server_rec *other = server->next; !server->is_virtual && other; other = other->next) {
        const char *unused;

        if (mrc_hubs_choose(other, need->path, &unused))
            return OK;
    }
    ap_log_error(STARTUP_ERROR, server,
                 "MRC0120: %s On%s%s (%s) needs a hub, but the site %s. Correct the path, or give "
                 "the site a hub with MercureHub",
                 need->directive, need->path ? " " : "", need->path ? need->path : "", need->where,
                 error);
    return !OK;
}

static int check_discovery(server_rec *server, const struct mrc_discovery *discovery)
{
    struct need need = {.directive = "MercureDiscovery", .where = discovery->where};

    /* The other targets may be anywhere. */
    for (int i = 0; i < discovery->targets->nelts; i++) {
        if (!*APR_ARRAY_IDX(discovery->targets, i, const char *))
            return check_need(server, &need);
    }
    return OK;
}

static int check_responses(server_rec *server)
{
    const struct mrc_server_conf *conf =
        ap_get_module_config(server->module_config, &mercure_module);
    int status = OK;

    for (int i = 0; i < conf->publish_headers->nelts; i++) {
        const struct mrc_publish_header *header =
            APR_ARRAY_IDX(conf->publish_headers, i, const struct mrc_publish_header *);
        struct need need = {"MercurePublishHeader", header->path, header->where};

        if (check_need(server, &need) != OK)
            status = !OK;
    }
    for (int i = 0; i < conf->discoveries->nelts; i++) {
        if (check_discovery(
                server, APR_ARRAY_IDX(conf->discoveries, i, const struct mrc_discovery *)) != OK)
            status = !OK;
    }
    return status;
}

int mrc_check_responses(server_rec *main_server)
{
    int status = OK;

    for (server_rec *server = main_server; server; server = server->next) {
        if (check_responses(server) != OK)
            status = !OK;
    }
    return status;
}

/* ---- memory -----------------------------------------------------------------------------------*/

/* A hub in memory whose history alone may be larger than BOUND; NULL: there is none. */
static const struct mrc_hub_conf *find_larger(const apr_array_header_t *hubs, int64_t bound)
{
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, const struct mrc_hub_conf *);

        if (!hub->settings->store_path && !hub->settings->history.off &&
            hub->settings->history.bytes > (uint64_t)bound)
            return hub;
    }
    return NULL;
}

/* MercureMemory BOUND. OK, or not. */
static int check_bound(server_rec *main_server, const apr_array_header_t *hubs, int64_t bound)
{
    const struct mrc_hub_conf *hub = bound ? find_larger(hubs, bound) : NULL;

    if (!hub)
        return OK;
    ap_log_error(APLOG_MARK, APLOG_ERR | (mrc_reload_is_now() ? 0 : APLOG_STARTUP), 0, main_server,
                 "MRC0107: MercureMemory %" APR_INT64_T_FMT
                 " is too small: the history of the hub %s alone may take %" APR_UINT64_T_FMT
                 " bytes. Raise it, or lower MercureHistory bytes=%s",
                 bound, hub->label, hub->settings->history.bytes,
                 mrc_reload_is_now() ? ". This reload goes on" : "");
    return mrc_reload_is_now() ? OK : !OK;
}

/* configtest: warns if the hubs do not fit into the runtime directory. A start and a reload report
 * the hubs for which there is no room. */
static void check_room(apr_pool_t *temp, server_rec *main_server, uint64_t need)
{
    const char *dir = ap_runtime_dir_relative(temp, "");
    uint64_t room;

    if (ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_CONFIG_TEST)
        return;
    room = mrc_memory_room(dir);
    if (need > room)
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, main_server,
                     "MRC0117: the %d hub(s) may take %" APR_UINT64_T_FMT
                     " bytes of shared memory together, and %s has %" APR_UINT64_T_FMT
                     " bytes for them. Where there is no room, a publication gets 503: lower "
                     "MercureHistory bytes= or MercureLimit body=, set MercureMemory, or give "
                     "DefaultRuntimeDir a larger file system",
                     mrc_hubs_hubs(main_server)->nelts, need, dir, room);
}

int mrc_check_memory(apr_pool_t *temp, server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    int64_t bound = mrc_hubs_server_settings(main_server)->memory_bytes;
    struct mrc_error error;
    uint64_t need = mrc_memory_size(mrc_spec_shapes(temp, hubs), (size_t)hubs->nelts,
                                    mrc_sizing_slots(), &error);

    if (need == 0) {
        ap_log_error(STARTUP_ERROR, main_server,
                     "MRC0106: the hubs cannot have the shared memory that they need: %s",
                     error.text);
        return !OK;
    }
    check_room(temp, main_server, bound && (uint64_t)bound < need ? (uint64_t)bound : need);
    return check_bound(main_server, hubs, bound);
}
