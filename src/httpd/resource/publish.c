#include "httpd/resource/publish.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/quote.h"
#include "core/protocol/batch.h"
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
#include "httpd/publish/limits.h"
#include "httpd/publish/publication.h"
#include "httpd/publish/stay.h"
#include "httpd/route/claim.h"
#include "hub/hub/hub.h"
#include "hub/hub/rate.h"
#include "store/base/clock.h"
#include "store/base/status.h"

APLOG_USE_MODULE(mercure);

/* The state of one publication request. clear() frees what the steps below open. */
struct publishing {
    request_rec *r;
    const struct mrc_claim *claim;
    struct mrc_token *token;
    struct mrc_form *form; /* a form: the views of UPDATE point into it */
    struct mrc_update update;
    struct mrc_buf body; /* JSON: the views of BATCH may point into it */
    struct mrc_batch batch;
    bool is_json;
    enum mrc_err bad;       /* an update of the batch is bad, after those of PUBLICATION */
    struct mrc_error error; /* why */
    struct mrc_publication publication;
};

static void clear(struct publishing *publishing)
{
    mrc_update_clear(&publishing->update);
    mrc_form_free(publishing->form);
    mrc_batch_clear(&publishing->batch);
    mrc_buf_free(&publishing->body);
    mrc_token_unref(publishing->token);
}

/* ---- the steps --------------------------------------------------------------------------------*/

/*
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

static int read_body(struct publishing *publishing)
{
    const struct mrc_hub_settings *settings = mrc_claim_hub_settings(publishing->claim);
    size_t max_bytes = (size_t)settings->limit_body_bytes;
    request_rec *r = publishing->r;

    publishing->is_json = mrc_body_is_json(r);
    if (publishing->is_json)
        return mrc_body_read(r, max_bytes, &publishing->body);
    return mrc_body_read_form(r, MRC_INPUT_PUBLICATION, max_bytes,
                              (size_t)settings->limit_topics + MRC_PUBLISH_OTHER_FIELDS_MAX,
                              &publishing->form);
}

/* A client may have taken its time with the body. */
static int authorize_again(struct publishing *publishing)
{
    return mrc_authorize_again(publishing->r, publishing->claim, MRC_ROLE_PUBLISHER,
                               &publishing->token);
}

static int parse_form(struct publishing *publishing, const struct mrc_update_limits *limits)
{
    struct mrc_error error = {""};
    enum mrc_err err = mrc_update_parse(publishing->form, limits, &error, &publishing->update);

    publishing->publication.updates = &publishing->update;
    publishing->publication.count = 1;
    return err ? mrc_failure_answer_input(publishing->r, err, &error, MRC_INPUT_PUBLICATION)
               : DECLINED;
}

/* If an update is bad, those before it are checked first: one of them may be bad, too. */
static int parse_json(struct publishing *publishing, const struct mrc_update_limits *limits)
{
    struct mrc_batch *batch = &publishing->batch;
    enum mrc_err err =
        mrc_batch_parse(mrc_buf_bytes(&publishing->body), limits, &publishing->error, batch);

    publishing->publication.updates = batch->updates;
    publishing->publication.count = batch->count;
    if (!err || batch->has_bad) {
        publishing->bad = err;
        return DECLINED;
    }
    return mrc_failure_answer_input(publishing->r, err, &publishing->error, MRC_INPUT_PUBLICATION);
}

static int parse(struct publishing *publishing)
{
    const struct mrc_update_limits limits = mrc_publish_limits(
        publishing->claim->location->hub, publishing->r->connection->base_server);

    return publishing->is_json ? parse_json(publishing, &limits) : parse_form(publishing, &limits);
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

/* Answers that PUBLICATION may not be stored, for the reason VERDICT. */
static int refuse(struct publishing *publishing, enum mrc_publication_verdict verdict,
                  const struct mrc_publication_refusal *refusal)
{
    request_rec *r = publishing->r;

    if (publishing->batch.is_array)
        mrc_answer_set_index(r, refusal->index);
    if (verdict == MRC_PUBLICATION_RESERVED)
        return answer_reserved(r, refusal->topic);
    log_not_granted(publishing, refusal->topic);
    return mrc_challenge(r, MRC_CHALLENGE_SCOPE,
                         "the access token does not grant publish on every topic of the update");
}

static int check(struct publishing *publishing)
{
    const struct mrc_claim *claim = publishing->claim;
    struct mrc_publication *publication = &publishing->publication;
    request_rec *r = publishing->r;
    const apr_array_header_t *audiences =
        mrc_identity_audiences(r, claim->location, mrc_claim_settings(r, claim));
    const apr_array_header_t *paths = claim->location->hub->paths;
    struct mrc_publication_refusal refusal;
    enum mrc_publication_verdict verdict;

    publication->token = publishing->token;
    publication->hub_url = APR_ARRAY_IDX(audiences, 0, const char *);
    publication->hub_paths = (const char *const *)paths->elts;
    publication->hub_paths_count = (size_t)paths->nelts;
    verdict = mrc_publication_check(publication, &refusal);
    if (verdict != MRC_PUBLICATION_ACCEPTED)
        return refuse(publishing, verdict, &refusal);
    if (!publishing->bad)
        return DECLINED;
    mrc_answer_set_index(r, publication->count);
    return mrc_failure_answer_input(r, publishing->bad, &publishing->error, MRC_INPUT_PUBLICATION);
}

/* Counts the updates for MercurePublishRate. */
static int limit_rate(struct publishing *publishing)
{
    const struct mrc_claim *claim = publishing->claim;
    struct mrc_hub *hub = mrc_this_child_hub(claim->location->hub->index);
    size_t count = publishing->publication.count;
    request_rec *r = publishing->r;
    const struct mrc_failure *failure;
    int64_t now_us = mrc_clock_us(), wait_s = 1;
    apr_status_t status;

    if (!hub)
        return DECLINED; /* the next step answers */
    status = mrc_rate_take(mrc_hub_rate(hub), claim->token, count, now_us, &wait_s);
    if (status == APR_SUCCESS)
        return DECLINED;
    failure = mrc_failure_of_publication(status, count);
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
    publication->ids = apr_pcalloc(r->pool, publication->count * sizeof(*publication->ids));
    if (mrc_publication_make_ids(publication, hub) != APR_SUCCESS)
        return mrc_answer_problem(r, HTTP_INTERNAL_SERVER_ERROR,
                                  "the server cannot make an id: it has no source of randomness");
    status = mrc_publication_store(publication, hub, apr_time_now());
    if (status == APR_SUCCESS)
        return DECLINED;
    failure = mrc_failure_of_publication(status, publication->count);
    if (status == MRC_STATUS_NO_ROOM)
        mrc_failure_report_no_room(r, hub, conf->label);
    if (failure->is_ours)
        ap_log_rerror(APLOG_MARK, APLOG_ERR, status, r, "MRC0702: hub %s: an update was not stored",
                      conf->label);
    return mrc_failure_answer(r, failure);
}

/* The ids of the updates, as a JSON array. */
static int answer_array(request_rec *r, const struct mrc_publication *publication)
{
    struct mrc_buf text;
    int status;

    mrc_buf_init(&text, SIZE_MAX);
    for (size_t i = 0; i < publication->count; i++) {
        mrc_buf_add_char(&text, i ? ',' : '[');
        mrc_json_add_string(&text, publication->updates[i].id);
    }
    mrc_buf_add_str(&text, "]\n");
    /* The updates are stored, so an error would make the publisher repeat them. */
    status = mrc_answer_ok(r, "application/json",
                           mrc_buf_error(&text) ? mrc_bytes_of("[]\n") : mrc_buf_bytes(&text));
    mrc_buf_free(&text);
    return status;
}

static int answer_ids(const struct publishing *publishing)
{
    request_rec *r = publishing->r;
    struct mrc_bytes first = publishing->publication.updates[0].id;

    apr_table_setn(r->notes, "mercure-id", apr_pstrmemdup(r->pool, first.ptr, first.len));
    if (publishing->batch.is_array)
        return answer_array(r, &publishing->publication);
    return mrc_answer_ok(r, "text/plain; charset=utf-8", first);
}

/* ---- the request ------------------------------------------------------------------------------*/

int mrc_publish(request_rec *r, const struct mrc_claim *claim)
{
    struct publishing publishing = {.r = r, .claim = claim};
    int status = authorize(&publishing);

    if (status == DECLINED)
        status = read_body(&publishing);
    if (status == DECLINED)
        status = authorize_again(&publishing);
    if (status == DECLINED)
        status = parse(&publishing);
    if (status == DECLINED)
        status = check(&publishing);
    if (status == DECLINED)
        status = limit_rate(&publishing);
    if (status == DECLINED)
        status = store(&publishing);
    if (status == DECLINED) {
        status = answer_ids(&publishing);
        mrc_stay_note(r);
    }
    clear(&publishing);
    return status;
}
