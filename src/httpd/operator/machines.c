#include "httpd/operator/machines.h"

#include <stdlib.h>
#include <string.h>

#include "apr_tables.h"
#include "http_config.h"
#include "http_log.h"

#include "core/base/siphash.h"
#include "httpd/base/module.h"
#include "httpd/config/hubs.h"
#include "httpd/operator/call.h"
#include "httpd/route/claim.h"
#include "hub/hub/hub.h"
#include "hub/transport/query.h"
#include "store/regions/link.h"

APLOG_USE_MODULE(mercure);

/* A machine that answers at all does so within about a second (respond.h). */
#define WAIT_US ((int64_t)1500 * 1000)

/* ---- the list ---------------------------------------------------------------------------------*/

/* A hash hides the names, which may say much about a network, and is short. */
static uint64_t id_of(const char *name)
{
    static const uint64_t key[2] = {0, 0};

    return mrc_siphash(key, mrc_bytes_of(name));
}

static int compare(const void *a, const void *b)
{
    uint64_t one = ((const struct mrc_machine_name *)a)->id;
    uint64_t other = ((const struct mrc_machine_name *)b)->id;

    return one < other ? -1 : one > other;
}

static size_t count_known(const struct mrc_hub *hub)
{
    struct mrc_link_status status;

    if (!mrc_hub_link(hub))
        return 1;
    mrc_link_get_status(mrc_hub_link(hub), &status);
    return status.machines ? (size_t)status.machines : 1;
}

void mrc_machines_list(apr_pool_t *pool, const struct mrc_hub *hub,
                       struct mrc_machine_list *ret_list)
{
    apr_array_header_t *names = apr_array_make(pool, 8, sizeof(const char *));
    struct mrc_query *query = mrc_hub_get_query(hub);
    struct mrc_machine_list list = {.known = count_known(hub), .is_shared = mrc_hub_link(hub)};
    const char *own = query ? mrc_query_own_name(query) : "";

    if (list.is_shared)
        list.is_unreachable = !query || mrc_query_machines(query, pool, names) != APR_SUCCESS;
    if (list.is_unreachable)
        names->nelts = 0;
    list.names = apr_pcalloc(pool, ((size_t)names->nelts + 1) * sizeof(*list.names));
    list.names[list.count++] = (struct mrc_machine_name){id_of(own), NULL};
    for (int i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (strcmp(name, own) != 0)
            list.names[list.count++] = (struct mrc_machine_name){id_of(name), name};
    }
    qsort(list.names, list.count, sizeof(*list.names), compare);
    *ret_list = list;
}

/* ---- questions --------------------------------------------------------------------------------*/

size_t mrc_machines_ask(apr_pool_t *pool, const struct mrc_hub *hub, struct mrc_machine_list *list,
                        size_t i, struct mrc_bytes question, mrc_survey_fn *fn, void *ctx)
{
    const char **asked = apr_pcalloc(pool, list->count * sizeof(*asked));
    size_t count = 0, silent = 0;

    for (size_t one = 0; one < list->count; one++) {
        if (list->names[one].name && (i == SIZE_MAX || i == one))
            asked[count++] = list->names[one].name;
    }
    if (count == 0)
        return 0;
    if (mrc_survey(mrc_hub_get_query(hub), asked, count, question, WAIT_US, fn, ctx, &silent) ==
        APR_SUCCESS)
        return silent;
    list->is_unreachable = true;
    return count;
}

void mrc_machines_log_unreachable(const struct mrc_operator_call *call)
{
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, call->r,
                  "MRC1104: hub %s: the other machines cannot be asked, so %s shows this machine "
                  "alone: check that the Redis server is up, and that its user has all rights in "
                  "docs/cluster.md",
                  call->claim->location->hub->label, call->name);
}
