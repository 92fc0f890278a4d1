#include "httpd/request.h"

#include "http_config.h"
#include "http_log.h"
#include "http_protocol.h"

#include "httpd/answer.h"
#include "httpd/claim.h"
#include "httpd/cors.h"
#include "httpd/module.h"
#include "httpd/publish.h"
#include "httpd/settings.h"
#include "httpd/subscribe.h"
#include "httpd/tally.h"

APLOG_USE_MODULE(mercure);

#define HUB_METHODS "GET, HEAD, POST, OPTIONS"

static int serve_options(request_rec *r, const struct mrc_settings *settings)
{
    if (!mrc_cors_is_preflight(r, settings, HUB_METHODS))
        apr_table_setn(r->headers_out, "Allow", HUB_METHODS);
    return mrc_answer_send(r, HTTP_NO_CONTENT, NULL, mrc_bytes_of(""));
}

static int serve_hub(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_settings *settings = ap_get_module_config(r->per_dir_config, &mercure_module);

    mrc_cors_add_headers(r, settings);
    switch (r->method_number) {
    case M_GET: /* and HEAD */
        return mrc_tally(r, claim, MRC_COUNTER_REFUSED, mrc_subscribe(r, claim));
    case M_POST:
        return mrc_tally(r, claim, MRC_COUNTER_PUBLISH_REJECTED, mrc_publish(r, claim));
    case M_OPTIONS:
        return serve_options(r, settings);
    default:
        apr_table_setn(r->headers_out, "Allow", HUB_METHODS);
        return mrc_answer_problem(r, HTTP_METHOD_NOT_ALLOWED,
                                  "a hub takes GET to subscribe and POST to publish");
    }
}

int mrc_request_handler(request_rec *r)
{
    const struct mrc_claim *claim = mrc_claim_get(r);

    if (!claim)
        return DECLINED;
    if (r->main) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "a hub answers clients, and no page that includes it");
        return HTTP_NOT_FOUND;
    }
    if (*claim->rest == '\0')
        return serve_hub(r, claim);
    ap_discard_request_body(r);
    return mrc_answer_problem(r, HTTP_NOT_FOUND, "the hub has no such resource");
}
