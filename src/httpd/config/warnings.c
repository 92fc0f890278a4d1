#include "httpd/config/warnings.h"

#include <stdbool.h>

#include "http_config.h"
#include "http_log.h"

#include "core/jose/keyset.h"
#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/config/key_sources.h"
#include "httpd/config/transport.h"
#include "hub/keys/keyring.h"

APLOG_USE_MODULE(mercure);

static bool has_key(const apr_array_header_t *keys, const struct mrc_keyset *key)
{
    for (int i = 0; keys && i < keys->nelts; i++) {
        if (APR_ARRAY_IDX(keys, i, const struct mrc_key_row *)->keys == key)
            return true;
    }
    return false;
}

/* Logs the weak KEYS, except those that are also among OTHERS and have been logged with them. */
static void warn_of_weak_keys(const struct mrc_location *location, const apr_array_header_t *keys,
                              const apr_array_header_t *others)
{
    for (int i = 0; keys && i < keys->nelts; i++) {
        const struct mrc_keyset *key = APR_ARRAY_IDX(keys, i, const struct mrc_key_row *)->keys;
        const char *warning = key ? mrc_keyset_get_warning(key) : NULL;

        if (warning && !has_key(others, key))
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, location->server,
                         "MRC0201: a key of the hub %s for protocol 0.x (%s) is weak: %s",
                         location->hub->label, location->section->where, warning);
    }
}

static bool can_publish(const struct mrc_location_settings *settings)
{
    return settings->publisher_keys || settings->playground ||
           (settings->legacy && settings->legacy_publisher_keys);
}

static bool can_subscribe(const struct mrc_location_settings *settings)
{
    return settings->subscriber_keys || settings->anonymous || settings->playground ||
           (settings->legacy && settings->legacy_subscriber_keys);
}

/*
 * Whether the section of LOCATION is in the main server without keys, and virtual hosts that
 * inherit it give them. Then the main server is not meant to serve it.
 */
static bool is_template(const struct mrc_location *location)
{
    if (location->server->is_virtual)
        return false;
    for (server_rec *server = location->server->next; server; server = server->next) {
        const apr_array_header_t *locations = mrc_hubs_locations(server);

        for (int i = 0; locations && i < locations->nelts; i++) {
            const struct mrc_location *heir = APR_ARRAY_IDX(locations, i, struct mrc_location *);

            if (heir->section == location->section && (can_publish(&heir->settings->location) ||
                                                       can_subscribe(&heir->settings->location)))
                return true;
        }
    }
    return false;
}

static void warn_of_lack(const struct mrc_location *location)
{
    const struct mrc_location_settings *settings = &location->settings->location;

    if ((can_publish(settings) && can_subscribe(settings)) ||
        (settings->htaccess && !mrc_hubs_shared(location)) || is_template(location))
        return;
    if (!can_publish(settings))
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, location->server,
            "MRC0203: nobody can publish to the hub %s: it has no MercurePublisherKey (%s)",
            location->hub->label, location->section->where);
    if (!can_subscribe(settings))
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, location->server,
                     "MRC0204: nobody can subscribe to the hub %s: it has neither a "
                     "MercureSubscriberKey nor MercureAnonymous On (%s)",
                     location->hub->label, location->section->where);
}

static void warn_of_location(const struct mrc_location *location)
{
    const struct mrc_location_settings *settings = &location->settings->location;

    if (settings->playground)
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, location->server,
            "MRC0202: the hub %s is INSECURE: with MercurePlayground On, anybody who reaches "
            "it can read and publish everything. Use it on your own machine only (%s)",
            location->hub->label, location->section->where);
    warn_of_lack(location);
    if (settings->legacy) {
        warn_of_weak_keys(location, settings->legacy_publisher_keys, NULL);
        warn_of_weak_keys(location, settings->legacy_subscriber_keys,
                          settings->legacy_publisher_keys);
    }
}

static void warn_of_transport(server_rec *server, const struct mrc_hub_conf *hub)
{
    if (!hub->settings->transport || !hub->settings->transport->has_password_in_url)
        return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "MRC0316: the MercureTransport of the hub %s has its password in the "
                 "configuration: keep it out of there with password=env:NAME or "
                 "password=file:PATH",
                 hub->label);
}

/* One warning for HUB, although several Locations may have the directive. */
static void warn_of_htaccess(const struct mrc_hub_conf *hub)
{
    for (int i = 0; i < hub->locations->nelts; i++) {
        const struct mrc_location *location =
            APR_ARRAY_IDX(hub->locations, i, struct mrc_location *);
        const char *why = mrc_hubs_shared(location);

        if (!why || !location->settings->location.htaccess)
            continue;
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, location->server,
            "MRC0238: MercureHtaccess On has no effect for the hub %s (%s), because several "
            "sites share it, and the .htaccess file of one could take it over: %s. Give each site "
            "a hub of its own, or write MercureHtaccess Off for this hub",
            hub->label, location->section->where, why);
        return;
    }
}

void mrc_warnings_log(server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    const apr_array_header_t *skipped =
        mrc_key_sources_catalogue(main_server->process->pconf)->skipped;

    for (int i = 0; i < skipped->nelts; i++)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server, "MRC0224: after this reload, %s",
                     APR_ARRAY_IDX(skipped, i, const char *));
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        if (hub->is_of_site)
            continue;
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, main_server,
                     "MRC0205: hub %s: %d Location(s), ring of %" APR_UINT64_T_FMT " bytes",
                     hub->label, hub->locations->nelts, hub->spec.shape.ring_bytes);
        warn_of_transport(main_server, hub);
        warn_of_htaccess(hub);
        for (int k = 0; k < hub->locations->nelts; k++)
            warn_of_location(APR_ARRAY_IDX(hub->locations, k, struct mrc_location *));
    }
}
