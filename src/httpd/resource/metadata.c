#include "httpd/resource/metadata.h"

#include <jansson.h>

#include "apr_strings.h"
#include "http_protocol.h"

#include "core/token/grants.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"

/* The document changes only with the configuration. */
#define CACHE_CONTROL "max-age=300"

static json_t *make_list(const apr_array_header_t *texts)
{
    json_t *list = json_array();

    for (int i = 0; i < texts->nelts; i++)
        json_array_append_new(list, json_string(APR_ARRAY_IDX(texts, i, const char *)));
    return list;
}

static json_t *describe(const char *resource, const struct mrc_location_settings *settings,
                        const struct mrc_hub_settings *hub)
{
    json_t *document = json_object();

    json_object_set_new(document, "resource", json_string(resource));
    if (settings->authorization_servers)
        json_object_set_new(document, "authorization_servers",
                            make_list(settings->authorization_servers));
    json_object_set_new(document, "bearer_methods_supported", json_pack("[s]", "header"));
    json_object_set_new(document, "authorization_details_types_supported",
                        json_pack("[s]", MRC_GRANTS_DETAIL_TYPE));
    json_object_set_new(document, "mercure_cookie", json_string(settings->cookie_name));
    json_object_set_new(document, "mercure_matcher_types_supported",
                        json_pack("[s, s]", "exact", "urlpattern"));
    if (hub->subscriptions)
        json_object_set_new(document, "mercure_subscriptions", json_true());
    return document;
}

int mrc_metadata_serve(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, claim);
    const apr_array_header_t *names = mrc_identity_audiences(r, claim->location, settings);
    json_t *document =
        describe(APR_ARRAY_IDX(names, 0, const char *), settings, mrc_claim_hub_settings(claim));
    char *dumped = json_dumps(document, JSON_COMPACT);
    int status = mrc_body_discard(r);

    json_decref(document);
    if (status == DECLINED && !dumped)
        status = mrc_failure_answer_no_memory(r);
    if (status == DECLINED) {
        apr_table_setn(r->headers_out, "Cache-Control", CACHE_CONTROL);
        status = mrc_answer_ok(r, "application/json",
                               mrc_bytes_of(apr_pstrcat(r->pool, dumped, "\n", NULL)));
    }
    free(dumped);
    return status;
}
