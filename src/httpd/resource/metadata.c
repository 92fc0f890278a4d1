#include "httpd/resource/metadata.h"

#include <stdbool.h>

#include "http_protocol.h"

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/utf8.h"
#include "core/token/grants.h"
#include "httpd/access/identity.h"
#include "httpd/answer/answer.h"
#include "httpd/answer/body.h"
#include "httpd/answer/failure.h"
#include "httpd/config/hubs.h"
#include "httpd/route/claim.h"

/* The document changes only with the configuration. */
#define CACHE_CONTROL "max-age=300"

/* A text that is not UTF-8 is left out, with its member. */
static void add_text(struct mrc_buf *out, const char *name, const char *text)
{
    if (!mrc_utf8_valid(mrc_bytes_of(text)))
        return;
    mrc_buf_printf(out, ",\"%s\":", name);
    mrc_json_add_string(out, mrc_bytes_of(text));
}

static void add_list(struct mrc_buf *out, const char *name, const apr_array_header_t *texts)
{
    bool is_first = true;

    mrc_buf_printf(out, ",\"%s\":[", name);
    for (int i = 0; i < texts->nelts; i++) {
        struct mrc_bytes text = mrc_bytes_of(APR_ARRAY_IDX(texts, i, const char *));

        if (!mrc_utf8_valid(text))
            continue;
        if (!is_first)
            mrc_buf_add_char(out, ',');
        is_first = false;
        mrc_json_add_string(out, text);
    }
    mrc_buf_add_char(out, ']');
}

static void describe(struct mrc_buf *out, const char *resource,
                     const struct mrc_location_settings *settings,
                     const struct mrc_hub_settings *hub)
{
    mrc_buf_add_str(out,
                    "{\"bearer_methods_supported\":[\"header\"],"
                    "\"authorization_details_types_supported\":[\"" MRC_GRANTS_DETAIL_TYPE "\"],"
                    "\"mercure_matcher_types_supported\":[\"exact\",\"urlpattern\"]");
    add_text(out, "resource", resource);
    if (settings->authorization_servers)
        add_list(out, "authorization_servers", settings->authorization_servers);
    add_text(out, "mercure_cookie", settings->cookie_name);
    if (hub->subscriptions)
        mrc_buf_add_str(out, ",\"mercure_subscriptions\":true");
    mrc_buf_add_str(out, "}\n");
}

int mrc_metadata_serve(request_rec *r, const struct mrc_claim *claim)
{
    const struct mrc_location_settings *settings = mrc_claim_settings(r, claim);
    const apr_array_header_t *names = mrc_identity_audiences(r, claim->location, settings);
    int status = mrc_body_discard(r);
    struct mrc_buf out;

    mrc_buf_init(&out, SIZE_MAX);
    describe(&out, APR_ARRAY_IDX(names, 0, const char *), settings, mrc_claim_hub_settings(claim));
    if (status == DECLINED && mrc_buf_error(&out))
        status = mrc_failure_answer_no_memory(r);
    if (status == DECLINED) {
        apr_table_setn(r->headers_out, "Cache-Control", CACHE_CONTROL);
        status = mrc_answer_ok(r, "application/json", mrc_buf_bytes(&out));
    }
    mrc_buf_free(&out);
    return status;
}
