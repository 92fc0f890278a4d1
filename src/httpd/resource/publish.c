#include "httpd/resource/publish.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/base/quote.h"
#include "core/protocol/form.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "core/topic/reserved.h"
#include "httpd/access/authorize.h"
#include "httpd/access/challenge.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"
#include "hub/hub/hub.h"

APLOG_USE_MODULE(mercure);

/* Fields of a form beside its topics: the known ones, and what publishers may add. */
#define OTHER_FIELDS_MAX 1000

static size_t field_limit(const struct mrc_settings *settings)
{
    return (size_t)(settings->limit_field_bytes ? settings->limit_field_bytes
                                                : settings->limit_body_bytes);
}

/* An update that has no id gets one. */
static int store(request_rec *r, const struct mrc_claim *claim, struct mrc_update *update)
{
    struct mrc_hub *hub = mrc_this_child_hub(claim->location->hub->index);
    const struct mrc_failure *failure;
    apr_status_t status;
    char *id;

    if (!hub)
        return mrc_answer_retry(r, "this server process serves no hub now: try again");
    if (!update->id.ptr) {
        id = apr_palloc(r->pool, MRC_UPDATE_ID_BYTES);
        if (mrc_hub_make_id(hub, id) != APR_SUCCESS)
            return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                                      "the server has no randomness");
        update->id = mrc_bytes_of(id);
    }
    status = mrc_hub_publish(hub, update, apr_time_now());
    if (status == APR_SUCCESS) {
        apr_table_setn(r->notes, "mercure-id",
                       apr_pstrmemdup(r->pool, update->id.ptr, update->id.len));
        return mrc_answer_send(r, HTTP_OK, "text/plain; charset=utf-8", update->id);
    }
    failure = mrc_failure_of_publication(status);
    if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "hub %s: an update was not stored",
                      claim->location->hub->label);
    return mrc_failure_answer(r, failure);
}

/* Nobody publishes under the hub's own URLs, whatever the token grants. */
static int check_reserved(request_rec *r, const struct mrc_claim *claim,
                          const struct mrc_update *update)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);
    const apr_array_header_t *audiences = mrc_identity_audiences(r, claim->location, settings);
    const apr_array_header_t *paths = claim->location->hub->paths;

    for (size_t i = 0; i < update->topics_count; i++) {
        if (mrc_reserved_covers(update->topics[i], APR_ARRAY_IDX(audiences, 0, const char *),
                                (const char *const *)paths->elts, (size_t)paths->nelts))
            return mrc_answer_problem(r, HTTP_BAD_REQUEST,
                                      "a topic lies in the hub's own namespace, which is reserved "
                                      "for what the hub itself publishes: choose another");
    }
    return DECLINED;
}

static int check_grants(request_rec *r, const struct mrc_claim *claim,
                        const struct mrc_token *token, struct mrc_update *update)
{
    struct mrc_quote issuer, topic;

    for (size_t i = 0; i < update->topics_count; i++) {
        if (mrc_token_grants(token, MRC_ACTION_PUBLISH, update->topics[i]))
            continue;
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "hub %s refuses a publication: a token of the issuer %s does not grant "
                      "publish on the topic %s",
                      claim->location->hub->label,
                      mrc_quote(&issuer, mrc_bytes_of(mrc_token_get_issuer(token))),
                      mrc_quote(&topic, update->topics[i]));
        return mrc_challenge(r, HTTP_FORBIDDEN, "insufficient_scope",
                             "the access token does not grant publish on every topic of "
                             "the update");
    }
    return store(r, claim, update);
}

static int publish_form(request_rec *r, const struct mrc_claim *claim,
                        const struct mrc_token *token, const struct mrc_form *form)
{
    const struct mrc_settings *settings = claim->location->hub->settings;
    const struct mrc_update_limits limits = {
        .topics_max = (size_t)settings->limit_topics,
        .field_max_bytes = field_limit(settings),
    };
    struct mrc_error error = {""};
    struct mrc_update update;
    enum mrc_err err;
    int status;

    err = mrc_update_parse(form, &limits, &error, &update);
    if (err)
        return mrc_failure_answer_input(r, err, &error, HTTP_REQUEST_ENTITY_TOO_LARGE);
    status = check_reserved(r, claim, &update);
    if (status == DECLINED)
        status = check_grants(r, claim, token, &update);
    mrc_update_clear(&update);
    return status;
}

static int publish_with(request_rec *r, const struct mrc_claim *claim,
                        const struct mrc_token *token)
{
    const struct mrc_settings *settings = claim->location->hub->settings;
    struct mrc_form *form;
    int status;

    if (!token) {
        r->connection->keepalive = AP_CONN_CLOSE; /* the body is not read */
        return mrc_challenge_missing(r, "publishing");
    }
    status = mrc_body_read_form(r, (size_t)settings->limit_body_bytes,
                                (size_t)settings->limit_topics + OTHER_FIELDS_MAX,
                                HTTP_REQUEST_ENTITY_TOO_LARGE, &form);
    if (status != DECLINED)
        return status;
    status = publish_form(r, claim, token, form);
    mrc_form_free(form);
    return status;
}

int mrc_publish(request_rec *r, const struct mrc_claim *claim)
{
    struct mrc_token *token;
    int status = mrc_authorize(r, claim, MRC_ROLE_PUBLISHER, &token);

    if (status != DECLINED) {
        r->connection->keepalive = AP_CONN_CLOSE; /* the body is not read */
        return status;
    }
    status = publish_with(r, claim, token);
    mrc_token_unref(token);
    return status;
}
