#include "httpd/life/upgrade.h"

#include "apr_hash.h"
#include "apr_strings.h"
#include "http_log.h"

#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/config/site.h"
#include "store/history/adopt.h"
#include "store/history/dir.h"

APLOG_USE_MODULE(mercure);

/* A list of hubs in a message names at most this many. */
#define LISTED_MAX 10

/* A hub of an earlier version, and the hubs that it has become. */
struct former {
    const char *key;
    const struct mrc_hub_section *section; /* the first that had this key */
    apr_array_header_t *hubs;              /* of const struct mrc_hub_conf * */
    const struct mrc_hub_conf *of_main;    /* the one of the main server; NULL: none */
};

static bool has(const apr_array_header_t *pointers, const void *pointer)
{
    for (int i = 0; i < pointers->nelts; i++) {
        if (APR_ARRAY_IDX(pointers, i, const void *) == pointer)
            return true;
    }
    return false;
}

static const apr_array_header_t *find_formers(apr_pool_t *temp, const apr_array_header_t *hubs,
                                              apr_hash_t *by_key)
{
    apr_array_header_t *formers = apr_array_make(temp, hubs->nelts + 1, sizeof(struct former *));

    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        for (int k = 0; k < hub->locations->nelts && !hub->is_of_site; k++) {
            const struct mrc_location *location =
                APR_ARRAY_IDX(hub->locations, k, struct mrc_location *);
            const char *key = mrc_site_former_key(temp, location->section);
            struct former *former = apr_hash_get(by_key, key, APR_HASH_KEY_STRING);

            if (location->section->name)
                continue; /* the name was the key, and still is */
            if (!former) {
                former = apr_pcalloc(temp, sizeof(*former));
                former->key = key;
                former->section = location->section;
                former->hubs = apr_array_make(temp, 2, sizeof(hub));
                apr_hash_set(by_key, key, APR_HASH_KEY_STRING, former);
                APR_ARRAY_PUSH(formers, struct former *) = former;
            }
            if (!has(former->hubs, hub))
                APR_ARRAY_PUSH(former->hubs, const struct mrc_hub_conf *) = hub;
            if (!location->server->is_virtual)
                former->of_main = hub;
        }
    }
    return formers;
}

/* The hub that may have the history of FORMER; NULL: it has the updates of several sites. The main
 * server besides a single site does not count. */
static const struct mrc_hub_conf *find_heir(const struct former *former)
{
    const struct mrc_hub_conf *first = APR_ARRAY_IDX(former->hubs, 0, const struct mrc_hub_conf *);

    if (former->hubs->nelts == 1)
        return first;
    if (former->hubs->nelts > 2 || !former->of_main)
        return NULL;
    return first == former->of_main ? APR_ARRAY_IDX(former->hubs, 1, const struct mrc_hub_conf *)
                                    : first;
}

/* ---- messages ---------------------------------------------------------------------------------*/

static const char *list_labels(apr_pool_t *temp, const apr_array_header_t *hubs)
{
    const char *list = "";
    int n = hubs->nelts < LISTED_MAX ? hubs->nelts : LISTED_MAX;

    for (int i = 0; i < n; i++)
        list = apr_pstrcat(temp, list, i ? ", " : "",
                           APR_ARRAY_IDX(hubs, i, const struct mrc_hub_conf *)->label, NULL);
    return n < hubs->nelts ? apr_psprintf(temp, "%s and %d more", list, hubs->nelts - n) : list;
}

static void log_divided(apr_pool_t *temp, server_rec *main_server, const struct former *former)
{
    if (former->hubs->nelts > 1)
        ap_log_error(
            APLOG_MARK, APLOG_NOTICE, 0, main_server,
            "MRC0230: the section at %s is divided into %d hubs, one for each site: %s. To "
            "have one hub for all of them, write MercureHub On name=NAME there",
            former->section->where, former->hubs->nelts, list_labels(temp, former->hubs));
}

static void log_joined(apr_pool_t *temp, const struct mrc_hub_conf *hub)
{
    const struct mrc_location *first = APR_ARRAY_IDX(hub->locations, 0, struct mrc_location *);
    const char *list = first->section->where;
    int n = 1;

    for (int i = 1; i < hub->locations->nelts; i++) {
        const struct mrc_hub_section *section =
            APR_ARRAY_IDX(hub->locations, i, struct mrc_location *)->section;

        if (section != first->section) {
            list = apr_pstrcat(temp, list, ", ", section->where, NULL);
            n++;
        }
    }
    if (n > 1 && !first->section->name)
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, first->server,
                     "MRC0231: %d sections are joined into the hub %s, because their virtual hosts "
                     "have the same ServerName: %s. To have a hub for each, write MercureHub On "
                     "name=NAME there with different names",
                     n, hub->label, list);
}

/* ---- directories of histories -----------------------------------------------------------------*/

static void keep(apr_pool_t *temp, server_rec *main_server, const char *dir, const char *why,
                 const char *where_to)
{
    struct mrc_error error = {""};
    const char *kept = NULL;

    if (mrc_history_adopt_keep(temp, dir, &error, &kept) == APR_SUCCESS)
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, main_server,
            "MRC0232: the history in %s %s. It is kept as %s. To use it nevertheless, stop "
            "httpd and rename it to %s",
            dir, why, kept, where_to);
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                     "MRC0233: the history in %s %s, but it cannot be kept under another name: %s",
                     dir, why, error.text);
}

/*
 * Gives HUB, which has no directory yet, the newest history of the FORMERS that it is the heir of.
 */
static void adopt(apr_pool_t *temp, server_rec *main_server, const struct mrc_hub_conf *hub,
                  const apr_array_header_t *formers)
{
    apr_array_header_t *names = apr_array_make(temp, 2, sizeof(const char *));
    struct mrc_error error = {""};
    size_t newest;

    for (int i = 0; i < formers->nelts; i++) {
        const struct former *former = APR_ARRAY_IDX(formers, i, const struct former *);
        const char *name;

        if (find_heir(former) != hub)
            continue;
        name = mrc_history_dir_name(temp, hub->settings->store_path, former->key);
        if (mrc_history_adopt_exists(name))
            APR_ARRAY_PUSH(names, const char *) = name;
    }
    newest = mrc_history_adopt_newest((const char *const *)names->elts, (size_t)names->nelts);
    for (size_t i = 0; i < (size_t)names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (i != newest)
            keep(temp, main_server, name, "is older than another one of the same hub",
                 hub->spec.history_dir);
        else if (mrc_history_adopt_move(name, hub->spec.history_dir, &error) != APR_SUCCESS)
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                         "MRC0234: the hub %s starts with an empty history: %s", hub->label,
                         error.text);
        else
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, main_server,
                         "MRC0235: the hub %s continues with the history in %s, which is now %s",
                         hub->label, name, hub->spec.history_dir);
    }
}

/* Keeps the history of FORMER, which has the updates of several sites, under another name. */
static void set_aside(apr_pool_t *temp, server_rec *main_server, const struct former *former)
{
    for (int i = 0; i < former->hubs->nelts; i++) {
        const struct mrc_hub_conf *hub =
            APR_ARRAY_IDX(former->hubs, i, const struct mrc_hub_conf *);
        const char *name;

        if (!hub->spec.history_dir)
            continue;
        name = mrc_history_dir_name(temp, hub->settings->store_path, former->key);
        if (mrc_history_adopt_exists(name))
            keep(temp, main_server, name, "has updates of several sites, so no site gets it",
                 apr_psprintf(temp, "the directory of one of the hubs %s",
                              list_labels(temp, former->hubs)));
    }
}

void mrc_upgrade_hubs(apr_pool_t *temp, server_rec *main_server)
{
    const apr_array_header_t *hubs = mrc_hubs_hubs(main_server);
    const apr_array_header_t *formers = find_formers(temp, hubs, apr_hash_make(temp));

    for (int i = 0; i < formers->nelts; i++) {
        const struct former *former = APR_ARRAY_IDX(formers, i, const struct former *);

        log_divided(temp, main_server, former);
        if (!find_heir(former))
            set_aside(temp, main_server, former);
    }
    for (int i = 0; i < hubs->nelts; i++) {
        const struct mrc_hub_conf *hub = APR_ARRAY_IDX(hubs, i, struct mrc_hub_conf *);

        log_joined(temp, hub);
        if (hub->spec.history_dir && !mrc_history_adopt_exists(hub->spec.history_dir))
            adopt(temp, main_server, hub, formers);
    }
}
