#include "httpd/resource/publish.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/base/quote.h"
#include "core/protocol/form.h"
#include "core/protocol/update.h"
#include "core/token/token.h"
#include "httpd/access/authorize.h"
#include "httpd/access/challenge.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/base/module.h"
#include "httpd/child/this_child.h"
#include "httpd/config/hubs.h"
#include "httpd/publish/publication.h"
#include "httpd/route/claim.h"
#include "hub/base/clock.h"
#include "hub/hub/hub.h"
#include "hub/hub/rate.h"

APLOG_USE_MODULE(mercure);

/* The most fields of a form besides its topics: the known ones, and any that publishers add. */
#define OTHER_FIELDS_MAX 1000

_Static_assert(DEFAULT_LIMIT_REQUEST_FIELDSIZE + 2 >= 2 * MRC_UPDATE_ID_MAX_BYTES,
               "the longest id takes half of a field");

/* The state of one publication request. clear() frees what the steps below open. */
struct publishing {
    request_rec *r;
    const struct mrc_claim *claim;
    struct mrc_token *token;
    struct mrc_form *form; /* the update's views point into it */
    struct mrc_publication publication;
};

static void clear(struct publishing *publishing)
{
    mrc_update_clear(&publishing->publication.update);
    mrc_form_free(publishing->form);
    mrc_token_unref(publishing->token);
}

/* ---- the steps --------------------------------------------------------------------------------
 * Each returns DECLINED to continue; otherwise R has been answered, and the handler returns the
 * value.
 */

static int authorize(struct publishing *publishing)
{
    request_rec *r = publishing->r;
    int status = mrc_authorize(r, publishing->claim, MRC_ROLE_PUBLISHER, &publishing->token);

    if (status == DECLINED && publishing->token)
        return DECLINED;
    r->connection->keepalive = AP_CONN_CLOSE; /* because the body is not read */
    return status == DECLINED ? mrc_authorize_missing(r, publishing->claim, MRC_ROLE_PUBLISHER)
                              : status;
}

static int read_form(struct publishing *publishing)
{
    const struct mrc_hub_settings *settings = mrc_claim_hub_settings(publishing->claim);

    return mrc_body_read_form(publishing->r, MRC_INPUT_PUBLICATION,
                              (size_t)settings->limit_body_bytes,
                              (size_t)settings->limit_topics + OTHER_FIELDS_MAX, &publishing->form);
}

/*
 * The longest id that clients can send back: httpd refuses a request with a field that is longer
 * than LimitRequestFieldSize, and half of it is left for what a client or a proxy adds. httpd reads
 * the fields before it knows the virtual host, so the default server of the address counts, too.
 */
static size_t id_max_bytes(const struct publishing *publishing)
{
    const apr_array_header_t *locations = publishing->claim->location->hub->locations;
    int field_bytes = publishing->r->connection->base_server->limit_req_fieldsize;

    for (int i = 0; i < locations->nelts; i++) {
        const server_rec *server = APR_ARRAY_IDX(locations, i, struct mrc_location *)->server;

        if (server->limit_req_fieldsize < field_bytes)
            field_bytes = server->limit_req_fieldsize;
    }
    /* httpd's default is 8 KB without the line end, and stands for the whole 4096 bytes. */
    if (field_bytes >= DEFAULT_LIMIT_REQUEST_FIELDSIZE)
        return MRC_UPDATE_ID_MAX_BYTES;
    return (size_t)field_bytes / 2;
}

static int parse_update(struct publishing *publishing)
{
    const struct mrc_hub_settings *settings = mrc_claim_hub_settings(publishing->claim);
    const struct mrc_update_limits limits = {
        .topics_max = (size_t)settings->limit_topics,
        .field_max_bytes = (size_t)(settings->limit_field_bytes ? settings->limit_field_bytes
                                                                : settings->limit_body_bytes),
        .id_max_bytes = id_max_bytes(publishing),
    };
    struct mrc_error error = {""};
    enum mrc_err err =
        mrc_update_parse(publishing->form, &limits, &error, &publishing->publication.update);

    return err ? mrc_failure_answer_input(publishing->r, err, &error, MRC_INPUT_PUBLICATION)
               : DECLINED;
}

static int answer_reserved(request_rec *r, struct mrc_bytes topic)
{
    return mrc_answer_problem(r, HTTP_BAD_REQUEST,
                              topic.len ? "a topic lies in the hub's own namespace, which is "
                                          "reserved for what the hub itself publishes: choose "
                                          "another"
                                        : "a topic is empty: name what has changed, for example "
                                          "by its URL");
}

static void log_not_granted(const struct publishing *publishing, struct mrc_bytes refused)
{
    struct mrc_quote issuer, topic;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, publishing->r,
                  "MRC0701: hub %s refuses a publication: a token of the issuer %s does not grant "
                  "publish on the topic %s",
                  publishing->claim->location->hub->label,
                  mrc_quote(&issuer, mrc_bytes_of(mrc_token_get_issuer(publishing->token))),
                  mrc_quote(&topic, refused));
}

static int check(struct publishing *publishing)
{
    const struct mrc_claim *claim = publishing->claim;
    struct mrc_publication *publication = &publishing->publication;
    request_rec *r = publishing->r;
    const apr_array_header_t *audiences =
        mrc_identity_audiences(r, claim->location, mrc_claim_settings(r, claim));
    const apr_array_header_t *paths = claim->location->hub->paths;
    struct mrc_bytes refused;

    publication->token = publishing->token;
    publication->hub_url = APR_ARRAY_IDX(audiences, 0, const char *);
    publication->hub_paths = (const char *const *)paths->elts;
    publication->hub_paths_count = (size_t)paths->nelts;
    switch (mrc_publication_check(publication, &refused)) {
    case MRC_PUBLICATION_RESERVED:
        return answer_reserved(r, refused);
    case MRC_PUBLICATION_NOT_GRANTED:
        log_not_granted(publishing, refused);
        return mrc_challenge(r, MRC_CHALLENGE_SCOPE,
                             "the access token does not grant publish on every topic of the "
                             "update");
    default:
        return DECLINED;
    }
}

/* Counts the update for MercurePublishRate. */
static int limit_rate(struct publishing *publishing)
{
    const struct mrc_claim *claim = publishing->claim;
    struct mrc_hub *hub = mrc_this_child_hub(claim->location->hub->index);
    request_rec *r = publishing->r;
    const struct mrc_failure *failure;
    int64_t now_us = mrc_clock_us(), wait_s = 1;
    apr_status_t status;

    if (!hub)
        return DECLINED; /* the next step answers */
    status = mrc_rate_take(mrc_hub_rate(hub), claim->token, 1, now_us, &wait_s);
    if (status == APR_SUCCESS)
        return DECLINED;
    failure = mrc_failure_of_publication(status);
    if (mrc_rate_should_report(mrc_hub_rate(hub), now_us))
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                      "MRC0711: hub %s refuses updates that come faster than MercurePublishRate "
                      "allows: %s",
                      claim->location->hub->label, failure->detail);
    if (failure->http_status == HTTP_TOO_MANY_REQUESTS)
        return mrc_answer_too_many(r, failure->detail, wait_s);
    return mrc_failure_answer(r, failure);
}

static int store(struct publishing *publishing)
{
    const struct mrc_hub_conf *conf = publishing->claim->location->hub;
    struct mrc_publication *publication = &publishing->publication;
    struct mrc_hub *hub = mrc_this_child_hub(conf->index);
    request_rec *r = publishing->r;
    const struct mrc_failure *failure;
    apr_status_t status;

    if (!hub)
        return mrc_answer_retry(r, "this server process does not serve the hub now: try again");
    if (mrc_publication_make_id(publication, hub) != APR_SUCCESS)
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                                  "the server cannot make an id: it has no source of randomness");
    status = mrc_publication_store(publication, hub, apr_time_now());
    if (status == APR_SUCCESS)
        return DECLINED;
    failure = mrc_failure_of_publication(status);
    if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "MRC0702: hub %s: an update was not stored",
                      conf->label);
    return mrc_failure_answer(r, failure);
}

static int answer_id(const struct publishing *publishing)
{
    request_rec *r = publishing->r;
    struct mrc_bytes id = publishing->publication.update.id;

    apr_table_setn(r->notes, "mercure-id", apr_pstrmemdup(r->pool, id.ptr, id.len));
    return mrc_answer_ok(r, "text/plain; charset=utf-8", id);
}

/* ---- the request ------------------------------------------------------------------------------*/

int mrc_publish(request_rec *r, const struct mrc_claim *claim)
{
    struct publishing publishing = {.r = r, .claim = claim};
    int status = authorize(&publishing);

    if (status == DECLINED)
        status = read_form(&publishing);
    if (status == DECLINED)
        status = parse_update(&publishing);
    if (status == DECLINED)
        status = check(&publishing);
    if (status == DECLINED)
        status = limit_rate(&publishing);
    if (status == DECLINED)
        status = store(&publishing);
    if (status == DECLINED)
        status = answer_id(&publishing);
    clear(&publishing);
    return status;
}
